/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which CPU a vCPU is on. Its demand is the part of the last period in which it ran or
 * could have run; weights say how a CPU is shared, not where. Each period at most one vCPU moves,
 * from the CPU with the most demand to that with the least, and only if that makes the greater of
 * the two sums smaller by more than an eighth of a CPU: so it ends, and small things stay where
 * their caches are.
 *
 * Virtual time belongs to a CPU: who moves keeps its distance to the scheduler's.
 * Servers and drivers stay on the first CPU that they may run on, where their interrupts are.
 */
#include "bvt.h"

#include "libs/rt/time.h"

#define PERIOD MILLISECONDS(100)
#define WORTH  125 /* thousandths of a CPU */

static int64_t demand[SCHED_CPUS];
static uint64_t next_look;

static uint32_t least(const struct sched_vcpu *v) {
	uint32_t best = SCHED_NOWHERE;

	for (uint32_t cpu = 0; cpu < sched_cpu_count; cpu++) {
		if (!sched_may_run_on(v, cpu)) continue;
		if (best == SCHED_NOWHERE || demand[cpu] < demand[best]) best = cpu;
		if (!sched_is_guest(v)) break;
	}
	return best;
}

static void settle(struct sched_vcpu *v, uint32_t to, bool *moved) {
	int64_t ahead = v->cpu == SCHED_NOWHERE ? 0 : v->own[BVT_AVT] - bvt_svt(v->cpu);

	if (v->cpu != SCHED_NOWHERE) {
		demand[v->cpu] -= v->own[BVT_DEMAND];
		moved[v->cpu] = true;
	}
	v->cpu = to;
	if (to == SCHED_NOWHERE) return;
	v->own[BVT_AVT] = bvt_svt(to) + ahead;
	demand[to] += v->own[BVT_DEMAND];
	moved[to] = true;
}

static void measure(uint64_t period) {
	memset(demand, 0, sizeof(demand));
	for (uint32_t i = 0; i < sched_count; i++) {
		struct sched_vcpu *v = &sched_vcpus[i];
		uint64_t before = (uint64_t)v->own[BVT_WANTED];

		v->own[BVT_DEMAND] = (int64_t)MIN((v->wanted - before) * 1000 / period, 1000U);
		v->own[BVT_WANTED] = (int64_t)v->wanted;
		if (v->cpu != SCHED_NOWHERE) demand[v->cpu] += v->own[BVT_DEMAND];
	}
}

/* The one whose move from `from` to a lesser CPU evens out most; NULL: none is worth it. */
static struct sched_vcpu *best_of(uint32_t from, uint32_t *to) {
	struct sched_vcpu *best = NULL;
	int64_t gain = WORTH;

	for (uint32_t i = 0; i < sched_count; i++) {
		struct sched_vcpu *v = &sched_vcpus[i];
		uint32_t other = v->cpu == from && sched_is_guest(v) ? least(v) : from;
		int64_t after, now;

		if (other == from || other == SCHED_NOWHERE) continue;
		now = MAX(demand[from], demand[other]);
		after = MAX(demand[from] - v->own[BVT_DEMAND], demand[other] + v->own[BVT_DEMAND]);
		if (now - after <= gain) continue;
		gain = now - after;
		best = v;
		*to = other;
	}
	return best;
}

void bvt_balance(bool *moved) {
	uint32_t most = 0, to = 0;
	struct sched_vcpu *v;

	for (uint32_t i = 0; sched_changed && i < sched_count; i++) {
		if (sched_vcpus[i].cpu != SCHED_NOWHERE) continue;
		sched_vcpus[i].own[BVT_DEMAND] = 1000; /* until it is known */
		settle(&sched_vcpus[i], least(&sched_vcpus[i]), moved);
	}
	if (sched_now() < next_look || sched_cpu_count < 2) return;
	measure(PERIOD + (next_look ? sched_now() - next_look : 0));
	next_look = sched_now() + PERIOD;
	for (uint32_t cpu = 1; cpu < sched_cpu_count; cpu++)
		if (demand[cpu] > demand[most]) most = cpu;
	v = best_of(most, &to);
	if (v) settle(v, to, moved);
}
