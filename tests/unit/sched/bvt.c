/* SPDX-License-Identifier: BSD-2-Clause */
/* Borrowed Virtual Time in the simulator: shares, warps and their limits, caps, waking. */
#include "sim.h"

static uint64_t ran[SIM_DOMAINS + 1];

static void note(unsigned count) {
	for (unsigned i = 1; i <= count; i++) ran[i] = sim_ran(i);
}

static uint64_t since(unsigned domain) { return sim_ran(domain) - ran[domain]; }

/* Hogs of random weights: the error of each share, of all time, is at most 1 % after 100 slices. */
static void test_weights(void) {
	for (unsigned round = 0; round < 40; round++) {
		struct sim_parameters p[10] = {0};
		unsigned count = 2 + sim_noise() % 9;
		uint64_t sum = 0, time;

		sim_start(count);
		for (unsigned i = 0; i < count; i++) {
			p[i].weight = 64 + sim_noise() % 961;
			sum += p[i].weight;
			sim_behave(i + 1, SIM_HOG, false);
		}
		sim_policy_start("allowance=5000", p, count);
		time = 100 * 5 * SIM_MS * count;
		note(count);
		sim_policy_run(time);
		for (unsigned i = 1; i <= count; i++) {
			double share = (double)since(i) / (double)time;
			double fair = (double)p[i - 1].weight / (double)sum;

			if (share > fair + 0.01 || share < fair - 0.01)
				printf("# %u of %u: %.4f, not %.4f\n", i, count, share, fair);
			SIM_CHECK(share <= fair + 0.01 && share >= fair - 0.01);
		}
	}
}

/* Those that sleep now and then take nothing from the others' shares of the rest. */
static void test_sleepers(void) {
	struct sim_parameters p[4] = {
		{.weight = 256}, {.weight = 512}, {.weight = 256}, {.weight = 256}};
	uint64_t rest;

	sim_start(4);
	sim_behave(1, SIM_HOG, false);
	sim_behave(2, SIM_HOG, false);
	sim_behave(3, SIM_MS / 2, 10 * SIM_MS, true);
	sim_behave(4, 2 * SIM_MS, 30 * SIM_MS, true);
	sim_policy_start("", p, 4);
	sim_policy_run(100 * SIM_MS);
	note(4);
	(void)sim_longest_wait(3);
	sim_policy_run(4000 * SIM_MS);
	rest = since(1) + since(2);
	SIM_CHECK(since(2) * 100 > rest * 65 && since(2) * 100 < rest * 68);
	/* Whoever is behind runs when it wakes; at most a slice of each of the others is before it.
	 */
	SIM_CHECK(sim_longest_wait(3) <= 20 * SIM_MS);
	SIM_CHECK(since(3) > 4000 * SIM_MS / 50);
	/* With a warp it is before all others. */
	p[2].warp_us = 30000;
	sim_policy_set(p, 4);
	sim_policy_run(100 * SIM_MS);
	(void)sim_longest_wait(3);
	sim_policy_run(4000 * SIM_MS);
	SIM_CHECK(sim_longest_wait(3) == 0);
}

/* A warp is lent, not given: the share is the same, the limit holds. */
static void test_warp(void) {
	struct sim_parameters p[3] = {
		{.warp_us = 50000, .warp_limit_us = 3000, .unwarp_us = 20000}};

	sim_start(3);
	for (unsigned i = 1; i <= 3; i++) sim_behave(i, SIM_HOG, false);
	sim_policy_start("allowance=5000", p, 3);
	sim_policy_run(200 * SIM_MS);
	note(3);
	sim_policy_run(3000 * SIM_MS);
	for (unsigned i = 1; i <= 3; i++)
		SIM_CHECK(since(i) > 980 * SIM_MS && since(i) < 1020 * SIM_MS);
}

/* However often it wakes, it runs no more than its limit before others get the CPU. */
static void test_warp_limit(void) {
	struct sim_parameters p[2] = {
		{.warp_us = 500000, .warp_limit_us = 2000, .unwarp_us = 30000}};
	uint64_t before;

	sim_start(2);
	sim_behave(1, SIM_HOG, false);
	sim_behave(2, SIM_HOG, false);
	sim_policy_start("allowance=1000", p, 2);
	for (unsigned i = 0; i < 100; i++) {
		before = sim_ran(1);
		sim_policy_run(30 * SIM_MS);
		/* Half of it, and what it may borrow. */
		SIM_CHECK(sim_ran(1) - before <= 15 * SIM_MS + 2 * SIM_MS + 2 * SIM_MS);
	}
}

static void test_caps(void) {
	struct sim_parameters p[3] = {{.cap = 300}, {.cap = 100}, {0}};

	sim_start(3);
	for (unsigned i = 1; i <= 3; i++) sim_behave(i, SIM_HOG, false);
	sim_policy_start("", p, 3);
	sim_policy_run(100 * SIM_MS);
	note(3);
	sim_policy_run(2000 * SIM_MS);
	SIM_CHECK(since(1) > 580 * SIM_MS && since(1) < 606 * SIM_MS);
	SIM_CHECK(since(2) > 190 * SIM_MS && since(2) < 206 * SIM_MS);
	SIM_CHECK(since(1) + since(2) + since(3) == 2000 * SIM_MS);
	/* Alone: the rest is nobody's. */
	sim_policy_set(p, 1);
	note(1);
	sim_policy_run(2000 * SIM_MS);
	SIM_CHECK(since(1) > 580 * SIM_MS && since(1) < 610 * SIM_MS);
}

/* However its limits are and however it behaves: in no pause it has more than its share, what
 * one warp may run, and the slice that is for being behind. */
static void test_random_warps(void) {
	for (unsigned round = 0; round < 40; round++) {
		struct sim_parameters p[5] = {0};
		unsigned count = 2 + sim_noise() % 4;
		uint64_t pause, most, before;

		p[0].warp_us = 1000 + sim_noise() % 500000;
		p[0].warp_limit_us = 500 + sim_noise() % 5000;
		p[0].unwarp_us = 20000 + sim_noise() % 60000;
		pause = p[0].unwarp_us * 1000UL;
		most = pause / count + p[0].warp_limit_us * 1000UL + 4 * SIM_MS;
		sim_start(count);
		for (unsigned i = 2; i <= count; i++) sim_behave(i, SIM_HOG, false);
		if (sim_noise() % 2)
			sim_behave(1, SIM_HOG, false);
		else
			sim_behave(1, SIM_MS * (1 + sim_noise() % 10), SIM_MS / 2, true);
		sim_policy_start("allowance=2000", p, count);
		sim_policy_run(200 * SIM_MS);
		for (unsigned i = 0; i < 40; i++) {
			before = sim_ran(1);
			sim_policy_run(pause);
			if (sim_ran(1) - before > most)
				printf("# %lu us in %lu, of %u\n", (sim_ran(1) - before) / 1000,
				       pause / 1000, count);
			SIM_CHECK(sim_ran(1) - before <= most);
		}
	}
}

/* Where nobody competes there is nothing to plan, and nothing wakes the policy. */
static void test_quiet(void) {
	struct sim_parameters p[3] = {{0}}, capped = {.cap = 300};
	unsigned looks;

	sim_start(1);
	sim_behave(1, SIM_HOG, false);
	sim_policy_start("", p, 1);
	looks = sim_looks;
	sim_policy_run(1000 * SIM_MS);
	SIM_CHECK(sim_looks == looks);
	/* Nor for a cap, once its first window is over. */
	sim_policy_set(&capped, 1);
	sim_policy_run(100 * SIM_MS);
	looks = sim_looks;
	note(1);
	sim_policy_run(1000 * SIM_MS);
	SIM_CHECK(sim_looks == looks && since(1) == 300 * SIM_MS);
	/* Three that sleep nearly always: once in a slice that they ran. */
	sim_start(3);
	for (unsigned i = 1; i <= 3; i++) sim_behave(i, SIM_MS / 20, 10 * SIM_MS, true);
	sim_policy_start("", p, 3);
	looks = sim_looks;
	sim_policy_run(10000 * SIM_MS);
	SIM_CHECK(sim_looks - looks <= 10000 * 3 / 200 / 5 + 2);
}

/* The plan that is there stays as long as it is right. */
static void test_same_plan(void) {
	struct sim_parameters p[3] = {{.weight = 512}, {0}, {0}};
	unsigned commits;

	sim_start(3);
	for (unsigned i = 1; i <= 3; i++) sim_behave(i, SIM_HOG, false);
	sim_policy_start("", p, 3);
	sim_policy_run(1000 * SIM_MS);
	commits = sim_commits;
	sim_policy_run(10000 * SIM_MS);
	SIM_CHECK(sim_commits - commits <= 2);
	/* Another one: then there is a new one at the next look. */
	sim_behave(2, 3 * SIM_MS, 7 * SIM_MS, true);
	sim_policy_run(100 * SIM_MS);
	SIM_CHECK(sim_commits - commits > 2);
}

/* The policy is dead: the last plan goes on, and everyone gets something. */
static void test_death(void) {
	struct sim_parameters p[4] = {{.weight = 512},
				      {.cap = 200},
				      {0},
				      {.warp_us = 5000, .warp_limit_us = 1000, .unwarp_us = 1000}};

	sim_start(4);
	for (unsigned i = 1; i <= 4; i++) sim_behave(i, SIM_HOG, false);
	sim_policy_start("", p, 4);
	sim_policy_run(137 * SIM_MS);
	note(4);
	sim_run(1000 * SIM_MS, NULL, NULL);
	for (unsigned i = 1; i <= 4; i++) SIM_CHECK(since(i) > 5 * SIM_MS);
}

/* A policy that is started again holds nothing against those that ran before. */
static void test_restart(void) {
	struct sim_parameters p[2] = {{0}, {0}};

	sim_start(2);
	sim_behave(1, SIM_HOG, false);
	sim_policy_start("", p, 1);
	sim_policy_run(1000 * SIM_MS);
	sim_behave(2, SIM_HOG, false);
	sim_policy_start("", p, 2);
	note(2);
	sim_policy_run(200 * SIM_MS);
	SIM_CHECK(since(1) > 90 * SIM_MS && since(2) > 90 * SIM_MS);
}

/* A plan that the core refused is not the one that runs: there is another one in the next round. */
static void test_refused(void) {
	const struct sim_parameters p[3] = {0};

	sim_start(3);
	for (unsigned i = 1; i <= 3; i++) sim_behave(i, SIM_HOG, false);
	sim_policy_start("", p, 2);
	sim_policy_run(100 * SIM_MS);
	sim_refuse = 1;
	sim_policy_set(p, 3);
	SIM_CHECK(!sim_refuse);
	note(3);
	sim_policy_run(1000 * SIM_MS);
	for (unsigned i = 1; i <= 3; i++)
		SIM_CHECK(since(i) > 300 * SIM_MS && since(i) < 400 * SIM_MS);
}

/* Nor does an account that was read while it changed count for more than it said too much. */
static void test_mixed(void) {
	const struct sim_parameters p[2] = {0};

	sim_start(2);
	for (unsigned i = 1; i <= 2; i++) sim_behave(i, SIM_HOG, false);
	sim_policy_start("", p, 2);
	sim_policy_run(10000 * SIM_MS);
	note(2);
	sim_mixed = 40 * SIM_MS;
	sim_policy_run(400 * SIM_MS);
	SIM_CHECK(!sim_mixed);
	for (unsigned i = 1; i <= 2; i++) SIM_CHECK(since(i) > 150 * SIM_MS);
}

int main(void) {
	static const struct sim_test tests[] = {
		{"shares are the weights'", test_weights},
		{"sleepers wake at once", test_sleepers},
		{"a warp is lent", test_warp},
		{"a warp has limits", test_warp_limit},
		{"no warp passes its limits", test_random_warps},
		{"a quiet system does not wake it", test_quiet},
		{"a plan that is right stays", test_same_plan},
		{"caps hold", test_caps},
		{"nobody starves without the policy", test_death},
		{"a new start is level", test_restart},
		{"an account that seems to go back", test_mixed},
		{"a plan that is refused is made again", test_refused},
	};

	return SIM_RUN("sched_bvt", tests);
}
