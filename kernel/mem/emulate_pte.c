/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writes of a guest kernel to its own L1 tables, which it sees read-only: the
 * forms in which stock kernels do it. The faulting address is the operand's, so
 * the instruction's addressing bytes are only skipped. Whatever the form, the
 * outcome is one new entry, checked like any other, and put in place by
 * compare-and-swap: hardware and other CPUs may change A and D meanwhile.
 */
#include "entry/trap.h"
#include "mem/mmu_ops.h"
#include "mem/validate.h"

#define RFLAGS_CF         1UL
#define RFLAGS_PF         4UL
#define RFLAGS_ZF         0x40UL
#define RFLAGS_SF         0x80UL
#define RFLAGS_ARITHMETIC 0x8d5UL

enum write_op { OP_MOV, OP_XCHG, OP_CMPXCHG, OP_AND, OP_OR, OP_BIT_SET, OP_BIT_RESET };
enum source { REG, IMM, IMM8 };
enum { GROUPS = 0x10, GROUP_1 = GROUPS, GROUP_8, GROUP_11 };

/* By opcode: 0x100 for the 0f page; odd ones are the wide form of the even one before. */
static const struct form {
	u8 op, source; /* op: enum write_op + 1, or GROUP + n; 0: not known */
} forms[0x200] = {
	[0x08] = {OP_OR + 1, REG},         [0x09] = {OP_OR + 1, REG},
	[0x20] = {OP_AND + 1, REG},        [0x21] = {OP_AND + 1, REG},
	[0x80] = {GROUP_1, IMM},           [0x81] = {GROUP_1, IMM},
	[0x83] = {GROUP_1, IMM8},          [0x86] = {OP_XCHG + 1, REG},
	[0x87] = {OP_XCHG + 1, REG},       [0x88] = {OP_MOV + 1, REG},
	[0x89] = {OP_MOV + 1, REG},        [0xc6] = {GROUP_11, IMM},
	[0xc7] = {GROUP_11, IMM},          [0x1ab] = {OP_BIT_SET + 1, REG},
	[0x1b0] = {OP_CMPXCHG + 1, REG},   [0x1b1] = {OP_CMPXCHG + 1, REG},
	[0x1b3] = {OP_BIT_RESET + 1, REG}, [0x1ba] = {GROUP_8, IMM8},
};
/* Opcodes that continue in the ModRM byte. */
static const u8 groups[][8] = {
	[GROUP_1 - GROUPS] = {[1] = OP_OR + 1, [4] = OP_AND + 1},
	[GROUP_8 - GROUPS] = {[5] = OP_BIT_SET + 1, [6] = OP_BIT_RESET + 1},
	[GROUP_11 - GROUPS] = {[0] = OP_MOV + 1},
};

struct write {
	enum write_op op;
	unsigned bytes;  /* operand size */
	unsigned length; /* of the instruction */
	u64 operand;     /* value, mask, or bit number */
	u64 *reg;        /* XCHG: where the old value goes */
};

static s64 immediate(const u8 *p, unsigned bytes) {
	if (bytes == 1) return (int8_t)p[0];
	if (bytes == 2) return (int16_t)(p[0] | p[1] << 8);
	return (s32)((u32)p[0] | (u32)p[1] << 8 | (u32)p[2] << 16 | (u32)p[3] << 24);
}

/* Bytes of ModRM, SIB and displacement of a memory operand; 0: a register operand. */
static unsigned modrm_length(const u8 *p) {
	unsigned mod = p[0] >> 6, rm = p[0] & 7;
	bool sib = rm == 4;

	if (mod == 3) return 0;
	if (mod == 0) return (rm == 5 || (sib && (p[1] & 7) == 5) ? 5 : 1) + sib;
	return (mod == 1 ? 2 : 5) + sib;
}

/* 16 bytes of code, all of them there. */
static bool decode(struct vcpu *v, const u8 *start, struct write *w) {
	const u8 *p = start;
	bool half = false;
	u8 rex = 0;

	while ((*p & 0xf0) != 0x40 && (*p == 0xf0 || *p == 0x66 || *p == 0x3e || *p == 0x2e))
		half |= *p++ == 0x66;
	if ((*p & 0xf0) == 0x40) rex = *p++;
	unsigned opcode = *p++;
	if (opcode == 0x0f) opcode = 0x100 | *p++;
	unsigned sub = p[0] >> 3 & 7;
	unsigned length = modrm_length(p);
	const struct form *f = &forms[opcode];
	unsigned op = f->op >= GROUPS ? groups[f->op - GROUPS][sub] : f->op;
	if (!op || !length) return false;
	p += length;
	w->op = (enum write_op)(op - 1);
	bool bit = w->op == OP_BIT_SET || w->op == OP_BIT_RESET;
	w->bytes = !(opcode & 1) && !bit ? 1 : rex & 8 ? 8 : half ? 2 : 4;
	/* Without REX the byte registers 4..7 are AH..BH: nobody writes an entry so. */
	if (w->bytes == 1 && f->source == REG && !rex && sub >= 4) return false;
	w->reg = regs_gpr(&v->regs, sub | (rex & 4 ? 8 : 0));
	unsigned size = f->source == REG ? 0 : f->source == IMM8 ? 1 : MIN(w->bytes, 4U);
	w->operand = size ? (u64)immediate(p, size) : *w->reg;
	if (bit && size) w->operand &= w->bytes * 8 - 1;
	w->length = (unsigned)(p - start) + size;
	/* A bit number in a register can reach beyond the operand. */
	return !bit || w->operand < w->bytes * 8;
}

/* The operand's new value; false: the comparison of a CMPXCHG failed. */
static bool compute(const struct vcpu *v, const struct write *w, u64 old, u64 mask, u64 *result) {
	switch (w->op) {
	case OP_CMPXCHG:
		if ((v->regs.rax ^ old) & mask) return false;
		break;
	case OP_AND: *result = old & w->operand; return true;
	case OP_OR: *result = old | w->operand; return true;
	case OP_BIT_SET: *result = old | 1UL << w->operand; return true;
	case OP_BIT_RESET: *result = old & ~(1UL << w->operand); return true;
	default: break;
	}
	*result = w->operand;
	return true;
}

static void set_operand(u64 *reg, u64 value, unsigned bytes, u64 mask) {
	*reg = bytes == 4 ? value & mask : (*reg & ~mask) | (value & mask);
}

/* The parity flag: even number of ones in the low byte. */
static bool even_parity(u64 value) {
	value ^= value >> 4;
	return !(0x6996U >> (value & 0xf) & 1);
}

/* Flags and registers as the instruction leaves them; `old` and `result` are operand values. */
static void retire(struct vcpu *v, const struct write *w, u64 old, u64 result, u64 mask,
		   bool equal) {
	struct regs *r = &v->regs;
	u64 sign = 1UL << (w->bytes * 8 - 1);

	switch (w->op) {
	case OP_XCHG: set_operand(w->reg, old, w->bytes, mask); break;
	case OP_CMPXCHG:
		r->rflags &= ~RFLAGS_ARITHMETIC;
		if (equal)
			r->rflags |= RFLAGS_ZF | RFLAGS_PF;
		else
			set_operand(&r->rax, old, w->bytes, mask);
		break;
	case OP_BIT_SET:
	case OP_BIT_RESET: r->rflags = (r->rflags & ~RFLAGS_CF) | (old >> w->operand & 1); break;
	case OP_AND:
	case OP_OR:
		r->rflags &= ~RFLAGS_ARITHMETIC;
		r->rflags |= (result & mask ? 0 : RFLAGS_ZF) | (result & sign ? RFLAGS_SF : 0) |
			     (even_parity(result & 0xff) ? RFLAGS_PF : 0);
		break;
	default: break;
	}
	r->rip += w->length;
}

/* entry: the one written to, its table referenced. False: the guest gets its fault. */
static bool write_entry(struct vcpu *v, const struct write *w, u64 *entry, unsigned shift) {
	u64 mask = w->bytes == 8 ? ~0UL : (1UL << w->bytes * 8) - 1;
	u64 old = atomic_load_relaxed(entry);

	/* A whole entry, whatever was there: unmapping does nothing else. */
	if (w->bytes == 8 && w->op <= OP_XCHG) {
		if (l1_replace(v->domain, entry, w->operand, &old)) return false;
		if (w->op == OP_XCHG) *w->reg = old;
		v->regs.rip += w->length;
		return true;
	}
	/* A CPU that sets A or D between load and swap makes one try fail, not sixteen. */
	for (unsigned tries = 0; tries < 16; tries++) {
		u64 part = old >> shift & mask, result;

		if (!compute(v, w, part, mask, &result)) {
			retire(v, w, part, part, mask, false);
			return true;
		}
		result &= mask;
		int r = l1_entry_swap(v->domain, entry, &old,
				      (old & ~(mask << shift)) | result << shift);
		if (!r) retire(v, w, part, result, mask, true);
		if (r != -EAGAIN) return !r;
	}
	return true; /* it executes the instruction again */
}

bool emulate_pte_write(struct vcpu *v, gva_t address) {
	u64 mapping = table_peek(v, address);
	mfn_t mfn = pte_mfn(mapping);
	u64 *entry = (u64 *)mfn_to_virt(mfn) + ((address & ~PAGE_MASK) >> 3);
	struct frame *table = mfn_to_frame(mfn);
	struct write w;
	u8 code[16];
	bool done = false;

	if (!(mapping & PTE_P) || mfn >= frame_count || !frame_get_table(table, v->domain, TYPE_L1))
		return false;
	if (!copy_from_guest(code, v->regs.rip, sizeof(code)) && decode(v, code, &w) &&
	    !(address & (w.bytes - 1)))
		done = write_entry(v, &w, entry, (address & 7) * 8);
	if (unlikely(!frame_put_shared(table))) table_release(v, table);
	return done;
}
