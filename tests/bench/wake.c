/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How late a vCPU runs that sleeps until a time: wake.py boots this beside others. It asks to
 * sleep for 50 to 200 us, again and again, and notes how much later than asked it reads
 * the clock. Under -icount a nanosecond is an instruction, so that is what the core executes
 * from the timer's interrupt to the guest's next instruction, with the clock's reading.
 *
 *     samples=N  (default 5000)
 */
#include "pv.h"

#define LONGEST 400000U /* ns; what is later counts as this */

static uint16_t seen[LONGEST + 1];

/* The time that this many of all samples were not later than. */
static uint32_t rank(uint64_t count) {
	uint64_t sum = 0;
	uint32_t late = 0;

	for (; late < LONGEST && (sum += seen[late]) < count; late++) continue;
	return late;
}

int pv_main(void) {
	uint64_t samples = pv_option_number("samples", 5000), noise = 88172645463325252ULL;

	for (uint64_t i = 0; i < samples; i++) {
		struct sched_poll poll = {0};
		uint64_t late;

		noise ^= noise << 13;
		noise ^= noise >> 7;
		noise ^= noise << 17;
		poll.timeout = pv_time_ns() + 50000 + noise % 150000;
		PV_MUST(sched_op(SCHEDOP_poll, &poll) == 0);
		late = pv_time_ns() - poll.timeout;
		seen[late < LONGEST ? late : LONGEST]++;
	}
	pv_printf("bench median %u\n", rank(samples / 2));
	pv_printf("bench most99 %u\n", rank(samples - samples / 100));
	pv_printf("bench most999 %u\n", rank(samples - samples / 1000));
	pv_printf("bench most %u\n", rank(samples));
	pv_printf("bench end\n");
	return 0;
}
