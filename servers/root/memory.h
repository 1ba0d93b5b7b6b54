/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who has which frames. root starts with Memory capabilities over all RAM; this
 * is the book of how they are split and to whom the parts went, so that a domain
 * that is reset or taken back gives back exactly what it had.
 *
 * An extent is one Memory capability. Each owner's are a list, sorted by MFN, so what
 * is done for one domain takes no longer when there are a thousand others. Free
 * neighbours are merged, so memory does not stay in pieces.
 */
#ifndef SERVERS_ROOT_MEMORY_H
#define SERVERS_ROOT_MEMORY_H

#include "libs/rt/rt.h"

#define MEMORY_MAX_EXTENTS 4096

/* Owners: the index of a domain, or one of these. */
#define MEMORY_OBJECT(index) ((uint16_t)(0x4000 + (index))) /* the Domain object's own frames */
#define MEMORY_DEVICE(index) ((uint16_t)(0x5000 + (index))) /* the DmaSpace of a device */
#define MEMORY_PROGRAM(n)    ((uint16_t)(0x6000 + (n)))     /* an uploaded program */
#define MEMORY_ROOT          0xfffeU
#define MEMORY_NOBODY        0xffffU

/* Where the frames are now. */
enum memory_place {
	MEMORY_FREE,  /* at nobody: the capability is FREE */
	MEMORY_SELF,  /* given to root, which may map them */
	MEMORY_GIVEN, /* given to the owner */
	MEMORY_USED,  /* an object */
};

struct extent {
	uint64_t mfn, frames;
	uint64_t pfn; /* at its owner; MEMORY_SPARE: balloon reserve */
	uint32_t slot;
	uint16_t owner;
	uint8_t place;       /* enum memory_place */
	struct extent *next; /* of the same owner */
};

/* Slots of root's table that are free: [first, end). */
void slots_init(uint32_t first, uint32_t end);
/* An empty slot, 0 = none left. */
uint32_t slot_take(void);
void slot_give_back(uint32_t slot);

void memory_add(uint64_t mfn, uint64_t frames, uint32_t slot);
uint64_t memory_free_frames(void);
/*
 * Takes `frames` for an owner, in as few pieces as there are, numbered from pfn
 * on (all the same number for MEMORY_SPARE). False: not enough, or too many pieces;
 * the caller then releases what the owner has.
 */
MUST_CHECK bool memory_take(uint16_t owner, uint64_t pfn, uint64_t frames);
/* The same in one piece; NULL: there is none. Valid until the next call that takes or releases. */
struct extent *memory_take_one(uint16_t owner, uint64_t pfn, uint64_t frames);
/* The owner's next extent behind `after` (NULL: the first), by MFN; NULL = no more. */
struct extent *memory_next(uint16_t owner, const struct extent *after);

/* Gives to root itself; 0 or -errno. */
MUST_CHECK int memory_give_self(struct extent *extent);
/* Gives to the domain whose slot it is, at its PFN. */
MUST_CHECK int memory_give(struct extent *extent, uint32_t domain_slot);
/*
 * Takes all frames of an owner back out of their use. -EBUSY: somebody still
 * maps some of them; call again later.
 */
MUST_CHECK int memory_reclaim(uint16_t owner);
/* The owner's frames, all reclaimed, belong to nobody again. */
void memory_release(uint16_t owner);

#endif
