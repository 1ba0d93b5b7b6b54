/* SPDX-License-Identifier: BSD-2-Clause */
/* What runs in user mode, and the fast way back to it. */
	.section .user, "ax", @progbits
	.globl user_syscall, user_syscall_df, user_undefined, user_divide, user_load, user_store
	.globl user_jump, user_int80, user_read_gs, user_loop, user_step, user_twice, user_mov_cr0
user_syscall_df:
	std
user_syscall:
	syscall
user_undefined:
	ud2
user_divide:
	xorl	%edx, %edx
	xorl	%ecx, %ecx
	divl	%ecx
user_load:
	movq	(%rsi), %rax
	ud2
user_store:
	movq	%rax, (%rsi)
	ud2
user_jump:
	jmp	*%rsi
user_int80:
	int	$0x80
user_read_gs:
	movq	%gs:0, %rax
	ud2
user_loop:
	jmp	user_loop
user_step:
	nop
	nop
user_twice:
	syscall
	movq	%rcx, %rbx
	ud2
user_mov_cr0:
	movq	%cr0, %rax
	ud2

	.text
/* In: rdi = struct pv_frame. Returns to user mode as from a system call; rax = 7. */
	.globl selftest_fast_return
selftest_fast_return:
	pushq	168(%rdi)
	pushq	160(%rdi)
	pushq	152(%rdi)
	pushq	144(%rdi)
	pushq	136(%rdi)
	pushq	$0x100
	pushq	$0x1111
	pushq	$0x2222
	pushq	$7
	movl	$23, %eax
	syscall
	ud2

	.section .note.GNU-stack, "", @progbits
