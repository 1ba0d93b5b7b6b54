/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Our slots of a driver's DMA window: which guest's page is mapped where. A page
 * is *pinned* while a request that the driver may have needs it. Pages of
 * frontends with persistent grants stay mapped when the last pin goes, until
 * their slot is wanted for another (a clock, so a page in use is passed over);
 * others are unmapped before the guest is answered.
 *
 * What is mapped is known to the core: dma_learn() reads it, after a restart of
 * ours or the driver's, and nothing is remembered elsewhere.
 *
 * Mapping and unmapping are done in batches: dma_pin() only notes what is
 * missing, dma_flush() maps it; dma_unpin() notes, dma_flush_drops() unmaps.
 */
#ifndef SERVERS_VBD_DMA_H
#define SERVERS_VBD_DMA_H

#include "libs/rt/rt.h"
#include "proto/cap/cap.h"

#define DMA_SLOTS   8192U
#define DMA_BUCKETS 4096U
#define DMA_ASKS    128U /* elements of one batch */
#define DMA_NONE    0xffffU
#define DMA_OWN     32U /* pages of ours, at most */

#define DMA_FREE    0U
#define DMA_ASKED   1U /* in the batch */
#define DMA_MAPPED  2U
#define DMA_FAILED  3U /* the guest has granted no such page */
#define DMA_DROPPED 4U /* in the batch of those to be unmapped */

#define DMA_F_READONLY 1U
#define DMA_F_KEEP     2U /* stays without pins */
#define DMA_F_RECENT   4U

struct dma_slot {
	uint64_t address; /* for the device */
	uint32_t ref;
	uint16_t domid;
	uint8_t state, flags;
	uint16_t pins;
	uint16_t next; /* with this hash, or free */
	uint32_t pad;
};

struct dma_table {
	uint32_t cap, first; /* the capability, and its first slot */
	uint32_t count;      /* slots for guests; behind them `own` pages of ours */
	uint32_t own;
	bool machine; /* the device says machine addresses */
	bool frozen;  /* the driver is away: DMA may go on, nothing is unmapped */
	uint16_t free;
	uint32_t free_count;
	uint32_t hand;   /* of the clock */
	uint32_t pinned; /* slots with pins */
	uint32_t asked, dropped;
	uint32_t evictions, refused, lost;
	uint64_t own_machine[DMA_OWN], own_address[DMA_OWN]; /* of our pages */
	struct dma_map ask[DMA_ASKS];
	uint32_t drop[DMA_ASKS];
	uint16_t bucket[DMA_BUCKETS];
	struct dma_slot slot[DMA_SLOTS];
};

/* first, count: of the capability. own: pages of ours, behind those of the guests. */
void dma_init(struct dma_table *table, uint32_t cap, uint32_t first, uint32_t count, uint32_t own);
/*
 * Nothing is pinned. Reads what is mapped; what belongs to domains that known()
 * does not know is unmapped. Then maps our own pages, which root grants from ref on.
 */
int dma_learn(struct dma_table *table, bool machine, bool (*known)(uint16_t domid), uint32_t ref);
#define DMA_ROOT 0U /* its domid */
/* Forgets all pins and batches. Nothing is unmapped before dma_learn(). */
void dma_freeze(struct dma_table *table);
/* Unmaps everything that there is. */
void dma_clear(struct dma_table *table);

/* A slot for this page, maybe not mapped before dma_flush(). DMA_NONE: all are pinned. */
uint16_t dma_pin(struct dma_table *table, uint16_t domid, uint32_t ref, bool readonly, bool keep);
void dma_unpin(struct dma_table *table, uint16_t slot);
static inline bool dma_is_mapped(const struct dma_table *table, uint16_t slot) {
	return table->slot[slot].state == DMA_MAPPED;
}
static inline bool dma_is_asked(const struct dma_table *table, uint16_t slot) {
	return table->slot[slot].state == DMA_ASKED;
}
void dma_flush(struct dma_table *table);
void dma_flush_drops(struct dma_table *table);
/* Unmaps what this domain has here and nobody has pinned. True: nothing is left. */
bool dma_forget(struct dma_table *table, uint16_t domid);

#endif
