/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Dispatch by plan. A plan is an ordered table of (vCPU, budget). Two sets of
 * entry numbers say who could run:
 *
 *     ready   runnable, budget left      <- dispatch takes the first of these
 *     spent   runnable, budget used up
 *
 * Each is a bitmap of two levels, so finding the first is two bit scans. When
 * ready runs empty and spent does not, the plan is spent: the two swap places
 * and a new round begins. An entry notes for which round its remaining budget
 * is, so a new round refills all of them without touching any.
 *
 * Blocking and waking race on several CPUs. blocked_on is atomic; whoever
 * changes it then takes the plan's lock and makes the sets agree with what
 * blocked_on says *now*. The last one in sees the last value, so the sets end
 * right whatever the order (tests/model/plan).
 *
 * PLAN_COMMIT builds the next table beside the running one and exchanges them
 * when it is whole. There is no policy here: who stands where
 * with how much is decided by a domain.
 */
#include "sched/plan.h"

#include "cpu/time.h"
#include "event/channel.h"
#include "mem/guest_copy.h"
#include "mem/tlb.h"

#define START_BUDGET      10000000UL /* of the first domain, before there is a policy: ns */
#define NOTIFY_FLAGS_MASK (PLAN_NOTIFY_SPENT | PLAN_NOTIFY_WAKE | PLAN_NOTIFY_IDLE)

struct entry {
	struct vcpu *vcpu; /* NULL: it has left */
	u64 budget;
	s64 left;  /* ns, in round `round` */
	u64 round; /* older than the plan's: the whole budget is left */
};

struct set {
	u64 summary; /* bit n: words[n] is not 0 */
	u64 words[PLAN_MAX / 64];
};

struct plan {
	struct lock lock; /* protects all of this; innermost */
	struct cpu *cpu;
	struct vcpu *running; /* whom the CPU executes; NULL: idle */
	struct vcpu *yielding;
	struct set *ready, *spent;
	u64 round;
	u32 count;
	struct entry *entries;

	struct entry *staging; /* the next plan, while it is being committed */

	struct domain *listener; /* is notified through... */
	u32 listener_port;
	u32 listener_flags;
	struct cpu_account account;

	struct vcpu nobody; /* whom the CPU runs when it must have nobody's state loaded */
	struct set sets[2];
	struct entry tables[2][PLAN_MAX];
};

static struct plan *plans[MAX_CPUS];

static void set_add(struct set *s, u32 i) {
	s->words[i / 64] |= 1UL << i % 64;
	s->summary |= 1UL << i / 64;
}

static void set_remove(struct set *s, u32 i) {
	s->words[i / 64] &= ~(1UL << i % 64);
	if (!s->words[i / 64]) s->summary &= ~(1UL << i / 64);
}

static u32 set_first(const struct set *s) {
	if (!s->summary) return PLAN_NOT_IN;
	u32 word = (u32)__builtin_ctzl(s->summary);
	return word * 64 + (u32)__builtin_ctzl(s->words[word]);
}

/* No member but i. */
static bool set_only(const struct set *s, u32 i) {
	return !(s->summary & ~(1UL << i / 64)) && !(s->words[i / 64] & ~(1UL << i % 64));
}

static s64 *budget_left(struct plan *p, struct entry *e) {
	if (e->round != p->round) {
		e->round = p->round;
		e->left = (s64)e->budget;
	}
	return &e->left;
}

/* The CPU is to look at its plan before it goes on. */
static void plan_request(struct plan *p) REQUIRES(p->lock) {
	struct vcpu *v = p->running ? p->running : p->cpu->current;

	atomic_or(&v->work, WORK_SWITCH);
	cpu_kick(p->cpu);
}

/* Makes the sets agree with blocked_on as it is at this moment. True: v could run at once. */
static bool plan_place(struct plan *p, struct vcpu *v) REQUIRES(p->lock) {
	u32 i = v->plan_index;
	bool ready = *budget_left(p, &p->entries[i]) > 0;

	set_remove(p->ready, i);
	set_remove(p->spent, i);
	if (atomic_load(&v->blocked_on)) return false;
	set_add(ready ? p->ready : p->spent, i);
	return ready;
}

/* A switch is due if the running vCPU stops, an earlier one can run, or the CPU is idle. */
static void plan_update(struct plan *p, struct vcpu *v) REQUIRES(p->lock) {
	struct vcpu *running = p->running;
	bool ready = plan_place(p, v);

	if (v == running ? atomic_load(&v->blocked_on) != 0
	    : running    ? ready && v->plan_index < running->plan_index
			 : !atomic_load(&v->blocked_on))
		plan_request(p);
}

static u32 runstate_wanted(struct vcpu *v) {
	u32 blocked = atomic_load(&v->blocked_on) & ~BLOCK_MOVING;

	if (!blocked) return RUNSTATE_runnable;
	return blocked & (BLOCK_DOWN | BLOCK_PAUSED) ? RUNSTATE_offline : RUNSTATE_blocked;
}

static void plan_notify(struct plan *p, u32 reason) {
	struct domain *listener;

	lock_take(&p->lock);
	listener = p->listener_flags & reason ? p->listener : NULL;
	u32 port = p->listener_port;
	lock_drop(&p->lock);
	if (listener) channel_set_pending(listener, port);
}

/* The plan that v is in, locked; NULL: none. */
static struct plan *plan_of(struct vcpu *v) UNCHECKED {
	struct plan *p;

	while ((p = atomic_load(&v->plan_private))) {
		lock_take(&p->lock);
		if (likely(v->plan_private == p)) return p;
		lock_drop(&p->lock); /* it has just moved */
	}
	return NULL;
}

/* blocked_on has changed between 0 and not 0. */
static void vcpu_settle(struct vcpu *v, bool woken) UNCHECKED {
	struct plan *p = plan_of(v);

	if (!p) {
		/* Still loaded, it may still run for a moment: its CPU, or the next plan, says
		 * more. */
		if (!atomic_load(&v->held)) runstate_change(v, runstate_wanted(v), time_now());
		return;
	}
	plan_update(p, v);
	/* While it moves its state is still its old CPU's to say. */
	if (v != p->running && !evict_wanted(v)) runstate_change(v, runstate_wanted(v), time_now());
	lock_drop(&p->lock);
	if (woken && unlikely(p->listener_flags & PLAN_NOTIFY_WAKE) && v->domain != p->listener)
		plan_notify(p, PLAN_NOTIFY_WAKE);
}

void vcpu_block(struct vcpu *v, u32 reasons) {
	if (atomic_or(&v->blocked_on, reasons)) return;
	v->last_block = time_now();
	vcpu_settle(v, false);
}

void vcpu_wake(struct vcpu *v, u32 reasons) {
	u32 old = atomic_and(&v->blocked_on, ~reasons);

	if (!old || (old & ~reasons)) return;
	v->last_wake = time_now();
	vcpu_settle(v, true);
}

/* The running entry pays for the time since it was last charged. */
static void plan_charge(struct plan *p, u64 now) REQUIRES(p->lock) {
	struct vcpu *v = p->running;

	if (v && v->plan_private == p) {
		struct entry *e = &p->entries[v->plan_index];

		*budget_left(p, e) -= (s64)(now - p->cpu->slice_start);
		if (e->left <= 0 && !atomic_load(&v->blocked_on)) {
			set_remove(p->ready, v->plan_index);
			set_add(p->spent, v->plan_index);
		}
	}
	p->cpu->slice_start = now;
}

/* The first entry with budget; a spent plan is refilled first. */
static u32 plan_first(struct plan *p, u32 *due) REQUIRES(p->lock) {
	struct set *empty = p->ready;

	if (!empty->summary && p->spent->summary) {
		p->ready = p->spent;
		p->spent = empty;
		p->round++;
		p->account.refills++;
		*due |= PLAN_NOTIFY_SPENT;
	}
	return set_first(p->ready);
}

/* Who runs next, NULL = nobody. One that yields steps aside for this once. */
static struct vcpu *plan_pick(struct plan *p, u32 *due) REQUIRES(p->lock) {
	struct vcpu *last = p->yielding;
	u32 first = PLAN_NOT_IN;

	p->yielding = NULL;
	if (last && last->plan_private == p) {
		set_remove(p->ready, last->plan_index);
		set_remove(p->spent, last->plan_index);
		first = plan_first(p, due);
		plan_place(p, last);
	}
	if (first == PLAN_NOT_IN) first = plan_first(p, due);
	return first == PLAN_NOT_IN ? NULL : p->entries[first].vcpu;
}

/* Charges who ran, picks who runs (NULL: the CPU idles), and sets the slice's end. */
static struct vcpu *plan_choose(struct plan *p, u32 *due) {
	u64 now = time_now(), end = ~0UL;

	lock_take(&p->lock);
	struct vcpu *last = p->running;
	plan_charge(p, now);
	struct vcpu *next = plan_pick(p, due);
	if (next != last) {
		if (last) runstate_change(last, runstate_wanted(last), now);
		if (next) runstate_change(next, RUNSTATE_running, now);
		p->running = next;
		p->account.switches++;
	}
	if (next) {
		next->cpu = p->cpu;
		atomic_store(&next->held, HELD_LOADED);
		end = now + (u64)*budget_left(p, &p->entries[next->plan_index]);
		atomic_and(&next->work, ~(WORK_SWITCH | WORK_PAUSE));
	}
	lock_drop(&p->lock);
	if (end != p->cpu->slice_end) timer_set_slice_end(end);
	return next;
}

static void plan_idle(struct plan *p, struct cpu *cpu) {
	u64 since = time_now();

	if (unlikely(cpu->evictions)) {
		if (evict_wanted(cpu->current)) vcpu_switch(cpu->current, &p->nobody);
		evict_all(cpu);
	}

	/* The last one's registers and page table stay: often it is the next one, too. */
	while (!(atomic_load(&cpu->current->work) & WORK_SWITCH)) plan_wait_interrupt();
	p->account.idle_ns += time_now() - since;
}

void plan_dispatch(struct cpu *cpu) {
	struct plan *p = cpu->plan;
	struct vcpu *next;
	u32 due = 0, told = 0;

	for (;;) {
		tlb_serve(cpu);
		atomic_and(&cpu->current->work, ~WORK_SWITCH);
		next = plan_choose(p, &due);
		if (!next) due |= PLAN_NOTIFY_IDLE & ~told;
		if (due) plan_notify(p, due);
		told |= due;
		due = 0;
		if (next) break;
		plan_idle(p, cpu);
	}
	if (next != cpu->current) {
		runstate_leave(cpu->current);
		vcpu_switch(cpu->current, next);
	}
	if (unlikely(cpu->evictions)) evict_all(cpu);
}

void plan_tick(struct cpu *cpu) {
	lock_take(&cpu->plan->lock);
	plan_request(cpu->plan);
	lock_drop(&cpu->plan->lock);
}

void plan_yield(struct cpu *cpu) {
	struct plan *p = cpu->plan;
	struct vcpu *v = cpu->current;

	lock_take(&p->lock);
	if (v->plan_private == p && (p->spent->summary || !set_only(p->ready, v->plan_index))) {
		p->yielding = v;
		plan_request(p);
	}
	lock_drop(&p->lock);
}

/* --- Which plan: start, commit, forget --- */

u64 plan_memory(void) { return sizeof(struct plan); }

void plan_init(struct cpu *cpu, void *memory) {
	struct plan *p = memory;

	p->cpu = cpu;
	p->ready = &p->sets[0];
	p->spent = &p->sets[1];
	p->round = 1; /* 0 is what a new entry has: its budget is whole */
	p->entries = p->tables[0];
	p->staging = p->tables[1];
	vcpu_init_nobody(&p->nobody, cpu);
	cpu->current = &p->nobody;
	cpu->plan = plans[cpu->id] = p;
}

void plan_start_with(struct cpu *cpu, struct vcpu *v) {
	struct plan *p = cpu->plan;

	lock_take(&p->lock);
	p->entries[0] = (struct entry){.vcpu = v, .budget = START_BUDGET};
	p->count = 1;
	v->plan_index = 0;
	v->plan_private = p;
	v->cpu = cpu;
	plan_update(p, v);
	lock_drop(&p->lock);
}

/* v's entry is nobody's any more; what v says of its plan is the caller's affair. */
static void plan_remove(struct plan *p, struct vcpu *v) REQUIRES(p->lock) {
	set_remove(p->ready, v->plan_index);
	set_remove(p->spent, v->plan_index);
	p->entries[v->plan_index].vcpu = NULL;
	if (p->running == v) plan_request(p);
}

/*
 * Entry i's vCPU is in this plan from now on, and in no moment in none. Only here
 * are two plans locked together; tree_lock sees to it that nobody else does so.
 */
static void plan_enter(struct plan *p, u32 i) REQUIRES(p->lock) {
	struct vcpu *v = p->entries[i].vcpu;
	struct plan *other = v->plan_private;

	if (other == p) other = NULL;
	if (other) {
		lock_take(&other->lock);
		plan_remove(other, v);
	}
	v->plan_index = i;
	/* A full barrier: whoever changes blocked_on later finds v in this plan. */
	(void)atomic_swap(&v->plan_private, p);
	if (other) lock_drop(&other->lock);
	if (unlikely(v->cpu != p->cpu)) plan_evict(v);
	plan_place(p, v);
	if (v != p->running && !evict_wanted(v)) runstate_change(v, runstate_wanted(v), time_now());
}

/* The staged table becomes the plan. */
static void plan_exchange(struct plan *p, u32 count) REQUIRES(p->lock) {
	struct entry *old = p->entries;
	u32 old_count = p->count;

	plan_charge(p, time_now());
	p->entries = p->staging;
	p->staging = old;
	p->count = count;
	p->sets[0] = p->sets[1] = (struct set){0};
	for (u32 i = 0; i < count; i++) plan_enter(p, i);
	for (u32 i = 0; i < old_count; i++) {
		struct vcpu *v = old[i].vcpu;

		if (!v || v->plan_private != p) continue;
		if (v->plan_index < count && p->entries[v->plan_index].vcpu == v) continue;
		v->plan_index = PLAN_NOT_IN;
		atomic_store(&v->plan_private, NULL);
	}
	p->account.commits++;
	plan_request(p);
}

/* Entry i of the next plan. */
static int plan_stage(struct plan *p, struct domain *caller, u32 i, const struct plan_entry *e)
	REQUIRES(tree_lock) {
	int error;
	struct cap *cap = cap_lookup(caller, e->domain, CAP_DOMAIN, RIGHT_SCHED, &error);
	struct vcpu *v = cap ? domain_vcpu(cap->domain, e->vcpu) : NULL;

	if (!cap) return error;
	if (!v || e->budget < PLAN_BUDGET_MIN || e->budget > PLAN_BUDGET_MAX) return -EINVAL;
	/* Named twice: the number it got then leads to itself. */
	if (v->plan_staged < i && p->staging[v->plan_staged].vcpu == v) return -EINVAL;
	v->plan_staged = i;
	p->staging[i] = (struct entry){.vcpu = v, .budget = e->budget};
	return 0;
}

/* As long as a hypercall may take at most: some 100 instructions for each entry. */
long plan_commit(struct domain *caller, u32 cpu, u64 entries, u64 count, u64 port, u64 flags) {
	struct plan *p = cpu < MAX_CPUS ? plans[cpu] : NULL;
	struct plan_entry e;
	int error;

	if (!p || !count || count > PLAN_MAX || (flags & ~(u64)NOTIFY_FLAGS_MASK)) return -EINVAL;
	if (port ? port > ~0U || !virq_bound(caller, (u32)port, VIRQ_PLAN) : flags != 0)
		return -EINVAL;
	for (u32 i = 0; i < count; i++) {
		if (copy_from_guest(&e, entries + i * sizeof(e), sizeof(e))) return -EFAULT;
		error = plan_stage(p, caller, i, &e);
		if (error) return error;
	}
	lock_take(&p->lock);
	plan_exchange(p, (u32)count);
	p->listener = port ? caller : NULL;
	p->listener_port = (u32)port;
	p->listener_flags = (u32)flags;
	lock_drop(&p->lock);
	return 0;
}

/* Nothing of the plans may point to v or its domain any more. */
void plan_forget(struct vcpu *v) {
	for (unsigned i = 0; i < MAX_CPUS && plans[i]; i++) {
		struct plan *p = plans[i];

		lock_take(&p->lock);
		if (p->listener == v->domain) {
			p->listener = NULL;
			p->listener_flags = 0;
		}
		if (p->yielding == v) p->yielding = NULL;
		if (v->plan_private == p) {
			plan_remove(p, v);
			v->plan_index = PLAN_NOT_IN;
			atomic_store(&v->plan_private, NULL);
		}
		if (p->running == v) {
			plan_request(p);
			p->running = NULL;
		}
		lock_drop(&p->lock);
	}
}

long plan_account(u32 cpu, u64 buffer) {
	struct plan *p = cpu < MAX_CPUS ? plans[cpu] : NULL;
	struct cpu_account account;

	if (!p) return -EINVAL;
	lock_take(&p->lock);
	account = p->account;
	lock_drop(&p->lock);
	account.now_ns = time_now();
	return copy_to_guest(buffer, &account, sizeof(account));
}
