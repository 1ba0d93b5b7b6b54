/* SPDX-License-Identifier: BSD-2-Clause */
#include "port.h"

#define MOST_ANSWERS 16U /* of a queue, in one call */

static void post(struct vserial *port, uint32_t buffer) {
	struct virtq_descriptor descriptor = {
		.address = port->in_address + buffer * VSERIAL_RX_SIZE,
		.length = VSERIAL_RX_SIZE,
		.flags = VIRTQ_WRITE,
	};

	if (!virtqueue_add(&port->in, &descriptor, 1, (uint16_t)buffer)) port->strange++;
}

void vserial_start(struct vserial *port) {
	port->holds = false;
	port->under_way = 0;
	for (uint32_t i = 0; i < VSERIAL_RX_BUFFERS; i++) post(port, i);
	virtqueue_kick(&port->in);
}

/* The next buffer that the device has filled. */
static bool take_buffer(struct vserial *port) {
	struct virtqueue_done done;

	if (!virtqueue_reap(&port->in, &done)) return false;
	port->held = done.token % VSERIAL_RX_BUFFERS;
	port->held_at = 0;
	/* How much is in it is the device's word. */
	port->held_length = MIN(done.written, VSERIAL_RX_SIZE);
	port->strange += done.written > VSERIAL_RX_SIZE;
	port->holds = true;
	return true;
}

/* True: it stopped at its budget, not for want of bytes or room. */
static bool receive(struct vserial *port) {
	for (uint32_t i = 0; i < MOST_ANSWERS; i++) {
		const uint8_t *from = port->in_page + port->held * VSERIAL_RX_SIZE;

		if (!port->holds && !take_buffer(port)) return false;
		from = port->in_page + port->held * VSERIAL_RX_SIZE;
		while (port->held_at < port->held_length) {
			uint32_t put = ring_put(&port->rx, from + port->held_at,
						port->held_length - port->held_at);

			port->held_at += put;
			port->received += put;
			if (!put && !ring_want_space(&port->rx, 1)) return false;
			if (port->rx.broken) return false;
		}
		port->holds = false;
		post(port, port->held);
		virtqueue_kick(&port->in);
	}
	return true;
}

/* Whether the server is to be told that there is room. */
static bool sent(struct vserial *port) {
	struct virtqueue_done done;
	uint8_t taken[64];
	bool notify = false;

	if (!port->under_way || !virtqueue_reap(&port->out, &done)) return false;
	while (port->under_way) {
		uint32_t got =
			ring_get(&port->tx, taken, MIN(port->under_way, (uint32_t)sizeof(taken)));

		if (!got) break; /* the server's index lies: the ring is broken */
		port->under_way -= got;
		port->sent += got;
	}
	port->under_way = 0;
	notify |= ring_release(&port->tx);
	return notify;
}

static void transmit(struct vserial *port) {
	struct virtq_descriptor descriptor = {.address = port->out_address};
	uint32_t count;

	if (port->under_way) return;
	count = ring_available(&port->tx);
	if (!count && ring_want_data(&port->tx)) count = ring_available(&port->tx);
	count = MIN(count, VSERIAL_TX_SIZE);
	if (!count || !ring_peek(&port->tx, 0, port->out_page, count)) return;
	descriptor.length = count;
	if (!virtqueue_add(&port->out, &descriptor, 1, 0)) return;
	port->under_way = count;
	virtqueue_kick(&port->out);
}

unsigned vserial_work(struct vserial *port) {
	bool more = receive(port), notify = ring_publish(&port->rx);

	notify |= sent(port);
	transmit(port);
	if (!virtqueue_want_interrupt(&port->in) && !port->holds) more = true;
	if (!virtqueue_want_interrupt(&port->out)) more = true;
	return (notify ? VSERIAL_NOTIFY : 0) | (more ? VSERIAL_AGAIN : 0);
}
