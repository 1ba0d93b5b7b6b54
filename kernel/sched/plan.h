/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Dispatch by plan: the mechanism. A plan belongs to one CPU: an ordered list
 * of (vCPU, budget). The first entry that is runnable and has budget left runs,
 * found by bit scans over a two-level bitmap. Nothing here knows a weight or a
 * domain's importance; see docs/ for the policies.
 */
#ifndef KERNEL_SCHED_PLAN_H
#define KERNEL_SCHED_PLAN_H

#include "cap/cap.h"
#include "cpu/cpu.h"
#include "lib/bitset.h"

_Static_assert(PLAN_MAX <= BITSET_MAX, "each entry of a plan has its bit");
#define PLAN_NOT_IN 0xffffffffU

/* Bytes of boot memory that one CPU's plans need. */
u64 plan_memory(void);
void plan_init(struct cpu *cpu, void *memory);
/* Boot: the first domain runs before any policy exists. */
void plan_start_with(struct cpu *cpu, struct vcpu *v);

/* Why v does not run changes: BLOCK_* bits are set or cleared, atomically; the last one
 * cleared makes it runnable. May be called for any vCPU from any CPU. */
void vcpu_block(struct vcpu *v, u32 reasons);
void vcpu_wake(struct vcpu *v, u32 reasons);

/*
 * Called on the way back to a guest when WORK_SWITCH or WORK_PAUSE is set: charges the time, picks
 * the next, switches, idles when there is none.
 * Returns on the same stack with cpu->current being the chosen one.
 */
void plan_dispatch(struct cpu *cpu);
/* sched_op yield: once, everyone else who may run goes first. */
void plan_yield(struct cpu *cpu);
/* If it is another one, this CPU is to look at its current vCPU's work. */
static inline void cpu_kick(struct cpu *cpu) {
	if (unlikely(cpu != this_cpu())) lapic_send(cpu->apic_id, VECTOR_KICK);
}
/*
 * What a CPU still holds of a vCPU that it ran (FPU registers, windows on its
 * descriptor tables, its page table while idle) is taken from it: at once if that
 * is this CPU and v is not its current one, else soon. Then v->held is false, and
 * BLOCK_MOVING is cleared. May be called again while it is under way.
 */
void plan_evict(struct vcpu *v);
/* sched/evict.c, on the CPU's way to another vCPU: is v to be let go of; lets go of all. */
bool evict_wanted(const struct vcpu *v);
void evict_all(struct cpu *cpu);
/* A vCPU leaves every plan (its domain is reset). */
void plan_forget(struct vcpu *v);

/* sched/idle.c: opens interrupts, waits for one, closes them. */
void plan_wait_interrupt(void);

/* sched/account.c: runstates. Its times up to now, the current state's included: */
struct vcpu_runstate_info runstate_now(const struct vcpu *v);
void runstate_change(struct vcpu *v, u32 state, u64 now);
/* It does not run: the state is what blocked_on says. */
void runstate_stop(struct vcpu *v, u64 now);
struct plan_account account_read(const struct vcpu *v);
/* Writes the runstate and time areas that v registered; its kernel root is loaded. */
void runstate_publish(struct vcpu *v);
/* Another one runs, and the others of its domain see that; its root is still loaded. */
void runstate_left(struct vcpu *v);

#endif
