/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * See driver.h and proto/net.h. Everything that decides is private: the indices, the
 * sets of tags in use, the copy of the packet. The server's index is read once per
 * batch, each word of a ring once.
 *
 * The rings towards the server need no look at its index: no more tags are in use than
 * they have slots and each is completed once, so a slot that is written over has been
 * read, unless the server lies, and then it alone loses.
 *
 * Sleeping: show, say which indices are of interest, fence, look once more. All of it
 * is one step at the end of a batch (settle), with one fence for the four rings. Of
 * buffers there are enough as long as the card has NET_DRIVER_LOW of them; more are
 * fetched with the next event of any kind, and are not worth one.
 */
#include "libs/net/driver.h"

#include "libs/event/event.h"
#include "libs/net/index.h"

#define OUT_OF_PAGE  (4096U - 1)
#define FRAME_HEADER 14U
#define FRAME_EXTRA  22U /* what a frame has beside its payload: header and two VLAN tags */
#define FRAME_TAGGED 18U
#define TCP_HEADER   20U

static inline void mark(uint64_t *tags, uint32_t tag) { tags[tag / 64] |= 1ULL << tag % 64; }
static inline void unmark(uint64_t *tags, uint32_t tag) { tags[tag / 64] &= ~(1ULL << tag % 64); }

/* Says which one it was: a server that has not looked since it asked for it must ask again. */
static void end_session(struct net_driver *driver) {
	driver->state = NET_DRIVER_IDLE;
	driver->tx_stalled = driver->post_stalled = false;
	net_store(&driver->page->session, ~driver->session);
	event_send(driver->port);
}

/* The server's indices are impossible: nothing in the rings means anything. */
static void break_session(struct net_driver *driver) {
	driver->broken++;
	end_session(driver);
}

void net_driver_lost(struct net_driver *driver) {
	if (driver->state == NET_DRIVER_QUIESCING) {
		net_driver_quiesced(driver);
	} else if (driver->state == NET_DRIVER_UP) {
		end_session(driver);
	}
}

/* --- completions --- */

/* The answer to a tag that is outstanding. */
static void answer(struct net_driver *driver, uint16_t tag, uint32_t status) {
	unmark(driver->tx_waits, tag);
	driver->done[driver->sent++ & (NET_TX_TAGS - 1)] =
		(struct net_tx_done){.tag = tag, .status = (uint16_t)status};
}

bool net_driver_sent(struct net_driver *driver, uint16_t tag, uint32_t status) {
	if (driver->state != NET_DRIVER_UP || !net_driver_tx_waits(driver, tag)) {
		driver->stray++;
		return false;
	}
	if (status == NET_STATUS_OK) {
		driver->counters.tx_packets++;
		driver->counters.tx_bytes += driver->tx_length[tag];
	}
	answer(driver, tag, status);
	return true;
}

bool net_driver_received(struct net_driver *driver, const struct net_rx *entry) {
	if (driver->state != NET_DRIVER_UP || !net_driver_rx_waits(driver, entry->tag)) {
		driver->stray++;
		return false;
	}
	unmark(driver->rx_waits, entry->tag);
	driver->in_card--;
	driver->rx[driver->received++ & (NET_RX_TAGS - 1)] = *entry;
	if (!(entry->flags & NET_RX_BAD)) {
		driver->counters.rx_bytes += entry->length;
		driver->counters.rx_packets += !(entry->flags & NET_RX_MORE);
	}
	return true;
}

/* --- the filter --- */

/* Takes it if it is a new one and complete; one that is being written comes with an event. */
static void take_filter(struct net_driver *driver) {
	const struct net_page *page = driver->page;
	uint32_t wanted = net_load(&page->filter_wanted);
	struct net_filter filter;

	if (wanted == driver->filter_seen || wanted & 1) return;
	filter.flags = net_load(&page->filter_flags);
	filter.count = net_load(&page->filter_count);
	filter.moderation_us = net_load(&page->moderation_us);
	memcpy(filter.address, page->filter, sizeof(filter.address));
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	if (net_load(&page->filter_wanted) != wanted) return;
	if (filter.count > NET_MAX_FILTER) {
		filter.count = 0;
		filter.flags |= NET_FILTER_ALLMULTICAST;
	}
	driver->ops->filter(driver->device, &filter);
	driver->filter_seen = wanted;
	net_store(&driver->page->filter_done, wanted);
	event_send(driver->port);
}

/* --- sessions --- */

/* The version of a session that a live server asks of this incarnation; 0: it asks for none. */
static uint32_t asked_version(const struct net_driver *driver, uint32_t wanted) {
	uint32_t version = net_load(&driver->page->version);

	if (wanted >> 16 != (driver->incarnation & 0xffff) || !(wanted & 0xffff)) return 0;
	return version >= NET_OLDEST && version <= NET_VERSION ? version : 0;
}

/* What the card is in a session of this version. */
static void set_version(struct net_driver *driver, uint32_t version) {
	bool old = version < 2;

	driver->version = version;
	driver->buffer_bytes = old ? NET_BUFFER_1 : NET_BUFFER;
	driver->features = driver->card_features & ~(old ? NET_RX_HEADERS : 0);
	driver->mtu = MIN(driver->card_mtu, old ? NET_BUFFER_1 - FRAME_TAGGED : UINT16_MAX);
}

static void finish_session(struct net_driver *driver) {
	struct net_page *page = driver->page;
	uint32_t wanted = net_load(&page->wanted), version = asked_version(driver, wanted);

	driver->state = NET_DRIVER_IDLE;
	if (!version) return;
	if (version != driver->version) {
		/* Another server than the one for which the card was set up: once more. */
		event_again(driver->port);
		return;
	}
	driver->tx = driver->tx_shown = 0;
	driver->sent = driver->sent_shown = 0;
	driver->posted = driver->posted_shown = 0;
	driver->received = driver->received_shown = 0;
	driver->in_card = 0;
	driver->filter_seen = 1; /* odd: none */
	page->tx = page->tx_done = (struct ring_header){.prod_event = 1};
	page->rx_buffer = page->rx = (struct ring_header){.prod_event = 1};
	page->features = driver->features;
	page->mtu = driver->mtu;
	driver->session = wanted;
	driver->sessions++;
	driver->state = NET_DRIVER_UP;
	net_store(&page->session, wanted);
	event_send(driver->port);
	take_filter(driver);
}

void net_driver_quiesced(struct net_driver *driver) {
	if (driver->state == NET_DRIVER_QUIESCING) finish_session(driver);
}

static void begin_session(struct net_driver *driver, uint32_t version) {
	driver->state = NET_DRIVER_QUIESCING;
	driver->tx_stalled = driver->post_stalled = false;
	memset(driver->tx_waits, 0, sizeof(driver->tx_waits));
	memset(driver->rx_waits, 0, sizeof(driver->rx_waits));
	set_version(driver, version);
	if (driver->ops->quiesce(driver->device)) net_driver_quiesced(driver);
}

/* --- what to transmit --- */

/* Copies the segments. Their sum in bytes; 0: one of them is malformed. */
static uint32_t copy_segments(struct net_driver *driver, uint32_t at, uint32_t count) {
	uint32_t bytes = 0;
	bool wrong = false;

	for (uint32_t i = 0; i < count; i++) {
		struct net_segment *segment = &driver->segments[i];

		net_copy(segment, driver->words[(at + i) & (NET_TX_WORDS - 1)]);
		/* A length of zero wraps, and fails as one that is too long does. */
		wrong |= segment->length - 1 > OUT_OF_PAGE - (segment->address & OUT_OF_PAGE);
		bytes += segment->length;
	}
	return wrong ? 0 : bytes;
}

/* Headers, checksum and cutting: possible, and what the card said it does. */
static bool check_offloads(const struct net_driver *driver, uint32_t bytes) {
	const struct net_tx *packet = &driver->packet;
	uint32_t tso = packet->gso == NET_GSO_TCP4 ? NET_TX_TSO4 : NET_TX_TSO6;

	if (packet->flags & ~NET_TX_CSUM || packet->gso > NET_GSO_TCP6) return false;
	if (packet->flags & NET_TX_CSUM) {
		if (!(driver->features & (NET_TX_CSUM4 | NET_TX_CSUM6))) return false;
		if ((uint32_t)packet->csum_start + packet->csum_offset + 2 > bytes) return false;
	}
	if (packet->gso == NET_GSO_NONE) return bytes <= driver->mtu + FRAME_EXTRA;
	return driver->features & tso && packet->flags & NET_TX_CSUM && packet->gso_size &&
	       packet->header >= packet->csum_start + TCP_HEADER && packet->header < bytes &&
	       packet->header <= driver->segments[0].length &&
	       packet->header + (uint32_t)packet->gso_size <= driver->mtu + FRAME_EXTRA;
}

/*
 * Takes the next packet out of the ring; there are `available` words. Afterwards it
 * is answered, dropped, or stalled: to be transmitted. False: the session broke.
 */
static bool take(struct net_driver *driver, uint32_t available) {
	struct net_tx *packet = &driver->packet;
	uint32_t at = driver->tx, bytes = 0;

	net_copy(packet, driver->words[at & (NET_TX_WORDS - 1)]);
	if (packet->segments > available - 1) return false;
	driver->tx = at + 1 + packet->segments;
	if (packet->tag >= NET_TX_TAGS || net_driver_tx_waits(driver, packet->tag)) {
		driver->dropped++;
		return true;
	}
	mark(driver->tx_waits, packet->tag);
	if (packet->segments <= NET_MAX_SEGMENTS)
		bytes = copy_segments(driver, at + 1, packet->segments);
	if (bytes < FRAME_HEADER || bytes > NET_MAX_PACKET || !check_offloads(driver, bytes)) {
		driver->counters.tx_refused++;
		answer(driver, packet->tag, NET_STATUS_BAD);
		return true;
	}
	driver->tx_length[packet->tag] = bytes;
	driver->tx_stalled = true;
	return true;
}

/* Takes and transmits until the ring is empty, the card full, or the budget spent. */
static bool serve_tx(struct net_driver *driver, uint32_t *budget) {
	uint32_t available = net_load(&driver->page->tx.prod) - driver->tx;
	bool any = false;

	if (available > NET_TX_WORDS) {
		break_session(driver);
		return false;
	}
	for (;;) {
		uint32_t before = driver->tx;

		if (driver->tx_stalled) {
			if (!driver->ops->transmit(driver->device, &driver->packet,
						   driver->segments))
				break;
			driver->tx_stalled = false;
			any = true;
		}
		if (!available || !*budget) break;
		--*budget;
		if (!take(driver, available)) {
			break_session(driver);
			break;
		}
		available -= driver->tx - before;
	}
	return any;
}

/* --- buffers --- */

static void take_buffer(struct net_driver *driver) {
	struct net_rx_buffer *buffer = &driver->buffer;

	net_copy(buffer, &driver->posts[driver->posted++ & (NET_RX_TAGS - 1)]);
	if (buffer->tag >= NET_RX_TAGS || net_driver_rx_waits(driver, buffer->tag) ||
	    buffer->address % driver->buffer_bytes) {
		driver->dropped++;
		return;
	}
	mark(driver->rx_waits, buffer->tag);
	driver->in_card++;
	driver->post_stalled = true;
}

/* At most as many as there are tags. True: the card has got some. */
static bool serve_buffers(struct net_driver *driver) {
	uint32_t available = net_load(&driver->page->rx_buffer.prod) - driver->posted;
	bool any = false;

	if (available > NET_RX_TAGS) {
		break_session(driver);
		return false;
	}
	for (;;) {
		if (driver->post_stalled) {
			if (!driver->ops->post(driver->device, driver->buffer.tag,
					       driver->buffer.address))
				break;
			driver->post_stalled = false;
			any = true;
		}
		if (!available--) break;
		take_buffer(driver);
	}
	return any;
}

/* --- the end of a batch --- */

static bool wants_buffers(const struct net_driver *driver) {
	return !driver->post_stalled && driver->in_card < NET_DRIVER_LOW;
}

static void show(struct net_driver *driver) {
	struct net_page *page = driver->page;

	net_store(&page->tx.cons, driver->tx);
	net_store(&page->tx_done.prod, driver->sent);
	net_store(&page->rx_buffer.cons, driver->posted);
	net_store(&page->rx.prod, driver->received);
	page->counters = driver->counters;
	net_store(&page->tx.prod_event, driver->tx + !driver->tx_stalled);
	net_store(&page->rx_buffer.prod_event, driver->posted + wants_buffers(driver));
}

/* Shows what was done, and says what is of interest next. True: some of that is there already. */
static bool settle(struct net_driver *driver) {
	struct net_page *page = driver->page;
	bool send;

	show(driver);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	send = net_passed(driver->tx, driver->tx_shown, net_load(&page->tx.cons_event)) ||
	       net_passed(driver->sent, driver->sent_shown, net_load(&page->tx_done.prod_event)) ||
	       net_passed(driver->received, driver->received_shown, net_load(&page->rx.prod_event));
	driver->tx_shown = driver->tx;
	driver->sent_shown = driver->sent;
	driver->posted_shown = driver->posted;
	driver->received_shown = driver->received;
	if (send) event_send(driver->port);
	if (wants_buffers(driver) && net_load(&page->rx_buffer.prod) != driver->posted) return true;
	return !driver->tx_stalled && net_load(&page->tx.prod) != driver->tx;
}

void net_driver_work(struct net_driver *driver) {
	uint32_t wanted = net_load(&driver->page->wanted), budget = NET_DRIVER_BUDGET, version = 0;
	bool more, any;

	if (driver->state == NET_DRIVER_OFFLINE || driver->state == NET_DRIVER_QUIESCING) return;
	if (wanted != driver->session) version = asked_version(driver, wanted);
	if (version) begin_session(driver, version);
	if (driver->state == NET_DRIVER_UP) take_filter(driver);
	do {
		any = driver->state == NET_DRIVER_UP && serve_buffers(driver);
		if (driver->state == NET_DRIVER_UP) any |= serve_tx(driver, &budget);
		if (any && driver->ops->kick) driver->ops->kick(driver->device);
		if (driver->state != NET_DRIVER_UP) return;
		more = settle(driver);
	} while (more && budget--);
	if (more) event_again(driver->port);
}

/* --- start --- */

void net_driver_link(struct net_driver *driver, bool up, uint32_t mbit) {
	driver->flags = (driver->flags & ~NET_PAGE_LINK) | (up ? NET_PAGE_LINK : 0);
	net_store(&driver->page->link_mbit, mbit);
	net_store(&driver->page->flags, driver->flags);
	if (driver->state != NET_DRIVER_OFFLINE) event_send(driver->port);
}

void net_driver_online(struct net_driver *driver, const struct net_card *card) {
	struct net_page *page = driver->page;

	driver->card_features = card->features;
	driver->card_mtu = card->mtu;
	set_version(driver, NET_VERSION);
	page->features = driver->features;
	page->mtu = driver->mtu;
	page->queues = card->queues;
	memcpy(page->mac, card->mac, sizeof(page->mac));
	if (card->machine) driver->flags |= NET_PAGE_MACHINE;
	net_store(&page->flags, driver->flags);
	driver->state = NET_DRIVER_IDLE;
	net_store(&page->driver, driver->incarnation);
	event_send(driver->port);
}

static void on_event(void *context) { net_driver_work(context); }

void net_driver_start(struct net_driver *driver, void *pages, uint32_t port, uint32_t incarnation,
		      const struct net_driver_ops *ops, void *device) {
	uint8_t *first = pages;

	*driver = (struct net_driver){
		.ops = ops,
		.device = device,
		.page = pages,
		.words = (const uint64_t(*)[2])(first + NET_AT_WORDS),
		.done = (struct net_tx_done *)(first + NET_AT_DONE),
		.posts = (const struct net_rx_buffer *)(first + NET_AT_POSTS),
		.rx = (struct net_rx *)(first + NET_AT_RX),
		.port = port,
		.incarnation = incarnation,
	};
	/* In this order: who sees that the session is over does not ask the predecessor for one. */
	net_store(&driver->page->driver, 0);
	net_store(&driver->page->session, 0);
	net_store(&driver->page->flags, 0);
	if (NET_VERSION > 1) net_store(&driver->page->speaks, NET_SPEAKS(NET_VERSION, incarnation));
	event_handle(port, on_event, driver);
}
