/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Offsets and sizes that assembly needs, told by the compiler that lays out
 * the structures. This file is compiled to assembly and read by offsets.py; no
 * code of it ends up in the core. Assembly includes "asm_offsets.h".
 */
#include "domain/domain.h"

#define OFFSET(name, value) \
	__asm__ volatile(".ascii \"->" #name " %c0\"" : : "i"((uint64_t)(value)))
#define VCPU(name, field) OFFSET(V_##name, offsetof(struct vcpu, field))
#define REGS(field)                                      \
	OFFSET(R_##field, offsetof(struct regs, field)); \
	OFFSET(V_##field, offsetof(struct vcpu, regs.field));
#define EACH_REGISTER(do)                                                                       \
	do                                                                                      \
	(r15) do(r14) do(r13) do(r12) do(rbp) do(rbx) do(r11) do(r10) do(r9) do(r8) do(rax) do( \
		rcx) do(rdx) do(rsi) do(rdi) do(rip) do(cs) do(rflags) do(rsp) do(ss)

void asm_offsets(void);

void asm_offsets(void) {
	OFFSET(CPU_SCRATCH, offsetof(struct cpu, scratch));
	OFFSET(CPU_CURRENT, offsetof(struct cpu, current));
	OFFSET(CPU_SYSCALL_HANDLER, offsetof(struct cpu, syscall_handler));
	OFFSET(CPU_SYSCALL32_HANDLER, offsetof(struct cpu, syscall32_handler));
	OFFSET(CPU_SYSENTER_HANDLER, offsetof(struct cpu, sysenter_handler));
	VCPU(CPU, cpu);
	VCPU(REGS, regs);
	VCPU(CR3_KERNEL, cr3_kernel);
	VCPU(CR3_USER, cr3_user);
	VCPU(INFO, info);
	VCPU(KERNEL_STACK, kernel_stack);
	VCPU(SYSCALL_ENTRY, callback[CALLBACKTYPE_syscall].entry);
	VCPU(IOPL_FLAGS, iopl_flags);
	VCPU(WORK, work);
	VCPU(KERNEL_MODE, kernel_mode);
	VCPU(SYSCALL_MASKS, callback[CALLBACKTYPE_syscall].masks);
	VCPU(NOFLUSH, noflush);
	EACH_REGISTER(REGS)
	OFFSET(WORK_RESTART, WORK_RESTART);
}

_Static_assert((offsetof(struct vcpu, regs) + sizeof(struct regs)) % 16 == 0,
	       "the CPU aligns the stack it pushes an exception frame on");
