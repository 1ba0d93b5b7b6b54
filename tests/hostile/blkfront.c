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
#include "cases.h"

#include "proto/xen/blkif.h"
#include "proto/xen/store.h"

#define SLOTS 32U
#define PAGES 16U /* data pages, granted as DATA + n */
#define RING  8U  /* grant references */
#define DATA  16U
#define LIMIT 20000000000ULL /* ns to wait for anything */

static struct grant_entry_v1 *grants;
static struct blkif_sring *ring;
static uint8_t *data[PAGES];
static uint32_t port;
static uint16_t backend_id;
static char backend[80];
static const char front[] = "device/vbd/51712";

static uint32_t noise(void) {
	static uint64_t state = 0x9e3779b97f4a7c15ULL;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 16);
}

static void rest(void) { PV_MUST(sched_op(SCHEDOP_yield, NULL) == 0); }

static void send(uint32_t to) {
	struct evtchn_send op = {.port = to};

	event_channel_op(EVTCHNOP_send, &op);
}

/* --- the store, one request at a time --- */

static struct xenstore_domain_interface *store;

static void store_put(const void *from, uint32_t size) {
	const uint8_t *byte = from;

	for (uint32_t i = 0; i < size; i++) {
		while (store->req_prod - *(volatile uint32_t *)&store->req_cons ==
		       XENSTORE_RING_SIZE)
			rest();
		store->req[store->req_prod % XENSTORE_RING_SIZE] = (char)byte[i];
		__atomic_store_n(&store->req_prod, store->req_prod + 1, __ATOMIC_SEQ_CST);
	}
	send(pv_start->store_evtchn);
}

static void store_get(void *to, uint32_t size) {
	uint8_t *byte = to;

	for (uint32_t i = 0; i < size; i++) {
		while (*(volatile uint32_t *)&store->rsp_prod == store->rsp_cons) rest();
		byte[i] = (uint8_t)store->rsp[store->rsp_cons % XENSTORE_RING_SIZE];
		__atomic_store_n(&store->rsp_cons, store->rsp_cons + 1, __ATOMIC_SEQ_CST);
	}
	send(pv_start->store_evtchn);
}

/* The answer, NUL-terminated; false: an error. value NULL: a read. */
static bool store_do(const char *path, const char *value, char *answer, uint32_t size) {
	uint32_t length = (uint32_t)strlen(path) + 1, more = value ? (uint32_t)strlen(value) : 0;
	struct xsd_sockmsg header = {.type = value ? XS_WRITE : XS_READ, .len = length + more};
	char byte;

	store_put(&header, sizeof(header));
	store_put(path, length);
	if (value) store_put(value, more);
	do {
		store_get(&header, sizeof(header));
		for (uint32_t i = 0; i < header.len; i++) {
			store_get(&byte, 1);
			if (i < size) answer[i] = byte;
		}
		answer[header.len < size ? header.len : size - 1] = '\0';
	} while (header.type == XS_WATCH_EVENT);
	return header.type != XS_ERROR;
}

static void write_node(const char *name, const char *value) {
	char path[96], answer[64];

	pv_format(path, sizeof(path), "%s/%s", front, name);
	if (!store_do(path, value, answer, sizeof(answer)))
		pv_panic("the store does not write %s: %s", path, answer);
}

static void write_number(const char *name, uint32_t value) {
	char text[16];

	pv_format(text, sizeof(text), "%u", value);
	write_node(name, text);
}

static uint32_t number(const char *text) {
	uint32_t value = 0;

	while (*text >= '0' && *text <= '9') value = value * 10 + (uint32_t)(*text++ - '0');
	return value;
}

static uint32_t backend_state(void) {
	char path[96], answer[16];

	pv_format(path, sizeof(path), "%s/state", backend);
	return store_do(path, NULL, answer, sizeof(answer)) ? number(answer) : 0;
}

static bool wait_backend(uint32_t state) {
	uint64_t end = pv_time_ns() + LIMIT;

	while (backend_state() != state) {
		if (pv_time_ns() > end) return false;
		for (int i = 0; i < 100; i++) rest();
	}
	return true;
}

/* --- the ring --- */

static struct blkif_request *slot(uint32_t index) {
	return (struct blkif_request *)((uint8_t *)ring + sizeof(*ring) +
					index % SLOTS * BLKIF_SLOT_SIZE);
}

static void grant(uint32_t ref, void *page) {
	grants[ref].domid = backend_id;
	grants[ref].frame = (uint32_t)pv_mfn(page);
	__atomic_store_n(&grants[ref].flags, GTF_permit_access, __ATOMIC_SEQ_CST);
}

static void find_backend(void) {
	char path[96], answer[80];
	uint64_t end = pv_time_ns() + LIMIT;

	store = pv_mfn_va(pv_start->store_mfn);
	pv_format(path, sizeof(path), "%s/backend", front);
	while (!store_do(path, NULL, backend, sizeof(backend))) PV_MUST(pv_time_ns() < end);
	pv_format(path, sizeof(path), "%s/backend-id", front);
	PV_MUST(store_do(path, NULL, answer, sizeof(answer)));
	backend_id = (uint16_t)number(answer);
}

static void set_up_grants(void) {
	uint64_t frame = 0;
	struct gnttab_setup_table setup = {
		.dom = DOMID_SELF, .nr_frames = 1, .frame_list = va(&frame)};

	PV_MUST(!grant_table_op(GNTTABOP_setup_table, &setup, 1) && !setup.status);
	grants = pv_page();
	PV_MUST(!update_va_mapping(va(grants), frame * PV_PAGE | PV_RW, UVMF_INVLPG));
	ring = pv_page();
	grant(RING, ring);
	for (uint32_t i = 0; i < PAGES; i++) {
		data[i] = pv_page();
		grant(DATA + i, data[i]);
	}
}

static const char *connect(void) {
	struct evtchn_alloc_unbound unbound = {.dom = DOMID_SELF, .remote_dom = backend_id};

	memset(ring, 0, PV_PAGE);
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

	find_backend();
	set_up_grants();
	why = connect();
	if (why) pv_panic("%s", why);
	return pv_run_cases("blkfront", CASES(cases));
}
