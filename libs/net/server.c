/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * See server.h and proto/net.h. The page's `wanted` is this end's own field: it
 * outlives an incarnation, so a successor counts on from there and never asks for
 * a session that there has been. `filter_wanted` is one as well.
 *
 * The driver is asked for a new session whenever what it shows does not fit: its
 * field `session` is not ours any more, or an index is out of distance. While the
 * session is asked for, the rings are not touched.
 *
 * Buffers need no look at the driver's index: no more tags are out than the ring has
 * slots, and a tag that comes back has been read.
 */
#include "libs/net/server.h"

#include "libs/event/event.h"
#include "libs/net/index.h"

#define MIN_MTU 68U

/* --- tags --- */

static void tags_fill(struct net_tags *tags, uint32_t count) {
	memset(tags->out, 0, sizeof(tags->out));
	for (uint32_t i = 0; i < count; i++) tags->free[i] = (uint16_t)(count - 1 - i);
	tags->free_count = count;
}

static inline uint16_t tags_take(struct net_tags *tags) {
	uint16_t tag = tags->free[--tags->free_count];

	tags->out[tag / 64] |= 1ULL << tag % 64;
	return tag;
}

/* It is not out any more, and is not free yet. False: it is not out. */
static inline bool tags_back(struct net_tags *tags, uint32_t tag, uint32_t limit) {
	if (tag >= limit || !(tags->out[tag / 64] >> tag % 64 & 1)) return false;
	tags->out[tag / 64] &= ~(1ULL << tag % 64);
	return true;
}

static inline void tags_free(struct net_tags *tags, uint16_t tag) {
	tags->free[tags->free_count++] = tag;
}

static void forget_all(struct net_server *server) {
	server->short_of = 0;
	tags_fill(&server->tx_tags, NET_TX_TAGS);
	tags_fill(&server->rx_tags, NET_RX_TAGS);
}

/* --- sessions --- */

static void fall(struct net_server *server) {
	server->state = NET_SERVER_DOWN;
	server->link = false;
	forget_all(server);
	server->ops->down(server->context);
	/* What follows is a new session; the event loop comes back here for it. */
	event_again(server->port);
}

void net_server_renew(struct net_server *server) {
	if (server->state == NET_SERVER_UP) fall(server);
}

static void come_up(struct net_server *server) {
	struct net_page *page = server->page;
	uint32_t flags = net_load(&page->flags), mtu = net_load(&page->mtu);

	server->tx = server->tx_shown = server->tx_taken = 0;
	server->posted = server->posted_shown = 0;
	server->sent = server->received = 0;
	server->entry_count = 0;
	server->entry_bad = false;
	server->machine = flags & NET_PAGE_MACHINE;
	server->link = flags & NET_PAGE_LINK;
	server->features = net_load(&page->features);
	if (server->version < 2) server->features &= ~NET_RX_HEADERS;
	server->skip = server->features & NET_RX_HEADERS ? sizeof(struct net_header) : 0;
	server->mbit = net_load(&page->link_mbit);
	server->queues = net_load(&page->queues);
	server->mtu = mtu < MIN_MTU || mtu > UINT16_MAX ? 1500 : mtu;
	memcpy(server->mac, page->mac, sizeof(server->mac));
	server->state = NET_SERVER_UP;
	server->sessions++;
	server->ops->up(server->context);
}

/* The newest version that this driver knows as well. */
static uint32_t common_version(const struct net_server *server, uint32_t driver) {
	uint32_t speaks = net_load(&server->page->speaks);

	if (speaks != NET_SPEAKS(speaks >> 16, driver)) return NET_OLDEST;
	return MAX(MIN(speaks >> 16, NET_VERSION), NET_OLDEST);
}

static void ask(struct net_server *server, uint32_t driver) {
	uint32_t n = (server->wanted + 1) & 0xffff;

	server->version = common_version(server, driver);
	net_store(&server->page->version, server->version);
	server->wanted = driver << 16 | (n ? n : 1);
	server->driver = driver;
	server->state = NET_SERVER_ASKED;
	net_store(&server->page->wanted, server->wanted);
	event_send(server->port);
}

/* Not up: looks how far the driver is. */
static void connect(struct net_server *server) {
	uint32_t driver = net_load(&server->page->driver);
	uint32_t session = net_load(&server->page->session);

	if (!driver)
		server->state = NET_SERVER_DOWN;
	else if (server->state != NET_SERVER_ASKED || driver != server->driver ||
		 session == ~server->wanted)
		ask(server, driver);
	else if (session == server->wanted)
		come_up(server);
}

static void look_at_link(struct net_server *server) {
	bool link = net_load(&server->page->flags) & NET_PAGE_LINK;

	if (link == server->link) return;
	server->link = link;
	server->mbit = net_load(&server->page->link_mbit);
	server->ops->link(server->context);
}

/* --- the filter --- */

void net_server_filter(struct net_server *server, const struct net_filter *filter) {
	struct net_page *page = server->page;
	uint32_t odd = (server->filter_wanted + 1) | 1;

	net_store(&page->filter_wanted, odd);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	page->filter_flags = filter->flags;
	page->filter_count = MIN(filter->count, NET_MAX_FILTER);
	page->moderation_us = filter->moderation_us;
	memcpy(page->filter, filter->address, sizeof(page->filter));
	server->filter_wanted = odd + 1;
	net_store(&page->filter_wanted, server->filter_wanted);
	event_send(server->port);
}

bool net_server_filter_done(const struct net_server *server) {
	return server->state == NET_SERVER_UP &&
	       net_load(&server->page->filter_done) == server->filter_wanted;
}

/* --- to the driver --- */

static uint32_t space(const struct net_server *server) {
	return NET_TX_WORDS - (server->tx - server->tx_taken);
}

/* Looks how much the driver has taken. False: it cannot be so. */
static bool look_at_taken(struct net_server *server) {
	uint32_t taken = net_load(&server->page->tx.cons);

	if (server->tx - taken > NET_TX_WORDS) return false;
	server->tx_taken = taken;
	return true;
}

static inline void put_word(struct net_server *server, uint32_t index, const void *from) {
	__builtin_memcpy(server->words[index & (NET_TX_WORDS - 1)], from, 16);
}

int net_server_transmit(struct net_server *server, struct net_tx *packet,
			const struct net_segment *segments) {
	uint32_t at = server->tx, needed = 1U + packet->segments;

	if (server->state != NET_SERVER_UP) return -XEN_ENOTCONN;
	rt_assert(packet->segments && packet->segments <= NET_MAX_SEGMENTS,
		  "a packet has 1 to NET_MAX_SEGMENTS segments");
	if (space(server) < needed && !look_at_taken(server)) event_again(server->port);
	if (!server->tx_tags.free_count || space(server) < needed) {
		server->short_of = needed;
		return -XEN_EAGAIN;
	}
	packet->tag = tags_take(&server->tx_tags);
	put_word(server, at, packet);
	for (uint32_t i = 0; i < packet->segments; i++) put_word(server, at + 1 + i, &segments[i]);
	server->tx = at + needed;
	server->tx_packets++;
	return packet->tag;
}

int net_server_post(struct net_server *server, uint64_t address) {
	struct net_rx_buffer buffer = {.address = address};

	if (server->state != NET_SERVER_UP) return -XEN_ENOTCONN;
	rt_assert(address % NET_BUFFER_1 == 0, "a buffer lies at a multiple of its size");
	if (!server->rx_tags.free_count) return -XEN_EAGAIN;
	buffer.tag = tags_take(&server->rx_tags);
	server->posts[server->posted++ & (NET_RX_TAGS - 1)] = buffer;
	return buffer.tag;
}

/* True: the transmit() that found no room would find it now. */
static bool has_room(const struct net_server *server) {
	return server->short_of && server->tx_tags.free_count && space(server) >= server->short_of;
}

/* How many packets must have left to be worth an event; 0: it never is. */
static uint32_t wants_sent(const struct net_server *server) {
	uint32_t flying = net_server_in_flight(server);

	if (flying <= server->lazy && !server->short_of) return 0;
	return server->short_of || !server->lazy ? 1 : flying - server->lazy;
}

static void show(struct net_server *server, uint32_t wanted) {
	struct net_page *page = server->page;

	net_store(&page->rx.cons, server->received);
	net_store(&page->rx.prod_event, server->received + 1);
	net_store(&page->tx_done.cons, server->sent);
	net_store(&page->tx_done.prod_event, server->sent + wanted);
	if (server->short_of)
		net_store(&page->tx.cons_event, server->tx - (NET_TX_WORDS - server->short_of));
	net_store(&page->tx.prod, server->tx);
	net_store(&page->rx_buffer.prod, server->posted);
}

/*
 * Shows what was put and taken, and says what is of interest next. True: some of
 * that is there already.
 */
static bool settle(struct net_server *server) {
	struct net_page *page = server->page;
	uint32_t wanted = wants_sent(server);
	bool send;

	show(server, wanted);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	send = net_passed(server->tx, server->tx_shown, net_load(&page->tx.prod_event)) ||
	       net_passed(server->posted, server->posted_shown,
			  net_load(&page->rx_buffer.prod_event));
	server->tx_shown = server->tx;
	server->posted_shown = server->posted;
	if (send) event_send(server->port);
	if (server->short_of && (!look_at_taken(server) || has_room(server))) return true;
	if (wanted && net_load(&page->tx_done.prod) - server->sent >= wanted) return true;
	return net_load(&page->rx.prod) != server->received;
}

void net_server_publish(struct net_server *server) {
	if (server->state == NET_SERVER_UP && settle(server)) event_again(server->port);
}

/* --- from the driver --- */

/* All packets that are done: no more than there are tags. False: the index is impossible. */
static bool collect_sent(struct net_server *server) {
	uint32_t available = net_load(&server->page->tx_done.prod) - server->sent;

	if (available > NET_TX_TAGS) return false;
	while (available-- && server->state == NET_SERVER_UP) {
		struct net_tx_done done;

		net_copy(&done, &server->done[server->sent++ & (NET_TX_TAGS - 1)]);
		if (!tags_back(&server->tx_tags, done.tag, NET_TX_TAGS)) {
			server->bad_tags++;
			continue;
		}
		tags_free(&server->tx_tags, done.tag);
		if (done.status > NET_STATUS_RESET) {
			server->bad_status++;
			done.status = NET_STATUS_IO;
		}
		server->ops->sent(server->context, done.tag, done.status);
	}
	return true;
}

static void bad_entry(struct net_server *server) {
	server->bad_entries++;
	server->entry_bad = true;
}

/*
 * The packet's last entry is there. Until then none of its tags is free, or its first buffers
 * would be mistaken for those that are posted meanwhile.
 */
static void deliver(struct net_server *server) {
	struct net_rx *first = &server->entry[0];
	uint32_t bytes = 0, count = server->entry_count;

	for (uint32_t i = 0; i < count; i++) {
		bytes += server->entry[i].length;
		tags_free(&server->rx_tags, server->entry[i].tag);
	}
	if (first->flags & NET_RX_CSUM_BLANK &&
	    (uint32_t)first->csum_start + first->csum_offset + 2 > bytes)
		bad_entry(server);
	if (server->version < 2) first->gso = NET_GSO_NONE;
	if (first->gso &&
	    (first->gso > NET_GSO_TCP6 || !first->gso_size || !(first->flags & NET_RX_CSUM_BLANK)))
		bad_entry(server);
	if (server->entry_bad) first->flags |= NET_RX_BAD;
	server->entry_count = 0;
	server->entry_bad = false;
	if (!(first->flags & NET_RX_BAD)) server->rx_packets++;
	server->ops->received(server->context, server->entry, count);
}

/*
 * The header in a packet's first buffer, as its first entry would have said it. The number of
 * buffers is only believed so far as a packet may have them.
 */
static void read_header(struct net_server *server, struct net_rx *entry) {
	struct net_header header;

	server->entry_end = 1;
	entry->csum_start = entry->csum_offset = entry->gso_size = entry->gso = 0;
	if (entry->flags || entry->length <= server->skip || entry->length > NET_BUFFER) {
		bad_entry(server);
		return;
	}
	server->ops->header(server->context, entry->tag, &header);
	entry->length = (uint16_t)(entry->length - server->skip);
	if (header.buffers && header.buffers <= NET_SERVER_ENTRIES)
		server->entry_end = header.buffers;
	else
		bad_entry(server);
	if (server->features & NET_RX_CSUM && header.flags & NET_HEADER_BLANK) {
		entry->flags = NET_RX_CSUM_BLANK;
		entry->csum_start = header.csum_start;
		entry->csum_offset = header.csum_offset;
	} else if (server->features & NET_RX_CSUM && header.flags & NET_HEADER_VALID) {
		entry->flags = NET_RX_CSUM_OK;
	}
	entry->gso_size = header.gso ? header.gso_size : 0;
	entry->gso = header.gso == NET_HEADER_TCP6 ? NET_GSO_TCP6 : header.gso;
	if (header.gso > NET_HEADER_TCP4 && header.gso != NET_HEADER_TCP6) bad_entry(server);
}

/* A packet that has too many entries comes in parts, all of them bad. */
static void take_entry(struct net_server *server, struct net_rx *entry) {
	bool more = entry->flags & NET_RX_MORE;

	if (tags_back(&server->rx_tags, entry->tag, NET_RX_TAGS)) {
		if (server->skip) {
			if (!server->entry_count) read_header(server, entry);
			more = server->entry_count + 1 < server->entry_end;
		}
		server->entry[server->entry_count++] = *entry;
	} else {
		server->bad_tags++;
		server->entry_bad = true;
		if (server->skip) more = server->entry_count;
	}
	if (entry->flags & NET_RX_BAD)
		server->entry_bad = true;
	else if (!entry->length || entry->length > NET_BUFFER)
		bad_entry(server);
	if (more && server->entry_count == NET_SERVER_ENTRIES) {
		bad_entry(server);
		deliver(server);
		server->entry_bad = true;
	} else if (!more && server->entry_count) {
		deliver(server);
	} else if (!more) {
		server->entry_bad = false;
	}
}

/* Takes at most the budget. False: the driver's index is impossible. */
static bool collect_received(struct net_server *server) {
	uint32_t available = net_load(&server->page->rx.prod) - server->received;
	bool any = available;

	if (available > NET_RX_TAGS) return false;
	available = MIN(available, NET_SERVER_BUDGET);
	while (available-- && server->state == NET_SERVER_UP) {
		struct net_rx entry;

		net_copy(&entry, &server->rx[server->received++ & (NET_RX_TAGS - 1)]);
		take_entry(server, &entry);
	}
	if (any && server->state == NET_SERVER_UP) server->ops->batch(server->context);
	return true;
}

void net_server_work(struct net_server *server) {
	if (server->state == NET_SERVER_UP && net_load(&server->page->session) != server->wanted)
		fall(server);
	if (server->state != NET_SERVER_UP) connect(server);
	if (server->state != NET_SERVER_UP) return;
	look_at_link(server);
	if (!collect_sent(server) || !collect_received(server) || !look_at_taken(server)) {
		server->broken++;
		net_server_renew(server);
		return;
	}
	if (server->state != NET_SERVER_UP) return;
	if (has_room(server)) {
		server->short_of = 0;
		server->ops->room(server->context);
	}
	net_server_publish(server);
}

/* --- start --- */

static void on_event(void *context) { net_server_work(context); }

void net_server_start(struct net_server *server, void *pages, uint32_t port,
		      const struct net_server_ops *ops, void *context) {
	uint8_t *first = pages;

	*server = (struct net_server){
		.ops = ops,
		.context = context,
		.page = pages,
		.words = (uint64_t(*)[2])(first + NET_AT_WORDS),
		.done = (const struct net_tx_done *)(first + NET_AT_DONE),
		.posts = (struct net_rx_buffer *)(first + NET_AT_POSTS),
		.rx = (const struct net_rx *)(first + NET_AT_RX),
		.port = port,
	};
	server->wanted = net_load(&server->page->wanted);
	server->filter_wanted = net_load(&server->page->filter_wanted);
	forget_all(server);
	event_handle(port, on_event, server);
}
