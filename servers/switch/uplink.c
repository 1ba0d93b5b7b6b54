/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Cards behind drivers. When a session begins the pool is mapped into the card's window, if it
 * is not from before, and from then on nothing is mapped or unmapped. What is in the card
 * when a session ends may be read and written until the next one begins, so it stays
 * where it is for so long.
 *
 * Frames wait in the guests' rings while the card has no room: that is what makes a guest's
 * stack slow down, and shares the card by whose turn it is.
 */
#include "switch.h"

#include "libs/cap/cap.h"
#include "libs/log/log.h"
#include "libs/packet/checksum.h"
#include "libs/rt/time.h"

#define AWAY_MS 2000U /* how long guests' frames wait for a driver that is away */
#define LAZY    8U    /* packets of whose departure nobody needs to hear at once */
#define RESERVE 32U   /* free pages that are left to frames for guests */

/* Received since the last look. */
static uint16_t incoming[FRAMES];
static uint32_t incoming_first, incoming_count;

/* --- the window --- */

static int map_batch(struct uplink *uplink, uint32_t at, uint32_t count) {
	static struct dma_map maps[DMA_BATCH];
	static uint32_t slots[DMA_BATCH];
	bool all = true;
	int result = cap_dma_read(uplink->window, uplink->first + at, maps, count);

	if (result < 0) return result;
	for (uint32_t i = 0; i < count; i++)
		all &= !maps[i].status && maps[i].domid == pool.domid &&
		       maps[i].what == pool.ref + at + i;
	if (!all) {
		for (uint32_t i = 0; i < count; i++) {
			slots[i] = uplink->first + at + i;
			maps[i] = (struct dma_map){
				.slot = slots[i],
				.domid = pool.domid,
				.what = pool.ref + at + i,
			};
		}
		result = cap_dma_unmap(uplink->window, slots, count);
		if (result >= 0) result = cap_dma_map(uplink->window, maps, count);
		if (result != (int)count) return result < 0 ? result : -XEN_EFAULT;
	}
	for (uint32_t i = 0; i < count; i++)
		uplink->address[at + i] = uplink->net.machine ? maps[i].machine : maps[i].address;
	return 0;
}

static int map_pool(struct uplink *uplink) {
	int error = 0;

	if (pool.pages > uplink->slots) return -XEN_ENOSPC;
	for (uint32_t at = 0; at < pool.pages && !error; at += DMA_BATCH)
		error = map_batch(uplink, at, MIN(pool.pages - at, DMA_BATCH));
	return error;
}

/* --- sessions --- */

static void wake_waiting(struct uplink *uplink) {
	sw.ready |= uplink->waiting;
	uplink->waiting = 0;
	pump_soon();
}

/* The card touches nothing of the old session any more. */
static void reclaim(struct uplink *uplink) {
	for (uint32_t i = 0; i < NET_TX_TAGS; i++) {
		if (uplink->frame[i] == SW_NONE) continue;
		port_drop(uplink->port, NETCTL_IN, DROP_CARD_LOST, &frames[uplink->frame[i]]);
		frame_drop(&frames[uplink->frame[i]]);
		uplink->frame[i] = SW_NONE;
	}
	for (uint32_t i = 0; i < NET_RX_TAGS; i++) {
		if (uplink->buffer[i] != SW_NONE) buffer_free(uplink->buffer[i]);
		uplink->buffer[i] = SW_NONE;
	}
	uplink->words = 0;
}

static void up(void *context) {
	struct uplink *uplink = context;
	int error = map_pool(uplink);

	reclaim(uplink);
	if (error) {
		log_print("%s: its window can't be used (%d)", uplink->connection->peer, error);
		return;
	}
	uplink->up = true;
	uplink->down_since = 0;
	sw.held &= ~(1U << (uplink - sw.uplink));
	wake_waiting(uplink);
}

static void down(void *context) {
	struct uplink *uplink = context;

	uplink->up = false;
	uplink->down_since = MAX(time_now(), 1U);
	pump_soon();
}

static void sent(void *context, uint16_t tag, uint32_t status) {
	struct uplink *uplink = context;
	struct frame *frame = &frames[uplink->frame[tag]];

	if (status == NET_STATUS_OK) {
		sw.port[uplink->port].count->in_packets++;
		sw.port[uplink->port].count->in_bytes += frame->length;
	} else {
		port_drop(uplink->port, NETCTL_IN,
			  status == NET_STATUS_RESET ? DROP_CARD_LOST : DROP_CARD_REFUSED, frame);
	}
	uplink->words -= 1U + frame->pieces;
	uplink->frame[tag] = SW_NONE;
	frame_drop(frame);
	if (uplink->waiting) wake_waiting(uplink);
	pump_soon();
}

static void refuse(struct uplink *uplink, const struct net_rx *entries, uint32_t count,
		   uint32_t reason) {
	for (uint32_t i = 0; i < count; i++) {
		buffer_free(uplink->buffer[entries[i].tag]);
		uplink->buffer[entries[i].tag] = SW_NONE;
	}
	sw.port[uplink->port].count->dropped[reason]++;
}

static void received(void *context, const struct net_rx *entries, uint32_t count) {
	struct uplink *uplink = context;
	struct frame *frame;

	if (entries[0].flags & NET_RX_BAD || count > FRAME_PIECES) {
		refuse(uplink, entries, count, DROP_BAD_RECEIVED);
		return;
	}
	frame = frame_take();
	if (!frame) {
		refuse(uplink, entries, count, DROP_MEMORY);
		return;
	}
	frame->port = (uint16_t)uplink->port;
	if (entries[0].flags & NET_RX_CSUM_BLANK) {
		frame->flags = FRAME_BLANK;
		frame->csum_start = entries[0].csum_start;
		frame->csum_offset = entries[0].csum_offset;
	} else if (entries[0].flags & NET_RX_CSUM_OK) {
		frame->flags = FRAME_VALID;
	}
	frame->gso = entries[0].gso;
	frame->gso_size = entries[0].gso_size;
	for (uint32_t i = 0; i < count; i++) {
		uint16_t *buffer = &uplink->buffer[entries[i].tag];

		frame_buffer(frame, *buffer, i ? 0 : uplink->net.skip, entries[i].length);
		*buffer = SW_NONE;
	}
	incoming[(incoming_first + incoming_count++) % FRAMES] = frame_index(frame);
}

/* Read once: whatever the card writes there later, this is what it said. */
static void header(void *context, uint16_t tag, struct net_header *to) {
	struct uplink *uplink = context;
	const volatile uint32_t *from =
		(const volatile void *)pool.memory[buffer_page(uplink->buffer[tag])];
	uint32_t words[3] = {from[0], from[1], from[2]};

	memcpy(to, words, sizeof(*to));
}

static void batch(void *context) {
	(void)context;
	pump_soon();
}

static void room(void *context) { wake_waiting(context); }

static void link(void *context) {
	struct uplink *uplink = context;

	log_print("%s: link %s", uplink->connection->peer, uplink->net.link ? "up" : "down");
}

static const struct net_server_ops ops = {.up = up,
					  .down = down,
					  .sent = sent,
					  .received = received,
					  .header = header,
					  .batch = batch,
					  .room = room,
					  .link = link};

const char *uplink_open(struct uplink *uplink) {
	const struct native_connection *connection = uplink->connection;
	struct cap_info info;

	memset(uplink->frame, 0xff, sizeof(uplink->frame));
	memset(uplink->buffer, 0xff, sizeof(uplink->buffer));
	uplink->down_since = MAX(sw.now, 1U);
	if (!connection->dma_slot) {
		/* root has said in the log what it looked for. */
		log_print("%s has no device: its network has no uplink", connection->peer);
		return NULL;
	}
	if (cap_inspect(connection->dma_slot, &info) || info.type != CAP_DMASPACE)
		return "there is no window of its device for us";
	uplink->window = connection->dma_slot;
	uplink->first = (uint32_t)info.first;
	uplink->slots = (uint32_t)info.count;
	if (net_server_attach(&uplink->net, connection, &ops, uplink))
		return "its pages can't be mapped";
	net_server_lazy(&uplink->net, LAZY);
	uplink_filter(sw.port[uplink->port].network);
	net_server_work(&uplink->net);
	return NULL;
}

void uplink_hold(void) {
	for (uint32_t i = 0; i < sw.uplink_count; i++)
		if (sw.uplink[i].window && !sw.uplink[i].up) sw.held |= 1U << i;
}

/* No device reaches the pool through this window any more. */
static void close_window(struct uplink *uplink) {
	static uint32_t slots[DMA_BATCH];

	for (uint32_t at = 0; at < MIN(pool.pages, uplink->slots); at += DMA_BATCH) {
		uint32_t count = MIN(MIN(pool.pages, uplink->slots) - at, DMA_BATCH);

		for (uint32_t i = 0; i < count; i++) slots[i] = uplink->first + at + i;
		(void)!cap_dma_unmap(uplink->window, slots, count);
	}
}

bool uplink_held(void) {
	for (uint32_t bits = sw.held; bits; bits &= bits - 1) {
		struct uplink *uplink = &sw.uplink[__builtin_ctz(bits)];
		uint64_t end = uplink->down_since + MILLISECONDS(AWAY_MS);

		if (sw.now < end) {
			sw_wake_at(end);
			continue;
		}
		close_window(uplink);
		sw.held &= ~(1U << __builtin_ctz(bits));
	}
	return sw.held;
}

/* --- to the card --- */

bool uplink_room(struct uplink *uplink, uint32_t bytes, uint32_t port) {
	uint32_t pages = frame_most_pages(bytes), flying;

	if (!uplink->up) {
		/* After that they are taken, and dropped. */
		if (!uplink->window || sw.now - uplink->down_since >= MILLISECONDS(AWAY_MS))
			return true;
		sw_wake_at(uplink->down_since + MILLISECONDS(AWAY_MS));
		uplink->waiting |= 1ULL << port;
		return false;
	}
	flying = net_server_in_flight(&uplink->net) + uplink->pending_count;
	if (flying < NET_TX_TAGS && pool.free_pages >= pages + RESERVE &&
	    uplink->words + uplink->pending_words + pages + 2 <= NET_TX_WORDS)
		return true;
	uplink->waiting |= 1ULL << port;
	return false;
}

void uplink_give(struct port *port, struct frame *frame) {
	struct uplink *uplink = port->uplink == SW_NONE ? NULL : &sw.uplink[port->uplink];
	bool tagged = frame->vlan != port->config->vlan;
	uint32_t reason = DROP_NONE, n = port_index(port);

	if (!uplink || !uplink->up || !uplink->net.link)
		reason = DROP_NOT_CONNECTED;
	else if (!frame->gso && frame->length > uplink->net.mtu + 14U)
		reason = DROP_TOO_LONG;
	else if (uplink->pending_count == NET_TX_TAGS)
		reason = DROP_CARD_FULL;
	if (!reason && offload_wants(frame, uplink->net.features)) {
		offload_later(port, frame);
		return;
	}
	if (!reason && tagged && !frame_tag(frame)) reason = DROP_MEMORY;
	if (reason) {
		port_drop(n, NETCTL_IN, reason, frame);
		return;
	}
	tap(n, NETCTL_IN, DROP_NONE, frame);
	frame_keep(frame);
	frame->flags |= FRAME_KEEP;
	uplink->pending[uplink->pending_count++] =
		(struct pending){.frame = frame_index(frame), .tagged = tagged};
	uplink->pending_words += 2U + frame_most_pages(frame->length);
}

/*
 * Headers as a card wants them that fills in the lengths of what it cuts (NET_TX_TSO_BARE): in
 * the bytes that leave, which are nobody else's then.
 */
static void bare(const struct frame *frame, bool tagged) {
	const struct piece *first = frame_piece(frame, 0, tagged);
	uint8_t *ip = piece_at(first) + frame->network + (tagged ? VLAN_TAG : 0);
	uint8_t *tcp = ip + frame->csum_start - frame->network;
	uint64_t sum;
	uint16_t field;

	if (frame->gso == NET_GSO_TCP4) {
		memset(ip + 2, 0, 2);
		memset(ip + 10, 0, 2);
		sum = checksum_pseudo4(ip + 12, ip + 16, PACKET_TCP, 0);
	} else {
		memset(ip + 4, 0, 2);
		sum = checksum_pseudo6(ip + 8, ip + 24, PACKET_TCP, 0);
	}
	field = checksum_partial(sum);
	memcpy(tcp + frame->csum_offset, &field, sizeof(field));
}

static void submit(struct uplink *uplink, const struct pending *pending) {
	struct frame *frame = &frames[pending->frame];
	uint16_t shift = pending->tagged ? VLAN_TAG : 0;
	struct net_segment segments[NET_MAX_SEGMENTS];
	struct net_tx packet = {
		.segments = (uint8_t)frame->pieces,
		.gso = frame->gso,
		.gso_size = frame->gso ? frame->gso_size : 0,
		.header = frame->gso ? frame->header + shift : 0,
		.network = frame->gso ? frame->network + shift : 0,
		.queue = (uint8_t)frame->hash,
	};
	int tag = -XEN_EAGAIN;

	if (frame->flags & FRAME_BLANK) {
		packet.flags = NET_TX_CSUM;
		packet.csum_start = frame->csum_start + shift;
		packet.csum_offset = frame->csum_offset;
	}
	if (frame->flags & FRAME_FAILED) {
		port_drop(frame->port, NETCTL_OUT, DROP_BAD_PAGE, frame);
		frame_drop(frame);
		return;
	}
	if (frame->pieces > NET_MAX_SEGMENTS) {
		port_drop(uplink->port, NETCTL_IN, DROP_CARD_PIECES, frame);
		frame_drop(frame);
		return;
	}
	if (frame->gso && uplink->net.features & NET_TX_TSO_BARE) {
		if (frame->refs > 1) {
			/* Somebody else needs the headers as they are. */
			offload_later(&sw.port[uplink->port], frame);
			frame_drop(frame);
			return;
		}
		bare(frame, pending->tagged);
	}
	for (uint32_t i = 0; i < frame->pieces; i++) {
		const struct piece *piece = frame_piece(frame, i, pending->tagged);

		segments[i] = (struct net_segment){
			.address = uplink->address[piece->page] + piece->offset,
			.length = piece->length,
		};
	}
	if (uplink->up) tag = net_server_transmit(&uplink->net, &packet, segments);
	if (tag < 0) {
		port_drop(uplink->port, NETCTL_IN, DROP_CARD_FULL, frame);
		frame_drop(frame);
		return;
	}
	uplink->frame[tag] = pending->frame;
	uplink->words += 1U + frame->pieces;
	uplink->changed = true;
}

void uplink_flush(void) {
	for (uint32_t i = 0; i < sw.uplink_count; i++) {
		struct uplink *uplink = &sw.uplink[i];
		uint32_t count = uplink->pending_count;

		uplink->pending_count = uplink->pending_words = 0;
		for (uint32_t n = 0; n < count; n++) submit(uplink, &uplink->pending[n]);
	}
}

/* --- from the card --- */

uint32_t uplink_take(struct frame **taken, uint32_t count) {
	uint32_t n = 0;

	for (; n < count && incoming_count; n++, incoming_count--)
		taken[n] = &frames[incoming[incoming_first++ % FRAMES]];
	return n;
}

/*
 * As many buffers as there are. A packet of which a part has come holds tags that are
 * free already: no new buffer must come under the same one.
 */
static void refill(struct uplink *uplink) {
	uint32_t most = MIN(pool.buffers / MAX(sw.uplink_count, 1U), NET_RX_TAGS);

	while (!uplink->net.entry_count && net_server_posted(&uplink->net) < most) {
		uint16_t buffer = buffer_take();
		int tag;

		if (buffer == SW_NONE) return;
		tag = net_server_post(&uplink->net, uplink->address[buffer_page(buffer)]);
		if (tag < 0) {
			buffer_free(buffer);
			return;
		}
		uplink->buffer[tag] = buffer;
		uplink->changed = true;
	}
}

void uplink_publish(void) {
	for (uint32_t i = 0; i < sw.uplink_count; i++) {
		struct uplink *uplink = &sw.uplink[i];

		if (uplink->up && !sw.held && rest_is_over(uplink)) refill(uplink);
		if (uplink->changed) net_server_publish(&uplink->net);
		uplink->changed = false;
		if (!uplink->up && uplink->waiting &&
		    sw.now - uplink->down_since >= MILLISECONDS(AWAY_MS))
			wake_waiting(uplink);
	}
}

void uplink_filter(uint32_t network) {
	struct net_filter filter = {.flags = NET_FILTER_ALLMULTICAST};

	for (uint32_t i = 0; i < sw.port_count; i++) {
		const struct port *port = &sw.port[i];

		if (port->network != network) continue;
		if (port->kind == SWITCH_PORT_UPLINK) {
			if (sw.network[network].uplinks > 1) filter.flags |= NET_FILTER_PROMISCUOUS;
		} else if (port->config->flags & SWITCH_ANY_MAC || filter.count == NET_MAX_FILTER) {
			filter.flags |= NET_FILTER_PROMISCUOUS;
		} else {
			memcpy(filter.address[filter.count++].mac, port->config->mac, 6);
		}
	}
	for (uint32_t i = 0; i < sw.uplink_count; i++)
		if (sw.uplink[i].window && sw.port[sw.uplink[i].port].network == network)
			net_server_filter(&sw.uplink[i].net, &filter);
}
