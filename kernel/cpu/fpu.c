/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * FPU state. Native domains are built without SSE, so a switch to one leaves
 * the registers to the guest they belong to and only sets CR0.TS: a native that
 * touches them nevertheless traps, and sees nothing. Between two guests the
 * whole state is exchanged at the switch, never later: what is in the registers
 * while a guest runs is that guest's.
 *
 * The state is saved with every component that any guest may use (XCR0 of the
 * core), and runs with the XCR0 that the guest chose.
 */
#include "cpu/asm.h"
#include "cpu/cpu.h"
#include "lib/string.h"

#define XSAVE_HEADER  512
#define FCW_INITIAL   0x37f
#define FXSAVE_BYTES  512
#define MXCSR_VALID   0xffbfU /* without denormals-are-zero, which the oldest CPUs lack */
#define MXCSR_OFFSET  24
#define MXCSR_INITIAL 0x1f80

static void load_xcr0(struct cpu *cpu, u64 xcr0) {
	if (features.xsave && cpu->xcr0 != xcr0) {
		xsetbv(xcr0);
		cpu->xcr0 = xcr0;
	}
}

static void load_ts(struct cpu *cpu, bool ts) {
	if (cpu->ts == ts) return;
	cpu->ts = ts;
	if (ts)
		write_cr0(read_cr0() | CR0_TS);
	else
		clts();
}

static void save(void *area) {
	u32 low = (u32)features.xcr0, high = (u32)(features.xcr0 >> 32);

	if (features.xsaveopt)
		__asm__ volatile("xsaveopt64 (%0)" ::"r"(area), "a"(low), "d"(high) : "memory");
	else if (features.xsave)
		__asm__ volatile("xsave64 (%0)" ::"r"(area), "a"(low), "d"(high) : "memory");
	else
		__asm__ volatile("fxsave64 (%0)" ::"r"(area) : "memory");
}

static void restore(const void *area) {
	u32 low = (u32)features.xcr0, high = (u32)(features.xcr0 >> 32);

	if (features.xsave)
		__asm__ volatile("xrstor64 (%0)" ::"r"(area), "a"(low), "d"(high) : "memory");
	else
		__asm__ volatile("fxrstor64 (%0)" ::"r"(area) : "memory");
}

void fpu_init(void) {
	struct cpu *cpu = this_cpu();

	cpu->xcr0 = features.xcr0;
	cpu->ts = read_cr0() & CR0_TS;
	load_ts(cpu, true);
}

u64 fpu_area_size(void) { return ROUND_UP((u64)features.xsave_size, 64UL); }

static u32 *mxcsr_of(const struct vcpu *v) { return (u32 *)((u64)v->fpu + MXCSR_OFFSET); }

void fpu_reset(struct vcpu *v) {
	memset(v->fpu, 0, fpu_area_size());
	*(u16 *)v->fpu = FCW_INITIAL;
	*mxcsr_of(v) = MXCSR_INITIAL;
	if (features.xsave) /* the parts that are in the image; all else starts initialised */
		*(u64 *)((char *)v->fpu + XSAVE_HEADER) = XCR0_X87 | XCR0_SSE;
	v->xcr0 = XCR0_X87;
}

void fpu_set_image(struct vcpu *v, const void *image) {
	memcpy(v->fpu, image, FXSAVE_BYTES);
	*mxcsr_of(v) &= MXCSR_VALID; /* reserved bits would fault when the image is loaded */
}

void fpu_switch(struct vcpu *to) {
	struct cpu *cpu = this_cpu();
	struct vcpu *owner = cpu->fpu_owner;

	if (is_native(to->domain)) {
		load_ts(cpu, true);
		return;
	}
	if (owner != to) {
		load_ts(cpu, false);
		load_xcr0(cpu, features.xcr0);
		if (owner) save(owner->fpu);
		restore(to->fpu);
		cpu->fpu_owner = to;
	}
	load_xcr0(cpu, to->xcr0);
	load_ts(cpu, to->ts);
}

void fpu_unload(struct vcpu *v) {
	struct cpu *cpu = this_cpu();

	if (cpu->fpu_owner != v) return;
	load_ts(cpu, false);
	load_xcr0(cpu, features.xcr0);
	save(v->fpu);
	cpu->fpu_owner = NULL;
	/* As fpu_switch leaves it: the current one is a native, or it would be the owner. */
	load_ts(cpu, true);
}

void fpu_set_ts(struct vcpu *v, bool ts) {
	v->ts = ts;
	load_ts(this_cpu(), ts);
}

bool fpu_set_xcr0(struct vcpu *v, u64 xcr0) {
	u64 avx512 = xcr0 & XCR0_AVX512;

	if (!features.xsave || xcr0 & ~features.xcr0 || !(xcr0 & XCR0_X87) ||
	    (xcr0 & XCR0_AVX && !(xcr0 & XCR0_SSE)) ||
	    (avx512 && (avx512 != XCR0_AVX512 || !(xcr0 & XCR0_AVX))))
		return false;
	v->xcr0 = xcr0;
	load_xcr0(this_cpu(), xcr0);
	return true;
}
