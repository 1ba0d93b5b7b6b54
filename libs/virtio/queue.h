/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A split virtqueue (Virtio 1.1, 2.6), driver's side, in two pages of the driver's
 * own: one with the descriptors, which the device only reads, and one with both
 * rings. A page each, because pages are all that is adjacent for a device, so a
 * queue has at most 256 entries.
 *
 *   add:       virtqueue_add() or virtqueue_add_table(), any number of times
 *   kick:      virtqueue_kick(), once for all of them
 *   reap:      while (virtqueue_reap(&queue, &done)) ...
 *   sleep:     if (!virtqueue_want_interrupt(&queue)) reap more
 *
 * The device is believed in one thing: that what it was given, and has not
 * returned before, is done. An id that is none of these is counted and passed
 * over; an index beyond what it was given breaks the queue, which then returns
 * nothing until the device has been reset and the queue initialised again. What
 * is needed to free descriptors is private: the shared ones are never read.
 */
#ifndef LIBS_VIRTIO_QUEUE_H
#define LIBS_VIRTIO_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#define VIRTQUEUE_MAX   256U
#define VIRTQUEUE_PAGES 2U /* descriptors, rings */

#define VIRTQ_NEXT     1U
#define VIRTQ_WRITE    2U /* the device writes it */
#define VIRTQ_INDIRECT 4U

struct virtq_descriptor {
	uint64_t address;
	uint32_t length;
	uint16_t flags; /* VIRTQ_* */
	uint16_t next;
};

struct virtq_avail {
	uint16_t flags, index;
	uint16_t ring[VIRTQUEUE_MAX];
	uint16_t used_event; /* behind the last entry of a ring of this size */
};

struct virtq_used {
	uint16_t flags, index;
	struct virtq_used_entry {
		uint32_t id, length;
	} ring[VIRTQUEUE_MAX];
	uint16_t avail_event;
};

/* The second page. Where the rings are shorter, the event indices move up. */
struct virtq_rings {
	struct virtq_avail avail;
	uint8_t pad[1024 - sizeof(struct virtq_avail)];
	struct virtq_used used;
	uint8_t pad1[4096 - 1024 - sizeof(struct virtq_used)];
};

struct virtqueue {
	struct virtq_descriptor *descriptors; /* shared */
	struct virtq_rings *rings;            /* shared */
	uint16_t *used_event;                 /* shared, ours */
	const uint16_t *avail_event;          /* shared, the device's */
	volatile uint16_t *doorbell;          /* register */
	uint16_t number;                      /* what is written to it */
	uint16_t size;
	bool event_index; /* VIRTIO_F_RING_EVENT_IDX was agreed on */
	bool broken;
	uint16_t added, kicked; /* avail index: ours, and as the device was last told */
	uint16_t reaped;        /* used index */
	uint16_t free, free_count;
	uint16_t outstanding; /* chains */
	uint32_t stray;       /* ids that the device made up */
	uint16_t next[VIRTQUEUE_MAX];
	uint16_t length[VIRTQUEUE_MAX]; /* descriptors of the chain that begins here, 0: none */
	uint16_t token[VIRTQUEUE_MAX];
};

struct virtqueue_done {
	uint16_t token;
	uint32_t written; /* bytes, as the device says: anything */
};

/*
 * pages: VIRTQUEUE_PAGES of them, which the device does not use now. size: a power
 * of two, at most VIRTQUEUE_MAX. The doorbell is set by the transport.
 */
void virtqueue_init(struct virtqueue *queue, void *pages, uint16_t size, bool event_index);

/*
 * A chain of `count` buffers: of each, address, length and VIRTQ_WRITE count. Those
 * that the device writes come last. False: not enough descriptors are free.
 */
bool virtqueue_add(struct virtqueue *queue, const struct virtq_descriptor *buffers, uint16_t count,
		   uint16_t token);
/*
 * The same with the buffers in a table in DMA memory (VIRTIO_F_INDIRECT_DESC), of
 * which `next` is filled in as well; it costs one descriptor.
 */
bool virtqueue_add_table(struct virtqueue *queue, uint64_t table, uint16_t count, uint16_t token);
/* Shows the device what was added, and rings if it wants to be told. */
void virtqueue_kick(struct virtqueue *queue);

/*
 * Rings in any case. Emulators are known that lose a doorbell now and then: QEMU before
 * 8.1, emulating one CPU, leaves out the barrier between showing what was added and
 * looking whether the device wants to be told.
 */
void virtqueue_ring(struct virtqueue *queue);

/* The next one that is done. */
bool virtqueue_reap(struct virtqueue *queue, struct virtqueue_done *done);
/* There are some that were not reaped. */
bool virtqueue_has_answers(const struct virtqueue *queue);
/* Asks for an interrupt at the next one. False: there is one already. */
bool virtqueue_want_interrupt(struct virtqueue *queue);
/*
 * The same when more than `count` are done: fewer may stay unnoticed for ever. Without
 * event indices it comes at the next one.
 */
bool virtqueue_want_interrupt_after(struct virtqueue *queue, uint16_t count);

_Static_assert(sizeof(struct virtq_descriptor) == 16, "virtq_descriptor layout");
_Static_assert(sizeof(struct virtq_rings) == 4096, "virtq_rings fills a page");

#endif
