/* SPDX-License-Identifier: BSD-2-Clause */
/* Beginning and end: the state that a predecessor left, guests that come and go. */
#include "mux.h"

void mux_init(struct mux *mux, struct serial_page *page) {
	struct mux_state *state = (struct mux_state *)(void *)page->state;

	mux->page = page;
	mux->state = state;
	mux->raw = MUX_NOBODY;
	if (state->magic != MUX_STATE_MAGIC) {
		*state = (struct mux_state){
			.magic = MUX_STATE_MAGIC,
			.line_owner = MUX_NOBODY,
			.focus = MUX_FIRST,
		};
	}
	/* Shared memory: a value that cannot be is taken as none. */
	if (state->line_owner >= MUX_SOURCES) state->line_owner = MUX_NOBODY;
	if (state->focus >= MUX_GUESTS && state->focus != MUX_FIRST) state->focus = MUX_NOBODY;
}

void mux_attach(struct mux *mux, unsigned n, struct xencons_interface *ring, uint32_t incarnation) {
	struct source *source = &mux->source[n];

	source->ring = ring;
	source->incarnation = incarnation;
	source->ending = false;
	source->out_cons = __atomic_load_n(&ring->out_cons, __ATOMIC_ACQUIRE);
	source->in_prod = __atomic_load_n(&ring->in_prod, __ATOMIC_ACQUIRE);
	journal_recover(mux, n);
	if (mux->state->focus == MUX_FIRST) mux->state->focus = (uint8_t)n;
}

void mux_start(struct mux *mux) {
	struct mux_state *s = mux->state;

	if (s->out_active && s->out_prod == mux->page->tx.prod) {
		s->line_owner =
			s->out_line_owner < MUX_SOURCES ? (uint8_t)s->out_line_owner : MUX_NOBODY;
		s->log_position = s->out_log_position;
	}
	s->out_active = s->in_active = 0;
	ring_attach_producer(&mux->tx, &mux->page->tx, mux->page->tx_data, SERIAL_TX_SIZE, 1);
	ring_attach_consumer(&mux->rx, &mux->page->rx, mux->page->rx_data, SERIAL_RX_SIZE, 1);
}

bool mux_detach(struct mux *mux, unsigned n) {
	struct source *source = &mux->source[n];

	if (!source->ring) return true;
	source->ending = true;
	/* Drained means that the line has it, not only the ring; a broken line will not. */
	if (!mux->tx.broken && (guest_ring_pending(source) || !ring_want_drained(&mux->tx)))
		return false;
	source->ring = NULL;
	source->partial_since = 0;
	return true;
}
