/* SPDX-License-Identifier: BSD-2-Clause */
/* The machine of the simulator, see sim.h. */
#include "guests.h"

#include <setjmp.h>
#include <string.h>

#include "cpu/time.h"
#include "sim.h"

static struct task {
	u64 run, sleep;
	bool random;
	u64 quantum;    /* of the present stretch: runs so long, then sleeps */
	u64 ran_before; /* at its beginning */
	u64 wakes_at;   /* 0: awake */
	u64 woke_at;    /* 0: has run since */
	u64 longest_wait, longest_run, run_since;
} tasks[SIM_DOMAINS + 1];

static struct domain *root;
static unsigned count;
static u32 port;
static u64 end;
static const u64 *policy_wake;
static void (*policy)(void);
static jmp_buf out;

static struct vcpu *vcpu_of(unsigned domain) { return guest((u16)domain)->vcpus[0]; }

u64 sim_now(void) { return host_now; }
unsigned sim_slot(unsigned domain) { return SLOT(domain); }
unsigned sim_port(void) { return port; }

u64 sim_ran(unsigned domain) { return runstate_now(vcpu_of(domain)).time[RUNSTATE_running]; }

u64 sim_longest_wait(unsigned domain) {
	u64 longest = tasks[domain].longest_wait;

	tasks[domain].longest_wait = 0;
	return longest;
}

u64 sim_longest_run(unsigned domain) {
	u64 longest = tasks[domain].longest_run;

	tasks[domain].longest_run = 0;
	return longest;
}

/* As root's, whoever runs: the plan is not to notice who asked. */
long sim_invoke(u64 operation, u64 a1, u64 a2, u64 a3) {
	struct vcpu *current = host_cpu->current;
	long r;

	host_cpu->current = root->vcpus[0];
	r = machine_invoke(root, operation, 7, a1, a2, a3, 0);
	host_cpu->current = current;
	return r;
}

static u64 about(u64 ns, bool random) {
	return random ? ns / 2 + sim_noise() % (ns + ns / 2 + 1) : ns;
}

static void begin_run(unsigned domain) {
	struct task *t = &tasks[domain];

	t->wakes_at = 0;
	t->quantum = about(t->run, t->random);
	t->ran_before = sim_ran(domain);
	t->woke_at = host_now;
	vcpu_wake(vcpu_of(domain), BLOCK_EVENT);
}

void sim_behave(unsigned domain, u64 run, u64 sleep, bool random) {
	tasks[domain] = (struct task){.run = run, .sleep = sleep, .random = random};
	begin_run(domain);
}

void sim_start(unsigned domains) {
	struct evtchn_bind_virq virq = {.virq = VIRQ_PLAN};

	root = guests_start(domains);
	count = domains;
	CHECK(cap_boot(root, 7, CAP_CPU, 0, 1, 0));
	CHECK(event_op(root, EVTCHNOP_bind_virq, &virq) == 0);
	port = virq.port;
	memset(root->shared->evtchn_mask, 0, sizeof(root->shared->evtchn_mask));
	memset(tasks, 0, sizeof(tasks));
	for (unsigned i = 1; i <= domains; i++)
		for (u32 n = 0; n < 3; n++) vcpu_block(guest((u16)i)->vcpus[n], BLOCK_EVENT);
	vcpu_block(root->vcpus[0], BLOCK_EVENT);
	host_cpu->current = root->vcpus[0];
	root->vcpus[0]->work |= WORK_SWITCH;
}

/* Whom the CPU executes, 0: nobody. */
static unsigned running(void) {
	for (unsigned i = 1; i <= count; i++)
		if (vcpu_of(i)->runstate.state == RUNSTATE_running) return i;
	return 0;
}

/* When something happens next. */
static u64 next_event(void) {
	unsigned who = running();
	u64 next = MIN(end, host_timer);

	if (policy && root->shared->evtchn_pending[port / 64]) return host_now;
	if (*policy_wake) next = MIN(next, *policy_wake);
	if (who && tasks[who].sleep)
		next = MIN(next,
			   host_now + tasks[who].quantum - (sim_ran(who) - tasks[who].ran_before));
	for (unsigned i = 1; i <= count; i++)
		if (tasks[i].wakes_at) next = MIN(next, tasks[i].wakes_at);
	return MAX(next, host_now);
}

static void task_happens(unsigned domain) {
	struct task *t = &tasks[domain];

	if (t->wakes_at && t->wakes_at <= host_now) begin_run(domain);
	if (t->wakes_at || !t->sleep || sim_ran(domain) - t->ran_before < t->quantum) return;
	t->wakes_at = host_now + about(t->sleep, t->random);
	vcpu_block(vcpu_of(domain), BLOCK_EVENT);
}

static void happen(void) {
	u64 *pending = &root->shared->evtchn_pending[port / 64];
	bool told;

	host_now = next_event();
	if (host_timer <= host_now) {
		host_timer = ~0UL; /* it goes off once */
		timer_interrupt();
	}
	for (unsigned i = 1; i <= count; i++) task_happens(i);
	told = *pending >> port % 64 & 1;
	*pending = 0;
	root->vcpus[0]->info->evtchn_pending_sel = 0;
	root->vcpus[0]->info->evtchn_upcall_pending = 0;
	vcpu_block(root->vcpus[0], BLOCK_EVENT);
	if (policy && (told || (*policy_wake && *policy_wake <= host_now))) policy();
}

/* The CPU idles: the next event, unless the time is over. */
static void wait(void) {
	if (host_now < end) {
		happen();
		return;
	}
	host_cpu->current->work |= WORK_SWITCH;
	longjmp(out, 1);
}

/* What the domain on the CPU is, and for how long. */
static void watch(unsigned before) {
	unsigned who = running();

	if (who != before && who) tasks[who].run_since = host_now;
	if (!who) return;
	tasks[who].longest_run = MAX(tasks[who].longest_run, host_now - tasks[who].run_since);
	if (!tasks[who].woke_at) return;
	tasks[who].longest_wait = MAX(tasks[who].longest_wait, host_now - tasks[who].woke_at);
	tasks[who].woke_at = 0;
}

void sim_run(u64 ns, void (*plan)(void), const u64 *wake) {
	static const u64 never;
	unsigned before = 0;

	end = host_now + ns;
	policy = plan;
	policy_wake = wake ? wake : &never;
	host_wait = wait;
	if (setjmp(out)) return;
	while (host_now < end) {
		while (host_cpu->current->work & (WORK_SWITCH | WORK_PAUSE))
			plan_dispatch(host_cpu);
		watch(before);
		before = running();
		happen();
		watch(before);
	}
}
