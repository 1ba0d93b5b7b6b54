/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hypercalls. Every handler has the shape
 *     long do_NAME(u64 a1, ..., u64 a6)
 * with as many arguments as it uses, runs on the caller's kernel page table with
 * interrupts off, and returns what the guest finds in rax.
 *
 * A handler whose work may be long does a bounded part of it (some 512 entries,
 * some 50,000 instructions) and returns hypercall_restart(). The guest is then
 * resumed at its SYSCALL instruction: interrupts are taken, others may run, and
 * the call comes again with the arguments the handler left. Nothing else is
 * remembered, so everything is checked again.
 */
#ifndef KERNEL_ENTRY_HYPERCALL_H
#define KERNEL_ENTRY_HYPERCALL_H

#include "domain/domain.h"

/* Changes argument n (1..6) of the call for its restart. */
void hypercall_set_arg(unsigned n, u64 value);
/* `return hypercall_restart();` Result: -ERESTART, which the exit path understands. */
long hypercall_restart(void);

#define HYPERCALL_CHUNK 512

/*
 * The allowance of one hypercall, a multicall and its entries taken together:
 * about as many page table entries as take half a million instructions.
 */
#define HYPERCALL_BUDGET 8192

/* Called first by handlers that spend the budget (and by multicall itself). */
static inline void budget_begin(const struct vcpu *v) {
	if (!v->in_multicall) this_cpu()->budget = HYPERCALL_BUDGET;
}

/* True: enough was left. */
static inline bool budget_spend(s32 units) { return (this_cpu()->budget -= units) >= 0; }

/* entry.S: the call of number regs.rax, between two points. */
long hypercall_traced(u64 a1, u64 a2, u64 a3, u64 a4, u64 a5, u64 a6);

/* One line per hypercall; entry/hypercall.c holds the table. */
long do_set_trap_table(u64 table);
long do_mmu_update(u64 requests, u64 count, u64 done, u64 domid);
long do_set_gdt(u64 frames, u64 entries);
long do_stack_switch(u64 ss, u64 sp);
long do_set_callbacks(u64 event, u64 failsafe, u64 syscall);
long do_fpu_taskswitch(u64 set);
long do_set_debugreg(u64 reg, u64 value);
long do_get_debugreg(u64 reg);
long do_update_descriptor(u64 address, u64 descriptor);
long do_memory_op(u64 command, u64 argument);
long do_multicall(u64 entries, u64 count);
long do_update_va_mapping(u64 va, u64 pte, u64 flags);
long do_set_timer_op(u64 deadline);
long do_xen_version(u64 command, u64 argument);
long do_grant_table_op(u64 command, u64 array, u64 count);
long do_vm_assist(u64 command, u64 type);
long do_vcpu_op(u64 command, u64 vcpu, u64 argument);
long do_set_segment_base(u64 which, u64 base);
long do_mmuext_op(u64 ops, u64 count, u64 done, u64 domid);
long do_sched_op(u64 command, u64 argument);
long do_callback_op(u64 command, u64 argument);
long do_event_channel_op(u64 command, u64 argument);
long do_physdev_op(u64 command, u64 argument);

#endif
