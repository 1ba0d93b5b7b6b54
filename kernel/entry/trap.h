/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From entry.S to C, and the pieces that exceptions are made of: bounce.c pushes
 * frames on guests, emulate.c does what a guest's instruction would have done.
 */
#ifndef KERNEL_ENTRY_TRAP_H
#define KERNEL_ENTRY_TRAP_H

#include "domain/domain.h"

#define VECTOR_DB  1
#define VECTOR_NMI 2
#define VECTOR_UD  6
#define VECTOR_NM  7
#define VECTOR_NP  11
#define VECTOR_SS  12
#define VECTOR_GP  13
#define VECTOR_PF  14

#define TRAP_STUB_SIZE 16

#define PF_PRESENT  1U
#define PF_WRITE    2U
#define PF_USER     4U
#define PF_RESERVED 8U
#define PF_FETCH    16U

#define RFLAGS_TF    (1UL << 8)
#define RFLAGS_IF    (1UL << 9)
#define RFLAGS_DF    (1UL << 10)
#define RFLAGS_IOPL  (3UL << 12)
#define RFLAGS_NT    (1UL << 14)
#define RFLAGS_RF    (1UL << 16)
#define RFLAGS_AC    (1UL << 18)
#define RFLAGS_VM    (1UL << 17)
#define RFLAGS_ONE   (1UL << 1)
/* What a guest may bring into RFLAGS. */
#define RFLAGS_GUEST 0x254dd5UL

/* --- called by entry.S --- */
void trap_from_guest(struct vcpu *v);
bool trap_from_core(struct regs *r);
bool trap_on_ist(struct regs *r);
struct vcpu *exit_work(void);
void bounce_syscall(struct vcpu *v);
void bounce_syscall32(struct vcpu *v);
void bounce_sysenter(struct vcpu *v);
void bounce_bad_stack(struct vcpu *v);
void iret_from_frame(struct vcpu *v);
/* In entry.S. Runs the current vCPU, or whomever the plan says. */
NORETURN void exit_to_guest(void);
extern const char entry_text[], entry_syscall[], entry_syscall32[], entry_sysenter[];
extern const char syscall_common[], syscall_traced[], syscall32_common[], sysenter_common[];
extern const char iret_guest[], iret_guest_full[];
extern const char trap_stubs[]; /* TRAP_STUB_SIZE each, by vector */

/* --- domain/bounce.c --- */

/* The guest's own handler runs next, or the domain crashes. */
void bounce_exception(struct vcpu *v, unsigned vector, u32 error_code);
void bounce_page_fault(struct vcpu *v, u64 address, u32 error_code);
void bounce_event(struct vcpu *v);
/* The selectors that a switch could not load are NULL now; tells the guest. */
void bounce_failsafe(struct vcpu *v, u16 ds, u16 es, u16 fs, u16 gs);

static inline bool upcall_due(const struct vcpu *v) {
	const volatile struct vcpu_info *info = v->info;

	return info->evtchn_upcall_pending && !info->evtchn_upcall_mask &&
	       v->callback[CALLBACKTYPE_event].entry;
}

/* --- domain/emulate.c: true = done, rip has moved on --- */
bool emulate_privileged(struct vcpu *v);
bool emulate_invalid_opcode(struct vcpu *v);
/* --- mem/emulate_pte.c --- */
bool emulate_pte_write(struct vcpu *v, gva_t address);

/* --- lib/panic.c --- */
/* An exception in the core that nothing expects. */
NORETURN COLD void core_exception(struct regs *r);
/* One CPU has panicked: the others stop when they are told. */
extern bool panicking;

#endif
