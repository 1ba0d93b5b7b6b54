/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The store's native client (libs/xenbus) against the store itself: requests,
 * watches, transactions, more of them than fit, and connections that begin anew
 * because one of the two has started again.
 */
#include "store_rig.h"

#include "libs/xenbus/internal.h"

static struct xenbus bus;
static uint32_t connections_made, rooms;
static struct message other;

void xenbus_kick(struct xenbus *b) { (void)b; }

static void connected(void *context) {
	CHECK(context == &rooms);
	connections_made++;
}

static void room(void *context) {
	(void)context;
	rooms++;
}

/* Both sides until nothing moves. */
static void settle(void) {
	for (unsigned i = 0; i < 400; i++) {
		xenbus_serve(&bus);
		for (unsigned n = 0; n < RIG_CLIENTS; n++) rig_serve(n);
	}
}

static void start(void) {
	memset(rig, 0, sizeof(*rig));
	connections_made = rooms = 0;
	xenbus_attach(&bus, &rig->ring[VBD], 1, connected, room, &rooms);
	CHECK(xenbus_read(&bus, 0, "name", NULL, NULL) == -XEN_ENOTCONN);
	CHECK(rig_run());
	settle();
	CHECK(connections_made == 1 && bus.ready);
}

/* --- what came --- */

static struct {
	unsigned calls;
	int error;
	uint32_t transaction, length;
	char value[64];
} last;

static void done(void *context, const struct xenbus_answer *answer) {
	(void)context;
	last.calls++;
	last.error = answer->error;
	last.transaction = answer->transaction;
	last.length = answer->length;
	rt_strcopy(last.value, answer->value, sizeof(last.value));
	CHECK(!answer->value[answer->length]);
}

static unsigned events;
static char event_path[64];

static void event(void *context, const char *path) {
	(void)context;
	events++;
	rt_strcopy(event_path, path, sizeof(event_path));
}

static void names(void *context, const struct xenbus_answer *answer) {
	uint32_t position = 0, *count = context;
	const char *name;

	while ((name = xenbus_next_name(answer, &position))) {
		CHECK(name[0] == "ab"[*count] && !name[1]);
		++*count;
	}
}

static void numbers(void *context, const struct xenbus_answer *answer) {
	uint64_t number;

	CHECK(xenbus_number(answer, 42, &number) && number == 42);
	CHECK(!xenbus_number(answer, 41, &number));
	++*(uint32_t *)context;
}

static void test_requests(void) {
	uint32_t count = 0;

	start();
	CHECK(!xenbus_read(&bus, 0, "domid", done, NULL));
	CHECK(last.calls == 0);
	settle();
	CHECK(last.calls == 1 && !last.error && !strcmp(last.value, "9") && last.length == 1);
	CHECK(!xenbus_read(&bus, 0, "/local/domain/5/name", done, NULL));
	settle();
	CHECK(last.calls == 2 && last.error == -XEN_EACCES);
	CHECK(!xenbus_printf(&bus, 0, "backend/vbd/a", NULL, NULL, "%u", 42U));
	CHECK(!xenbus_mkdir(&bus, 0, "backend/vbd/b", NULL, NULL));
	CHECK(!xenbus_directory(&bus, 0, "backend/vbd", names, &count));
	settle();
	CHECK(count == 2);
	CHECK(!xenbus_read(&bus, 0, "backend/vbd/a", numbers, &count));
	settle();
	CHECK(count == 3);
	CHECK(!xenbus_set_permissions(&bus, 0, "backend/vbd/a", "n9 r5", done, NULL));
	CHECK(!xenbus_rm(&bus, 0, "backend/vbd/b", done, NULL));
	CHECK(!xenbus_rm(&bus, 0, "nowhere/b", NULL, NULL));
	settle();
	CHECK(!last.error && bus.failed_unheard == 1 && !bus.requests);
	rig_send(G5, XS_READ, 1, 0, "/local/domain/9/backend/vbd/a", 30);
	CHECK(rig_receive(G5, &other) && !strcmp(other.payload, "42"));
}

static void test_watches(void) {
	static const char state[] = "/local/domain/5/device/vbd/1/state";
	int watch;

	start();
	events = 0;
	CHECK(!xenbus_write(&bus, 0, state, "1", 1, NULL, NULL));
	CHECK(!xenbus_set_permissions(&bus, 0, state, "n5 r9", NULL, NULL));
	watch = xenbus_watch(&bus, state, event, NULL, done, NULL);
	CHECK(watch > 0);
	settle();
	CHECK(events == 1 && !strcmp(event_path, state) && !last.error);
	rig_send(G5, XS_WRITE, 1, 0, "device/vbd/1/state\0003", 20);
	settle();
	CHECK(events == 2);
	rig_send(G5, XS_WRITE, 1, 0, "device/vbd/1/state\0004", 20);
	settle();
	CHECK(events == 3 && !xenbus_unwatch(&bus, watch));
	rig_send(G5, XS_WRITE, 1, 0, "device/vbd/1/state\0005", 20);
	settle();
	CHECK(events == 3 && xenbus_unwatch(&bus, watch) == -XEN_ENOENT);
	CHECK(xenbus_watch(&bus, "//", event, NULL, done, NULL) > 0);
	settle();
	CHECK(last.error == -XEN_EINVAL && events == 3);
	for (unsigned i = 0; i < XENBUS_WATCHES; i++) CHECK(!bus.watch[i].serial);
}

static void test_transactions(void) {
	start();
	CHECK(!xenbus_transaction_start(&bus, done, NULL));
	settle();
	CHECK(last.transaction);
	CHECK(!xenbus_write(&bus, last.transaction, "a", "1", 1, NULL, NULL));
	CHECK(!xenbus_read(&bus, 0, "a", done, NULL));
	CHECK(!xenbus_transaction_end(&bus, last.transaction, true, NULL, NULL));
	settle();
	CHECK(last.error == -XEN_ENOENT);
	CHECK(!xenbus_read(&bus, 0, "a", done, NULL));
	settle();
	CHECK(!last.error && !strcmp(last.value, "1"));
	CHECK(!xenbus_transaction_end(&bus, 77, true, done, NULL));
	settle();
	CHECK(last.error == -XEN_ENOENT);
}

/* More than the queue and the ring hold: refused, then there is room. */
static void test_many(void) {
	char value[1500];
	unsigned sent = 0, calls;
	int result = 0;

	start();
	calls = last.calls;
	memset(value, 'v', sizeof(value));
	while (!(result = xenbus_write(&bus, 0, "x/large", value, sizeof(value), done, NULL)))
		sent++;
	CHECK(result == -XEN_ENOBUFS && sent > 5 && !rooms);
	settle();
	CHECK(rooms == 1 && last.calls == calls + sent && !last.error);
	for (sent = 0; !xenbus_read(&bus, 0, "x/large", done, NULL);) sent++;
	CHECK(sent == XENBUS_REQUESTS);
	settle();
	CHECK(rooms == 2 && last.length == sizeof(value));
	CHECK(xenbus_write(&bus, 0, "x", value, 5000, NULL, NULL) == -XEN_E2BIG);
}

static void test_restarts(void) {
	unsigned calls;

	start();
	CHECK(!xenbus_write(&bus, 0, "kept", "1", 1, NULL, NULL));
	CHECK(xenbus_watch(&bus, "data", event, NULL, NULL, NULL) > 0);
	settle();
	/* The store dies with requests under way: nothing to notice. */
	calls = last.calls;
	for (unsigned i = 0; i < 50; i++) CHECK(!xenbus_read(&bus, 0, "kept", done, NULL));
	xenbus_serve(&bus);
	rig_serve(VBD);
	CHECK(last.calls < calls + 50 && !rig_run());
	settle();
	CHECK(last.calls == calls + 50 && connections_made == 1 && !last.error);
	/* It comes back with nothing: the library begins anew. */
	for (unsigned i = 0; i < 50; i++) CHECK(!xenbus_read(&bus, 0, "kept", done, NULL));
	xenbus_serve(&bus);
	memset(rig->boat, 0, sizeof(rig->boat));
	CHECK(rig_run());
	settle();
	CHECK(connections_made == 2 && last.error == -XEN_ENOTCONN && !bus.requests);
	CHECK(last.calls == calls + 100 && !bus.watch[0].serial);
	CHECK(!xenbus_read(&bus, 0, "name", done, NULL));
	settle();
	CHECK(!last.error);
	/* The client comes back: its predecessor's requests are nobody's. */
	CHECK(!xenbus_write(&bus, 0, "kept", "2", 1, NULL, NULL));
	settle();
	CHECK(xenbus_watch(&bus, "kept", event, NULL, NULL, NULL) > 0);
	for (unsigned i = 0; i < 50; i++) CHECK(!xenbus_read(&bus, 0, "kept", done, NULL));
	xenbus_serve(&bus);
	xenbus_attach(&bus, &rig->ring[VBD], 2, connected, room, &rooms);
	settle();
	CHECK(connections_made == 3 && !bus.unknown_answers && !bus.unknown_events);
	CHECK(!xenbus_read(&bus, 0, "kept", done, NULL));
	settle();
	CHECK(!last.error && !strcmp(last.value, "2") && !boat_check());
}

/* What the client finds next in its ring; only its end may look at the ring afterwards. */
static void put(uint32_t type, uint32_t number, const char *payload, uint32_t length) {
	const struct xsd_sockmsg header = {.type = type, .req_id = number, .len = length};
	struct xenstore_domain_interface *ring = &rig->ring[VBD];

	memcpy(&ring->rsp[ring->rsp_prod], &header, sizeof(header));
	memcpy(&ring->rsp[ring->rsp_prod + sizeof(header)], payload, length);
	ring->rsp_prod += (uint32_t)sizeof(header) + length;
	CHECK(ring->rsp_prod <= XENSTORE_RING_SIZE);
}

/* Answers and events that come late, for a predecessor or a lost connection, meet nobody. */
static void test_late(void) {
	const struct xenstore_domain_interface *ring = &rig->ring[VBD];
	struct xsd_sockmsg first, second;
	unsigned calls;
	char token[16];
	int watch;

	start();
	CHECK(!xenbus_read(&bus, 0, "ring-ref", done, NULL));
	xenbus_serve(&bus);
	memcpy(&first, ring->req, sizeof(first));
	watch = xenbus_watch(&bus, "data", event, NULL, NULL, NULL);
	rt_format(token, sizeof(token), "data%c%d", 0, watch);
	for (unsigned incarnation = 1; incarnation <= 2; incarnation++) {
		xenbus_attach(&bus, &rig->ring[VBD], incarnation, connected, room, &rooms);
		settle();
		/* The same incarnation: its connection is another one. */
		if (incarnation == 1) rig->ring[VBD].error = XENSTORE_ERROR_COMM;
		settle();
		calls = last.calls;
		events = 0;
		memset(rig->ring[VBD].req, 0, sizeof(rig->ring[VBD].req));
		CHECK(!xenbus_read(&bus, 0, "ring-ref", done, NULL));
		xenbus_serve(&bus);
		memcpy(&second, &ring->req[bus.req_prod - sizeof(second) - sizeof("ring-ref")],
		       sizeof(second));
		CHECK(second.type == XS_READ && second.req_id != first.req_id);
		put(XS_READ, first.req_id, "8", 1);
		xenbus_serve(&bus);
		CHECK(bus.unknown_answers == 1 && last.calls == calls && bus.requests == 1);
		put(XS_READ, second.req_id, "9", 1);
		xenbus_serve(&bus);
		CHECK(last.calls == calls + 1 && !strcmp(last.value, "9") && !bus.requests);
		CHECK(xenbus_watch(&bus, "data", event, NULL, NULL, NULL) > 0);
		put(XS_WATCH_EVENT, 0, token, (uint32_t)(5 + strlen(token + 5) + 1));
		xenbus_serve(&bus);
		CHECK(incarnation == 1 || (bus.unknown_events == 1 && !events));
	}
}

/* A store that lies costs the connection, nothing else. */
static void test_lies(void) {
	struct xsd_sockmsg header = {.type = XS_READ, .req_id = 5};

	start();
	memcpy(&rig->ring[VBD].rsp[rig->ring[VBD].rsp_prod], &header, sizeof(header));
	rig->ring[VBD].rsp_prod += sizeof(header);
	xenbus_serve(&bus);
	CHECK(bus.unknown_answers == 1 && bus.ready);
	header.type = XS_WATCH_EVENT;
	memcpy(&rig->ring[VBD].rsp[rig->ring[VBD].rsp_prod], &header, sizeof(header));
	rig->ring[VBD].rsp_prod += sizeof(header);
	xenbus_serve(&bus);
	CHECK(bus.unknown_events == 1 && bus.ready);
	header.len = 5000;
	memcpy(&rig->ring[VBD].rsp[rig->ring[VBD].rsp_prod], &header, sizeof(header));
	rig->ring[VBD].rsp_prod += sizeof(header);
	xenbus_serve(&bus);
	CHECK(!bus.ready && rig->ring[VBD].connection == XENSTORE_RECONNECT);
	settle();
	CHECK(bus.ready && connections_made == 2);
	rig->ring[VBD].rsp_prod += 2000;
	xenbus_serve(&bus);
	CHECK(!bus.ready);
	settle();
	CHECK(bus.ready && connections_made == 3);
}

int main(void) {
	static const struct test tests[] = {
		{"requests", test_requests},         {"watches", test_watches},
		{"transactions", test_transactions}, {"more than fits", test_many},
		{"starting again", test_restarts},   {"a store that lies", test_lies},
		{"what comes late", test_late},
	};

	rig = aligned_alloc(64, ROUND_UP(sizeof(*rig), 64));
	return RUN("store_client", tests);
}
