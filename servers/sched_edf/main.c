/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Earliest deadline first. A vCPU with a reservation (period, budget) gets its budget in
 * each of its periods, whoever else is there; its deadline is the period's end, and who has
 * the earliest runs first. On one CPU that works for any set whose budgets are in sum
 * no more than the CPU (Liu and Layland 1973), less RESERVE for the core, this domain and servers.
 *
 * Admission: each is put on the CPU with the most left on which it fits. What fits nowhere is
 * not guaranteed anything: it runs behind those that are, and the log says why.
 *
 * A reservation is a limit too: its budget comes once in a period. All others, guests
 * without reservation included, share round robin what is left over; a cap limits them
 * to their part of the time until the next plan, or of BACKGROUND if nobody has a reservation.
 *
 * Plans. Budgets begin anew when the next period of anybody begins: a timer makes the next plan
 * there. Frame 0 lasts until then. What has had its budget is only in frame 1, which nobody reaches
 * unless this domain is dead: then everybody's budget comes once in each two frames, and nobody
 * starves.
 *
 * Servers and drivers stand first: requests of those with guarantees wait for them. What they use
 * is not bounded here; CPUs of their own (cpus = [...]) make the guarantee a hard one.
 */
#include "libs/log/log.h"
#include "libs/rt/time.h"
#include "libs/sched/sched.h"

#define RESERVE    50 /* thousandths of a CPU */
#define BACKGROUND MILLISECONDS(10)

/* sched_vcpu.own: */
enum {
	PERIOD_START, /* of its present period */
	SEEN,         /* ran, at that moment */
	ADMITTED,     /* on this CPU + 1; 0: not */
	REFUSED,      /* it has been said */
};

static uint64_t slice;
static uint64_t used[SCHED_CPUS]; /* millionths of a CPU that are promised */

static void start(void) { slice = sched_argument("slice", 10000) * 1000; }

/* --- Admission --- */

static uint64_t share(const struct sched_vcpu *v) {
	return v->given.period_us ? v->given.budget_us * 1000000UL / v->given.period_us : 0;
}

static bool is_valid(const struct sched_vcpu *v) {
	return v->given.budget_us * 1000UL >= 10 * PLAN_BUDGET_MIN &&
	       v->given.budget_us <= v->given.period_us &&
	       v->given.period_us * 1000UL <= PLAN_FRAME_MAX;
}

static uint32_t best_cpu(const struct sched_vcpu *v) {
	uint32_t best = SCHED_NOWHERE;

	for (uint32_t cpu = 0; cpu < sched_cpu_count; cpu++)
		if (sched_may_run_on(v, cpu) && (best == SCHED_NOWHERE || used[cpu] < used[best]))
			best = cpu;
	return best;
}

static void refuse(struct sched_vcpu *v, const char *why, uint64_t left) {
	if (v->own[REFUSED]) return;
	v->own[REFUSED] = 1;
	log_print(
		"vCPU %u of domain %u is promised nothing: %s (%u us in each %u us; %lu.%lu %% of "
		"a CPU is left)",
		v->given.vcpu, v->given.slot, why, v->given.budget_us, v->given.period_us,
		left / 10000, left / 1000 % 10);
}

static void admit(struct sched_vcpu *v) {
	const uint64_t all = (1000 - RESERVE) * 1000UL;
	uint32_t before = (uint32_t)v->own[ADMITTED], cpu = before ? before - 1 : best_cpu(v);
	uint64_t left = cpu == SCHED_NOWHERE || used[cpu] >= all ? 0 : all - used[cpu];

	v->own[ADMITTED] = 0;
	if (!v->given.period_us) return;
	if (!is_valid(v)) {
		refuse(v, "its budget is longer than its period, or one of them cannot be kept",
		       left);
	} else if (share(v) > left) {
		refuse(v, "no CPU has so much left", left);
	} else {
		used[cpu] += share(v);
		v->own[ADMITTED] = cpu + 1;
		if (before) return;
		v->own[PERIOD_START] = (int64_t)sched_now();
		v->own[SEEN] = (int64_t)v->ran;
	}
}

/* Those that have a promise keep it and their places; then come new ones, by importance. */
static void admit_all(void) {
	static bool had[SCHED_MAX];

	memset(used, 0, sizeof(used));
	for (uint32_t i = 0; i < sched_count; i++) {
		had[i] = sched_vcpus[i].own[ADMITTED] != 0;
		if (had[i]) admit(&sched_vcpus[i]);
	}
	for (uint32_t i = 0; i < sched_count; i++)
		if (!had[i]) admit(&sched_vcpus[i]);
}

/* --- Plans --- */

static uint64_t period(const struct sched_vcpu *v) { return v->given.period_us * 1000UL; }

static uint64_t deadline(const struct sched_vcpu *v) {
	return (uint64_t)v->own[PERIOD_START] + period(v);
}

/* Its period is the one that now lies in. */
static void advance(struct sched_vcpu *v) {
	uint64_t late = sched_now() - (uint64_t)v->own[PERIOD_START];

	if (late < period(v)) return;
	v->own[PERIOD_START] += (int64_t)(late / period(v) * period(v));
	v->own[SEEN] = (int64_t)v->ran;
}

static uint64_t left_of(const struct sched_vcpu *v) {
	uint64_t had = v->ran - (uint64_t)v->own[SEEN], whole = v->given.budget_us * 1000UL;

	return had < whole ? whole - had : 0;
}

static bool before(const struct sched_vcpu *a, const struct sched_vcpu *b) {
	uint64_t x = deadline(a), y = deadline(b);

	return x != y ? x < y : a < b;
}

static uint16_t order[SCHED_MAX];

/* The reservations of a CPU, earliest deadline first; how many. */
static uint32_t sorted(uint32_t cpu) {
	uint32_t n = 0;

	for (uint32_t i = 0; i < sched_count; i++) {
		if (sched_vcpus[i].own[ADMITTED] != cpu + 1) continue;
		advance(&sched_vcpus[i]);
		order[n++] = (uint16_t)i;
	}
	sched_sort(order, n, before);
	return n;
}

static void add_reserved(uint32_t n) {
	for (uint32_t i = 0; i < n; i++) {
		struct sched_vcpu *v = &sched_vcpus[order[i]];
		uint64_t left = left_of(v);

		if (left < PLAN_BUDGET_MIN)
			sched_add(v, v->given.budget_us * 1000UL, SCHED_NEXT_FRAME, PLAN_ONCE);
		else
			sched_add(v, left, SCHED_BOTH_FRAMES, PLAN_ONCE);
	}
}

static void add_others(uint32_t cpu, bool guests, uint64_t frame) {
	uint32_t spread = 0;

	for (uint32_t i = 0; i < sched_count; i++) {
		struct sched_vcpu *v = &sched_vcpus[i];
		uint32_t home = v->own[ADMITTED] ? SCHED_NOWHERE : sched_home(v, &spread);

		if (home == cpu && sched_is_guest(v) == guests)
			sched_add_slice(v, sched_slice(v, slice), frame, SCHED_BOTH_FRAMES);
	}
}

static uint64_t plan_cpu(uint32_t cpu) {
	uint32_t n = sorted(cpu);
	uint64_t next = n ? deadline(&sched_vcpus[order[0]]) : UINT64_MAX;
	uint64_t frames[2] = {n ? next - sched_now() : BACKGROUND, BACKGROUND};

	sched_begin(cpu);
	add_others(cpu, false, frames[0]);
	add_reserved(n);
	add_others(cpu, true, frames[0]);
	sched_frames(frames, n ? 2 : 1, sched_now());
	sched_commit(0);
	return next;
}

static void plan(void) {
	static uint64_t next[SCHED_CPUS];
	uint64_t first = UINT64_MAX;

	sched_read();
	if (sched_changed) admit_all();
	for (uint32_t cpu = 0; cpu < sched_cpu_count; cpu++) {
		if (sched_changed || next[cpu] <= sched_now()) next[cpu] = plan_cpu(cpu);
		first = MIN(first, next[cpu]);
	}
	sched_wake_at(first == UINT64_MAX ? 0 : first);
}

const struct sched_policy sched_policy = {start, plan};
