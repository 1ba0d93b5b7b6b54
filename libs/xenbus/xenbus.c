/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ring of a client of the store: queued requests out, answers and events in,
 * and connections that begin anew. The store is believed no more than a guest
 * believes it: indices are checked, an answer must have a request that waits for
 * it, an event a watch. If the ring makes no sense, a new connection is asked for.
 *
 * A new connection: RECONNECT is stored, then the ring belongs to the store until
 * it stores CONNECTED. Whoever dies in between finds the word and does it again.
 */
#include "libs/xenbus/internal.h"

#define STEPS 64U /* messages in one go */

static uint32_t load(const uint32_t *index) { return __atomic_load_n(index, __ATOMIC_ACQUIRE); }

/* --- connections --- */

static void begin_anew(struct xenbus *bus) {
	bus->ready = false;
	bus->out_first = bus->out_length = 0;
	bus->header_got = bus->payload_got = 0;
	__atomic_store_n(&bus->ring->connection, XENSTORE_RECONNECT, __ATOMIC_SEQ_CST);
	bus->notify = true;
}

/* Requests under way get an answer of the library's own. */
static void fail_requests(struct xenbus *bus) {
	const struct xenbus_answer lost = {.error = -XEN_ENOTCONN, .value = ""};

	memset(bus->watch, 0, sizeof(bus->watch));
	for (uint32_t n = 0; n < XENBUS_REQUESTS; n++) {
		struct xenbus_request request = bus->request[n];

		if (!request.used) continue;
		bus->request[n].used = false;
		bus->requests--;
		if (request.done) request.done(request.context, &lost);
	}
}

static void lost(struct xenbus *bus) {
	begin_anew(bus);
	fail_requests(bus);
}

void xenbus_attach(struct xenbus *bus, struct xenstore_domain_interface *ring, uint32_t incarnation,
		   void (*connected)(void *context), void (*room)(void *context), void *context) {
	memset(bus, 0, sizeof(*bus));
	bus->ring = ring;
	bus->incarnation = incarnation;
	bus->serial = incarnation << XENBUS_SALT_SHIFT & INT32_MAX;
	bus->connected = connected;
	bus->room = room;
	bus->context = context;
	begin_anew(bus);
}

/* --- out --- */

/* As much of the queue as the ring takes. False: nothing moved. */
static bool send(struct xenbus *bus) {
	struct xenstore_domain_interface *ring = bus->ring;
	uint32_t used = bus->req_prod - load(&ring->req_cons), first = bus->req_prod;
	uint32_t count = MIN(bus->out_length, XENSTORE_RING_SIZE - used);

	if (used > XENSTORE_RING_SIZE) {
		lost(bus);
		return true;
	}
	if (!count) return false;
	for (uint32_t i = 0; i < count; i++)
		ring->req[(first + i) & (XENSTORE_RING_SIZE - 1)] =
			(char)bus->out[(bus->out_first + i) % XENBUS_OUT];
	bus->out_first = (bus->out_first + count) % XENBUS_OUT;
	bus->out_length -= count;
	bus->req_prod += count;
	__atomic_store_n(&ring->req_prod, bus->req_prod, __ATOMIC_SEQ_CST);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	/* The store looks again before it sleeps, unless it had caught up already. */
	if (load(&ring->req_cons) - first <= count) bus->notify = true;
	return true;
}

/* --- in --- */

static const struct {
	const char *name;
	int error;
} errors[] = {
	{"EACCES", XEN_EACCES}, {"EAGAIN", XEN_EAGAIN}, {"EBUSY", XEN_EBUSY},
	{"EEXIST", XEN_EEXIST}, {"EINVAL", XEN_EINVAL}, {"ENOENT", XEN_ENOENT},
	{"ENOSPC", XEN_ENOSPC}, {"ENOSYS", XEN_ENOSYS}, {"EPERM", XEN_EPERM},
	{"E2BIG", XEN_E2BIG},
};

static int error_of(const char *name) {
	for (size_t i = 0; i < ARRAY_SIZE(errors); i++)
		if (!strcmp(errors[i].name, name)) return -errors[i].error;
	return -XEN_EIO;
}

static void fill_answer(const struct xenbus *bus, const struct xenbus_request *request,
			struct xenbus_answer *answer) {
	uint64_t number;

	*answer = (struct xenbus_answer){.value = bus->payload, .length = bus->header.len};
	if (bus->header.type == XS_ERROR) {
		*answer = (struct xenbus_answer){.error = error_of(bus->payload), .value = ""};
		return;
	}
	if (bus->header.type != request->type) answer->error = -XEN_EIO;
	if (request->type != XS_TRANSACTION_START || answer->error) return;
	if (rt_number(bus->payload, &number) && number && number <= UINT32_MAX)
		answer->transaction = (uint32_t)number;
	else
		answer->error = -XEN_EIO;
}

static void answered(struct xenbus *bus) {
	uint32_t n = bus->header.req_id - bus->salt;
	struct xenbus_request request;
	struct xenbus_answer answer;
	struct xenbus_watch *watch;

	if (n >= XENBUS_REQUESTS || !bus->request[n].used) {
		bus->unknown_answers++;
		return;
	}
	request = bus->request[n];
	bus->request[n].used = false;
	bus->requests--;
	fill_answer(bus, &request, &answer);
	bus->bad_answers += answer.error == -XEN_EIO;
	watch = xenbus_find_watch(bus, request.watch);
	if (answer.error && watch) watch->serial = 0;
	if (request.done)
		request.done(request.context, &answer);
	else
		bus->failed_unheard += answer.error != 0;
}

/* Two strings, the path and the token. */
static void happened(struct xenbus *bus) {
	size_t path = rt_strnlen(bus->payload, bus->header.len);
	struct xenbus_watch *watch = NULL;
	uint64_t serial;

	if (path < bus->header.len && rt_number(bus->payload + path + 1, &serial) &&
	    serial <= INT32_MAX)
		watch = xenbus_find_watch(bus, (uint32_t)serial);
	if (watch)
		watch->event(watch->context, bus->payload);
	else
		bus->unknown_events++;
}

static uint32_t take(struct xenbus *bus, void *to, uint32_t count) {
	struct xenstore_domain_interface *ring = bus->ring;
	uint32_t available = load(&ring->rsp_prod) - bus->rsp_cons;
	uint8_t *bytes = to;

	if (available > XENSTORE_RING_SIZE) return UINT32_MAX;
	count = MIN(count, available);
	for (uint32_t i = 0; i < count; i++)
		bytes[i] = *(volatile uint8_t *)&ring
				    ->rsp[(bus->rsp_cons + i) & (XENSTORE_RING_SIZE - 1)];
	bus->rsp_cons += count;
	if (!count) return 0;
	__atomic_store_n(&ring->rsp_cons, bus->rsp_cons, __ATOMIC_SEQ_CST);
	/* It was full: the store may wait for room. */
	bus->notify |= available == XENSTORE_RING_SIZE;
	return count;
}

/* Some bytes of the next message. False: nothing moved. */
static bool receive(struct xenbus *bus) {
	uint32_t header = sizeof(bus->header), got;

	if (bus->header_got < header) {
		got = take(bus, (uint8_t *)&bus->header + bus->header_got,
			   header - bus->header_got);
		bus->header_got += got != UINT32_MAX ? got : 0;
	} else {
		got = take(bus, bus->payload + bus->payload_got,
			   bus->header.len - bus->payload_got);
		bus->payload_got += got != UINT32_MAX ? got : 0;
	}
	if (got == UINT32_MAX ||
	    (bus->header_got == header && bus->header.len > XENSTORE_PAYLOAD_MAX)) {
		lost(bus);
		return true;
	}
	if (bus->header_got < header || bus->payload_got < bus->header.len) return got > 0;
	bus->payload[bus->payload_got] = '\0';
	bus->header_got = bus->payload_got = 0;
	if (bus->header.type == XS_WATCH_EVENT)
		happened(bus);
	else
		answered(bus);
	return true;
}

/* Whether the connection stands; makes it stand when the store has done its part. */
static bool is_connected(struct xenbus *bus) {
	struct xenstore_domain_interface *ring = bus->ring;

	if (bus->ready && (load(&ring->error) || load(&ring->connection))) lost(bus);
	if (bus->ready) return true;
	if (load(&ring->connection) != XENSTORE_CONNECTED) return false;
	bus->req_prod = load(&ring->req_prod);
	bus->rsp_cons = load(&ring->rsp_cons);
	bus->ready = true;
	bus->connections++;
	bus->salt = bus->incarnation << XENBUS_SALT_SHIFT |
		    (bus->connections & ((1U << XENBUS_CONNECTION_BITS) - 1)) << XENBUS_PLACE_BITS;
	bus->connected(bus->context);
	return true;
}

bool xenbus_serve(struct xenbus *bus) {
	for (unsigned i = 0; i < STEPS; i++) {
		bool moved;

		if (!is_connected(bus)) return false;
		moved = receive(bus);
		moved |= bus->ready && send(bus);
		if (bus->wants_room && bus->ready && bus->requests < XENBUS_REQUESTS / 2 &&
		    bus->out_length < XENBUS_OUT / 2) {
			bus->wants_room = false;
			if (bus->room) bus->room(bus->context);
			moved = true;
		}
		if (!moved) return false;
	}
	return true;
}
