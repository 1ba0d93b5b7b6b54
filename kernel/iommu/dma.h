/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * DmaSpace: the pages that one PCI function may reach, and what keeps them there.
 * The object lies in one Memory extent, with an IOMMU with the tables that it walks:
 *
 *   struct dmaspace | records | leaf tables, one entry for each slot | tables above
 *
 * Lock order: everything here happens under tree_lock, as all invocations do;
 * grant_lock nests inside, and spaces_lock, for the faults of devices come at any time.
 * A mapping holds its frame, and so the domain that owns it: a domain with a frame that
 * is referred to is never dissolved.
 */
#ifndef KERNEL_IOMMU_DMA_H
#define KERNEL_IOMMU_DMA_H

#include "cap/cap.h"
#include "mem/paging.h"

/* One slot; all zero: empty. */
struct dma_record {
	u64 what;   /* grant reference, or the virtual address at which its owner had it */
	u32 owner;  /* MFN of the Domain object whose frame it is; 0 = empty */
	u32 mfn;    /* the frame; a reference is held, without READONLY a `writable` one too */
	u32 flags;  /* DMA_READONLY, RECORD_OWN */
	u32 behind; /* being unmapped: the next slot + 1, or LAST */
};

struct dmaspace {
	u32 source, slots; /* as created */
	u32 mapped;        /* records in use */
	bool closing;      /* its Memory is being reclaimed: nothing is mapped any more */
	char name[16];
	struct dma_record *records; /* [slots] */
	u64 *leaves;                /* [slots], read by the IOMMU; NULL: there is none */
	u32 id;                     /* among DmaSpaces, for the IOMMU */
	u64 faults, last_address, last_said;
	u32 last_reason;
	struct dmaspace *next; /* all of them; spaces_lock */
};

/* Frames that an object with these parameters needs; 0 = bad parameters. */
u64 dmaspace_frames(const struct dmaspace_create *create);
/* -EEXIST: the function has a DmaSpace already. -ENOSPC: the IOMMU takes no more of them. */
MUST_CHECK int dmaspace_check(u32 source) REQUIRES(tree_lock);
/* Lays the object out in zeroed frames from mfn on. */
struct dmaspace *dmaspace_create(mfn_t mfn, const struct dmaspace_create *create)
	REQUIRES(tree_lock);
/* Nothing is mapped, and nothing can be from now on. False: something is. */
MUST_CHECK bool dmaspace_close(struct dmaspace *s) REQUIRES(tree_lock);
/* Unmaps all from *slot on, and moves *slot; true: done. */
MUST_CHECK bool dmaspace_empty(struct dmaspace *s, u64 *slot) REQUIRES(tree_lock);
/* Closed, and without capabilities: the function reaches nothing, the frames are the caller's. */
void dmaspace_dissolve(struct dmaspace *s) REQUIRES(tree_lock);

/* The IOMMU has blocked an access; reason is its own number. */
void dma_fault(u32 source, u64 address, u32 reason, bool write);

#endif
