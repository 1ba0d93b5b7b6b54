/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A virtio console device as one serial line (Virtio 1.1, 5.3): port 0 of it, queue 0
 * towards us, queue 1 away. Apart from registers and interrupts, so that the host's
 * tests run it against a device of their own.
 *
 * Towards us the device has buffers; one that it has filled is passed on byte by byte
 * as there is room in the ring, and given back to the device when it is empty. Away
 * from us one piece is under way at a time, and its bytes stay in the ring until the
 * device has taken it: what a driver did not get rid of, its successor finds there.
 */
#ifndef DRIVERS_VIRTIO_SERIAL_PORT_H
#define DRIVERS_VIRTIO_SERIAL_PORT_H

#include "libs/ring/ring.h"
#include "libs/rt/rt.h"
#include "libs/virtio/queue.h"

#define VSERIAL_RX_BUFFERS 8U
#define VSERIAL_RX_SIZE    512U  /* bytes of a buffer: together a page */
#define VSERIAL_TX_SIZE    2048U /* most bytes under way */

struct vserial {
	struct virtqueue in, out;
	struct ring tx, rx; /* consumer of tx, producer of rx */
	uint8_t *in_page, *out_page;
	uint64_t in_address, out_address; /* as the device reaches them */

	uint32_t held, held_at, held_length; /* the buffer that is being passed on */
	bool holds;
	uint32_t under_way; /* bytes of tx that the device has; 0: none */
	uint32_t strange;   /* answers that make no sense */
	uint64_t sent, received;
};

/* What vserial_work() wants of its caller. */
#define VSERIAL_NOTIFY (1U << 0) /* send the event channel to the server */
#define VSERIAL_AGAIN  (1U << 1) /* there is more to do: call again soon */

/* The queues are set up: the device gets its buffers. */
void vserial_start(struct vserial *port);
/* After an interrupt or an event of the server: moves what can be moved. */
unsigned vserial_work(struct vserial *port);

#endif
