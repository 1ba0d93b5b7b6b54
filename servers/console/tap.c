/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Guests' consoles besides the serial line (proto/consctl.h): who may watch sees what attached
 * guests say, who may type types.
 *
 * A guest's bytes stay in its ring until the serial line has them. They are shown here at
 * once, from a place of our own in that ring (`shown`), and before they are taken from it. So
 * nothing is missed, and a person who types here does not wait for whoever has the serial line.
 *
 * What is typed goes into the guest's ring behind what the serial line has put there. A server
 * that dies between that and its answer does the request again; so the place where the
 * guest's ring will stand, and how many bytes that is, are noted in the client's page before, with
 * the request's number.
 */
#include "tap.h"

#include "libs/ctl/page.h"
#include "libs/event/event.h"
#include "proto/consctl.h"
#include "proto/system.h"

#define CLIENTS 4U
#define PIECE   256U

static struct ctl_server servers[CLIENTS];
static struct client { /* of each of those */
	struct ring tap;
	bool attached[MUX_GUESTS];
	uint32_t count; /* of those */
} client[CLIENTS];
static uint32_t clients, attached; /* attached: consoles, of all clients */
static struct mux *mux;
static uint32_t shown[MUX_GUESTS];

static struct client *client_of(struct ctl_server *server) { return &client[server->number]; }

static bool is_console(uint32_t n) { return n < MUX_GUESTS && mux->source[n].is_guest; }

/* --- what guests say --- */

static void show(uint32_t to, uint32_t n, const char *bytes, uint32_t length) {
	struct ring *tap = &client[to].tap;
	struct {
		struct consctl_chunk head;
		char bytes[PIECE];
	} chunk = {.head = {n, length}};

	memcpy(chunk.bytes, bytes, length);
	length += (uint32_t)sizeof(chunk.head);
	if (ring_space(tap) < length)
		servers[to].page->tap_lost += chunk.head.length;
	else
		ring_put(tap, &chunk, length);
	if (ring_publish(tap)) event_send(servers[to].connection->port);
}

/* What a guest has said since, to all that are attached. */
static void follow(uint32_t n) {
	struct source *source = &mux->source[n];
	uint32_t pending = guest_ring_pending(source), from = shown[n] - source->out_cons;
	char bytes[PIECE];

	/* What was taken from the ring, or cannot be, was not for us. */
	if (from > pending) from = 0;
	while (from < pending) {
		uint32_t length = MIN(pending - from, PIECE);

		guest_ring_peek_at(source, from, bytes, length);
		for (uint32_t i = 0; i < clients; i++)
			if (client[i].attached[n]) show(i, n, bytes, length);
		from += length;
	}
	shown[n] = source->out_cons + pending;
}

static void follow_attached(uint32_t n) {
	if (attached) follow(n);
}

void tap_follow(void) {
	for (uint32_t n = 0; attached && n < MUX_GUESTS; n++)
		if (mux->source[n].ring) follow(n);
}

/* --- requests --- */

static uint32_t list(struct ctl_server *server, struct ctl_request *request) {
	struct consctl_console *answer = (struct consctl_console *)(void *)request->payload;
	uint32_t count = 0;

	(void)server;
	for (uint32_t n = 0; n < MUX_GUESTS; n++) {
		if (!is_console(n)) continue;
		answer[count] =
			(struct consctl_console){.console = n, .up = mux->source[n].ring != NULL};
		rt_strcopy(answer[count].name, mux->source[n].name, sizeof(answer[count].name));
		count++;
	}
	request->answer_length = count * (uint32_t)sizeof(*answer);
	return CTL_OK;
}

static uint32_t unknown(struct ctl_request *request) {
	return ctl_refuse(request, CTL_UNKNOWN, "there is no such console");
}

static uint32_t attach(struct ctl_server *server, struct ctl_request *request) {
	struct client *c = client_of(server);
	uint32_t n = request->port;

	if (!is_console(n)) return unknown(request);
	if (c->attached[n]) return CTL_OK;
	/* Others have seen it: who comes now sees what is new. */
	if (mux->source[n].ring) follow(n);
	c->attached[n] = true;
	c->count++;
	attached++;
	server->page->tap_on = 1;
	return CTL_OK;
}

static uint32_t detach(struct ctl_server *server, struct ctl_request *request) {
	struct client *c = client_of(server);
	uint32_t n = request->port;

	if (!is_console(n)) return unknown(request);
	c->count -= c->attached[n];
	attached -= c->attached[n];
	c->attached[n] = false;
	server->page->tap_on = c->count != 0;
	return CTL_OK;
}

/* Whether a predecessor has typed this request, and died before it said so; how much of it. */
static bool was_typed(const struct ctl_server *server, const struct ctl_request *request,
		      uint32_t *count) {
	const struct ctl_page *page = server->page;

	*count = MIN(page->note[2], MIN(request->length, CONSCTL_MOST));
	return page->note[0] == request->number &&
	       page->note[1] == mux->source[request->port].in_prod;
}

static uint32_t type(struct ctl_server *server, struct ctl_request *request) {
	struct source *source = &mux->source[request->port % MUX_GUESTS];
	uint32_t count;

	if (!is_console(request->port)) return unknown(request);
	if (!source->ring)
		return ctl_refuse(request, CTL_UNSUPPORTED, "%s does not run", source->name);
	if (!was_typed(server, request, &count)) {
		count = MIN(MIN(request->length, CONSCTL_MOST), guest_ring_room(source));
		guest_ring_write(source, (const char *)request->payload, count);
		server->page->note[1] = source->in_prod + count;
		server->page->note[2] = count;
		server->page->note[0] = request->number;
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		if (count) guest_ring_set_in_prod(source, source->in_prod + count);
	}
	memcpy(request->payload, &count, sizeof(count));
	request->answer_length = sizeof(count);
	return CTL_OK;
}

static const struct ctl_op ops[] = {
	{CONSCTL_LIST, CONSCTL_F_WATCH, list},
	{CONSCTL_ATTACH, CONSCTL_F_WATCH, attach},
	{CONSCTL_DETACH, CONSCTL_F_WATCH, detach},
	{CONSCTL_TYPE, CONSCTL_F_TYPE, type},
	{0, 0, NULL},
};

static void (*pump_of_server)(void *);

/* A guest is to be told that it has input. */
static void look(struct ctl_server *server) {
	(void)server;
	pump_of_server(NULL);
}

void tap_open(struct mux *of, void (*pump)(void *)) {
	mux = of;
	mux->follow = follow_attached;
	pump_of_server = pump;
	clients = ctl_servers_open(servers, CLIENTS, SYSTEM_CONN_CONSCTL, CONSCTL_PAGES, ops, look);
	for (uint32_t i = 0; i < clients; i++)
		ring_attach_producer(&client[i].tap, &servers[i].page->tap, servers[i].behind,
				     CTL_TAP, 1);
}
