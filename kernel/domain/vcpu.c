/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A vCPU's context: how it starts, what it holds, and the switch from one to
 * another. Registers need no saving at a switch, for the entry code put them
 * into the vCPU already; what remains is what only instructions can reach:
 * segment selectors and bases, debug registers, the FPU.
 */
#include "cpu/asm.h"
#include "cpu/time.h"
#include "domain/state.h"
#include "entry/trap.h"
#include "lib/string.h"
#include "mem/mmu_ops.h"
#include "mem/tlb.h"
#include "mem/validate.h"
#include "sched/plan.h"

/* The bits of CR4 that a guest controls for itself. */
#define CR4_GUEST (CR4_TSD | CR4_DE | CR4_FSGSBASE)

void vcpu_init(struct vcpu *v, struct domain *d, u32 id) {
	void *fpu = v->fpu;
	struct trap_info *traps = v->traps;

	memset(v, 0, sizeof(*v));
	memset(traps, 0, PAGE_SIZE);
	v->fpu = fpu;
	v->traps = traps;
	v->domain = d;
	v->id = id;
	v->cpu = cpu_by_id(0);
	v->info = id < XEN_LEGACY_MAX_VCPUS ? &d->shared->vcpu_info[id] : &v->stand_in;
	v->stand_in.evtchn_upcall_mask = 1;
	v->blocked_on = BLOCK_DOWN | BLOCK_PAUSED;
	v->plan_index = PLAN_NOT_IN;
	v->dr6 = DR6_FIXED;
	v->dr7 = DR7_FIXED;
	v->runstate.state = RUNSTATE_offline;
	v->runstate.state_entry_time = time_now();
	fpu_reset(v);
}

static bool addresses_ok(const struct vcpu_guest_context *c) {
	for (unsigned i = 0; i < 256; i++)
		if (!guest_address_ok(c->trap_ctxt[i].address)) return false;
	return guest_address_ok(c->user_regs.rip) && guest_address_ok(c->event_callback_eip) &&
	       guest_address_ok(c->failsafe_callback_eip) &&
	       guest_address_ok(c->syscall_callback_eip) && guest_address_ok(c->fs_base) &&
	       guest_address_ok(c->gs_base_kernel) && guest_address_ok(c->gs_base_user);
}

static bool tables_ok(const struct vcpu_guest_context *c) {
	u64 user = c->ctrlreg[1];

	if (c->gdt_ents > FIRST_RESERVED_GDT_ENTRY || c->ldt_ents > XEN_MAX_LDT_ENTRIES)
		return false;
	if (c->ldt_ents &&
	    ((c->ldt_base & ~PAGE_MASK) || !guest_range_ok(c->ldt_base, c->ldt_ents * 8)))
		return false;
	if (c->debugreg[7] >> 32 || c->debugreg[6] >> 32 || (c->debugreg[7] & 1UL << 13))
		return false;
	/* Guest user mode needs a user page table from the first instruction. */
	if (!(c->flags & VGCF_in_kernel) && !user) return false;
	return true;
}

/* Callbacks, traps, stacks: cannot fail any more. */
static void install_entries(struct vcpu *v, const struct vcpu_guest_context *c) {
	for (unsigned i = 0; i < 256; i++) {
		v->traps[i] = c->trap_ctxt[i];
		v->traps[i].vector = (u8)i;
	}
	callback_set(v, CALLBACKTYPE_event, c->event_callback_eip, true);
	callback_set(v, CALLBACKTYPE_failsafe, c->failsafe_callback_eip,
		     c->flags & VGCF_failsafe_disables_events);
	callback_set(v, CALLBACKTYPE_syscall, c->syscall_callback_eip,
		     c->flags & VGCF_syscall_disables_events);
	kernel_stack_set(v, c->kernel_sp);
}

static void install_registers(struct vcpu *v, const struct vcpu_guest_context *c) {
	const struct cpu_user_regs *u = &c->user_regs;
	struct regs *r = &v->regs;

	memcpy(r, u, offsetof(struct regs, error_code));
	r->rip = u->rip;
	r->cs = u->cs | 3;
	r->rflags = (u->rflags & RFLAGS_GUEST) | RFLAGS_IF | RFLAGS_ONE;
	r->rsp = u->rsp;
	r->ss = u->ss | 3;
	v->iopl = u->rflags >> 12 & 3;
	v->ds = u->ds;
	v->es = u->es;
	v->fs = u->fs;
	v->gs = u->gs;
	v->fs_base = c->fs_base;
	v->kernel_mode = !!(c->flags & VGCF_in_kernel);
	v->gs_base = v->kernel_mode ? c->gs_base_kernel : c->gs_base_user;
	v->gs_base_other = v->kernel_mode ? c->gs_base_user : c->gs_base_kernel;
	v->ts = !!(c->ctrlreg[0] & CR0_TS);
	v->cr4 = c->ctrlreg[4] & CR4_GUEST & (features.fsgsbase ? ~0UL : ~CR4_FSGSBASE);
	for (unsigned i = 0; i < 4; i++)
		v->dr[i] = guest_address_ok(c->debugreg[i]) ? c->debugreg[i] : 0;
	v->dr6 = (c->debugreg[6] & 0xe00fUL) | DR6_FIXED;
	if (debug_register_set(v, 7, c->debugreg[7])) v->dr7 = DR7_FIXED;
	if (c->flags & VGCF_i387_valid) fpu_set_image(v, c->fpu_ctxt);
	v->ldt_base = c->ldt_base;
	v->ldt_entries = (u32)c->ldt_ents;
}

/*
 * References first, in an order in which a restart finds them done: the kernel
 * root, the user root, the GDT. What follows cannot fail.
 */
int vcpu_set_context(struct vcpu *v, const struct vcpu_guest_context *c) {
	struct domain *d = v->domain;
	mfn_t root = c->ctrlreg[3] >> PAGE_SHIFT, user = c->ctrlreg[1] >> PAGE_SHIFT;
	int r;

	if (v->initialised) return -EEXIST;
	if (!addresses_ok(c) || !tables_ok(c) || root >= frame_count || user >= frame_count)
		return -EINVAL;
	if (d->state == DOMAIN_STATE_BUILDING && !v->root) {
		/* The builder's root is pinned, as a guest expects (it will unpin it). */
		r = frame_pin(mfn_to_frame(root), d, TYPE_L4);
		if (r) return r;
	}
	r = root_set(v, root, false);
	if (!r) r = root_set(v, user, true);
	if (!r) r = gdt_set(v, c->gdt_frames, (u32)c->gdt_ents);
	if (r == -ERESTART) return r;
	if (r) {
		while (vcpu_clear_context(v) == -ERESTART) this_cpu()->budget = HYPERCALL_BUDGET;
		return r;
	}
	install_entries(v, c);
	install_registers(v, c);
	v->initialised = true;
	time_publish(v);
	return 0;
}

int vcpu_clear_context(struct vcpu *v) {
	struct frame **roots[] = {&v->deferred, &v->root, &v->user_root};

	gdt_release(v);
	ldt_unmap(v);
	v->ldt_entries = 0;
	if (v->info_frame) {
		frame_put_writable(v->info_frame);
		v->info_frame = NULL;
		v->info = &v->stand_in;
	}
	for (unsigned i = 0; i < ARRAY_SIZE(roots); i++) {
		if (!*roots[i]) continue;
		if (frame_put_type(*roots[i]) == -ERESTART) return -ERESTART;
		*roots[i] = NULL;
	}
	tlb_set_roots(v);
	v->initialised = false;
	return 0;
}

/* --- The switch --- */

/* False: it was not to be had, and became null. */
#define LOAD_SELECTOR(name)                                           \
	bool segment_load_##name(u16 selector) {                      \
		bool ok = true;                                       \
		__asm__ volatile("1:	mov %1, %%" #name "\n"        \
				 "2:\n"                               \
				 ".pushsection .text.fixup, \"ax\"\n" \
				 "3:	xor %k1, %k1\n"                  \
				 "	mov %1, %%" #name "\n"        \
				 "	movb $0, %0\n"                     \
				 "	jmp 2b\n"                          \
				 ".popsection\n"                      \
				 ".pushsection __ex_table, \"a\"\n"   \
				 "	.balign 4\n"                       \
				 "	.long 1b - ., 3b - .\n"            \
				 ".popsection\n"                      \
				 : "+r"(ok)                           \
				 : "r"((u32)selector)                 \
				 : "memory");                         \
		return ok;                                            \
	}

static LOAD_SELECTOR(ds) static LOAD_SELECTOR(es) static LOAD_SELECTOR(fs) LOAD_SELECTOR(gs)

	static void segments_save(struct vcpu *v) {
	__asm__ volatile("mov %%ds, %0" : "=m"(v->ds));
	__asm__ volatile("mov %%es, %0" : "=m"(v->es));
	__asm__ volatile("mov %%fs, %0" : "=m"(v->fs));
	__asm__ volatile("mov %%gs, %0" : "=m"(v->gs));
	v->fs_base = rdmsr(MSR_FS_BASE);
	v->gs_base = rdmsr(MSR_GS_BASE);
	v->gs_base_other = rdmsr(MSR_KERNEL_GS_BASE);
}

/*
 * A selector may name a descriptor that is gone: it becomes null and the guest
 * learns of it by its failsafe callback.
 */
static void segments_load(struct vcpu *v) {
	bool ok = segment_load_ds(v->ds);

	ok &= segment_load_es(v->es);
	ok &= segment_load_fs(v->fs);
	ok &= segment_load_gs(v->gs);

	wrmsr(MSR_FS_BASE, v->fs_base);
	wrmsr(MSR_GS_BASE, v->gs_base);
	wrmsr(MSR_KERNEL_GS_BASE, v->gs_base_other);
	if (unlikely(!ok)) bounce_failsafe(v, v->ds, v->es, v->fs, v->gs);
}

/* Native domains have flat segments, no FPU, no breakpoints: nothing of theirs is kept. */
void vcpu_switch(struct vcpu *from, struct vcpu *to) {
	struct cpu *cpu = this_cpu();

	if (!is_native(from->domain) && from->initialised) segments_save(from);
	atomic_store(&cpu->current, to);
	descriptors_switch(cpu, to);
	fpu_switch(to);
	if (unlikely((from->dr7 | to->dr7) & DR7_ACTIVE)) debug_registers_switch(from, to);
	if (from->cr4 != to->cr4) write_cr4(features.cr4 | to->cr4);
	tlb_load_root(to);
	if (!is_native(to->domain)) segments_load(to);
}

void vcpu_unload(struct vcpu *v) {
	struct cpu *cpu = this_cpu();

	fpu_unload(v);
	if (cpu->gdt_owner == v) descriptors_load_gdt(cpu, cpu->current);
}

void vcpu_init_nobody(struct vcpu *v, struct cpu *cpu) {
	static struct domain nowhere = {.flags = DOMAIN_NATIVE, .name = "idle"};

	v->domain = &nowhere;
	v->cpu = cpu;
	v->info = &v->stand_in;
	v->kernel_mode = true;
	v->cr3_kernel = virt_to_paddr(core_root);
	v->dr7 = DR7_FIXED;
	v->work = WORK_SWITCH;
}
