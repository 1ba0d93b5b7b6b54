/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Borrowed Virtual Time (Duda and Cheriton, SOSP 1999), as plans. Each vCPU has an actual
 * virtual time that advances by what it ran, divided by its weight; a warped one
 * borrows from its future: its effective virtual time is its warp less. Who is least
 * effective runs first, until it is ahead of the next by the context-switch allowance.
 *
 * A plan says that ahead of time: entries in order of effective virtual time, each with a
 * budget that brings it level with the last one, and the allowance on top. When a round
 * has ended the core tells, and the next plan is made from what really ran. It is committed only
 * if it differs: as long as everybody runs for its budget or sleeps throughout, the plan
 * that is there is right, round after round. A CPU with one guest's vCPU has nothing to share,
 * and this domain is not told of its rounds at all.
 *
 * Waking costs no plan. One that sleeps would wake with the scheduler's virtual time, the
 * least of all that can run; so it stands there already, before those who are ahead of
 * it, and pre-empts them when it wakes.
 *
 * Warp has limits: run time in one warp, and the pause from warping after it. Caps are budgets once
 * in a window of WINDOW. Servers and drivers stand first, in the description's order.
 *
 * Arguments: allowance=MICROSECONDS.
 */
#include "bvt.h"

#include "libs/rt/time.h"

#define WINDOW      MILLISECONDS(50) /* of caps */
#define MOST_BEHIND 4                /* slices that one gets at once for being behind */
#define NEAR_ENOUGH 8                /* a budget that differs by less than this part of it */

static uint64_t allowance;          /* ns */
static uint64_t rounds[SCHED_CPUS]; /* of its plan, at the last look */
static uint64_t window[SCHED_CPUS]; /* its plan is for this one; 0: for all to come */
static int64_t svt[SCHED_CPUS];     /* scheduler's virtual time */
static uint64_t last_plan[SCHED_CPUS];

static void start(void) { allowance = sched_argument("allowance", 5000) * 1000; }

/* --- Virtual time --- */

static int64_t to_virtual(const struct sched_vcpu *v, uint64_t ns) {
	return (int64_t)(ns * CONTROL_WEIGHT / MAX(v->given.weight, 1U));
}

static uint64_t to_real(const struct sched_vcpu *v, int64_t virtual) {
	return virtual <= 0 ? 0 : (uint64_t) virtual * v->given.weight / CONTROL_WEIGHT;
}

static bool warped(const struct sched_vcpu *v) {
	return v->given.warp_us && (int64_t)sched_now() >= v->own[BVT_PAUSE];
}

static int64_t effective(const struct sched_vcpu *v) {
	return v->own[BVT_AVT] - (warped(v) ? (int64_t)v->given.warp_us * 1000 : 0);
}

/* A warp that has run its time ends, and may begin again after the pause. */
static void charge_warp(struct sched_vcpu *v, uint64_t ran) {
	if (!v->given.warp_limit_us || !warped(v)) return;
	v->own[BVT_WARPED] += (int64_t)ran;
	if (v->own[BVT_WARPED] + (int64_t)PLAN_BUDGET_MIN < (int64_t)v->given.warp_limit_us * 1000)
		return;
	v->own[BVT_WARPED] = 0;
	v->own[BVT_PAUSE] = (int64_t)(sched_now() + v->given.unwarp_us * 1000UL);
}

static void charge_window(struct sched_vcpu *v, uint64_t ran) {
	int64_t number = (int64_t)(sched_now() / WINDOW);

	v->own[BVT_USED] = v->own[BVT_WINDOW] == number ? v->own[BVT_USED] + (int64_t)ran : 0;
	v->own[BVT_WINDOW] = number;
}

/* What it ran since the last plan; and who slept wakes no earlier than the others are. */
static void charge(struct sched_vcpu *v) {
	uint64_t ran = v->ran - (uint64_t)v->own[BVT_SEEN];
	bool slept = !sched_is_runnable(v) || v->account.woke > last_plan[v->cpu];

	charge_warp(v, ran);
	charge_window(v, ran);
	v->own[BVT_SEEN] = (int64_t)v->ran;
	if (slept) v->own[BVT_AVT] = MAX(v->own[BVT_AVT], svt[v->cpu]);
	v->own[BVT_AVT] += to_virtual(v, ran);
}

static void charge_cpu(uint32_t cpu) {
	int64_t least = INT64_MAX;

	for (uint32_t i = 0; i < sched_count; i++)
		if (sched_vcpus[i].cpu == cpu && sched_is_guest(&sched_vcpus[i])) {
			struct sched_vcpu *v = &sched_vcpus[i];

			charge(v);
			if (sched_is_runnable(v)) least = MIN(least, v->own[BVT_AVT]);
		}
	if (least != INT64_MAX) svt[cpu] = MAX(svt[cpu], least);
	for (uint32_t i = 0; i < sched_count; i++)
		if (sched_vcpus[i].cpu == cpu && !sched_is_runnable(&sched_vcpus[i]))
			sched_vcpus[i].own[BVT_AVT] = MAX(sched_vcpus[i].own[BVT_AVT], svt[cpu]);
	last_plan[cpu] = sched_now();
}

int64_t bvt_svt(uint32_t cpu) { return svt[cpu]; }

/* --- The plan --- */

/* At the same time, who sleeps stands first: when it wakes it is not behind. */
static bool before(const struct sched_vcpu *a, const struct sched_vcpu *b) {
	int64_t x = effective(a), y = effective(b);

	if (x != y) return x < y;
	if (sched_is_runnable(a) != sched_is_runnable(b)) return sched_is_runnable(b);
	return a < b;
}

static uint16_t order[SCHED_MAX];
static uint64_t budgets[SCHED_MAX]; /* in this order */

/* Guests of this CPU, least effective virtual time first. */
static uint32_t sorted(uint32_t cpu) {
	uint32_t n = 0;

	for (uint32_t i = 0; i < sched_count; i++)
		if (sched_vcpus[i].cpu == cpu && sched_is_guest(&sched_vcpus[i]))
			order[n++] = (uint16_t)i;
	sched_sort(order, n, before);
	return n;
}

/* The allowance in virtual time: such that the slices of those that can run are it on average. */
static int64_t slice_of_all(uint32_t n) {
	uint64_t weights = 0, count = 0;

	for (uint32_t i = 0; i < n; i++) {
		const struct sched_vcpu *v = &sched_vcpus[order[i]];

		if (!sched_is_runnable(v)) continue;
		weights += v->given.weight;
		count++;
	}
	return (int64_t)(weights ? allowance * CONTROL_WEIGHT * count / weights : allowance);
}

/* It may run until it is level with the last one, and a slice more. */
static uint64_t budget_of(const struct sched_vcpu *v, int64_t last, int64_t slice) {
	if (v->given.slice_us) slice = to_virtual(v, v->given.slice_us * 1000UL);
	return to_real(v, MIN(last - effective(v), MOST_BEHIND * slice) + slice);
}

/* With what is left of its limits in this window; again: in the next one it is more. */
static void add(struct sched_vcpu *v, uint64_t budget, bool alone, bool *limited, bool *again) {
	uint64_t left = budget, mask = SCHED_BOTH_FRAMES;

	if (v->given.warp_limit_us && warped(v) && !alone) {
		left = v->given.warp_limit_us * 1000UL - (uint64_t)v->own[BVT_WARPED];
		*limited = *again = true;
	}
	if (v->given.cap) {
		uint64_t most = WINDOW / 1000 * v->given.cap, used = (uint64_t)v->own[BVT_USED];

		if (alone) budget = left = UINT64_MAX; /* nobody tells of its rounds */
		left = MIN(left, most > used ? most - used : 0);
		if (left < PLAN_BUDGET_MIN) left = most, mask = SCHED_NEXT_FRAME;
		*limited = true;
		*again |= !alone || left < most || mask != SCHED_BOTH_FRAMES;
	}
	sched_add(v, MIN(budget, left), mask, left < budget ? PLAN_ONCE : 0);
}

/* Order and budgets as they should be. True: those of the plan that runs are as good. */
static bool same_plan(uint32_t n) {
	int64_t slice = slice_of_all(n), last = n ? effective(&sched_vcpus[order[n - 1]]) : 0;
	bool same = true;

	for (uint32_t i = 0; i < n; i++) {
		const struct sched_vcpu *v = &sched_vcpus[order[i]];
		uint64_t old = (uint64_t)v->own[BVT_BUDGET];

		budgets[i] = budget_of(v, last, slice);
		same &= v->own[BVT_PLACE] == i + 1 && budgets[i] <= old + old / NEAR_ENOUGH &&
			budgets[i] >= old - old / NEAR_ENOUGH;
	}
	return same;
}

/* What was committed is what runs; refused, it is no plan to compare the next one with. */
static void note_plan(uint32_t n, bool taken) {
	for (uint32_t i = 0; i < n; i++) {
		struct sched_vcpu *v = &sched_vcpus[order[i]];

		v->own[BVT_PLACE] = taken ? i + 1 : 0;
		v->own[BVT_BUDGET] = (int64_t)budgets[i];
	}
}

/* changed: its set, or there are limits, of which some is used up. */
static void plan_cpu(uint32_t cpu, bool changed) {
	static const uint64_t frames[2] = {WINDOW, WINDOW};
	uint32_t n = sorted(cpu);
	bool limited = false, again = false;

	rounds[cpu] = sched_rounds(cpu);
	if (same_plan(n) && !changed) return;
	sched_begin(cpu);
	for (uint32_t i = 0; i < sched_count; i++) {
		struct sched_vcpu *v = &sched_vcpus[i];

		if (v->cpu == cpu && !sched_is_guest(v))
			sched_add(v, sched_slice(v, 2 * allowance), SCHED_BOTH_FRAMES, 0);
	}
	for (uint32_t i = 0; i < n; i++) {
		struct sched_vcpu *v = &sched_vcpus[order[i]];

		add(v, budgets[i], n == 1, &limited, &again);
	}
	if (limited) sched_frames(frames, 2, sched_now() / WINDOW * WINDOW);
	note_plan(n, sched_commit(n > 1 ? PLAN_NOTIFY_SPENT : 0));
	window[cpu] = again ? 1 + sched_now() / WINDOW : 0;
}

static void plan(void) {
	bool due[SCHED_CPUS] = {0};
	uint64_t now_window = 1 + sched_now() / WINDOW;
	bool limited = false;

	sched_read();
	for (uint32_t cpu = 0; cpu < sched_cpu_count; cpu++) charge_cpu(cpu);
	bvt_balance(due);
	for (uint32_t cpu = 0; cpu < sched_cpu_count; cpu++) {
		bool over = window[cpu] && window[cpu] != now_window;

		due[cpu] |= sched_changed;
		if (due[cpu] || over || sched_rounds(cpu) != rounds[cpu])
			plan_cpu(cpu, due[cpu] || window[cpu]);
		limited |= window[cpu] != 0;
	}
	sched_wake_at(limited ? now_window * WINDOW : 0);
}

const struct sched_policy sched_policy = {start, plan};
