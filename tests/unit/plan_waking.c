/* SPDX-License-Identifier: BSD-2-Clause */
/* Dispatch by plan: giving way, waking with and without patience, idling. */
#include "plan_rig.h"

#include "proto/xen/sched.h"

static void test_yield(void) {
	const struct plan_entry e = ENTRY(2, 0, MS);
	unsigned before;

	start();
	commit3(MS, MS, MS);
	plan_yield(host_cpu);
	CHECK(go() == first(b));
	plan_yield(host_cpu);
	CHECK(go() == first(c));
	/* All have yielded: it is still the same round, and each has what it had left. */
	u64 rounds = read_plan(NULL, 0, 3).rounds;
	plan_yield(host_cpu);
	CHECK(go() == first(a) && read_plan(NULL, 0, 3).rounds == rounds);
	pass(MS / 2);
	for (unsigned i = 0; i < 3; i++) {
		plan_yield(host_cpu);
		go();
	}
	CHECK(host_cpu->current == first(a) && pass(MS / 2) == first(b));
	CHECK(read_plan(NULL, 0, 3).rounds == rounds);
	/* The others' budgets are spent: they get the next round's. */
	pass(MS);
	CHECK(host_cpu->current == first(c));
	plan_yield(host_cpu);
	CHECK(go() == first(a) && read_plan(NULL, 0, 3).rounds == rounds + 1);
	/* Nobody else: not even a look at the plan. */
	vcpu_block(first(b), BLOCK_EVENT);
	vcpu_block(first(c), BLOCK_EVENT);
	go();
	before = host_switches;
	plan_yield(host_cpu);
	CHECK(!(first(a)->work & WORK_SWITCH) && go() == first(a) && host_switches == before);
	/* A commit of another CPU's leaves it out at that moment. */
	CHECK(commit_call(&e, 1, 0, 0) == 0);
	plan_yield(host_cpu);
	vcpu_wake(first(b), BLOCK_EVENT);
	CHECK(go() == first(b));
}

static void wake_a(void) { vcpu_wake(first(a), BLOCK_EVENT); }

/* The current vCPU goes to sleep, and will be patient for so long. */
static struct vcpu *sleep_for(u64 patience) {
	CHECK(do_sched_op(SCHEDOP_block, patience) == 0);
	return go();
}

static void test_patience(void) {
	start();
	commit3(10 * MS, 10 * MS, 10 * MS);
	CHECK(sleep_for(MS / 2) == first(b));
	/* It is woken: who runs goes on, to the nanosecond. */
	vcpu_wake(first(a), BLOCK_EVENT);
	CHECK(!(first(b)->work & WORK_SWITCH));
	CHECK(pass(MS / 2 - 1) == first(b) && pass(1) == first(a));
	/* Or until it gives way, */
	CHECK(sleep_for(MS / 2) == first(b));
	vcpu_wake(first(a), BLOCK_EVENT);
	vcpu_block(first(b), BLOCK_EVENT);
	CHECK(go() == first(a));
	/* or somebody without patience takes the CPU from it. */
	CHECK(sleep_for(MS / 2) == first(c));
	vcpu_wake(first(a), BLOCK_EVENT);
	CHECK(go() == first(c));
	vcpu_wake(first(b), BLOCK_EVENT);
	CHECK(go() == first(a));
	/* An idle CPU is nobody's, */
	vcpu_block(first(b), BLOCK_EVENT);
	vcpu_block(first(c), BLOCK_EVENT);
	go();
	host_wait = wake_a;
	CHECK(sleep_for(MS / 2) == first(a));
	/* and who is not told of patience has none; there is a most of it. */
	CHECK(sleep_for(0) == first(a));
	vcpu_wake(first(b), BLOCK_EVENT);
	CHECK(sleep_for(~0UL) == first(b));
	vcpu_wake(first(a), BLOCK_EVENT);
	CHECK(pass(PLAN_PATIENCE_MAX - 1) == first(b) && pass(1) == first(a));
	/* A slice that ends before ends. */
	commit3(10 * MS, MS / 4, 10 * MS);
	CHECK(sleep_for(MS / 2) == first(b));
	vcpu_wake(first(a), BLOCK_EVENT);
	CHECK(pass(MS / 4 - 1) == first(b) && pass(1) == first(a));
}

static void wake_b(void) {
	host_now += 7 * MS;
	vcpu_wake(first(b), BLOCK_EVENT);
}

static void test_idle(void) {
	struct plan_report report;

	start();
	commit3(MS, MS, MS);
	vcpu_block(first(a), BLOCK_EVENT);
	vcpu_block(first(b), BLOCK_EVENT);
	vcpu_block(first(c), BLOCK_EVENT);
	host_wait = wake_b;
	CHECK(go() == first(b));
	report = read_plan(NULL, 0, 3);
	CHECK(report.idle == 7 * MS && report.now == host_now);
	CHECK(report.commits == 2); /* root's own was the first */
	/* It woke up where it had stopped: no switch. */
	vcpu_block(first(b), BLOCK_EVENT);
	host_switches = 0;
	CHECK(go() == first(b) && host_switches == 0);
	CHECK(call(PLAN_READ, 8, 0, 0) == -EFAULT &&
	      call(PLAN_READ, (u64)&report, 8, 1) == -EFAULT);
}

int main(void) {
	static const struct guest_test tests[] = {
		TEST(test_yield),
		TEST(test_patience),
		TEST(test_idle),
	};

	return guests_run(tests, sizeof(tests) / sizeof(tests[0]));
}
