/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ways into the core and out of it.
 *
 * SYSCALL does not switch stacks and there is no swapgs in the core, so the
 * first instructions run in an alias of this file's .text.entry that lies at the
 * start of each CPU's area: what is RIP-relative there is that CPU's struct cpu.
 * They load the current vCPU and jump to the core's own text.
 *
 * Exceptions and interrupts from a guest are pushed by the hardware straight
 * into the current vCPU (TSS.RSP0 is the end of its regs), and the rest of the
 * registers behind them; then the CPU's one kernel stack is taken, from its top.
 * Nothing on that stack outlives an exit to a guest.
 *
 * A hypercall saves only what C may change. If it leads to anything but an
 * immediate return, the remaining registers are saved then (exit_slow).
 *
 * Guest GS: both bases are the guest's; a change between guest kernel and guest
 * user is one swapgs, with CR3 and kernel_mode.
 */
#include "asm_offsets.h"
#include "cpu/layout.h"

#define STACK_FROM_CPU (CPU_AREA_STACK_TOP - CPU_AREA_STRUCT)
#define SELF(offset)   (entry_text + CPU_AREA_STRUCT + (offset))(%rip)

#define FLAGS_IF   0x200
#define FLAGS_IOPL 0x3000
/* What a guest frame may bring into RFLAGS: everything but IOPL, VM, VIF, VIP. */
#define FLAGS_GUEST 0x254dd5
#define HYPERCALLS  64
#define HYPERCALL_IRET 23

/*
 * Three bytes that become STAC or CLAC where SMAP is on: which of them, says the
 * third byte (cpu/features.c).
 */
.macro SMAP_SITE third
77:	.byte	0x0f, 0x1f, \third
	.pushsection .smap_sites, "a"
	.quad	77b
	.popsection
.endm
#define STAC_SITE SMAP_SITE 0x00
#define CLAC_SITE SMAP_SITE 0x01

/* Faults at these labels end at `to`. */
.macro FIXUPS to:req, at:vararg
	.pushsection __ex_table, "a"
	.balign	4
	.irp	label, \at
	.long	\label - ., \to - .
	.endr
	.popsection
.endm

/* Registers of the vCPU at \base: into it, and out of it. */
.macro SAVE base:req, registers:vararg
	.irp	r, \registers
	mov	%\r, V_\r(\base)
	.endr
.endm

.macro LOAD base:req, registers:vararg
	.irp	r, \registers
	mov	V_\r(\base), %\r
	.endr
.endm

/*
 * From the vCPU in rsp to the kernel stack: rbx = vCPU, its rbx, rdx, rax, rsp (from
 * cpu.scratch) and rip (from rcx) are saved, rax and rdx are free.
 */
.macro ENTER
	mov	%rbx, V_rbx(%rsp)
	mov	%rsp, %rbx
	SAVE	%rbx, rdx, rax
	mov	V_CPU(%rbx), %rdx
	lea	STACK_FROM_CPU(%rdx), %rsp
	mov	CPU_SCRATCH(%rdx), %rax
	mov	%rax, V_rsp(%rbx)
	mov	%rcx, V_rip(%rbx)
.endm

.macro FUNCTION name
	.globl	\name
	.balign	16
	.type	\name, @function
\name:
.endm

/* ------------------------------------------------------------------------- */
	.section .text.entry, "ax"
	.globl	entry_text
	.balign	4096
entry_text:

/* 64-bit SYSCALL: rcx = guest rip, r11 = guest rflags, interrupts off. */
FUNCTION entry_syscall
	mov	%rsp, SELF(CPU_SCRATCH)
	mov	SELF(CPU_CURRENT), %rsp
	jmp	*SELF(CPU_SYSCALL_HANDLER)

/* SYSCALL from a 32-bit code segment. */
FUNCTION entry_syscall32
	mov	%rsp, SELF(CPU_SCRATCH)
	mov	SELF(CPU_CURRENT), %rsp
	jmp	*SELF(CPU_SYSCALL32_HANDLER)

/* SYSENTER: no return address at all; NT and TF are as the guest had them. */
FUNCTION entry_sysenter
	mov	SELF(CPU_CURRENT), %rsp
	jmp	*SELF(CPU_SYSENTER_HANDLER)

/* ------------------------------------------------------------------------- */
	.text

/*
 * rsp = current vCPU, its guest rsp in cpu.scratch, rcx = rip, r11 = rflags; all
 * else is the guest's. Afterwards C can be called: rbx = vCPU, rax = number.
 */
.macro ENTER_HYPERCALL
	cmpb	$0, V_KERNEL_MODE(%rsp)
	je	syscall_from_user
	cmp	$HYPERCALL_IRET, %rax
	je	iret_fast

	mov	%rbx, V_rbx(%rsp)
	mov	%rsp, %rbx
	mov	%rcx, V_rip(%rbx)
	mov	V_CPU(%rbx), %rcx
	lea	STACK_FROM_CPU(%rcx), %rsp
	mov	CPU_SCRATCH(%rcx), %rcx
	mov	%rcx, V_rsp(%rbx)
	mov	%r11, V_rflags(%rbx)
	SAVE	%rbx, rax, rdi, rsi, rdx, r10, r8, r9
	mov	%r10, %rcx
.endm

FUNCTION syscall_traced
	ENTER_HYPERCALL
	call	hypercall_traced
	jmp	.Lhypercall_done

FUNCTION syscall_common
	ENTER_HYPERCALL
	cmp	$HYPERCALLS, %rax
	jae	.Lno_such_call
	/* The bound holds for speculation too. */
	sbb	%r11, %r11
	and	%r11, %rax
	lea	hypercall_table(%rip), %r11
	call	*(%r11, %rax, 8)
.Lhypercall_done:
	cmpl	$0, V_WORK(%rbx)
	jne	hypercall_slow
	mov	V_INFO(%rbx), %r11
	cmpb	$0, (%r11)		/* upcall pending? */
	jne	.Lhypercall_upcall
.Lhypercall_return:
	mov	V_rip(%rbx), %rcx
	test	%rcx, %rcx
	jns	.Lhypercall_low
.Lhypercall_sysret:
	mov	V_rflags(%rbx), %r11
	LOAD	%rbx, rdi, rsi, rdx, r10, r8, r9, rsp
	mov	V_rbx(%rbx), %rbx
	sysretq

.Lno_such_call:
	mov	$-38, %rax		/* -ENOSYS */
	jmp	.Lhypercall_done
.Lhypercall_upcall:
	cmpb	$0, 1(%r11)		/* masked? */
	jne	.Lhypercall_return
	jmp	hypercall_slow
.Lhypercall_low:
	/*
	 * The one non-canonical address that the end of an instruction can have is
	 * the end of the low half; SYSRET to it would fault in ring 0.
	 */
	bt	$47, %rcx
	jnc	.Lhypercall_sysret

/* rbx = vCPU, rax = result. Completes the saved registers and takes the long way out. */
hypercall_slow:
	SAVE	%rbx, rbp, r12, r13, r14, r15
	movq	$SEL_GUEST_CS, V_cs(%rbx)
	movq	$SEL_GUEST_DS, V_ss(%rbx)
	mov	V_rip(%rbx), %rcx
	testl	$WORK_RESTART, V_WORK(%rbx)
	jnz	.Lhypercall_again
	mov	%rax, V_rax(%rbx)
.Lhypercall_complete:
	mov	%rcx, V_rcx(%rbx)
	mov	V_rflags(%rbx), %rax
	mov	%rax, V_r11(%rbx)
	jmp	exit_to_guest

/* The guest executes its SYSCALL, two bytes long, again; rax is still the call's number. */
.Lhypercall_again:
	lock andl $~WORK_RESTART, V_WORK(%rbx)
	sub	$2, %rcx
	mov	%rcx, V_rip(%rbx)
	jmp	.Lhypercall_complete

/*
 * SYSCALL of guest user code: the frame of the ABI goes onto the guest kernel's
 * stack, and the guest kernel runs at its callback.
 */
syscall_from_user:
	ENTER
	cmpl	$0, V_WORK(%rbx)
	jne	syscall_user_slow
	mov	V_KERNEL_STACK(%rbx), %rdx
	test	%rdx, %rdx
	jz	syscall_user_slow
	cmpq	$0, V_SYSCALL_ENTRY(%rbx)
	je	syscall_user_slow

	/* The guest's kernel half: root, GS, mode. */
	mov	V_CR3_KERNEL(%rbx), %rax
	mov	%rax, %cr3
	swapgs
	movb	$1, V_KERNEL_MODE(%rbx)

	STAC_SITE
1:	mov	%rcx, -56(%rdx)
2:	mov	%r11, -48(%rdx)
3:	mov	%rcx, -40(%rdx)		/* rip */
	mov	V_INFO(%rbx), %rcx
	movzbl	1(%rcx), %eax		/* the upcall mask travels beside CS ... */
	shl	$32, %rax
	or	$SEL_GUEST_CS, %rax
4:	mov	%rax, -32(%rdx)
	mov	%r11, %rax
	and	$~(FLAGS_IF | FLAGS_IOPL), %rax
	or	V_IOPL_FLAGS(%rbx), %rax
	cmpb	$0, 1(%rcx)		/* ... and as the frame's IF */
	jne	9f
	or	$FLAGS_IF, %rax
9:
5:	mov	%rax, -24(%rdx)
	mov	V_rsp(%rbx), %rax
6:	mov	%rax, -16(%rdx)
7:	movq	$SEL_GUEST_DS, -8(%rdx)
	CLAC_SITE
	movzbl	V_SYSCALL_MASKS(%rbx), %eax
	or	%al, 1(%rcx)
	jz	.Lsyscall_upcall	/* not masked: is an upcall due? */
.Lsyscall_enter:
	mov	V_SYSCALL_ENTRY(%rbx), %rcx
	and	$0x2008d5, %r11d	/* arithmetic flags, OF, ID; never TF, DF, NT, AC */
	or	$FLAGS_IF, %r11d
	mov	V_rax(%rbx), %rax
	lea	-56(%rdx), %rsp
	mov	V_rdx(%rbx), %rdx
	mov	V_rbx(%rbx), %rbx
	sysretq

.Lsyscall_upcall:
	cmpb	$0, (%rcx)
	je	.Lsyscall_enter
	/* Complete as if the guest kernel had been interrupted at its first instruction. */
	mov	V_SYSCALL_ENTRY(%rbx), %rcx
	mov	%rcx, V_rip(%rbx)
	lea	-56(%rdx), %rcx
	mov	%rcx, V_rsp(%rbx)
	and	$0x2008d5, %r11d
	or	$FLAGS_IF, %r11d
	call	save_for_slow
	jmp	exit_to_guest

	FIXUPS	syscall_stack_fault, 1b, 2b, 3b, 4b, 5b, 6b, 7b
syscall_stack_fault:
	CLAC_SITE
	mov	%r11, V_rflags(%rbx)
	mov	%rbx, %rdi
	call	bounce_bad_stack
	jmp	exit_to_guest

/* No callback, no stack, or work to do first: C does the same thing. */
syscall_user_slow:
	call	save_for_slow
	mov	%rbx, %rdi
	call	bounce_syscall
	jmp	exit_to_guest

/*
 * rbx = vCPU; rbx, rdx, rax, rip, rsp are saved. Saves the others as they are;
 * rcx and r11 are what SYSCALL made of them.
 */
save_for_slow:
	mov	V_rip(%rbx), %rcx
	SAVE	%rbx, rcx, r11
	mov	%r11, V_rflags(%rbx)
	movq	$SEL_GUEST_CS, V_cs(%rbx)
	movq	$SEL_GUEST_DS, V_ss(%rbx)
	SAVE	%rbx, rdi, rsi, r8, r9, r10, rbp, r12, r13, r14, r15
	ret

/* SYSCALL from 32-bit code, of whatever mode. rsp = vCPU. */
FUNCTION syscall32_common
	ENTER
	call	save_for_slow
	mov	%rbx, %rdi
	call	bounce_syscall32
	jmp	exit_to_guest

FUNCTION sysenter_common
	ENTER
	movq	$0, V_rip(%rbx)
	movq	$0, V_rsp(%rbx)
	mov	%r11, %rax
	pushfq
	pop	%r11
	mov	%rcx, %rdx
	call	save_for_slow
	mov	%rax, V_r11(%rbx)
	mov	%rdx, V_rcx(%rbx)
	pushq	$2			/* NT, TF, AC, DF off */
	popfq
	mov	%rbx, %rdi
	call	bounce_sysenter
	jmp	exit_to_guest

/*
 * The iret hypercall: rsp = vCPU, the guest's frame at cpu.scratch. rax, rcx and
 * r11 come from the frame, so they are free here; all else is already right. The
 * new frame for IRETQ is built on the kernel stack, from one read of each word.
 */
iret_fast:
	mov	%rsp, %r11
	mov	V_CPU(%r11), %rcx
	lea	STACK_FROM_CPU(%rcx), %rsp
	mov	CPU_SCRATCH(%rcx), %rcx
	mov	%rcx, V_rsp(%r11)
	cmpl	$0, V_WORK(%r11)
	jne	iret_slow
	movabs	$-HIGH_START, %rax
	add	%rcx, %rax
	jnc	iret_slow		/* not in the high half: checked by C */
	STAC_SITE
1:	push	64(%rcx)		/* ss */
2:	push	56(%rcx)		/* rsp */
3:	push	48(%rcx)		/* rflags */
4:	push	40(%rcx)		/* cs */
5:	push	32(%rcx)		/* rip */
6:	push	16(%rcx)		/* rcx */
7:	push	8(%rcx)			/* r11 */
8:	push	(%rcx)			/* rax */
9:	cmpq	$0, 24(%rcx)		/* flags: in_syscall returns are C's */
	CLAC_SITE
	jne	iret_slow
	/* 0 rax 8 r11 16 rcx 24 rip 32 cs 40 rflags 48 rsp 56 ss */
	mov	40(%rsp), %eax
	mov	V_INFO(%r11), %rcx
	test	$FLAGS_IF, %eax
	jz	.Liret_masked
	cmpb	$0, (%rcx)		/* unmasking with an upcall pending */
	jne	iret_slow
	movb	$0, 1(%rcx)
.Liret_flags:
	and	$FLAGS_GUEST, %eax
	or	$(FLAGS_IF | 2), %eax
	mov	%rax, 40(%rsp)
	orb	$3, 56(%rsp)
	mov	32(%rsp), %eax
	and	$3, %eax
	cmp	$3, %eax
	jne	.Liret_kernel
	mov	V_CR3_USER(%r11), %rax
	test	%rax, %rax
	jz	iret_slow		/* no user root: C ends the domain */
	mov	%rax, %cr3
	or	V_NOFLUSH(%r11), %rax
	mov	%rax, V_CR3_USER(%r11)
	swapgs
	movb	$0, V_KERNEL_MODE(%r11)
.Liret_kernel:
	orb	$3, 32(%rsp)
	pop	%rax
	pop	%r11
	pop	%rcx
	.globl	iret_guest
iret_guest:
	iretq

.Liret_masked:
	movb	$1, 1(%rcx)
	jmp	.Liret_flags

	FIXUPS	iret_frame_fault, 1b, 2b, 3b, 4b, 5b, 6b, 7b, 8b, 9b
iret_frame_fault:
	CLAC_SITE
/* r11 = vCPU, V_rsp = the frame's address; nothing has been changed yet. */
iret_slow:
	mov	%rbx, V_rbx(%r11)
	mov	%r11, %rbx
	mov	V_CPU(%rbx), %rcx
	lea	STACK_FROM_CPU(%rcx), %rsp
	mov	%rdx, V_rdx(%rbx)
	call	save_for_slow
	mov	%rbx, %rdi
	call	iret_from_frame
	/* fall through */

/*
 * The long way out: all work is done, the chosen vCPU's registers are complete.
 */
FUNCTION exit_to_guest
	call	exit_work
	mov	%rax, %rbx
FUNCTION exit_full
	mov	V_CPU(%rbx), %rcx
	lea	STACK_FROM_CPU(%rcx), %rsp
	push	V_ss(%rbx)
	push	V_rsp(%rbx)
	push	V_rflags(%rbx)
	push	V_cs(%rbx)
	push	V_rip(%rbx)
	LOAD	%rbx, r15, r14, r13, r12, rbp, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi
	mov	V_rbx(%rbx), %rbx
	.globl	iret_guest_full
iret_guest_full:
	iretq

/* ------------------------------------------------------------------------- */
/*
 * Exceptions and interrupts. A stub completes the frame with an error code and
 * the vector (upper half of that word). From a guest the frame lies at the end
 * of the current vCPU's regs; from the core, on the kernel stack.
 */
.macro PUSH_REGISTERS
	.irp	r, rdi, rsi, rdx, rcx, rax, r8, r9, r10, r11, rbx, rbp, r12, r13, r14, r15
	push	%\r
	.endr
	cld
.endm

.macro POP_REGISTERS
	.irp	r, r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi
	pop	%\r
	.endr
.endm

trap_common:
	PUSH_REGISTERS
	CLAC_SITE
	testb	$3, R_cs(%rsp)
	jz	trap_from_core_entry
	lea	-V_REGS(%rsp), %rbx
	mov	V_CPU(%rbx), %rcx
	lea	STACK_FROM_CPU(%rcx), %rsp
	mov	%rbx, %rdi
	call	trap_from_guest
	cmpl	$0, V_WORK(%rbx)
	jne	exit_to_guest
	mov	V_INFO(%rbx), %rcx
	cmpb	$0, (%rcx)
	je	exit_full
	cmpb	$0, 1(%rcx)
	jne	exit_full
	jmp	exit_to_guest

trap_from_core_entry:
	mov	%rsp, %rdi
	call	trap_from_core
	jmp	leave_core_or_return

/* NMI, #DB, #DF, #MC come on stacks of their own, whatever was interrupted. */
trap_ist:
	PUSH_REGISTERS
	CLAC_SITE
	mov	%rsp, %rdi
	call	trap_on_ist
/*
 * C was given a frame on a stack of this CPU. true: what it interrupted is over
 * (a guest's #DB, an IRET to a guest that faulted), the vCPU's registers are
 * complete.
 */
leave_core_or_return:
	test	%al, %al
	jz	return_to_core
	mov	%rsp, %rcx
	and	$~(CPU_AREA_SIZE - 1), %rcx
	lea	CPU_AREA_STACK_TOP(%rcx), %rsp
	jmp	exit_to_guest

return_to_core:
	POP_REGISTERS
	add	$8, %rsp
	iretq

/* trace_record(point, a, b), called with b, a, point on the stack; changes no register. */
FUNCTION trace_enter
	PUSH_REGISTERS
	mov	128(%rsp), %edi
	mov	136(%rsp), %rsi
	mov	144(%rsp), %rdx
	call	trace_record
	POP_REGISTERS
	ret	$24

/* One stub of TRAP_STUB_SIZE bytes for each vector. */
	.globl	trap_stubs
	.balign	16
trap_stubs:
.set	vector, 0
.rept	256
	.balign	16
	.if	(vector == 8) || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21
	.else
	push	$0
	.endif
	movl	$vector, 4(%rsp)
	.if	vector == 1 || vector == 2 || vector == 8 || vector == 18
	jmp	trap_ist
	.else
	jmp	trap_common
	.endif
	.set	vector, vector + 1
.endr

	.section .note.GNU-stack, "", @progbits
