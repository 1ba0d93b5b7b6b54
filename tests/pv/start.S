/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Entry points of the test kernels: start, exceptions, events, system calls,
 * and the ways into user mode and out of a fault.
 *
 * The hypervisor enters a PV kernel with rcx, r11 and then what hardware would
 * push (error code if the vector has one, rip, cs, rflags, rsp, ss). Every stub
 * turns that into struct pv_frame and calls pv_trap. The way back is the iret
 * hypercall, whose frame is rax, r11, rcx, flags and again rip to ss.
 */
#include "proto/xen/elfnote.h"

	.macro NOTE type, value:vararg
	.long 2f - 1f, 4f - 3f, \type
1:	.asciz "Xen"
2:	.balign 4
3:	\value
4:	.balign 4
	.endm

	.section .note.xen, "a", @note
	NOTE XEN_ELFNOTE_ENTRY, .quad _start
	NOTE XEN_ELFNOTE_VIRT_BASE, .quad 0xffffffff80000000
	NOTE XEN_ELFNOTE_PADDR_OFFSET, .quad 0
	NOTE XEN_ELFNOTE_HYPERCALL_PAGE, .quad pv_hypercall_page
	NOTE XEN_ELFNOTE_XEN_VERSION, .asciz "xen-3.0"
	NOTE XEN_ELFNOTE_GUEST_OS, .asciz "tessera-test"
	NOTE XEN_ELFNOTE_LOADER, .asciz "generic"
	NOTE XEN_ELFNOTE_PAE_MODE, .asciz "yes"
	NOTE XEN_ELFNOTE_FEATURES, .asciz "writable_page_tables|pae_pgdir_above_4gb"
	/* writable_page_tables, dom0: without the latter Xen takes it for a domU only. */
	NOTE XEN_ELFNOTE_SUPPORTED_FEATURES, .long 1 << 0 | 1 << 11

	.section .hypercall_page, "ax", @progbits
	.globl pv_hypercall_page
	.balign 4096
pv_hypercall_page:
	.skip 4096

/* In: rsi = struct start_info. */
	.section .text.entry, "ax", @progbits
	.globl _start
_start:
	movq	%rsi, pv_start(%rip)
	leaq	pv_stack_end(%rip), %rsp
	xorl	%ebp, %ebp
	call	pv_init
	ud2

	.text
/* Saves all registers below vector and error code; calls pv_trap(frame). */
pv_common:
	pushq	%rdi
	pushq	%rsi
	pushq	%rdx
	pushq	%rcx
	pushq	%rax
	pushq	%r8
	pushq	%r9
	pushq	%r10
	pushq	%r11
	pushq	%rbx
	pushq	%rbp
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	cld
	movq	%rsp, %rdi
	movq	%rsp, %rbp
	andq	$-16, %rsp
	call	pv_trap
	movq	%rbp, %rsp
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%rbp
	popq	%rbx
	popq	%r11
	popq	%r10
	popq	%r9
	popq	%r8
	popq	%rax
	popq	%rcx
	popq	%rdx
	popq	%rsi
	popq	%rdi
	addq	$16, %rsp
/* In: rsp at rip, cs, rflags, rsp, ss; all registers as they shall be. */
	.globl pv_iret
pv_iret:
	pushq	$0
	pushq	%rcx
	pushq	%r11
	pushq	%rax
	movl	$23, %eax
	syscall
	ud2

	.macro STUB name, vector, error=0
	.globl \name
\name:
	popq	%rcx
	popq	%r11
	.if \error == 0
	pushq	$0
	.endif
	pushq	$\vector
	jmp	pv_common
	.endm

/* One stub per exception, 16 bytes apart, in order of the vectors. */
	.balign 16
	.globl pv_vectors
pv_vectors:
	.altmacro
	.macro VECTOR n
	.balign 16
	STUB pv_vector_\n, \n, ((0x227d00 >> \n) & 1)
	.endm
	.set i, 0
	.rept 32
	VECTOR %i
	.set i, i + 1
	.endr
	.noaltmacro

	STUB pv_vector_int80, 0x80
	STUB pv_entry_event, 256
	STUB pv_entry_syscall, 258
	STUB pv_entry_syscall32, 259

/* The failsafe callback's frame has four selectors after r11. */
	.globl pv_entry_failsafe
pv_entry_failsafe:
	popq	%rcx
	popq	%r11
	addq	$32, %rsp
	pushq	$0
	pushq	$257
	jmp	pv_common

/*
 * bool pv_try(void (*f)(void *), void *arg): calls f(arg); true if it faulted.
 * pv_trap sends a fault in the kernel to pv_recover with rsp = pv_catch_rsp. The
 * previous value is on the stack, so tries nest.
 */
	.globl pv_try
pv_try:
	pushq	%rbp
	pushq	%rbx
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	pushq	pv_catch_rsp(%rip)
	movq	%rsp, pv_catch_rsp(%rip)
	movq	%rdi, %rax
	movq	%rsi, %rdi
	call	*%rax
	xorl	%eax, %eax
1:	popq	pv_catch_rsp(%rip)
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%rbx
	popq	%rbp
	ret
	.globl pv_recover
pv_recover:
	movl	$1, %eax
	jmp	1b

/*
 * void pv_user_enter(struct pv_frame *): leaves for user mode with these
 * registers. It returns when pv_user_leave is called, which pv_trap does for
 * everything that happens in user mode but events.
 */
	.globl pv_user_enter
pv_user_enter:
	pushq	%rbp
	pushq	%rbx
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	movq	%rsp, pv_user_rsp(%rip)
	pushq	168(%rdi) /* ss */
	pushq	160(%rdi)
	pushq	152(%rdi)
	pushq	144(%rdi)
	pushq	136(%rdi) /* rip */
	movq	0(%rdi), %r15
	movq	8(%rdi), %r14
	movq	16(%rdi), %r13
	movq	24(%rdi), %r12
	movq	32(%rdi), %rbp
	movq	40(%rdi), %rbx
	movq	48(%rdi), %r11
	movq	56(%rdi), %r10
	movq	64(%rdi), %r9
	movq	72(%rdi), %r8
	movq	80(%rdi), %rax
	movq	88(%rdi), %rcx
	movq	96(%rdi), %rdx
	movq	104(%rdi), %rsi
	movq	112(%rdi), %rdi
	jmp	pv_iret

	.globl pv_user_leave
pv_user_leave:
	movq	pv_user_rsp(%rip), %rsp
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%rbx
	popq	%rbp
	ret

/* Stacks: the kernel's own, and the one that entries from user mode start on. */
	.section .bss.page, "aw", @nobits
	.balign 4096
	.globl pv_stack
pv_stack:
	.skip 16384
	.globl pv_stack_end
pv_stack_end:
	.skip 16384
	.globl pv_entry_stack_end
pv_entry_stack_end:

	.section .note.GNU-stack, "", @progbits
