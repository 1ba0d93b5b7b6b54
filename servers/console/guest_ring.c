/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The Xen console ring from the backend's side. The page is the guest's: every
 * index read from it is copied once and checked by its distance from the private
 * one. A distance that cannot be is answered by skipping: such a guest harms its
 * own output.
 */
#include "mux.h"

static uint32_t load(const uint32_t *index) { return __atomic_load_n(index, __ATOMIC_ACQUIRE); }

uint32_t guest_ring_pending(struct source *source) {
	uint32_t prod = load(&source->ring->out_prod), pending = prod - source->out_cons;

	if (pending <= XENCONS_OUT_SIZE) return pending;
	source->lies++;
	source->out_cons = prod;
	__atomic_store_n(&source->ring->out_cons, prod, __ATOMIC_RELEASE);
	return 0;
}

void guest_ring_peek_at(const struct source *source, uint32_t skip, char *to, uint32_t count) {
	for (uint32_t i = 0; i < count; i++)
		to[i] = *(const volatile char *)&source->ring
				 ->out[(source->out_cons + skip + i) & (XENCONS_OUT_SIZE - 1)];
}

void guest_ring_peek(const struct source *source, char *to, uint32_t count) {
	guest_ring_peek_at(source, 0, to, count);
}

void guest_ring_set_out_cons(struct source *source, uint32_t cons) {
	/* A guest whose ring was full may wait to be told that there is room. */
	if (load(&source->ring->out_prod) - source->out_cons == XENCONS_OUT_SIZE)
		source->notify = true;
	source->out_cons = cons;
	/* The bytes are read before the guest may overwrite them. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	__atomic_store_n(&source->ring->out_cons, cons, __ATOMIC_RELEASE);
}

uint32_t guest_ring_room(struct source *source) {
	uint32_t used = source->in_prod - load(&source->ring->in_cons);

	if (used <= XENCONS_IN_SIZE) return XENCONS_IN_SIZE - used;
	/* It goes on when the guest's index makes sense again. */
	source->lies++;
	return 0;
}

void guest_ring_write(struct source *source, const char *from, uint32_t count) {
	for (uint32_t i = 0; i < count; i++)
		source->ring->in[(source->in_prod + i) & (XENCONS_IN_SIZE - 1)] = from[i];
}

void guest_ring_set_in_prod(struct source *source, uint32_t prod) {
	source->in_prod = prod;
	source->notify = true;
	__atomic_store_n(&source->ring->in_prod, prod, __ATOMIC_RELEASE);
}
