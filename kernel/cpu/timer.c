/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Timers: one pairing heap per CPU, ordered by deadline, its nodes inside the
 * timers. Arming is a comparison with the root; taking out the first costs
 * O(log n) amortised; there is nothing to allocate.
 *
 *        root            child: first of the children
 *       /                next: the sibling behind
 *      a - b - c         previous: the sibling before, or the parent
 *     /
 *    d - e
 *
 * A timer may be armed on one CPU and moved or cancelled on another: its own lock
 * says who does that, and inside it the heap's lock protects the heap it is in.
 * fire() is called with neither.
 *
 * The APIC's deadline is only ever moved forward. A timer that is taken out
 * leaves it as it is: the interrupt comes once for nothing, which is cheaper
 * than programming the APIC each time.
 */
#include "cpu/time.h"
#include "sched/plan.h"

static struct timer *meld(struct timer *a, struct timer *b) {
	if (!a || !b) return a ? a : b;
	struct timer *first = b->deadline < a->deadline ? b : a;
	struct timer *second = first == a ? b : a;
	second->previous = first;
	second->next = first->child;
	if (first->child) first->child->previous = second;
	first->child = second;
	first->next = first->previous = NULL;
	return first;
}

/* Melds a list of siblings into one tree: neighbours in pairs, then all, from the last back. */
static struct timer *meld_siblings(struct timer *list) {
	struct timer *pairs = NULL, *tree = NULL;

	while (list) {
		struct timer *a = list, *b = a->next, *pair;

		list = b ? b->next : NULL;
		a->next = a->previous = NULL;
		if (b) b->next = b->previous = NULL;
		pair = meld(a, b);
		pair->next = pairs;
		pairs = pair;
	}
	while (pairs) {
		struct timer *pair = pairs;

		pairs = pair->next;
		pair->next = NULL;
		tree = meld(tree, pair);
	}
	return tree;
}

static void timer_remove(struct timer *t) {
	struct timer *below = meld_siblings(t->child);

	if (t->cpu->timers == t) {
		t->cpu->timers = below;
	} else {
		if (t->previous->child == t)
			t->previous->child = t->next;
		else
			t->previous->next = t->next;
		if (t->next) t->next->previous = t->previous;
		t->cpu->timers = meld(t->cpu->timers, below);
	}
	t->child = t->next = t->previous = NULL;
	t->queued = false;
}

void timer_program(struct cpu *cpu, u64 deadline) {
	if (deadline >= cpu->timer_armed) return;
	u64 now = time_now();
	cpu->timer_armed = deadline;
	lapic_timer_arm(deadline > now ? deadline - now : 0);
}

static void timer_withdraw(struct timer *timer) REQUIRES(timer->lock) {
	struct cpu *cpu = timer->cpu;

	if (!atomic_load_relaxed(&timer->queued)) return;
	lock_take(&cpu->timers_lock);
	if (timer->queued) timer_remove(timer);
	lock_drop(&cpu->timers_lock);
}

void timer_cancel(struct timer *timer) {
	if (!atomic_load_relaxed(&timer->queued)) return;
	lock_take(&timer->lock);
	timer_withdraw(timer);
	lock_drop(&timer->lock);
}

void timer_arm(struct timer *timer, u64 deadline) {
	struct cpu *cpu = this_cpu();

	lock_take(&timer->lock);
	timer_withdraw(timer);
	lock_take(&cpu->timers_lock);
	timer->deadline = deadline;
	timer->cpu = cpu;
	timer->queued = true;
	cpu->timers = meld(cpu->timers, timer);
	lock_drop(&cpu->timers_lock);
	lock_drop(&timer->lock);
	timer_program(cpu, deadline);
}

/* The first timer if it is due, taken out; else NULL, and *next is when to look again. */
static struct timer *timer_due(struct cpu *cpu, u64 now, u64 *next) {
	lock_take(&cpu->timers_lock);
	struct timer *first = cpu->timers;
	*next = first ? first->deadline : ~0UL;
	if (first && first->deadline <= now)
		timer_remove(first);
	else
		first = NULL;
	lock_drop(&cpu->timers_lock);
	return first;
}

void timer_interrupt(void) {
	struct cpu *cpu = this_cpu();
	u64 now = time_now(), next;
	struct timer *due;

	cpu->timer_armed = ~0UL;
	while ((due = timer_due(cpu, now, &next))) due->fire(due);
	if (cpu->slice_end <= now) {
		cpu->slice_end = ~0UL;
		cpu_need_switch(cpu);
	}
	timer_program(cpu, MIN(cpu->slice_end, next));
}
