/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * CPUID as guests see it: the hardware's answers through masks of what a PV
 * guest can use, and the leaves of the Xen ABI. A feature that is not in a mask
 * is hidden, so what a future CPU adds stays hidden until somebody looks at it.
 */
#include "cpu/asm.h"
#include "cpu/cpu.h"
#include "cpu/time.h"
#include "lib/string.h"

#define XEN_LAST_LEAF (XEN_CPUID_FIRST_LEAF + 5)
#define XEN_VERSION   (4U << 16 | 17)
#define TSC_NEVER     2U /* tsc_mode: RDTSC is never emulated */

#define BIT(n)      (1U << (n))
#define ALL         0xffffffffU
#define ANY_SUBLEAF ALL
#define XSAVE       BIT(26) /* leaf 1 ecx, and what needs it: */
#define OSXSAVE     BIT(27)
#define AVX_LEAF1   (BIT(12) | BIT(28) | BIT(29))
#define AVX_LEAF7   (BIT(5) | BIT(16) | BIT(17) | BIT(21) | BIT(28) | BIT(30) | BIT(31))
#define XSAVE_FORMS 7U /* XSAVEOPT XSAVEC XGETBV(1) */
#define HYPERVISOR  BIT(31)
#define COMMON_EDX  (LEAF1_EDX & 0x0183f3ffU) /* AMD repeats these of leaf 1 in 0x80000001 */
#define ONE_CPU     (1U << 16)                /* leaf 1 ebx: logical CPUs; id in the top byte */

/* Leaf 1 edx: FPU DE TSC MSR PAE MCE CX8 APIC SEP MCA CMOV PAT CLFSH MMX FXSR SSE SSE2 SS HTT */
#define LEAF1_EDX 0x1f89cbf5U
/* Leaf 1 ecx: SSE3 PCLMUL SSSE3 FMA CX16 SSE4.1 SSE4.2 MOVBE POPCNT AES XSAVE AVX F16C RDRAND */
#define LEAF1_ECX 0x76d83203U
/*
 * Leaf 7 ebx: BMI1 AVX2 BMI2 ERMS AVX512F DQ RDSEED ADX IFMA CLFLUSHOPT CLWB CD SHA BW VL. Not
 * FSGSBASE: a PV Linux that finds it reads and writes the inactive GS base at each change of
 * threads, a trap and a hypercall; without it, it knows what the bases are.
 */
#define LEAF7_EBX 0xf1af0328U
/* Leaf 7 ecx: VBMI VBMI2 GFNI VAES VPCLMUL VNNI BITALG VPOPCNTDQ */
#define LEAF7_ECX 0x00005f42U
/* Leaf 7 edx: 4VNNIW 4FMAPS FSRM VP2INTERSECT */
#define LEAF7_EDX 0x0000011cU
/* Leaf 0x80000001 ecx: LAHF CMPLEG ABM SSE4A MISALIGN 3DNOWP XOP FMA4 TBM */
#define EXT1_ECX  0x002109e3U
/* Leaf 0x80000001 edx: SYSCALL NX MMXEXT FFXSR RDTSCP LM 3DNOWEXT 3DNOW */
#define EXT1_EDX  0xea500800U

/* eax, ebx, ecx, edx: what passes. A leaf that is not here is all zeros. */
static const struct {
	u32 first, last; /* leaves */
	u32 subleaf, mask[4];
} policy[] = {
	{0, 0, ANY_SUBLEAF, {ALL, ALL, ALL, ALL}},
	{1, 1, ANY_SUBLEAF, {ALL, 0xffff, LEAF1_ECX, LEAF1_EDX}},
	{2, 2, ANY_SUBLEAF, {ALL, ALL, ALL, ALL}},   /* caches */
	{4, 4, ANY_SUBLEAF, {0x3ff, ALL, ALL, ALL}}, /* caches; one CPU shares each */
	{7, 7, 0, {0, LEAF7_EBX, LEAF7_ECX, LEAF7_EDX}},
	{0xd, 0xd, ANY_SUBLEAF, {ALL, ALL, ALL, ALL}}, /* see adjust() */
	{0x80000000, 0x80000000, ANY_SUBLEAF, {ALL, ALL, ALL, ALL}},
	{0x80000001, 0x80000001, ANY_SUBLEAF, {ALL, ALL, EXT1_ECX, EXT1_EDX | COMMON_EDX}},
	{0x80000002, 0x80000006, ANY_SUBLEAF, {ALL, ALL, ALL, ALL}}, /* name; caches */
	{0x80000007, 0x80000007, ANY_SUBLEAF, {0, 0, 0, BIT(8)}},    /* invariant TSC */
	{0x80000008, 0x80000008, ANY_SUBLEAF, {0xffff, 0, 0, 0}},    /* address widths */
};

static void xen_leaf(u32 leaf, u32 subleaf, u32 out[4]) {
	u32 tsc = (tsc_stable ? XEN_CPUID_HOST_TSC_RELIABLE : 0) |
		  (features.rdtscp ? XEN_CPUID_RDTSCP_INSTR_AVAIL : 0);
	struct vcpu_time_info scale;

	time_scale(&scale);
	/* leaf, subleaf, eax, ebx, ecx, edx; all else is zeros */
	const u32 answers[][6] = {
		{0, ANY_SUBLEAF, XEN_LAST_LEAF, XEN_CPUID_SIGNATURE_EBX, XEN_CPUID_SIGNATURE_ECX,
		 XEN_CPUID_SIGNATURE_EDX},
		{1, ANY_SUBLEAF, XEN_VERSION},
		/* The number of hypercall pages, and the MSR that would fill them. */
		{2, ANY_SUBLEAF, 1, XEN_CPUID_FIRST_LEAF,
		 XEN_CPUID_FEAT1_MMU_PT_UPDATE_PRESERVE_AD},
		{3, 0, tsc, TSC_NEVER, (u32)tsc_khz},
		{3, 1, 0, 0, scale.tsc_to_system_mul, (u8)scale.tsc_shift},
		{3, 2, (u32)tsc_khz},
		{5, 0, 0, features.physical_bits},
	};

	memset(out, 0, 4 * sizeof(*out));
	for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
		const u32 *a = answers[i];

		if (leaf == XEN_CPUID_FIRST_LEAF + a[0] && (a[1] == ANY_SUBLEAF || a[1] == subleaf))
			memcpy(out, a + 2, 4 * sizeof(*out));
	}
}

static void apply_policy(u32 leaf, u32 subleaf, u32 out[4]) {
	const u32 *mask = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(policy); i++)
		if (leaf >= policy[i].first && leaf <= policy[i].last &&
		    (policy[i].subleaf == ANY_SUBLEAF || policy[i].subleaf == subleaf))
			mask = policy[i].mask;
	for (unsigned i = 0; i < 4; i++) out[i] &= mask ? mask[i] : 0;
}

/* What depends on the machine as it is set up, or on the asking vCPU. */
static void adjust(struct vcpu *v, u32 leaf, u32 subleaf, u32 out[4]) {
	if (leaf == 0) {
		out[0] = MIN(out[0], 0xdU);
	} else if (leaf == 0x80000000) {
		out[0] = MIN(out[0], 0x80000008U);
	} else if (leaf == 1) {
		out[1] |= ONE_CPU | v->id << 24;
		out[2] |= HYPERVISOR;
		if (!features.xsave)
			out[2] &= ~(XSAVE | AVX_LEAF1);
		else if (v->kernel_mode || v->cr4 & CR4_OSXSAVE)
			out[2] |= OSXSAVE;
	} else if (leaf == 7 && !features.xsave) {
		out[1] &= ~AVX_LEAF7;
	} else if (leaf == 0xd && subleaf == 0) {
		/* ebx is the size for XCR0 as it is loaded, which is the guest's own. */
		out[0] = (u32)features.xcr0;
		out[2] = features.xsave_size;
		out[3] = 0;
	} else if (leaf == 0xd && subleaf == 1) {
		out[0] &= XSAVE_FORMS;
		out[1] = out[2] = out[3] = 0;
	} else if (leaf == 0x80000001 && !features.amd) {
		out[3] &= ~COMMON_EDX;
	}
	if (leaf == 0xd &&
	    (!features.xsave || (subleaf > 1 && (subleaf > 63 || !(features.xcr0 >> subleaf & 1)))))
		memset(out, 0, 4 * sizeof(*out));
}

void cpuid_guest(struct vcpu *v, u32 leaf, u32 subleaf, u32 out[4]) {
	if (leaf >> 16 == XEN_CPUID_FIRST_LEAF >> 16) {
		xen_leaf(leaf, subleaf, out);
		return;
	}
	cpuid_host(leaf, subleaf, out);
	apply_policy(leaf, subleaf, out);
	adjust(v, leaf, subleaf, out);
}
