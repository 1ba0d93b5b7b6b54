/* SPDX-License-Identifier: BSD-2-Clause */
/* Round robin in the simulator: equal slices, slices of one's own, caps. */
#include "sim.h"

static void test_shares(void) {
	struct sim_parameters p[3] = {{0}, {.slice_us = 20000}, {0}};

	sim_start(3);
	for (unsigned i = 1; i <= 3; i++) sim_behave(i, SIM_HOG, false);
	sim_policy_start("slice=10000", p, 3);
	sim_policy_run(4000 * SIM_MS);
	SIM_CHECK(sim_ran(1) > 970 * SIM_MS && sim_ran(1) < 1030 * SIM_MS);
	SIM_CHECK(sim_ran(2) > 1950 * SIM_MS && sim_ran(2) < 2050 * SIM_MS);
}

static void test_caps(void) {
	struct sim_parameters p[2] = {{.cap = 250}, {0}};

	sim_start(2);
	sim_behave(1, SIM_HOG, false);
	sim_behave(2, SIM_HOG, false);
	sim_policy_start("", p, 2);
	sim_policy_run(1000 * SIM_MS);
	SIM_CHECK(sim_ran(1) == 250 * SIM_MS && sim_ran(2) == 750 * SIM_MS);
}

int main(void) {
	static const struct sim_test tests[] = {
		{"slices are shares", test_shares},
		{"caps hold", test_caps},
	};

	return SIM_RUN("sched_rr", tests);
}
