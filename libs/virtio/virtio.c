/* SPDX-License-Identifier: BSD-2-Clause */
#include "libs/virtio/virtio.h"

/* struct virtio_pci_common_cfg, Virtio 1.1, 4.1.4.3 */
#define DEVICE_FEATURE_SELECT 0U
#define DEVICE_FEATURE        4U
#define DRIVER_FEATURE_SELECT 8U
#define DRIVER_FEATURE        12U
#define MSIX_CONFIG           16U
#define NUM_QUEUES            18U
#define DEVICE_STATUS         20U
#define CONFIG_GENERATION     21U
#define QUEUE_SELECT          22U
#define QUEUE_SIZE            24U
#define QUEUE_VECTOR          26U
#define QUEUE_ENABLE          28U
#define QUEUE_NOTIFY_OFFSET   30U
#define QUEUE_DESCRIPTORS     32U
#define QUEUE_AVAIL           40U
#define QUEUE_USED            48U

#define STATUS_ACKNOWLEDGE 1U
#define STATUS_DRIVER      2U
#define STATUS_DRIVER_OK   4U
#define STATUS_FEATURES_OK 8U
#define STATUS_NEEDS_RESET 64U

#define RESET_STEPS      10000U
#define RESET_STEP_US    100U
#define CONFIG_TRIES     16U
#define USED_RING_OFFSET __builtin_offsetof(struct virtq_rings, used)

static uint32_t get(struct virtio *virtio, uint32_t at, unsigned width) {
	return virtio->io.read(virtio->io.context, VIRTIO_COMMON, at, width);
}

static void set(struct virtio *virtio, uint32_t at, unsigned width, uint32_t value) {
	virtio->io.write(virtio->io.context, VIRTIO_COMMON, at, width, value);
}

static void set_address(struct virtio *virtio, uint32_t at, uint64_t address) {
	set(virtio, at, 4, (uint32_t)address);
	set(virtio, at + 4, 4, (uint32_t)(address >> 32));
}

static void add_status(struct virtio *virtio, uint32_t bits) {
	set(virtio, DEVICE_STATUS, 1, get(virtio, DEVICE_STATUS, 1) | bits);
}

bool virtio_reset(struct virtio *virtio) {
	set(virtio, DEVICE_STATUS, 1, 0);
	for (uint32_t step = 0; step < RESET_STEPS; step++) {
		if (!get(virtio, DEVICE_STATUS, 1)) return true;
		virtio->io.wait(virtio->io.context, RESET_STEP_US);
	}
	return false;
}

bool virtio_needs_reset(struct virtio *virtio) {
	return get(virtio, DEVICE_STATUS, 1) & STATUS_NEEDS_RESET;
}

static uint64_t offered(struct virtio *virtio) {
	uint64_t low;

	set(virtio, DEVICE_FEATURE_SELECT, 4, 0);
	low = get(virtio, DEVICE_FEATURE, 4);
	set(virtio, DEVICE_FEATURE_SELECT, 4, 1);
	return (uint64_t)get(virtio, DEVICE_FEATURE, 4) << 32 | low;
}

const char *virtio_begin(struct virtio *virtio, uint64_t wanted) {
	uint64_t has;

	if (!virtio_reset(virtio)) return "the device does not let itself be reset";
	add_status(virtio, STATUS_ACKNOWLEDGE);
	add_status(virtio, STATUS_DRIVER);
	has = offered(virtio);
	if (!(has & VIRTIO_F_VERSION_1)) return "the device does not offer Virtio 1.0";
	wanted |= VIRTIO_F_VERSION_1 | VIRTIO_F_ACCESS_PLATFORM | VIRTIO_F_ORDER_PLATFORM;
	virtio->features = has & wanted;
	set(virtio, DRIVER_FEATURE_SELECT, 4, 0);
	set(virtio, DRIVER_FEATURE, 4, (uint32_t)virtio->features);
	set(virtio, DRIVER_FEATURE_SELECT, 4, 1);
	set(virtio, DRIVER_FEATURE, 4, (uint32_t)(virtio->features >> 32));
	add_status(virtio, STATUS_FEATURES_OK);
	if (!(get(virtio, DEVICE_STATUS, 1) & STATUS_FEATURES_OK))
		return "the device does not accept the features that it offers";
	set(virtio, MSIX_CONFIG, 2, VIRTIO_NO_VECTOR);
	return NULL;
}

uint16_t virtio_queue_count(struct virtio *virtio) { return (uint16_t)get(virtio, NUM_QUEUES, 2); }

const char *virtio_queue(struct virtio *virtio, uint16_t n, struct virtqueue *queue, void *pages,
			 const uint64_t *addresses, uint16_t most, uint16_t vector) {
	uint16_t size, usable = most;

	set(virtio, QUEUE_SELECT, 2, n);
	size = (uint16_t)get(virtio, QUEUE_SIZE, 2);
	if (!size) return "the device lacks a queue";
	while (usable & (usable - 1)) usable &= usable - 1;
	while (usable > size) usable >>= 1;
	set(virtio, QUEUE_SIZE, 2, usable);
	queue->number = n;
	queue->doorbell =
		virtio->io.doorbell(virtio->io.context, get(virtio, QUEUE_NOTIFY_OFFSET, 2));
	if (!queue->doorbell) return "a queue's doorbell lies beyond the registers";
	virtqueue_init(queue, pages, usable, virtio_has(virtio, VIRTIO_F_EVENT_IDX));
	set(virtio, QUEUE_VECTOR, 2, vector);
	if (get(virtio, QUEUE_VECTOR, 2) != vector) return "the device refuses an MSI-X vector";
	set_address(virtio, QUEUE_DESCRIPTORS, addresses[0]);
	set_address(virtio, QUEUE_AVAIL, addresses[1]);
	set_address(virtio, QUEUE_USED, addresses[1] + USED_RING_OFFSET);
	set(virtio, QUEUE_ENABLE, 2, 1);
	return NULL;
}

bool virtio_config_vector(struct virtio *virtio, uint16_t vector) {
	set(virtio, MSIX_CONFIG, 2, vector);
	return get(virtio, MSIX_CONFIG, 2) == vector;
}

void virtio_ready(struct virtio *virtio) { add_status(virtio, STATUS_DRIVER_OK); }

void virtio_config(struct virtio *virtio, void *to, uint32_t size) {
	uint8_t *bytes = to;

	for (unsigned i = 0; i < CONFIG_TRIES; i++) {
		uint32_t generation = get(virtio, CONFIG_GENERATION, 1);

		for (uint32_t at = 0; at < size; at++)
			bytes[at] = at < virtio->device_size
					    ? (uint8_t)virtio->io.read(virtio->io.context,
								       VIRTIO_DEVICE, at, 1)
					    : 0;
		if (get(virtio, CONFIG_GENERATION, 1) == generation) return;
	}
}
