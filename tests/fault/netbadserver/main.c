/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A switch that lies to the driver of a network card: for ROUNDS rounds it writes garbage into
 * the rings (packets that are nearly right, buffers and words that are none), filters of any
 * content, indices that cannot be, and asks for sessions in the middle. WILD times an
 * address makes the card reach for memory that is not in its window, which costs the driver
 * its life: so this is for a machine with an IOMMU.
 *
 * Then it is an honest switch (libs/net) and wants an answer to an ARP request through the
 * same driver. The log says whether it came.
 */
#include "libs/cap/cap.h"
#include "libs/control/control.h"
#include "libs/event/event.h"
#include "libs/grant/grant.h"
#include "libs/log/log.h"
#include "libs/net/index.h"
#include "libs/net/server.h"
#include "libs/rt/package.h"
#include "libs/rt/time.h"
#include "proto/system.h"
#include "proto/xen/xen.h"

PACKAGE_SERVER(SYSTEM_CONN_NET, NET_OLDEST, NET_VERSION);

#define ROUNDS  3000U
#define WILD    4U
#define PERIOD  MILLISECONDS(1)
#define AGAIN   MILLISECONDS(300)
#define PAGES   9U /* the first is for packets to send */
#define BUFFERS (PAGES - 1)

static const struct native_connection *connection;
static struct grant_mapping mapping;
static struct net_page *page;
static uint8_t *shared;
static uint32_t tx, posted, rounds, sessions, refused;
static struct event_timer timer;
static struct net_server server;
static uint8_t memory[PAGES][PAGE_SIZE] __attribute__((aligned(4096)));
static uint64_t address[PAGES];
static bool wild, honest, answered;
static uint32_t mapped_for; /* incarnation + 1 of the driver */
static uint32_t buffer_of[NET_RX_TAGS];

static uint32_t noise(void) {
	static uint64_t state = 0x2545f4914f6cdd1dULL;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 16);
}

/* --- lies --- */

static uint32_t window(void) {
	for (uint32_t i = 0; i < rt_start_page->cap_count; i++)
		if (rt_start_page->caps[i].slot == connection->dma_slot)
			return rt_start_page->caps[i].first_low;
	rt_panic("it has no window");
}

/* The driver's card reaches the memory from now on. A new driver's window is empty. */
static void map_memory(uint32_t driver) {
	if (mapped_for == driver) return;
	mapped_for = driver;
	for (uint32_t i = 0; i < PAGES; i++) {
		struct dma_map map = {
			.domid = DOMID_SELF, .what = (uintptr_t)memory[i], .slot = window() + i};

		if (cap_dma_map(connection->dma_slot, &map, 1) != 1)
			rt_panic("its memory cannot be mapped for DMA (%d)", map.status);
		address[i] = page->flags & NET_PAGE_MACHINE ? map.machine : map.address;
	}
}

static uint64_t some_address(void) {
	if (wild) return (uint64_t)noise() << 20;
	return noise() % 4 ? address[noise() % PAGES] : noise() & ~2047U;
}

static void put(const void *word) {
	memcpy(shared + NET_AT_WORDS + tx++ % NET_TX_WORDS * 16UL, word, 16);
}

/* Wrong in one field or two. */
static void put_packet(void) {
	struct net_tx packet = {
		.tag = (uint16_t)(noise() % 300),
		.segments = (uint8_t)(noise() % 8 ? 1 : noise() % 30),
		.flags = noise() % 4 ? noise() % 2 : (uint8_t)noise(),
		.csum_start = noise() % 4 ? 34 : (uint16_t)noise(),
		.csum_offset = noise() % 4 ? 16 : (uint16_t)noise(),
		.gso_size = noise() % 4 ? 500 : (uint16_t)noise(),
		.header = noise() % 4 ? 54 : (uint16_t)noise(),
		.gso = noise() % 4 ? 0 : (uint8_t)(noise() % 4),
		.queue = (uint8_t)noise(),
	};

	put(&packet);
	for (uint32_t i = 0; i < packet.segments; i++) {
		struct net_segment segment = {
			.address = some_address(),
			.length = noise() % 4 ? noise() % 1500 : noise() >> noise() % 32,
		};

		put(&segment);
	}
}

static void put_buffer(void) {
	struct net_rx_buffer buffer = {
		.address = wild ? some_address() : address[1 + noise() % (PAGES - 1)],
		.tag = noise() % 8 ? (uint16_t)(noise() % NET_RX_TAGS) : (uint16_t)noise(),
	};

	if (noise() % 16 == 0) buffer.address += noise() % 4096;
	memcpy(shared + NET_AT_POSTS + posted++ % NET_RX_TAGS * 16UL, &buffer, 16);
}

static void put_filter(void) {
	page->filter_flags = noise();
	page->filter_count = noise() >> noise() % 32;
	page->moderation_us = noise() >> noise() % 32;
	for (uint32_t i = 0; i < sizeof(page->filter); i++)
		((uint8_t *)page->filter)[i] = (uint8_t)noise();
	net_store(&page->filter_wanted, noise());
}

static void ask(void) {
	map_memory(page->driver);
	page->version = noise() % 8 ? NET_OLDEST + noise() % NET_VERSION : noise();
	net_store(&page->wanted, page->driver << 16 | (++sessions & 0xffff));
	tx = posted = 0;
}

static void lie(void) {
	uint32_t n = noise() % 40;

	/* What it counts is since its start; the number as it was before it died is good enough. */
	refused = MAX(refused, (uint32_t)page->counters.tx_refused);
	wild = rounds % (ROUNDS / WILD) > ROUNDS / WILD - 10;
	while (n--) {
		put_packet();
		put_buffer();
	}
	net_store(&page->tx.prod, tx);
	net_store(&page->rx_buffer.prod, posted);
	if (noise() % 32 == 0) page->tx.prod = noise();
	if (noise() % 32 == 0) page->rx_buffer.prod = noise();
	if (noise() % 32 == 0) page->rx.cons = noise();
	if (noise() % 16 == 0) put_filter();
	if (noise() % 16 == 0 || page->session != page->wanted) ask();
	if (noise() % 64 == 0) page->wanted = noise();
	event_send(connection->port);
}

/* --- the truth --- */

/* Who has 10.0.2.2? Tell 10.0.2.15. */
static void ask_arp(void) {
	static const uint8_t request[42] = {
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0,  0, 0, 0,  9, 8, 6, 0, 1, 8, 0,  6, 4, 0,
		1,    2,    0,    0,    0,    0,    9, 10, 0, 2, 15, 0, 0, 0, 0, 0, 0, 10, 0, 2, 2,
	};
	struct net_segment segment = {.address = address[0], .length = 60};
	struct net_tx packet = {.segments = 1};

	memset(memory[0], 0, PAGE_SIZE);
	memcpy(memory[0], request, sizeof(request));
	if (net_server_transmit(&server, &packet, &segment) < 0) return;
	net_server_publish(&server);
}

static void post(uint32_t n) {
	int tag = net_server_post(&server, address[1 + n]);

	if (tag >= 0) buffer_of[tag] = n;
}

static void on_up(void *context) {
	(void)context;
	map_memory(server.driver);
	for (uint32_t n = 0; n < BUFFERS; n++) post(n);
	ask_arp();
}

static void on_received(void *context, const struct net_rx *entries, uint32_t count) {
	uint32_t n = buffer_of[entries[0].tag], buffers[NET_SERVER_ENTRIES];
	const uint8_t *frame = memory[1 + n] + server.skip;

	(void)context;
	if (!answered && frame[12] == 8 && frame[13] == 6 && frame[21] == 2 && frame[31] == 2) {
		answered = true;
		log_print("done: %u sessions of lies", sessions);
	}
	for (uint32_t i = 0; i < count; i++) buffers[i] = buffer_of[entries[i].tag];
	for (uint32_t i = 0; i < count; i++) post(buffers[i]);
}

static void on_sent(void *context, uint16_t tag, uint32_t status) {
	(void)context, (void)tag;
	if (status && status != NET_STATUS_RESET) log_print("FAIL: status %u", status);
}

static void on_nothing(void *context) { (void)context; }

static void on_header(void *context, uint16_t tag, struct net_header *header) {
	(void)context;
	memcpy(header, memory[1 + buffer_of[tag]], sizeof(*header));
}

static const struct net_server_ops ops = {
	.up = on_up,
	.down = on_nothing,
	.sent = on_sent,
	.received = on_received,
	.header = on_header,
	.batch = on_nothing,
	.room = on_nothing,
	.link = on_nothing,
};

static void on_event(void *context) {
	(void)context;
	if (honest) net_server_work(&server);
}

static void be_honest(void) {
	struct net_filter filter = {.flags = NET_FILTER_PROMISCUOUS};

	honest = true;
	log_print("now honest; the driver refused %u", refused);
	net_server_start(&server, mapping.at, connection->port, &ops, NULL);
	net_server_filter(&server, &filter);
	net_server_work(&server);
}

static void tick(void *context) {
	(void)context;
	if (++rounds < ROUNDS) {
		if (page->driver) lie();
		event_timer_arm(&timer, time_now() + PERIOD);
		return;
	}
	/* Also after the answer: the core may find a wild address late, and the driver dies then.
	 */
	if (!honest)
		be_honest();
	else if (!answered && net_server_is_up(&server))
		ask_arp();
	event_timer_arm(&timer, time_now() + AGAIN);
}

void native_main(void) {
	control_init(NULL, NULL);
	connection = rt_connection(SYSTEM_CONN_NET, 0);
	if (!connection ||
	    grant_map(&mapping, connection->ring_domid, connection->ring_ref, NET_PAGES))
		rt_panic("there is nobody to lie to");
	page = mapping.at;
	shared = mapping.at;
	event_handle(connection->port, on_event, NULL);
	timer.handler = tick;
	tick(NULL);
	event_loop();
}
