/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The virtio disk with a device that is the input: it writes anything into the
 * rings, the tables and its configuration, at any moment between two calls. A tag
 * is done once and only while it is in flight; nothing is read or written beyond
 * what is shared; after a reset everything works.
 */
#include "../../unit/native/fake_virtio.h"

#include "drivers/virtio_blk/disk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct vblk disk;
static uint8_t queue_pages[VBLK_QUEUES * VIRTQUEUE_PAGES * 4096] __attribute__((aligned(4096)));
static uint8_t slot_pages[BLK_TAGS / VBLK_SLOTS_PAGE * 4096] __attribute__((aligned(4096)));
static uint64_t queue_addresses[VBLK_QUEUES * VIRTQUEUE_PAGES];
static uint64_t slot_addresses[BLK_TAGS / VBLK_SLOTS_PAGE];
static const struct vblk_memory memory = {queue_pages, queue_addresses, slot_pages, slot_addresses};
static bool in_flight[BLK_TAGS];
static unsigned count;

static void finished(const struct vblk_done *done) {
	if (done->tag >= BLK_TAGS || !in_flight[done->tag] || done->status > BLK_STATUS_READONLY)
		abort();
	in_flight[done->tag] = false;
	count--;
}

static void submit(uint8_t a, uint8_t b) {
	struct blk_segment segments[VBLK_PIECES];
	struct blk_request request = {
		.tag = a,
		.op = b % 5,
		.queue = b >> 4,
		.sector = a,
		.segments = (uint16_t)(b % 5 <= BLK_OP_WRITE ? 1 + b % disk.info.max_segments : 0),
	};

	if (in_flight[a]) return;
	request.count = request.segments * 8U;
	for (uint32_t i = 0; i < request.segments; i++)
		segments[i] = (struct blk_segment){.address = 4096 * i, .length = 4096};
	if (!vblk_submit(&disk, &request, segments)) return;
	in_flight[a] = true;
	count++;
}

/* The device writes wherever it can. */
static void scribble(uint8_t a, uint8_t b, uint8_t value) {
	struct virtq_rings *rings = disk.queue[a % disk.queues].rings;
	struct virtq_used_entry *entry = &rings->used.ring[b % disk.queue[a % disk.queues].size];

	switch (a >> 4) {
	case 0: queue_pages[(a * 256U + b) * 8 % sizeof(queue_pages)] = value; break;
	case 1: slot_pages[(a * 256U + b) * 64 % sizeof(slot_pages)] = value; break;
	case 2: fake.config[b % sizeof(fake.config)] = value; break;
	case 3: entry->id = value; break;
	case 4: entry->id = entry->length = value * 0x01010101U; break;
	case 5: disk.memory[b].slot->status = value; break;
	case 6: fake.shaky = value & 1; break;
	default: rings->used.index = (uint16_t)(rings->used.index + value % 4); break;
	}
}

static void restart(void) {
	static struct vblk_done failed[BLK_TAGS];
	unsigned failures;

	if (vblk_start(&disk, &memory, 1 + (unsigned)count % 4)) {
		/* The driver ends here; its successor finds a device that is as it should be. */
		fake_device(fake.offers);
		if (vblk_start(&disk, &memory, 1)) abort();
	}
	failures = vblk_resume(&disk, failed);
	for (unsigned i = 0; i < failures; i++) finished(&failed[i]);
}

static void begin(uint8_t features) {
	for (size_t i = 0; i < ARRAY_SIZE(queue_addresses); i++)
		queue_addresses[i] = (uintptr_t)queue_pages + i * 4096;
	for (size_t i = 0; i < ARRAY_SIZE(slot_addresses); i++)
		slot_addresses[i] = (uintptr_t)slot_pages + i * 4096;
	memset(&disk, 0, sizeof(disk));
	memset(in_flight, 0, sizeof(in_flight));
	count = 0;
	fake_device((features & 1 ? VIRTIO_F_INDIRECT_DESC : 0) |
		    (features & 2 ? VIRTIO_F_EVENT_IDX : 0) | 0x7fff);
	fake.queue_count = 4;
	fake.queue_size = (uint16_t)(features & 4 ? 64 : 256);
	disk.virtio = (struct virtio){.io = fake_io, .device_size = sizeof(fake.config)};
	if (vblk_start(&disk, &memory, 4)) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	struct vblk_done done;

	if (!size) return 0;
	begin(data[0]);
	for (size_t i = 1; i + 4 <= size; i += 4) {
		switch (data[i] % 8) {
		case 0:
		case 1:
		case 2: submit(data[i + 1], data[i + 2]); break;
		case 3: vblk_kick(&disk); break;
		case 4:
			for (unsigned n = 0; n < disk.queues; n++)
				while (vblk_reap(&disk, n, &done)) finished(&done);
			break;
		case 5:
			disk.tick += data[i + 1];
			if (vblk_stuck(&disk, 100)) restart();
			break;
		default: scribble(data[i + 1], data[i + 2], data[i + 3]); break;
		}
		if (disk.in_flight != count) abort();
	}
	return 0;
}
