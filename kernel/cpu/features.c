/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What this CPU can do, what the core makes of it, and the control registers
 * that follow. Required: long mode (boot/start.S says so itself), SYSCALL, NX,
 * an APIC, FXSAVE, SSE2; all else is used if it is there.
 *
 * CR4 as guests find it is not the core's: FSGSBASE is set only for a vCPU that
 * asked for it (its GS would otherwise change unseen), OSXSAVE is set always,
 * since XSAVE works for guests only then, and UMIP never, as PV kernels expect.
 */
#include "cpu/cpu.h"
#include "cpu/asm.h"

#define NAME_INTEL 0x756e6547 /* "Genu" */
#define NAME_AMD   0x68747541 /* "Auth" */
#define NAME_HYGON 0x6f677948 /* "Hygo" */
#define NAME_TCG   0x54474354 /* "TCGT" */

#define CAPABILITY_RDCL_NO 1UL
#define MSR_CAPABILITIES   0x10a

struct cpu_features features;
u64 pte_forbidden;

/* Addresses of no-ops of 3 bytes: 0f 1f 00 becomes STAC, 0f 1f 01 becomes CLAC. */
extern u64 smap_sites_start[], smap_sites_end[];

static void require(bool present, const char *what) {
	if (!present) boot_refuse("this CPU lacks %s", what);
}

void cpuid_host(u32 leaf, u32 subleaf, u32 out[4]) {
	cpuid(leaf & 0xffff0000, 0, out);
	if (leaf <= out[0])
		cpuid(leaf, subleaf, out);
	else
		out[0] = out[1] = out[2] = out[3] = 0;
}

static void find_basic(void) {
	u32 r[4];

	cpuid_host(0, 0, r);
	features.intel = r[1] == NAME_INTEL;
	features.amd = r[1] == NAME_AMD || r[1] == NAME_HYGON;
	cpuid_host(1, 0, r);
	require(r[3] & 1U << 9, "a local APIC");
	require(r[3] & 1U << 16, "the page attribute table (PAT)");
	require(r[3] & 1U << 24, "FXSAVE");
	require(r[3] & 1U << 26, "SSE2");
	features.pcid = r[2] & 1U << 17 && r[3] & 1U << 13; /* PGE drops all at once */
	features.x2apic = r[2] & 1U << 21;
	features.xsave = r[2] & 1U << 26;
	if (r[2] & 1U << 31) {
		cpuid_host(0x40000000, 0, r);
		features.tcg = r[1] == NAME_TCG;
	}
	cpuid_host(7, 0, r);
	features.fsgsbase = r[1] & 1U << 0;
	features.smep = r[1] & 1U << 7;
	features.invpcid = r[1] & 1U << 10;
	features.smap = r[1] & 1U << 20 && !features.tcg;
	features.l1tf = features.intel && !features.tcg &&
			!(r[3] & 1U << 29 && rdmsr(MSR_CAPABILITIES) & CAPABILITY_RDCL_NO);
}

static void find_extended(void) {
	u32 r[4];

	cpuid_host(0x80000001, 0, r);
	require(r[3] & 1U << 11, "the SYSCALL instruction");
	require(r[3] & 1U << 20, "no-execute page protection (NX), or the firmware turned it off");
	features.gigabyte_pages = r[3] & 1U << 26;
	features.rdtscp = r[3] & 1U << 27;
	cpuid_host(0x80000007, 0, r);
	features.invariant_tsc = r[3] & 1U << 8;
	cpuid_host(0x80000008, 0, r);
	features.physical_bits = r[0] & 0xff ? (u8)MIN(r[0] & 0xff, 52U) : 36;
}

/* The sizes are those of XCR0 as it is loaded. */
static void find_xsave(void) {
	u32 r[4];

	features.xcr0 = XCR0_X87 | XCR0_SSE;
	features.xsave_size = 512;
	if (!features.xsave) return;
	cpuid_host(0xd, 0, r);
	features.xcr0 = r[0] & (XCR0_X87 | XCR0_SSE | XCR0_AVX | XCR0_AVX512);
	if ((features.xcr0 & XCR0_AVX512) != XCR0_AVX512) features.xcr0 &= ~XCR0_AVX512;
	xsetbv(features.xcr0);
	cpuid_host(0xd, 0, r);
	features.xsave_size = r[1];
	cpuid_host(0xd, 1, r);
	features.xsaveopt = r[0] & 1;
}

static void set_control_registers(void) {
	write_cr0(CR0_PG | CR0_AM | CR0_WP | CR0_NE | CR0_ET | CR0_MP | CR0_PE);
	features.cr4 = CR4_PAE | CR4_DE | CR4_MCE | CR4_OSFXSR | CR4_OSXMMEXCPT |
		       (features.pcid ? CR4_PCIDE | CR4_PGE : 0) |
		       (features.xsave ? CR4_OSXSAVE : 0) | (features.smep ? CR4_SMEP : 0) |
		       (features.smap ? CR4_SMAP : 0);
	write_cr4(features.cr4);
	wrmsr(MSR_EFER, EFER_SCE | EFER_LME | EFER_NXE);
	wrmsr(MSR_PAT, PAT_VALUE);
}

void features_init_cpu(void) {
	set_control_registers();
	if (features.xsave) xsetbv(features.xcr0);
}

void features_init(void) {
	find_basic();
	find_extended();
	set_control_registers();
	find_xsave();
	pte_forbidden = (PTE_ADDRESS & ~((1UL << features.physical_bits) - 1)) | PTE_PWT | PTE_PCD |
			PTE_PAT;
}

void features_patch_smap(void) {
	if (!features.smap) return;
	for (const u64 *site = smap_sites_start; site < smap_sites_end; site++) {
		u8 *code = (u8 *)*site;

		code[1] = 0x01;
		code[2] = code[2] == 0 ? 0xcb : 0xca;
	}
}
