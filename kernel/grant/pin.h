/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Taking a grant into use. An entry is eight bytes in a page that the granter
 * writes at will: flags and domid in the low word, the frame in the high one.
 * Taking it is one compare-and-swap on the low word, which checks and marks in
 * the same step; the frame is read once, afterwards, and checked against the
 * frame table. A granter who changes the entry meanwhile only changes what it
 * grants.
 *
 * Results are GNTST_*. All of it is inline: mapping and copying grants is what
 * servers do all day, with `readonly` known in advance.
 */
#ifndef KERNEL_GRANT_PIN_H
#define KERNEL_GRANT_PIN_H

#include "cap/cap.h"
#include "entry/hypercall.h"
#include "grant/grant.h"
#include "mem/frame.h"

#define PIN_TRIES         5
#define PIN_READ          1U       /* grant_pins: uses for reading in the low half, */
#define PIN_WRITE         0x10000U /* uses for writing in the high half */
#define PIN_MAX           0xffffU
#define GRANT_DOMID_SHIFT 16 /* in an entry's low word */

/* What one element costs of a hypercall's budget. */
#define GRANT_UNITS 16

static inline u32 *grant_head(struct domain *d, u32 ref) { return (u32 *)&d->grant_entries[ref]; }

/* The domain that a grant operation names. */
MUST_CHECK static inline int grant_resolve(struct domain *caller, u16 domid, u32 rights,
					   struct domain **d) {
	int error;

	*d = caller;
	if (domid == caller->id) return GNTST_okay;
	*d = cap_resolve_domid(caller, domid, rights, &error);
	if (likely(*d)) return GNTST_okay;
	return error == -EPERM ? GNTST_permission_denied : GNTST_bad_domain;
}

/* Counts the pin if the entry permits it; the flags in it follow the counts. */
static inline int grant_pin_locked(struct domain *d, u32 ref, u16 user, bool readonly)
	REQUIRES(d->grant_lock) {
	u32 *head = grant_head(d, ref), *pins = &d->grant_pins[ref];
	u32 old = atomic_load_relaxed(head);
	u32 mark = readonly ? GTF_reading : GTF_reading | GTF_writing;
	u32 looked_at = 0xffffU << GRANT_DOMID_SHIFT | GTF_type_mask | GTF_sub_page |
			(readonly ? 0 : GTF_readonly);
	u32 wanted = (u32)user << GRANT_DOMID_SHIFT | GTF_permit_access;
	unsigned tries;

	if (unlikely((readonly ? *pins & PIN_MAX : *pins / PIN_WRITE) == PIN_MAX))
		return GNTST_general_error; /* as many as can be counted */
	for (tries = 0; tries < PIN_TRIES; tries++) {
		if (unlikely((old & looked_at) != wanted)) return GNTST_general_error;
		if ((old & mark) == mark || likely(atomic_cas(head, &old, old | mark))) {
			*pins += readonly ? PIN_READ : PIN_WRITE;
			return GNTST_okay;
		}
	}
	return GNTST_general_error; /* the granter keeps changing it */
}

/* Marks an entry in use for `user`, and says which frame it grants. */
MUST_CHECK static ALWAYS_INLINE int
grant_pin(struct domain *granter, u32 ref, const struct domain *user, bool readonly, mfn_t *mfn) {
	int status;

	if (unlikely(ref >= granter->grant_frames * GRANT_ENTRIES_PER_FRAME))
		return GNTST_bad_gntref;
	lock_take(&granter->grant_lock);
	status = grant_pin_locked(granter, ref, user->id, readonly);
	lock_drop(&granter->grant_lock);
	*mfn = atomic_load_relaxed(grant_head(granter, ref) + 1);
	return status;
}

static inline void grant_unpin(struct domain *granter, u32 ref, bool readonly) {
	u32 *pins = &granter->grant_pins[ref];
	u32 left;

	lock_take(&granter->grant_lock);
	left = *pins -= readonly ? PIN_READ : PIN_WRITE;
	if (left < PIN_WRITE)
		atomic_and(grant_head(granter, ref),
			   left ? ~GTF_writing : ~(GTF_writing | GTF_reading));
	lock_drop(&granter->grant_lock);
}

/* A reference to a frame of d, for writing also a type reference. */
MUST_CHECK static ALWAYS_INLINE int grant_hold(struct domain *d, mfn_t mfn, bool readonly) {
	struct frame *f;

	if (unlikely(!mfn_valid(mfn))) return GNTST_bad_page;
	f = mfn_to_frame(mfn);
	if (unlikely(atomic_load_relaxed(&f->state) & FRAME_CORE)) return GNTST_bad_page;
	if (readonly) return likely(frame_get(f, d)) ? GNTST_okay : GNTST_bad_page;
	return likely(!frame_get_type(f, d, TYPE_WRITABLE)) ? GNTST_okay : GNTST_general_error;
}

static inline void grant_drop(mfn_t mfn, bool readonly) {
	if (readonly)
		frame_put(mfn_to_frame(mfn));
	else
		frame_put_writable(mfn_to_frame(mfn));
}

/* True: the call's budget is used up; it is to be restarted with what is left of the array. */
static inline bool grant_pause(u64 array, u64 count, s32 units) {
	if (likely(budget_spend(units))) return false;
	hypercall_set_arg(2, array);
	hypercall_set_arg(3, count);
	return true;
}

#endif
