/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Transactions. A transaction is a list of the requests made in it, each with the
 * generation that its node had in the tree. A request in a transaction is answered
 * by carrying out the list on the tree itself, then the request, and taking all of
 * it back: the undo log, which is there for restarts, does that too. To commit is
 * to look whether every node still has its generation, and to carry out the list
 * for good; events arise then, as if the requests were made at that moment.
 *
 * So there is no second tree to keep in step with the first, and what a
 * transaction sees is the tree as it is now with its own changes. If somebody
 * else changed what it has looked at, the commit fails: EAGAIN.
 *
 * The list is short (RECORDS), so doing it again for each request is bounded.
 */
#include "store.h"

#define RECORDS 128U

static uint32_t client_index(const struct client *client) {
	return (uint32_t)(client - boat_client(0));
}

static uint32_t find(const struct client *client, uint32_t id, uint32_t *before) {
	*before = 0;
	for (uint32_t i = client->transactions; i; i = boat_block(i)->h.next) {
		if (boat_block(i)->transaction.id == id) return i;
		*before = i;
	}
	return 0;
}

const char *transaction_start(struct request *request) {
	struct client *client = request->client;
	uint32_t index, before, id = client->next_transaction;
	char text[16];

	if (request->transaction) return "EBUSY";
	if (client->transaction_count >= boat_transaction_quota(client)) return "ENOSPC";
	while (!id || find(client, id, &before)) id++;
	index = pool_take(BLOCK_TRANSACTION, ACCOUNT(client_index(client)));
	if (!index) return "ENOSPC";
	boat_block(index)->transaction.id = id;
	boat_block(index)->h.next = client->transactions;
	SET(client->transactions, index);
	SET(client->transaction_count, client->transaction_count + 1);
	SET(client->next_transaction, id + 1);
	rt_format(text, sizeof(text), "%u", id);
	reply_text(text);
	return NULL;
}

/* Takes it out of the client's list, with its records. */
static void drop(struct client *client, uint32_t index, uint32_t before) {
	struct pool_bag bag = {0};
	uint32_t next, record = boat_block(index)->transaction.first;

	if (before)
		SET(boat_block(before)->h.next, boat_block(index)->h.next);
	else
		SET(client->transactions, boat_block(index)->h.next);
	SET(client->transaction_count, client->transaction_count - 1);
	for (; record && !boat_is_full(); record = next) {
		next = boat_block(record)->h.next;
		pool_bag_put(&bag, record);
	}
	pool_bag_put(&bag, index);
	pool_bag_empty(&bag);
}

void transaction_delete_all(struct client *client) {
	while (client->transactions && !boat_is_full()) drop(client, client->transactions, 0);
}

static bool is_change(uint32_t type) {
	return type == XS_WRITE || type == XS_MKDIR || type == XS_RM || type == XS_SET_PERMS;
}

static uint64_t generation_of(const char *path) {
	uint32_t node = tree_find(path, NULL);

	return node ? boat_block(node)->node.generation : 0;
}

/* The request of a record. */
static void load(struct request *r, struct client *client, uint32_t record,
		 char payload[XENSTORE_PAYLOAD_MAX + 1]) {
	uint32_t length = pool_read(record, payload, XENSTORE_PAYLOAD_MAX);

	payload[length] = '\0';
	*r = (struct request){.client = client, .type = boat_block(record)->record.type};
	r->payload = payload;
	r->length = length;
}

/* Carries out the changes, in order. NULL or the first error. */
static const char *replay(struct client *client, uint32_t record) {
	static char payload[XENSTORE_PAYLOAD_MAX + 1];
	static struct request r;

	for (; record; record = boat_block(record)->h.next) {
		const char *error;

		if (!is_change(boat_block(record)->record.type)) continue;
		load(&r, client, record, payload);
		error = request_run(&r);
		if (error) return error;
		if (boat_is_full()) return "ENOSPC";
	}
	return NULL;
}

/* Whether the same node has been looked at in the same way, so that nothing new is to be noted. */
static bool is_noted(uint32_t index, const struct request *request) {
	static char payload[XENSTORE_PAYLOAD_MAX];
	uint32_t record = boat_block(index)->transaction.first;

	if (is_change(request->type)) return false;
	for (; record; record = boat_block(record)->h.next)
		if (boat_block(record)->record.type == request->type &&
		    boat_block(record)->h.length == request->length &&
		    pool_read(record, payload, sizeof(payload)) == request->length &&
		    !memcmp(payload, request->payload, request->length))
			return true;
	return false;
}

static const char *note(uint32_t index, const struct request *request, uint64_t generation) {
	struct block *transaction = boat_block(index);
	uint32_t record, last = transaction->transaction.last;

	if (is_noted(index, request)) return NULL;
	if (transaction->h.count == RECORDS) return "ENOSPC";
	record = pool_take(BLOCK_RECORD, transaction->h.account);
	if (!record) return "ENOSPC";
	boat_block(record)->record.type = request->type;
	boat_block(record)->record.generation = generation;
	if (!pool_write(record, request->payload, request->length)) return "ENOSPC";
	if (last)
		SET(boat_block(last)->h.next, record);
	else
		SET(transaction->transaction.first, record);
	SET(transaction->transaction.last, record);
	SET(transaction->h.count, transaction->h.count + 1);
	return NULL;
}

const char *transaction_run(struct request *request) {
	uint32_t before, mark = boat_mark();
	uint32_t index = find(request->client, request->transaction, &before);
	uint64_t generation;
	const char *error;

	if (!index) return "ENOENT";
	error = request_take_path(request);
	if (error) return error;
	generation = generation_of(request->path);
	watch_silence(true);
	/* An error here is the others' doing: the commit will find it. */
	error = replay(request->client, boat_block(index)->transaction.first);
	if (!boat_is_full()) error = request_run(request);
	if (boat_is_full()) error = "ENOSPC";
	watch_silence(false);
	boat_rollback(mark);
	/* That there is no such node is something to rely on, too. */
	if (error && (strcmp(error, "ENOENT") != 0 || is_change(request->type))) return error;
	if (note(index, request, generation)) return "ENOSPC";
	request->keep = error;
	return error;
}

static bool is_current(struct client *client, uint32_t record) {
	static char payload[XENSTORE_PAYLOAD_MAX + 1];
	static struct request r;

	for (; record; record = boat_block(record)->h.next) {
		load(&r, client, record, payload);
		if (request_take_path(&r) ||
		    generation_of(r.path) != boat_block(record)->record.generation)
			return false;
	}
	return true;
}

const char *transaction_end(struct request *request, bool commit) {
	struct client *client = request->client;
	uint32_t before, mark = boat_mark();
	uint32_t index = find(client, request->transaction, &before);
	const char *error = NULL;

	if (!index) return "ENOENT";
	if (commit && !is_current(client, boat_block(index)->transaction.first))
		error = "EAGAIN";
	else if (commit)
		error = replay(client, boat_block(index)->transaction.first);
	/* It went well before: somebody has changed what it may. To try again shows what. */
	if (error && strcmp(error, "ENOSPC") != 0) error = "EAGAIN";
	if (error) boat_rollback(mark);
	drop(client, index, before);
	request->keep = true; /* it has ended either way */
	return error;
}
