/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A network frontend that lies. Of each of its VIFs it makes a connection as a frontend
 * does; then it says anything in every field of its requests: sizes from 0 to 65535 in any
 * number of slots, offsets, grants, flags, extra infos, and changes them after it has
 * published them. Each request must be answered once, in its place, with a status that
 * exists. In the end each VIF goes too far in its own way: an index that cannot be, before
 * or behind, a chain or extra infos without an end, store keys that name nothing. That VIF is taken
 * away, the next one is not. One rings without end and has nothing to say: it is not listened to
 * for a while each time, and what it sends then is answered all the same.
 *
 * Word: rounds=N of lies on each VIF.
 */
#include "frontend.h"

#include "proto/xen/netif.h"

#define KICKS 300000U
#define LIMIT 60000000000ULL /* ns to wait for answers */
#define MOST  25U            /* slots of one packet: more than a backend has to take */

static struct netif_sring *tx, *rx;
static uint32_t port, vif;

/* --- a connection --- */

static void find_vif(uint32_t n) {
	char device[16];

	vif = n;
	pv_format(device, sizeof(device), "vif/%u", n);
	find_backend(device);
}

static void name_rings(void) {
	struct evtchn_alloc_unbound unbound = {.dom = DOMID_SELF, .remote_dom = backend_id};

	tx = pv_page();
	rx = pv_page();
	memset(tx, 0, PV_PAGE);
	memset(rx, 0, PV_PAGE);
	tx->req_event = tx->rsp_event = rx->req_event = rx->rsp_event = 1;
	grant(RING + 2 * vif, tx);
	grant(RING + 2 * vif + 1, rx);
	PV_MUST(!event_channel_op(EVTCHNOP_alloc_unbound, &unbound));
	port = unbound.port;
	write_number("tx-ring-ref", RING + 2 * vif);
	write_number("rx-ring-ref", RING + 2 * vif + 1);
	write_number("event-channel", port);
	write_number("request-rx-copy", 1);
	write_number("feature-sg", 1);
	write_number("feature-gso-tcpv4", 1);
}

static const char *connect(uint32_t n) {
	find_vif(n);
	name_rings();
	write_node("state", "4");
	return wait_backend(4) ? NULL : "the backend does not connect";
}

/* --- lies --- */

static uint32_t *slot(uint32_t index) {
	return (uint32_t *)(void *)((uint8_t *)(tx + 1) + index % NETIF_SLOTS * NETIF_TX_SLOT_SIZE);
}

/* Never a ring of its own: whoever has that written over harms nobody but himself. */
static uint32_t any_ref(void) {
	if (noise() % 3) return DATA + noise() % PAGES;
	return noise() % 2 ? DATA + PAGES + noise() % 700 : noise() | 0x10000U;
}

static void put(uint32_t index, uint16_t flags, uint32_t size, uint16_t id) {
	*(struct netif_tx_request *)slot(index) = (struct netif_tx_request){
		.gref = any_ref(),
		.offset = (uint16_t)(noise() % 8 ? noise() % 200 : noise()),
		.flags =
			(uint16_t)(flags | (noise() & (NETTXF_csum_blank | NETTXF_data_validated))),
		.id = id,
		.size = (uint16_t)size,
	};
}

static void put_extra(uint32_t index, bool more) {
	struct netif_extra_info *extra = (struct netif_extra_info *)slot(index);

	for (uint32_t i = 0; i < sizeof(*extra); i++) ((uint8_t *)extra)[i] = (uint8_t)noise();
	extra->type = (uint8_t)(noise() % 8 ? noise() % XEN_NETIF_EXTRA_TYPE_MAX : noise());
	extra->flags = more ? XEN_NETIF_EXTRA_FLAG_MORE : 0;
}

/*
 * One packet of 1 to MOST data slots and up to 4 extra infos: the chain has an end, nothing
 * else is right. Bit i of *extras: slot i holds an extra info. How many slots.
 */
static uint32_t put_packet(uint32_t first, uint64_t *extras) {
	uint32_t parts = noise() % 2 ? 1 : 1 + noise() % MOST,
		 infos = noise() % 3 ? 0 : noise() % 5;
	uint32_t n = 0;

	*extras = 0;
	for (uint32_t i = 0; i < parts; i++) {
		uint16_t flags = i + 1 < parts ? NETTXF_more_data : 0;
		uint32_t size = noise() % 4 ? 60 + noise() % 4000 : noise() >> noise() % 32;

		if (!i && infos) flags |= NETTXF_extra_info;
		put(first + n, flags, size, (uint16_t)(1000 + n));
		n++;
		for (uint32_t k = 0; !i && k < infos; k++) {
			*extras |= 1ULL << n;
			put_extra(first + n++, k + 1 < infos);
		}
	}
	return n;
}

static bool answers_come(uint32_t until) {
	uint64_t end = pv_time_ns() + LIMIT;

	while (__atomic_load_n(&tx->rsp_prod, __ATOMIC_ACQUIRE) != until) {
		if (pv_time_ns() > end) return false;
		rest();
	}
	return true;
}

static void publish(uint32_t prod) {
	__atomic_store_n(&tx->req_prod, prod, __ATOMIC_SEQ_CST);
	send(port);
}

/* Whatever somebody sends to us lands in some page, or not. */
static void lie_receive(void) {
	struct netif_rx_request *request = (struct netif_rx_request *)(void *)(rx + 1);
	uint32_t prod = rx->req_prod, taken = __atomic_load_n(&rx->rsp_prod, __ATOMIC_ACQUIRE);

	for (uint32_t i = noise() % 32; i && prod - taken < NETIF_SLOTS; i--)
		request[prod++ % NETIF_SLOTS] = (struct netif_rx_request){
			.id = (uint16_t)noise(), .pad = (uint16_t)noise(), .gref = any_ref()};
	__atomic_store_n(&rx->req_prod, prod, __ATOMIC_SEQ_CST);
}

static void scribble(void) {
	uint8_t *page = data[noise() % PAGES];

	for (uint32_t i = 0; i < 64; i++) page[i] = (uint8_t)noise();
}

static const char *lie_once(void) {
	uint32_t first = tx->req_prod, count;
	uint64_t extras;

	scribble();
	lie_receive();
	count = put_packet(first, &extras);
	publish(first + count);
	if (noise() % 4 == 0) scribble();
	if (!answers_come(first + count)) return "not every request is answered";
	for (uint32_t i = 0; i < count; i++) {
		struct netif_tx_response *response = (struct netif_tx_response *)slot(first + i);

		if (extras >> i & 1) {
			CHECK_EQ(response->status, NETIF_RSP_NULL);
			continue;
		}
		CHECK_EQ(response->id, 1000 + i);
		if (response->status != NETIF_RSP_OKAY && response->status != NETIF_RSP_ERROR &&
		    response->status != NETIF_RSP_DROPPED)
			return "a status that there is not";
	}
	return NULL;
}

static const char *lie(uint32_t number_of_vif) {
	const char *value = pv_option_value("rounds"), *why;
	uint32_t rounds = value ? number(value) : 300;

	why = connect(number_of_vif);
	for (uint32_t i = 0; i < rounds && !why; i++) why = lie_once();
	return why;
}

static const char *taken_away(void) { return wait_backend(6) ? NULL : "the backend goes on"; }

/* --- how each VIF ends --- */

static const char *test_index(void) {
	const char *why = lie(0);

	if (why) return why;
	publish(tx->req_prod + NETIF_SLOTS + 1);
	return taken_away();
}

static const char *test_index_behind(void) {
	const char *why = lie(1);

	if (why) return why;
	publish(tx->req_prod - 1);
	return taken_away();
}

static const char *test_endless_chain(void) {
	const char *why = lie(2);
	uint32_t first = tx->req_prod;

	if (why) return why;
	for (uint32_t i = 0; i < NETIF_SLOTS; i++) put(first + i, NETTXF_more_data, 100, 1);
	publish(first + NETIF_SLOTS);
	return taken_away();
}

static const char *test_endless_extras(void) {
	const char *why = lie(3);
	uint32_t first = tx->req_prod;

	if (why) return why;
	put(first, NETTXF_extra_info, 100, 1);
	for (uint32_t i = 1; i < NETIF_SLOTS; i++) put_extra(first + i, true);
	publish(first + NETIF_SLOTS);
	return taken_away();
}

/* Keys that name what there is not: no connection, ever. */
static const char *test_keys(void) {
	find_vif(4);
	name_rings();
	write_node("tx-ring-ref", "4000000000");
	write_node("event-channel", "70000");
	write_node("state", "4");
	return taken_away();
}

static const char *test_kicks(void) {
	const char *why = connect(5);
	uint64_t begun = pv_time_ns();
	uint32_t first;

	for (uint32_t i = 0; i < KICKS && !why; i++) {
		send(port);
		if (i % (KICKS / 10)) continue;
		first = tx->req_prod;
		put(first, 0, 100, 1);
		publish(first + 1);
		if (!answers_come(first + 1)) why = "a request among the noise is not answered";
	}
	pv_printf("netfront: rang every %lu ns\n", (pv_time_ns() - begun) / KICKS);
	return why;
}

int pv_main(void) {
	static const struct pv_case cases[] = {
		{"kicks", test_kicks, 0},
		{"index", test_index, 0},
		{"index behind", test_index_behind, 0},
		{"endless chain", test_endless_chain, 0},
		{"endless extras", test_endless_extras, 0},
		{"keys", test_keys, 0},
	};

	set_up_grants();
	return pv_run_cases("netfront", CASES(cases));
}
