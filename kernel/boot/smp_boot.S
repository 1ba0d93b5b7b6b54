/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Another processor wakes up in real mode at the start of a copy of smp_page in
 * low memory: cs = its address / 16, ip = 0. It goes to 32 bits, and then the way
 * of the first one (start.S): the boot's first page tables, which show the low
 * 4 GiB at 0 and at CORE_BASE, and long mode. From there it goes on to the core's
 * own tables and stack, which lies in the final address space only.
 */
#include "cpu/layout.h"

	.section .rodata, "a"
	.balign 16
	.global smp_page, smp_page_end
	.code16
smp_page:
	cli
	cld
	mov	%cs, %ax
	mov	%ax, %ds
	lgdtl	smp_page_gdt - smp_page
	xor	%edi, %edi
	mov	$1, %eax		/* PE */
	mov	%eax, %cr0
	ljmpl	$0x18, $(enter_long - CORE_BASE)
smp_page_gdt:
	.short 31
	.long boot_gdt - CORE_BASE
smp_page_end:

	.code64
	.text
	.global smp_high
smp_high:
	mov	$0xc0000080, %ecx	/* EFER: NXE, as the first CPU has it by now */
	rdmsr
	or	$0x800, %eax
	wrmsr
	mov	smp_root(%rip), %rax
	mov	smp_stack(%rip), %rcx
	mov	%rax, %cr3
	mov	%rcx, %rsp
	call	smp_main
	ud2

	.section .note.GNU-stack, "", @progbits
