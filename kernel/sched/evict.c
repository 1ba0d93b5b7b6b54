/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A CPU lets go of a vCPU. What it ran last stays loaded for as long as nothing
 * else needs the place: FPU registers, the windows on descriptor tables, when idle
 * even the page table. Before the vCPU can run elsewhere, or be reset, its CPU is
 * asked to put all that back. It does so on its way to the next vCPU; until then
 * BLOCK_MOVING keeps the vCPU from running anywhere.
 *
 * plan_choose sets v->held under the plan's lock, and a vCPU leaves one CPU's plan
 * before it enters another's: so whoever enters it sees whether it was held.
 */
#include "sched/plan.h"

static void push(struct cpu *cpu, struct vcpu *v) {
	struct vcpu *first = atomic_load(&cpu->evictions);

	do v->next_eviction = first;
	while (!atomic_cas(&cpu->evictions, &first, v));
}

/* BLOCK_MOVING comes first: whoever lets go of v, or finds it free, then clears it again. */
void plan_evict(struct vcpu *v) {
	struct cpu *cpu;
	u32 held;

	if (!atomic_load(&v->held)) return;
	atomic_or(&v->blocked_on, BLOCK_MOVING);
	held = atomic_load(&v->held);
	do {
		if (!held) atomic_and(&v->blocked_on, ~BLOCK_MOVING);
		if (held != HELD_LOADED) return;
	} while (!atomic_cas(&v->held, &held, HELD_LOADED | HELD_LEAVING));
	cpu = v->cpu;
	push(cpu, v);
	cpu_need_switch(cpu);
	cpu_kick(cpu);
}

bool evict_wanted(const struct vcpu *v) { return atomic_load(&v->blocked_on) & BLOCK_MOVING; }

void evict_all(struct cpu *cpu) {
	struct vcpu *v = atomic_swap(&cpu->evictions, NULL), *next;

	for (; v; v = next) {
		next = v->next_eviction;
		if (unlikely(v == cpu->current)) {
			push(cpu,
			     v); /* asked for since it was chosen: the next dispatch comes soon */
			continue;
		}
		vcpu_unload(v);
		atomic_store(&v->held, 0);
		vcpu_wake(v, BLOCK_MOVING);
	}
}
