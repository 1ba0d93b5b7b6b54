/* SPDX-License-Identifier: BSD-2-Clause */
#include "memory.h"

#include "libs/cap/cap.h"

/* M2P entries of frames that root has itself: apart from all PFNs of its image. */
#define SELF_PFN_BASE (1ULL << 36)

static struct extent book[MEMORY_MAX_EXTENTS];
static size_t extents;                        /* lines of the book that have been used */
static struct extent *erased;                 /* of them, those that can be used again */
static struct extent *has[MEMORY_NOBODY + 1]; /* by owner: the first of its extents */

static uint32_t slot_next, slot_end;
static uint32_t slot_pool[MEMORY_MAX_EXTENTS]; /* given back, to be used first */
static size_t slots_pooled;

void slots_init(uint32_t first, uint32_t end) {
	slot_next = first;
	slot_end = end;
	slots_pooled = 0;
	extents = 0;
	erased = NULL;
	memset(has, 0, sizeof(has));
}

uint32_t slot_take(void) {
	if (slots_pooled) return slot_pool[--slots_pooled];
	return slot_next < slot_end ? slot_next++ : 0;
}

void slot_give_back(uint32_t slot) {
	rt_assert(slots_pooled < ARRAY_SIZE(slot_pool), "no more slots come back than were taken");
	slot_pool[slots_pooled++] = slot;
}

/* An empty line of the book; NULL: it is full. */
static struct extent *line_take(void) {
	struct extent *extent = erased;

	if (extent)
		erased = extent->next;
	else if (extents < MEMORY_MAX_EXTENTS)
		extent = &book[extents++];
	return extent;
}

static void line_erase(struct extent *extent) {
	extent->next = erased;
	erased = extent;
}

/* Into its owner's list. */
static void insert(struct extent *extent) {
	struct extent **link = &has[extent->owner];

	while (*link && (*link)->mfn < extent->mfn) link = &(*link)->next;
	extent->next = *link;
	*link = extent;
}

static void move(struct extent *extent, uint16_t owner, uint64_t pfn) {
	struct extent **link = &has[extent->owner];

	while (*link != extent) link = &(*link)->next;
	*link = extent->next;
	extent->owner = owner;
	extent->pfn = pfn;
	insert(extent);
}

void memory_add(uint64_t mfn, uint64_t frames, uint32_t slot) {
	struct extent *extent = line_take();

	if (!extent) rt_panic("more pieces of memory than the book has lines");
	*extent =
		(struct extent){.mfn = mfn, .frames = frames, .slot = slot, .owner = MEMORY_NOBODY};
	insert(extent);
}

struct extent *memory_next(uint16_t owner, const struct extent *after) {
	return after ? after->next : has[owner];
}

uint64_t memory_free_frames(void) {
	uint64_t frames = 0;

	for (const struct extent *e = has[MEMORY_NOBODY]; e; e = e->next) frames += e->frames;
	return frames;
}

/* Cuts a free extent after `frames`; the tail stays free behind it. */
static bool cut(struct extent *extent, uint64_t frames) {
	struct extent *tail;
	uint32_t slot;

	if (extent->frames == frames) return true;
	tail = line_take();
	if (!tail) return false;
	slot = slot_take();
	if (!slot || cap_memory_split(extent->slot, frames, slot)) {
		if (slot) slot_give_back(slot);
		line_erase(tail);
		return false;
	}
	*tail = *extent;
	tail->slot = slot;
	tail->mfn += frames;
	tail->frames -= frames;
	extent->frames = frames;
	extent->next = tail;
	return true;
}

/* The smallest free extent of at least `frames`, or with none so large the largest. */
static struct extent *find(uint64_t frames) {
	struct extent *best = NULL;

	for (struct extent *e = has[MEMORY_NOBODY]; e; e = e->next) {
		bool fits = e->frames >= frames, best_fits = best && best->frames >= frames;

		if (!best || (fits && !best_fits) || (fits && e->frames < best->frames) ||
		    (!fits && !best_fits && e->frames > best->frames))
			best = e;
	}
	return best;
}

struct extent *memory_take_one(uint16_t owner, uint64_t pfn, uint64_t frames) {
	struct extent *extent = find(frames);

	if (!frames || !extent || extent->frames < frames || !cut(extent, frames)) return NULL;
	move(extent, owner, pfn);
	return extent;
}

bool memory_take(uint16_t owner, uint64_t pfn, uint64_t frames) {
	uint64_t left = frames;

	if (memory_free_frames() < frames) return false;
	while (left) {
		struct extent *extent = find(left);
		uint64_t part = extent ? MIN(extent->frames, left) : 0;

		if (!extent || !cut(extent, part)) return false;
		move(extent, owner, pfn);
		pfn += pfn == MEMORY_SPARE ? 0 : part;
		left -= part;
	}
	return true;
}

int memory_give_self(struct extent *extent) {
	int error = cap_memory_give(extent->slot, 0, SELF_PFN_BASE + extent->mfn);

	if (!error) extent->place = MEMORY_SELF;
	return error;
}

int memory_give(struct extent *extent, uint32_t domain_slot) {
	int error = cap_memory_give(extent->slot, domain_slot, extent->pfn);

	if (!error) extent->place = MEMORY_GIVEN;
	return error;
}

int memory_reclaim(uint16_t owner) {
	for (struct extent *e = memory_next(owner, NULL); e; e = memory_next(owner, e)) {
		int error = e->place == MEMORY_FREE ? 0 : cap_memory_reclaim(e->slot);

		if (error) return error;
		e->place = MEMORY_FREE;
	}
	return 0;
}

/* Merges a free extent with the next one, if they are adjacent. */
static bool merge(struct extent *extent) {
	struct extent *next = extent->next;

	if (!next || extent->mfn + extent->frames != next->mfn ||
	    cap_memory_merge(extent->slot, next->slot))
		return false;
	extent->frames += next->frames;
	extent->next = next->next;
	slot_give_back(next->slot);
	line_erase(next);
	return true;
}

void memory_release(uint16_t owner) {
	if (!has[owner]) return;
	while (has[owner]) {
		rt_assert(has[owner]->place == MEMORY_FREE, "only reclaimed frames are released");
		move(has[owner], MEMORY_NOBODY, 0);
	}
	for (struct extent *e = has[MEMORY_NOBODY]; e;)
		if (!merge(e)) e = e->next;
}
