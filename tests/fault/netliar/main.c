/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The driver of a network card that lies to the switch in every field that it can write:
 * tags that were never given out, packets done twice, statuses, lengths and checksums that
 * cannot be, packets that never end, indices, sessions, links and features that make no
 * sense. It sends nothing; what it 'receives' is whatever lay in the buffers. What else the
 * switch serves must not notice at all.
 *
 * It has a device, since without one the switch would not talk to it, and never touches it.
 */
#include "libs/control/control.h"
#include "libs/event/event.h"
#include "libs/grant/grant.h"
#include "libs/log/log.h"
#include "libs/net/index.h"
#include "libs/rt/package.h"
#include "libs/rt/time.h"
#include "proto/system.h"

PACKAGE_CLIENT(SYSTEM_CONN_NET, NET_OLDEST, NET_VERSION);

#define PERIOD MILLISECONDS(1)

static struct net_page *page;
static struct net_tx_done *done;
static struct net_rx *rx;
static const uint64_t (*words)[2];
static const struct net_rx_buffer *posts;
static uint32_t port, tx, sent, posted, received, lies, sessions;
static struct event_timer timer;

static uint32_t noise(void) {
	static uint64_t state = 88172645463325252ULL;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 16);
}

static void complete(uint16_t tag, uint16_t status) {
	done[sent++ % NET_TX_TAGS] = (struct net_tx_done){.tag = tag, .status = status};
}

static void receive(uint16_t tag, uint16_t length, uint16_t flags) {
	rx[received++ % NET_RX_TAGS] = (struct net_rx){
		.tag = tag,
		.flags = flags,
		.length = length,
		.csum_start = (uint16_t)(noise() >> noise() % 32),
		.csum_offset = (uint16_t)(noise() >> noise() % 32),
		.queue = (uint16_t)noise(),
		.gso_size = (uint16_t)(noise() >> noise() % 32),
		.gso = (uint8_t)(noise() >> noise() % 32),
	};
}

/* Does not end the session: counted by the switch, and nothing else. */
static void lie(uint16_t tag) {
	switch (noise() % 6) {
	case 0: complete((uint16_t)noise(), 0); break;
	case 1: complete((uint16_t)(tag ^ (1U << noise() % 16)), 0); break;
	case 2: complete(tag, (uint16_t)(NET_STATUS_RESET + 1 + noise() % 60000)); break;
	case 3: receive((uint16_t)noise(), 60, 0); break;
	case 4:
		receive((uint16_t)(noise() % NET_RX_TAGS), (uint16_t)noise(), (uint16_t)noise());
		break;
	default: page->counters.tx_bytes = noise(); break;
	}
	lies++;
}

/* Ends it. */
static void break_session(void) {
	switch (noise() % 8) {
	case 0: page->tx_done.prod = sent + NET_TX_TAGS + 1 + noise() % 1000; break;
	case 1: page->tx_done.prod = sent - 1 - noise() % 1000; break;
	case 2: page->rx.prod = received + NET_RX_TAGS + 1 + noise() % 1000; break;
	case 3: page->tx.cons = tx + 3000 + noise() % 1000; break;
	case 4: page->session = noise(); break;
	case 5: page->session = 0; break;
	case 6: page->session = ~page->session; break;
	default: page->driver = noise(); break;
	}
	lies++;
}

static void describe_card(void) {
	page->features = noise();
	page->mtu = noise() % 2 ? noise() >> noise() % 32 : 1500;
	page->queues = noise();
	page->speaks =
		noise() % 4 ? NET_SPEAKS(NET_VERSION, rt_start_page->incarnation + 1U) : noise();
	page->link_mbit = noise();
	page->flags = (page->flags & NET_PAGE_MACHINE) | NET_PAGE_LINK | (noise() & ~3U);
	for (uint32_t i = 0; i < 6; i++) page->mac[i] = (uint8_t)noise();
}

static void begin_session(uint32_t wanted) {
	page->tx = page->tx_done = (struct ring_header){.prod_event = 1};
	page->rx_buffer = page->rx = (struct ring_header){.prod_event = 1};
	tx = sent = posted = received = 0;
	describe_card();
	net_store(&page->session, wanted);
	sessions++;
	event_send(port);
}

static void serve_tx(void) {
	uint32_t prod = net_load(&page->tx.prod);

	while (prod - tx - 1 < NET_TX_WORDS) {
		uint64_t word = words[tx % NET_TX_WORDS][0]; /* tag, segments */

		tx += 1U + (uint8_t)(word >> 16);
		if (noise() % 4 == 0) lie((uint16_t)word);
		complete((uint16_t)word, (uint16_t)(noise() % 4));
	}
}

/* Half of the buffers come back: packets of random lengths, some without an end. */
static void serve_rx(void) {
	uint32_t prod = net_load(&page->rx_buffer.prod);

	for (; prod - posted - 1 < NET_RX_TAGS; posted++) {
		uint16_t tag = posts[posted % NET_RX_TAGS].tag;

		if (noise() % 2) continue;
		if (noise() % 4 == 0) lie(tag);
		receive(tag, (uint16_t)(noise() % 8 ? noise() % NET_BUFFER : noise()),
			noise() % 8 ? (uint16_t)(noise() % 16) : (uint16_t)noise());
	}
}

static void serve(void) {
	serve_tx();
	serve_rx();
	page->tx.cons = tx;
	page->tx.prod_event = tx + 1;
	page->rx_buffer.cons = posted;
	page->rx_buffer.prod_event = posted + 1;
	net_store(&page->tx_done.prod, sent);
	__atomic_store_n(&page->rx.prod, received, __ATOMIC_SEQ_CST);
	event_send(port);
}

static void work(void *context) {
	uint32_t wanted = net_load(&page->wanted);
	uint32_t incarnation = rt_start_page->incarnation + 1U;

	(void)context;
	net_store(&page->driver, incarnation);
	if (wanted >> 16 == incarnation && wanted != page->session)
		begin_session(wanted);
	else if (wanted >> 16 != incarnation)
		event_send(port);
}

static void tick(void *context) {
	static uint32_t ticks;

	work(context);
	if (page->session == page->wanted) serve();
	if (noise() % 64 == 0) page->flags ^= NET_PAGE_LINK;
	page->filter_done = noise();
	if (++ticks % 16 == 0) break_session();
	event_send(port);
	if (ticks % 1000 == 0) log_print("%u lies in %u sessions", lies, sessions);
	event_timer_arm(&timer, time_now() + PERIOD);
}

void native_main(void) {
	const struct native_connection *connection = rt_connection(SYSTEM_CONN_NET, 0);
	static struct grant_mapping mapping;
	uint8_t *pages;

	control_init(NULL, NULL);
	if (!connection ||
	    grant_map(&mapping, connection->ring_domid, connection->ring_ref, NET_PAGES))
		rt_panic("there is nobody to lie to");
	pages = mapping.at;
	page = (struct net_page *)pages;
	words = (const uint64_t(*)[2])(pages + NET_AT_WORDS);
	done = (struct net_tx_done *)(pages + NET_AT_DONE);
	posts = (const struct net_rx_buffer *)(pages + NET_AT_POSTS);
	rx = (struct net_rx *)(pages + NET_AT_RX);
	port = connection->port;
	describe_card();
	event_handle(port, work, NULL);
	timer.handler = tick;
	tick(NULL);
	event_loop();
}
