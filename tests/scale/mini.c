/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest that a thousand of are run at once: it sleeps by its timer, and looks each
 * time whether it woke when it asked to, by a clock that went on, with its stack and its
 * memory as they were. At the system time that the command line names it powers off:
 * chosen late enough, all are there at that moment. What is wrong ends it as a
 * crash, which root's log tells.
 *
 *     until=SECONDS  of system time (default 0: at once)
 *     every=MS       sleeps in between (default 100)
 */
#include "tests/pv/pv.h"

#define MS     1000000ULL
#define SECOND (1000 * MS)

static uint64_t memory[512];
static uint64_t last, rounds;

/* Nobody reads a console that is not there. */
__attribute__((noreturn)) static void wrong(void) {
	struct sched_shutdown shutdown = {.reason = SHUTDOWN_crash};

	for (;;) sched_op(SCHEDOP_shutdown, &shutdown);
}

static void look(uint64_t deadline) {
	uint64_t now = pv_time_ns();

	if (now < deadline || now < last) wrong();
	last = now;
	for (unsigned i = 0; i < 512; i++)
		if (memory[i]++ != rounds + i) wrong();
	rounds++;
}

int pv_main(void) {
	uint64_t until = pv_option_number("until", 0) * SECOND,
		 every = pv_option_number("every", 100) * MS;

	for (unsigned i = 0; i < 512; i++) memory[i] = i;
	while ((last = pv_time_ns()) < until) {
		struct sched_poll poll = {.timeout = last + every};

		if (sched_op(SCHEDOP_poll, &poll)) wrong();
		look(poll.timeout);
	}
	struct sched_shutdown end = {.reason = SHUTDOWN_poweroff};

	sched_op(SCHEDOP_shutdown, &end);
	wrong();
}
