/* SPDX-License-Identifier: BSD-2-Clause */
/* Fixed windows in the simulator: exact to the nanosecond, with and without the policy. */
#include "sim.h"

static void check_windows(unsigned cycles) {
	uint64_t before[4];

	for (unsigned i = 1; i <= 3; i++) before[i] = sim_ran(i);
	for (unsigned n = 0; n < cycles; n++) {
		sim_policy_run(7 * SIM_MS);
		SIM_CHECK(sim_ran(1) - before[1] == 7 * SIM_MS && sim_ran(2) == before[2]);
		sim_policy_run(3 * SIM_MS);
		SIM_CHECK(sim_ran(1) - before[1] == 7 * SIM_MS);
		/* Two share the second window, and the third has its own, too. */
		SIM_CHECK(sim_ran(2) - before[2] + sim_ran(3) - before[3] == 3 * SIM_MS);
		sim_policy_run(2 * SIM_MS);
		SIM_CHECK(sim_ran(2) - before[2] + sim_ran(3) - before[3] == 5 * SIM_MS);
		for (unsigned i = 1; i <= 3; i++) before[i] = sim_ran(i);
	}
}

static void test_windows(void) {
	struct sim_parameters p[3] = {{.windows = 1}, {.windows = 2}, {.windows = 6}};

	sim_start(3);
	for (unsigned i = 1; i <= 3; i++) sim_behave(i, SIM_HOG, false);
	sim_policy_start("windows=7000,3000,2000", p, 3);
	check_windows(50);
}

/* A window that its owner leaves unused is nobody's. */
static void test_unused(void) {
	struct sim_parameters p[2] = {{.windows = 1}, {.windows = 2}};
	uint64_t before;

	sim_start(2);
	sim_behave(1, SIM_MS, 100 * SIM_MS, false);
	sim_behave(2, SIM_HOG, false);
	sim_policy_start("windows=10000,10000", p, 2);
	before = sim_ran(2);
	sim_policy_run(1000 * SIM_MS);
	SIM_CHECK(sim_ran(2) - before == 500 * SIM_MS);
	/* Nor does the policy's end change anything. */
	sim_run(1000 * SIM_MS, NULL, NULL);
	SIM_CHECK(sim_ran(2) - before == 1000 * SIM_MS);
}

static void test_caps(void) {
	struct sim_parameters p[2] = {{.windows = 1, .cap = 500}, {.windows = 3}};

	sim_start(2);
	sim_behave(1, SIM_HOG, false);
	sim_behave(2, SIM_HOG, false);
	sim_policy_start("windows=10000,10000", p, 2);
	sim_policy_run(1000 * SIM_MS);
	SIM_CHECK(sim_ran(1) == 250 * SIM_MS && sim_ran(2) == 750 * SIM_MS);
}

int main(void) {
	static const struct sim_test tests[] = {
		{"windows are exact", test_windows},
		{"an unused window is nobody's", test_unused},
		{"caps hold", test_caps},
	};

	return SIM_RUN("sched_table", tests);
}
