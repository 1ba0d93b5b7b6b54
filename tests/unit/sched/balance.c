/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Placement of sched_bvt over several CPUs, by itself: vCPUs that want so much of a CPU and get
 * their part of the one that they are on, and bvt_balance() now and then. Wherever they begin,
 * it ends: nothing moves any more, no CPU has much more demand than another if that could be
 * helped, and nobody is where it must not be.
 */
#include "servers/sched_bvt/bvt.h"

#include "sim.h"

#include <stdlib.h>
#include <string.h>

#define PERIOD (100 * SIM_MS)

static uint64_t now;
static uint64_t wants[64]; /* thousandths of a CPU */

uint64_t sched_now(void) { return now; }
uint64_t sched_back_now(void) { return now; }
int64_t bvt_svt(uint32_t cpu) { return (int64_t)cpu * 1000; }

void log_print(const char *format, ...) { (void)format; }

int sched_back_commit(uint32_t cpu, const struct plan_commit *commit) {
	(void)cpu, (void)commit;
	return 0;
}

int sched_back_read(uint32_t cpu, struct plan_report *report, struct plan_account *accounts,
		    uint32_t count) {
	(void)cpu, (void)report, (void)accounts, (void)count;
	return 0;
}

static uint64_t demand(uint32_t cpu) {
	uint64_t sum = 0;

	for (uint32_t i = 0; i < sched_count; i++)
		if (sched_vcpus[i].cpu == cpu) sum += wants[i];
	return sum;
}

/* A period passes; how many CPUs have another set than before. */
static unsigned look(void) {
	bool moved[SCHED_CPUS] = {0};
	unsigned count = 0;

	now += PERIOD;
	for (uint32_t i = 0; i < sched_count; i++)
		sched_vcpus[i].wanted += wants[i] * (PERIOD / 1000);
	bvt_balance(moved);
	sched_changed = false;
	for (uint32_t cpu = 0; cpu < sched_cpu_count; cpu++) count += moved[cpu];
	return count;
}

/* By how much the greatest demand could still fall, if one moved to the CPU with the least. */
static uint64_t gain(void) {
	uint64_t best = 0;
	uint32_t most = 0, least = 0;

	for (uint32_t cpu = 1; cpu < sched_cpu_count; cpu++) {
		if (demand(cpu) > demand(most)) most = cpu;
		if (demand(cpu) < demand(least)) least = cpu;
	}
	for (uint32_t i = 0; i < sched_count; i++) {
		uint64_t left = demand(most) - wants[i], there = demand(least) + wants[i];
		uint64_t after = left > there ? left : there;

		if (sched_vcpus[i].cpu != most || !sched_is_guest(&sched_vcpus[i])) continue;
		if (demand(most) > after && demand(most) - after > best)
			best = demand(most) - after;
	}
	return best;
}

static void start(uint32_t cpus, uint32_t count, bool pinned) {
	static struct control_vcpu vcpus[64];

	sched_cpu_count = cpus;
	for (uint32_t cpu = 0; cpu < cpus; cpu++) sched_cpu_number[cpu] = cpu;
	sched_count = 0;
	for (uint32_t i = 0; i < count; i++) {
		vcpus[i] = (struct control_vcpu){.slot = 64 + i,
						 .weight = CONTROL_WEIGHT,
						 .flags = i ? CONTROL_VCPU_GUEST : 0,
						 .cpus = pinned && i % 3 == 0 ? 1U << i % cpus : 0};
		wants[i] = sim_noise() % 4 ? sim_noise() % 1001 : 1000;
	}
	sched_set(vcpus, count);
}

static void check_places(void) {
	for (uint32_t i = 0; i < sched_count; i++)
		SIM_CHECK(sched_vcpus[i].cpu < sched_cpu_count &&
			  sched_may_run_on(&sched_vcpus[i], sched_vcpus[i].cpu));
	SIM_CHECK(sched_vcpus[0].cpu == 0); /* servers stay */
}

static void test_settles(void) {
	for (unsigned round = 0; round < 200; round++) {
		uint32_t cpus = 1 + sim_noise() % 8, count = 1 + sim_noise() % 40;
		unsigned still = 0;

		start(cpus, count, false);
		for (unsigned i = 0; i < 3 * count + 10; i++) {
			still = look() ? 0 : still + 1;
			check_places();
		}
		SIM_CHECK(still >= 3);
		/* Less than an eighth of a CPU is left to be won. */
		SIM_CHECK(gain() <= 125 + 5);
	}
}

static void test_pinned(void) {
	for (unsigned round = 0; round < 200; round++) {
		start(1 + sim_noise() % 8, 1 + sim_noise() % 40, true);
		for (unsigned i = 0; i < 60; i++) {
			(void)look();
			check_places();
		}
	}
}

/* Two that compute, on two CPUs: one each, wherever they begin. */
static void test_two(void) {
	start(2, 3, false);
	wants[0] = 0;
	wants[1] = wants[2] = 1000;
	for (unsigned i = 0; i < 10; i++) (void)look();
	sched_vcpus[1].cpu = sched_vcpus[2].cpu = 1;
	for (unsigned i = 0; i < 10; i++) (void)look();
	SIM_CHECK(sched_vcpus[1].cpu != sched_vcpus[2].cpu);
}

int main(void) {
	static const struct sim_test tests[] = {
		{"it settles, evenly", test_settles},
		{"nobody is where it must not be", test_pinned},
		{"two that compute have a CPU each", test_two},
	};

	return SIM_RUN("sched_bvt's placement", tests);
}
