/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Another processor wakes up in real mode at the start of a copy of smp_page in
 * low memory: cs = its address / 16, ip = 0. It takes the boot's first page
 * tables, which show the low 4 GiB at 0 and at CORE_BASE, goes to long mode in
 * one step, and from there to the core's own text, tables and stack.
 */
#include "cpu/layout.h"

	.section .rodata, "a"
	.balign 16
	.global smp_page, smp_page_end, smp_page_jump
	.code16
smp_page:
	cli
	cld
	mov	%cs, %ax
	mov	%ax, %ds
	lgdtl	smp_page_gdt - smp_page
	mov	$0x20, %eax		/* PAE */
	mov	%eax, %cr4
	mov	$(boot_l4 - CORE_BASE), %eax
	mov	%eax, %cr3
	mov	$0xc0000080, %ecx	/* EFER: LME, NXE */
	rdmsr
	or	$0x900, %eax
	wrmsr
	mov	$0x80000001, %eax	/* PG, PE */
	mov	%eax, %cr0
	ljmpl	*(smp_page_jump - smp_page)

	.code64
smp_long:
	mov	$0x10, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	xor	%eax, %eax
	mov	%eax, %fs
	mov	%eax, %gs
	movabs	$smp_high, %rax
	jmp	*%rax

	.balign 4
smp_page_gdt:
	.short 23
	.long boot_gdt - CORE_BASE
smp_page_jump:
	.long smp_long - smp_page	/* smp.c adds the address of the copy */
	.short 8
smp_page_end:

	/* The stack lies in the final address space only. */
	.text
smp_high:
	mov	smp_root(%rip), %rax
	mov	smp_stack(%rip), %rcx
	mov	%rax, %cr3
	mov	%rcx, %rsp
	xor	%ebp, %ebp
	call	smp_main
	ud2

	.section .note.GNU-stack, "", @progbits
