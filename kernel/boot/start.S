/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From the boot loader to C.
 *
 * Loaders enter here in 32-bit protected mode, paging off, eax = magic, ebx =
 * physical address of the boot information: GRUB by multiboot2 (BIOS and UEFI),
 * QEMU's -kernel by multiboot1. GRUB understands a 64-bit ELF file, QEMU copies
 * by the addresses in its header.
 *
 * The first page tables map the low 4 GiB three times, writable, by pages of
 * 2 MiB: identically, at CORE_BASE, and at DIRECT_BASE. boot/memory.c builds
 * the final ones.
 *
 * Symbols are linked high; `symbol - CORE_BASE` is the physical address.
 */
#include "cpu/layout.h"

#define MULTIBOOT1_MAGIC 0x1badb002
#define MULTIBOOT1_FLAGS 0x00010003 /* pages aligned, memory map, addresses in this header */
#define MULTIBOOT2_MAGIC 0xe85250d6

#define COM1 0x3f8

	.section .start, "ax"
	.balign 8
multiboot1:
	.long MULTIBOOT1_MAGIC, MULTIBOOT1_FLAGS, -(MULTIBOOT1_MAGIC + MULTIBOOT1_FLAGS)
	.long multiboot1 - CORE_BASE
	.long text_physical, file_end_physical, core_end_physical
	.long start - CORE_BASE

	.balign 8
multiboot2:
	.long MULTIBOOT2_MAGIC, 0, multiboot2_end - multiboot2
	.long -(MULTIBOOT2_MAGIC + (multiboot2_end - multiboot2))
	.short 6, 0 /* modules start on pages */
	.long 8
	.short 0, 0
	.long 8
multiboot2_end:

	.code32
	.global start
start:
	cli
	cld
	mov	$(boot_stack_end - CORE_BASE), %esp
	mov	%eax, %edi	/* becomes the first argument of boot_main */
	mov	%ebx, %esi	/* the second */
	lgdt	boot_gdt_pointer - CORE_BASE

	mov	$0x80000000, %eax
	cpuid
	cmp	$0x80000001, %eax
	jb	no_long_mode
	mov	$0x80000001, %eax
	cpuid
	bt	$29, %edx
	jnc	no_long_mode

	/* Other CPUs come here too, with edi = 0 (smp_boot.S). Memory is not touched. */
	.global enter_long
enter_long:
	mov	%cr4, %eax
	or	$0x20, %eax		/* PAE */
	mov	%eax, %cr4
	mov	$(boot_l4 - CORE_BASE), %eax
	mov	%eax, %cr3
	mov	$0xc0000080, %ecx	/* EFER.LME */
	rdmsr
	or	$0x100, %eax
	wrmsr
	mov	%cr0, %eax
	or	$0x80000001, %eax	/* PG, PE */
	mov	%eax, %cr0
	ljmp	$8, $(long_mode - CORE_BASE)

	/* 32-bit, nothing is set up yet: says what is missing on COM1 and stops. */
no_long_mode:
	mov	$(no_long_mode_text - CORE_BASE), %esi
1:	mov	$(COM1 + 5), %edx
2:	in	(%dx), %al
	test	$0x20, %al
	jz	2b
	lodsb
	mov	$COM1, %edx
	test	%al, %al
	jz	3f
	out	%al, (%dx)
	jmp	1b
3:	hlt
	jmp	3b
no_long_mode_text:
	.asciz "core: cannot start: this CPU lacks long mode (64 bits)\r\n"

	.code64
long_mode:
	mov	$0x10, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	xor	%eax, %eax
	mov	%eax, %fs
	mov	%eax, %gs
	movabs	$boot_stack_end, %rsp
	movabs	$high, %rax
	jmp	*%rax
high:
	xor	%ebp, %ebp
	test	%edi, %edi
	jz	smp_high
	mov	%edi, %edi
	mov	%esi, %esi
	call	boot_main
	ud2

	.balign 8
	.global boot_gdt, boot_l4 /* also for the other processors: smp_boot.S */
boot_gdt:
	.quad 0
	.quad 0x00af9b000000ffff	/* code, 64-bit */
	.quad 0x00cf93000000ffff	/* data */
	.quad 0x00cf9b000000ffff	/* code, 32-bit: for smp_boot.S */
boot_gdt_pointer:
	.short boot_gdt_pointer - boot_gdt - 1
	.long boot_gdt - CORE_BASE

	/* Present, writable; in L2, pages of 2 MiB. */
	.section .data, "aw"
	.balign 4096
boot_l4:
	.quad boot_l3 - CORE_BASE + 3
	.skip 260 * 8
	.quad boot_l3 - CORE_BASE + 3, boot_l3 - CORE_BASE + 3
	.balign 4096
boot_l3:
	.quad boot_l2 - CORE_BASE + 0x0003, boot_l2 - CORE_BASE + 0x1003
	.quad boot_l2 - CORE_BASE + 0x2003, boot_l2 - CORE_BASE + 0x3003
	.balign 4096
boot_l2:
	.set page, 0
	.rept 2048
	.quad page + 0x83
	.set page, page + 0x200000
	.endr

	.section .bss, "aw", @nobits
	.balign 4096
	.skip 0x4000
boot_stack_end:

	.section .note.GNU-stack, "", @progbits
