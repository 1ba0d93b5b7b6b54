/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What guests get: a frame goes into the buffers that they have posted, a page each, by grant
 * copies that are gathered for the whole round. A guest without buffers has a short queue of
 * frames that wait, whose bytes are all in the pool; when that is full its frames are
 * dropped. So nobody else ever waits for it.
 */
#include "switch.h"

#define EXTRA_WORD(size, type) \
	(XEN_NETIF_EXTRA_TYPE_GSO | (uint64_t)(size) << 16 | (uint64_t)(type) << 32)

static struct netif_rx_request request(const struct ring *ring) {
	const volatile uint64_t *slots = (const volatile uint64_t *)(ring->shared + 1);
	uint64_t word = slots[ring->next % NETIF_SLOTS];

	return (struct netif_rx_request){.id = (uint16_t)word, .gref = (uint32_t)(word >> 32)};
}

static void answer(struct ring *ring, uint16_t id, uint16_t flags, uint32_t length) {
	ring->answer[ring->next++ % NETIF_SLOTS] =
		id | (uint64_t)flags << 32 | (uint64_t)length << 48;
}

void rx_refuse(struct queue *queue, uint32_t index) {
	uint64_t *word = &queue->rx.answer[index % NETIF_SLOTS];

	*word = (*word & 0xffffffffffffULL) | (uint64_t)(uint16_t)NETIF_RSP_ERROR << 48;
}

static bool is_tagged(const struct port *port, const struct frame *frame) {
	return port->config->flags & SWITCH_TRUNK && frame->vlan != port->config->vlan;
}

/*
 * Pages that are filled to their ends take the fewest slots, but pieces that are nearly pages
 * themselves would be cut in two each, and each part is a copy: they get slots of their own.
 * Not as many as a frontend must take at most: Linux' drops a packet whose slots are one more
 * than a buffer of its has fragments (17), unless the first is so small that it is copied out.
 */
static bool lies_apart(const struct frame *frame) {
	return frame->pieces > 1 && frame->pieces < XEN_NETIF_NR_SLOTS_MIN &&
	       frame->length >= frame->pieces * FRAME_APART;
}

/* How a frame goes into a ring. */
struct layout {
	uint32_t slots;
	bool tagged, apart;
};

static struct layout layout(const struct port *port, const struct frame *frame) {
	struct layout as = {.tagged = is_tagged(port, frame), .apart = lies_apart(frame)};
	uint32_t length = frame->length + (as.tagged ? VLAN_TAG : 0);

	as.slots = (as.apart ? frame->pieces : frame_page_count(length)) + !!frame->gso;
	return as;
}

struct source {
	const struct frame *frame;
	uint32_t piece, skip;
	bool tagged;
};

/* The next `length` bytes of the frame to one page of the guest's. */
static void fill_page(struct source *from, struct copy_target *to, uint32_t length) {
	to->offset = 0;
	while (length) {
		const struct piece *piece = frame_piece(from->frame, from->piece, from->tagged);
		uint32_t part = MIN(piece->length - from->skip, length);

		copy_to_guest(from->frame, piece, from->skip, part, to);
		to->offset = (uint16_t)(to->offset + part);
		length -= part;
		from->skip += part;
		if (from->skip < piece->length) continue;
		from->piece++;
		from->skip = 0;
	}
}

/* The slots are there. */
static void put(struct port *port, struct queue *queue, const struct frame *frame,
		const struct layout *as) {
	struct ring *ring = &queue->rx;
	struct source from = {.frame = frame, .tagged = as->tagged};
	struct copy_target to = {.queue = queue, .domid = port->vif.end.domid};
	uint32_t left = frame->length + (as->tagged ? VLAN_TAG : 0);
	uint16_t flags = frame->gso ? NETRXF_extra_info : 0;

	port->count->in_packets++;
	port->count->in_bytes += left;
	bucket_charge(&port->vif.in_bytes, left);
	bucket_charge(&port->vif.in_packets, 1);
	share_received(&port->vif, frame);
	if (frame->flags & FRAME_BLANK)
		flags |= NETRXF_csum_blank | NETRXF_data_validated;
	else if (frame->flags & FRAME_VALID)
		flags |= NETRXF_data_validated;
	while (left) {
		struct netif_rx_request r = request(ring);
		uint32_t part = as->apart ? frame_piece(frame, from.piece, as->tagged)->length
					  : MIN(left, (uint32_t)PAGE_SIZE);

		rt_assert(part, "a frame has no empty pieces");

		to.ref = r.gref;
		to.index = ring->next;
		fill_page(&from, &to, part);
		left -= part;
		answer(ring, r.id, flags | (left ? NETRXF_more_data : 0), part);
		if (flags & NETRXF_extra_info)
			ring->answer[ring->next++ % NETIF_SLOTS] =
				EXTRA_WORD(frame->gso_size, frame->gso == NET_GSO_TCP4
								    ? XEN_NETIF_GSO_TYPE_TCPV4
								    : XEN_NETIF_GSO_TYPE_TCPV6);
		flags = 0;
	}
	sw.dirty |= 1ULL << port_index(port);
}

static bool has_slots(struct queue *queue, uint32_t slots) {
	struct ring *ring = &queue->rx;

	if (ring->available - ring->next >= slots) return true;
	/* Asked for anew also if there are some. */
	ring->available = ring->next;
	return queue_available(queue, ring) >= slots;
}

static bool limited(struct vif *vif) {
	uint64_t bytes = bucket_wait(&vif->in_bytes, sw.now);
	uint64_t packets = bucket_wait(&vif->in_packets, sw.now);

	sw_wake_at(MAX(bytes, packets));
	return bytes || packets;
}

/* --- frames that wait --- */

/* All queues together leave half of everything to those that do not wait. */
static bool may_wait(const struct queue *queue, uint32_t pages) {
	uint32_t most = MIN(SW_WAITING, FRAMES / 2 / MAX(sw.queue_count, 1U));

	return queue->waiting_count < most && queue->waiting_pages + pages <= SW_PAGES &&
	       sw.waiting_pages + pages <= pool.singles / 2;
}

static uint16_t *place(struct queue *queue, uint32_t n) {
	return &queue->waiting[(queue->waiting_first + n) % SW_WAITING];
}

static void forget(struct queue *queue, struct frame *frame) {
	uint32_t pages = frame_page_count(frame->length);

	queue->waiting_count--;
	queue->waiting_pages -= pages;
	sw.waiting_pages -= pages;
	frame_drop(frame);
}

static void lose(struct port *port, const struct frame *frame) {
	port_drop(port_index(port), NETCTL_IN, limited(&port->vif) ? DROP_RATE : DROP_NO_BUFFER,
		  frame);
	rest_lost(frame);
}

/*
 * Who has most waiting here loses the last of it to one who has less; so what a receiver is
 * slow at is shared among those that send to it. False: nobody has more than the newcomer would.
 */
static bool push_out(struct port *port, struct queue *queue, const struct frame *newcomer) {
	uint32_t pages[SW_PORTS] = {0}, most = 0, n = queue->waiting_count;
	struct frame *frame;

	for (uint32_t i = 0; i < n; i++) {
		frame = &frames[*place(queue, i)];
		pages[frame->port] += frame_page_count(frame->length);
		if (pages[frame->port] > pages[most]) most = frame->port;
	}
	if (pages[most] <= pages[newcomer->port] + frame_page_count(newcomer->length)) return false;
	do {
		frame = &frames[*place(queue, --n)];
	} while (frame->port != most);
	for (; n + 1 < queue->waiting_count; n++) *place(queue, n) = *place(queue, n + 1);
	lose(port, frame);
	forget(queue, frame);
	return true;
}

static void wait(struct port *port, struct queue *queue, struct frame *frame) {
	uint32_t pages = frame_page_count(frame->length);

	while (!may_wait(queue, pages)) {
		if (push_out(port, queue, frame)) continue;
		lose(port, frame);
		return;
	}
	frame_keep(frame);
	frame->flags |= FRAME_KEEP;
	*place(queue, queue->waiting_count++) = frame_index(frame);
	queue->waiting_pages += pages;
	sw.waiting_pages += pages;
	sw.starved |= 1ULL << port_index(port);
}

/* What the guest said that it can do. */
static uint32_t features(const struct vif *vif) {
	uint32_t flags = vif->front.flags, can = 0;

	if (!(flags & FRONT_NO_CSUM)) can |= NET_TX_CSUM4;
	if (flags & FRONT_CSUM6) can |= NET_TX_CSUM6;
	if (flags & FRONT_GSO4 && flags & FRONT_SG) can |= NET_TX_TSO4;
	if (flags & FRONT_GSO6 && flags & FRONT_SG) can |= NET_TX_TSO6;
	return can;
}

void rx_give(struct port *port, struct frame *frame) {
	struct layout as = layout(port, frame);
	struct vif *vif = &port->vif;
	struct queue *queue;

	if (vif->end.state != BACKEND_LIVE || !vif->queue_count) {
		port_drop(port_index(port), NETCTL_IN, DROP_NOT_CONNECTED, frame);
		return;
	}
	if (offload_wants(frame, features(vif))) {
		offload_later(port, frame);
		return;
	}
	if ((!(vif->front.flags & FRONT_SG) && frame->length > PAGE_SIZE - VLAN_TAG) ||
	    (as.tagged && !frame_tag(frame))) {
		port_drop(port_index(port), NETCTL_IN, DROP_TOO_LONG, frame);
		return;
	}
	tap(port_index(port), NETCTL_IN, DROP_NONE, frame);
	queue = &sw.queue[vif->first_queue + frame->hash % vif->queue_count];
	if (!queue->waiting_count && has_slots(queue, as.slots) && !limited(vif))
		put(port, queue, frame, &as);
	else
		wait(port, queue, frame);
}

static void leave(struct queue *queue) {
	struct frame *frame = &frames[*place(queue, 0)];

	queue->waiting_first++;
	forget(queue, frame);
}

static void feed(struct port *port, struct queue *queue) {
	while (queue->waiting_count) {
		struct frame *frame = &frames[*place(queue, 0)];
		struct layout as = layout(port, frame);

		if (frame->flags & FRAME_FAILED) {
			port_drop(frame->port, NETCTL_OUT, DROP_BAD_PAGE, frame);
		} else {
			if (limited(&port->vif)) return;
			if (!has_slots(queue, as.slots) && !queue_sleep(&queue->rx, as.slots))
				return;
			if (!has_slots(queue, as.slots)) return;
			put(port, queue, frame, &as);
		}
		leave(queue);
	}
}

void rx_feed(struct port *port) {
	struct vif *vif = &port->vif;
	bool waiting = false;

	for (uint32_t i = 0; i < vif->queue_count && vif->end.state == BACKEND_LIVE; i++) {
		struct queue *queue = &sw.queue[vif->first_queue + i];

		feed(port, queue);
		waiting |= queue->waiting_count;
	}
	if (!waiting) sw.starved &= ~(1ULL << port_index(port));
}

void rx_forget(struct queue *queue) {
	while (queue->waiting_count) leave(queue);
}
