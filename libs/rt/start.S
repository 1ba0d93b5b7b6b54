/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Entry of a native domain.
 *   in:  rsi = address of struct native_start, rsp = top of the stack
 *   out: rdi = the same address, stack aligned as the ABI of C wants it
 * rt_start() does not return.
 */
	.section .text.entry, "ax"
	.globl rt_entry
	.type rt_entry, @function
rt_entry:
	xorl	%ebp, %ebp
	movq	%rsi, %rdi
	andq	$-16, %rsp
	cld
	call	rt_start
	ud2
	.size rt_entry, . - rt_entry

	.section .note.GNU-stack, "", @progbits
