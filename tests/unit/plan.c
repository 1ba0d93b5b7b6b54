/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Dispatch by plan: order, pre-emption, budgets and rounds, commits and their errors,
 * notifications, accounting. plan_waking.c: giving way, waking and idling.
 */
#include "plan_rig.h"

#include <pthread.h>
#include <string.h>

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

static void test_commit_errors(void) {
	struct plan_entry e[2] = {ENTRY(1, 0, MS), ENTRY(2, 0, MS)};

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
	e[1] = (struct plan_entry)ENTRY(2, 3, MS);
	CHECK(commit_call(e, 2, 0, 0) == -EINVAL);
	e[1] = (struct plan_entry)ENTRY(2, 0, PLAN_BUDGET_MIN - 1);
	CHECK(commit_call(e, 2, 0, 0) == -EINVAL);
	e[1].budget = PLAN_BUDGET_MAX + 1;
	CHECK(commit_call(e, 2, 0, 0) == -EINVAL);
	e[1] = e[0];
	CHECK(commit_call(e, 2, 0, 0) == -EINVAL); /* twice the same */
	/* The running plan is as it was, and the reasons are counted. */
	CHECK(read_plan(NULL, 0, 3).refused == 13);
	CHECK(go() == first(a) && pass(MS) == first(b) && pass(MS) == first(c));
}

/* The CPU's timer goes off while it idles. */
static void timer_due(void) {
	host_now = MAX(host_now, host_timer);
	timer_interrupt();
}

static u64 ran(struct domain *d) { return runstate_now(first(d)).time[RUNSTATE_running]; }

/* A commit refills nothing: one every 10 us keeps nobody from its turn. */
static void test_commit_storm(void) {
	u64 ends[2] = {5 * MS, 5 * MS};

	start();
	commit3(2 * MS, 3 * MS, 5 * MS);
	for (unsigned i = 0; i < 1000; i++) {
		u64 into = i * MS / 100;
		struct domain *who = into < 2 * MS ? a : into < 5 * MS ? b : c;

		CHECK(host_cpu->current == first(who));
		pass(MS / 100);
		commit3(2 * MS, 3 * MS, 5 * MS);
	}
	CHECK(host_cpu->current == first(a));
	/* Less than it has had: nothing until the next round. */
	pass(MS);
	commit3(MS / 2, 3 * MS, 5 * MS);
	CHECK(host_cpu->current == first(b) && pass(8 * MS) == first(a));
	/* More: the rest. */
	pass(MS / 2);
	CHECK(host_cpu->current == first(b));
	commit3(MS, 3 * MS, 5 * MS);
	CHECK(host_cpu->current == first(a) && pass(MS / 2) == first(b));
	/* Frames and budgets once in them begin anew with each plan. */
	for (unsigned i = 0; i < 10; i++) {
		struct plan_entry e[2] = {ENTRY(1, 0, MS), ENTRY(2, 0, MS)};

		e[0].flags = PLAN_ONCE;
		CHECK(commit_frames(e, 2, ends, 2) == 0);
		CHECK(go() == first(a) && pass(MS) == first(b));
	}
}

/* Nor do two plans by turns, of which one leaves the first vCPU out. */
static void test_alternating(void) {
	const struct plan_entry without = ENTRY(2, 0, 3 * MS);

	start();
	commit3(2 * MS, 3 * MS, 5 * MS);
	for (unsigned i = 0; i < 500; i++) {
		CHECK(host_cpu->current == first(i < 200 ? a : b));
		pass(MS / 100);
		if (i == 499) break; /* b alone would have a new round */
		CHECK(commit_call(&without, 1, 0, 0) == 0);
		commit3(2 * MS, 3 * MS, 5 * MS);
	}
	CHECK(ran(a) == 2 * MS && ran(b) == 3 * MS && host_cpu->current == first(c));
	/* In the next round it has its budget again, whoever names it first. */
	pass(5 * MS);
	CHECK(commit_call(&without, 1, 0, 0) == 0);
	commit3(2 * MS, 3 * MS, 5 * MS);
	CHECK(host_cpu->current == first(a) && pass(2 * MS) == first(b));
}

/* All vCPUs of all domains, in order. */
static void test_large(void) {
	static struct plan_entry e[9];
	unsigned i;

	start();
	for (i = 0; i < 9; i++) e[i] = (struct plan_entry)ENTRY(1 + i / 3, i % 3, MS);
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
	struct plan_entry e[2] = {ENTRY(1, 0, MS), {.domain = 1, .budget = MS, .frames = 1}};
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

/* A policy that commits what is being reset: nothing of it comes back into a plan. */
static void test_dying(void) {
	struct plan_account accounts[3];

	start();
	commit3(MS, MS, MS);
	plan_forget(first(a));
	a->state = DOMAIN_STATE_DYING;
	commit3(MS, MS, MS);
	CHECK(first(a)->plan_index == PLAN_NOT_IN && host_cpu->current == first(b));
	(void)read_plan(accounts, 3, 3);
	CHECK(!accounts[0].since && accounts[1].state == RUNSTATE_running);
	a->state = DOMAIN_STATE_RUNNING;
	commit3(MS, MS, MS);
	CHECK(host_cpu->current == first(a));
}

static void test_account(void) {
	struct plan_account accounts[4];
	struct vcpu_runstate_info area;

	start();
	commit3(MS, MS, MS);
	first(a)->runstate_area = (u64)&area;
	pass(MS / 2);
	vcpu_block(first(a), BLOCK_EVENT);
	CHECK(go() == first(b));
	pass(MS / 4);
	vcpu_wake(first(a), BLOCK_EVENT);
	go();
	CHECK(host_cpu->current == first(a) && (first(a)->work & WORK_AREAS));
	runstate_publish(first(a));
	CHECK(!(first(a)->work & WORK_AREAS) && area.state == RUNSTATE_running);
	CHECK(area.state_entry_time == host_now && area.time[RUNSTATE_blocked] == MS / 4);
	pass(MS / 4);
	vcpu_block(first(c), BLOCK_EVENT);
	plan_forget(first(c));
	(void)read_plan(accounts, 4, 3);
	CHECK(accounts[0].state == RUNSTATE_running && accounts[0].since == host_now - MS / 4);
	CHECK(accounts[0].time[RUNSTATE_running] == MS / 2 &&
	      accounts[0].woke == accounts[0].since);
	CHECK(accounts[0].time[RUNSTATE_blocked] == MS / 4 && accounts[0].wakes == 2);
	CHECK(accounts[1].state == RUNSTATE_runnable &&
	      accounts[1].time[RUNSTATE_running] == MS / 4);
	CHECK(!accounts[2].since && !accounts[2].wakes); /* it has left */
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

/* Windows: each has its vCPU, an idle one's time is nobody's, the clock alone decides. */
static void test_frames(void) {
	static const u64 frames[] = {10 * MS, 5 * MS};
	struct plan_entry e[3] = {ENTRY(1, 0, MS), ENTRY(2, 0, MS), ENTRY(3, 0, MS)};
	u64 idle;

	start();
	e[1].frames = 2;
	e[2].frames = 3;
	vcpu_block(first(c), BLOCK_EVENT);
	CHECK(commit_frames(e, 3, frames, 2) == 0);
	CHECK(go() == first(a) && pass(10 * MS - 1) == first(a) && pass(1) == first(b));
	CHECK(pass(5 * MS - 1) == first(b) && pass(1) == first(a));
	pass(15 * MS * 100);
	CHECK(ran(a) == 101 * 10 * MS && ran(b) == 101 * 5 * MS);
	/* Nobody in the first: the CPU is idle until the second begins. */
	idle = read_plan(NULL, 0, 3).idle;
	host_wait = timer_due;
	vcpu_block(first(a), BLOCK_EVENT);
	CHECK(go() == first(b) && read_plan(NULL, 0, 3).idle - idle == 10 * MS);
	/* One that is in both runs in both, behind those before it. */
	vcpu_wake(first(c), BLOCK_EVENT);
	CHECK(go() == first(b) && pass(MS) == first(c) && pass(4 * MS) == first(c));
	vcpu_wake(first(a), BLOCK_EVENT);
	CHECK(go() == first(a));
}

/* A cap: once in a frame, and nobody's budget comes back for others being spent. */
static void test_once(void) {
	static const u64 frame = 10 * MS;
	struct plan_entry e[2] = {ENTRY(1, 0, 3 * MS), ENTRY(2, 0, MS)};

	start();
	e[0].flags = PLAN_ONCE;
	CHECK(commit_frames(e, 2, &frame, 1) == 0);
	CHECK(go() == first(a) && pass(3 * MS) == first(b));
	pass(97 * MS);
	CHECK(ran(a) == 30 * MS && ran(b) == 70 * MS);
	/* Alone, too: then the CPU is idle. */
	vcpu_block(first(b), BLOCK_EVENT);
	host_wait = timer_due;
	pass(100 * MS);
	CHECK(ran(a) == 60 * MS);
	/* Without frames once in a plan. */
	vcpu_wake(first(b), BLOCK_EVENT);
	CHECK(commit_call(e, 2, 0, 0) == 0);
	go();
	pass(100 * MS);
	CHECK(ran(a) == 63 * MS);
	CHECK(commit_call(e, 2, 0, 0) == 0);
	go();
	pass(100 * MS);
	CHECK(ran(a) == 66 * MS);
}

static void test_frame_errors(void) {
	u64 frames[2] = {MS, MS};
	struct plan_entry e[2] = {ENTRY(1, 0, MS), ENTRY(2, 0, MS)};
	struct plan_commit c = {.entries = (u64)e,
				.count = 2,
				.frames = (u64)frames,
				.frame_count = 2,
				.epoch = ~0UL};

	start();
	CHECK(call(PLAN_COMMIT, (u64)&c, 0, 0) == -EINVAL); /* not yet */
	CHECK(commit_frames(e, 2, frames, PLAN_MAX_FRAMES + 1) == -EINVAL);
	CHECK(commit_frames(e, 2, (void *)8, 2) == -EFAULT);
	frames[1] = PLAN_FRAME_MIN - 1;
	CHECK(commit_frames(e, 2, frames, 2) == -EINVAL);
	frames[1] = PLAN_FRAME_MAX + 1;
	CHECK(commit_frames(e, 2, frames, 2) == -EINVAL);
	frames[1] = MS;
	e[1].frames = 4; /* no such frame */
	CHECK(commit_frames(e, 2, frames, 2) == -EINVAL);
	e[1].frames = 3;
	e[1].flags = 2;
	CHECK(commit_frames(e, 2, frames, 2) == -EINVAL);
	e[1].flags = 0;
	e[1].pad = 1;
	CHECK(commit_frames(e, 2, frames, 2) == -EINVAL);
	e[1].pad = 0;
	CHECK(commit_frames(e, 2, frames, 2) == 0);
}

/* Who guards stands first, whatever is committed, and cannot be named by others. */
static void test_guard(void) {
	struct plan_account account;
	struct plan_entry e[2] = {ENTRY(1, 0, MS), ENTRY(2, 0, MS)};

	start();
	CHECK(call(PLAN_GUARD, 199, 0, 0) == -EBADF && call(PLAN_GUARD, SLOT(3), 7, 0) == -EINVAL);
	CHECK(call(PLAN_GUARD, SLOT(3), 0, 0) == 0);
	CHECK(commit_call(e, 2, 0, 0) == 0 && go() == first(c));
	CHECK(pass(10 * MS - 1) == first(c) && pass(1) == first(a));
	(void)read_plan(&account, 1, 2);
	CHECK(account.state == RUNSTATE_running); /* a's: the guard's is not in the list */
	e[1] = (struct plan_entry)ENTRY(3, 0, MS);
	CHECK(commit_call(e, 2, 0, 0) == -EINVAL);
	/* Its end takes the place with it. */
	plan_forget(first(c));
	e[1] = (struct plan_entry)ENTRY(2, 0, MS);
	CHECK(commit_call(e, 2, 0, 0) == 0 && go() == first(a) && pass(MS) == first(b));
}

static u64 changed; /* how often it was */

static void *change(void *v) {
	for (u64 i = 1; i <= 2000000; i++) {
		runstate_change(v, i & 3, i);
		atomic_store(&changed, i);
	}
	return NULL;
}

/* While another CPU changes an account, a reader finds it as it was between two changes. */
static void test_torn(void) {
	pthread_t writer;
	u64 mixtures = 0;

	start();
	memset(&first(b)->runstate, 0, sizeof(first(b)->runstate));
	CHECK(!pthread_create(&writer, NULL, change, first(b)));
	while (atomic_load(&changed) < 2000000) {
		struct plan_account account = account_read(first(b));

		mixtures += account.time[0] + account.time[1] + account.time[2] + account.time[3] !=
				    account.since ||
			    account.state != (account.since & 3);
	}
	CHECK(!pthread_join(writer, NULL) && !mixtures);
}

int main(void) {
	static const struct guest_test tests[] = {
		TEST(test_order),        TEST(test_budgets),     TEST(test_commit_errors),
		TEST(test_large),        TEST(test_notify),      TEST(test_forget),
		TEST(test_account),      TEST(test_frames),      TEST(test_once),
		TEST(test_frame_errors), TEST(test_guard),       TEST(test_dying),
		TEST(test_commit_storm), TEST(test_alternating), TEST(test_torn),
	};

	return guests_run(tests, sizeof(tests) / sizeof(tests[0]));
}
