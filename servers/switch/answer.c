/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What both rings of a guest have in common: indices, and answers that are given exactly
 * once. Answers of a round are staged in memory of ours, and shown all together at its
 * end; boat.h says how they are kept safe from our death in the middle.
 */
#include "switch.h"

/* Queues that the round has taken from. */
static uint16_t round_queues[SW_QUEUES];
static uint32_t round_count;

static uint32_t load(const uint32_t *index) { return __atomic_load_n(index, __ATOMIC_ACQUIRE); }
static void store(uint32_t *index, uint32_t value) {
	__atomic_store_n(index, value, __ATOMIC_RELEASE);
}
/* A death lies between instructions of one processor, so this is all the order it takes. */
static void in_this_order(void) { __atomic_signal_fence(__ATOMIC_SEQ_CST); }

uint32_t queue_available(struct queue *queue, struct ring *ring) {
	uint32_t count = ring->available - ring->next;

	if (count) return count;
	ring->available = load(&ring->shared->req_prod);
	count = ring->available - ring->next;
	/* Answers that are not out yet use slots as well. */
	if (count <= NETIF_SLOTS - (ring->next - ring->published)) return count;
	ring->available = ring->next;
	backend_break(&queue_port(queue)->vif.end, "its ring's indices are impossible");
	return 0;
}

bool queue_sleep(struct ring *ring, uint32_t count) {
	store(&ring->shared->req_event, ring->next + count);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return load(&ring->shared->req_prod) - ring->next >= count;
}

static void write_slots(struct ring *ring, uint32_t which, uint32_t base, uint32_t count,
			const uint64_t *answers) {
	uint8_t *slots = (uint8_t *)(ring->shared + 1);

	for (uint32_t i = 0; i < count; i++) {
		uint32_t slot = (base + i) % NETIF_SLOTS;

		if (which == BOAT_TX)
			*(volatile uint32_t *)(slots + (size_t)slot * NETIF_TX_SLOT_SIZE) =
				(uint32_t)answers[i];
		else
			*(volatile uint64_t *)(slots + (size_t)slot * NETIF_RX_SLOT_SIZE) =
				answers[i];
	}
}

/* True: the guest wants to be told. */
static bool publish(struct queue *queue, struct ring *ring, uint32_t which) {
	struct boat_answers *record = &sw.boat->answers[queue->port];
	uint32_t base = ring->published, count = ring->next - base;

	if (!count) return false;
	record->incarnation = sw.port[queue->port].vif.end.incarnation;
	record->queue = queue->number;
	record->ring = (uint16_t)which;
	record->base = base;
	record->count = count;
	for (uint32_t i = 0; i < count; i++)
		record->answer[i] = ring->answer[(base + i) % NETIF_SLOTS];
	boat_set(record, BOAT_BUSY);
	in_this_order();
	write_slots(ring, which, base, count, record->answer);
	ring->published = ring->next;
	store(&ring->shared->rsp_prod, ring->next);
	in_this_order();
	boat_set(record, BOAT_FREE);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return ring->next - load(&ring->shared->rsp_event) < count;
}

static void answer_port(struct port *port) {
	struct vif *vif = &port->vif;

	for (uint32_t i = 0; i < vif->queue_count; i++) {
		struct queue *queue = &sw.queue[vif->first_queue + i];
		bool tx = publish(queue, &queue->tx, BOAT_TX);
		bool rx = publish(queue, &queue->rx, BOAT_RX);

		if (tx) link_notify(queue->tx.port);
		if (rx && !(tx && queue->tx.port == queue->rx.port)) link_notify(queue->rx.port);
	}
}

void answer_all(void) {
	uint64_t dirty = sw.dirty;

	sw.dirty = 0;
	for (; dirty; dirty &= dirty - 1) answer_port(&sw.port[__builtin_ctzll(dirty)]);
}

/* --- rings come and go --- */

/* What the predecessor was about to show: shown now, unless it has done so. */
static void finish(struct port *port, const struct boat_answers *record) {
	struct vif *vif = &port->vif;
	struct queue *queue;
	struct ring *ring;

	if (record->incarnation != vif->end.incarnation || record->queue >= vif->queue_count)
		return;
	queue = &sw.queue[vif->first_queue + record->queue];
	ring = record->ring == BOAT_TX ? &queue->tx : &queue->rx;
	if (load(&ring->shared->rsp_prod) != record->base) return;
	write_slots(ring, record->ring, record->base, record->count, record->answer);
	store(&ring->shared->rsp_prod, record->base + record->count);
	in_this_order();
}

static void begin(struct queue *queue, bool adopt) {
	struct boat_round *round = &sw.boat->round[queue - sw.queue];
	struct ring *rings[2] = {&queue->tx, &queue->rx};

	for (uint32_t i = 0; i < 2; i++) {
		struct ring *ring = rings[i];

		ring->next = ring->published = ring->available = load(&ring->shared->rsp_prod);
	}
	queue->condemned = 0;
	queue->guess = SW_NONE;
	queue->waiting_first = queue->waiting_count = queue->waiting_pages = 0;
	if (adopt && round->count &&
	    round->incarnation == sw.port[queue->port].vif.end.incarnation &&
	    round->base == queue->tx.next) {
		/* Once may be chance. */
		if (round->times) queue->condemned = (uint16_t)round->count;
		round->times++;
	} else {
		round->times = 0;
		round->base = queue->tx.next;
	}
	round->count = 0;
}

void answer_connect(struct port *port, bool adopt) {
	struct vif *vif = &port->vif;
	struct boat_answers *record = &sw.boat->answers[port_index(port)];

	if (adopt && record->state == BOAT_BUSY) finish(port, record);
	boat_set(record, BOAT_FREE);
	for (uint32_t i = 0; i < vif->queue_count; i++)
		begin(&sw.queue[vif->first_queue + i], adopt);
}

void answer_forget(uint32_t port) { boat_set(&sw.boat->answers[port], BOAT_FREE); }

void round_begin(struct queue *queue, uint32_t slots) {
	struct boat_round *round = &sw.boat->round[queue - sw.queue];

	if (!round->count) {
		uint32_t incarnation = sw.port[queue->port].vif.end.incarnation;

		if (round->base != queue->tx.next || round->incarnation != incarnation) {
			round->times = 0;
			round->base = queue->tx.next;
			round->incarnation = incarnation;
		}
		round_queues[round_count++] = (uint16_t)(queue - sw.queue);
	}
	round->count = queue->tx.next + slots - round->base;
}

void round_end(void) {
	while (round_count) sw.boat->round[round_queues[--round_count]].count = 0;
}
