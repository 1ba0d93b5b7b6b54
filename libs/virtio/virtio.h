/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A modern virtio device over PCI (Virtio 1.1, 4.1): finding its registers,
 * agreeing on features, setting up queues. Devices from before Virtio 1.0 are not
 * driven; virtio_open() says so.
 *
 *     why = virtio_open(&virtio, &pci);
 *     why = virtio_begin(&virtio, FEATURES);        also after a reset
 *     why = virtio_queue(&virtio, 0, &queue, pages, addresses, 256, 0);
 *     virtio_ready(&virtio);
 *
 * Functions return NULL, or why not in words for the log. Setting up goes through
 * an operations table, so that host tests put a device of their own there.
 */
#ifndef LIBS_VIRTIO_VIRTIO_H
#define LIBS_VIRTIO_VIRTIO_H

#include "libs/pci/pci.h"
#include "libs/virtio/queue.h"

#define VIRTIO_VENDOR 0x1af4U

#define VIRTIO_F_INDIRECT_DESC   (1ULL << 28)
#define VIRTIO_F_EVENT_IDX       (1ULL << 29)
#define VIRTIO_F_VERSION_1       (1ULL << 32)
#define VIRTIO_F_ACCESS_PLATFORM (1ULL << 33)
#define VIRTIO_F_ORDER_PLATFORM  (1ULL << 36)

#define VIRTIO_NO_VECTOR 0xffffU

/* Where registers lie. */
#define VIRTIO_COMMON  0U
#define VIRTIO_ISR     1U
#define VIRTIO_DEVICE  2U /* the device's own configuration */
#define VIRTIO_REGIONS 3U

struct virtio_io {
	void *context;
	uint32_t (*read)(void *context, unsigned region, uint32_t at, unsigned width);
	void (*write)(void *context, unsigned region, uint32_t at, unsigned width, uint32_t value);
	/* The register to write for a queue with this notify offset; NULL: beyond the end. */
	volatile uint16_t *(*doorbell)(void *context, uint32_t offset);
	void (*wait)(void *context, uint32_t microseconds);
};

struct virtio {
	struct virtio_io io;
	uint64_t features;               /* agreed on */
	uint32_t device_size;            /* bytes of its own configuration */
	uint8_t *region[VIRTIO_REGIONS]; /* mapped */
	uint8_t *notify;
	uint64_t notify_size;
	uint32_t notify_multiplier;
};

/* Finds and maps the registers. */
const char *virtio_open(struct virtio *virtio, struct pci *pci);
/*
 * Resets the device and agrees on those of `wanted` that it offers; VERSION_1 and,
 * where they are offered, ACCESS_PLATFORM and ORDER_PLATFORM come by themselves.
 */
const char *virtio_begin(struct virtio *virtio, uint64_t wanted);
static inline bool virtio_has(const struct virtio *virtio, uint64_t feature) {
	return virtio->features & feature;
}
/* Queues that the device has. */
uint16_t virtio_queue_count(struct virtio *virtio);
/*
 * Sets up queue n with at most `most` entries in VIRTQUEUE_PAGES pages that the
 * device reaches at these addresses. vector: entry of the MSI-X table, or
 * VIRTIO_NO_VECTOR.
 */
const char *virtio_queue(struct virtio *virtio, uint16_t n, struct virtqueue *queue, void *pages,
			 const uint64_t *addresses, uint16_t most, uint16_t vector);
/* Changes of its configuration come at this vector. False: the device refuses it. */
bool virtio_config_vector(struct virtio *virtio, uint16_t vector);
/* The queues are set up: the device may begin. */
void virtio_ready(struct virtio *virtio);
/* Stops it; false: it did not say within a second that it has. */
bool virtio_reset(struct virtio *virtio);
/* The device asks to be reset: something is wrong with it. */
bool virtio_needs_reset(struct virtio *virtio);

/*
 * Copies `size` bytes of the device's configuration as they were at one moment;
 * what lies beyond its end reads as zero.
 */
void virtio_config(struct virtio *virtio, void *to, uint32_t size);
/* Line interrupts: why it interrupted (bit 0: a queue), and that ends it. */
static inline uint8_t virtio_isr(struct virtio *virtio) {
	return (uint8_t)virtio->io.read(virtio->io.context, VIRTIO_ISR, 0, 1);
}

#endif
