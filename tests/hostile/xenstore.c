/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Guests that abuse the store, and one beside them that uses it. The attacker's
 * cases use up every quota, never read, lie about indices and lengths, send noise,
 * and begin anew again and again (the ring's `connection`). The victim (option
 * `victim`) writes, reads and commits, checks each answer, and measures how long
 * they take.
 */
#include "cases.h"
#include "proto/xen/store.h"

#define LATE_NS     60000000ULL /* one answer, the attacker's share of the CPU included */
#define SERVICE_NS  1000000000ULL
#define PATIENCE_NS 2000000000ULL

static struct xenstore_domain_interface *ring;

static uint32_t noise(void) {
	static uint64_t state = 0x9e3779b97f4a7c15ULL;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 16);
}

static uint32_t load(const uint32_t *index) { return __atomic_load_n(index, __ATOMIC_ACQUIRE); }

static void store_index(uint32_t *index, uint32_t value) {
	__atomic_store_n(index, value, __ATOMIC_SEQ_CST);
}

static void tell(void) {
	struct evtchn_send op = {.port = pv_start->store_evtchn};

	event_channel_op(EVTCHNOP_send, &op);
	sched_op(SCHEDOP_yield, NULL);
}

/* Puts bytes while the store takes them; an attacker does not care for answers. */
static bool put(const void *from, uint32_t size, bool drain) {
	uint64_t end = pv_time_ns() + PATIENCE_NS;
	const char *byte = from;

	for (uint32_t i = 0; i < size; i++) {
		while (ring->req_prod - load(&ring->req_cons) >= XENSTORE_RING_SIZE) {
			if (drain) store_index(&ring->rsp_cons, load(&ring->rsp_prod));
			tell();
			if (!drain || pv_time_ns() > end) return false;
		}
		ring->req[ring->req_prod % XENSTORE_RING_SIZE] = byte[i];
		store_index(&ring->req_prod, ring->req_prod + 1);
	}
	return true;
}

static bool send(uint32_t type, uint32_t transaction, const char *text, uint32_t length,
		 bool drain) {
	struct xsd_sockmsg header = {.type = type, .tx_id = transaction, .len = length};

	return put(&header, sizeof(header), drain) && put(text, length, drain);
}

static bool get(void *to, uint32_t size) {
	uint64_t end = pv_time_ns() + PATIENCE_NS;
	char *byte = to;

	for (uint32_t i = 0; i < size; i++) {
		while (load(&ring->rsp_prod) == ring->rsp_cons) {
			sched_op(SCHEDOP_yield, NULL);
			if (pv_time_ns() > end) return false;
		}
		byte[i] = ring->rsp[ring->rsp_cons % XENSTORE_RING_SIZE];
		store_index(&ring->rsp_cons, ring->rsp_cons + 1);
	}
	return true;
}

static struct xsd_sockmsg header;
static char answer[XENSTORE_PAYLOAD_MAX + 1];

/* One request and its answer. */
static bool ask(uint32_t type, uint32_t transaction, const char *text, uint32_t length) {
	if (!send(type, transaction, text, length, true)) return false;
	tell();
	if (!get(&header, sizeof(header)) || header.len > XENSTORE_PAYLOAD_MAX) return false;
	if (header.len && !get(answer, header.len)) return false;
	answer[header.len] = '\0';
	return header.type == type;
}

/* A fresh connection; false: the store does not give one. */
static bool reconnect(void) {
	uint64_t end = pv_time_ns() + PATIENCE_NS;

	store_index(&ring->connection, XENSTORE_RECONNECT);
	tell();
	while (load(&ring->connection) != XENSTORE_CONNECTED) {
		if (pv_time_ns() > end) return false;
		tell();
	}
	return !ring->req_prod && !ring->rsp_prod && !ring->error;
}

/* The end of every attack: it gets a connection, and what is its own still works. */
static const char *recovered(void) {
	CHECK(reconnect());
	ask(XS_RM, 0, "data/t", 7);
	CHECK(ask(XS_WRITE, 0, "data/t\0mine", 11));
	CHECK(ask(XS_READ, 0, "data/t", 7));
	CHECK(header.len == 4 && answer[0] == 'm' && answer[3] == 'e');
	return NULL;
}

/* --- attacks --- */

/* All nodes, with the largest values, and deep. */
static const char *test_nodes(void) {
	static char text[2200];

	for (uint32_t i = 0; i < 600; i++) {
		memset(text, 'x', sizeof(text));
		pv_format(text, 64, "data/t/%u/a/b/c/d/e/f/g/%u", i % 7, i);
		if (!send(XS_WRITE, 0, text, 40 + noise() % 2000, true)) break;
	}
	return recovered();
}

/* As many watches as there may be, all of them hit by every write, and nobody reads. */
static const char *test_watches(void) {
	char text[64];

	for (uint32_t i = 0; i < 200; i++) {
		uint32_t length;

		if (i & 1)
			pv_format(text, sizeof(text), "/local/domain/%u", pv_domid());
		else
			pv_format(text, sizeof(text), "data");
		length = (uint32_t)strlen(text) + 1;
		pv_format(text + length, 8, "%u", i);
		length += (uint32_t)strlen(text + length) + 1;
		if (!send(XS_WATCH, 0, text, length, true)) break;
	}
	for (uint32_t i = 0; i < 300; i++) {
		memset(text, 0, sizeof(text));
		pv_format(text, sizeof(text), "data/t/n%u", i % 100);
		if (!send(XS_WRITE, 0, text, 14, false)) break;
	}
	return recovered();
}

/* Transactions as long as they may be, in which each request repeats all before. */
static const char *test_transactions(void) {
	char text[64];

	for (uint32_t t = 0; t < 12; t++) send(XS_TRANSACTION_START, 0, "", 1, true);
	for (uint32_t i = 0; i < 1500; i++) {
		memset(text, 0, sizeof(text));
		pv_format(text, sizeof(text), "data/t/%u/n%u", i % 5, i);
		if (!send(XS_WRITE, 1 + i % 12, text, 40, true)) break;
	}
	for (uint32_t t = 0; t < 12; t++) send(XS_TRANSACTION_END, 1 + t, "T", 2, true);
	return recovered();
}

/* Requests without meaning. */
static const char *test_noise(void) {
	static char text[XENSTORE_PAYLOAD_MAX];

	for (uint32_t i = 0; i < 300; i++) {
		uint32_t length = noise() % (i % 8 ? 64 : sizeof(text));

		for (uint32_t k = 0; k < length; k++)
			text[k] = noise() % 3 ? "data/control@\0/"[noise() % 15] : (char)noise();
		if (!send(noise() % 26, noise() % 3, text, length, true)) break;
	}
	return recovered();
}

/* Lengths and indices that lie; each breaks the connection. */
static const char *test_lies(void) {
	for (uint32_t i = 0; i < 60; i++) {
		struct xsd_sockmsg lie = {.type = XS_READ, .len = 4097 + noise()};

		switch (i % 4) {
		case 0: put(&lie, sizeof(lie), true); break;
		case 1: store_index(&ring->req_prod, ring->req_prod + 1025 + noise()); break;
		case 2: store_index(&ring->rsp_cons, noise()); break;
		default: store_index(&ring->req_cons, noise()); break;
		}
		tell();
		CHECK(reconnect());
	}
	return recovered();
}

static const char *test_reconnections(void) {
	for (uint32_t i = 0; i < 200; i++) {
		send(XS_WATCH, 0, "data\0w", 7, true);
		send(XS_TRANSACTION_START, 0, "", 1, true);
		CHECK(reconnect());
	}
	return recovered();
}

/* --- the victim --- */

static const char *test_service(void) {
	uint64_t worst = 0, sum = 0, end = pv_time_ns() + SERVICE_NS;
	char text[64];
	uint32_t i = 0;

	for (; pv_time_ns() < end; i++) {
		uint64_t began = pv_time_ns(), took;
		uint32_t length;

		memset(text, 0, sizeof(text));
		pv_format(text, sizeof(text), "data/v%u", i % 10);
		length = (uint32_t)strlen(text) + 1;
		text[length] = (char)('a' + i % 26);
		CHECK(ask(XS_WRITE, 0, text, length + 1));
		CHECK(ask(XS_READ, 0, text, length));
		CHECK(header.len == 1 && answer[0] == text[length]);
		CHECK(ask(XS_TRANSACTION_START, 0, "", 1));
		took = (pv_time_ns() - began) / 3;
		sum += took;
		worst = took > worst ? took : worst;
		CHECK(reconnect());
	}
	pv_printf("service: %lu us a request, at worst %lu\n", (unsigned long)(sum / i / 1000),
		  (unsigned long)(worst / 1000));
	CHECK(worst < LATE_NS && i > 100);
	return NULL;
}

int pv_main(void) {
	static const struct pv_case attacks[] = {
		{"nodes", test_nodes, 0},
		{"watches", test_watches, 0},
		{"transactions", test_transactions, 0},
		{"noise", test_noise, 0},
		{"lies", test_lies, 0},
		{"reconnections", test_reconnections, 0},
	};
	static const struct pv_case victim[] = {{"service", test_service, 0}};

	ring = pv_mfn_va(pv_start->store_mfn);
	if (!reconnect()) pv_panic("the store gives no connection");
	if (pv_option("victim")) return pv_run_cases("victim", CASES(victim));
	return pv_run_cases("xenstore", CASES(attacks));
}
