/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The undo log. A record is the old bytes, padded to 8, and behind them where
 * they belong: read from the end, which is the order to undo in. The log's length
 * is stored after the record and before the change. Undoing twice does no harm,
 * so a death while undoing needs nothing of its own.
 *
 * The domain has one CPU and dies between two instructions: the order of stores
 * in the program is all that counts, so fences for the compiler are enough.
 */
#include "boat.h"

struct boat *boat;

static bool full;

struct undo {
	uint32_t offset, size;
};

static void in_order(void) { __atomic_signal_fence(__ATOMIC_SEQ_CST); }

static uint8_t *base(void) { return (uint8_t *)boat; }

struct client *boat_client(uint32_t index) {
	rt_assert(index < boat->client_count, "a client's number");
	return (struct client *)(void *)(base() + boat->clients_offset) + index;
}

struct block *boat_block(uint32_t index) {
	rt_assert(index && index < boat->block_count, "a block's number");
	return (struct block *)(void *)(base() + boat->blocks_offset) + index;
}

void boat_store(uint32_t *field, uint32_t value) {
	in_order();
	__atomic_store_n(field, value, __ATOMIC_RELAXED);
	in_order();
}

void boat_set(void *field, const void *value, size_t size) {
	uint32_t padded = (uint32_t)ROUND_UP(size, 8), used = boat->log_used;
	struct undo undo = {
		.offset = (uint32_t)((uint8_t *)field - base()),
		.size = (uint32_t)size,
	};
	uint8_t *log = base() + boat->log_offset + used;

	if (!size) return;
	if (full || padded + sizeof(undo) > boat->log_size - used) {
		full = true;
		return;
	}
	memcpy(log, field, size);
	memcpy(log + padded, &undo, sizeof(undo));
	boat_store(&boat->log_used, used + padded + (uint32_t)sizeof(undo));
	memcpy(field, value, size);
}

void boat_commit(void) {
	if (full) rt_panic("its undo log is too small: it is not as it was planned");
	if (!boat->log_used) return;
	boat_store(&boat->step, boat->step + 1);
	boat_store(&boat->log_used, 0);
}

uint32_t boat_mark(void) { return boat->log_used; }

bool boat_is_full(void) { return full; }

/* Undoes the last record. False: it is none. */
static bool undo_last(void) {
	uint32_t used = boat->log_used, padded;
	const uint8_t *log = base() + boat->log_offset;
	struct undo undo;

	if (used < sizeof(undo)) return false;
	memcpy(&undo, log + used - sizeof(undo), sizeof(undo));
	used -= (uint32_t)sizeof(undo);
	if (undo.size > used) return false;
	padded = (uint32_t)ROUND_UP(undo.size, 8);
	/* What describes the layout is never changed in a step; nor is the log itself. */
	if (!undo.size || padded > used || undo.offset < offsetof(struct boat, fresh) ||
	    undo.offset > boat->size || undo.size > boat->size - undo.offset ||
	    (undo.offset < boat->log_offset + boat->log_size &&
	     undo.offset + undo.size > boat->log_offset))
		return false;
	memcpy(base() + undo.offset, log + used - padded, undo.size);
	boat_store(&boat->log_used, used - padded);
	return true;
}

void boat_rollback(uint32_t mark) {
	full = false;
	while (boat->log_used > mark)
		if (!undo_last()) rt_panic("its undo log is damaged");
}

/* --- layout --- */

#define GUEST_BLOCKS        1024U
#define GUEST_BLOCKS_LEAST  192U /* a home, watches, some devices, a transaction */
#define NATIVE_FACTOR       3U   /* a native has devices of many guests */
#define NATIVE_EACH         64U  /* and for each of them: a disk and a VIF are some 50 nodes */
#define GUEST_EVENTS        64U
#define NATIVE_EVENTS       256U
#define GUEST_WATCHES       128U
#define NATIVE_WATCHES      384U /* XENBUS_WATCHES */
#define GUEST_TRANSACTIONS  10U
#define NATIVE_TRANSACTIONS 10U
#define STORE_BLOCKS        8U /* directories above the homes */
#define STORE_BLOCKS_EACH   4U /* for each client: what lies outside of its home */
/*
 * The log holds the largest step: the end of a home of which everybody who may
 * read it watches every node. A step that is larger all the same is refused.
 */
#define LOG_BASE            32768U
#define LOG_PER_FREE        (sizeof(struct block_header) + 8)
#define LOG_PER_EVENT       112U
#define LOG_PER_FLAG        32U

uint32_t boat_watch_quota(const struct client *client) {
	return client->is_guest ? GUEST_WATCHES : NATIVE_WATCHES;
}

uint32_t boat_transaction_quota(const struct client *client) {
	return client->is_guest ? GUEST_TRANSACTIONS : NATIVE_TRANSACTIONS;
}

/* Fills in sizes and quotas for guests with so many blocks; how many bytes that takes. */
static uint64_t plan(struct boat *b, const struct boat_peer *peers, uint32_t count,
		     uint32_t guest_blocks) {
	uint32_t store_blocks = STORE_BLOCKS + STORE_BLOCKS_EACH * count;
	uint32_t native_blocks = guest_blocks * NATIVE_FACTOR, guests = 0;
	uint64_t blocks = store_blocks + 1, log = LOG_BASE;

	memset(b, 0, sizeof(*b));
	b->account[ACCOUNT_STORE].quota = store_blocks;
	for (uint32_t i = 0; i < count; i++) native_blocks += peers[i].is_guest * NATIVE_EACH;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t own = peers[i].is_guest ? guest_blocks : native_blocks;
		uint32_t events = peers[i].is_guest ? GUEST_EVENTS : NATIVE_EVENTS;

		b->account[ACCOUNT(i)].quota = own;
		b->account[ACCOUNT_EVENTS(i)].quota = events;
		blocks += own + events;
		/* Of the guests, those whom a node's permissions can name. */
		guests += peers[i].is_guest;
		if (!peers[i].is_guest)
			log += NATIVE_EVENTS * LOG_PER_EVENT + NATIVE_WATCHES * LOG_PER_FLAG;
		else if (guests < STORE_PERMS)
			log += GUEST_EVENTS * LOG_PER_EVENT + GUEST_WATCHES * LOG_PER_FLAG;
	}
	log += (uint64_t)native_blocks * LOG_PER_FREE;
	b->client_count = count;
	b->clients_offset = (uint32_t)ROUND_UP(sizeof(*b), 64);
	b->log_offset = (uint32_t)ROUND_UP(b->clients_offset + count * sizeof(struct client), 64);
	b->log_size = (uint32_t)ROUND_UP(log, 64);
	b->blocks_offset = b->log_offset + b->log_size;
	b->block_count = (uint32_t)blocks;
	b->fresh = 1;
	return b->blocks_offset + blocks * sizeof(struct block);
}

static void fill_client(struct client *client, const struct boat_peer *peer) {
	memset(client, 0, sizeof(*client));
	memcpy(client->name, peer->name, sizeof(client->name));
	client->domid = peer->domid;
	client->is_guest = peer->is_guest;
	client->flags = peer->flags;
	client->state = peer->is_guest ? CLIENT_ABSENT : CLIENT_UNKNOWN;
	client->next_transaction = 1;
}

/* The largest quotas that fit. False: not even the least do. */
static bool plan_to_fit(struct boat *b, uint32_t size, const struct boat_peer *peers,
			uint32_t count, uint32_t *needed) {
	uint32_t guest_blocks = GUEST_BLOCKS;

	while (plan(b, peers, count, guest_blocks) > size) {
		if (guest_blocks == GUEST_BLOCKS_LEAST) {
			*needed = (uint32_t)plan(b, peers, count, GUEST_BLOCKS_LEAST);
			return false;
		}
		guest_blocks = MAX(guest_blocks - 32, GUEST_BLOCKS_LEAST);
	}
	return true;
}

bool boat_build(void *memory, uint32_t size, const struct boat_peer *peers, uint32_t count,
		uint32_t *needed) {
	struct boat *b = memory;
	struct boat layout;

	rt_assert(count <= BOAT_CLIENTS, "as many clients as connections at most");
	if (size < sizeof(*b) || !plan_to_fit(&layout, size, peers, count, needed)) return false;
	layout.size = size;
	boat_store(&b->built, 0);
	*b = layout;
	boat = b;
	full = false;
	for (uint32_t i = 0; i < count; i++) fill_client(boat_client(i), &peers[i]);
	return true;
}

/* --- taking over --- */

static bool same_peer(const struct client *client, const struct boat_peer *peer) {
	return !memcmp(client->name, peer->name, sizeof(client->name)) &&
	       client->domid == peer->domid && client->is_guest == peer->is_guest &&
	       client->flags == peer->flags;
}

const char *boat_adopt(void *memory, uint32_t size, const struct boat_peer *peers, uint32_t count) {
	struct boat *b = memory, layout;
	const char *wrong = NULL;
	uint32_t needed;

	if (size < sizeof(*b) || !plan_to_fit(&layout, size, peers, count, &needed))
		return "it is too small";
	if (b->built != 1 || b->size != size) return "it was never finished";
	if (b->log_offset != layout.log_offset || b->log_size != layout.log_size ||
	    b->clients_offset != layout.clients_offset || b->client_count != count ||
	    b->blocks_offset != layout.blocks_offset || b->block_count != layout.block_count)
		return "it was laid out for other clients";
	if (b->log_used > b->log_size || b->log_used % 8) return "its undo log is too long";
	boat = b;
	full = false;
	while (boat->log_used && !wrong)
		if (!undo_last()) wrong = "its undo log is damaged";
	for (uint32_t i = 0; i < ACCOUNTS && !wrong; i++)
		if (boat->account[i].quota != layout.account[i].quota) wrong = "a quota is wrong";
	for (uint32_t i = 0; i < count && !wrong; i++)
		if (!same_peer(boat_client(i), &peers[i])) wrong = "its clients are others";
	if (!wrong) wrong = boat_check();
	if (wrong) boat = NULL;
	return wrong;
}
