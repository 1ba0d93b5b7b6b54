/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The hypercall table, multicalls, and restarts.
 *
 * Handlers differ in their number of arguments; the entry code passes all six
 * registers and a handler reads those it has. The table therefore holds plain
 * addresses.
 */
#include "entry/hypercall.h"
#include "entry/trap.h"
#include "cap/cap.h"
#include "mem/guest_copy.h"

#define HYPERCALLS 64

static long do_no_call(void) { return -ENOSYS; }

/* The privileged domain's; this system's log is read and written by capability. */
static long do_not_here(void) { return -EPERM; }

typedef void any_function(void);
typedef long hypercall(u64, u64, u64, u64, u64, u64);
#define CALL(name)       (any_function *)do_##name
#define FOUR(a, b, c, d) CALL(a), CALL(b), CALL(c), CALL(d)
#define NONE_4           FOUR(no_call, no_call, no_call, no_call)
#define NONE_12          NONE_4, NONE_4, NONE_4

/*
 * Not here: 6, 16 and 19, older forms; 11, unused; 22, others' page tables; 23, iret, which
 * entry.S takes itself; 27, xsm; 28, NMIs; 31, profiling; 34 to 62, the control
 * interface and others that no guest may use. 7 and 18 are the privileged domain's.
 */
any_function *const hypercall_table[HYPERCALLS] = {
	/* 0 */ FOUR(set_trap_table, mmu_update, set_gdt, stack_switch),
	/* 4 */ FOUR(set_callbacks, fpu_taskswitch, no_call, not_here),
	/* 8 */ FOUR(set_debugreg, get_debugreg, update_descriptor, no_call),
	/* 12 */ FOUR(memory_op, multicall, update_va_mapping, set_timer_op),
	/* 16 */ FOUR(no_call, xen_version, not_here, no_call),
	/* 20 */ FOUR(grant_table_op, vm_assist, no_call, no_call),
	/* 24 */ FOUR(vcpu_op, set_segment_base, mmuext_op, no_call),
	/* 28 */ FOUR(no_call, sched_op, callback_op, no_call),
	/* 32 */ FOUR(event_channel_op, physdev_op, no_call, no_call),
	/* 36 */ NONE_12,
	/* 48 */ NONE_12,
	/* 60 */ FOUR(no_call, no_call, no_call, capability_op),
};

void hypercall_set_arg(unsigned n, u64 value) {
	struct vcpu *v = current_vcpu();
	u64 *const arg[] = {&v->regs.rdi, &v->regs.rsi, &v->regs.rdx,
			    &v->regs.r10, &v->regs.r8,  &v->regs.r9};

	if (v->in_multicall)
		v->multicall_args[n - 1] = value;
	else
		*arg[n - 1] = value;
}

long hypercall_restart(void) {
	struct vcpu *v = current_vcpu();

	if (v->in_multicall)
		v->restart_in_multicall = 1;
	else
		atomic_or(&v->work, WORK_RESTART);
	return -ERESTART;
}

/* op is in range; the bound holds for speculation too. */
static inline long call(u64 op, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5, u64 a6) {
	__asm__("cmp %1, %0; sbb %%rcx, %%rcx; and %%rcx, %0"
		: "+r"(op)
		: "i"(HYPERCALLS)
		: "rcx", "cc");
	return ((hypercall *)hypercall_table[op])(a1, a2, a3, a4, a5, a6);
}

long hypercall_traced(u64 a1, u64 a2, u64 a3, u64 a4, u64 a5, u64 a6) {
	u64 op = current_vcpu()->regs.rax;
	long result = -ENOSYS;

	trace(TRACE_HYPERCALL, op, a1);
	if (op < HYPERCALLS) result = call(op, a1, a2, a3, a4, a5, a6);
	trace(TRACE_HYPERCALL_END, op, (u64)result);
	return result;
}

void hypercall_set_traced(bool traced) {
	for (u32 i = 0; i < cpu_count; i++)
		atomic_store(&cpu_by_id(i)->syscall_handler,
			     (u64)(traced ? syscall_traced : syscall_common));
}

static long multicall_one(struct vcpu *v, struct multicall_entry *e) {
	u64 *a = e->args;

	if (unlikely(e->op >= HYPERCALLS)) return -ENOSYS;
	if (unlikely(e->op == __HYPERVISOR_multicall)) return -EINVAL;
	/* iret would change the mode under the batch: it is not in the table at all. */
	v->multicall_args = a;
	v->in_multicall = 1;
	long result = call(e->op, a[0], a[1], a[2], a[3], a[4], a[5]);
	v->in_multicall = 0;
	return result;
}

long do_multicall(u64 list, u64 count) {
	struct vcpu *v = current_vcpu();
	struct multicall_entry e;
	u32 n = (u32)count;

	budget_begin(v);
	for (; n; n--, list += sizeof(e)) {
		if (unlikely(!budget_spend(4))) goto restart;
		if (unlikely(copy_from_guest(&e, list, sizeof(e)))) return -EFAULT;
		e.result = multicall_one(v, &e);
		if (unlikely(v->restart_in_multicall)) {
			v->restart_in_multicall = 0;
			if (copy_to_guest(list + offsetof(struct multicall_entry, args), e.args,
					  sizeof(e.args)))
				return -EFAULT;
			goto restart;
		}
		if (unlikely(copy_to_guest(list + offsetof(struct multicall_entry, result),
					   &e.result, sizeof(e.result))))
			return -EFAULT;
	}
	return 0;
restart:
	hypercall_set_arg(1, list);
	hypercall_set_arg(2, n);
	return hypercall_restart();
}
