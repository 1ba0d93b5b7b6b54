/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The frame table: for every frame of RAM its owner, how often it is referred
 * to, and its one type with a type count.
 *
 * References, type and type count share one 64-bit word, so that mapping a page
 * is one compare-and-swap and no check is separate from its act. Rules:
 *   - a frame changes type only at type count zero;
 *   - every type reference is also a general reference (the two are taken and
 *     dropped together where both are meant: FRAME_ONE_WRITABLE);
 *   - the owner changes only while there is no reference but the allocation's.
 *
 *   bits  0..27  general references (an owned frame holds one: its allocation)
 *        28..53  type count
 *        54..56  type; it stays when the count falls to 0, so that mapping a
 *                data page again needs no change of type
 *        57      pinned: holds one type reference and one general reference
 *        58      valid: the contents were checked for the type
 *        59      partial: the first `progress` entries of this table hold their
 *                references, the others do not; the type is fixed, even at
 *                count 0. Validation goes on upwards from there, taking the
 *                table apart goes on downwards.
 *        60      busy: a CPU is validating it or taking it apart
 *        61      owned: belongs to `owner`
 *        62      core: memory of the core; no table, never given away
 *        63      shared: a core frame that its owner may map (shared_info, grant table)
 */
#ifndef KERNEL_MEM_FRAME_H
#define KERNEL_MEM_FRAME_H

#include "domain/domain.h"

struct frame {
	u64 state;    /* atomic, see above */
	u32 owner;    /* MFN of the owner's Domain object, 0 = nobody */
	u32 progress; /* partial: entries done. Reserve: next MFN. Else: tlb_clock when the type
			 count fell to 0 */
};

#define FRAME_REF        1UL
#define FRAME_REF_MASK   0xfffffffUL
#define FRAME_TYPE_ONE   (1UL << 28)
#define FRAME_COUNT_MASK (0x3ffffffUL << 28)
#define FRAME_TYPE_SHIFT 54
#define FRAME_TYPE_MASK  (7UL << FRAME_TYPE_SHIFT)
#define FRAME_PINNED     (1UL << 57)
#define FRAME_VALID      (1UL << 58)
#define FRAME_PARTIAL    (1UL << 59)
#define FRAME_BUSY       (1UL << 60)
#define FRAME_OWNED      (1UL << 61)
#define FRAME_CORE       (1UL << 62)
#define FRAME_SHARED     (1UL << 63)

/* Both counters stop at half their width: a sum that reaches these bits is refused. */
#define FRAME_REF_FULL   (1UL << 27)
#define FRAME_COUNT_FULL (1UL << 53)
#define FRAME_FULL       (FRAME_REF_FULL | FRAME_COUNT_FULL)

/* A frame below the end of RAM that is none: what devices have there may be mapped. */
#define FRAME_DEVICE (FRAME_CORE | FRAME_VALID | FRAME_TYPE_MASK)

/* The ABI's numbers. */
enum frame_type {
	TYPE_NONE = 0,
	TYPE_L1 = 1,
	TYPE_L2 = 2,
	TYPE_L3 = 3,
	TYPE_L4 = 4,
	TYPE_SEGDESC = 5,
	TYPE_WRITABLE = 7,
};

extern struct frame *frame_table;
extern mfn_t frame_count; /* frames [0, frame_count) have an entry; holes are FRAME_DEVICE */
extern u64 *m2p;          /* writable alias in the direct map of the M2P table */

#define M2P_INVALID (~0UL)
#define M2P_SHARED  (~1UL)

static inline bool mfn_valid(mfn_t mfn) { return mfn < frame_count; }

static inline struct frame *mfn_to_frame(mfn_t mfn) { return &frame_table[mfn]; }

static inline mfn_t frame_to_mfn(const struct frame *f) { return (mfn_t)(f - frame_table); }

static inline u64 frame_type_bits(enum frame_type type) { return (u64)type << FRAME_TYPE_SHIFT; }

/* The rare cases of the inline functions below. */
bool frame_get_slow(struct frame *f, const struct domain *d);
int frame_get_type_slow(struct frame *f, struct domain *d, enum frame_type type);
int frame_put_type_slow(struct frame *f);
void frame_put_writable_slow(struct frame *f);
void frame_untake(struct frame *f, u64 more);

static inline void frame_put(struct frame *f) {
	u64 old = atomic_sub(&f->state, FRAME_REF);

	assert(old & FRAME_REF_MASK, "a reference is dropped once");
	(void)old;
}

/* Pinning holds a type reference by itself. Errors as the ABI has them. */
MUST_CHECK int frame_pin(struct frame *f, struct domain *d, enum frame_type type);
MUST_CHECK int frame_unpin(struct frame *f);

/* A frame of the core becomes one that d may map, but never own or use as a table. */
void frame_share(struct frame *f, struct domain *d);
/* Ownership. The frame has no references; afterwards it holds its allocation's one. */
void frame_assign(struct frame *f, struct domain *d);
/*
 * Gives the allocation's reference back if it is the only one left and the
 * frame has no type in use; false: still in use. The owner is then nobody; the
 * contents are as they were: the caller scrubs.
 */
MUST_CHECK bool frame_release(struct frame *f);

/*
 * Progress of a domain's end, one frame: unpins it, takes apart what is left of
 * a half-validated table. -ERESTART: call again.
 */
MUST_CHECK int frame_relinquish(struct frame *f);

static inline enum frame_type frame_type_of(u64 state) {
	return (enum frame_type)((state & FRAME_TYPE_MASK) >> FRAME_TYPE_SHIFT);
}

/*
 * Adds references in one step if the state, under the mask `look`, is `want`. The
 * owner is compared again after the count went up: the frame may have been freed
 * and given to another in between.
 */
static ALWAYS_INLINE bool frame_take(struct frame *f, const struct domain *d, u64 look, u64 want,
				     u64 more) {
	u32 owner = (u32)d->mfn;
	u64 state = atomic_load_relaxed(&f->state);

	if (unlikely((state & look) != want || atomic_load_relaxed(&f->owner) != owner ||
		     ((state + more) & FRAME_FULL) || !atomic_cas(&f->state, &state, state + more)))
		return false;
	if (likely(atomic_load_relaxed(&f->owner) == owner)) return true;
	frame_untake(f, more);
	return false;
}

/*
 * A general reference on a frame that `d` owns. False: not d's frame, or the
 * count is full. A frame of the core that is shared with its owner counts as his.
 */
MUST_CHECK static inline bool frame_get(struct frame *f, const struct domain *d) {
	return likely(frame_take(f, d, FRAME_OWNED, FRAME_OWNED, FRAME_REF)) ||
	       frame_get_slow(f, d);
}

/* A type and a general reference, if the type is there and valid; false: nothing has changed. One
 * that another CPU takes at the same time makes it fail, too. */
static ALWAYS_INLINE bool frame_take_type(struct frame *f, const struct domain *d,
					  enum frame_type type) {
	const u64 want = FRAME_OWNED | FRAME_VALID | frame_type_bits(type);
	const u64 look = FRAME_OWNED | FRAME_VALID | FRAME_TYPE_MASK | FRAME_BUSY | FRAME_PARTIAL;

	return likely(frame_take(f, d, look, want, FRAME_TYPE_ONE + FRAME_REF));
}

/*
 * A type reference *and* a general reference. TYPE_WRITABLE: immediate. Tables
 * and descriptors: the contents are validated at the first reference.
 * 0, -EINVAL (another type, or invalid contents), -ERESTART (not done yet: call
 * again; nothing is held).
 */
MUST_CHECK static inline int frame_get_type(struct frame *f, struct domain *d,
					    enum frame_type type) {
	return frame_take_type(f, d, type) ? 0 : frame_get_type_slow(f, d, type);
}

/* A validated table in use. */
static inline bool frame_is_table(const struct frame *f, enum frame_type type) {
	u64 state = atomic_load_relaxed(&f->state);

	return (state & FRAME_VALID) && (state & FRAME_COUNT_MASK) && frame_type_of(state) == type;
}

/* frame_get_type() of what is such a table already: naming a frame here does not make it one. */
MUST_CHECK static inline bool frame_get_table(struct frame *f, struct domain *d,
					      enum frame_type type) {
	return frame_take_type(f, d, type) ||
	       (frame_is_table(f, type) && !frame_get_type_slow(f, d, type));
}

/* Not the last type reference: then nothing but the counts changes. */
static inline bool frame_put_shared(struct frame *f) {
	u64 state = atomic_load_relaxed(&f->state);

	return (state & FRAME_COUNT_MASK) > FRAME_TYPE_ONE && !(state & FRAME_BUSY) &&
	       atomic_cas(&f->state, &state, state - FRAME_TYPE_ONE - FRAME_REF);
}

/*
 * The reverse of frame_get_type. At the last type reference a table is taken
 * apart: -ERESTART means that it is not yet done and the caller still holds its
 * reference. For TYPE_WRITABLE and descriptors it always succeeds.
 */
MUST_CHECK static inline int frame_put_type(struct frame *f) {
	return likely(frame_put_shared(f)) ? 0 : frame_put_type_slow(f);
}

/* For writable frames, whose release cannot take long. */
static inline void frame_put_writable(struct frame *f) {
	if (unlikely(!frame_put_shared(f))) frame_put_writable_slow(f);
}

static inline bool frame_is_device(const struct frame *f) {
	return !((atomic_load_relaxed(&f->state) ^ FRAME_DEVICE) &
		 ~(FRAME_REF_MASK | FRAME_COUNT_MASK));
}

/* The references of a mapping of a device's frame, dropped like those of any other. */
MUST_CHECK bool frame_get_device(struct frame *f, bool writable);

static inline u64 frame_refs(const struct frame *f) {
	return atomic_load(&f->state) & FRAME_REF_MASK;
}

#endif
