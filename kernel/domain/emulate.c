/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Privileged instructions of guest kernels, which arrive as #GP(0), and CPUID
 * behind the forced-emulation prefix, which arrives as #UD.
 *
 * A short list, decoded byte by byte from one private copy. What is not on it is
 * the guest's own #GP. Nothing here touches a device: ports read as all ones
 * where the guest believes that it may use them.
 */
#include "cpu/asm.h"
#include "cpu/cpu.h"
#include "domain/state.h"
#include "entry/trap.h"
#include "lib/string.h"
#include "mem/mmu_ops.h"
#include "mem/tlb.h"

#define FETCHED    16 /* bytes: more than any instruction has */
/* The core's own choices, which a guest does not see as its own. */
#define CR4_HIDDEN (CR4_PGE | CR4_PCIDE | CR4_SMEP | CR4_SMAP | CR4_OSXSAVE)

struct instruction {
	union {
		u8 byte[FETCHED];
		u64 words[FETCHED / sizeof(u64)];
	};
	unsigned length; /* bytes that could be read */
	unsigned at;     /* the next one to look at */
	u8 rex;
	bool operand16;
};

/* Up to the end of the page if the next one is not there. */
static bool fetch(struct vcpu *v, struct instruction *in) {
	u64 rip = v->regs.rip, room = PAGE_SIZE - (rip & ~PAGE_MASK);

	in->length = FETCHED;
	in->at = in->rex = 0;
	in->operand16 = false;
	if (likely(!guest_load_pair(in->words, rip))) return true;
	in->length = (unsigned)room;
	return room < FETCHED && !copy_from_guest(in->byte, rip, room);
}

/* The next byte; past the end there are bytes that no instruction here continues with. */
static u8 next(struct instruction *in) { return in->at < in->length ? in->byte[in->at++] : 0xff; }

/* Segments, operand and address size, repetition; then REX, and the opcode. */
static u8 skip_prefixes(struct instruction *in) {
	u8 b = next(in);

	for (; (b & 0xe7) == 0x26 || b == 0x64 || b == 0x65 || b == 0x66 || (b & 0xfe) == 0xf2;
	     b = next(in))
		in->operand16 |= b == 0x66;
	if ((b & 0xf0) != 0x40) return b;
	in->rex = b;
	return next(in);
}

/* --- Ports --- */

/* By virtual IOPL, or the process's bitmap; both mean: it may try. */
static bool port_allowed(const struct vcpu *v, u16 port, unsigned bytes) {
	if (v->iopl >= (v->kernel_mode ? 1 : 3)) return true;
	for (unsigned i = 0; i < bytes; i++) {
		u32 p = (u32)port + i;
		u8 bits;

		if (p >= v->iobitmap_ports || copy_from_guest(&bits, v->iobitmap + p / 8, 1) ||
		    (bits >> (p % 8) & 1))
			return false;
	}
	return true;
}

static void set_low(u64 *reg, unsigned bytes, u64 value) {
	if (bytes == 4)
		*reg = (u32)value;
	else if (bytes == 2)
		*reg = (*reg & ~0xffffUL) | (u16)value;
	else
		*reg = (*reg & ~0xffUL) | (u8)value;
}

static bool port_access(struct vcpu *v, struct instruction *in, u8 op) {
	struct regs *r = &v->regs;
	unsigned bytes = !(op & 1) ? 1 : in->operand16 ? 2 : 4;
	bool input = !(op & 2);

	/* INS and OUTS would move memory: nobody has a use for them here. */
	u16 port = op < 0xe8 ? next(in) : (u16)r->rdx;
	if (!port_allowed(v, port, bytes)) return false;
	if (input) set_low(&r->rax, bytes, ~0UL);
	return true;
}

/* --- Model-specific registers --- */

#define MISC_ENABLE_NO_PEBS_BTS (3UL << 11)
#define EFER_GUEST              0xd01UL

/*
 * Registers that are there in name only: what they read as, and what becomes of
 * a write. All others fault.
 */
enum msr_write { FAULT, DROP, SAME };
static const struct msr_rule {
	u32 msr;
	enum msr_write write;
	const bool *vendor; /* only on CPUs where this is true; NULL: all */
	u64 value;
} msr_rules[] = {
	{0x017, FAULT, &features.intel, 0},                          /* PLATFORM_ID */
	{0x03a, FAULT, &features.intel, 1},                          /* FEATURE_CONTROL: locked */
	{0x08b, SAME, NULL, 0},                                      /* UCODE_REV */
	{0x179, FAULT, NULL, 0},                                     /* MCG_CAP: no banks */
	{0x17a, DROP, NULL, 0},                                      /* MCG_STATUS */
	{0x198, FAULT, NULL, 0},                                     /* PERF_STATUS */
	{0x199, DROP, NULL, 0},                                      /* PERF_CTL */
	{0x1a0, DROP, &features.intel, MISC_ENABLE_NO_PEBS_BTS | 1}, /* MISC_ENABLE */
	{0x277, FAULT, NULL, PAT_VALUE},                             /* PAT */
	{0x345, FAULT, NULL, 0},                                     /* PERF_CAPABILITIES */
	{0xda0, SAME, NULL, 0},                                      /* XSS */
	{0xc0000080, SAME, NULL, EFER_GUEST},                        /* EFER */
	{0xc0010015, DROP, &features.amd, 0},                        /* HWCR */
	{0xc001001f, DROP, &features.amd, 0},                        /* NB_CFG */
	{0xc0010063, FAULT, &features.amd, 0},                       /* P-state status */
	{0xc0011029, DROP, &features.amd, 2},                        /* DE_CFG: LFENCE serialises */
};

static const struct msr_rule *msr_rule(u32 msr) {
	for (const struct msr_rule *r = msr_rules; r < msr_rules + ARRAY_SIZE(msr_rules); r++)
		if (r->msr == msr && (!r->vendor || *r->vendor)) return r;
	return NULL;
}

/* In edx:eax. */
static void set_result(struct regs *r, u64 value) {
	r->rax = (u32)value;
	r->rdx = value >> 32;
}

static bool msr_read(struct vcpu *v, u32 msr, u64 *value) {
	switch (msr) {
	case MSR_TSC: *value = rdtsc(); return true;
	case MSR_APIC_BASE: *value = 0xfee00800 | (v->id ? 0 : 0x100); return true;
	case MSR_FS_BASE:
	case MSR_GS_BASE:
	case MSR_KERNEL_GS_BASE: *value = rdmsr(msr); return true;
	case MSR_TSC_AUX: *value = 0; return features.rdtscp;
	default: break;
	}
	const struct msr_rule *rule = msr_rule(msr);
	if (rule) *value = rule->value;
	return rule;
}

static bool msr_write(u32 msr, u64 value) {
	if (msr >= MSR_FS_BASE && msr <= MSR_KERNEL_GS_BASE) {
		if (!guest_address_ok(value)) return false;
		wrmsr(msr, value);
		return true;
	}
	const struct msr_rule *rule = msr_rule(msr);
	return rule && (rule->write == DROP || (rule->write == SAME && value == rule->value));
}

/*
 * Before the guest has a #GP handler, a read it should not have made gives 0
 * instead of its end: kernels probe so early.
 */
static bool rdmsr_emulate(struct vcpu *v) {
	struct regs *r = &v->regs;
	u32 msr = (u32)r->rcx;
	u64 value = 0;

	if (!msr_read(v, msr, &value) && (v->traps[VECTOR_GP].address || msr >> 16 == 0x4000))
		return false;
	set_result(r, value);
	return true;
}

/* --- Control and debug registers --- */

static bool cr_read(struct vcpu *v, unsigned cr, u64 *value) {
	switch (cr) {
	case 0: *value = (read_cr0() & ~CR0_TS) | (v->ts ? CR0_TS : 0); return true;
	case 2: *value = v->cr2; return true;
	case 3: *value = frame_to_mfn(v->root) << PAGE_SHIFT; return true;
	case 4: *value = (features.cr4 & ~CR4_HIDDEN) | v->cr4; return true;
	default: return false;
	}
}

/* A table that takes long to check: rip stays, and the instruction comes again. */
static bool cr3_write(struct vcpu *v, struct instruction *in, u64 value) {
	budget_begin(v);
	int r = deferred_finish(v);
	if (!r) r = root_set(v, value >> PAGE_SHIFT, false);
	if (r == -ERESTART) in->at = 0;
	if (r) return r == -ERESTART;
	ldt_unmap(v);
	tlb_load_root(v);
	return true;
}

static bool cr_write(struct vcpu *v, struct instruction *in, unsigned cr, u64 value) {
	u64 guest = CR4_TSD | CR4_DE | CR4_OSXSAVE | (features.fsgsbase ? CR4_FSGSBASE : 0);

	switch (cr) {
	case 0:
		if ((value ^ read_cr0()) & ~CR0_TS) return false;
		fpu_set_ts(v, value & CR0_TS);
		return true;
	case 2:
		v->cr2 = value;
		v->info->arch.cr2 = value;
		return true;
	case 3: return cr3_write(v, in, value);
	case 4:
		v->cr4 = value & guest;
		write_cr4(features.cr4 | v->cr4);
		return true;
	default: return false;
	}
}

static bool dr_access(struct vcpu *v, unsigned dr, u64 *reg, bool write) {
	if (write) return !debug_register_set(v, dr, *reg);
	*reg = (u64)do_get_debugreg(dr);
	return true;
}

static bool control_register(struct vcpu *v, struct instruction *in, u8 op) {
	u8 modrm = next(in);
	unsigned n = (modrm >> 3 & 7) | (in->rex & 4 ? 8 : 0);
	u64 *reg = regs_gpr(&v->regs, (modrm & 7) | (in->rex & 1 ? 8 : 0));

	switch (op) {
	case 0x20: return cr_read(v, n, reg);
	case 0x21: return dr_access(v, n, reg, false);
	case 0x22: return cr_write(v, in, n, *reg);
	default: return dr_access(v, n, reg, true);
	}
}

/* --- The list --- */

static bool emulate_group7(struct vcpu *v, struct instruction *in) {
	struct regs *r = &v->regs;

	switch (next(in)) {
	case 0xd1: /* XSETBV */
		return v->kernel_mode && !(u32)r->rcx && (v->cr4 & CR4_OSXSAVE) &&
		       fpu_set_xcr0(v, r->rdx << 32 | (u32)r->rax);
	case 0xf9: /* RDTSCP, with CR4.TSD */
		if (!v->kernel_mode) return false;
		r->rcx = 0; /* TSC_AUX */
		set_result(r, rdtsc());
		return true;
	default: return false;
	}
}

static bool emulate_cpuid(struct vcpu *v) {
	struct regs *r = &v->regs;
	u32 out[4];

	cpuid_guest(v, (u32)r->rax, (u32)r->rcx, out);
	r->rax = out[0];
	r->rbx = out[1];
	r->rcx = out[2];
	r->rdx = out[3];
	return true;
}

static bool emulate_two_byte(struct vcpu *v, struct instruction *in) {
	struct regs *r = &v->regs;
	u8 op = next(in);

	switch (op) {
	case 0x01: return emulate_group7(v, in);
	case 0xa2: return emulate_cpuid(v);
	default: break;
	}
	if (!v->kernel_mode) return false;
	if ((op & ~3) == 0x20) return control_register(v, in, op);
	switch (op) {
	case 0x06: /* CLTS */ fpu_set_ts(v, false); return true;
	case 0x09: /* WBINVD */ return true;
	case 0x30: return msr_write((u32)r->rcx, r->rdx << 32 | (u32)r->rax);
	case 0x31: /* RDTSC, with CR4.TSD */ set_result(r, rdtsc()); return true;
	case 0x32: return rdmsr_emulate(v);
	default: return false;
	}
}

bool emulate_privileged(struct vcpu *v) {
	struct instruction in;
	bool done = false;

	if (!fetch(v, &in)) return false;
	u8 op = skip_prefixes(&in);
	if (op == 0x0f)
		done = emulate_two_byte(v, &in);
	else if ((op & 0xf4) == 0xe4) /* IN, OUT */
		done = port_access(v, &in, op);
	else if ((op & 0xfe) == 0xfa) /* CLI, STI: without effect on the upcall mask */
		done = v->iopl >= (v->kernel_mode ? 1 : 3);
	if (done) v->regs.rip += in.at;
	return done;
}

bool emulate_invalid_opcode(struct vcpu *v) {
	static const u8 prefix[] = {XEN_EMULATE_PREFIX_BYTES, 0x0f, 0xa2};
	u8 code[sizeof(prefix)];

	if (copy_from_guest(code, v->regs.rip, sizeof(code)) || memcmp(code, prefix, sizeof(code)))
		return false;
	v->regs.rip += sizeof(prefix);
	return emulate_cpuid(v);
}
