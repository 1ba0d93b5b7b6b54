/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What guests send: chains of requests in a ring become frames. The pages of the ring are the
 * guest's: a request is copied once, and only the copy is looked at. Sizes that make no
 * sense cost the guest this packet; a chain that cannot be followed costs it the VIF,
 * as nobody knows any more where the next one begins.
 *
 * Where a frame will go is known only when its head has been read. So a queue guesses: where its
 * last frame went, this one will go as well. A frame for a card is copied as a
 * whole at once; of a frame for guests only the head, the rest goes straight from page to page
 * later. A wrong guess costs a copy, nothing else.
 */
#include "switch.h"

#define MOST_SLOTS  XEN_NETIF_NR_SLOTS_MIN
#define FATAL_SLOTS 32U /* with more than that it is no accident */

struct chain {
	struct netif_tx_request request[MOST_SLOTS];
	uint32_t data;  /* requests with data, also those that found no place above */
	uint32_t slots; /* all */
	uint32_t extras;
	uint32_t rest; /* bytes of all requests but the first */
	bool bad, lost;
	uint16_t gso_size;
	uint8_t gso;
	int8_t group; /* 1: wants a group; -1: does not any more; 0: it is a packet */
	uint8_t mac[6];
};

static void copy_slot(const struct ring *ring, uint32_t index, void *to, uint32_t words) {
	const volatile uint32_t *from =
		(const volatile uint32_t *)((uint8_t *)(ring->shared + 1) +
					    (size_t)(index % NETIF_SLOTS) * NETIF_TX_SLOT_SIZE);

	for (uint32_t i = 0; i < words; i++) ((uint32_t *)to)[i] = from[i];
}

static void answer(struct ring *ring, uint32_t index, uint16_t id, int16_t status) {
	ring->answer[index % NETIF_SLOTS] = id | (uint64_t)(uint16_t)status << 16;
}

static void read_extra(struct chain *chain, const struct netif_extra_info *extra) {
	switch (extra->type) {
	case XEN_NETIF_EXTRA_TYPE_GSO:
		chain->bad |= chain->gso || !extra->u.gso.size ||
			      (extra->u.gso.type != XEN_NETIF_GSO_TYPE_TCPV4 &&
			       extra->u.gso.type != XEN_NETIF_GSO_TYPE_TCPV6);
		chain->gso = extra->u.gso.type;
		chain->gso_size = extra->u.gso.size;
		break;
	case XEN_NETIF_EXTRA_TYPE_MCAST_ADD:
	case XEN_NETIF_EXTRA_TYPE_MCAST_DEL:
		chain->bad |= chain->group != 0;
		chain->group = extra->type == XEN_NETIF_EXTRA_TYPE_MCAST_ADD ? 1 : -1;
		memcpy(chain->mac, extra->u.mcast.addr, sizeof(chain->mac));
		break;
	default: chain->bad = true; break;
	}
}

/* False: the chain cannot be followed. Staged answers say that all is well. */
static bool read_chain(struct queue *queue, struct chain *chain) {
	struct ring *ring = &queue->tx;
	uint32_t index = ring->next, end = ring->available;
	bool more, extras;

	__builtin_memset(&chain->data, 0, sizeof(*chain) - offsetof(struct chain, data));
	do {
		struct netif_tx_request extra, *request = &extra;

		if (index == end || chain->data == FATAL_SLOTS) return false;
		if (chain->data < MOST_SLOTS) request = &chain->request[chain->data];
		copy_slot(ring, index, request, 3);
		answer(ring, index++, request->id, NETIF_RSP_OKAY);
		more = request->flags & NETTXF_more_data;
		extras = !chain->data && request->flags & NETTXF_extra_info;
		if (chain->data++) chain->rest += request->size;
		while (extras) {
			struct netif_extra_info info;

			if (index == end || chain->extras == XEN_NETIF_EXTRA_TYPE_MAX) return false;
			copy_slot(ring, index, &info, 2);
			answer(ring, index++, 0, NETIF_RSP_NULL);
			read_extra(chain, &info);
			chain->extras++;
			extras = info.flags & XEN_NETIF_EXTRA_FLAG_MORE;
		}
	} while (more);
	chain->slots = index - ring->next;
	return true;
}

static uint32_t chain_reason(struct chain *chain) {
	struct netif_tx_request *first = &chain->request[0];

	if (chain->data > MOST_SLOTS) return DROP_TOO_MANY;
	if (chain->bad || chain->rest >= first->size) return DROP_MALFORMED;
	first->size = (uint16_t)(first->size - chain->rest);
	for (uint32_t i = 0; i < chain->data; i++) {
		const struct netif_tx_request *r = &chain->request[i];

		if (!r->size || r->offset >= PAGE_SIZE || r->size > PAGE_SIZE - r->offset)
			return DROP_MALFORMED;
	}
	return DROP_NONE;
}

static void refuse(struct queue *queue, const struct chain *chain, uint32_t reason) {
	struct ring *ring = &queue->tx;

	for (uint32_t i = 0; i < chain->slots; i++) {
		uint64_t *word = &ring->answer[(ring->next + i) % NETIF_SLOTS];

		if ((uint16_t)(*word >> 16) != NETIF_RSP_NULL)
			answer(ring, ring->next + i, (uint16_t)*word, NETIF_RSP_ERROR);
	}
	sw.port[queue->port].count->dropped[reason]++;
}

void tx_fail(const struct frame *frame) {
	struct queue *queue = &sw.queue[frame->queue];

	for (uint32_t i = 0; i < frame->slots; i++) {
		uint64_t word = queue->tx.answer[(frame->first + i) % NETIF_SLOTS];

		if ((uint16_t)(word >> 16) != NETIF_RSP_NULL)
			answer(&queue->tx, frame->first + i, (uint16_t)word, NETIF_RSP_ERROR);
	}
}

static void fill(struct frame *frame, const struct queue *queue, const struct chain *chain) {
	uint16_t flags = chain->request[0].flags, domid = sw.port[queue->port].vif.end.domid;

	frame->port = queue->port;
	frame->queue = (uint16_t)(queue - sw.queue);
	frame->first = (uint16_t)queue->tx.next;
	frame->slots = (uint16_t)chain->slots;
	frame->flags = FRAME_OUTSIDE;
	if (flags & NETTXF_csum_blank || chain->gso)
		frame->flags |= FRAME_BLANK;
	else if (flags & NETTXF_data_validated)
		frame->flags |= FRAME_VALID;
	if (chain->gso)
		frame->gso = chain->gso == XEN_NETIF_GSO_TYPE_TCPV4 ? NET_GSO_TCP4 : NET_GSO_TCP6;
	frame->gso_size = chain->gso_size;
	for (uint32_t i = 0; i < chain->data; i++) {
		const struct netif_tx_request *r = &chain->request[i];

		frame->piece[i] = (struct piece){
			.ref = r->gref,
			.domid = domid,
			.page = SW_NONE,
			.offset = r->offset,
			.length = r->size,
		};
		frame->length += r->size;
	}
	frame->pieces = (uint16_t)chain->data;
}

/* Is there room for the next packet where it will probably go, and do its limits allow it? */
static bool may_take(struct queue *queue) {
	struct vif *vif = &sw.port[queue->port].vif;
	struct netif_tx_request first;
	uint64_t later;

	copy_slot(&queue->tx, queue->tx.next, &first, 3);
	later = share_wait(vif, first.size);
	if (later) {
		sw_wake_at(later);
		sw.limited |= 1ULL << queue->port;
		return false;
	}
	if (queue->guess == SW_NONE) return true;
	return uplink_room(&sw.uplink[queue->guess], first.size, queue->port);
}

static struct frame *make_frame(struct queue *queue, const struct chain *chain) {
	struct frame *frame = frame_take();

	if (!frame) return NULL;
	fill(frame, queue, chain);
	if (frame_pull(frame,
		       queue->guess == SW_NONE ? MIN(frame->length, FRAME_HEAD) : frame->length))
		return frame;
	frame->pieces = 0;
	frame_drop(frame);
	return NULL;
}

enum tx_taken tx_take(struct queue *queue, struct frame **taken, uint32_t *cost) {
	struct vif *vif = &sw.port[queue->port].vif;
	struct chain chain;
	uint32_t reason;

	*taken = NULL;
	*cost = SW_COST;
	if (!queue_available(queue, &queue->tx)) return TX_EMPTY;
	if (!may_take(queue)) return TX_BLOCKED;
	if (!read_chain(queue, &chain)) {
		backend_break(&queue_port(queue)->vif.end, "a chain of its requests does not end");
		return TX_EMPTY;
	}
	round_begin(queue, chain.slots);
	reason = chain_reason(&chain);
	if (!reason && queue->condemned) {
		queue->condemned =
			(uint16_t)(queue->condemned - MIN(chain.slots, queue->condemned));
		/* As if the wire had lost it. */
		sw.port[queue->port].count->dropped[DROP_RESTART]++;
		chain.lost = true;
	}
	if (chain.group && !chain.bad) {
		group_change(queue_port(queue), chain.mac, chain.group > 0);
	} else if (reason) {
		refuse(queue, &chain, reason);
	} else if (!chain.lost) {
		*taken = make_frame(queue, &chain);
		if (!*taken) refuse(queue, &chain, DROP_MEMORY);
	}
	queue->tx.next += chain.slots;
	queue->pause.packets++;
	sw.dirty |= 1ULL << queue->port;
	if (*taken) *cost = MAX((*taken)->length, SW_COST);
	share_sent(vif, *taken);
	return TX_TAKEN;
}
