/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Dispatch by plan: order, pre-emption, budgets and rounds, yielding, idling,
 * commits and their errors, notifications, accounting.
 */
#include "guests.h"

#include <string.h>

#include "cpu/time.h"

#define MS 1000000UL

static struct domain *root, *a, *b, *c;

static struct vcpu *first(struct domain *d) { return d->vcpus[0]; }

/* What the exit path does. */
static struct vcpu *go(void) {
	int patience = 10;

	while (host_cpu->current->work & (WORK_SWITCH | WORK_PAUSE)) {
		CHECK(patience--);
		plan_dispatch(host_cpu);
	}
	return host_cpu->current;
}

/* Time passes; timers fire when they are due. */
static struct vcpu *pass(u64 ns) {
	u64 end = host_now + ns;

	while (host_timer <= end) {
		host_now = MAX(host_now, host_timer);
		timer_interrupt();
		go();
	}
	host_now = end;
	return host_cpu->current;
}

static long commit_call(const struct plan_entry *entries, u64 count, u64 port, u64 flags) {
	/* As root's, whoever runs: the plan is not to notice who asked. */
	struct vcpu *current = host_cpu->current;
	u64 args[6] = {PLAN_COMMIT, 7, (u64)entries, count, port, flags};
	long r;

	host_cpu->current = first(root);
	r = machine_invoke(root, args[0], args[1], args[2], args[3], args[4], args[5]);
	host_cpu->current = current;
	return r;
}

static void start(void) {
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

static void commit3(u64 budget_a, u64 budget_b, u64 budget_c) {
	struct plan_entry e[3] = {
		{SLOT(1), 0, budget_a}, {SLOT(2), 0, budget_b}, {SLOT(3), 0, budget_c}};

	CHECK(commit_call(e, 3, 0, 0) == 0);
	go();
}

static void test_order(void) {
	start();
	commit3(MS, MS, MS);
	CHECK(host_cpu->current == first(a));
	vcpu_block(first(a), BLOCK_EVENT);
	CHECK(go() == first(b));
	vcpu_block(first(b), BLOCK_EVENT);
	CHECK(go() == first(c));
	/* A later one does not pre-empt, an earlier one does. */
	vcpu_wake(first(b), BLOCK_EVENT);
	CHECK(go() == first(b));
	vcpu_block(first(b), BLOCK_EVENT);
	CHECK(go() == first(c));
	vcpu_wake(first(a), BLOCK_EVENT);
	CHECK(go() == first(a));
	vcpu_wake(first(b), BLOCK_EVENT);
	CHECK(!(first(a)->work & WORK_SWITCH) && go() == first(a));
	/* Two reasons: runnable when both are gone. */
	vcpu_block(first(a), BLOCK_EVENT);
	vcpu_block(first(a), BLOCK_PAUSED);
	CHECK(go() == first(b));
	vcpu_wake(first(a), BLOCK_EVENT);
	CHECK(go() == first(b));
	vcpu_wake(first(a), BLOCK_PAUSED);
	CHECK(go() == first(a));
	/* Root is in no plan: it does not run, though it could. */
	CHECK(first(root)->plan_index == PLAN_NOT_IN && !first(root)->blocked_on);
}

static void test_budgets(void) {
	u64 run[3];
	unsigned i;

	start();
	commit3(2 * MS, 3 * MS, 5 * MS);
	CHECK(pass(2 * MS - 1) == first(a) && pass(1) == first(b));
	CHECK(pass(3 * MS) == first(c));
	/* All spent: the next round, from the front. */
	CHECK(pass(5 * MS) == first(a));
	/* One that sleeps and wakes does not get its budget anew within the round. */
	CHECK(pass(MS) == first(a));
	vcpu_block(first(a), BLOCK_EVENT);
	CHECK(go() == first(b) && pass(MS) == first(b));
	vcpu_wake(first(a), BLOCK_EVENT);
	CHECK(go() == first(a) && pass(MS) == first(b));
	vcpu_block(first(a), BLOCK_EVENT);
	vcpu_wake(first(a), BLOCK_EVENT);
	CHECK(go() == first(b));
	CHECK(pass(2 * MS) == first(c));
	/* Over many rounds the shares are the budgets'. */
	commit3(2 * MS, 3 * MS, 5 * MS);
	for (i = 0; i < 3; i++)
		run[i] = first(guest((u16)(i + 1)))->runstate.time[RUNSTATE_running];
	pass(1000 * MS);
	for (i = 0; i < 3; i++) {
		static const u64 share[] = {200 * MS, 300 * MS, 500 * MS};

		run[i] = first(guest((u16)(i + 1)))->runstate.time[RUNSTATE_running] - run[i];
		CHECK(run[i] >= share[i] - 5 * MS && run[i] <= share[i] + 5 * MS);
	}
	/* Alone, one runs on through its refills. */
	vcpu_block(first(b), BLOCK_EVENT);
	vcpu_block(first(c), BLOCK_EVENT);
	go();
	CHECK(pass(100 * MS) == first(a));
}

static void test_yield(void) {
	unsigned before;

	start();
	commit3(MS, MS, MS);
	plan_yield(host_cpu);
	CHECK(go() == first(b));
	plan_yield(host_cpu);
	CHECK(go() == first(a));
	/* The others' budgets are spent: they get the next round's. */
	pass(MS);
	pass(MS);
	CHECK(host_cpu->current == first(c));
	plan_yield(host_cpu);
	CHECK(go() == first(a));
	/* Nobody else: not even a look at the plan. */
	vcpu_block(first(b), BLOCK_EVENT);
	vcpu_block(first(c), BLOCK_EVENT);
	go();
	before = host_switches;
	plan_yield(host_cpu);
	CHECK(!(first(a)->work & WORK_SWITCH) && go() == first(a) && host_switches == before);
}

static void wake_b(void) {
	host_now += 7 * MS;
	vcpu_wake(first(b), BLOCK_EVENT);
}

static void test_idle(void) {
	struct cpu_account account;

	start();
	commit3(MS, MS, MS);
	vcpu_block(first(a), BLOCK_EVENT);
	vcpu_block(first(b), BLOCK_EVENT);
	vcpu_block(first(c), BLOCK_EVENT);
	host_wait = wake_b;
	CHECK(go() == first(b));
	CHECK(plan_account(0, (u64)&account) == 0 && account.idle_ns == 7 * MS);
	CHECK(account.commits == 1 && account.now_ns == host_now);
	/* It woke up where it had stopped: no switch. */
	vcpu_block(first(b), BLOCK_EVENT);
	host_switches = 0;
	CHECK(go() == first(b) && host_switches == 0);
	CHECK(plan_account(1, (u64)&account) == -EINVAL && plan_account(0, 8) == -EFAULT);
}

static void test_commit_errors(void) {
	struct plan_entry e[2] = {{SLOT(1), 0, MS}, {SLOT(2), 0, MS}};

	start();
	commit3(MS, MS, MS);
	CHECK(commit_call(e, 0, 0, 0) == -EINVAL && commit_call(e, PLAN_MAX + 1, 0, 0) == -EINVAL);
	CHECK(commit_call(e, 2, 0, 8) == -EINVAL && commit_call(e, 2, 0, 1) == -EINVAL);
	CHECK(commit_call(e, 2, 5, 1) == -EINVAL && commit_call(e, 2, ~0UL, 1) == -EINVAL);
	CHECK(commit_call((void *)8, 2, 0, 0) == -EFAULT);
	e[1].domain = 199;
	CHECK(commit_call(e, 2, 0, 0) == -EBADF);
	e[1].domain = 2;
	CHECK(commit_call(e, 2, 0, 0) == -EPERM);
	e[1] = (struct plan_entry){SLOT(2), 3, MS};
	CHECK(commit_call(e, 2, 0, 0) == -EINVAL);
	e[1] = (struct plan_entry){SLOT(2), 0, PLAN_BUDGET_MIN - 1};
	CHECK(commit_call(e, 2, 0, 0) == -EINVAL);
	e[1].budget = PLAN_BUDGET_MAX + 1;
	CHECK(commit_call(e, 2, 0, 0) == -EINVAL);
	e[1] = e[0];
	CHECK(commit_call(e, 2, 0, 0) == -EINVAL); /* twice the same */
	/* The running plan is as it was. */
	CHECK(go() == first(a) && pass(MS) == first(b) && pass(MS) == first(c));
}

/* All vCPUs of all domains, in order. */
static void test_large(void) {
	static struct plan_entry e[9];
	unsigned i;

	start();
	for (i = 0; i < 9; i++) e[i] = (struct plan_entry){SLOT(1 + i / 3), i % 3, MS};
	CHECK(commit_call(e, 9, 0, 0) == 0);
	go();
	for (i = 0; i < 9; i++) {
		CHECK(host_cpu->current == guest((u16)(1 + i / 3))->vcpus[i % 3]);
		pass(MS);
	}
	CHECK(host_cpu->current == first(a));
}

static void test_notify(void) {
	struct evtchn_bind_virq virq = {.virq = VIRQ_PLAN};
	struct plan_entry e[2] = {{SLOT(1), 0, MS}, {1, 0, MS}};
	u64 *word;

	start();
	CHECK(event_op(root, EVTCHNOP_bind_virq, &virq) == 0);
	word = &root->shared->evtchn_pending[0];
	vcpu_block(first(root), BLOCK_EVENT);
	memset(root->shared->evtchn_mask, 0, sizeof(root->shared->evtchn_mask));
	CHECK(commit_call(e, 2, virq.port, PLAN_NOTIFY_SPENT | PLAN_NOTIFY_WAKE) == 0);
	host_cpu->current = first(root);
	CHECK(go() == first(a) && !*word);
	CHECK(pass(MS) == first(a)); /* spent and refilled; root behind it is told and woken */
	CHECK(*word == 1UL << virq.port && !first(root)->blocked_on);
	*word = 0;
	first(root)->info->evtchn_pending_sel = 0;
	first(root)->info->evtchn_upcall_pending = 0;
	vcpu_block(first(a), BLOCK_EVENT);
	CHECK(go() == first(root) && !*word);
	vcpu_wake(first(a), BLOCK_EVENT);
	CHECK(*word == 1UL << virq.port);
	/* The listener's end takes the notification with it. */
	*word = 0;
	plan_forget(first(root));
	CHECK(go() == first(a));
	pass(10 * MS);
	CHECK(!*word);
}

static void test_forget(void) {
	start();
	commit3(MS, MS, MS);
	plan_forget(first(a));
	CHECK(go() == first(b) && first(a)->plan_index == PLAN_NOT_IN);
	plan_forget(first(a));
	vcpu_block(first(a), BLOCK_EVENT);
	vcpu_wake(first(a), BLOCK_EVENT);
	CHECK(go() == first(b) && pass(MS) == first(c) && pass(MS) == first(b));
	plan_forget(first(c));
	commit3(MS, MS, MS);
	CHECK(host_cpu->current == first(a));
}

static void test_account(void) {
	struct vcpu_account account;
	struct vcpu_runstate_info area;

	start();
	commit3(MS, MS, MS);
	first(a)->runstate_area = (u64)&area;
	pass(MS / 2);
	vcpu_block(first(a), BLOCK_EVENT);
	CHECK(first(a)->last_block == host_now && go() == first(b));
	pass(MS / 4);
	vcpu_wake(first(a), BLOCK_EVENT);
	go();
	CHECK(host_cpu->current == first(a) && (first(a)->work & WORK_AREAS));
	runstate_publish(first(a));
	CHECK(!(first(a)->work & WORK_AREAS) && area.state == RUNSTATE_running);
	CHECK(area.state_entry_time == host_now && area.time[RUNSTATE_blocked] == MS / 4);
	pass(MS / 4);
	CHECK(vcpu_account(a, 0, (u64)&account) == 0 && account.runstate == RUNSTATE_running);
	CHECK(account.run_ns == MS / 2 + MS / 4 && account.block_ns == MS / 4);
	CHECK(vcpu_account(b, 0, (u64)&account) == 0 && account.runstate == RUNSTATE_runnable);
	CHECK(account.run_ns == MS / 4 && account.wait_ns >= MS / 4);
	CHECK(vcpu_account(b, 3, (u64)&account) == -EINVAL);
	/* Paused: offline, whatever else. */
	vcpu_block(first(b), BLOCK_PAUSED);
	CHECK(first(b)->runstate.state == RUNSTATE_offline);
	/* The flag that marks an update under way is gone afterwards. */
	a->vm_assist = 1U << VMASST_TYPE_runstate_update_flag;
	runstate_publish(first(a));
	CHECK(!(area.state_entry_time & XEN_RUNSTATE_UPDATE) && area.time[0] == MS / 2);
	first(a)->runstate_area = 8; /* a place that faults is left out */
	runstate_publish(first(a));
}

int main(void) {
	static const struct guest_test tests[] = {
		TEST(test_order),  TEST(test_budgets),       TEST(test_yield),
		TEST(test_idle),   TEST(test_commit_errors), TEST(test_large),
		TEST(test_notify), TEST(test_forget),        TEST(test_account),
	};

	return guests_run(tests, sizeof(tests) / sizeof(tests[0]));
}
