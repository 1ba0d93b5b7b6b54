/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A block frontend that lies. It speaks with the store and the disk server as a
 * frontend does, and then says anything in every field of its requests: operation,
 * segments, grants, sectors, identities, indirect pages, and changes them after it
 * has published them. Each request must be answered once, with a status that
 * exists. Then it publishes an index that cannot be, and its device is taken away. A
 * guest beside it must not notice.
 *
 * Words: rounds=N of lies, index=N: how far it is ahead in the end.
 */
#include "frontend.h"

#include "proto/xen/blkif.h"

#define SLOTS 32U
#define LIMIT 20000000000ULL /* ns to wait for answers */

static struct blkif_sring *ring;
static uint32_t port;

/* --- the ring --- */

static struct blkif_request *slot(uint32_t index) {
	return (struct blkif_request *)((uint8_t *)ring + sizeof(*ring) +
					index % SLOTS * BLKIF_SLOT_SIZE);
}

static const char *connect(void) {
	struct evtchn_alloc_unbound unbound = {.dom = DOMID_SELF, .remote_dom = backend_id};

	ring = pv_page();
	memset(ring, 0, PV_PAGE);
	grant(RING, ring);
	ring->req_event = ring->rsp_event = 1;
	PV_MUST(!event_channel_op(EVTCHNOP_alloc_unbound, &unbound));
	port = unbound.port;
	write_number("ring-ref", RING);
	write_number("event-channel", port);
	write_node("protocol", "x86_64-abi");
	write_node("state", "3");
	if (!wait_backend(4)) return "the backend does not connect";
	write_node("state", "4");
	return NULL;
}

static bool answers_come(uint32_t until) {
	uint64_t end = pv_time_ns() + LIMIT;

	while (__atomic_load_n(&ring->rsp_prod, __ATOMIC_ACQUIRE) != until) {
		if (pv_time_ns() > end) return false;
		rest();
	}
	return true;
}

static void publish(uint32_t prod) {
	__atomic_store_n(&ring->req_prod, prod, __ATOMIC_SEQ_CST);
	send(port);
}

/* One right request; what is at page 0 goes to a sector and comes back. */
static int32_t honest(uint8_t operation, uint64_t sector) {
	uint32_t prod = ring->req_prod;
	struct blkif_response *response = (struct blkif_response *)slot(prod);

	*slot(prod) = (struct blkif_request){
		.operation = operation,
		.nr_segments = 1,
		.id = 77,
		.sector_number = sector,
		.seg[0] = {.gref = DATA, .first_sect = 0, .last_sect = 7},
	};
	publish(prod + 1);
	if (!answers_come(prod + 1)) return -99;
	return response->id == 77 ? response->status : -98;
}

static const char *test_honest(void) {
	for (uint32_t i = 0; i < PV_PAGE; i++) data[0][i] = (uint8_t)(i * 7);
	CHECK_EQ(honest(BLKIF_OP_WRITE, 800), 0);
	memset(data[0], 0, PV_PAGE);
	CHECK_EQ(honest(BLKIF_OP_READ, 800), 0);
	for (uint32_t i = 0; i < PV_PAGE; i++) CHECK_EQ(data[0][i], (uint8_t)(i * 7));
	return NULL;
}

/* --- lies --- */

static uint64_t any(void) { return (uint64_t)noise() << noise() % 40; }

/* Not the ring's own: whoever has that written over harms nobody but himself. */
static uint32_t any_ref(void) {
	uint32_t ref = noise() % 3 ? DATA + noise() % PAGES : noise() % 700;

	return ref == RING ? RING + 1 : ref;
}

static void lie_segments(struct blkif_request_segment *segment, uint32_t count) {
	for (uint32_t i = 0; i < count; i++)
		segment[i] = (struct blkif_request_segment){
			.gref = noise() % 16 ? any_ref() : noise(),
			.first_sect = (uint8_t)(noise() % 8 ? noise() % 8 : noise()),
			.last_sect = (uint8_t)(noise() % 8 ? noise() % 8 : noise()),
		};
}

/* A data page full of segments for indirect requests; the server reads it when it likes. */
static void lie_request(struct blkif_request *request, uint64_t id) {
	struct blkif_request_indirect *indirect = (struct blkif_request_indirect *)request;
	struct blkif_request_discard *discard = (struct blkif_request_discard *)request;

	memset(request, 0, sizeof(*request));
	request->operation = (uint8_t)(noise() % 8 ? noise() % 7 : noise());
	request->handle = (uint16_t)(noise() % 4 ? 0 : noise());
	request->id = id;
	request->sector_number = noise() % 4 ? noise() % 60000 : any();
	if (request->operation == BLKIF_OP_INDIRECT) {
		indirect->indirect_op = (uint8_t)(noise() % 8 ? noise() % 2 : noise());
		indirect->nr_segments = (uint16_t)(noise() % 4 ? noise() % 300 : noise());
		for (uint32_t i = 0; i < BLKIF_MAX_INDIRECT_PAGES_PER_REQUEST; i++)
			indirect->indirect_grefs[i] = any_ref();
		lie_segments((void *)data[PAGES - 1], PV_PAGE / 8);
	} else if (request->operation == BLKIF_OP_DISCARD) {
		discard->flag = (uint8_t)noise();
		discard->nr_sectors = any();
	} else {
		request->nr_segments = (uint8_t)(noise() % 8 ? noise() % 12 : noise());
		lie_segments(request->seg, BLKIF_MAX_SEGMENTS_PER_REQUEST);
	}
}

static const char *check_answers(uint32_t first, uint32_t end, uint32_t *seen) {
	*seen = 0;
	for (uint32_t i = first; i != end; i++) {
		struct blkif_response *response = (struct blkif_response *)slot(i);
		uint32_t n = (uint32_t)response->id - 1000;

		if (n >= SLOTS || *seen >> n & 1) return "an answer to nothing, or a second one";
		if (response->status > 0 || response->status < BLKIF_RSP_EOPNOTSUPP)
			return "a status that there is not";
		*seen |= 1U << n;
	}
	return NULL;
}

static const char *lie_once(void) {
	uint32_t count = 1 + noise() % SLOTS, first = ring->req_prod, seen;
	const char *why;

	for (uint32_t i = 0; i < count; i++) lie_request(slot(first + i), 1000 + i);
	publish(first + count);
	/* Afterwards too, where an answer does not lie. */
	for (uint32_t i = noise() % 8; i; i--) {
		struct blkif_request *request = slot(first + noise() % count);

		request->sector_number = any();
		lie_segments(request->seg, BLKIF_MAX_SEGMENTS_PER_REQUEST);
	}
	if (!answers_come(first + count)) return "not every request is answered";
	why = check_answers(first, first + count, &seen);
	if (why) return why;
	CHECK_EQ(seen, (uint32_t)((1ULL << count) - 1));
	return NULL;
}

static const char *test_lies(void) {
	const char *value = pv_option_value("rounds"), *why = NULL;
	uint32_t rounds = value ? number(value) : 300;

	for (uint32_t i = 0; i < rounds && !why; i++) why = lie_once();
	return why ? why : test_honest();
}

/* A refused request and a barrier behind it, together: the barrier waits for its answer. */
static const char *test_barrier(void) {
	uint32_t first = ring->req_prod;

	*slot(first) = (struct blkif_request){.operation = 232, .nr_segments = 1, .id = 1000};
	*slot(first + 1) = (struct blkif_request){
		.operation = BLKIF_OP_WRITE_BARRIER,
		.nr_segments = 1,
		.id = 1001,
		.sector_number = 800,
		.seg[0] = {.gref = DATA, .first_sect = 0, .last_sect = 7},
	};
	publish(first + 2);
	return answers_come(first + 2) ? NULL : "they are not answered";
}

/* By default one more than the ring has. */
static const char *test_index(void) {
	const char *value = pv_option_value("index");

	publish(ring->req_prod + (value ? number(value) : SLOTS + 1));
	return wait_backend(6) ? NULL : "the backend goes on";
}

int pv_main(void) {
	static const struct pv_case cases[] = {
		{"honest", test_honest, 0},
		{"barrier", test_barrier, 0},
		{"lies", test_lies, 0},
		{"index", test_index, 0},
	};
	const char *why;

	set_up_grants();
	find_backend("vbd/51712");
	why = connect();
	if (why) pv_panic("%s", why);
	return pv_run_cases("blkfront", CASES(cases));
}
