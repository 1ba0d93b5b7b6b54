/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A client's ring, and the steps. One request at a time: it is carried out when
 * what the one before caused has gone out, and its reply is made ready in the
 * same step. Bytes move between ring and boat with one store each: bytes are
 * copied first, where nobody looks, then the boat's index moves, then the ring's,
 * which is a copy. A successor finds the boat's index and publishes it.
 *
 * Nothing in the ring is believed: indices are checked, a request is looked at in
 * the boat's copy only.
 */
#include "store.h"

#define STEPS 32U /* in one go, then it is the next client's turn */

static uint32_t load(const uint32_t *index) { return __atomic_load_n(index, __ATOMIC_ACQUIRE); }

static void publish(uint32_t *index, uint32_t value) {
	__atomic_store_n(index, value, __ATOMIC_SEQ_CST);
	/* The client looks at it to decide whether to notify: look again after it. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/* --- bytes --- */

static void broken(struct connection *c, uint32_t error) {
	SET(c->client->state, (uint8_t)CLIENT_BROKEN);
	SET(c->client->error, error);
	boat_commit();
	publish(&c->ring->error, error);
	c->notify = true;
}

static bool out_is_empty(const struct client *client) {
	return client->rsp_prod - client->out_start == client->out_length;
}

static uint32_t in_got(const struct client *client) { return client->req_cons - client->in_start; }

static void in_header(const struct client *client, struct xsd_sockmsg *header) {
	memcpy(header, client->in, sizeof(*header));
}

static bool request_is_complete(const struct client *client) {
	struct xsd_sockmsg header;

	if (in_got(client) < sizeof(header)) return false;
	in_header(client, &header);
	return in_got(client) == sizeof(header) + header.len;
}

/* To and from a ring of bytes, from the index on. */
static void copy_in(char ring[XENSTORE_RING_SIZE], uint32_t index, const uint8_t *from,
		    uint32_t count) {
	uint32_t start = index % XENSTORE_RING_SIZE, first = MIN(count, XENSTORE_RING_SIZE - start);

	memcpy(ring + start, from, first);
	memcpy(ring, from + first, count - first);
}

static void copy_out(uint8_t *to, const char ring[XENSTORE_RING_SIZE], uint32_t index,
		     uint32_t count) {
	uint32_t start = index % XENSTORE_RING_SIZE, first = MIN(count, XENSTORE_RING_SIZE - start);

	memcpy(to, ring + start, first);
	memcpy(to + first, ring, count - first);
}

static bool send(struct connection *c) {
	struct client *client = c->client;
	uint32_t used = client->rsp_prod - load(&c->ring->rsp_cons);
	uint32_t sent = client->rsp_prod - client->out_start;
	uint32_t count;

	if (used > XENSTORE_RING_SIZE) {
		broken(c, XENSTORE_ERROR_RINGIDX);
		return false;
	}
	count = MIN(client->out_length - sent, XENSTORE_RING_SIZE - used);
	copy_in(c->ring->rsp, client->rsp_prod, client->out + sent, count);
	if (!count) return false;
	boat_store(&client->rsp_prod, client->rsp_prod + count);
	publish(&c->ring->rsp_prod, client->rsp_prod);
	c->notify = true;
	return true;
}

static bool receive(struct connection *c) {
	struct client *client = c->client;
	struct xsd_sockmsg header;
	uint32_t available = load(&c->ring->req_prod) - client->req_cons;
	uint32_t got = in_got(client), wanted = sizeof(header), count;

	if (available > XENSTORE_RING_SIZE) {
		broken(c, XENSTORE_ERROR_RINGIDX);
		return false;
	}
	if (got >= sizeof(header)) {
		in_header(client, &header);
		wanted += header.len;
	}
	count = MIN(wanted - got, available);
	if (!count) return false;
	/* A ring that was full: the client may wait to be told of room. */
	c->notify |= available == XENSTORE_RING_SIZE;
	copy_out(client->in + got, c->ring->req, client->req_cons, count);
	if (got < sizeof(header) && got + count == sizeof(header)) {
		in_header(client, &header);
		if (header.len > XENSTORE_PAYLOAD_MAX) {
			broken(c, XENSTORE_ERROR_PROTO);
			return false;
		}
	}
	boat_store(&client->req_cons, client->req_cons + count);
	publish(&c->ring->req_cons, client->req_cons);
	return true;
}

/* --- messages --- */

/* The step's message is to go out. Nobody looks at `out` before out_length says so. */
static void put_out(struct client *client, const struct xsd_sockmsg *header, const void *payload) {
	memcpy(client->out, header, sizeof(*header));
	memcpy(client->out + sizeof(*header), payload, header->len);
	SET(client->out_start, client->rsp_prod);
	SET(client->out_length, (uint32_t)sizeof(*header) + header->len);
}

static void put_reply(struct client *client, const char *error) {
	struct xsd_sockmsg header;

	in_header(client, &header);
	if (error) {
		reply_text(error);
		header.type = XS_ERROR;
	}
	header.len = reply.length;
	put_out(client, &header, reply.bytes);
	SET(client->in_start, client->req_cons);
}

static void execute(struct client *client) {
	static struct request request;
	struct xsd_sockmsg header;
	const char *error;

	in_header(client, &header);
	client->in[sizeof(header) + header.len] = '\0';
	request = (struct request){.client = client, .type = header.type};
	request.transaction = header.tx_id;
	request.payload = (const char *)client->in + sizeof(header);
	request.length = header.len;
	error = request_execute(&request);
	if (error && !request.keep) boat_rollback(0);
	if (!boat_is_full()) put_reply(client, error);
	if (boat_is_full()) {
		boat_rollback(0);
		put_reply(client, "ENOSPC");
	}
	boat_commit();
}

static void send_event(struct client *client) {
	static char payload[XENSTORE_PAYLOAD_MAX];
	struct xsd_sockmsg header = {.type = XS_WATCH_EVENT};

	header.len = watch_next_event(client, payload);
	put_out(client, &header, payload);
	boat_commit();
}

/* --- connections --- */

/* The client wants to begin anew; if this is interrupted, it still does. */
static void reconnect(struct connection *c) {
	struct xenstore_domain_interface *ring = c->ring;
	struct client *client = c->client;

	watch_delete_all(client);
	transaction_delete_all(client);
	SET(client->req_cons, 0U);
	SET(client->in_start, 0U);
	SET(client->rsp_prod, 0U);
	SET(client->out_start, 0U);
	SET(client->out_length, 0U);
	SET(client->error, 0U);
	SET(client->state, (uint8_t)CLIENT_SERVED);
	boat_commit();
	ring->req_prod = ring->req_cons = ring->rsp_prod = ring->rsp_cons = 0;
	ring->error = XENSTORE_ERROR_NONE;
	publish(&ring->connection, XENSTORE_CONNECTED);
	c->notify = true;
}

static void release(struct client *client) {
	if (client->state == CLIENT_ABSENT) return;
	guest_release(client);
	SET(client->state, (uint8_t)CLIENT_ABSENT);
	boat_commit();
}

static void introduce(struct connection *c, uint32_t incarnation, const struct guest_facts *facts) {
	struct client *client = c->client;
	uint32_t req_cons = load(&c->ring->req_cons), rsp_prod = load(&c->ring->rsp_prod);

	SET(client->incarnation, incarnation);
	SET(client->req_cons, req_cons);
	SET(client->in_start, req_cons);
	SET(client->rsp_prod, rsp_prod);
	SET(client->out_start, rsp_prod);
	SET(client->out_length, 0U);
	SET(client->error, 0U);
	SET(client->next_transaction, 1U);
	SET(client->state, (uint8_t)CLIENT_SERVED);
	guest_introduce(client, facts);
	boat_commit();
}

void connection_attach(struct connection *c, struct xenstore_domain_interface *ring,
		       uint32_t incarnation, const struct guest_facts *facts) {
	struct client *client = c->client;

	c->ring = ring;
	/* Whatever a predecessor did not come to tell. */
	c->notify = true;
	if (client->is_guest && client->incarnation != incarnation) release(client);
	if (client->state == CLIENT_ABSENT) introduce(c, incarnation, facts);
	ring->server_features =
		XENSTORE_SERVER_FEATURE_RECONNECTION | XENSTORE_SERVER_FEATURE_ERROR;
	if (load(&ring->connection) == XENSTORE_RECONNECT) return; /* connection_serve() */
	if (client->state == CLIENT_UNKNOWN) {
		publish(&ring->error, XENSTORE_ERROR_COMM);
		return;
	}
	publish(&ring->req_cons, client->req_cons);
	publish(&ring->rsp_prod, client->rsp_prod);
	publish(&ring->error, client->error);
}

void connection_detach(struct connection *c) {
	c->ring = NULL;
	release(c->client);
}

bool connection_is_due(const struct connection *c) {
	return c->ring && c->client->state == CLIENT_SERVED && out_is_empty(c->client) &&
	       watch_event_waits(c->client);
}

static bool step(struct connection *c) {
	struct client *client = c->client;
	bool complete;

	if (load(&c->ring->connection) == XENSTORE_RECONNECT) {
		reconnect(c);
		return true;
	}
	if (client->state != CLIENT_SERVED) return false;
	if (!out_is_empty(client)) return send(c);
	/* Requests and events in turn, so that neither keeps the other waiting. */
	complete = request_is_complete(client);
	if (watch_event_waits(client) && !(complete && c->after_event)) {
		c->after_event = true;
		send_event(client);
		return true;
	}
	c->after_event = false;
	if (!complete) return receive(c);
	execute(client);
	return true;
}

bool connection_serve(struct connection *c) {
	if (!c->ring) return false;
	for (unsigned i = 0; i < STEPS; i++)
		if (!step(c)) return false;
	return true;
}
