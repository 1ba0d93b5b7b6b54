/* SPDX-License-Identifier: BSD-2-Clause */
#include "memory.h"

#include "libs/cap/cap.h"

/* M2P entries of frames that root has itself: apart from all PFNs of its image. */
#define SELF_PFN_BASE (1ULL << 36)

static struct extent book[MEMORY_MAX_EXTENTS]; /* sorted by mfn */
static size_t extents;

static uint32_t slot_next, slot_end;
static uint32_t slot_pool[MEMORY_MAX_EXTENTS]; /* given back, to be used first */
static size_t slots_pooled;

void slots_init(uint32_t first, uint32_t end) {
	slot_next = first;
	slot_end = end;
	slots_pooled = 0;
	extents = 0;
}

uint32_t slot_take(void) {
	if (slots_pooled) return slot_pool[--slots_pooled];
	return slot_next < slot_end ? slot_next++ : 0;
}

void slot_give_back(uint32_t slot) {
	rt_assert(slots_pooled < ARRAY_SIZE(slot_pool), "no more slots come back than were taken");
	slot_pool[slots_pooled++] = slot;
}

static bool insert(size_t at, const struct extent *extent) {
	if (extents == MEMORY_MAX_EXTENTS) return false;
	memmove(&book[at + 1], &book[at], (extents - at) * sizeof(*book));
	book[at] = *extent;
	extents++;
	return true;
}

static void erase(size_t at) {
	extents--;
	memmove(&book[at], &book[at + 1], (extents - at) * sizeof(*book));
}

void memory_add(uint64_t mfn, uint64_t frames, uint32_t slot) {
	struct extent extent = {.mfn = mfn, .frames = frames, .slot = slot, .owner = MEMORY_NOBODY};
	size_t at = 0;

	while (at < extents && book[at].mfn < mfn) at++;
	if (!insert(at, &extent)) rt_panic("more pieces of memory than the book has lines");
}

static bool is_free(const struct extent *extent) { return extent->owner == MEMORY_NOBODY; }

uint64_t memory_free_frames(void) {
	uint64_t frames = 0;

	for (size_t i = 0; i < extents; i++) frames += is_free(&book[i]) ? book[i].frames : 0;
	return frames;
}

/* Cuts a free extent after `frames`; the tail stays free behind it. */
static bool cut(size_t at, uint64_t frames) {
	struct extent tail = book[at];

	if (book[at].frames == frames) return true;
	if (extents == MEMORY_MAX_EXTENTS) return false;
	tail.slot = slot_take();
	if (!tail.slot) return false;
	if (cap_memory_split(book[at].slot, frames, tail.slot)) {
		slot_give_back(tail.slot);
		return false;
	}
	tail.mfn += frames;
	tail.frames -= frames;
	book[at].frames = frames;
	return insert(at + 1, &tail);
}

/* The smallest free extent of at least `frames`, or with none so large the largest. */
static struct extent *find(uint64_t frames) {
	struct extent *best = NULL;

	for (size_t i = 0; i < extents; i++) {
		struct extent *e = &book[i];
		bool fits = e->frames >= frames, best_fits = best && best->frames >= frames;

		if (!is_free(e)) continue;
		if (!best || (fits && !best_fits) || (fits && e->frames < best->frames) ||
		    (!fits && !best_fits && e->frames > best->frames))
			best = e;
	}
	return best;
}

struct extent *memory_take_one(uint16_t owner, uint64_t pfn, uint64_t frames) {
	struct extent *extent = find(frames);

	if (!frames || !extent || extent->frames < frames || !cut((size_t)(extent - book), frames))
		return NULL;
	extent->owner = owner;
	extent->pfn = pfn;
	return extent;
}

bool memory_take(uint16_t owner, uint64_t pfn, uint64_t frames) {
	uint64_t left = frames;

	if (memory_free_frames() < frames) return false;
	while (left) {
		struct extent *extent = find(left);
		uint64_t part = extent ? MIN(extent->frames, left) : 0;

		if (!extent || !cut((size_t)(extent - book), part)) return false;
		extent->owner = owner;
		extent->pfn = pfn;
		pfn += pfn == MEMORY_SPARE ? 0 : part;
		left -= part;
	}
	return true;
}

struct extent *memory_next(uint16_t owner, const struct extent *after) {
	for (size_t i = after ? (size_t)(after - book) + 1 : 0; i < extents; i++)
		if (book[i].owner == owner) return &book[i];
	return NULL;
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

/* Merges book[at] with its successor, if both are free and adjacent. */
static bool merge(size_t at) {
	struct extent *e = &book[at], *next = e + 1;

	if (at + 1 >= extents || !is_free(e) || !is_free(next) || e->mfn + e->frames != next->mfn ||
	    cap_memory_merge(e->slot, next->slot))
		return false;
	e->frames += next->frames;
	slot_give_back(next->slot);
	erase(at + 1);
	return true;
}

void memory_release(uint16_t owner) {
	for (size_t i = 0; i < extents; i++) {
		if (book[i].owner != owner) continue;
		rt_assert(book[i].place == MEMORY_FREE, "only reclaimed frames are released");
		book[i].owner = MEMORY_NOBODY;
	}
	for (size_t i = 0; i < extents;)
		if (!merge(i)) i++;
}
