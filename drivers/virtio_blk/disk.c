/* SPDX-License-Identifier: BSD-2-Clause */
#include "disk.h"

#define F_SIZE_MAX     (1ULL << 1)
#define F_SEG_MAX      (1ULL << 2)
#define F_RO           (1ULL << 5)
#define F_BLK_SIZE     (1ULL << 6)
#define F_FLUSH        (1ULL << 9)
#define F_TOPOLOGY     (1ULL << 10)
#define F_MQ           (1ULL << 12)
#define F_DISCARD      (1ULL << 13)
#define F_WRITE_ZEROES (1ULL << 14)

#define T_IN           0U
#define T_OUT          1U
#define T_FLUSH        4U
#define T_GET_ID       8U
#define T_DISCARD      11U
#define T_WRITE_ZEROES 13U

#define S_OK          0U
#define S_UNSUPPORTED 2U
#define S_NONE        0xffU /* ours: the device has not written one */

#define HEADER_BYTES 16U
#define ID_BYTES     20U
#define NAME_STEPS   50000U
#define NAME_STEP_US 20U
#define SECTORS_PAGE 8U

/* struct virtio_blk_config, Virtio 1.1, 5.2.4, as far as it is used */
struct config {
	uint64_t capacity;
	uint32_t size_max, seg_max;
	uint8_t geometry[4];
	uint32_t blk_size;
	uint8_t physical_block_exp, alignment_offset;
	uint16_t min_io_size;
	uint32_t opt_io_size;
	uint8_t writeback, unused;
	uint16_t num_queues;
	uint32_t max_discard_sectors, max_discard_seg, discard_sector_alignment;
	uint32_t max_write_zeroes_sectors, max_write_zeroes_seg;
};
_Static_assert(sizeof(struct config) == 56, "config layout");

static const uint32_t types[] = {
	[BLK_OP_READ] = T_IN,
	[BLK_OP_WRITE] = T_OUT,
	[BLK_OP_FLUSH] = T_FLUSH,
	[BLK_OP_DISCARD] = T_DISCARD,
	[BLK_OP_WRITE_ZEROES] = T_WRITE_ZEROES,
};

/* --- what it can do --- */

static uint32_t operations(const struct vblk *disk, const struct config *config, uint32_t *most) {
	const struct virtio *virtio = &disk->virtio;
	uint32_t flags = 0;

	*most = UINT32_MAX;
	if (virtio_has(virtio, F_RO)) flags |= BLK_DISK_READONLY;
	if (virtio_has(virtio, F_FLUSH)) flags |= BLK_DISK_FLUSH;
	if (virtio_has(virtio, F_DISCARD) && config->max_discard_sectors &&
	    config->max_discard_seg) {
		flags |= BLK_DISK_DISCARD;
		*most = MIN(*most, config->max_discard_sectors);
	}
	if (virtio_has(virtio, F_WRITE_ZEROES) && config->max_write_zeroes_sectors &&
	    config->max_write_zeroes_seg) {
		flags |= BLK_DISK_WRITE_ZEROES;
		*most = MIN(*most, config->max_write_zeroes_sectors);
	}
	if (!(flags & (BLK_DISK_DISCARD | BLK_DISK_WRITE_ZEROES))) *most = 0;
	return flags;
}

/* Descriptors for data that one request may have. */
static uint32_t pieces(const struct vblk *disk, const struct config *config) {
	uint32_t most = virtio_has(&disk->virtio, F_SEG_MAX) ? config->seg_max : 1;

	return MIN(most ? most : 1, VBLK_PIECES);
}

static const char *understand(struct vblk *disk, const struct config *config) {
	const struct virtio *virtio = &disk->virtio;
	uint32_t block = virtio_has(virtio, F_BLK_SIZE) ? config->blk_size : BLK_SECTOR;
	uint32_t size_max = virtio_has(virtio, F_SIZE_MAX) ? config->size_max : PAGE_SIZE;
	uint32_t exponent = virtio_has(virtio, F_TOPOLOGY) ? config->physical_block_exp : 0;
	struct blk_disk *info = &disk->info;

	if (block != 512 && block != 4096)
		return "the device's blocks are not of 512 or 4096 bytes";
	if (size_max < BLK_SECTOR) return "the device takes less than a sector at once";
	disk->piece = (uint32_t)MIN(size_max, PAGE_SIZE) & ~(BLK_SECTOR - 1);
	info->block = block;
	info->sectors = config->capacity & ~(block / BLK_SECTOR - 1ULL);
	if (!info->sectors) return "the device has no sectors";
	info->physical_block = block << MIN(exponent, 8U);
	info->max_segments = pieces(disk, config) / (uint32_t)DIV_UP(PAGE_SIZE, disk->piece);
	if (!info->max_segments) return "the device takes less than a page at once";
	info->max_sectors = info->max_segments * SECTORS_PAGE;
	info->flags = operations(disk, config, &info->max_discard);
	info->max_discard &= ~(block / BLK_SECTOR - 1);
	info->discard_granularity =
		MAX(MIN(config->discard_sector_alignment, 1U << 20) * BLK_SECTOR, block);
	return NULL;
}

/* The constant parts of all slots. */
static void prepare_slots(struct vblk *disk, const struct vblk_memory *memory) {
	for (uint32_t tag = 0; tag < BLK_TAGS; tag++) {
		uint32_t page = tag / VBLK_SLOTS_PAGE, at = tag % VBLK_SLOTS_PAGE * VBLK_SLOT_SIZE;
		uint64_t address = memory->slot_addresses[page] + at;
		struct vblk_slot *slot =
			(struct vblk_slot *)(memory->slot_pages + page * PAGE_SIZE + at);

		disk->memory[tag].slot = slot;
		disk->memory[tag].address = address;
		slot->table[0] = (struct virtq_descriptor){
			.address = address + offsetof(struct vblk_slot, header),
			.length = HEADER_BYTES,
			.flags = VIRTQ_NEXT,
			.next = 1,
		};
	}
}

static const char *start_queues(struct vblk *disk, const struct vblk_memory *memory,
				unsigned vectors) {
	uint16_t smallest = VIRTQUEUE_MAX;

	for (uint16_t n = 0; n < disk->queues; n++) {
		uint32_t page = n * VIRTQUEUE_PAGES;
		uint16_t vector = vectors >= disk->queues ? n : vectors ? 0 : VIRTIO_NO_VECTOR;
		const char *why = virtio_queue(
			&disk->virtio, n, &disk->queue[n], memory->queue_pages + page * PAGE_SIZE,
			memory->queue_addresses + page, VIRTQUEUE_MAX, vector);

		if (why) return why;
		smallest = MIN(smallest, disk->queue[n].size);
	}
	if (disk->indirect) return NULL;
	/* A request is a chain in the queue itself: it has to fit. */
	if (smallest < 4) return "the device's queue is too short for a request";
	disk->info.max_segments = MIN(disk->info.max_segments,
				      (smallest - 2) / (uint32_t)DIV_UP(PAGE_SIZE, disk->piece));
	disk->info.max_sectors = disk->info.max_segments * SECTORS_PAGE;
	return disk->info.max_segments ? NULL : "the device's queue is too short for a page";
}

const char *vblk_start(struct vblk *disk, const struct vblk_memory *memory, unsigned vectors) {
	struct config config;
	const char *why;

	why = virtio_begin(&disk->virtio, VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX | F_SIZE_MAX |
						  F_SEG_MAX | F_RO | F_BLK_SIZE | F_FLUSH |
						  F_TOPOLOGY | F_MQ | F_DISCARD | F_WRITE_ZEROES);
	if (why) return why;
	virtio_config(&disk->virtio, &config, sizeof(config));
	why = understand(disk, &config);
	if (why) return why;
	disk->indirect = virtio_has(&disk->virtio, VIRTIO_F_INDIRECT_DESC);
	disk->queues = virtio_has(&disk->virtio, F_MQ) ? config.num_queues : 1;
	disk->queues = MIN(disk->queues, virtio_queue_count(&disk->virtio));
	disk->queues = MIN(disk->queues, VBLK_QUEUES);
	/* More queues than interrupts gain nothing. */
	disk->queues = (uint16_t)MIN(disk->queues, MAX(vectors, 1U));
	if (!disk->queues) return "the device has no queue";
	disk->info.queues = disk->queues;
	prepare_slots(disk, memory);
	why = start_queues(disk, memory, vectors);
	if (why) return why;
	virtio_ready(&disk->virtio);
	for (unsigned n = 0; n < disk->queues; n++) virtqueue_want_interrupt(&disk->queue[n]);
	return NULL;
}

/* --- requests --- */

/* The length, flags and `next` of entry n of a table. */
static inline void entry(struct vblk_slot *slot, uint32_t n, uint64_t address, uint32_t length,
			 uint16_t flags) {
	slot->table[n] = (struct virtq_descriptor){
		.address = address,
		.length = length,
		.flags = flags,
		.next = (uint16_t)(n + 1),
	};
}

static inline bool enqueue(struct vblk *disk, uint16_t tag) {
	struct vblk_request *request = &disk->request[tag];
	struct virtqueue *queue = &disk->queue[request->queue];

	if (disk->indirect)
		return virtqueue_add_table(queue, disk->memory[tag].address, request->entries, tag);
	return virtqueue_add(queue, disk->memory[tag].slot->table, request->entries, tag);
}

/* The data of a READ or WRITE; the entry behind it. */
static inline uint32_t put_segments(struct vblk *disk, struct vblk_slot *slot,
				    const struct blk_segment *segments, uint32_t count,
				    uint16_t flags) {
	uint32_t n = 1;

	for (uint32_t i = 0; i < count; i++) {
		uint64_t address = segments[i].address;
		uint32_t length = segments[i].length;

		for (; length > disk->piece; length -= disk->piece, address += disk->piece)
			entry(slot, n++, address, disk->piece, flags);
		entry(slot, n++, address, length, flags);
	}
	return n;
}

/* Finishes the table and puts the request into its queue. */
static bool send(struct vblk *disk, uint16_t tag, uint32_t n, uint32_t expect, uint8_t queue) {
	struct vblk_slot *slot = disk->memory[tag].slot;

	entry(slot, n, disk->memory[tag].address + offsetof(struct vblk_slot, status), 1,
	      VIRTQ_WRITE);
	slot->status = S_NONE;
	disk->request[tag] = (struct vblk_request){
		.started = disk->tick,
		.expect = expect,
		.entries = (uint16_t)(n + 1),
		.queue = queue < disk->queues ? queue : queue % disk->queues,
	};
	if (!enqueue(disk, tag)) {
		disk->request[tag].entries = 0;
		return false;
	}
	disk->in_flight++;
	return true;
}

bool vblk_submit(struct vblk *disk, const struct blk_request *request,
		 const struct blk_segment *segments) {
	uint16_t tag = request->tag;
	struct vblk_slot *slot = disk->memory[tag].slot;
	uint32_t n = 1, expect = 0;

	slot->header.type = types[request->op];
	slot->header.sector =
		request->op == BLK_OP_READ || request->op == BLK_OP_WRITE ? request->sector : 0;
	if (request->op == BLK_OP_READ) {
		expect = (uint32_t)request->count * BLK_SECTOR + 1;
		n = put_segments(disk, slot, segments, request->segments, VIRTQ_NEXT | VIRTQ_WRITE);
	} else if (request->op == BLK_OP_WRITE) {
		n = put_segments(disk, slot, segments, request->segments, VIRTQ_NEXT);
	} else if (request->op != BLK_OP_FLUSH) {
		slot->range.sector = request->sector;
		slot->range.count = (uint32_t)request->count;
		slot->range.flags = 0;
		entry(slot, n++, disk->memory[tag].address + offsetof(struct vblk_slot, range),
		      sizeof(slot->range), VIRTQ_NEXT);
	}
	return send(disk, tag, n, expect, request->queue);
}

void vblk_kick(struct vblk *disk) {
	for (unsigned n = 0; n < disk->queues; n++) virtqueue_kick(&disk->queue[n]);
}

/* What the device's status byte means; a status that is none of these is an error. */
static uint16_t judge(struct vblk *disk, uint16_t tag, uint8_t status, uint32_t written) {
	if (status == S_OK && written >= disk->request[tag].expect) return BLK_STATUS_OK;
	if (status == S_OK)
		disk->short_reads++;
	else if (status > S_UNSUPPORTED)
		disk->strange++;
	return status == S_UNSUPPORTED ? BLK_STATUS_UNSUPPORTED : BLK_STATUS_IO;
}

bool vblk_reap(struct vblk *disk, unsigned n, struct vblk_done *done) {
	struct virtqueue_done queue_done;
	uint8_t status;

	if (!virtqueue_reap(&disk->queue[n], &queue_done)) return false;
	status = disk->memory[queue_done.token].slot->status;
	done->tag = queue_done.token;
	done->device_status = status;
	done->status = judge(disk, queue_done.token, status, queue_done.written);
	disk->request[queue_done.token].entries = 0;
	disk->in_flight--;
	return true;
}

/* --- when things go wrong --- */

bool vblk_missed(struct vblk *disk) {
	bool missed = false;

	for (unsigned n = 0; n < disk->queues; n++) {
		struct virtqueue *queue = &disk->queue[n];
		bool waiting = virtqueue_has_answers(queue);
		bool still = disk->taken[n] == queue->reaped;

		missed |= waiting && disk->waiting[n] && still;
		if (!waiting && still && queue->outstanding && !queue->broken) {
			virtqueue_ring(queue);
			disk->rung_again++;
		}
		disk->waiting[n] = waiting;
		disk->taken[n] = queue->reaped;
	}
	return missed;
}

bool vblk_stuck(struct vblk *disk, uint32_t ticks) {
	for (unsigned n = 0; n < disk->queues; n++)
		if (disk->queue[n].broken) return true;
	for (unsigned tag = 0; tag < BLK_TAGS; tag++)
		if (disk->request[tag].entries && disk->tick - disk->request[tag].started >= ticks)
			return true;
	return disk->in_flight && virtio_needs_reset(&disk->virtio);
}

unsigned vblk_resume(struct vblk *disk, struct vblk_done *done) {
	unsigned failed = 0;

	for (uint16_t tag = 0; tag < BLK_TAGS; tag++) {
		struct vblk_request *request = &disk->request[tag];

		if (!request->entries) continue;
		request->queue = request->queue % disk->queues;
		if (!request->again) {
			request->again = true;
			request->started = disk->tick;
			disk->memory[tag].slot->status = S_NONE;
			if (enqueue(disk, tag)) continue;
		}
		request->entries = 0;
		disk->in_flight--;
		done[failed++] = (struct vblk_done){.tag = tag, .status = BLK_STATUS_TIMEOUT};
	}
	vblk_kick(disk);
	return failed;
}

void vblk_forget(struct vblk *disk) {
	for (unsigned tag = 0; tag < BLK_TAGS; tag++) disk->request[tag].entries = 0;
	disk->in_flight = 0;
}

void vblk_ask_name(struct vblk *disk) {
	struct vblk_slot *slot = disk->memory[0].slot;
	struct virtio_io *io = &disk->virtio.io;
	const char *id = (const char *)&slot->table[8]; /* unused by so short a request */
	struct vblk_done done = {.status = BLK_STATUS_TIMEOUT};
	char *name = disk->info.name;

	slot->header.type = T_GET_ID;
	slot->header.sector = 0;
	memset(&slot->table[8], 0, ID_BYTES);
	entry(slot, 1, disk->memory[0].address + offsetof(struct vblk_slot, table[8]), ID_BYTES,
	      VIRTQ_NEXT | VIRTQ_WRITE);
	if (!send(disk, 0, 2, 0, 0)) return;
	vblk_kick(disk);
	for (unsigned step = 0; step < NAME_STEPS && !vblk_reap(disk, 0, &done); step++)
		io->wait(io->context, NAME_STEP_US);
	virtqueue_want_interrupt(&disk->queue[0]);
	if (done.status != BLK_STATUS_OK) return;
	for (unsigned i = 0; i < ID_BYTES; i++) {
		char c = __atomic_load_n(&id[i], __ATOMIC_RELAXED);

		if (!c) break;
		*name++ = c > ' ' && c < 0x7f ? c : '_';
	}
}
