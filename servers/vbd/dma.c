/* SPDX-License-Identifier: BSD-2-Clause */
#include "dma.h"

#include "libs/cap/cap.h"

#define EVICT 32U /* pages that are unmapped at once to make room */

static uint32_t hash(uint16_t domid, uint32_t ref) {
	return (ref ^ (uint32_t)domid * 0x9e5U) & (DMA_BUCKETS - 1);
}

static void insert(struct dma_table *table, uint16_t n) {
	struct dma_slot *slot = &table->slot[n];
	uint16_t *bucket = &table->bucket[hash(slot->domid, slot->ref)];

	slot->next = *bucket;
	*bucket = n;
}

static void take_out(struct dma_table *table, uint16_t n) {
	struct dma_slot *slot = &table->slot[n];
	uint16_t *link = &table->bucket[hash(slot->domid, slot->ref)];

	while (*link != DMA_NONE && *link != n) link = &table->slot[*link].next;
	rt_assert(*link == n, "a slot in use is found by its hash");
	*link = slot->next;
}

static void make_free(struct dma_table *table, uint16_t n) {
	table->slot[n].state = DMA_FREE;
	table->slot[n].pins = 0;
	table->slot[n].next = table->free;
	table->free = n;
	table->free_count++;
}

static void drop(struct dma_table *table, uint16_t n) {
	take_out(table, n);
	table->slot[n].state = DMA_DROPPED;
	table->drop[table->dropped++] = n;
	if (table->dropped == DMA_ASKS) dma_flush_drops(table);
}

void dma_flush_drops(struct dma_table *table) {
	uint32_t slots[DMA_ASKS], count = table->dropped;

	if (!count) return;
	for (uint32_t i = 0; i < count; i++) slots[i] = table->first + table->drop[i];
	table->dropped = 0;
	/* It fails only if the window is gone, and then so is what was mapped. */
	if (cap_dma_unmap(table->cap, slots, count) < 0) table->lost++;
	for (uint32_t i = 0; i < count; i++) make_free(table, (uint16_t)table->drop[i]);
}

static void reset(struct dma_table *table) {
	memset(table->bucket, 0xff, sizeof(table->bucket));
	table->free = DMA_NONE;
	table->free_count = table->pinned = table->asked = table->dropped = table->hand = 0;
}

void dma_init(struct dma_table *table, uint32_t cap, uint32_t first, uint32_t count, uint32_t own) {
	table->cap = cap;
	table->first = first;
	table->own = MIN(own, DMA_OWN);
	table->count = MIN(count - table->own, DMA_SLOTS);
	table->frozen = true;
	reset(table);
}

void dma_freeze(struct dma_table *table) {
	/* The device is done with these, and somebody may wait to be answered. */
	dma_flush_drops(table);
	table->frozen = true;
	table->asked = 0;
}

static int map_own(struct dma_table *table, uint32_t ref) {
	struct dma_map maps[DMA_OWN];
	uint32_t slots[DMA_OWN];
	int mapped;

	for (uint32_t i = 0; i < table->own; i++) {
		slots[i] = table->first + table->count + i;
		maps[i] = (struct dma_map){
			.slot = slots[i],
			.domid = DMA_ROOT,
			.what = ref + i,
		};
	}
	/* A predecessor may have mapped others there. */
	mapped = cap_dma_unmap(table->cap, slots, table->own);
	if (mapped >= 0) mapped = cap_dma_map(table->cap, maps, table->own);
	if (mapped != (int)table->own) return mapped < 0 ? mapped : maps[0].status;
	for (uint32_t i = 0; i < table->own; i++) {
		table->own_machine[i] = maps[i].machine;
		table->own_address[i] = table->machine ? maps[i].machine : maps[i].address;
	}
	return 0;
}

static void learn(struct dma_table *table, uint16_t n, const struct dma_map *map,
		  bool (*known)(uint16_t domid)) {
	struct dma_slot *slot = &table->slot[n];

	*slot = (struct dma_slot){.next = DMA_NONE};
	if (map->status) {
		make_free(table, n);
		return;
	}
	slot->address = table->machine ? map->machine : map->address;
	slot->ref = (uint32_t)map->what;
	slot->domid = map->domid;
	slot->state = DMA_MAPPED;
	slot->flags = DMA_F_KEEP | (map->flags & DMA_READONLY ? DMA_F_READONLY : 0);
	insert(table, n);
	if (!known(slot->domid)) drop(table, n);
}

int dma_learn(struct dma_table *table, bool machine, bool (*known)(uint16_t domid), uint32_t ref) {
	int result;

	table->machine = machine;
	table->frozen = false;
	reset(table);
	/* From the end, so that the free slots come in their order: easier to read in a trace. */
	for (uint32_t end = table->count; end;) {
		uint32_t count = MIN(end, DMA_ASKS);

		end -= count;
		result = cap_dma_read(table->cap, table->first + end, table->ask, count);
		if (result < 0) return result;
		for (uint32_t i = count; i--;)
			learn(table, (uint16_t)(end + i), &table->ask[i], known);
	}
	dma_flush_drops(table);
	return map_own(table, ref);
}

void dma_clear(struct dma_table *table) {
	for (uint32_t at = 0; at < table->count; at += DMA_ASKS) {
		uint32_t slots[DMA_ASKS], count = MIN(table->count - at, DMA_ASKS);

		for (uint32_t i = 0; i < count; i++) slots[i] = table->first + at + i;
		if (cap_dma_unmap(table->cap, slots, count) < 0) table->lost++;
	}
	reset(table);
	for (uint32_t n = table->count; n--;) make_free(table, (uint16_t)n);
}

/* Looks at each page twice at most: in the first round those used lately are spared. */
static void evict(struct dma_table *table) {
	uint32_t found = 0;

	for (uint32_t i = 0; i < 2 * table->count && found < EVICT; i++) {
		struct dma_slot *slot = &table->slot[table->hand];
		uint16_t n = (uint16_t)table->hand;

		table->hand = table->hand + 1 < table->count ? table->hand + 1 : 0;
		if (slot->state != DMA_MAPPED || slot->pins) continue;
		if (slot->flags & DMA_F_RECENT) {
			slot->flags &= (uint8_t)~DMA_F_RECENT;
			continue;
		}
		drop(table, n);
		found++;
	}
	table->evictions += found;
	dma_flush_drops(table);
}

static uint16_t take_free(struct dma_table *table) {
	uint16_t n;

	if (table->free == DMA_NONE) dma_flush_drops(table);
	if (table->free == DMA_NONE && table->pinned < table->count) evict(table);
	n = table->free;
	if (n != DMA_NONE) {
		table->free = table->slot[n].next;
		table->free_count--;
	}
	return n;
}

uint16_t dma_pin(struct dma_table *table, uint16_t domid, uint32_t ref, bool readonly, bool keep) {
	struct dma_slot *slot;
	uint16_t n = table->bucket[hash(domid, ref)];

	for (; n != DMA_NONE; n = slot->next) {
		slot = &table->slot[n];
		if (slot->ref == ref && slot->domid == domid &&
		    (readonly || !(slot->flags & DMA_F_READONLY)))
			break;
	}
	if (n == DMA_NONE) {
		if (table->asked == DMA_ASKS) dma_flush(table);
		n = take_free(table);
		if (n == DMA_NONE) return DMA_NONE;
		slot = &table->slot[n];
		*slot = (struct dma_slot){.ref = ref, .domid = domid, .state = DMA_ASKED};
		if (readonly) slot->flags = DMA_F_READONLY;
		insert(table, n);
		table->ask[table->asked++] = (struct dma_map){
			.slot = table->first + n,
			.domid = domid,
			.flags = readonly ? DMA_READONLY : 0,
			.what = ref,
		};
	}
	slot->flags =
		(uint8_t)((slot->flags & DMA_F_READONLY) | DMA_F_RECENT | (keep ? DMA_F_KEEP : 0));
	if (!slot->pins++) table->pinned++;
	return n;
}

void dma_unpin(struct dma_table *table, uint16_t n) {
	struct dma_slot *slot = &table->slot[n];

	rt_assert(slot->pins, "what is unpinned was pinned");
	if (--slot->pins) return;
	table->pinned--;
	if (slot->state == DMA_FAILED)
		make_free(table, n);
	else if (slot->state == DMA_MAPPED && !(slot->flags & DMA_F_KEEP))
		drop(table, n);
}

void dma_flush(struct dma_table *table) {
	uint32_t count = table->asked;
	int result;

	if (!count) return;
	table->asked = 0;
	result = cap_dma_map(table->cap, table->ask, count);
	for (uint32_t i = 0; i < count; i++) {
		const struct dma_map *map = &table->ask[i];
		uint16_t n = (uint16_t)(map->slot - table->first);
		struct dma_slot *slot = &table->slot[n];

		if (result >= 0 && !map->status) {
			slot->address = table->machine ? map->machine : map->address;
			slot->state = DMA_MAPPED;
			/* Who asked may have given up meanwhile. */
			if (!slot->pins && !(slot->flags & DMA_F_KEEP)) drop(table, n);
			continue;
		}
		/* The next one who wants this page asks again. */
		take_out(table, n);
		slot->state = DMA_FAILED;
		table->refused++;
		if (!slot->pins) make_free(table, n);
	}
}

bool dma_forget(struct dma_table *table, uint16_t domid) {
	bool left = false;

	if (table->frozen) return false;
	for (uint32_t n = 0; n < table->count; n++) {
		struct dma_slot *slot = &table->slot[n];

		if (slot->state == DMA_FREE || slot->domid != domid) continue;
		if (slot->state == DMA_MAPPED && !slot->pins)
			drop(table, (uint16_t)n);
		else if (slot->state != DMA_DROPPED)
			left = true;
	}
	dma_flush_drops(table);
	return !left;
}
