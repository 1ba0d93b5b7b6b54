/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Blocks, all of one size, each paid for by one account. The quotas of all
 * accounts together are the pool, so within its quota nobody is refused.
 *
 * What lies in a block that is taken need not be undone: it was free before the
 * step. Unless it became free in this very step; then its content is noted once.
 */
#include "boat.h"

uint8_t *pool_bytes(struct block *block, uint32_t *room) {
	switch (block->h.kind) {
	case BLOCK_NODE: *room = sizeof(block->node.bytes); return block->node.bytes;
	case BLOCK_WATCH: *room = sizeof(block->watch.bytes); return block->watch.bytes;
	case BLOCK_EVENT: *room = sizeof(block->event.bytes); return block->event.bytes;
	case BLOCK_RECORD: *room = sizeof(block->record.bytes); return block->record.bytes;
	case BLOCK_BYTES: *room = sizeof(block->bytes); return block->bytes;
	default: *room = 0; return block->bytes;
	}
}

uint32_t pool_take(uint8_t kind, uint32_t account) {
	struct block_header header = {.kind = kind, .account = (uint16_t)account};
	uint32_t index = boat->free;
	struct block *block;

	if (boat->account[account].used >= boat->account[account].quota || boat_is_full()) return 0;
	if (index) {
		block = boat_block(index);
		SET(boat->free, block->h.next);
		if (block->h.step == boat->step)
			boat_set(block->bytes, block->bytes, sizeof(block->bytes));
	} else {
		rt_assert(boat->fresh < boat->block_count, "the quotas are not more than the pool");
		index = boat->fresh;
		block = boat_block(index);
		SET(boat->fresh, index + 1);
	}
	SET(boat->account[account].used, boat->account[account].used + 1);
	boat_set(&block->h, &header, sizeof(header));
	if (boat_is_full()) return 0;
	memset(block->bytes, 0, sizeof(block->bytes));
	return index;
}

static void bag_put_one(struct pool_bag *bag, uint32_t index) {
	struct block *block = boat_block(index);
	struct block_header header = {.next = bag->first, .step = boat->step};

	rt_assert(!bag->count || bag->account == block->h.account, "a bag is of one account");
	bag->account = block->h.account;
	header.account = block->h.account;
	boat_set(&block->h, &header, sizeof(header));
	if (!bag->count) bag->last = index;
	bag->first = index;
	bag->count++;
}

/* A chain of BYTES blocks. */
static void bag_put_chain(struct pool_bag *bag, uint32_t index) {
	while (index && !boat_is_full()) {
		uint32_t next = boat_block(index)->h.next;

		bag_put_one(bag, index);
		index = next;
	}
}

void pool_bag_put(struct pool_bag *bag, uint32_t index) {
	bag_put_chain(bag, boat_block(index)->h.more);
	bag_put_one(bag, index);
}

void pool_bag_empty(struct pool_bag *bag) {
	if (!bag->count || boat_is_full()) return;
	SET(boat_block(bag->last)->h.next, boat->free);
	SET(boat->free, bag->first);
	SET(boat->account[bag->account].used, boat->account[bag->account].used - bag->count);
	*bag = (struct pool_bag){0};
}

void pool_give_back(uint32_t index) {
	struct pool_bag bag = {0};

	pool_bag_put(&bag, index);
	pool_bag_empty(&bag);
}

/* A chain of BYTES blocks; *first stays 0 for none. */
static bool write_more(uint32_t account, const uint8_t *bytes, uint32_t length, uint32_t *first) {
	uint32_t last = 0;

	while (length) {
		uint32_t index = pool_take(BLOCK_BYTES, account), part;

		if (!index) return false;
		part = MIN(length, (uint32_t)sizeof(boat_block(index)->bytes));
		memcpy(boat_block(index)->bytes, bytes, part);
		if (last)
			SET(boat_block(last)->h.next, index);
		else
			*first = index;
		last = index;
		bytes += part;
		length -= part;
	}
	return true;
}

bool pool_write(uint32_t index, const void *bytes, uint32_t length) {
	struct block *block = boat_block(index);
	struct pool_bag bag = {0};
	uint32_t room, more = 0;
	uint8_t *to = pool_bytes(block, &room);

	/* The old bytes are given back first, so that a quota counts only one of the two. */
	bag_put_chain(&bag, block->h.more);
	pool_bag_empty(&bag);
	room = MIN(room, length);
	if (!write_more(block->h.account, (const uint8_t *)bytes + room, length - room, &more))
		return false;
	if (block->h.more != more) SET(block->h.more, more);
	if (block->h.length != length) SET(block->h.length, length);
	boat_set(to, bytes, room);
	return !boat_is_full();
}

uint32_t pool_read(uint32_t index, void *to, uint32_t size) {
	struct block *block = boat_block(index);
	uint32_t length = MIN(block->h.length, size), done, room, more = block->h.more;
	const uint8_t *bytes = pool_bytes(block, &room);

	done = MIN(length, room);
	memcpy(to, bytes, done);
	while (done < length && more) {
		uint32_t part = MIN(length - done, (uint32_t)sizeof(block->bytes));

		memcpy((uint8_t *)to + done, boat_block(more)->bytes, part);
		done += part;
		more = boat_block(more)->h.next;
	}
	return done;
}
