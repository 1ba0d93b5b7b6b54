/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whose turn it is. VIFs with something to send are served round robin with deficits: each turn
 * allows SW_QUANTUM bytes, and what a large frame takes beyond that is missing in
 * later turns. A frame costs as much as one of SW_COST bytes at least, since most of the
 * work is per frame; so a guest with small frames gets as much of us as one with large.
 * A VIF that has nothing to send saves nothing up.
 *
 * Deficits share what is asked of us at one time. But a guest that floods asks alone, whenever it
 * runs, and most of what its frames cost is not ours: its neighbours' time goes into
 * frames that they did not want. So small frames have a limit of their own, in time. What
 * goes back and forth passes it: a VIF that receives has an income, for its acknowledgements,
 * questions and answers. Refusals are no income, or a flood of SYNs would feed itself.
 */
#include "switch.h"

static bool turn_begun;

/* Enough left for what one more frame may need. */
static bool has_room(void) { return pool.free_frames > 4 && pool.free_pages > FRAME_PIECES; }

/* One packet, from the VIF's queues in turn. */
static enum tx_taken take(struct port *port, struct frame **taken, uint32_t *cost) {
	struct vif *vif = &port->vif;
	bool blocked = false;

	for (uint32_t i = 0; i < vif->queue_count; i++) {
		struct queue *queue = &sw.queue[vif->first_queue + vif->turn];
		enum tx_taken result = tx_take(queue, taken, cost);

		vif->turn = (uint16_t)((vif->turn + 1U) % vif->queue_count);
		if (result == TX_TAKEN) return TX_TAKEN;
		blocked |= result == TX_BLOCKED;
		if (result == TX_EMPTY && vif->end.state == BACKEND_LIVE &&
		    queue_sleep(&queue->tx, pause_requests(queue))) {
			sw.limited |= 1ULL << port_index(port);
			pump_soon();
		}
	}
	return blocked ? TX_BLOCKED : TX_EMPTY;
}

/* As much as its deficit allows. How many frames; *ends: it has no more now. */
static uint32_t take_turn(struct port *port, struct frame **round, uint32_t most, bool *ends) {
	struct vif *vif = &port->vif;
	uint32_t count = 0, cost;
	enum tx_taken result;

	*ends = vif->end.state != BACKEND_LIVE;
	while (count < most && vif->deficit > 0 && has_room() && !*ends) {
		struct frame *frame;

		result = take(port, &frame, &cost);
		if (result == TX_TAKEN) {
			vif->deficit -= cost;
			if (frame) round[count++] = frame;
		} else {
			*ends = true;
			if (result == TX_EMPTY) vif->deficit = MIN(vif->deficit, 0);
		}
	}
	return count;
}

static uint32_t next_ready(void) {
	uint64_t later = sw.ready >> sw.turn << sw.turn;

	return (uint32_t)__builtin_ctzll(later ? later : sw.ready);
}

static uint64_t small_wait(struct vif *vif) {
	uint64_t time;

	if (vif->income >= SW_ANSWER) return 0;
	time = bucket_wait(&vif->small, sw.now);
	return time ? MAX(time, sw.now + SW_PAUSE) : 0;
}

uint64_t share_wait(struct vif *vif, uint32_t length) {
	uint64_t bytes = bucket_wait(&vif->out_bytes, sw.now);
	uint64_t packets = bucket_wait(&vif->out_packets, sw.now);
	uint64_t small = length < SW_SMALL || vif->nonsense ? small_wait(vif) : 0;

	return MAX(MAX(bytes, packets), small);
}

void share_sent(struct vif *vif, const struct frame *frame) {
	vif->nonsense = !frame;
	bucket_charge(&vif->out_packets, 1);
	if (frame) bucket_charge(&vif->out_bytes, frame->length);
	if (frame && frame->length >= SW_SMALL) return;
	if (vif->income >= SW_ANSWER)
		vif->income -= SW_ANSWER;
	else
		bucket_charge(&vif->small, 1);
}

void share_received(struct vif *vif, const struct frame *frame) {
	if (frame->flags & FRAME_REFUSAL) return;
	vif->income = MIN(vif->income + MAX(frame->length, SW_COST), SW_INCOME);
}

uint32_t share_take(struct frame **round, uint32_t most) {
	uint32_t count = 0;

	while (count < most && sw.ready && has_room()) {
		uint32_t n = next_ready();
		struct port *port = &sw.port[n];
		bool ends;

		if (n != sw.turn || !turn_begun)
			port->vif.deficit =
				MIN(port->vif.deficit + (int64_t)SW_QUANTUM, (int64_t)SW_QUANTUM);
		sw.turn = n;
		turn_begun = true;
		count += take_turn(port, round + count, most - count, &ends);
		if (ends) sw.ready &= ~(1ULL << n);
		if (!ends && port->vif.deficit > 0) continue;
		sw.turn = (n + 1) % SW_PORTS;
		turn_begun = false;
	}
	return count;
}
