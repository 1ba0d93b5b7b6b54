/* SPDX-License-Identifier: BSD-2-Clause */
#include "libs/virtio/queue.h"

#include "libs/rt/rt.h"

#define NO_NOTIFY 1U /* virtq_used.flags, without event indices */

static uint16_t load(const uint16_t *index) { return __atomic_load_n(index, __ATOMIC_ACQUIRE); }

static void store(uint16_t *index, uint16_t value) {
	__atomic_store_n(index, value, __ATOMIC_RELEASE);
}

void virtqueue_init(struct virtqueue *queue, void *pages, uint16_t size, bool event_index) {
	struct virtq_rings *rings = (struct virtq_rings *)((uint8_t *)pages + PAGE_SIZE);

	rt_assert(size && size <= VIRTQUEUE_MAX && !(size & (size - 1)), "a size for a queue");
	memset(pages, 0, VIRTQUEUE_PAGES * PAGE_SIZE);
	*queue = (struct virtqueue){
		.descriptors = pages,
		.rings = rings,
		.used_event = &rings->avail.ring[size],
		.avail_event = (const uint16_t *)&rings->used.ring[size],
		.doorbell = queue->doorbell,
		.number = queue->number,
		.size = size,
		.event_index = event_index,
		.free_count = size,
	};
	for (uint16_t i = 0; i < size; i++) queue->next[i] = (uint16_t)(i + 1);
}

static inline void make_available(struct virtqueue *queue, uint16_t head, uint16_t last,
				  uint16_t count, uint16_t token) {
	queue->free = queue->next[last];
	queue->free_count -= count;
	queue->length[head] = count;
	queue->token[head] = token;
	queue->outstanding++;
	queue->rings->avail.ring[queue->added++ & (queue->size - 1)] = head;
}

bool virtqueue_add(struct virtqueue *queue, const struct virtq_descriptor *buffers, uint16_t count,
		   uint16_t token) {
	uint16_t head = queue->free, at = head, last = head;

	if (!count || count > queue->free_count) return false;
	for (uint16_t i = 0; i < count; i++) {
		uint16_t flags = buffers[i].flags & VIRTQ_WRITE;

		last = at;
		at = queue->next[at];
		queue->descriptors[last] = (struct virtq_descriptor){
			.address = buffers[i].address,
			.length = buffers[i].length,
			.flags = i + 1 < count ? flags | VIRTQ_NEXT : flags,
			.next = at,
		};
	}
	make_available(queue, head, last, count, token);
	return true;
}

bool virtqueue_add_table(struct virtqueue *queue, uint64_t table, uint16_t count, uint16_t token) {
	uint16_t head = queue->free;

	if (!queue->free_count) return false;
	queue->descriptors[head] = (struct virtq_descriptor){
		.address = table,
		.length = count * (uint32_t)sizeof(struct virtq_descriptor),
		.flags = VIRTQ_INDIRECT,
	};
	make_available(queue, head, head, 1, token);
	return true;
}

void virtqueue_kick(struct virtqueue *queue) {
	uint16_t before = queue->kicked, now = queue->added;
	bool wanted;

	if (before == now) return;
	store(&queue->rings->avail.index, now);
	queue->kicked = now;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (queue->event_index)
		wanted = (uint16_t)(now - load(queue->avail_event) - 1) < (uint16_t)(now - before);
	else
		wanted = !(load(&queue->rings->used.flags) & NO_NOTIFY);
	if (wanted) *queue->doorbell = queue->number;
}

void virtqueue_ring(struct virtqueue *queue) { *queue->doorbell = queue->number; }

/* Gives the descriptors of a chain back. */
static inline void release(struct virtqueue *queue, uint16_t head) {
	uint16_t count = queue->length[head], last = head;

	for (uint16_t i = 1; i < count; i++) last = queue->next[last];
	queue->next[last] = queue->free;
	queue->free = head;
	queue->free_count += count;
	queue->length[head] = 0;
	queue->outstanding--;
}

bool virtqueue_reap(struct virtqueue *queue, struct virtqueue_done *done) {
	uint16_t available = (uint16_t)(load(&queue->rings->used.index) - queue->reaped);

	if (!available || queue->broken) return false;
	if (available > queue->outstanding) {
		queue->broken = true;
		return false;
	}
	while (available--) {
		const struct virtq_used_entry *entry =
			&queue->rings->used.ring[queue->reaped++ & (queue->size - 1)];
		uint32_t id = __atomic_load_n(&entry->id, __ATOMIC_RELAXED);

		if (id >= queue->size || !queue->length[id]) {
			queue->stray++;
			continue;
		}
		done->token = queue->token[id];
		done->written = __atomic_load_n(&entry->length, __ATOMIC_RELAXED);
		release(queue, (uint16_t)id);
		return true;
	}
	return false;
}

bool virtqueue_has_answers(const struct virtqueue *queue) {
	return !queue->broken && load(&queue->rings->used.index) != queue->reaped;
}

bool virtqueue_want_interrupt_after(struct virtqueue *queue, uint16_t count) {
	store(queue->used_event, (uint16_t)(queue->reaped + count));
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return queue->broken ||
	       (uint16_t)(load(&queue->rings->used.index) - queue->reaped) <= count;
}

bool virtqueue_want_interrupt(struct virtqueue *queue) {
	return virtqueue_want_interrupt_after(queue, 0);
}
