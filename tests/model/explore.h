/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Exhaustive exploration of small programs that run code of the core on two CPUs.
 *
 * Each CPU is a coroutine with a stack of its own. It gives way before every
 * atomic operation (include/lib/atomic.h), and where it makes a choice; so a
 * state of the whole is: the regions of memory that the model names, and what
 * lies on the two stacks. explore() walks through all states that can be reached,
 * depth first, by restoring such snapshots; states seen before (a 64-bit hash of
 * all of it) are not entered again. The model's check runs in every state.
 */
#ifndef TESTS_MODEL_EXPLORE_H
#define TESTS_MODEL_EXPLORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EXPLORE_CPUS 2

struct explore_result {
	uint64_t states, transitions;
	unsigned depth;        /* longest path */
	const char *violation; /* NULL: none */
};

/* Memory that belongs to the state. */
void explore_region(void *start, size_t size);
/*
 * Runs body(0) and body(1) in all interleavings. check: NULL, or what is wrong
 * with the present state. Stops after max_states; the result's violation then
 * says so. With a violation, the path to it is printed by running it once more,
 * explore_verbose being true.
 */
struct explore_result explore(void (*body)(unsigned cpu), const char *(*check)(void),
			      uint64_t max_states);
extern bool explore_verbose;

/* --- Called by bodies --- */

/* Which CPU is running: 0, 1; before and after exploring: 0. */
unsigned explore_cpu(void);
/* Another CPU may run here. Outside of explore(): nothing. */
void explore_step(void);
/* All values below count(cpu), as counted in the state in which the CPU goes on; 0 ends it. */
unsigned explore_choose(unsigned (*count)(unsigned cpu));
/* This path ends here: something is wrong. */
_Noreturn void explore_fail(const char *what);

#endif
