/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Instructions that C has no words for, one function each.
 */
#ifndef KERNEL_CPU_ASM_H
#define KERNEL_CPU_ASM_H

#include "lib/types.h"

#define MSR_SYSENTER_CS    0x174
#define MSR_SYSENTER_ESP   0x175
#define MSR_SYSENTER_EIP   0x176
#define MSR_PAT            0x277
#define MSR_APIC_BASE      0x1b
#define MSR_X2APIC         0x800
#define MSR_EFER           0xc0000080
#define MSR_STAR           0xc0000081
#define MSR_LSTAR          0xc0000082
#define MSR_CSTAR          0xc0000083
#define MSR_SFMASK         0xc0000084
#define MSR_TSC            0x10
#define MSR_FS_BASE        0xc0000100
#define MSR_GS_BASE        0xc0000101
#define MSR_KERNEL_GS_BASE 0xc0000102
#define MSR_TSC_AUX        0xc0000103

#define EFER_SCE 0x001UL
#define EFER_LME 0x100UL
#define EFER_NXE 0x800UL

#define CR0_PE 0x1UL
#define CR0_MP 0x2UL
#define CR0_TS 0x8UL
#define CR0_ET 0x10UL
#define CR0_NE 0x20UL
#define CR0_WP 0x10000UL
#define CR0_AM 0x40000UL
#define CR0_PG 0x80000000UL

#define CR4_TSD        0x4UL
#define CR4_DE         0x8UL
#define CR4_PAE        0x20UL
#define CR4_MCE        0x40UL
#define CR4_PGE        0x80UL
#define CR4_OSFXSR     0x200UL
#define CR4_OSXMMEXCPT 0x400UL
#define CR4_FSGSBASE   0x10000UL
#define CR4_PCIDE      0x20000UL
#define CR4_OSXSAVE    0x40000UL
#define CR4_SMEP       0x100000UL
#define CR4_SMAP       0x200000UL

#define XCR0_X87    0x1UL
#define XCR0_SSE    0x2UL
#define XCR0_AVX    0x4UL
#define XCR0_AVX512 0xe0UL

static inline void cpuid(u32 leaf, u32 subleaf, u32 out[4]) {
	__asm__ volatile("cpuid"
			 : "=a"(out[0]), "=b"(out[1]), "=c"(out[2]), "=d"(out[3])
			 : "a"(leaf), "c"(subleaf));
}

static inline u64 rdmsr(u32 msr) {
	u32 low, high;

	__asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
	return (u64)high << 32 | low;
}

static inline void wrmsr(u32 msr, u64 value) {
	__asm__ volatile("wrmsr" ::"c"(msr), "a"((u32)value), "d"((u32)(value >> 32)) : "memory");
}

static inline u64 rdtsc(void) {
	u32 low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (u64)high << 32 | low;
}

static inline void xsetbv(u64 value) {
	__asm__ volatile("xsetbv" ::"c"(0), "a"((u32)value), "d"((u32)(value >> 32)));
}

#define CONTROL_REGISTER(name)                                                \
	static inline u64 read_##name(void) {                                 \
		u64 value;                                                    \
		__asm__ volatile("mov %%" #name ", %0" : "=r"(value));        \
		return value;                                                 \
	}                                                                     \
	static inline void write_##name(u64 value) {                          \
		__asm__ volatile("mov %0, %%" #name ::"r"(value) : "memory"); \
	}
CONTROL_REGISTER(cr0)
CONTROL_REGISTER(cr2)
CONTROL_REGISTER(cr3)
CONTROL_REGISTER(cr4)
CONTROL_REGISTER(dr0)
CONTROL_REGISTER(dr1)
CONTROL_REGISTER(dr2)
CONTROL_REGISTER(dr3)
CONTROL_REGISTER(dr6)
CONTROL_REGISTER(dr7)
#undef CONTROL_REGISTER

static inline void clts(void) { __asm__ volatile("clts" ::: "memory"); }

static inline u8 in8(u16 port) {
	u8 value;

	__asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static inline void out8(u16 port, u8 value) {
	__asm__ volatile("outb %0, %1" ::"a"(value), "Nd"(port));
}

static inline void invlpg(u64 va) { __asm__ volatile("invlpg (%0)" ::"r"(va) : "memory"); }

static inline void swap_gs(void) { __asm__ volatile("swapgs" ::: "memory"); }

#define CACHE_LINE 64

static inline void clflush(const void *p) { __asm__ volatile("clflush (%0)" ::"r"(p) : "memory"); }

NORETURN static inline void cpu_stop(void) {
	for (;;) __asm__ volatile("cli; hlt");
}

/* Device registers: one access of exactly this width. */
static inline u32 mmio_read32(const volatile void *address) {
	return *(const volatile u32 *)address;
}

static inline void mmio_write32(volatile void *address, u32 value) {
	*(volatile u32 *)address = value;
}

#endif
