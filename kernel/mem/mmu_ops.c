/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The MMU hypercalls: mmu_update, update_va_mapping, update_descriptor.
 * mem/mmuext.c has the operations on whole tables and the TLB.
 *
 * A batch keeps the table of its last update referenced until another one comes,
 * since guests update entries of one table in a row. Dropping a reference can
 * mean taking a whole tree apart; there is one place for that (v->deferred), and
 * a batch that has filled it stops and is restarted.
 */
#include "mem/mmu_ops.h"
#include "cap/cap.h"
#include "mem/tlb.h"
#include "mem/validate.h"

int deferred_finish(struct vcpu *v) {
	int r = 0;

	if (unlikely(v->deferred)) {
		r = frame_put_type(v->deferred);
		if (!r) v->deferred = NULL;
	}
	return r;
}

void table_release(struct vcpu *v, struct frame *f) {
	while (unlikely(frame_put_type(f) == -ERESTART)) {
		if (!v->deferred) {
			v->deferred = f;
			break;
		}
		/* Only when another vCPU unpinned the table under a batch that held it. */
		this_cpu()->budget = HYPERCALL_BUDGET;
	}
}

/* State of one batch. */
struct batch {
	struct vcpu *v;
	struct frame *table; /* type reference held; NULL = none */
	bool l1;             /* it is one */
};

static inline void batch_drop(struct batch *b) {
	if (b->table && unlikely(!frame_put_shared(b->table))) table_release(b->v, b->table);
	b->table = NULL;
	b->l1 = false;
}

/* Not a table: the guest writes through us what it could write itself. */
static int plain_write(struct domain *d, struct frame *f, u64 address, u64 value) {
	if ((atomic_load_relaxed(&f->state) & FRAME_CORE) || frame_get_type(f, d, TYPE_WRITABLE))
		return -EINVAL;
	*(volatile u64 *)paddr_to_virt(address) = value;
	frame_put_writable(f);
	return 0;
}

static int upper_update(struct batch *b, struct frame *f, u64 address, u64 value, bool preserve) {
	enum frame_type type = frame_type_of(atomic_load_relaxed(&f->state));

	if (type < TYPE_L1 || type > TYPE_L4 || !frame_is_table(f, type))
		return plain_write(b->v->domain, f, address, value);
	if (f != b->table && frame_get_type(f, b->v->domain, type)) return -EINVAL;
	b->table = f;
	return table_update(b->v, f, (address & ~PAGE_MASK) >> 3, value, preserve);
}

static ALWAYS_INLINE int pt_update(struct batch *b, u64 address, u64 value, bool preserve) {
	struct frame *f = mfn_to_frame(address >> PAGE_SHIFT);

	if (unlikely(address >> PAGE_SHIFT >= frame_count)) return -EINVAL;
	if (f != b->table) {
		batch_drop(b);
		if (unlikely(b->v->deferred)) return -ERESTART;
		if (likely(frame_take_type(f, b->v->domain, TYPE_L1))) {
			b->table = f;
			b->l1 = true;
		}
	}
	if (likely(b->l1)) return l1_update(b->v->domain, paddr_to_virt(address), value, preserve);
	return upper_update(b, f, address, value, preserve);
}

static int m2p_update(struct domain *d, mfn_t mfn, u64 pfn) {
	if (mfn >= frame_count) return -EINVAL;
	struct frame *f = mfn_to_frame(mfn);
	if ((atomic_load_relaxed(&f->state) & FRAME_CORE) || !frame_get(f, d)) return -EINVAL;
	m2p[mfn] = pfn;
	frame_put(f);
	return 0;
}

static ALWAYS_INLINE int update_one(void *state, const void *element) {
	const struct mmu_update *request = element;
	struct batch *b = state;
	u64 address = request->ptr & ~7UL;

	if (unlikely(!budget_spend(1))) return -ERESTART;
	switch (request->ptr & 7) {
	case MMU_NORMAL_PT_UPDATE:
	case MMU_PT_UPDATE_NO_TRANSLATE: return pt_update(b, address, request->val, false);
	case MMU_PT_UPDATE_PRESERVE_AD: return pt_update(b, address, request->val, true);
	case MMU_MACHPHYS_UPDATE:
		return m2p_update(b->v->domain, address >> PAGE_SHIFT, request->val);
	default: return -ENOSYS;
	}
}

/* The domid word of the MMU hypercalls: only the caller's own frames and tables. */
static int own_frames_only(struct domain *d, u32 word) {
	u16 owner = word >> 16;
	u16 frames = word & 0xffff;
	int error = 0;

	if (owner && owner - 1 != DOMID_SELF && owner - 1 != d->id) {
		if (!cap_resolve_domid(d, owner - 1, RIGHT_CONTROL, &error)) return error;
		return -EPERM;
	}
	if (frames == DOMID_SELF || frames == d->id) return 0;
	return cap_resolve_domid(d, frames, RIGHT_CONTROL, &error) ? -EPERM : error;
}

long do_mmu_update(u64 requests, u64 count, u64 done, u64 domid) {
	struct vcpu *v = current_vcpu();
	struct batch b = {.v = v};
	struct mmu_update request;
	long r = 0;

	budget_begin(v);
	if (unlikely(v->deferred) && deferred_finish(v)) return hypercall_restart();
	if (unlikely((u32)domid != DOMID_SELF)) r = own_frames_only(v->domain, (u32)domid);
	if (likely(!r))
		r = batch_run(v, requests, count, done, &request, sizeof(request), update_one, &b);
	batch_drop(&b);
	return r;
}

long do_update_va_mapping(u64 va, u64 pte, u64 flags) {
	struct vcpu *v = current_vcpu();
	struct frame *table;
	u64 *entry = table_walk_l1(v, va, &table);
	u64 others = flags & ~UVMF_FLUSHTYPE_MASK;

	if (unlikely(!entry)) return -EINVAL;
	int r = l1_update(v->domain, entry, pte, false);
	table_release(v, table);
	if (r || likely(!flags)) return r;
	if (others && tlb_flush_vcpus(others == UVMF_ALL ? TLB_ALL_VCPUS : others)) return -EFAULT;
	switch (flags & UVMF_FLUSHTYPE_MASK) {
	case UVMF_TLB_FLUSH: tlb_flush_later(v); return 0;
	case UVMF_INVLPG: tlb_flush_page_local(va); return 0;
	default: return flags & UVMF_FLUSHTYPE_MASK ? -EINVAL : 0;
	}
}

long do_update_descriptor(u64 address, u64 descriptor) {
	struct domain *d = current_vcpu()->domain;

	if (unlikely(address & 7 || address >> PAGE_SHIFT >= frame_count ||
		     descriptor_check(&descriptor)))
		return -EINVAL;
	struct frame *f = mfn_to_frame(address >> PAGE_SHIFT);
	bool typed = frame_is_table(f, TYPE_SEGDESC);
	if (unlikely((atomic_load_relaxed(&f->state) & FRAME_CORE) ||
		     frame_get_type(f, d, typed ? TYPE_SEGDESC : TYPE_WRITABLE)))
		return -EINVAL;
	atomic_store((u64 *)paddr_to_virt(address), descriptor);
	return frame_put_type(f);
}
