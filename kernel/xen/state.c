/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hypercalls that set a vCPU's own state: trap table, callbacks, stacks,
 * descriptor tables, segment bases, debug registers, FPU.
 */
#include "domain/state.h"
#include "cpu/asm.h"
#include "cpu/cpu.h"
#include "entry/trap.h"
#include "lib/string.h"
#include "mem/mmu_ops.h"
#include "mem/validate.h"

long do_set_trap_table(u64 table) {
	struct vcpu *v = current_vcpu();
	struct trap_info t;

	if (!table) {
		memset(v->traps, 0, PAGE_SIZE);
		return 0;
	}
	for (unsigned n = 0; n < HYPERCALL_CHUNK; n++, table += sizeof(t)) {
		if (copy_from_guest(&t, table, sizeof(t))) return -EFAULT;
		if (!t.address) return 0;
		if (!guest_address_ok(t.address)) return -EINVAL;
		v->traps[t.vector] = t;
	}
	hypercall_set_arg(1, table);
	return hypercall_restart();
}

void kernel_stack_set(struct vcpu *v, u64 sp) {
	u64 top = sp & ~15UL;

	/* The largest frame fits below it and lies in the guest's part. */
	v->kernel_stack = top >= 128 && guest_range_ok(top - 128, 128) ? top : 0;
}

long do_stack_switch(u64 ss, u64 sp) {
	(void)ss; /* frames say SEL_GUEST_DS */
	kernel_stack_set(current_vcpu(), sp);
	return 0;
}

int callback_set(struct vcpu *v, unsigned type, u64 address, bool masks) {
	if (!guest_address_ok(address)) return -EINVAL;
	v->callback[type].entry = address;
	v->callback[type].masks = masks;
	return 0;
}

long do_set_callbacks(u64 event, u64 failsafe, u64 syscall) {
	struct vcpu *v = current_vcpu();

	if (!guest_address_ok(failsafe) || !guest_address_ok(syscall) ||
	    callback_set(v, CALLBACKTYPE_event, event, true))
		return -EINVAL;
	callback_set(v, CALLBACKTYPE_failsafe, failsafe, true);
	return callback_set(v, CALLBACKTYPE_syscall, syscall, false);
}

/* Bits by type: those that can be registered, and those that are only known. */
#define CALLBACKS_USED                                                                         \
	(1U << CALLBACKTYPE_event | 1U << CALLBACKTYPE_failsafe | 1U << CALLBACKTYPE_syscall | \
	 1U << CALLBACKTYPE_sysenter | 1U << CALLBACKTYPE_syscall32)
#define CALLBACKS_KNOWN \
	(CALLBACKS_USED | 1U << CALLBACKTYPE_sysenter_deprecated | 1U << CALLBACKTYPE_nmi)

long do_callback_op(u64 command, u64 argument) {
	struct callback_register c;
	bool registers = (u32)command == CALLBACKOP_register;

	if (!registers && (u32)command != CALLBACKOP_unregister) return -ENOSYS;
	if (copy_from_guest(&c, argument,
			    registers ? sizeof(c) : sizeof(struct callback_unregister)))
		return -EFAULT;
	if (c.type >= CALLBACKTYPES || !(CALLBACKS_KNOWN >> c.type & 1)) return -ENOSYS;
	/* Only an NMI callback could be taken back, and there is none. */
	if (!registers || !(CALLBACKS_USED >> c.type & 1)) return -EINVAL;
	return callback_set(current_vcpu(), c.type, c.address,
			    c.type == CALLBACKTYPE_event || (c.flags & CALLBACKF_mask_events));
}

long do_fpu_taskswitch(u64 set) {
	fpu_set_ts(current_vcpu(), set != 0);
	return 0;
}

/* --- Descriptor tables --- */

static int segdesc_get(struct vcpu *v, mfn_t mfn) {
	if (mfn >= frame_count) return -EINVAL;
	return frame_get_type(mfn_to_frame(mfn), v->domain, TYPE_SEGDESC);
}

/* Descriptor tables are taken apart in one step: this cannot fail. */
static void segdesc_put(struct frame *f) {
	int r = frame_put_type(f);

	assert(!r, "a descriptor page holds no references");
	(void)r;
}

void gdt_release(struct vcpu *v) {
	for (unsigned i = 0; i < DIV_UP(v->gdt_entries, 512); i++)
		segdesc_put(mfn_to_frame(v->gdt_frames[i]));
	v->gdt_entries = 0;
}

int gdt_set(struct vcpu *v, const u64 *frames, u32 entries) {
	unsigned pages = DIV_UP(entries, 512), i;

	if (entries > FIRST_RESERVED_GDT_ENTRY) return -EINVAL;
	for (i = 0; i < pages; i++) {
		if (segdesc_get(v, frames[i])) {
			while (i--) segdesc_put(mfn_to_frame(frames[i]));
			return -EINVAL;
		}
	}
	gdt_release(v);
	for (i = 0; i < pages; i++) v->gdt_frames[i] = frames[i];
	v->gdt_entries = entries;
	return 0;
}

long do_set_gdt(u64 list, u64 entries) {
	struct vcpu *v = current_vcpu();
	u64 frames[FIRST_RESERVED_GDT_PAGE];

	if (entries > FIRST_RESERVED_GDT_ENTRY) return -EINVAL;
	if (copy_from_guest(frames, list, DIV_UP(entries, 512) * sizeof(u64))) return -EFAULT;
	int r = gdt_set(v, frames, (u32)entries);
	if (!r) descriptors_load_gdt(this_cpu(), v);
	return r;
}

bool ldt_fault(struct vcpu *v, u64 offset) {
	unsigned page = offset >> PAGE_SHIFT;
	struct frame *table;

	if (page >= 16 || offset / 8 >= v->ldt_entries || v->ldt_mapped[page]) return false;
	u64 *entry = table_walk_l1(v, v->ldt_base + page * PAGE_SIZE, &table);
	if (!entry) return false;
	u64 pte = atomic_load_relaxed(entry);
	table_release(v, table);
	if (!(pte & PTE_P) || segdesc_get(v, pte_mfn(pte))) return false;
	struct frame *f = mfn_to_frame(pte_mfn(pte));
	v->ldt_mapped[page] = f;
	descriptors_map_ldt(this_cpu(), page, pte_mfn(pte));
	return true;
}

void ldt_unmap(struct vcpu *v) {
	for (unsigned i = 0; i < DIV_UP(v->ldt_entries, 512); i++) {
		if (!v->ldt_mapped[i]) continue;
		if (current_vcpu() == v) descriptors_map_ldt(this_cpu(), i, 0);
		segdesc_put(v->ldt_mapped[i]);
		v->ldt_mapped[i] = NULL;
	}
}

/* --- Segment bases --- */

long do_set_segment_base(u64 which, u64 base) {
	static const u32 msr[] = {
		[SEGBASE_FS] = MSR_FS_BASE,
		[SEGBASE_GS_USER] = MSR_KERNEL_GS_BASE,
		[SEGBASE_GS_KERNEL] = MSR_GS_BASE,
	};

	if (likely((u32)which < ARRAY_SIZE(msr))) {
		if (!guest_address_ok(base)) return -EINVAL;
		wrmsr(msr[(u32)which], base);
		return 0;
	}
	if ((u32)which != SEGBASE_GS_USER_SEL) return -EINVAL;
	/* The user's is the inactive one while the guest kernel runs. */
	swap_gs();
	(void)segment_load_gs((u16)base);
	swap_gs();
	return 0;
}

/* --- Debug registers --- */

static void debug_addresses_load(const struct vcpu *v) {
	write_dr0(v->dr[0]);
	write_dr1(v->dr[1]);
	write_dr2(v->dr[2]);
	write_dr3(v->dr[3]);
}

static int dr7_check(const struct vcpu *v, u64 value, u64 *result) {
	if (value >> 32) return -EINVAL;
	if (value & 1UL << 13) /* general detect: every access to a debug register would trap */
		return -EPERM;
	for (unsigned i = 0; i < 4; i++) {
		unsigned rw = value >> (16 + i * 4) & 3;

		if (rw == 2 && !(v->cr4 & CR4_DE)) return -EINVAL;
	}
	*result = (value & ~0xd800UL) | DR7_FIXED;
	return 0;
}

int debug_register_set(struct vcpu *v, u64 reg, u64 value) {
	bool live = v == current_vcpu();
	int r;

	if (reg == 4 || reg == 5) {
		if (v->cr4 & CR4_DE) return -ENODEV;
		reg += 2;
	}
	if (reg < 4) {
		if (!guest_address_ok(value)) return -EPERM;
		v->dr[reg] = value;
		if (live && (v->dr7 & DR7_ACTIVE)) debug_addresses_load(v);
		return 0;
	}
	switch (reg) {
	case 6:
		if (value >> 32) return -EINVAL;
		v->dr6 = (value & 0xe00fUL) | DR6_FIXED;
		return 0;
	case 7:
		r = dr7_check(v, value, &value);
		if (r) return r;
		v->dr7 = value;
		if (live) debug_registers_switch(NULL, v);
		return 0;
	default: return -ENODEV;
	}
}

/* The registers are the guest's only while one of its breakpoints is on. */
void debug_registers_switch(struct vcpu *from, struct vcpu *to) {
	if (to->dr7 & DR7_ACTIVE) {
		debug_addresses_load(to);
		write_dr7(to->dr7);
	} else if (!from || (from->dr7 & DR7_ACTIVE)) {
		write_dr7(DR7_FIXED);
	}
}

long do_set_debugreg(u64 reg, u64 value) { return debug_register_set(current_vcpu(), reg, value); }

long do_get_debugreg(u64 reg) {
	struct vcpu *v = current_vcpu();

	if (reg == 4 || reg == 5) {
		if (v->cr4 & CR4_DE) return 0;
		reg += 2;
	}
	if (reg < 4) return (long)v->dr[reg];
	if (reg == 6) return (long)v->dr6;
	return reg == 7 ? (long)v->dr7 : -ENODEV;
}
