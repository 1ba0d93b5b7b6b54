/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Waking and sleeping under two CPUs: the real sched/plan.c and account.c, event/channel.c and
 * the blocking part of xen/sched_op.c, with three vCPUs of one domain, two in the
 * plan of CPU 0 and one in that of CPU 1. Each CPU does what its vCPU or an
 * interrupt would: sleep until an event, send events, pause and unpause vCPUs,
 * yield, use up a budget, and then looks at its plan as the exit path does. In some
 * setups either may also commit a plan that takes a vCPU over from the other CPU.
 *
 * Always: no vCPU is loaded on two CPUs (registers, page table, FPU).

 * Whenever both CPUs are between two operations:
 *   - a vCPU is in one of its plan's sets exactly if nothing blocks it;
 *   - one that sleeps until an event has none pending: no wake-up is lost;
 *   - the CPU runs the first that is ready, or has been asked to look, or those before are patient
 *     and will be looked at in time;
 *   - runstates say what is so.
 */
#include "explore.h"

#include <stdio.h>
#include <string.h>

/* A plan of the real size would be copied for each state. */
#include "proto/cap/cap.h"
#undef PLAN_MAX
#define PLAN_MAX 64U
#include MODEL_ACCOUNT
#include MODEL_PLAN
#include MODEL_EVICT
#include MODEL_CHANNEL
#include MODEL_SCHED_OP

#define VCPUS      3
#define MAX_STATES 6000000
#define BUDGET     PLAN_BUDGET_MIN

struct cpu model_cpus[EXPLORE_CPUS];
struct lock tree_lock;

static const unsigned home[VCPUS] = {0, 0, 1}; /* whose plan it is in */

static struct world {
	struct vcpu vcpus[VCPUS];
	struct shared_info shared;
	struct channel channels[64];
	struct domain domain;
	struct plan plans[EXPLORE_CPUS];
	struct vcpu *table[VCPUS];
	u64 now;
	bool between[EXPLORE_CPUS];
	u8 left[EXPLORE_CPUS];
} world;

struct setup {
	const char *name;
	unsigned operations[EXPLORE_CPUS];
	u32 asleep;  /* vCPUs that start paused */
	u32 movable; /* vCPUs that may change to the other CPU's plan */
	bool framed;
	u64 patience; /* of those who sleep */
};

static const struct setup setups[] = {
	{"all run", {1, 1}, 0, 0, false, 0},
	{"all run, two on CPU 0", {2, 1}, 0, 0, false, 0},
	{"all run, two on CPU 1", {1, 2}, 0, 0, false, 0},
	{"all run, two on both", {2, 2}, 0, 0, false, 0},
	{"vCPU 0 paused", {1, 2}, 1, 0, false, 0},
	{"CPU 0 idle", {0, 2}, 3, 0, false, 0},
	{"all run, the first moves", {1, 1}, 0, 1, false, 0},
	{"all run, all may move", {1, 1}, 0, 7, false, 0},
	{"CPU 0 idle, what it ran moves", {1, 1}, 3, 3, false, 0},
	{"moves to and fro", {2, 1}, 2, 1, false, 0},
	{"frames", {2, 2}, 0, 0, true, 0},
	{"frames, CPU 0 idle", {1, 2}, 3, 0, true, 0},
	{"frames, all may move", {1, 1}, 0, 7, true, 0},
	{"patience", {2, 1}, 0, 0, false, BUDGET / 2},
	{"patience, two on CPU 1", {1, 2}, 0, 0, false, 2 * BUDGET},
	{"patience, all may move", {1, 1}, 0, 7, false, BUDGET / 2},
};
static const struct setup *setup;

/* --- What the core calls --- */

void panic(const char *format, ...) {
	(void)format;
	explore_fail("an assertion of the core failed");
}

u32 trace_points;

void trace_record(u32 point, u64 a, u64 b) { (void)point, (void)a, (void)b; }

u64 time_now(void) { return world.now; }

void timer_program(struct cpu *cpu, u64 deadline) {
	(void)deadline;
	if (cpu != this_cpu()) explore_fail("a CPU's timer is another's to set");
}

/* The interrupt's handler. */
void lapic_send(u32 apic_id, u32 command) {
	(void)command;
	cpu_need_switch(&model_cpus[apic_id]);
}

void vcpu_switch(struct vcpu *from, struct vcpu *to) {
	(void)from;
	this_cpu()->current = to;
}

void vcpu_unload(struct vcpu *v) { (void)v; }

void vcpu_init_nobody(struct vcpu *v, struct cpu *cpu) {
	v->cpu = cpu;
	v->domain = &world.domain;
	v->info = &v->stand_in;
	v->work = WORK_SWITCH;
}

void tlb_serve(struct cpu *cpu) { (void)cpu; }

/* Nothing to run: the other CPU has to do something about it, or has nothing left to do. */
void plan_wait_interrupt(void) {
	world.between[explore_cpu()] = true;
	explore_step();
	world.between[explore_cpu()] = false;
}

bool virq_is_global(u32 virq) { return virq != VIRQ_TIMER; }

void poll_end(struct vcpu *v) { (void)v; }

void poll_wake(struct domain *d, u32 port) { (void)d, (void)port; }

long poll_wait(struct vcpu *v, const struct sched_poll *poll) {
	(void)v, (void)poll;
	return 0;
}

void irq_unbind(struct domain *d, u32 gsi) { (void)d, (void)gsi; }

void timer_arm(struct timer *timer, u64 deadline) { (void)timer, (void)deadline; }

void timer_cancel(struct timer *timer) { (void)timer; }

void domain_shutdown(struct domain *d, u8 reason) { (void)d, (void)reason; }

void timer_singleshot(struct vcpu *v, u64 deadline, u64 now) { (void)v, (void)deadline, (void)now; }

struct domain *cap_resolve_domid(struct domain *caller, u16 domid, u32 rights, int *error) {
	(void)domid, (void)rights, (void)error;
	return caller;
}

struct cap *cap_lookup(struct domain *d, u64 slot, u32 type, u32 rights, int *error) {
	(void)d, (void)slot, (void)type, (void)rights, (void)error;
	return NULL;
}

int copy_from_guest(void *to, gva_t from, u64 size) {
	(void)to, (void)from, (void)size;
	return -EFAULT;
}

int copy_to_guest(gva_t to, const void *from, u64 size) {
	(void)to, (void)from, (void)size;
	return -EFAULT;
}

long hypercall_restart(void) { return -ERESTART; }

/* --- Invariants --- */

static bool in_set(const struct bitset *s, u32 i) { return s->words[i / 64] >> (i % 64) & 1; }

/* Its frame is now, and if it has its budget once in it, some is left. */
static bool may_run(const struct plan *p, const struct vcpu *v) {
	const struct entry *e = &p->table->entries[v->plan_index];
	bool whole = e->round < p->frames;

	return (e->frames >> p->frame & 1) && (!(e->flags & PLAN_ONCE) || whole || e->left > 0);
}

static const char *check_vcpu(const struct vcpu *v) {
	const struct plan *p = v->plan_private;
	bool ready = in_set(p->ready, v->plan_index), spent = in_set(p->spent, v->plan_index);
	bool running = world.plans[0].running == v || world.plans[1].running == v;
	u32 state = v->runstate.state;

	if (ready && spent) return "a vCPU is in both sets";
	if ((ready || spent) != (!v->blocked_on && may_run(p, v)))
		return "a set disagrees with blocked_on";
	if ((v->blocked_on & BLOCK_MOVING) &&
	    (v->held != (HELD_LOADED | HELD_LEAVING) || !(v->cpu->current->work & WORK_SWITCH)))
		return "a vCPU moves for ever";
	if ((v->blocked_on & BLOCK_EVENT) && v->info->evtchn_upcall_pending)
		return "a vCPU sleeps although it has an event: the wake-up is lost";
	if (!running && v->blocked_on && state == RUNSTATE_running)
		return "a blocked vCPU is said to run";
	if (running && state != RUNSTATE_running) return "who runs is said not to";
	return NULL;
}

/* It wakes from a sleep, and the CPU will look at its plan before its patience ends. */
static bool is_patient(const struct plan *p, u32 i) {
	const struct vcpu *v = p->table->entries[i].vcpu;

	return v->patience && p->cpu->slice_end <= v->woke + v->patience;
}

static const char *check_cpu(unsigned cpu) {
	struct plan *p = &world.plans[cpu];
	struct vcpu *v = p->running;
	u32 first = p->ready->summary ? bitset_first(p->ready) : PLAN_NOT_IN;
	bool asked = model_cpus[cpu].current->work & WORK_SWITCH;

	for (u32 i = 0; i < 64; i++) {
		struct vcpu *member = i < p->table->count ? p->table->entries[i].vcpu : NULL;

		if (!in_set(p->ready, i) && !in_set(p->spent, i)) continue;
		if (!member || member->plan_private != p) return "a set has somebody who has left";
	}
	if (asked) return NULL;
	if (v && v->blocked_on) return "a blocked vCPU runs";
	for (u32 i = first; v && i < v->plan_index; i++)
		if (in_set(p->ready, i) && !is_patient(p, i)) return "an earlier entry waits";
	if (!v && (p->ready->summary || p->spent->summary)) return "the CPU idles with work to do";
	return NULL;
}

static const char *check(void) {
	const char *wrong = NULL;
	unsigned i;

	if (model_cpus[0].current == model_cpus[1].current) return "a vCPU is on two CPUs";
	for (i = 0; i < EXPLORE_CPUS; i++)
		if (!world.between[i]) return NULL;
	for (i = 0; i < VCPUS && !wrong; i++) wrong = check_vcpu(&world.vcpus[i]);
	for (i = 0; i < EXPLORE_CPUS && !wrong; i++) wrong = check_cpu(i);
	return wrong;
}

/* --- What the CPUs do --- */

enum {
	SEND,
	PAUSE = VCPUS,
	UNPAUSE = 2 * VCPUS,
	SLEEP = 3 * VCPUS,
	YIELD,
	TICK,
	KINDS,
	MOVE = KINDS,
	KINDS_MOVING = MOVE + VCPUS,
};

static unsigned count(unsigned cpu) {
	return !world.left[cpu] ? 0 : setup->movable ? KINDS_MOVING : KINDS;
}

/* With frames: two, and vCPU 1 is in the second only, once. */
static void set_frames(struct table *t) {
	t->count = 0;
	t->frame_count = setup->framed ? 2 : 1;
	t->ends[0] = setup->framed ? BUDGET : ~0UL;
	t->ends[1] = 2 * BUDGET;
}

static void add_entry(struct table *t, struct vcpu *v) {
	bool limited = setup->framed && v->id == 1;

	t->entries[t->count++] = (struct entry){.vcpu = v,
						.budget = BUDGET / (limited ? 2 : 1),
						.frames = limited ? 2 : 3,
						.flags = limited ? PLAN_ONCE : 0};
}

/* The other CPU's plan is committed anew, with v behind those that it has. */
static void move(struct vcpu *v) {
	struct plan *p;
	u32 i;

	lock_take(&tree_lock);
	p = v->plan_private == &world.plans[0] ? &world.plans[1] : &world.plans[0];
	set_frames(p->staging);
	for (i = 0; i < p->table->count; i++)
		if (p->table->entries[i].vcpu) add_entry(p->staging, p->table->entries[i].vcpu);
	add_entry(p->staging, v);
	lock_take(&p->lock);
	plan_exchange(p);
	lock_drop(&p->lock);
	lock_drop(&tree_lock);
}

/* The guest takes its events, as its upcall handler would. */
static void take_events(struct vcpu *v) {
	atomic_store(&v->info->evtchn_upcall_pending, 0);
	atomic_swap(&v->info->evtchn_pending_sel, 0);
	atomic_and(&v->domain->shared->evtchn_pending[0], ~(2UL << v->id));
}

static void operate(unsigned kind) {
	struct cpu *cpu = this_cpu();
	struct vcpu *v = cpu->current;

	if (kind >= MOVE) {
		if (setup->movable >> (kind - MOVE) & 1) move(&world.vcpus[kind - MOVE]);
	} else if (kind < PAUSE) {
		channel_set_pending(&world.domain, 1 + kind);
	} else if (kind < UNPAUSE) {
		vcpu_block(&world.vcpus[kind - PAUSE], BLOCK_PAUSED);
	} else if (kind < SLEEP) {
		vcpu_wake(&world.vcpus[kind - UNPAUSE], BLOCK_PAUSED);
	} else if (kind == TICK) {
		world.now += BUDGET;
		cpu_need_switch(cpu);
	} else if (kind == YIELD) {
		plan_yield(cpu);
	} else {
		block(v, setup->patience);
	}
}

static void body(unsigned cpu) {
	struct cpu *c = &model_cpus[cpu];

	for (;;) {
		world.between[cpu] = false;
		while (atomic_load(&c->current->work) & (WORK_SWITCH | WORK_PAUSE))
			plan_dispatch(c);
		if (atomic_load(&c->current->info->evtchn_upcall_pending)) take_events(c->current);
		world.between[cpu] = true;
		unsigned kind = explore_choose(count);
		world.between[cpu] = false;
		world.left[cpu]--;
		operate(kind);
	}
}

static void prepare(void) {
	unsigned i;

	memset(&world, 0, sizeof(world));
	memset(model_cpus, 0, sizeof(model_cpus));
	memset(&bindings_lock, 0, sizeof(bindings_lock));
	world.domain = (struct domain){.id = 1,
				       .max_vcpus = VCPUS,
				       .vcpus = world.table,
				       .shared = &world.shared,
				       .channels = world.channels,
				       .event_ports = 64};
	for (i = 0; i < EXPLORE_CPUS; i++) {
		model_cpus[i].id = model_cpus[i].apic_id = i;
		model_cpus[i].timer_armed = ~0UL;
		plan_init(&model_cpus[i], &world.plans[i]);
		world.left[i] = (u8)setup->operations[i];
	}
	for (i = 0; i < VCPUS; i++) {
		struct vcpu *v = world.table[i] = &world.vcpus[i];
		struct plan *p = &world.plans[home[i]];

		*v = (struct vcpu){.cpu = &model_cpus[home[i]],
				   .domain = &world.domain,
				   .id = i,
				   .info = &world.shared.vcpu_info[i],
				   .plan_index = p->table->count,
				   .plan_private = p,
				   .runstate.state = RUNSTATE_runnable};
		if (!p->table->count) set_frames(p->table);
		p->frame_end = setup->framed ? BUDGET : ~0UL;
		add_entry(p->table, v);
		plan_place(p, v);
		world.channels[1 + i] = (struct channel){.state = CHANNEL_IPI, .notify_vcpu = i};
	}
	/* Both CPUs are at work before anything happens. */
	for (i = 0; i < EXPLORE_CPUS; i++) {
		struct plan *p = &world.plans[i];

		p->running = model_cpus[i].current = p->table->entries[0].vcpu;
		p->running->held = HELD_LOADED;
		p->running->runstate.state = RUNSTATE_running;
	}
	for (i = 0; i < VCPUS; i++)
		if (setup->asleep >> i & 1) vcpu_block(&world.vcpus[i], BLOCK_PAUSED);
}

static const char *run(void) {
	struct explore_result r;

	prepare();
	r = explore(body, check, MAX_STATES);
	printf("# %s, %u and %u operations: %lu states, %lu steps, longest path %u%s%s\n",
	       setup->name, setup->operations[0], setup->operations[1], r.states, r.transitions,
	       r.depth, r.violation ? ": " : "", r.violation ? r.violation : "");
	fflush(stdout);
	return r.violation;
}

/* With --seeded-bug a violation is what is wanted. */
int main(int argc, char **argv) {
	bool seeded = argc > 1 && !strcmp(argv[1], "--seeded-bug");
	bool found = false;
	unsigned i;

	for (i = 0; i < EXPLORE_CPUS; i++) {
		struct plan *p = &world.plans[i];

		/* Of the tables only what is used; the sets with them. */
		explore_region(p, offsetof(struct plan, nobody));
		explore_region(&p->sets, sizeof(p->sets));
		for (unsigned n = 0; n < 2; n++) {
			struct table *t = &p->tables[n];

			explore_region(t, offsetof(struct table, ends));
			explore_region(t->entries, VCPUS * sizeof(struct entry));
		}
		explore_region(&p->nobody.work, sizeof(u32));
		explore_region(&model_cpus[i].evictions, sizeof(void *));
		explore_region(&model_cpus[i].current, sizeof(void *));
		explore_region(&model_cpus[i].slice_start, sizeof(u64));
		explore_region(&model_cpus[i].slice_end, sizeof(u64));
	}
	for (i = 0; i < VCPUS; i++) {
		struct vcpu *v = &world.vcpus[i];

		explore_region(&v->cpu, sizeof(v->cpu));
		explore_region(&v->work, sizeof(v->work));
		explore_region(&v->blocked_on, sizeof(v->blocked_on));
		explore_region(&v->runstate.state, sizeof(v->runstate.state));
		explore_region(&v->plan_index, sizeof(v->plan_index));
		explore_region(&v->plan_private, sizeof(v->plan_private));
		explore_region(&v->had_plan, sizeof(v->had_plan));
		explore_region(&v->had_round, sizeof(v->had_round));
		explore_region(&v->had, sizeof(v->had));
		explore_region(&v->held, sizeof(v->held));
		explore_region(&v->woke, sizeof(v->woke) + sizeof(v->patience));
		explore_region(&v->next_eviction, sizeof(v->next_eviction));
		explore_region(&world.shared.vcpu_info[i], 16);
	}
	explore_region(world.shared.evtchn_pending, 8);
	explore_region(&world.domain.channel_lock, sizeof(struct lock));
	explore_region(&tree_lock, sizeof(tree_lock));
	explore_region(&world.now, sizeof(world) - offsetof(struct world, now));
	for (i = 0; i < sizeof(setups) / sizeof(setups[0]) && !found; i++)
		setup = &setups[i], found = run();
	printf("%s 1 - plan: %s\n", found == seeded ? "ok" : "not ok",
	       seeded ? "the seeded bug is found" : "nobody who can run is forgotten");
	return found != seeded;
}
