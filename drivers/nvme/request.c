/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Requests to commands, and completions back to requests. A request with commands
 * still to begin is in its queue's list, first come first served; one that does
 * not fit into the queue's slots goes on when a slot comes free. It is answered
 * when it has nothing left to begin and no command outstanding.
 */
#include "nvme.h"

#define ZEROES_BLOCKS 65536U /* of one Write Zeroes command */
#define SLOT_BITS     6U
#define SLOT_MASK     ((1U << SLOT_BITS) - 1)

_Static_assert(NVME_DEPTH == 1U << SLOT_BITS, "a slot's number fits the bits");

static void enqueue(struct nvme *nvme, uint16_t tag) {
	struct nvme_request *r = &nvme->requests[tag];
	struct nvme_queue *queue = &nvme->queue[r->queue];

	r->queued = true;
	r->next = BLK_TAGS;
	if (queue->first == BLK_TAGS)
		queue->first = tag;
	else
		nvme->requests[queue->last].next = tag;
	queue->last = tag;
}

static void dequeue_first(struct nvme *nvme, struct nvme_queue *queue) {
	struct nvme_request *r = &nvme->requests[queue->first];

	r->queued = false;
	queue->first = r->next;
	if (queue->first == BLK_TAGS) queue->last = BLK_TAGS;
}

static void answer(struct nvme *nvme, uint16_t tag, uint32_t status, uint32_t device_status) {
	nvme->requests[tag].used = false;
	nvme->host.answer(nvme->host.context, tag, status, device_status);
}

/* From the beginning. */
static void rewind(struct nvme_request *r) {
	r->segment = 0;
	r->sectors = 0;
	r->failed = r->retry = false;
	r->status = BLK_STATUS_OK;
	r->device_status = 0;
}

/* Nothing of it is outstanding or to be begun. */
static void finish(struct nvme *nvme, uint16_t tag) {
	struct nvme_request *r = &nvme->requests[tag];

	if (!r->failed || !r->retry || r->retried || nvme->state == NVME_DEAD) {
		answer(nvme, tag, r->status, r->device_status);
		return;
	}
	r->retried = true;
	nvme->retries++;
	rewind(r);
	enqueue(nvme, tag);
}

static void fail(struct nvme_request *r, uint32_t status, uint32_t device_status, bool retry) {
	if (!r->failed) {
		r->status = status;
		r->device_status = device_status;
		r->retry = retry;
	} else {
		r->retry &= retry;
	}
	r->failed = true;
}

static void set_blocks(const struct nvme_namespace *space, struct nvme_command *command,
		       const struct nvme_request *r, uint64_t sectors) {
	uint64_t lba = (r->request.sector + r->sectors) >> (space->block_shift - 9);

	command->cdw10 = (uint32_t)lba;
	command->cdw11 = (uint32_t)(lba >> 32);
	command->cdw12 = (uint32_t)(sectors >> (space->block_shift - 9)) - 1;
	if (r->request.flags & BLK_F_FUA && r->request.op != BLK_OP_READ) command->cdw12 |= RW_FUA;
}

/* What a slot has for PRP lists and ranges. */
static void *list_of(struct nvme *nvme, const struct nvme_queue *queue, uint32_t slot,
		     uint64_t *address) {
	uint32_t page = queue->page + slot / 2, offset = slot % 2 * NVME_LIST_BYTES;

	*address = nvme->memory.address[page] + offset;
	return (uint8_t *)nvme_page(nvme, page) + offset;
}

/* The data pointer for as much of the request as one command can do. */
static struct nvme_piece point(struct nvme *nvme, struct nvme_queue *queue,
			       const struct nvme_request *r, uint32_t slot,
			       struct nvme_command *command) {
	const struct blk_segment *segments = r->segments + r->segment;
	uint32_t left = r->request.segments - r->segment;
	uint32_t block = nvme->namespaces[r->request.disk].disk.block;
	uint64_t address;
	uint64_t *list = list_of(nvme, queue, slot, &address);
	struct nvme_piece piece = nvme_prps(segments, left, nvme->max_bytes, block, list);

	if (!piece.segments && nvme->sgl) {
		piece = nvme_sgls(segments, left, nvme->max_bytes, block, (struct nvme_sgl *)list);
		command->flags = COMMAND_SGL;
		command->sgl = (struct nvme_sgl){
			.address = address,
			.length = piece.entries * (uint32_t)sizeof(struct nvme_sgl),
			.type = SGL_LAST_SEGMENT,
		};
		return piece;
	}
	command->prp1 = piece.first;
	if (piece.entries == 2) command->prp2 = list[0];
	if (piece.entries > 2) command->prp2 = address;
	return piece;
}

static bool make_data(struct nvme *nvme, struct nvme_queue *queue, struct nvme_request *r,
		      uint32_t slot, struct nvme_command *command) {
	struct nvme_piece piece = point(nvme, queue, r, slot, command);

	if (!piece.segments) return false;
	command->opcode = r->request.op == BLK_OP_READ ? NVM_READ : NVM_WRITE;
	set_blocks(&nvme->namespaces[r->request.disk], command, r, piece.bytes / BLK_SECTOR);
	r->segment += piece.segments;
	r->sectors += piece.bytes / BLK_SECTOR;
	return true;
}

static void make_range(struct nvme *nvme, struct nvme_queue *queue, struct nvme_request *r,
		       uint32_t slot, struct nvme_command *command) {
	const struct nvme_namespace *space = &nvme->namespaces[r->request.disk];
	uint32_t shift = space->block_shift - 9U;
	struct nvme_range *range = list_of(nvme, queue, slot, &command->prp1);

	*range = (struct nvme_range){
		.blocks = (uint32_t)(r->request.count >> shift),
		.lba = r->request.sector >> shift,
	};
	command->opcode = NVM_DATASET;
	command->cdw11 = DATASET_DEALLOCATE;
	r->sectors = r->request.count;
}

static void make_zeroes(struct nvme *nvme, struct nvme_request *r, struct nvme_command *command) {
	const struct nvme_namespace *space = &nvme->namespaces[r->request.disk];
	uint64_t most = (uint64_t)ZEROES_BLOCKS << (space->block_shift - 9);
	uint64_t sectors = MIN(r->request.count - r->sectors, most);

	command->opcode = NVM_WRITE_ZEROES;
	set_blocks(space, command, r, sectors);
	r->sectors += sectors;
}

static bool make(struct nvme *nvme, struct nvme_queue *queue, struct nvme_request *r, uint32_t slot,
		 struct nvme_command *command) {
	switch (r->request.op) {
	case BLK_OP_FLUSH: command->opcode = NVM_FLUSH; return true;
	case BLK_OP_DISCARD: make_range(nvme, queue, r, slot, command); return true;
	case BLK_OP_WRITE_ZEROES: make_zeroes(nvme, r, command); return true;
	default: return make_data(nvme, queue, r, slot, command);
	}
}

static bool has_more(const struct nvme_request *r) {
	return !r->failed && r->request.op != BLK_OP_FLUSH && r->sectors < r->request.count;
}

/* Begins the next command of a request. False: it has none that could be made. */
static bool begin(struct nvme *nvme, struct nvme_queue *queue, uint16_t tag, uint64_t now) {
	struct nvme_request *r = &nvme->requests[tag];
	struct nvme_command *command = nvme_queue_next(queue);
	struct nvme_slot *slot;
	uint32_t n = 0;

	if (r->failed) return false;
	if (nvme->namespaces[r->request.disk].gone) {
		fail(r, BLK_STATUS_GONE, 0, false);
		return false;
	}
	while (queue->slot[n].busy) n++;
	slot = &queue->slot[n];
	if (!make(nvme, queue, r, n, command)) {
		fail(r, BLK_STATUS_RANGE, 0, false);
		return false;
	}
	slot->id = (uint16_t)((slot->id & ~SLOT_MASK) + (1U << SLOT_BITS) + n);
	slot->busy = true;
	slot->orphan = false;
	slot->tag = tag;
	slot->deadline = now + nvme->timeout;
	command->id = slot->id;
	command->nsid = nvme->namespaces[r->request.disk].id;
	nvme_queue_put(queue);
	queue->busy++;
	r->commands++;
	nvme->commands++;
	if (!nvme->wake) nvme->wake = now + NVME_TICK;
	return true;
}

void nvme_pump(struct nvme *nvme, struct nvme_queue *queue, uint64_t now) {
	if (nvme->state != NVME_READY) return;
	while (queue->first != BLK_TAGS && queue->busy < NVME_SLOTS) {
		uint16_t tag = queue->first;
		struct nvme_request *r = &nvme->requests[tag];

		if (begin(nvme, queue, tag, now) && has_more(r)) continue;
		dequeue_first(nvme, queue);
		if (!r->commands) finish(nvme, tag);
	}
}

static uint32_t meaning(uint32_t code) {
	switch (code) {
	case STATUS_INVALID_OPCODE: return BLK_STATUS_UNSUPPORTED;
	case STATUS_INVALID_NAMESPACE: return BLK_STATUS_GONE;
	case STATUS_LBA_RANGE: return BLK_STATUS_RANGE;
	case STATUS_WRITE_PROTECTED:
	case STATUS_WRITE_TO_READ_RANGE: return BLK_STATUS_READONLY;
	default: return BLK_STATUS_IO;
	}
}

static void complete(struct nvme *nvme, struct nvme_queue *queue, struct nvme_slot *slot,
		     uint32_t status) {
	uint16_t tag = slot->tag;
	struct nvme_request *r = &nvme->requests[tag];

	slot->busy = false;
	queue->busy--;
	nvme->resets = 0;
	if (slot->orphan) return;
	r->commands--;
	if (STATUS_CODE(status))
		fail(r, meaning(STATUS_CODE(status)), status, !(status & STATUS_DO_NOT_RETRY));
	if (!r->commands && !r->queued) finish(nvme, tag);
}

bool nvme_work_queue(struct nvme *nvme, struct nvme_queue *queue, uint64_t now) {
	struct nvme_completion entry;
	uint32_t taken = 0;

	while (taken < NVME_DEPTH && nvme_queue_take(queue, &entry)) {
		uint32_t n = entry.id & SLOT_MASK;

		taken++;
		if (n >= NVME_SLOTS || !queue->slot[n].busy || queue->slot[n].id != entry.id ||
		    entry.sq_id != queue->id) {
			nvme->lies++;
			continue;
		}
		complete(nvme, queue, &queue->slot[n], entry.status >> 1);
	}
	if (taken) nvme_queue_taken(nvme, queue);
	nvme_pump(nvme, queue, now);
	return taken < NVME_DEPTH;
}

void nvme_submit(struct nvme *nvme, const struct blk_request *request,
		 const struct blk_segment *segments, uint64_t now) {
	struct nvme_request *r = &nvme->requests[request->tag];
	uint32_t queue = request->queue % nvme->queue_count;

	memset(r, 0, offsetof(struct nvme_request, segments));
	r->request = *request;
	memcpy(r->segments, segments, request->segments * sizeof(*segments));
	r->used = true;
	r->queue = (uint8_t)queue;
	if (nvme->state == NVME_DEAD) {
		answer(nvme, request->tag, BLK_STATUS_GONE, 0);
		return;
	}
	enqueue(nvme, request->tag);
	nvme_pump(nvme, &nvme->queue[queue], now);
}

void nvme_kick(struct nvme *nvme) {
	if (nvme->state != NVME_READY) return;
	for (uint32_t i = 0; i < nvme->queue_count; i++) nvme_queue_tell(nvme, &nvme->queue[i]);
}

void nvme_drop(struct nvme *nvme) {
	for (uint32_t q = 0; q < nvme->queue_count; q++) {
		for (uint32_t i = 0; i < NVME_SLOTS; i++) nvme->queue[q].slot[i].orphan = true;
		nvme->queue[q].first = nvme->queue[q].last = BLK_TAGS;
	}
	for (uint32_t tag = 0; tag < BLK_TAGS; tag++) nvme->requests[tag].used = false;
}

bool nvme_idle(const struct nvme *nvme) {
	uint32_t busy = 0;

	for (uint32_t i = 0; i < nvme->queue_count; i++) busy += nvme->queue[i].busy;
	return !busy;
}

/* A command whose time is over makes its request fail; the others are innocent. */
static void fail_overdue(struct nvme *nvme, const struct nvme_queue *queue, uint64_t now) {
	for (uint32_t i = 0; i < NVME_SLOTS; i++) {
		const struct nvme_slot *slot = &queue->slot[i];

		if (!slot->busy || slot->orphan || slot->deadline > now) continue;
		nvme->timeouts++;
		fail(&nvme->requests[slot->tag], BLK_STATUS_TIMEOUT, 0, true);
	}
}

bool nvme_overdue(const struct nvme *nvme, uint64_t now) {
	for (uint32_t q = 0; q < nvme->queue_count; q++)
		for (uint32_t i = 0; i < NVME_SLOTS; i++)
			if (nvme->queue[q].slot[i].busy && nvme->queue[q].slot[i].deadline <= now)
				return true;
	return false;
}

void nvme_requeue(struct nvme *nvme, uint64_t now) {
	for (uint32_t i = 0; i < nvme->queue_count; i++) {
		fail_overdue(nvme, &nvme->queue[i], now);
		nvme_queue_init(nvme, &nvme->queue[i], (uint16_t)(i + 1),
				NVME_ADMIN_PAGES + i * NVME_QUEUE_PAGES);
	}
	for (uint16_t tag = 0; tag < BLK_TAGS; tag++) {
		struct nvme_request *r = &nvme->requests[tag];

		if (!r->used) continue;
		r->commands = 0;
		r->queued = false;
		if (r->failed) {
			finish(nvme, tag);
		} else {
			rewind(r);
			enqueue(nvme, tag);
		}
	}
}

void nvme_fail_all(struct nvme *nvme, uint32_t status) {
	for (uint32_t i = 0; i < nvme->queue_count; i++)
		nvme_queue_init(nvme, &nvme->queue[i], (uint16_t)(i + 1),
				NVME_ADMIN_PAGES + i * NVME_QUEUE_PAGES);
	for (uint16_t tag = 0; tag < BLK_TAGS; tag++)
		if (nvme->requests[tag].used) answer(nvme, tag, status, 0);
}
