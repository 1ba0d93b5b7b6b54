/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Grant copy: bytes from one page to another, each side a grant to the caller
 * or a frame of the caller's own. Nothing is mapped: both frames are in the
 * direct map, held by references for the time of the copy.
 */
#include "grant/pin.h"
#include "mem/guest_copy.h"

struct side {
	struct domain *granter; /* NULL: the caller's own frame */
	mfn_t mfn;
};

static ALWAYS_INLINE int side_acquire(struct domain *caller, const struct gnttab_copy_ptr *p,
				      bool granted, bool readonly, struct side *s) {
	int status;

	if (!granted) {
		if (unlikely(p->domid != DOMID_SELF)) {
			status = grant_resolve(caller, p->domid, RIGHT_GRANT, &s->granter);
			return status ? status : GNTST_permission_denied;
		}
		s->granter = NULL;
		s->mfn = p->u.gmfn;
		return grant_hold(caller, s->mfn, readonly);
	}
	status = grant_resolve(caller, p->domid, RIGHT_GRANT, &s->granter);
	if (unlikely(status)) return status;
	status = grant_pin(s->granter, p->u.ref, caller, readonly, &s->mfn);
	if (unlikely(status)) return status;
	status = grant_hold(s->granter, s->mfn, readonly);
	if (unlikely(status)) grant_unpin(s->granter, p->u.ref, readonly);
	return status;
}

static inline void side_release(const struct side *s, u32 ref, bool readonly) {
	grant_drop(s->mfn, readonly);
	if (s->granter) grant_unpin(s->granter, ref, readonly);
}

/* Words first: an emulated machine counts every step of a string instruction. */
static inline void copy_bytes(void *to, const void *from, u64 size) {
	u64 count = size / 8;

	__asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
	count = size % 8;
	if (count) __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
}

static inline int copy(struct domain *caller, const struct gnttab_copy *op) {
	struct side source, dest;

	/* Both are 16 bits wide: the sums do not wrap. */
	if (unlikely((u32)op->source.offset + op->len > PAGE_SIZE ||
		     (u32)op->dest.offset + op->len > PAGE_SIZE))
		return GNTST_bad_copy_arg;
	int status =
		side_acquire(caller, &op->source, op->flags & GNTCOPY_source_gref, true, &source);
	if (unlikely(status)) return status;
	status = side_acquire(caller, &op->dest, op->flags & GNTCOPY_dest_gref, false, &dest);
	if (likely(!status)) {
		copy_bytes((char *)mfn_to_virt(dest.mfn) + op->dest.offset,
			   (const char *)mfn_to_virt(source.mfn) + op->source.offset, op->len);
		side_release(&dest, op->dest.u.ref, false);
	}
	side_release(&source, op->source.u.ref, true);
	return status;
}

long grant_copy(struct vcpu *v, u64 array, u64 count) {
	struct gnttab_copy op;

	for (; count; count--, array += sizeof(op)) {
		if (grant_pause(array, count, GRANT_UNITS)) return hypercall_restart();
		if (unlikely(copy_from_guest(&op, array, sizeof(op)))) return -EFAULT;
		trace(TRACE_GRANT_COPY, (u64)op.source.domid << 32 | op.len, op.dest.domid);
		op.status = (int16_t)copy(v->domain, &op);
		if (unlikely(copy_to_guest(array + offsetof(struct gnttab_copy, status), &op.status,
					   sizeof(op.status))))
			return -EFAULT;
	}
	return 0;
}
