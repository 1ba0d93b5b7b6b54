/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A pair of queues as rings of entries: a page of commands, a page of completions.
 *
 * A queue has one slot less than entries and never more commands outstanding than
 * slots, so the next entry is always free. A completion is new when its phase bit
 * is; it is copied once, and only the copy is looked at. The doorbells are rung
 * once for a batch.
 */
#include "nvme.h"

void nvme_queue_init(struct nvme *nvme, struct nvme_queue *queue, uint16_t id, uint32_t page) {
	*queue = (struct nvme_queue){
		.id = id,
		.commands = nvme_page(nvme, page),
		.completions = nvme_page(nvme, page + 1),
		.commands_address = nvme->memory.address[page],
		.completions_address = nvme->memory.address[page + 1],
		.phase = 1,
		.page = page + 2,
		.first = BLK_TAGS,
		.last = BLK_TAGS,
	};
	memset(nvme_page(nvme, page), 0, 2 * PAGE_SIZE);
}

struct nvme_command *nvme_queue_next(struct nvme_queue *queue) {
	struct nvme_command *command = &queue->commands[queue->tail];

	memset(command, 0, sizeof(*command));
	return command;
}

void nvme_queue_put(struct nvme_queue *queue) { queue->tail = (queue->tail + 1) % NVME_DEPTH; }

void nvme_queue_tell(struct nvme *nvme, struct nvme_queue *queue) {
	if (queue->tail == queue->told) return;
	queue->told = queue->tail;
	__atomic_thread_fence(__ATOMIC_RELEASE);
	nvme_write(nvme, nvme_doorbell(nvme, queue->id, false), queue->tail);
}

bool nvme_queue_take(struct nvme_queue *queue, struct nvme_completion *completion) {
	volatile struct nvme_completion *entry = &queue->completions[queue->head];
	uint16_t status = __atomic_load_n(&entry->status, __ATOMIC_ACQUIRE);

	if ((status & 1) != queue->phase) return false;
	*completion = (struct nvme_completion){
		.result = entry->result,
		.sq_id = entry->sq_id,
		.id = entry->id,
		.status = status,
	};
	queue->head = (queue->head + 1) % NVME_DEPTH;
	if (!queue->head) queue->phase ^= 1;
	return true;
}

void nvme_queue_taken(struct nvme *nvme, struct nvme_queue *queue) {
	nvme_write(nvme, nvme_doorbell(nvme, queue->id, true), queue->head);
}
