/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Frames pushed on guests: exceptions, upcalls, system calls, and the way back
 * by the iret hypercall. entry.S has the two hottest ways (a 64-bit system call,
 * iret) in assembly; what they do in the easy case is done here in all cases.
 *
 *      high   ss, rsp, rflags, cs | upcall mask << 32, rip
 *             [error code]
 *      low    r11, rcx
 */
#include "entry/trap.h"
#include "cpu/asm.h"
#include "mem/guest_copy.h"

/* Guest user to guest kernel and back: root, GS, mode. False: no user root. */
static void toggle_to_kernel(struct vcpu *v) {
	v->kernel_mode = 1;
	swap_gs();
	write_cr3(v->cr3_kernel);
	v->cr3_kernel |= v->noflush;
}

static bool toggle_to_user(struct vcpu *v) {
	if (!v->cr3_user) return false;
	v->kernel_mode = 0;
	swap_gs();
	write_cr3(v->cr3_user);
	v->cr3_user |= v->noflush;
	return true;
}

/* Off when a handler starts, whatever they were. */
#define RFLAGS_CLEARED (RFLAGS_AC | RFLAGS_VM | RFLAGS_RF | RFLAGS_NT | RFLAGS_TF | RFLAGS_IOPL)

static inline bool has_error_code(unsigned vector) {
	return (0x227d00U >> vector & 1) && vector < 32;
}

/*
 * Pushes `count` words and the interrupted context, and lets the guest kernel run
 * at `entry`. The context is shown as the ABI says: CS without RPL for the kernel
 * and with the upcall mask beside it, IF for the mask.
 */
static ALWAYS_INLINE void enter_guest(struct vcpu *v, u64 entry, bool mask, const u64 *words,
				      unsigned count) {
	struct regs *r = &v->regs;
	u64 size = (count + 5) * sizeof(u64);
	u8 masked = v->info->evtchn_upcall_mask;
	u64 cs = (r->cs & 0xffff) | (u64)masked << 32;
	u64 flags =
		(r->rflags & ~(RFLAGS_IF | RFLAGS_IOPL)) | (masked ? 0 : RFLAGS_IF) | v->iopl_flags;
	u64 sp;
	unsigned i;

	if (v->kernel_mode) {
		cs &= ~3UL;
		sp = (r->rsp & ~15UL) - size;
		if (unlikely(!guest_range_ok(sp, size))) goto bad;
	} else {
		/* There is room for any frame below it: kernel_stack_set. */
		toggle_to_kernel(v);
		if (unlikely(!v->kernel_stack)) goto bad;
		sp = v->kernel_stack - size;
	}
	guest_access_begin();
	/* Unrolled by hand: `count` is a constant at every call, and compilers keep a loop. */
	GUEST_STORE(sp, words[0], fault);
	GUEST_STORE(sp + 8, words[1], fault);
	if (count > 2) GUEST_STORE(sp + 16, words[2], fault);
	for (i = 3; i < count; i++) GUEST_STORE(sp + i * 8, words[i], fault);
	i = count;
	GUEST_STORE(sp + i * 8, r->rip, fault);
	GUEST_STORE(sp + i * 8 + 8, cs, fault);
	GUEST_STORE(sp + i * 8 + 16, flags, fault);
	GUEST_STORE(sp + i * 8 + 24, r->rsp, fault);
	GUEST_STORE(sp + i * 8 + 32, r->ss & 0xffff, fault);
	guest_access_end();
	if (mask) v->info->evtchn_upcall_mask = 1;
	r->rsp = sp;
	r->rip = entry;
	r->cs = SEL_GUEST_CS;
	r->ss = SEL_GUEST_DS;
	r->rflags = (r->rflags & ~RFLAGS_CLEARED) | RFLAGS_IF;
	return;
fault:
	guest_access_end();
bad:
	bounce_bad_stack(v);
}

void bounce_bad_stack(struct vcpu *v) {
	domain_crash(v, 0x100 + DOMAIN_CRASH_BAD_STACK, "no room for a frame on its kernel stack");
}

static ALWAYS_INLINE void raise(struct vcpu *v, unsigned vector, const u64 *words, unsigned count) {
	const struct trap_info *t = &v->traps[vector];

	if (unlikely(!t->address)) {
		domain_crash(v, vector, "exception %u at %lx and no handler for it", vector,
			     v->regs.rip);
		return;
	}
	enter_guest(v, t->address, t->flags & TI_MASK_EVENT, words, count);
}

void bounce_exception(struct vcpu *v, unsigned vector, u32 error_code) {
	u64 words[3] = {v->regs.rcx, v->regs.r11, error_code};

	if (has_error_code(vector))
		raise(v, vector, words, 3);
	else
		raise(v, vector, words, 2);
}

void bounce_page_fault(struct vcpu *v, u64 address, u32 error_code) {
	u64 words[3] = {v->regs.rcx, v->regs.r11, error_code & ~PF_USER};

	trace(TRACE_PAGE_FAULT, address, error_code);
	v->cr2 = address;
	v->info->arch.cr2 = address;
	if (!v->kernel_mode) words[2] |= PF_USER;
	raise(v, VECTOR_PF, words, 3);
}

static inline void bounce_callback(struct vcpu *v, unsigned type) {
	u64 words[2] = {v->regs.rcx, v->regs.r11};

	enter_guest(v, v->callback[type].entry, v->callback[type].masks, words, 2);
}

void bounce_event(struct vcpu *v) {
	trace(TRACE_UPCALL, 0, 0);
	bounce_callback(v, CALLBACKTYPE_event);
}

void bounce_failsafe(struct vcpu *v, u16 ds, u16 es, u16 fs, u16 gs) {
	u64 words[6] = {v->regs.rcx, v->regs.r11, ds, es, fs, gs};

	if (!v->callback[CALLBACKTYPE_failsafe].entry) return;
	enter_guest(v, v->callback[CALLBACKTYPE_failsafe].entry,
		    v->callback[CALLBACKTYPE_failsafe].masks, words, 6);
}

/* A system call that the guest has no callback for is an invalid instruction. */
static void bounce_call(struct vcpu *v, unsigned type) {
	if (v->callback[type].entry) {
		bounce_callback(v, type);
		v->regs.rflags &= ~RFLAGS_DF;
		return;
	}
	v->regs.rip -= 2;
	bounce_exception(v, VECTOR_UD, 0);
}

void bounce_syscall(struct vcpu *v) { bounce_call(v, CALLBACKTYPE_syscall); }

void bounce_syscall32(struct vcpu *v) {
	v->regs.cs = SEL_GUEST_CS32;
	bounce_call(v, CALLBACKTYPE_syscall32);
}

void bounce_sysenter(struct vcpu *v) {
	v->regs.cs = 3;
	v->regs.rflags &= ~(RFLAGS_NT | RFLAGS_TF);
	v->regs.rflags |= RFLAGS_IF;
	if (v->callback[CALLBACKTYPE_sysenter].entry && !v->kernel_mode)
		bounce_call(v, CALLBACKTYPE_sysenter);
	else
		bounce_exception(v, VECTOR_GP, 0);
}

/* The iret hypercall in full. regs.rsp is the frame's address. */
void iret_from_frame(struct vcpu *v) {
	struct iret_context f;
	struct regs *r = &v->regs;

	if (copy_from_guest(&f, r->rsp, sizeof(f))) {
		domain_crash(v, 0x100 + DOMAIN_CRASH_BAD_STACK, "iret: no frame at %lx", r->rsp);
		return;
	}
	if ((f.cs & 3) == 3 && !toggle_to_user(v)) {
		domain_crash(v, 0x100 + DOMAIN_CRASH_NO_USER_ROOT,
			     "iret to user mode without a user page table");
		return;
	}
	if (v->domain->vm_assist & 1U << VMASST_TYPE_architectural_iopl) {
		v->iopl = f.rflags >> 12 & 3;
		v->iopl_flags = (u64)v->iopl << 12;
	}
	r->rip = f.rip;
	r->cs = (f.cs & 0xffff) | 3;
	r->rflags = (f.rflags & RFLAGS_GUEST) | RFLAGS_IF | RFLAGS_ONE;
	r->rsp = f.rsp;
	r->ss = (f.ss & 0xffff) | 3;
	r->rax = f.rax;
	if (f.flags & VGCF_in_syscall) {
		r->rcx = f.rip;
		r->r11 = r->rflags;
	} else {
		r->rcx = f.rcx;
		r->r11 = f.r11;
	}
	v->info->evtchn_upcall_mask = !(f.rflags & RFLAGS_IF);
}
