/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The parts of a vCPU's state that hold references or have rules of their own:
 * descriptor tables, debug registers, stacks. xen/state.c has the hypercalls.
 */
#ifndef KERNEL_DOMAIN_STATE_H
#define KERNEL_DOMAIN_STATE_H

#include "domain/domain.h"

/*
 * The frames of a GDT; entries <= FIRST_RESERVED_GDT_ENTRY. Takes references on
 * the new ones before it drops the old ones. -EINVAL, or 0.
 */
MUST_CHECK int gdt_set(struct vcpu *v, const u64 *frames, u32 entries);
void gdt_release(struct vcpu *v);
/* The LDT's pages are mapped at first use: true = done, at this offset of the LDT. */
bool ldt_fault(struct vcpu *v, u64 offset);
void ldt_unmap(struct vcpu *v);
/* Into GS, the base with it; false: there is no such descriptor, and GS became null. */
bool segment_load_gs(u16 selector);
/* -EINVAL: no guest address. type: CALLBACKTYPE_*. */
int callback_set(struct vcpu *v, unsigned type, u64 address, bool masks);
/* The stack for frames from guest user mode. */
void kernel_stack_set(struct vcpu *v, u64 sp);
/* 0, -EINVAL, -EPERM, -ENODEV as set_debugreg; on the current vCPU the register is loaded. */
int debug_register_set(struct vcpu *v, u64 reg, u64 value);
void debug_registers_switch(struct vcpu *from, struct vcpu *to);

#define DR6_FIXED  0xffff0ff0UL
#define DR7_FIXED  0x400UL
#define DR7_ACTIVE 0xffUL

#endif
