/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A simulator for scheduling policies: the real plan mechanism (kernel/sched/plan.c) on one
 * CPU whose clock moves from event to event, domains that run and sleep as told, and a
 * policy that is called as libs/sched/native.c would. Nothing takes time but the domains.
 *
 * The core's headers and the native ones do not go together: sim.c knows the core, policy.c
 * the policy, and this page has only plain types.
 */
#ifndef TESTS_UNIT_SCHED_SIM_H
#define TESTS_UNIT_SCHED_SIM_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define SIM_DOMAINS 15U /* 1 .. SIM_DOMAINS, one vCPU each */
#define SIM_MS      1000000ULL
#define SIM_HOG     0, 0

struct plan_commit;
struct plan_report;
struct plan_account;

/* --- sim.c --- */

void sim_start(unsigned domains);
/* Runs for `run` ns, sleeps for `sleep` ns, and so on; both are doubled or halved at random if
 * asked. SIM_HOG never sleeps. */
void sim_behave(unsigned domain, uint64_t run, uint64_t sleep, bool random);
uint64_t sim_now(void);
uint64_t sim_ran(unsigned domain);
/* Since the last call: from a wake-up to running, at most; and the longest run without a break. */
uint64_t sim_longest_wait(unsigned domain);
uint64_t sim_longest_run(unsigned domain);
unsigned sim_slot(unsigned domain);
unsigned sim_port(void);
long sim_invoke(uint64_t operation, uint64_t a1, uint64_t a2, uint64_t a3);
/* Lets time pass. plan() is called when the core notifies, and at *wake (0: never). */
void sim_run(uint64_t ns, void (*plan)(void), const uint64_t *wake);

static inline uint32_t sim_noise(void) {
	static uint64_t state = 88172645463325252UL;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 16);
}

/* --- policy.c --- */

struct sim_parameters {
	uint32_t weight, cap, warp_us, warp_limit_us, unwarp_us, period_us, budget_us, slice_us;
	uint64_t windows;
	bool server; /* not a guest */
};

/* The policy starts with these arguments ("name=value name=value") and domains 1 .. count. */
void sim_policy_start(const char *arguments, const struct sim_parameters *domains, unsigned count);
void sim_policy_set(const struct sim_parameters *domains, unsigned count);
void sim_policy_run(uint64_t ns);
/* Lines that the policy wrote, plans that it committed, calls of it, since its start. */
extern unsigned sim_lines, sim_commits, sim_looks;
/* So many plans will be refused. */
extern unsigned sim_refuse;
/* In the next reading of accounts the first entry has run for so much longer, ns: as it can seem
 * where an account changes while it is read. */
extern uint64_t sim_mixed;

/* --- Tests --- */

#define SIM_CHECK(condition)                                                            \
	do {                                                                            \
		if (!(condition)) {                                                     \
			printf("not ok - %s:%d: %s\n", __FILE__, __LINE__, #condition); \
			exit(1);                                                        \
		}                                                                       \
	} while (0)

struct sim_test {
	const char *name;
	void (*run)(void);
};

static inline int sim_run_tests(const char *suite, const struct sim_test *tests, unsigned count) {
	for (unsigned i = 0; i < count; i++) {
		tests[i].run();
		printf("ok %u - %s: %s\n", i + 1, suite, tests[i].name);
	}
	printf("1..%u\n", count);
	return 0;
}
#define SIM_RUN(suite, tests) sim_run_tests(suite, tests, sizeof(tests) / sizeof((tests)[0]))

#endif
