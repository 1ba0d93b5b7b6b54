/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest that only computes: the CPU benchmark of figure6.py, and the hogs beside which others
 * are measured. It sleeps until a moment, then sorts and sums a table of its own until another.
 * The moments are of system time, so that all guests work in the same window; what is not
 * finished at its end does not count. At the end it says
 *     spin LOOPS SUM BEGIN END RAN
 * what it did, when it began and ended, and for how long of that it ran, in nanoseconds.
 *
 *     from=MS   system time in milliseconds (default 0: at once)
 *     until=MS  likewise (default 0: for ever)
 */
#include "bench.h"

#define MS    1000000ULL
#define WORDS 64U

static uint32_t table[WORDS];

/* Some ten thousand instructions, of which the next ones depend. */
static uint32_t work(uint32_t seed) {
	for (unsigned i = 0; i < WORDS; i++) table[i] = seed = seed * 1664525U + 1013904223U;
	for (unsigned i = 1; i < WORDS; i++) {
		uint32_t word = table[i];
		unsigned j = i;

		for (; j > 0 && table[j - 1] > word; j--) table[j] = table[j - 1];
		table[j] = word;
	}
	return table[WORDS / 2] + seed;
}

static void sleep_until(uint64_t time) {
	struct sched_poll poll = {.timeout = time};

	while (pv_time_ns() < time) sched_op(SCHEDOP_poll, &poll);
}

static uint64_t has_run(void) {
	struct vcpu_runstate_info info;

	PV_MUST(!vcpu_op(VCPUOP_get_runstate_info, 0, &info));
	return info.time[RUNSTATE_running];
}

int pv_main(void) {
	uint64_t from = pv_option_number("from", 0) * MS, until = pv_option_number("until", 0) * MS,
		 done = 0;
	uint64_t begin, ran;
	uint32_t seed = 1;

	sleep_until(from);
	begin = pv_time_ns();
	ran = has_run();
	for (; !until || pv_time_ns() < until; done++) seed = work(seed);
	if (done) done--; /* the last one ended behind the window */
	ran = has_run() - ran;
	pv_printf("spin %lu %u %lu %lu %lu\n", done, seed, begin, pv_time_ns(), ran);
	return SHUTDOWN_poweroff;
}
