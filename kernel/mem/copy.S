/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * int guest_copy_raw(void *to, const void *from, u64 size)
 *
 * Copies between the core and a guest's addresses, in either direction. A page
 * fault or #GP on the way ends in the fixup: the result is -EFAULT and an
 * unknown part has been copied.
 *
 *   in   rdi to, rsi from, rdx size
 *   out  rax 0 or -EFAULT; clobbers rcx, rdx, rsi, rdi
 *
 * The two three-byte no-ops become STAC and CLAC where SMAP is on.
 */
	.section .text, "ax"
	.globl	guest_copy_raw
	.type	guest_copy_raw, @function
guest_copy_raw:
1:	.byte	0x0f, 0x1f, 0x00
	mov	%rdx, %rcx
	shr	$3, %rcx
2:	rep movsq
	and	$7, %edx
	jnz	5f
	xor	%eax, %eax
3:	.byte	0x0f, 0x1f, 0x01
	ret
5:	mov	%edx, %ecx
6:	rep movsb
	xor	%eax, %eax
	jmp	3b
7:	mov	$-14, %eax
	cltq
	jmp	3b
	.size	guest_copy_raw, . - guest_copy_raw

	.section .smap_sites, "a"
	.balign	8
	.quad	1b, 3b
	.section __ex_table, "a"
	.balign	4
	.long	2b - ., 7b - .
	.long	6b - ., 7b - .
	.section .note.GNU-stack, "", @progbits
