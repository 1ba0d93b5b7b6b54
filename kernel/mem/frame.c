/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Frame types and references: the compare-and-swap transitions of frame.state.
 * No hardware and no locks here; tests/model runs this very file with two CPUs
 * interleaved at each atomic step.
 *
 * Life of a table:   count 0 --get--> busy --> valid, count 1 .. n
 *                      ^               |  ^            |
 *                      |     (restart) v  |            | put of the last
 *                      +--- taken apart: partial <--- busy
 *
 * While a table is busy or partial its type is fixed. A reference that is being
 * dropped stays counted until the table is taken apart, so whoever meets the
 * table half way and validates it again simply adds a reference of his own.
 */
#include "mem/frame.h"
#include "entry/hypercall.h"
#include "mem/tlb.h"
#include "mem/validate.h"

struct frame *frame_table;
mfn_t frame_count;

#define FRAME_IN_FLUX (FRAME_BUSY | FRAME_PARTIAL)

/* d owns it, and one more reference fits. */
static inline bool may_take(const struct frame *f, u64 state, const struct domain *d) {
	return (state & FRAME_OWNED) && !((state + FRAME_REF) & FRAME_REF_FULL) &&
	       atomic_load_relaxed(&f->owner) == (u32)d->mfn;
}

/* Only a compare-and-swap that another CPU won comes here without being refused. */
bool frame_get_slow(struct frame *f, const struct domain *d) {
	while (may_take(f, atomic_load_relaxed(&f->state), d))
		if (frame_take(f, d, FRAME_OWNED, FRAME_OWNED, FRAME_REF)) return true;
	return false;
}

bool frame_get_device(struct frame *f, bool writable) {
	u64 more = FRAME_REF + (writable ? FRAME_TYPE_ONE : 0),
	    state = atomic_load_relaxed(&f->state);

	do {
		if ((state + more) & FRAME_FULL) return false;
	} while (!atomic_cas(&f->state, &state, state + more));
	return true;
}

/* What frame_take added to a frame that changed hands under it. */
void frame_untake(struct frame *f, u64 more) {
	if (more == FRAME_REF)
		frame_put(f);
	else
		while (frame_put_type(f) == -ERESTART)
			this_cpu()->budget = HYPERCALL_BUDGET; /* once in a blue moon */
}

/* Leaves the busy state: flags are cleared and set, and references added, in one step. */
static void flux_end(struct frame *f, u64 clear, u64 set, u64 add) {
	u64 state = atomic_load_relaxed(&f->state);

	while (!atomic_cas(&f->state, &state, ((state & ~(FRAME_BUSY | clear)) | set) + add))
		;
}

/* The frame is ours alone (busy): checks the contents from f->progress on. */
static int validate_busy(struct frame *f, struct domain *d, enum frame_type type) {
	int r = table_validate(f, d, type);

	if (likely(!r)) {
		flux_end(f, FRAME_PARTIAL, FRAME_VALID, FRAME_TYPE_ONE + FRAME_REF);
		return 0;
	}
	if (r == -ERESTART) {
		flux_end(f, 0, FRAME_PARTIAL, 0);
		return r;
	}
	/* Invalid contents. What was counted is undone; that may itself take several calls. */
	if (table_invalidate(f, type) == -ERESTART) {
		flux_end(f, 0, FRAME_PARTIAL, 0);
	} else {
		f->progress = tlb_clock;
		flux_end(f, FRAME_PARTIAL, 0, 0);
	}
	return r;
}

int frame_get_type_slow(struct frame *f, struct domain *d, enum frame_type type) {
	u64 state = atomic_load_relaxed(&f->state);
	u64 next;
	enum frame_type old;

	for (;;) {
		if (!may_take(f, state, d) || ((state + FRAME_TYPE_ONE) & FRAME_COUNT_FULL))
			return -EINVAL;
		old = frame_type_of(state);
		if ((state & (FRAME_COUNT_MASK | FRAME_IN_FLUX)) && old != type) return -EINVAL;
		if ((state & FRAME_CORE) && type != TYPE_WRITABLE) return -EINVAL;
		if (state & FRAME_BUSY) {
			cpu_relax();
			state = atomic_load_relaxed(&f->state);
			continue;
		}
		if (old == type && (state & FRAME_VALID)) {
			/* Another CPU won the compare-and-swap before. */
			if (frame_take(f, d, ~(FRAME_REF_MASK | FRAME_COUNT_MASK),
				       state & ~(FRAME_REF_MASK | FRAME_COUNT_MASK),
				       FRAME_TYPE_ONE + FRAME_REF))
				return 0;
			state = atomic_load_relaxed(&f->state);
			continue;
		}
		if (state & FRAME_PARTIAL)
			next = state | FRAME_BUSY;
		else if (type == TYPE_WRITABLE)
			next = ((state & ~FRAME_TYPE_MASK) | frame_type_bits(type) | FRAME_VALID) +
			       FRAME_TYPE_ONE + FRAME_REF;
		else
			next = (state & ~(FRAME_TYPE_MASK | FRAME_VALID)) | frame_type_bits(type) |
			       FRAME_BUSY;
		if (atomic_cas(&f->state, &state, next)) break;
	}
	/*
	 * Freed and given to another between the look and the act: a free frame's state
	 * is the same whoever owns it. Now that it is counted, or busy, it stays his.
	 */
	if (unlikely(atomic_load_relaxed(&f->owner) != (u32)d->mfn)) {
		if (type == TYPE_WRITABLE)
			frame_put_writable(f);
		else
			flux_end(f, 0, 0, 0);
		return -EINVAL;
	}
	/*
	 * A change of type: what the TLBs still hold of the old one must go before
	 * the new one counts for anything.
	 */
	if (!(next & FRAME_PARTIAL)) {
		if (old != TYPE_NONE && old != type) tlb_flush_since(d, f->progress);
		f->progress = 0;
	}
	if (type == TYPE_WRITABLE) return 0;
	return validate_busy(f, d, type);
}

int frame_put_type_slow(struct frame *f) {
	u64 state = atomic_load_relaxed(&f->state);
	enum frame_type type;

	for (;;) {
		bool last = (state & FRAME_COUNT_MASK) == FRAME_TYPE_ONE;

		assert(state & FRAME_COUNT_MASK, "a type reference is dropped once");
		if (unlikely(state & FRAME_BUSY)) {
			cpu_relax();
			state = atomic_load_relaxed(&f->state);
			continue;
		}
		type = frame_type_of(state);
		if (last && type != TYPE_WRITABLE) {
			if (!atomic_cas(&f->state, &state, (state & ~FRAME_VALID) | FRAME_BUSY))
				continue;
			if (!(state & FRAME_PARTIAL)) f->progress = PTES_PER_TABLE;
			break;
		}
		if (last) f->progress = tlb_clock;
		if (likely(atomic_cas(&f->state, &state, state - FRAME_TYPE_ONE - FRAME_REF)))
			return 0;
	}
	int r = table_invalidate(f, type);
	if (r == -ERESTART) {
		flux_end(f, 0, FRAME_PARTIAL, 0);
		return r;
	}
	f->progress = tlb_clock;
	flux_end(f, FRAME_PARTIAL, 0, -(FRAME_TYPE_ONE + FRAME_REF));
	return 0;
}

void frame_put_writable_slow(struct frame *f) {
	u64 state = atomic_load_relaxed(&f->state);

	assert(frame_type_of(state) == TYPE_WRITABLE,
	       "a writable reference is on a writable frame");
	do {
		if ((state & FRAME_COUNT_MASK) == FRAME_TYPE_ONE) f->progress = tlb_clock;
	} while (unlikely(!atomic_cas(&f->state, &state, state - FRAME_TYPE_ONE - FRAME_REF)));
}

/*
 * Drops a type reference of a table that is, or was, pinned. What cannot be done
 * now becomes the pin's (again), unless another CPU has pinned the table anew:
 * then ours is not the last any more.
 */
static int put_or_pin(struct frame *f) {
	int r;

	do r = frame_put_type(f);
	while (r == -ERESTART && atomic_or(&f->state, FRAME_PINNED) & FRAME_PINNED);
	return r;
}

int frame_pin(struct frame *f, struct domain *d, enum frame_type type) {
	int r = frame_get_type(f, d, type);

	if (r) return r;
	if (likely(!(atomic_or(&f->state, FRAME_PINNED) & FRAME_PINNED))) return 0;
	r = put_or_pin(f);
	return r ? r : -EINVAL; /* pinned already */
}

int frame_unpin(struct frame *f) {
	if (!(atomic_and(&f->state, ~FRAME_PINNED) & FRAME_PINNED)) return -EINVAL;
	return put_or_pin(f);
}

void frame_assign(struct frame *f, struct domain *d) {
	assert(!(atomic_load(&f->state) & (FRAME_REF_MASK | FRAME_OWNED | FRAME_CORE)),
	       "only a frame nobody refers to is given");
	f->owner = (u32)d->mfn;
	f->progress = 0;
	atomic_store(&f->state, FRAME_OWNED | 1);
}

void frame_share(struct frame *f, struct domain *d) {
	f->owner = (u32)d->mfn;
	f->progress = 0;
	atomic_store(&f->state, FRAME_CORE | FRAME_SHARED | FRAME_OWNED | FRAME_VALID |
					frame_type_bits(TYPE_WRITABLE) | 1);
}

bool frame_release(struct frame *f) {
	u64 state = atomic_load_relaxed(&f->state);

	do {
		if ((state & (FRAME_REF_MASK | FRAME_COUNT_MASK | FRAME_IN_FLUX | FRAME_CORE)) != 1)
			return false;
	} while (!atomic_cas(&f->state, &state, 0));
	f->owner = 0;
	return true;
}

int frame_relinquish(struct frame *f) {
	u64 state = atomic_load(&f->state);
	int r = 0;

	if (state & FRAME_PINNED) {
		r = frame_unpin(f);
		if (r == -ERESTART) return r;
		state = atomic_load(&f->state);
	}
	/* Half validated and never finished: nobody holds it, so it is taken apart here. */
	if ((state & FRAME_PARTIAL) && !(state & FRAME_COUNT_MASK)) {
		if (!atomic_cas(&f->state, &state, state | FRAME_BUSY)) return -ERESTART;
		r = table_invalidate(f, frame_type_of(state));
		if (r)
			flux_end(f, 0, 0, 0);
		else
			flux_end(f, FRAME_PARTIAL, 0, 0);
	}
	return r;
}
