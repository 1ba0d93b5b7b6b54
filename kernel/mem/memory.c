/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory objects: extents of frames on their way between nobody, domains, and
 * the core's objects; and the reserve behind a domain's balloon.
 *
 *      FREE --give--> GIVEN (to its holder) --give--> GIVEN (to another)
 *       |  <---------------- reclaim ------------------+
 *       +---create----> OBJECT --reclaim--> FREE
 *
 * Long operations leave their name in the capability (CAP_F_PENDING) and how
 * many frames are done in cap.progress; only the same operation goes on from
 * there, or a reclaim, which starts anew and takes back what is there. An extent
 * is in its domain's list as soon as one frame may be the domain's.
 *
 * A frame of the reserve is the core's (FRAME_CORE) with the domain as owner; it
 * is in a list whose links are frame.progress and, backwards, the first word of
 * the page, which is otherwise zero: so a frame in the middle can be taken back.
 */
#include "mem/memory.h"
#include "cap/invoke.h"
#include "iommu/dma.h"
#include "iommu/vtd.h"
#include "lib/string.h"
#include "mem/guest_copy.h"
#include "mem/tlb.h"

#define SCRUB_CHUNK 64UL
#define PFN_LIMIT   (1UL << 40)
/* Pending only: the first half of giving on. */
#define MEMORY_PASS 0x1fU
#define RIGHTS_DOMAIN                                                                           \
	(RIGHT_COPY | RIGHT_CONTROL | RIGHT_GRANT | RIGHT_EVENT | RIGHT_SCHED | RIGHT_INSPECT | \
	 RIGHT_DEBUG)
#define RIGHTS_DMASPACE (RIGHT_COPY | RIGHT_DMA_MAP | RIGHT_DMA_EMPTY)

void frames_claim(mfn_t mfn, u64 count) {
	for (; count; count--, mfn++) {
		atomic_store(&mfn_to_frame(mfn)->state, FRAME_CORE);
		m2p[mfn] = M2P_INVALID;
	}
}

void frames_disclaim(mfn_t mfn, u64 count) {
	for (; count; count--, mfn++) {
		struct frame *f = mfn_to_frame(mfn);

		f->owner = f->progress = 0;
		atomic_store(&f->state, 0);
		m2p[mfn] = M2P_INVALID;
	}
}

/* --- The reserve; under domain.lock --- */

static inline u64 *previous_spare(mfn_t mfn) { return mfn_to_virt(mfn); }

static void spare_link(struct domain *d, struct frame *f) {
	mfn_t mfn = frame_to_mfn(f);

	f->owner = (u32)d->mfn;
	f->progress = d->spare_head;
	atomic_store(&f->state, FRAME_CORE);
	if (d->spare_head) *previous_spare(d->spare_head) = mfn;
	d->spare_head = (u32)mfn;
	d->spare++;
}

static void spare_unlink(struct domain *d, struct frame *f) {
	u64 *back = previous_spare(frame_to_mfn(f));

	if (*back)
		mfn_to_frame(*back)->progress = f->progress;
	else
		d->spare_head = f->progress;
	if (f->progress) *previous_spare(f->progress) = *back;
	*back = 0;
	f->owner = f->progress = 0;
	atomic_store(&f->state, 0);
	d->spare--;
}

static inline bool is_spare(const struct frame *f, const struct domain *d) {
	return atomic_load(&f->state) == FRAME_CORE && f->owner == d->mfn;
}

static inline bool is_owned(const struct frame *f, const struct domain *d) {
	return (atomic_load(&f->state) & FRAME_OWNED) && f->owner == d->mfn;
}

struct frame *reserve_take(struct domain *d, u64 pfn) {
	struct frame *f = NULL;

	lock_take(&d->lock);
	if (d->spare_head) {
		f = mfn_to_frame(d->spare_head);
		spare_unlink(d, f);
		frame_assign(f, d);
		m2p[frame_to_mfn(f)] = pfn;
		d->pages++;
	}
	lock_drop(&d->lock);
	return f;
}

/* Stale writable translations go before the links are written into the page. */
bool reserve_put(struct domain *d, struct frame *f) {
	u32 stamp = f->progress;

	if (!is_owned(f, d) || !frame_release(f)) return false;
	tlb_flush_since(d, stamp);
	m2p[frame_to_mfn(f)] = M2P_INVALID;
	memset(mfn_to_virt(frame_to_mfn(f)), 0, PAGE_SIZE);
	lock_take(&d->lock);
	d->pages--;
	spare_link(d, f);
	lock_drop(&d->lock);
	return true;
}

/* --- Extents --- */

static inline u32 pending(const struct cap *m) {
	return (m->flags & CAP_F_PENDING) >> CAP_F_PENDING_SHIFT;
}

static void begin(struct cap *m, u32 operation) {
	m->flags = (u16)((m->flags & ~CAP_F_PENDING) | operation << CAP_F_PENDING_SHIFT);
	m->progress = 0;
}

static void finish(struct cap *m, u8 state, struct domain *d) {
	begin(m, 0);
	m->state = state;
	m->domain = d;
}

static void extent_link(struct domain *d, struct cap *m) {
	lock_take(&d->lock);
	m->next_extent = d->extents;
	d->extents = m;
	lock_drop(&d->lock);
}

/* As many steps as the holder has extents there, at most the slots of his table. */
static void extent_unlink(struct domain *d, struct cap *m) {
	struct cap **link = &d->extents;

	lock_take(&d->lock);
	while (*link && *link != m) link = &(*link)->next_extent;
	if (*link) *link = m->next_extent;
	m->next_extent = NULL;
	lock_drop(&d->lock);
}

/*
 * Takes the next frames of the extent from d: those in its reserve, with `owned`
 * also those it owns; scrubs them if asked for. Before others see a frame, no CPU
 * translates to it any more. -EBUSY: the next one is in use.
 */
static int extent_take(struct cap *m, struct domain *d, bool owned, bool scrub) {
	mfn_t first = m->first + m->progress;
	u64 n = MIN(m->count - m->progress, SCRUB_CHUNK), done, i;

	lock_take(&d->lock);
	for (done = 0; done < n; done++) {
		struct frame *f = mfn_to_frame(first + done);

		if (is_spare(f, d)) {
			spare_unlink(d, f);
		} else if (is_owned(f, d)) {
			if (!owned || !frame_release(f)) break;
			d->pages--;
		}
		m2p[first + done] = M2P_INVALID;
	}
	lock_drop(&d->lock);
	if (done) tlb_flush_frames(d);
	for (i = 0; scrub && i < done; i++) memset(mfn_to_virt(first + i), 0, PAGE_SIZE);
	m->progress += done;
	if (done < n) return -EBUSY;
	return m->progress < m->count ? -ERESTART : 0;
}

/* Gives the next frames to d, from pfn on; the extent is in d's list. */
static int extent_assign(struct cap *m, struct domain *d, u64 pfn) {
	u64 n = MIN(m->count - m->progress, SCRUB_CHUNK), i;
	bool spare = pfn == MEMORY_SPARE;
	int r = 0;

	lock_take(&d->lock);
	for (i = 0; i < n && !r; i++) {
		mfn_t mfn = m->first + m->progress;
		struct frame *f = mfn_to_frame(mfn);

		if (d->pages + d->spare >= d->maximum_pages) {
			r = -ENOMEM;
			break;
		}
		if (spare || !(m->flags & CAP_F_MODULE)) memset(mfn_to_virt(mfn), 0, PAGE_SIZE);
		if (spare) {
			spare_link(d, f);
		} else {
			frame_assign(f, d);
			m2p[mfn] = pfn + m->progress;
			d->pages++;
		}
		m->progress++;
	}
	lock_drop(&d->lock);
	return r ? r : m->progress < m->count ? -ERESTART : 0;
}

/* --- Invocations --- */

static inline bool is_free(const struct cap *m) {
	return m->state == MEMORY_STATE_FREE && !pending(m);
}

long memory_split(struct invocation *in) {
	struct cap *m = in->cap;
	u64 frames = in->arg[0];
	struct cap tail = *m;
	int error;

	if (frames == 0 || frames >= m->count) return -EINVAL;
	if (!is_free(m)) return -EBUSY;
	struct cap *dst = cap_empty_slot(in->caller, in->arg[1], &error);
	if (!dst) return error;
	tail.first = m->first + frames;
	tail.count = m->count - frames;
	m->count = frames;
	cap_insert_sibling(dst, &tail, m, in->caller);
	return 0;
}

long memory_merge(struct invocation *in) {
	struct cap *m = in->cap;
	int error;

	struct cap *other =
		cap_lookup(in->caller, in->arg[0], CAP_MEMORY, RIGHT_MEMORY_USE, &error);
	if (!other) return error;
	if (other == m || other->first != m->first + m->count) return -EINVAL;
	if (!is_free(m) || !is_free(other)) return -EBUSY;
	m->flags &= other->flags; /* contents that both want to keep, or none */
	m->rights &= other->rights;
	m->count += other->count;
	cap_remove(other);
	return 0;
}

/* The receiver: 0 or the caller's own slot is the caller. NULL: *error. */
static struct domain *receiver(struct invocation *in, int *error) REQUIRES(tree_lock) {
	if (in->arg[0] == 0) return in->caller;
	struct cap *cap = cap_lookup(in->caller, in->arg[0], CAP_DOMAIN, RIGHT_CONTROL, error);
	if (cap && cap->domain->state == DOMAIN_STATE_DYING) {
		*error = -EBUSY;
		return NULL;
	}
	return cap ? cap->domain : NULL;
}

/*
 * Where a give stands: 0, the frames may be assigned; -ERESTART, the caller's
 * own extent is still on its way back to nobody, contents kept (MEMORY_PASS).
 */
static int give_prepare(struct cap *m, struct domain *caller, struct domain *d) {
	int r;

	if (pending(m) == MEMORY_GIVE) return m->domain == d ? 0 : -EBUSY;
	if (pending(m) && pending(m) != MEMORY_PASS) return -EBUSY;
	if ((u64)d->pages + d->spare + m->count > d->maximum_pages) return -ENOMEM;
	if (m->state != MEMORY_STATE_FREE) {
		if (m->state != MEMORY_STATE_GIVEN || m->domain != caller || d == caller)
			return -EBUSY;
		if (!pending(m)) begin(m, MEMORY_PASS);
		r = extent_take(m, caller, true, false);
		if (r) return r;
		extent_unlink(caller, m);
		m->flags |= CAP_F_MODULE;
	}
	finish(m, MEMORY_STATE_GIVEN, d);
	begin(m, MEMORY_GIVE);
	extent_link(d, m);
	return 0;
}

long memory_give(struct invocation *in) {
	struct cap *m = in->cap;
	u64 pfn = in->arg[1];
	int r = 0;

	if (pfn != MEMORY_SPARE && (m->count > PFN_LIMIT || pfn > PFN_LIMIT - m->count))
		return -EINVAL;
	struct domain *d = receiver(in, &r);
	if (!d) return r;
	r = give_prepare(m, in->caller, d);
	if (!r) r = extent_assign(m, d, pfn);
	if (r) return r;
	finish(m, MEMORY_STATE_GIVEN, d);
	m->flags &= (u16)~CAP_F_MODULE;
	return 0;
}

/* The Domain must be destroyed; one that nobody can reach any more is destroyed here. */
static int end_domain(struct domain *d) {
	int r = d->cap_count ? 0 : domain_destroy(d);

	if (r) return r;
	return domain_dissolve(d);
}

/* What nobody can reach any more is emptied here. */
static int end_dmaspace(struct cap *m) REQUIRES(tree_lock) {
	bool orphan = !m->next || m->next->depth <= m->depth;

	if (orphan && !dmaspace_empty(m->space, &m->progress)) return -ERESTART;
	if (!dmaspace_close(m->space)) return -EBUSY;
	if (!cap_revoke_some(m, NULL, SCRUB_CHUNK)) return -ERESTART;
	dmaspace_dissolve(m->space);
	m->flags &= (u16)~CAP_F_SPACE;
	return 0;
}

static int reclaim_object(struct cap *m) REQUIRES(tree_lock) {
	if (pending(m) != MEMORY_RECLAIM) {
		int r = m->flags & CAP_F_SPACE ? end_dmaspace(m) : end_domain(m->domain);

		if (r) return r;
		m->domain = NULL;
		begin(m, MEMORY_RECLAIM);
	}
	for (u64 n = MIN(m->count - m->progress, SCRUB_CHUNK); n; n--)
		memset(mfn_to_virt(m->first + m->progress++), 0, PAGE_SIZE);
	return m->progress < m->count ? -ERESTART : 0;
}

static int reclaim_given(struct cap *m, struct domain *caller) {
	struct domain *d = m->domain;
	bool quiet = d == caller || domain_is_quiet(d);

	if (!quiet && d->state == DOMAIN_STATE_DYING) return -EBUSY;
	if (pending(m) != MEMORY_RECLAIM) begin(m, MEMORY_RECLAIM);
	int r = extent_take(m, d, quiet, true);
	if (!r) extent_unlink(d, m);
	return r;
}

long memory_reclaim(struct invocation *in) {
	struct cap *m = in->cap;
	int r = 0;

	if (is_free(m)) return 0;
	if (m->state == MEMORY_STATE_OBJECT)
		r = reclaim_object(m);
	else if (m->state == MEMORY_STATE_GIVEN)
		r = reclaim_given(m, in->caller);
	if (r) return r;
	/* What is left of a creation that was never finished is not all zero. */
	if (m->state != MEMORY_STATE_FREE) m->flags |= CAP_F_MODULE;
	finish(m, MEMORY_STATE_FREE, NULL);
	return 0;
}

/* 0: there is room, and the frames of the object are zero. */
static int create_prepare(struct cap *m, u64 frames, u32 operation) {
	if (!is_free(m) && pending(m) != operation) return -EBUSY;
	if (m->count < frames) return -ENOMEM;
	if (!pending(m)) begin(m, operation);
	m->flags &= (u16)~CAP_F_MODULE;
	for (u64 n = SCRUB_CHUNK; n && m->progress < frames; n--)
		memset(mfn_to_virt(m->first + m->progress++), 0, PAGE_SIZE);
	return m->progress < frames ? -ERESTART : 0;
}

static bool name_ok(const char *name) {
	unsigned n;

	for (n = 0; n < DOMAIN_NAME && name[n]; n++)
		if (name[n] <= ' ' || name[n] > '~') return false;
	return n > 0 && n < DOMAIN_NAME;
}

long memory_create_domain(struct invocation *in) {
	struct cap *m = in->cap;
	struct cap value = {.type = CAP_DOMAIN, .rights = RIGHTS_DOMAIN, .count = 1};
	struct domain_create create;
	int r;

	if (copy_from_guest(&create, in->arg[1], sizeof(create))) return -EFAULT;
	u64 frames = domain_object_frames(&create);
	if (!frames || !create.domid || create.domid >= DOMID_FIRST_RESERVED || create.pad ||
	    !name_ok(create.name))
		return -EINVAL;
	create.frames = (u32)frames;
	if (copy_to_guest(in->arg[1], &create, sizeof(create))) return -EFAULT;
	struct cap *dst = cap_empty_slot(in->caller, in->arg[0], &r);
	if (!dst) return r;
	if (domain_find(create.domid)) return -EEXIST;
	r = create_prepare(m, frames, MEMORY_CREATE_DOMAIN);
	if (r) return r;
	value.domain = domain_create(m->first, &create);
	value.domain->object = m;
	value.first = create.domid;
	finish(m, MEMORY_STATE_OBJECT, value.domain);
	cap_insert_child(dst, &value, m, in->caller);
	return 0;
}

long memory_create_dmaspace(struct invocation *in) {
	struct cap *m = in->cap;
	struct cap value = {.type = CAP_DMASPACE, .rights = RIGHTS_DMASPACE};
	struct dmaspace_create create;
	int r;

	if (copy_from_guest(&create, in->arg[1], sizeof(create))) return -EFAULT;
	u64 frames = dmaspace_frames(&create);
	if (!frames || create.source >> 16 || !name_ok(create.name)) return -EINVAL;
	create.frames = (u32)frames;
	create.flags = iommu.levels ? DMASPACE_ENFORCED : 0;
	if (copy_to_guest(in->arg[1], &create, sizeof(create))) return -EFAULT;
	struct cap *dst = cap_empty_slot(in->caller, in->arg[0], &r);
	if (!dst) return r;
	r = dmaspace_check(create.source);
	if (r) return r;
	r = create_prepare(m, frames, MEMORY_CREATE_DMASPACE);
	if (r) return r;
	value.space = dmaspace_create(m->first, &create);
	value.count = create.slots;
	finish(m, MEMORY_STATE_OBJECT, NULL);
	m->space = value.space;
	m->flags |= CAP_F_SPACE;
	cap_insert_child(dst, &value, m, in->caller);
	return 0;
}
