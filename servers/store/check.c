/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whether what lies in the boat makes sense: every block that was ever used is in
 * exactly one place, every link leads to a block of the right kind, every string
 * ends, every count is what it counts. After this the rest of the store follows
 * links without looking.
 *
 * Marking blocks before following their links makes every walk end, whatever the
 * links say.
 */
#include "store.h"

#define MAX_BLOCKS 65536U

static uint64_t seen[MAX_BLOCKS / 64];
static uint32_t used[ACCOUNTS];

/* The block, met for the first time and of this kind and account; NULL: it is not. */
static struct block *visit(uint32_t index, uint8_t kind, uint32_t account) {
	struct block *block;

	if (!index || index >= boat->fresh || seen[index / 64] & 1ULL << index % 64) return NULL;
	block = boat_block(index);
	if (block->h.kind != kind || block->h.account >= ACCOUNTS ||
	    (account != ACCOUNTS && block->h.account != account))
		return NULL;
	seen[index / 64] |= 1ULL << index % 64;
	if (kind != BLOCK_FREE) used[block->h.account]++;
	return block;
}

/* The bytes of a block: at most `most`, and as many blocks behind it as they need. */
static bool bytes_are_right(struct block *block, uint32_t most) {
	uint32_t room, left = block->h.length, more = block->h.more;

	if (left > most) return false;
	pool_bytes(block, &room);
	left -= MIN(left, room);
	while (left) {
		const struct block *next = visit(more, BLOCK_BYTES, block->h.account);

		if (!next) return false;
		left -= MIN(left, (uint32_t)sizeof(next->bytes));
		more = next->h.next;
	}
	return !more;
}

/* --- the tree --- */

static bool name_is_right(const struct block *node) {
	size_t length = rt_strnlen(node->node.name, STORE_NAME);

	if (!length || length == STORE_NAME) return false;
	for (size_t i = 0; i < length; i++)
		if (node->node.name[i] == '/') return false;
	return true;
}

static bool node_is_right(uint32_t index, uint32_t parent) {
	struct block *node = visit(index, BLOCK_NODE, ACCOUNTS);

	if (!node || node->node.parent != parent || !node->h.count || node->h.count > STORE_PERMS ||
	    (parent && !name_is_right(node)) || node->node.generation > boat->generation)
		return false;
	for (uint32_t i = 0; i < node->h.count; i++)
		if (PERMISSION_MAY(node->node.permission[i]) > (MAY_READ | MAY_WRITE)) return false;
	return bytes_are_right(node, STORE_VALUE);
}

static bool tree_is_right(void) {
	uint32_t index = boat->root, depth = 0;

	if (!node_is_right(index, 0) || boat_block(index)->h.next) return false;
	for (;;) {
		const struct block *node = boat_block(index);
		uint32_t next = node->node.child;

		if (next) {
			if (!node_is_right(next, index) || ++depth > STORE_DEPTH + 3) return false;
			index = next;
			continue;
		}
		while (index != boat->root && !boat_block(index)->h.next) {
			index = boat_block(index)->node.parent;
			depth--;
		}
		if (index == boat->root) return true;
		next = boat_block(index)->h.next;
		if (!node_is_right(next, boat_block(index)->node.parent)) return false;
		index = next;
	}
}

/* --- clients --- */

static bool watches_are_right(const struct client *client, uint32_t n) {
	uint32_t count = 0, flags = 0;

	for (uint32_t i = client->watches; i; i = boat_block(i)->h.next) {
		struct block *watch = visit(i, BLOCK_WATCH, ACCOUNT(n));
		char text[STORE_PATH + STORE_TOKEN], path[STORE_PATH];

		if (!watch || watch->watch.path_length >= STORE_PATH || watch->h.flag > 1 ||
		    watch->watch.token_length >= STORE_TOKEN ||
		    watch->h.length != watch->watch.path_length + 1 + watch->watch.token_length ||
		    !bytes_are_right(watch, sizeof(text)))
			return false;
		pool_read(i, text, sizeof(text));
		if (rt_strnlen(text, watch->h.length) != watch->watch.path_length ||
		    (text[0] != '@' && path_resolve(client, text, watch->watch.path_length, path)))
			return false;
		count++;
		flags += watch->h.flag;
	}
	return count == client->watch_count && count <= boat_watch_quota(client) &&
	       flags == client->overflows;
}

static bool events_are_right(const struct client *client, uint32_t n) {
	uint32_t last = 0;

	for (uint32_t i = client->first_event; i; i = boat_block(i)->h.next) {
		struct block *event = visit(i, BLOCK_EVENT, ACCOUNT_EVENTS(n));
		uint32_t watch;

		if (!event || !bytes_are_right(event, STORE_PATH - 1)) return false;
		for (watch = client->watches; watch && watch != event->event.watch;)
			watch = boat_block(watch)->h.next;
		if (!watch) return false;
		last = i;
	}
	return last == client->last_event;
}

static bool records_are_right(const struct block *transaction, uint32_t n) {
	uint32_t count = 0, last = 0;

	for (uint32_t i = transaction->transaction.first; i; i = boat_block(i)->h.next) {
		struct block *record = visit(i, BLOCK_RECORD, ACCOUNT(n));

		if (!record || !request_has_path(record->record.type) ||
		    !bytes_are_right(record, XENSTORE_PAYLOAD_MAX))
			return false;
		last = i;
		count++;
	}
	return count == transaction->h.count && last == transaction->transaction.last;
}

static bool transactions_are_right(const struct client *client, uint32_t n) {
	uint32_t count = 0;

	for (uint32_t i = client->transactions; i; i = boat_block(i)->h.next) {
		const struct block *transaction = visit(i, BLOCK_TRANSACTION, ACCOUNT(n));

		if (!transaction || !transaction->transaction.id || transaction->h.more ||
		    !records_are_right(transaction, n))
			return false;
		count++;
	}
	return count == client->transaction_count && count <= boat_transaction_quota(client);
}

static bool ring_is_right(const struct client *client) {
	uint32_t in = client->req_cons - client->in_start;
	struct xsd_sockmsg header;

	if (client->out_length > STORE_MESSAGE || in > STORE_MESSAGE ||
	    client->rsp_prod - client->out_start > client->out_length)
		return false;
	if (in < sizeof(header)) return true;
	memcpy(&header, client->in, sizeof(header));
	return header.len <= XENSTORE_PAYLOAD_MAX && in <= sizeof(header) + header.len;
}

static bool home_is_right(const struct client *client) {
	char path[32];

	path_home(client, path, sizeof(path));
	return client->home == tree_find(path, NULL) &&
	       (client->home || (client->is_guest && client->state == CLIENT_ABSENT));
}

static const char *check_clients(void) {
	for (uint32_t n = 0; n < boat->client_count; n++) {
		const struct client *client = boat_client(n);

		if (client->state > CLIENT_UNKNOWN || !ring_is_right(client))
			return "a connection makes no sense";
		if (!home_is_right(client)) return "a home is missing";
		if (!watches_are_right(client, n) || !events_are_right(client, n))
			return "a watch makes no sense";
		if (!transactions_are_right(client, n)) return "a transaction makes no sense";
	}
	return NULL;
}

const char *boat_check(void) {
	const char *wrong;
	uint32_t count = 1;

	memset(seen, 0, sizeof(seen));
	memset(used, 0, sizeof(used));
	if (boat->block_count > MAX_BLOCKS || !boat->fresh || boat->fresh > boat->block_count)
		return "it has too many blocks";
	if (!tree_is_right()) return "its tree is damaged";
	wrong = check_clients();
	if (wrong) return wrong;
	for (uint32_t i = boat->free; i; i = boat_block(i)->h.next)
		if (!visit(i, BLOCK_FREE, ACCOUNTS)) return "its list of free blocks is damaged";
	for (uint32_t i = 1; i < boat->fresh; i++) count += seen[i / 64] >> i % 64 & 1;
	if (count != boat->fresh) return "blocks are missing";
	for (uint32_t i = 0; i < ACCOUNTS; i++)
		if (used[i] != boat->account[i].used || used[i] > boat->account[i].quota)
			return "an account is wrong";
	return NULL;
}
