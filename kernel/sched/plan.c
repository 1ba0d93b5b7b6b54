/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Dispatch by plan. A plan is an ordered table of (vCPU, budget). Two sets of
 * entry numbers say who could run:
 *
 *     ready   runnable, budget left      <- dispatch takes the first of these
 *     spent   runnable, budget used up
 *
 * Each is a bitmap of two levels, so finding the first is two bit scans. When
 * ready runs empty and spent does not, the two swap places; and a new round begins,
 * unless all of them gave way with budget left. An entry notes for which round its
 * remaining budget is, so a new round refills all of them without touching any.
 *
 * Blocking and waking race on several CPUs. blocked_on is atomic; whoever
 * changes it then takes the plan's lock and makes the sets agree with what
 * blocked_on says *now*. The last one in sees the last value, so the sets end
 * right whatever the order (tests/model/plan). A vCPU that blocks itself only asks
 * its CPU to look at the plan, which does the rest.
 *
 * PLAN_COMMIT builds the next table beside the running one and exchanges them
 * when it is whole. There is no policy here: who stands where
 * with how much is decided by a domain.
 */
#include "sched/plan.h"

#include "cap/invoke.h"
#include "cpu/time.h"
#include "event/channel.h"
#include "mem/guest_copy.h"
#include "mem/tlb.h"

/* What the first domain starts with, before there is a policy, and a guard has. */
static const struct plan_entry guard_entry = {.budget = 10000000, .frames = ~0UL};

struct entry {
	struct vcpu *vcpu; /* NULL: it has left */
	u64 budget;
	s64 left;  /* ns, in round `round` */
	u64 round; /* older than the plan's, or with PLAN_ONCE its frame: all is left */
	u64 frames;
	u32 flags;
};

struct table {
	u32 count, frame_count; /* at least one frame */
	u64 epoch;
	u64 ends[PLAN_MAX_FRAMES]; /* of the frames, from the first one's beginning on */
	struct entry entries[PLAN_MAX];
};

struct plan {
	struct lock lock; /* protects all of this; innermost */
	struct cpu *cpu;
	struct vcpu *running; /* whom the CPU executes; NULL: idle */
	struct bitset *ready, *spent;
	bool used_up;          /* a budget was, since the last round began */
	u64 frames, frame_end; /* that have begun; when the present one ends */
	u32 frame;             /* its number in the table */
	struct table *table;
	struct table *staging; /* the next plan, while it is being committed */
	struct vcpu *guard;    /* the first of each plan to come, if any; by tree_lock */

	struct domain *listener; /* is notified on these conditions through this port */
	u32 listener_port, listener_flags;
	struct plan_report report;

	struct vcpu nobody; /* whom the CPU runs when it must have nobody's state loaded */
	struct bitset sets[2];
	struct table tables[2];
};

static struct plan *plans[MAX_CPUS];

static inline s64 *budget_left(struct plan *p, struct entry *e) {
	u64 round = e->flags & PLAN_ONCE ? p->frames : p->report.rounds;

	if (e->round < round) {
		e->round = round;
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

static ALWAYS_INLINE void plan_withdraw(struct plan *p, u32 i) REQUIRES(p->lock) {
	bitset_remove(p->ready, i);
	bitset_remove(p->spent, i);
}

/* Makes the sets agree with blocked_on as it is at this moment. True: v could run at once. */
static ALWAYS_INLINE bool plan_place(struct plan *p, struct vcpu *v) REQUIRES(p->lock) {
	u32 i = v->plan_index;
	struct entry *e = &p->table->entries[i];
	bool ready = *budget_left(p, e) > 0;

	plan_withdraw(p, i);
	p->used_up |= !ready;
	if (atomic_load(&v->blocked_on) || !(e->frames >> p->frame & 1)) return false;
	if (ready || !(e->flags & PLAN_ONCE)) bitset_add(ready ? p->ready : p->spent, i);
	return ready;
}

/* A switch is due if the running vCPU stops, an earlier one can run, or the CPU is idle. An earlier
 * one with patience waits for the next switch, but no longer; on another CPU it has none. */
static ALWAYS_INLINE void plan_update(struct plan *p, struct vcpu *v) REQUIRES(p->lock) {
	struct vcpu *running = p->running;
	bool ready = plan_place(p, v), stops = atomic_load(&v->blocked_on);

	if (v == running ? !stops : running ? !ready || v->plan_index > running->plan_index : stops)
		return;
	if (v != running && running && v->patience && p->cpu == this_cpu())
		timer_set_slice_end(p->cpu, MIN(p->cpu->slice_end, v->woke + v->patience));
	else
		plan_request(p);
}

static void plan_notify(struct plan *p, u32 reason) {
	lock_take(&p->lock);
	struct domain *listener = p->listener_flags & reason ? p->listener : NULL;
	u32 port = p->listener_port;
	lock_drop(&p->lock);
	trace(TRACE_PLAN_NOTIFY, p->cpu->id, reason);
	if (listener) channel_set_pending(listener, port);
}

/* The plan that v is in, locked; NULL: none. */
static inline struct plan *plan_of(struct vcpu *v) UNCHECKED {
	struct plan *p;

	while ((p = atomic_load(&v->plan_private))) {
		lock_take(&p->lock);
		if (likely(v->plan_private == p)) return p;
		lock_drop(&p->lock); /* it has just moved */
	}
	return NULL;
}

/* blocked_on has changed between 0 and not 0. */
static void vcpu_settle(struct vcpu *v, u64 now, bool woken) UNCHECKED {
	struct plan *p = plan_of(v);

	if (!p) {
		/* Still loaded, it may still run for a moment: its CPU, or the next plan, says
		 * more. */
		if (!atomic_load(&v->held)) runstate_stop(v, now);
		return;
	}
	plan_update(p, v);
	/* While it moves its state is still its old CPU's to say. */
	if (v != p->running && !evict_wanted(v)) runstate_stop(v, now);
	lock_drop(&p->lock);
	if (woken && unlikely(p->listener_flags & PLAN_NOTIFY_WAKE) && v->domain != p->listener)
		plan_notify(p, PLAN_NOTIFY_WAKE);
}

/* Who runs here and leaves the sets, leaves them when the CPU looks at its plan: at once. */
void vcpu_block(struct vcpu *v, u32 reasons) {
	struct cpu *cpu = this_cpu();

	if (atomic_or(&v->blocked_on, reasons)) return;
	if (v == cpu->current && v == atomic_load_relaxed(&cpu->plan->running))
		cpu_need_switch(cpu);
	else
		vcpu_settle(v, time_now(), false);
}

void vcpu_wake(struct vcpu *v, u32 reasons) {
	u32 old = atomic_and(&v->blocked_on, ~reasons);

	if (!old || (old & ~reasons)) return;
	v->woke = time_now();
	v->wakes++;
	vcpu_settle(v, v->woke, true);
}

/* The running entry pays for the time since it was last charged, and goes where it belongs. */
static inline void plan_charge(struct plan *p, u64 now) REQUIRES(p->lock) {
	struct vcpu *v = p->running;

	if (v && v->plan_private == p) {
		s64 *left = budget_left(p, &p->table->entries[v->plan_index]);

		*left -= (s64)(now - p->cpu->slice_start);
		if (*left <= 0 || atomic_load(&v->blocked_on)) plan_place(p, v);
	}
	p->cpu->slice_start = now;
}

/* Which frame it is; when one begins, other entries may run, and those with PLAN_ONCE again. */
static void plan_frame(struct plan *p, u64 now) REQUIRES(p->lock) {
	const struct table *t = p->table;
	u64 into;

	if (likely(now < p->frame_end)) return;
	into = (now - t->epoch) % t->ends[t->frame_count - 1];
	for (p->frame = 0; into >= t->ends[p->frame]; p->frame++) continue;
	p->frame_end = now - into + t->ends[p->frame];
	p->frames++;
	for (u32 i = 0; i < t->count; i++)
		if (t->entries[i].vcpu) plan_place(p, t->entries[i].vcpu);
}

/* Who runs next, NULL = nobody: the first with budget; a spent plan is refilled before. Who gave
 * way with budget left needs no refill: giving way wakes no policy. */
static inline struct vcpu *plan_first(struct plan *p, u32 *due) REQUIRES(p->lock) {
	struct bitset *empty = p->ready;

	if (!empty->summary) {
		*due |= !p->spent->summary ? PLAN_NOTIFY_IDLE : p->used_up ? PLAN_NOTIFY_SPENT : 0;
		if (!p->spent->summary) return NULL;
		p->ready = p->spent;
		p->spent = empty;
		p->report.rounds += p->used_up;
		p->used_up = false;
	}
	return p->table->entries[bitset_first(p->ready)].vcpu;
}

/* Charges who ran, picks who runs (NULL: the CPU idles), and sets the slice's end. */
static struct vcpu *plan_choose(struct plan *p, u32 *due) {
	u64 now = time_now();

	lock_take(&p->lock);
	struct vcpu *last = p->running;
	plan_charge(p, now);
	plan_frame(p, now);
	u64 end = p->frame_end;
	struct vcpu *next = plan_first(p, due);
	if (next != last) {
		if (last) runstate_stop(last, now);
		if (next) runstate_change(next, RUNSTATE_running, now);
		p->running = next;
		p->report.switches++;
	}
	if (next) {
		next->cpu = p->cpu;
		atomic_store(&next->held, HELD_LOADED);
		end = MIN(end, now + (u64)*budget_left(p, &p->table->entries[next->plan_index]));
		atomic_and(&next->work, ~(WORK_SWITCH | WORK_PAUSE));
	}
	lock_drop(&p->lock);
	if (end != p->cpu->slice_end) timer_set_slice_end(p->cpu, end);
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
	since = time_now() - since;
	p->report.idle += since;
	trace(TRACE_IDLE, since, 0);
}

void plan_dispatch(struct cpu *cpu) {
	struct plan *p = cpu->plan;
	struct vcpu *next;
	u32 due = 0, told;

	for (;; plan_idle(p, cpu)) {
		tlb_serve(cpu);
		atomic_and(&cpu->current->work, ~WORK_SWITCH);
		told = due;
		next = plan_choose(p, &due);
		if (due != told) plan_notify(p, due & ~told);
		if (next) break;
	}
	if (next != cpu->current) {
		if (unlikely(cpu->current->runstate_area)) runstate_left(cpu->current);
		trace(TRACE_SWITCH, (u64)next->domain->id << 32 | next->id, 0);
		vcpu_switch(cpu->current, next);
	}
	if (unlikely(cpu->evictions)) evict_all(cpu);
}

/* All others who may run go first, as if its budget were used up. */
void plan_yield(struct cpu *cpu) {
	struct plan *p = cpu->plan;
	struct vcpu *v = cpu->current;

	lock_take(&p->lock);
	/* Asked for a switch it may not be of the plan any more, and gives way anyhow. */
	if (v == p->running && !(atomic_load(&v->work) & WORK_SWITCH)) {
		bitset_remove(p->ready, v->plan_index);
		u64 others = p->ready->summary | p->spent->summary;
		bitset_add(others ? p->spent : p->ready, v->plan_index);
		if (others) plan_request(p);
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
	p->report.rounds = 1; /* 0 is what a new entry has: its budget is whole */
	p->frame_end = ~0UL;
	p->table = &p->tables[0];
	p->staging = &p->tables[1];
	vcpu_init_nobody(&p->nobody, cpu);
	cpu->current = &p->nobody;
	cpu->plan = plans[cpu->id] = p;
}

static bool plan_has(const struct table *t, const struct vcpu *v, u32 i) {
	return i < t->count && t->entries[i].vcpu == v;
}

static void plan_leave(struct vcpu *v) {
	v->plan_index = PLAN_NOT_IN;
	atomic_store(&v->plan_private, NULL);
}

/* v's entry is nobody's any more; what v says of its plan is the caller's affair. */
static void plan_remove(struct plan *p, struct vcpu *v) REQUIRES(p->lock) {
	plan_withdraw(p, v->plan_index);
	p->table->entries[v->plan_index].vcpu = NULL;
	if (p->running == v) plan_request(p);
}

/* What it has had of its budget in this round it will have had in the next plan here that names
 * it, too: whoever commits again and again refills nothing. */
static void plan_note(struct plan *p, struct vcpu *v) REQUIRES(p->lock) {
	struct entry *e = &p->table->entries[v->plan_index];

	v->had = e->flags & PLAN_ONCE ? 0 : (s64)e->budget - *budget_left(p, e);
	v->had_round = p->report.rounds;
	v->had_plan = p;
}

/*
 * Entry i's vCPU is in this plan from now on, and in no moment in none. Only here
 * are two plans locked together; tree_lock sees to it that nobody else does so.
 */
static void plan_enter(struct plan *p, u32 i) UNCHECKED {
	struct entry *e = &p->table->entries[i];
	struct vcpu *v = e->vcpu;
	struct plan *other = v->plan_private;

	if (v->had_plan == p && v->had_round == p->report.rounds && !(e->flags & PLAN_ONCE))
		*budget_left(p, e) -= v->had;
	if (other && other != p) {
		lock_take(&other->lock);
		plan_charge(other, time_now());
		plan_note(other, v);
		plan_remove(other, v);
	}
	v->plan_index = i;
	/* A full barrier: whoever changes blocked_on later finds v in this plan. */
	(void)atomic_swap(&v->plan_private, p);
	if (other && other != p) lock_drop(&other->lock);
	if (unlikely(v->cpu != p->cpu)) v->moves++, plan_evict(v);
	if (v != p->running && !evict_wanted(v)) runstate_stop(v, time_now());
}

/* The staged table becomes the plan. */
static void plan_exchange(struct plan *p) REQUIRES(p->lock) {
	struct table *old = p->table;
	u64 now = time_now();

	plan_charge(p, now);
	for (u32 i = 0; i < old->count; i++)
		if (old->entries[i].vcpu) plan_note(p, old->entries[i].vcpu);
	p->table = p->staging;
	p->staging = old;
	p->sets[0] = p->sets[1] = (struct bitset){0};
	for (u32 i = 0; i < p->table->count; i++)
		if (p->table->entries[i].vcpu) plan_enter(p, i);
	for (u32 i = 0; i < old->count; i++) {
		struct vcpu *v = old->entries[i].vcpu;

		if (v && !plan_has(p->table, v, v->plan_index)) plan_leave(v);
	}
	p->frame_end = 0;
	plan_frame(p, now);
	p->report.commits++;
	plan_request(p);
}

/* The staged table's next entry; nobody's, if its domain is being reset: that one left for good. */
static int plan_stage(struct table *t, struct vcpu *v, const struct plan_entry *e)
	REQUIRES(tree_lock) {
	u64 all = ~0UL >> (64 - t->frame_count);

	if (e->budget < PLAN_BUDGET_MIN || e->budget > PLAN_BUDGET_MAX) return -EINVAL;
	if (!(e->frames & all) || (e->flags & ~PLAN_ONCE) || e->pad) return -EINVAL;
	/* Named twice: the number it got then leads to itself. */
	if (t->count == PLAN_MAX || plan_has(t, v, v->plan_staged)) return -EINVAL;
	v->plan_staged = t->count;
	if (v->domain->state == DOMAIN_STATE_DYING) v = NULL;
	t->entries[t->count++] = (struct entry){
		.vcpu = v, .budget = e->budget, .frames = e->frames, .flags = e->flags};
	return 0;
}

/* Without frames it is one that never ends. */
static int plan_stage_frames(struct table *t, const struct plan_commit *c) {
	u64 end = 0;

	if (c->frame_count > PLAN_MAX_FRAMES || c->epoch > time_now()) return -EINVAL;
	t->count = 0;
	t->frame_count = MAX(c->frame_count, 1U);
	t->epoch = c->frame_count ? c->epoch : 0;
	t->ends[0] = ~0UL;
	if (c->frame_count && copy_from_guest(t->ends, c->frames, c->frame_count * sizeof(u64)))
		return -EFAULT;
	for (u32 i = 0; i < c->frame_count; i++) {
		if (t->ends[i] < PLAN_FRAME_MIN || t->ends[i] > PLAN_FRAME_MAX) return -EINVAL;
		t->ends[i] = end += t->ends[i];
	}
	return 0;
}

/* vCPU `vcpu` of the domain that the caller may place by this slot; NULL and why. */
static struct vcpu *plan_vcpu(struct domain *caller, u64 domain, u64 vcpu, int *error)
	REQUIRES(tree_lock) {
	struct cap *cap = cap_lookup(caller, domain, CAP_DOMAIN, RIGHT_SCHED, error);
	struct vcpu *v = cap ? domain_vcpu(cap->domain, vcpu) : NULL;

	if (cap && !v) *error = -EINVAL;
	return v;
}

void plan_start_with(struct cpu *cpu, struct vcpu *v) {
	struct plan *p = cpu->plan;

	v->cpu = cpu;
	lock_take(&tree_lock);
	(void)!plan_stage_frames(p->staging, &(struct plan_commit){0});
	(void)!plan_stage(p->staging, v, &guard_entry);
	lock_take(&p->lock);
	plan_exchange(p);
	lock_drop(&p->lock);
	lock_drop(&tree_lock);
}

/* As long as a hypercall may take at most: some 100 instructions for each entry. */
static int plan_stage_all(struct plan *p, struct domain *caller, gva_t at, struct plan_commit *c)
	REQUIRES(tree_lock) {
	struct plan_entry e;
	int error;

	if (copy_from_guest(c, at, sizeof(*c))) return -EFAULT;
	if (!c->count || c->count > PLAN_MAX || (c->flags & ~PLAN_NOTIFY_ALL)) return -EINVAL;
	if (c->port ? !virq_bound(caller, c->port, VIRQ_PLAN) : c->flags != 0) return -EINVAL;
	error = plan_stage_frames(p->staging, c);
	if (!error && p->guard) error = plan_stage(p->staging, p->guard, &guard_entry);
	for (u32 i = 0; i < c->count && !error; i++) {
		if (copy_from_guest(&e, c->entries + i * sizeof(e), sizeof(e))) return -EFAULT;
		struct vcpu *v = plan_vcpu(caller, e.domain, e.vcpu, &error);
		if (v) error = plan_stage(p->staging, v, &e);
	}
	return error;
}

long plan_op_commit(struct invocation *in) {
	struct plan *p = plans[in->cap->first];
	struct plan_commit c;
	int error = plan_stage_all(p, in->caller, in->arg[0], &c);

	if (error) {
		p->report.refused++;
		return error;
	}
	lock_take(&p->lock);
	plan_exchange(p);
	trace(TRACE_PLAN_COMMIT, p->cpu->id, c.count);
	p->listener = in->caller;
	p->listener_port = c.port;
	p->listener_flags = c.flags;
	lock_drop(&p->lock);
	return 0;
}

long plan_op_guard(struct invocation *in) {
	int error;
	struct vcpu *v = plan_vcpu(in->caller, in->arg[0], in->arg[1], &error);

	if (v) plans[in->cap->first]->guard = v;
	return v ? 0 : error;
}

/* Nothing of the plans may point to v or its domain any more. */
void plan_forget(struct vcpu *v) {
	for (unsigned i = 0; i < MAX_CPUS && plans[i]; i++) {
		struct plan *p = plans[i];

		lock_take(&p->lock);
		if (p->listener == v->domain) p->listener_flags = 0;
		if (p->guard == v) p->guard = NULL;
		if (v->plan_private == p) {
			plan_remove(p, v);
			plan_leave(v);
		}
		/* The switch was asked for when v left this plan. */
		if (p->running == v) p->running = NULL;
		lock_drop(&p->lock);
	}
}

long plan_op_read(struct invocation *in) {
	struct plan *p = plans[in->cap->first];
	u64 to = in->arg[1], count = in->arg[2], size = sizeof(struct plan_account);
	u32 i, first = p->guard && p->table->entries[0].vcpu == p->guard;

	p->report.now = time_now();
	if (copy_to_guest(in->arg[0], &p->report, sizeof(p->report))) return -EFAULT;
	for (i = first; i < p->table->count && i - first < count; i++, to += size) {
		const struct vcpu *v = p->table->entries[i].vcpu;
		struct plan_account a = v ? account_read(v) : (struct plan_account){0};

		if (copy_to_guest(to, &a, size)) return -EFAULT;
	}
	return p->table->count - first;
}
