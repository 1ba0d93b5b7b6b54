/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The shortest possible handlers and user loops for measuring entries and round
 * trips. User loops take the number of rounds in rdi, keep their least time in
 * r13 and end by ud2, which pv_user_run() returns from.
 *
 * A time is `rdtsc; shl $32, %rdx; or %rdx, %rax`, here as in primitives.c, so
 * that the cost of an empty measurement is the same everywhere.
 */
	.macro NOW
	rdtsc
	shlq	$32, %rdx
	orq	%rdx, %rax
	.endm

/* The least of rax - from, in `least`. */
	.macro SINCE from, least
	subq	\from, %rax
	cmpq	\least, %rax
	jae	9f
	movq	%rax, \least
9:
	.endm

/* In: rsp at rip..ss, rax, rcx, r11 for the interrupted code. */
	.macro IRET
	pushq	$0
	pushq	%rcx
	pushq	%r11
	pushq	%rax
	movl	$23, %eax
	syscall
	.endm

	.text
	.balign 16
	.globl bench_page_fault, bench_page_fault_stamp
/* Skips the faulting instruction, which must have two bytes. */
bench_page_fault:
	popq	%rcx
	popq	%r11
	addq	$8, %rsp
	addq	$2, (%rsp)
	IRET
/* The same; bench_stamp = time of entry. Clobbers rax, rdx of the interrupted code. */
bench_page_fault_stamp:
	NOW
	movq	%rax, bench_stamp(%rip)
	jmp	bench_page_fault

	.globl bench_syscall, bench_syscall_entry, bench_syscall_exit
bench_syscall:
	popq	%rcx
	popq	%r11
	IRET
/* User's time before the system call in r12; the least in bench_stamp. */
bench_syscall_entry:
	NOW
	SINCE	%r12, bench_stamp(%rip)
	jmp	bench_syscall
/* Time before the return in r12. */
bench_syscall_exit:
	popq	%rcx
	popq	%r11
	NOW
	movq	%rax, %r12
	IRET

/* One port is in use: bit bench_port of word 0. */
	.globl bench_event, bench_event_stamp
bench_event:
	popq	%rcx
	popq	%r11
	pushq	%rax
	movq	pv_shared(%rip), %rax
	movb	$0, (%rax)
	movq	$0, 8(%rax)
	movq	$0, 0x800(%rax)
	popq	%rax
	IRET
bench_event_stamp:
	pushq	%rax
	pushq	%rdx
	NOW
	movq	%rax, bench_stamp(%rip)
	popq	%rdx
	popq	%rax
	jmp	bench_event

/* Kernel to kernel. */
	.globl bench_iret
bench_iret:
	movq	%rsp, %rax
	pushq	$0xe02b
	pushq	%rax
	pushfq
	pushq	$0xe030
	leaq	1f(%rip), %rax
	pushq	%rax
	IRET
1:	ret

	.section .user, "ax", @progbits
	.globl user_syscalls, user_entries, user_exits, user_faults
user_syscalls:
	movq	$-1, %r13
1:	NOW
	movq	%rax, %r12
	syscall
	NOW
	SINCE	%r12, %r13
	decq	%rdi
	jnz	1b
	ud2

/* For bench_syscall_entry, which does the sum. */
user_entries:
	NOW
	movq	%rax, %r12
	syscall
	decq	%rdi
	jnz	user_entries
	ud2

/* For bench_syscall_exit. */
user_exits:
	movq	$-1, %r13
1:	syscall
	NOW
	SINCE	%r12, %r13
	decq	%rdi
	jnz	1b
	ud2

/* Faults on the address in rsi; the handler skips two bytes. */
user_faults:
	movq	$-1, %r13
1:	NOW
	movq	%rax, %r12
	movb	(%rsi), %al
	NOW
	SINCE	%r12, %r13
	decq	%rdi
	jnz	1b
	ud2

	.section .note.GNU-stack, "", @progbits
