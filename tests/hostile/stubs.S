/* SPDX-License-Identifier: BSD-2-Clause */
/* Code for the hostile cases that C cannot express. */
	.text
/* void hostile_iret(const struct iret_context *): the hypercall with this frame. */
	.globl hostile_iret
hostile_iret:
	movl	$9, %ecx
1:	pushq	-8(%rdi, %rcx, 8)
	loop	1b
	movl	$23, %eax
	syscall
	ud2

	.section .user, "ax", @progbits
	.globl user_syscall32, user_sysenter, user_ints, user_hlt, user_store8, user_nop
user_syscall32:
	syscall
user_nop:
	ud2
user_sysenter:
	sysenter
	ud2
user_hlt:
	hlt
	ud2
/* int n with n in the page of user data; the kernel patches nothing, so one each. */
user_ints:
	.set i, 0
	.rept 256
	.byte 0xcd, i
	.set i, i + 1
	.endr
	ud2
user_store8:
	movq	%rax, (%rsi)
	ud2

	.section .note.GNU-stack, "", @progbits
