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
#define CALL(name) ((any_function *)(name))
#define NONE       CALL(do_no_call)
#define NONE_9     NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE
#define NONE_29    NONE_9, NONE_9, NONE_9, NONE, NONE

any_function *const hypercall_table[HYPERCALLS] = {
	/*  0 */ CALL(do_set_trap_table),
	/*  1 */ CALL(do_mmu_update),
	/*  2 */ CALL(do_set_gdt),
	/*  3 */ CALL(do_stack_switch),
	/*  4 */ CALL(do_set_callbacks),
	/*  5 */ CALL(do_fpu_taskswitch),
	/*  6 */ NONE,              /* sched_op_compat */
	/*  7 */ CALL(do_not_here), /* platform_op */
	/*  8 */ CALL(do_set_debugreg),
	/*  9 */ CALL(do_get_debugreg),
	/* 10 */ CALL(do_update_descriptor),
	/* 11 */ NONE, /* unused */
	/* 12 */ CALL(do_memory_op),
	/* 13 */ CALL(do_multicall),
	/* 14 */ CALL(do_update_va_mapping),
	/* 15 */ CALL(do_set_timer_op),
	/* 16 */ NONE, /* event_channel_op_compat */
	/* 17 */ CALL(do_xen_version),
	/* 18 */ CALL(do_not_here), /* console_io */
	/* 19 */ NONE,              /* physdev_op_compat */
	/* 20 */ CALL(do_grant_table_op),
	/* 21 */ CALL(do_vm_assist),
	/* 22 */ NONE, /* update_va_mapping_otherdomain */
	/* 23 */ NONE, /* iret, which entry.S takes itself */
	/* 24 */ CALL(do_vcpu_op),
	/* 25 */ CALL(do_set_segment_base),
	/* 26 */ CALL(do_mmuext_op),
	/* 27 */ NONE, /* xsm_op */
	/* 28 */ NONE, /* nmi_op: no NMI is ever meant for a guest */
	/* 29 */ CALL(do_sched_op),
	/* 30 */ CALL(do_callback_op),
	/* 31 */ NONE, /* xenoprof_op */
	/* 32 */ CALL(do_event_channel_op),
	/* 33 */ CALL(do_physdev_op),
	/* 34 .. 62: hvm_op, sysctl, domctl, and others that no guest may use */
	NONE_29,
	/* 63 */ CALL(do_capability_op),
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

static long multicall_one(struct vcpu *v, struct multicall_entry *e) {
	u64 *a = e->args;
	u64 op = e->op;
	hypercall *call;

	if (unlikely(op >= HYPERCALLS)) return -ENOSYS;
	if (unlikely(op == __HYPERVISOR_multicall)) return -EINVAL;
	/* iret would change the mode under the batch: it is not in the table at all. */
	__asm__("cmp %1, %0; sbb %%rcx, %%rcx; and %%rcx, %0"
		: "+r"(op)
		: "i"(HYPERCALLS)
		: "rcx", "cc");
	call = (hypercall *)hypercall_table[op];
	v->multicall_args = a;
	v->in_multicall = 1;
	long result = call(a[0], a[1], a[2], a[3], a[4], a[5]);
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
