/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * TLB flushes and page-table roots.
 *
 * With PCIDs the guest kernel's root runs under PCID 1 and its user root under
 * PCID 2, of whatever vCPU is current: going to and fro between them then keeps
 * both sets of translations (bit 63 of CR3, vcpu.noflush), and loading another
 * root under the same PCID drops the old set. Without PCIDs user leaves are
 * global instead, so that they survive the way through the guest kernel, and
 * every change of the kernel root drops them.
 *
 * Only this CPU exists so far: the functions that name a domain flush here if
 * the domain's translations can be here.
 */
#include "mem/frame.h"
#include "mem/guest_copy.h"
#include "mem/tlb.h"
#include "cpu/asm.h"
#include "cpu/cpu.h"

u32 tlb_clock = 1;

#define PCID_KERNEL 1UL
#define PCID_USER   2UL
#define CR3_NOFLUSH (1UL << 63)

#define INVPCID_ADDRESS 0UL
#define INVPCID_ALL     2UL /* global entries too */

static void invpcid(u64 type, u64 pcid, gva_t va) {
	u64 descriptor[2] = {pcid, va};

	__asm__ volatile("invpcid %0, %1" : : "m"(descriptor), "r"(type) : "memory");
}

void tlb_flush_local(void) {
	struct cpu *cpu = this_cpu();

	if (features.invpcid) {
		invpcid(INVPCID_ALL, 0, 0);
	} else {
		/* Toggling PGE drops everything, of all PCIDs. */
		u64 cr4 = features.cr4 | cpu->current->cr4;

		write_cr4(cr4 & ~CR4_PGE);
		write_cr4(cr4);
	}
	cpu->tlb_clock = ++tlb_clock;
}

void tlb_flush_page_local(gva_t va) {
	if (!guest_address_ok(va)) return;
	__asm__ volatile("invlpg (%0)" : : "r"(va) : "memory");
	if (!features.pcid) return;
	/* INVLPG looks at the current PCID, the guest kernel's, and at global entries. */
	if (features.invpcid)
		invpcid(INVPCID_ADDRESS, PCID_USER, va);
	else
		current_vcpu()->cr3_user &= ~CR3_NOFLUSH;
}

void tlb_flush_domain(struct domain *d) {
	if (current_vcpu()->domain == d) tlb_flush_local();
}

void tlb_flush_later(struct vcpu *v) { atomic_or(&v->work, WORK_TLB); }

void tlb_flush_since(struct domain *d, u32 stamp) {
	(void)d;
	if ((s32)(this_cpu()->tlb_clock - stamp) <= 0) tlb_flush_local();
}

void tlb_set_roots(struct vcpu *v) {
	u64 pcid = features.pcid;

	v->noflush = pcid ? CR3_NOFLUSH : 0;
	v->cr3_kernel =
		v->root ? frame_to_mfn(v->root) << PAGE_SHIFT | (pcid ? PCID_KERNEL : 0) : 0;
	v->cr3_user = v->user_root
			      ? frame_to_mfn(v->user_root) << PAGE_SHIFT | (pcid ? PCID_USER : 0)
			      : 0;
}

void tlb_load_root(struct vcpu *v) {
	/* Whatever the PCIDs held was another root's, or another vCPU's. */
	v->cr3_kernel &= ~CR3_NOFLUSH;
	v->cr3_user &= ~CR3_NOFLUSH;
	write_cr3(v->kernel_mode ? v->cr3_kernel : v->cr3_user);
	if (v->kernel_mode)
		v->cr3_kernel |= v->noflush;
	else
		v->cr3_user |= v->noflush;
	if (!features.pcid) tlb_flush_local();
}
