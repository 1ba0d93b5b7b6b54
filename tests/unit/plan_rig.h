/* SPDX-License-Identifier: BSD-2-Clause */
/* Root, which makes plans for one CPU, and three guests of one vCPU. */
#ifndef TESTS_UNIT_PLAN_RIG_H
#define TESTS_UNIT_PLAN_RIG_H

#include "guests.h"

#include "cpu/time.h"

#define MS 1000000UL
#define ENTRY(domid, number, ns) \
	{ .domain = SLOT(domid), .vcpu = (number), .budget = (ns), .frames = 1 }

static struct domain *root, *a, *b, *c;

static inline struct vcpu *first(struct domain *d) { return d->vcpus[0]; }

/* What the exit path does. */
static inline struct vcpu *go(void) {
	int patience = 10;

	while (host_cpu->current->work & (WORK_SWITCH | WORK_PAUSE)) {
		CHECK(patience--);
		plan_dispatch(host_cpu);
	}
	return host_cpu->current;
}

/* Time passes; timers fire when they are due. */
static inline struct vcpu *pass(u64 ns) {
	u64 end = host_now + ns;

	while (host_timer <= end) {
		host_now = MAX(host_now, host_timer);
		timer_interrupt();
		go();
	}
	host_now = end;
	return host_cpu->current;
}

/* As root's, whoever runs: the plan is not to notice who asked. */
static inline long call(u64 op, u64 a1, u64 a2, u64 a3) {
	struct vcpu *current = host_cpu->current;
	long r;

	host_cpu->current = first(root);
	r = machine_invoke(root, op, 7, a1, a2, a3, 0);
	host_cpu->current = current;
	return r;
}

static inline long commit_call(const struct plan_entry *entries, u64 count, u64 port, u64 flags) {
	struct plan_commit c = {.entries = (u64)entries,
				.count = (u32)count,
				.port = (u32)port,
				.flags = (u32)flags};

	return call(PLAN_COMMIT, (u64)&c, 0, 0);
}

/* Frames of these lengths, the first of which begins now. */
static inline long commit_frames(const struct plan_entry *entries, u32 count, const u64 *frames,
				 u32 n) {
	struct plan_commit c = {.entries = (u64)entries,
				.count = count,
				.frames = (u64)frames,
				.frame_count = n,
				.epoch = host_now};

	return call(PLAN_COMMIT, (u64)&c, 0, 0);
}

static inline struct plan_report read_plan(struct plan_account *accounts, u32 count,
					   long expected) {
	struct plan_report report;

	CHECK(call(PLAN_READ, (u64)&report, (u64)accounts, count) == expected);
	return report;
}

static inline void start(void) {
	root = guests_start(3);
	a = guest(1);
	b = guest(2);
	c = guest(3);
	CHECK(cap_boot(root, 7, CAP_CPU, 0, 1, 0));
	/* Invocations while building left root as the current vCPU. */
	host_cpu->current = first(root);
	first(root)->work |= WORK_SWITCH;
	CHECK(go() == first(root));
}

static inline void commit3(u64 budget_a, u64 budget_b, u64 budget_c) {
	struct plan_entry e[3] = {ENTRY(1, 0, budget_a), ENTRY(2, 0, budget_b),
				  ENTRY(3, 0, budget_c)};

	CHECK(commit_call(e, 3, 0, 0) == 0);
	go();
}

#endif
