/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * TLB flushes and page-table roots.
 *
 * With PCIDs the guest kernel's root runs under PCID 1 and its user root under
 * PCID 2, of whatever vCPU is current: going to and fro between them then keeps
 * both sets of translations (bit 63 of CR3, vcpu.noflush), and loading another
 * root under the same PCID drops the old set. Without PCIDs nothing is global, and
 * every load of a root drops everything (docs/decisions/0002-disk-path.md).
 *
 * Other CPUs. A CPU holds translations of the domain of its current vCPU and of
 * no other, for every switch drops them; so a look at `current` tells whom to ask.
 * Whoever is about to switch to the domain and not seen yet loads its root later
 * than the tables were changed. Requests are counted, sent to all, then awaited;
 * a CPU answers between two instructions of a guest, when idle, or while it waits
 * itself (cpu_relax), which is why all locks may be held meanwhile.
 *
 * The clock is read before a flush and noted after it, so a reference that was
 * dropped in between is taken for one that the flush may have missed.
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
	u32 clock = atomic_add(&tlb_clock, 1) + 1;

	if (features.invpcid) {
		invpcid(INVPCID_ALL, 0, 0);
	} else if (features.pcid) {
		/* Toggling PGE drops everything, of all PCIDs. */
		u64 cr4 = features.cr4 | cpu->current->cr4;

		write_cr4(cr4 & ~CR4_PGE);
		write_cr4(cr4);
	} else {
		write_cr3(read_cr3());
	}
	atomic_store(&cpu->tlb_clock, clock);
}

void tlb_serve(struct cpu *cpu) {
	u32 request = atomic_load(&cpu->flush_request);

	if (likely(request == cpu->flush_done)) return;
	tlb_flush_local();
	atomic_store(&cpu->flush_done, request);
}

void cpu_relax(void) {
	__asm__ volatile("pause" ::: "memory");
	tlb_serve(this_cpu());
}

static inline bool flushed_since(const struct cpu *cpu, u32 stamp) {
	return (s32)(atomic_load(&cpu->tlb_clock) - stamp) > 0;
}

/* Which CPUs are to flush: those that run a vCPU ... */
struct audience {
	const struct domain *domain; /* ... of this domain, */
	const u64 *vcpus;            /* of this set (NULL: any), */
	bool mappers;                /* or of any that maps grants, */
	bool once;                   /* unless they have flushed since `stamp` */
	u32 stamp;
};

static bool is_concerned(const struct cpu *cpu, const struct vcpu *v, const struct audience *a) {
	if (v->domain != a->domain && !(a->mappers && v->domain && v->domain->maps_made))
		return false;
	if (a->vcpus && !(a->vcpus[v->id / 64] >> (v->id % 64) & 1)) return false;
	return !a->once || !flushed_since(cpu, a->stamp);
}

/* Other CPUs than this one flush; waits until they have. */
static void flush_others(const struct audience *audience) {
	u32 ticket[MAX_CPUS];
	u64 asked = 0;

	for (u32 i = 0; i < cpu_count; i++) {
		struct cpu *cpu = cpu_by_id(i);

		if (cpu == this_cpu() || !is_concerned(cpu, atomic_load(&cpu->current), audience))
			continue;
		asked |= 1UL << i;
		ticket[i] = atomic_add(&cpu->flush_request, 1) + 1;
		lapic_send(cpu->apic_id, VECTOR_KICK);
	}
	for (; asked; asked &= asked - 1) {
		u32 i = (u32)__builtin_ctzl(asked);

		while ((s32)(atomic_load(&cpu_by_id(i)->flush_done) - ticket[i]) < 0) cpu_relax();
	}
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
	if (unlikely(cpu_count > 1)) flush_others(&(struct audience){.domain = d});
}

int tlb_flush_vcpus(gva_t bitmap) {
	u64 vcpus[DOMAIN_MAX_VCPUS / 64] = {~0UL, ~0UL};
	const struct audience named = {.domain = current_vcpu()->domain, .vcpus = vcpus};

	if (bitmap != TLB_ALL_VCPUS &&
	    copy_from_guest(vcpus, bitmap, DIV_UP(named.domain->max_vcpus, 64) * sizeof(u64)))
		return -EFAULT;
	if (unlikely(cpu_count > 1)) flush_others(&named);
	return 0;
}

void tlb_flush_later(struct vcpu *v) { atomic_or(&v->work, WORK_TLB); }

void tlb_flush_frames(struct domain *d) { tlb_flush_since(d, atomic_load(&tlb_clock)); }

/* A CPU may know the frames as its own, or by a grant. */
void tlb_flush_since(struct domain *d, u32 stamp) {
	const struct audience all = {.domain = d, .mappers = true, .once = true, .stamp = stamp};

	if (!flushed_since(this_cpu(), stamp)) tlb_flush_local();
	if (unlikely(cpu_count > 1)) flush_others(&all);
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
	u32 clock = features.pcid ? 0 : atomic_add(&tlb_clock, 1) + 1;

	/* Whatever the PCIDs held was another root's, or another vCPU's. */
	v->cr3_kernel &= ~CR3_NOFLUSH;
	v->cr3_user &= ~CR3_NOFLUSH;
	write_cr3(v->kernel_mode ? v->cr3_kernel : v->cr3_user);
	if (v->kernel_mode)
		v->cr3_kernel |= v->noflush;
	else
		v->cr3_user |= v->noflush;
	if (!features.pcid) atomic_store(&this_cpu()->tlb_clock, clock);
}
