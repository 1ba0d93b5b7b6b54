/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Earliest deadline first in the simulator: whatever it admits gets its budget in each
 * period, beside hogs and sleepers; what it cannot promise it refuses and says so.
 */
#include "sim.h"

#define STEP  (5 * SIM_MS) /* periods are multiples of it */
#define SLACK 20000U       /* ns: the core takes no smaller budget than 10 us */

static uint64_t ran[SIM_DOMAINS + 1];

/* `reserved` domains with reservations, the rest hogs without. All of them could always run. */
static void check_promises(const struct sim_parameters *p, unsigned reserved, unsigned count) {
	uint64_t start = sim_now();

	for (unsigned i = 1; i <= count; i++) ran[i] = sim_ran(i);
	while (sim_now() - start < 2000 * SIM_MS) {
		sim_policy_run(STEP);
		for (unsigned i = 1; i <= reserved; i++) {
			uint64_t period = p[i - 1].period_us * 1000UL, got = sim_ran(i) - ran[i];

			if ((sim_now() - start) % period) continue;
			if (got + SLACK < p[i - 1].budget_us * 1000UL)
				printf("# %u got %lu us, not %u\n", i, (unsigned long)(got / 1000),
				       p[i - 1].budget_us);
			SIM_CHECK(got + SLACK >= p[i - 1].budget_us * 1000UL);
			SIM_CHECK(got <= p[i - 1].budget_us * 1000UL + SLACK);
			ran[i] = sim_ran(i);
		}
	}
}

static void test_promises(void) {
	for (unsigned round = 0; round < 60; round++) {
		struct sim_parameters p[10] = {0};
		unsigned reserved = 1 + sim_noise() % 8, count = reserved + sim_noise() % 3;
		uint64_t left = 940; /* thousandths */

		sim_start(count);
		for (unsigned i = 0; i < reserved; i++) {
			uint64_t most = i + 1 == reserved ? left : left * 2 / 3;
			uint64_t share = 20 + sim_noise() % (most > 20 ? most - 19 : 1);

			share = share < left ? share : left;
			left -= share;
			p[i].period_us = 5000 * (1 + sim_noise() % 20);
			p[i].budget_us = (uint32_t)(p[i].period_us * share / 1000);
			if (p[i].budget_us < 100) p[i].period_us = 0, p[i].budget_us = 0;
		}
		/* Those that got nothing worth a reservation are hogs like the rest. */
		while (reserved && !p[reserved - 1].period_us) reserved--;
		for (unsigned i = 0; i < reserved; i++)
			if (!p[i].period_us)
				p[i] = (struct sim_parameters){.period_us = 5000, .budget_us = 100};
		for (unsigned i = 1; i <= count; i++) sim_behave(i, SIM_HOG, false);
		sim_policy_start("", p, count);
		SIM_CHECK(sim_lines == 0);
		check_promises(p, reserved, count);
	}
}

/* Sleepers beside it, however they wake, cost nobody a promise. */
static void test_sleepers(void) {
	struct sim_parameters p[5] = {{.period_us = 10000, .budget_us = 4000},
				      {.period_us = 25000, .budget_us = 5000},
				      {.period_us = 5000, .budget_us = 1000},
				      {.period_us = 15000, .budget_us = 1500}};

	sim_start(5);
	sim_behave(1, SIM_HOG, false);
	sim_behave(2, SIM_HOG, false);
	sim_behave(3, SIM_MS, 3 * SIM_MS, true);
	sim_behave(4, SIM_MS / 3, 7 * SIM_MS, true);
	sim_behave(5, SIM_MS, 2 * SIM_MS, true);
	sim_policy_start("", p, 5);
	check_promises(p, 2, 5);
}

static void test_refusal(void) {
	struct sim_parameters p[4] = {{.period_us = 10000, .budget_us = 6000},
				      {.period_us = 20000, .budget_us = 10000},
				      {.period_us = 5000, .budget_us = 6000},
				      {.period_us = 50000, .budget_us = 15000}};

	sim_start(4);
	for (unsigned i = 1; i <= 4; i++) sim_behave(i, SIM_HOG, false);
	sim_policy_start("", p, 4);
	SIM_CHECK(sim_lines == 2); /* one that does not fit, one that is nonsense */
	check_promises(p, 1, 4);
	/* It is told once. Where there is room again, it is promised. */
	p[0] = (struct sim_parameters){0};
	sim_policy_set(p, 4);
	SIM_CHECK(sim_lines == 2);
}

/* Those without a promise may have caps; nobody's promise is the smaller for it. */
static void test_caps(void) {
	struct sim_parameters p[4] = {
		{.period_us = 20000, .budget_us = 8000}, {.cap = 200}, {.cap = 50}, {0}};

	for (unsigned period = 5000; period <= 40000; period *= 2) {
		p[0].period_us = period;
		p[0].budget_us = period * 4 / 10;
		sim_start(4);
		for (unsigned i = 1; i <= 4; i++) sim_behave(i, SIM_HOG, false);
		sim_policy_start("", p, 4);
		sim_policy_run(200 * SIM_MS);
		check_promises(p, 1, 4); /* 2 s */
		SIM_CHECK(sim_ran(2) - ran[2] <= 404 * SIM_MS);
		SIM_CHECK(sim_ran(2) - ran[2] > 390 * SIM_MS);
		SIM_CHECK(sim_ran(3) - ran[3] <= 101 * SIM_MS);
		SIM_CHECK(sim_ran(3) - ran[3] > 95 * SIM_MS);
	}
	/* Alone, too. */
	sim_policy_set(p + 1, 1);
	ran[1] = sim_ran(1);
	sim_policy_run(1000 * SIM_MS);
	SIM_CHECK(sim_ran(1) - ran[1] <= 202 * SIM_MS && sim_ran(1) - ran[1] > 190 * SIM_MS);
}

/* Without the policy everyone goes on to run. */
static void test_death(void) {
	struct sim_parameters p[3] = {{.period_us = 10000, .budget_us = 6000},
				      {.period_us = 20000, .budget_us = 4000}};

	sim_start(3);
	for (unsigned i = 1; i <= 3; i++) sim_behave(i, SIM_HOG, false);
	sim_policy_start("", p, 3);
	sim_policy_run(113 * SIM_MS);
	for (unsigned i = 1; i <= 3; i++) ran[i] = sim_ran(i);
	sim_run(1000 * SIM_MS, NULL, NULL);
	for (unsigned i = 1; i <= 3; i++) SIM_CHECK(sim_ran(i) - ran[i] > 50 * SIM_MS);
}

int main(void) {
	static const struct sim_test tests[] = {
		{"what is promised is kept", test_promises},
		{"sleepers cost nobody a promise", test_sleepers},
		{"what cannot be promised is refused", test_refusal},
		{"caps hold", test_caps},
		{"nobody starves without the policy", test_death},
	};

	return SIM_RUN("sched_edf", tests);
}
