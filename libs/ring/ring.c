/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * See ring.h and proto/ring.h. The distance check prod - cons <= size is made on
 * the private index and the copy of the peer's, in uint32_t, so wrap-around needs
 * no case of its own.
 */
#include "libs/ring/ring.h"

#include "libs/rt/rt.h"

static uint32_t load(const uint32_t *index) { return __atomic_load_n(index, __ATOMIC_ACQUIRE); }

static void store(uint32_t *index, uint32_t value) {
	__atomic_store_n(index, value, __ATOMIC_RELEASE);
}

static void attach(struct ring *ring, struct ring_header *header, void *data, uint32_t size,
		   uint32_t element) {
	*ring = (struct ring){
		.header = header,
		.data = data,
		.size = size,
		.element = element,
	};
}

void ring_attach_producer(struct ring *ring, struct ring_header *header, void *data, uint32_t size,
			  uint32_t element) {
	attach(ring, header, data, size, element);
	ring->own = ring->published = load(&header->prod);
	ring_space(ring);
}

void ring_attach_consumer(struct ring *ring, struct ring_header *header, void *data, uint32_t size,
			  uint32_t element) {
	attach(ring, header, data, size, element);
	ring->own = ring->published = load(&header->cons);
	ring_available(ring);
}

/* Copies between the ring and private memory, in two pieces where it wraps. */
static void copy_in(struct ring *ring, const uint8_t *from, uint32_t count) {
	uint32_t at = ring->own & (ring->size - 1);
	uint32_t first = count < ring->size - at ? count : ring->size - at;

	memcpy(ring->data + (size_t)at * ring->element, from, (size_t)first * ring->element);
	memcpy(ring->data, from + (size_t)first * ring->element,
	       (size_t)(count - first) * ring->element);
}

static void copy_out(struct ring *ring, uint32_t index, uint8_t *to, uint32_t count) {
	uint32_t at = index & (ring->size - 1);
	uint32_t first = count < ring->size - at ? count : ring->size - at;

	memcpy(to, ring->data + (size_t)at * ring->element, (size_t)first * ring->element);
	memcpy(to + (size_t)first * ring->element, ring->data,
	       (size_t)(count - first) * ring->element);
}

uint32_t ring_unread(struct ring *ring) {
	uint32_t used = ring->own - load(&ring->header->cons);

	if (used > ring->size) ring->broken = true;
	return ring->broken ? 0 : used;
}

uint32_t ring_space(struct ring *ring) {
	uint32_t used = ring_unread(ring);

	return ring->broken ? 0 : ring->size - used;
}

uint32_t ring_put(struct ring *ring, const void *from, uint32_t count) {
	uint32_t space = ring_space(ring);

	if (count > space) count = space;
	copy_in(ring, from, count);
	ring->own += count;
	return count;
}

bool ring_publish(struct ring *ring) {
	uint32_t old = ring->published;

	if (ring->broken || ring->own == old) return false;
	store(&ring->header->prod, ring->own);
	ring->published = ring->own;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return ring->own - load(&ring->header->prod_event) < ring->own - old;
}

bool ring_want_space(struct ring *ring, uint32_t count) {
	store(&ring->header->cons_event, ring->own - (ring->size - count));
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return ring_space(ring) >= count;
}

bool ring_want_drained(struct ring *ring) {
	store(&ring->header->cons_event, ring->own);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return ring_unread(ring) == 0;
}

uint32_t ring_available(struct ring *ring) {
	uint32_t available = load(&ring->header->prod) - ring->own;

	if (available > ring->size) ring->broken = true;
	return ring->broken ? 0 : available;
}

bool ring_peek(struct ring *ring, uint32_t skip, void *to, uint32_t count) {
	uint32_t available = ring_available(ring);

	if (skip > available || count > available - skip) return false;
	copy_out(ring, ring->own + skip, to, count);
	return true;
}

uint32_t ring_get(struct ring *ring, void *to, uint32_t count) {
	uint32_t available = ring_available(ring);

	if (count > available) count = available;
	copy_out(ring, ring->own, to, count);
	ring->own += count;
	return count;
}

bool ring_release(struct ring *ring) {
	uint32_t old = ring->published;

	if (ring->broken || ring->own == old) return false;
	store(&ring->header->cons, ring->own);
	ring->published = ring->own;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return ring->own - load(&ring->header->cons_event) < ring->own - old;
}

bool ring_want_data(struct ring *ring) {
	store(&ring->header->prod_event, ring->own + 1);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return ring_available(ring) > 0;
}
