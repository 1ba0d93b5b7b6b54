/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A virtio block device (Virtio 1.1, 5.2): what it can do, and requests to it.
 * Nothing here knows the server or the machine, so host tests run it against a
 * device of their own.
 *
 * Every tag has a slot of DMA memory of its own, in which its request lies until
 * the device has answered:
 *
 *     0     table: header, segments, status (indirect descriptors)
 *     976   header of the request
 *     992   range of a DISCARD or WRITE_ZEROES
 *     1008  status, written by the device
 *
 * So the addresses in a table's constant places are written once, a request costs
 * two stores a segment and one descriptor, and after a reset of the device it is
 * still there to be asked again.
 */
#ifndef DRIVERS_VIRTIO_BLK_DISK_H
#define DRIVERS_VIRTIO_BLK_DISK_H

#include "libs/virtio/virtio.h"
#include "proto/blk.h"

#define VBLK_SLOT_SIZE  1024U
#define VBLK_SLOTS_PAGE (4096U / VBLK_SLOT_SIZE)
#define VBLK_TABLE      61U /* entries: header, VBLK_PIECES, status */
#define VBLK_PIECES     (VBLK_TABLE - 2)
#define VBLK_QUEUES     4U

struct vblk_slot {
	struct virtq_descriptor table[VBLK_TABLE];
	struct {
		uint32_t type, reserved;
		uint64_t sector;
	} header;
	struct {
		uint64_t sector;
		uint32_t count, flags;
	} range;
	volatile uint8_t status;
	uint8_t pad[15];
};

struct vblk {
	struct virtio virtio;
	struct virtqueue queue[VBLK_QUEUES];
	uint16_t queues;
	bool indirect;
	uint32_t piece; /* bytes that one descriptor may carry */
	uint32_t in_flight;
	uint32_t tick; /* counts up once a second while something is in flight */
	/* at the last tick: answers that nobody had taken, and up to where they were taken */
	bool waiting[VBLK_QUEUES];
	uint16_t taken[VBLK_QUEUES];
	/* what happened, for the log */
	uint32_t resets, short_reads, strange, rung_again;
	struct blk_disk info;
	struct {
		struct vblk_slot *slot;
		uint64_t address; /* of it, for the device */
	} memory[BLK_TAGS];
	struct vblk_request {
		uint32_t started; /* tick */
		uint32_t expect;  /* bytes that the device has to write */
		uint16_t entries; /* of the table; 0: not in flight */
		uint8_t queue;
		bool again; /* asked a second time */
	} request[BLK_TAGS];
};

/* What the domain lends the disk; addresses as the device says them. */
struct vblk_memory {
	uint8_t *queue_pages; /* VIRTQUEUE_PAGES for each of VBLK_QUEUES */
	const uint64_t *queue_addresses;
	uint8_t *slot_pages; /* BLK_TAGS / VBLK_SLOTS_PAGE */
	const uint64_t *slot_addresses;
};

struct vblk_done {
	uint16_t tag;
	uint16_t status; /* BLK_STATUS_* */
	uint32_t device_status;
};

/*
 * Brings the device up (also after a reset: everything is as at first) and fills
 * in disk->info. vectors: MSI-X entries to spread queues over, 0: none. NULL, or
 * why the device cannot be driven.
 */
const char *vblk_start(struct vblk *disk, const struct vblk_memory *memory, unsigned vectors);

/* As blk_driver_ops.submit: the request has been checked against disk->info. */
bool vblk_submit(struct vblk *disk, const struct blk_request *request,
		 const struct blk_segment *segments);
void vblk_kick(struct vblk *disk);
/* The next request of queue n that is done. */
bool vblk_reap(struct vblk *disk, unsigned n, struct vblk_done *done);
/*
 * Once a tick. True: there are answers that were there at the last tick already, so
 * their interrupt got lost. A queue that has no answers, and had none at the last tick,
 * has its doorbell rung once more: that may have got lost as well.
 */
bool vblk_missed(struct vblk *disk);
/* Something is in flight for longer than `ticks`, or the device lost its way. */
bool vblk_stuck(struct vblk *disk, uint32_t ticks);
/*
 * After a reset (vblk_start): asks again for what was in flight and was not asked
 * again before. Each of the others is returned in done; how many.
 */
unsigned vblk_resume(struct vblk *disk, struct vblk_done *done);
/* After a reset: what was in flight is forgotten. */
void vblk_forget(struct vblk *disk);
/* Asks the device for its name, waiting for the answer; disk->info.name. */
void vblk_ask_name(struct vblk *disk);

_Static_assert(sizeof(struct vblk_slot) == VBLK_SLOT_SIZE, "vblk_slot layout");

#endif
