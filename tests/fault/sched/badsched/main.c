/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A scheduling policy written to attack. It first commits a plan as a decent one would, round
 * robin, and then, one after the other and for PHASE each: plans that make no sense, a plan
 * ten thousand times in a second, conditions that notify it of everything, commits
 * without a pause. Then it hangs; its successor dies between two commits of a burst; and
 * the one after that behaves. Whoever else runs must go on all the time.
 *
 * What the core took and what it refused is said at the end of each phase.
 */
#include "libs/control/control.h"
#include "libs/log/log.h"
#include "libs/rt/time.h"
#include "libs/sched/sched.h"

#define PHASE MILLISECONDS(400)
#define SLICE MILLISECONDS(10)
#define PAUSE 100000UL /* ns */

static struct plan_entry entries[SCHED_MAX];
static uint32_t count, taken, refused, phase;
static uint64_t phase_end;

static void decent(void) {
	uint32_t spread = 0;

	sched_begin(0);
	count = 0;
	for (uint32_t i = 0; i < sched_count; i++) {
		struct sched_vcpu *v = &sched_vcpus[i];

		if (sched_home(v, &spread) != 0) continue;
		entries[count++] = (struct plan_entry){.domain = v->given.slot,
						       .vcpu = v->given.vcpu,
						       .budget = SLICE,
						       .frames = 1};
		sched_add(v, SLICE, 1, 0);
	}
	sched_commit(0);
}

static void commit(const struct plan_entry *from, uint32_t n, uint32_t flags) {
	struct plan_commit c = {.entries = (uintptr_t)from,
				.count = n,
				.port = flags ? sched_port : 0,
				.flags = flags};

	if (sched_back_commit(0, &c))
		refused++;
	else
		taken++;
}

/* The decent plan with one thing in it that must not be. */
static void senseless(void) {
	static const uint64_t budgets[] = {0, 1, PLAN_BUDGET_MIN - 1, PLAN_BUDGET_MAX + 1, ~0UL};
	static uint32_t n;
	struct plan_entry *e = &entries[n++ % count], keep = *e;

	switch (n % 8) {
	case 0: e->domain = 7; break;
	case 1: e->domain = ~0U - n; break;
	case 2: e->vcpu = 1 + n; break;
	case 3: e->budget = budgets[n / 8 % 5]; break;
	case 4: *e = entries[(n + 1) % count]; break;
	case 5: e->frames = 2; break;
	case 6: e->flags = ~0U; break;
	default: e->pad = 1; break;
	}
	commit(entries, count, 0);
	*e = keep;
	commit(entries, n % 2 ? 0 : ~0U, 0);
	commit((const struct plan_entry *)8, count, 0);
	commit(entries, count, ~0U);
}

static void hang(void) {
	log_print("hangs");
	for (;;) __asm__ volatile("pause");
}

static void attack(void) {
	switch (phase) {
	case 0: senseless(); break;
	case 1: commit(entries, count, 0); break;
	case 2: commit(entries, count, PLAN_NOTIFY_ALL); break;
	case 3:
		while (sched_back_now() < phase_end) {
			senseless();
			commit(entries, count, 0);
		}
		break;
	case 4: hang(); break;
	default: break;
	}
}

static void next_phase(void) {
	static const char *const names[] = {"senseless plans", "a plan again and again",
					    "notified of everything", "without a pause"};

	log_print("%s: %u taken, %u refused", names[phase], taken, refused);
	taken = refused = 0;
	phase++;
	phase_end = sched_back_now() + PHASE;
	commit(entries, count, 0); /* with no conditions */
}

static void plan(void) {
	if (sched_changed) decent();
	if (rt_start_page->incarnation > 1) {
		if (!phase++) log_print("behaves now");
		return;
	}
	if (!phase_end) phase_end = sched_now() + PHASE;
	if (rt_start_page->incarnation == 1 && sched_now() >= phase_end) {
		for (uint32_t i = 0; i < 100; i++) commit(entries, count - i % 2, 0);
		rt_panic("dies in the middle");
	}
	if (!rt_start_page->incarnation) {
		if (sched_now() >= phase_end) next_phase();
		attack();
	}
	sched_wake_at(sched_back_now() + PAUSE);
}

const struct sched_policy sched_policy = {NULL, plan};
