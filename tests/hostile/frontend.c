/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What lying frontends have in common: they find their backend in the store, grant pages to
 * it and follow its state, as honest ones do.
 */
#include "frontend.h"

#include "proto/xen/store.h"

#define LIMIT 60000000000ULL /* ns to wait for a state of the backend */

uint8_t *data[PAGES];
uint16_t backend_id;

static struct grant_entry_v1 *grants;
static char backend[80], front[32];

uint32_t noise(void) {
	static uint64_t state = 0x9e3779b97f4a7c15ULL;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 16);
}

void rest(void) { PV_MUST(sched_op(SCHEDOP_yield, NULL) == 0); }

void send(uint32_t to) {
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

void write_node(const char *name, const char *value) {
	char path[96], answer[64];

	pv_format(path, sizeof(path), "%s/%s", front, name);
	if (!store_do(path, value, answer, sizeof(answer)))
		pv_panic("the store does not write %s: %s", path, answer);
}

void write_number(const char *name, uint32_t value) {
	char text[16];

	pv_format(text, sizeof(text), "%u", value);
	write_node(name, text);
}

uint32_t number(const char *text) {
	uint32_t value = 0;

	while (*text >= '0' && *text <= '9') value = value * 10 + (uint32_t)(*text++ - '0');
	return value;
}

bool wait_backend(uint32_t state) {
	uint64_t end = pv_time_ns() + LIMIT;
	char path[96], answer[16];

	pv_format(path, sizeof(path), "%s/state", backend);
	while (!store_do(path, NULL, answer, sizeof(answer)) || number(answer) != state) {
		if (pv_time_ns() > end) return false;
		for (int i = 0; i < 100; i++) rest();
	}
	return true;
}

void grant(uint32_t ref, void *page) {
	grants[ref].domid = backend_id;
	grants[ref].frame = (uint32_t)pv_mfn(page);
	__atomic_store_n(&grants[ref].flags, GTF_permit_access, __ATOMIC_SEQ_CST);
}

void set_up_grants(void) {
	uint64_t frame = 0;
	struct gnttab_setup_table setup = {
		.dom = DOMID_SELF, .nr_frames = 1, .frame_list = va(&frame)};

	PV_MUST(!grant_table_op(GNTTABOP_setup_table, &setup, 1) && !setup.status);
	grants = pv_page();
	PV_MUST(!update_va_mapping(va(grants), frame * PV_PAGE | PV_RW, UVMF_INVLPG));
	for (uint32_t i = 0; i < PAGES; i++) data[i] = pv_page();
}

void find_backend(const char *device) {
	uint64_t end = pv_time_ns() + LIMIT;
	char path[96], answer[80];

	store = pv_mfn_va(pv_start->store_mfn);
	pv_format(front, sizeof(front), "device/%s", device);
	pv_format(path, sizeof(path), "%s/backend", front);
	while (!store_do(path, NULL, backend, sizeof(backend))) PV_MUST(pv_time_ns() < end);
	pv_format(path, sizeof(path), "%s/backend-id", front);
	PV_MUST(store_do(path, NULL, answer, sizeof(answer)));
	backend_id = (uint16_t)number(answer);
	for (uint32_t i = 0; i < PAGES; i++) grant(DATA + i, data[i]);
}
