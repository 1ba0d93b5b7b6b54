/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A byte moves between two rings in two pages, each with its own index, and the
 * server can die between the two stores. So a step is: write down what both
 * indices will be, store the producer's (from here on it has happened), store
 * the consumer's, cross it out. A successor finds the record and the producer's
 * index: equal, it stores the consumer's; not equal, it forgets the step, whose
 * bytes nobody has seen.
 *
 * The page with the record is memory that root shares with the driver: a lie in
 * it can cost or repeat output, but every value is checked before it is used.
 */
#include "mux.h"

static void set_active(uint32_t *active, uint32_t value) {
	/* On one CPU the compiler is the only one who reorders; on more, the fence. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	__atomic_store_n(active, value, __ATOMIC_SEQ_CST);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

void journal_output(struct mux *mux, unsigned n, uint32_t count, uint8_t line_owner) {
	struct mux_state *s = mux->state;
	struct source *source = &mux->source[n];
	uint64_t log_position = s->log_position;

	if (n == MUX_LOG) {
		mux->log_taken += count;
		log_position = mux->log_end - (mux->log_length - mux->log_taken);
	} else if (n == MUX_OWN) {
		mux->own_taken += count;
	}
	s->out_source = n;
	s->out_incarnation = source->incarnation;
	s->out_cons = source->out_cons + count;
	s->out_prod = mux->tx.own;
	s->out_line_owner = line_owner;
	s->out_log_position = log_position;
	set_active(&s->out_active, 1);

	mux->kick_serial |= ring_publish(&mux->tx);
	if (n < MUX_GUESTS) guest_ring_set_out_cons(source, source->out_cons + count);
	s->log_position = log_position;
	s->line_owner = line_owner;
	set_active(&s->out_active, 0);
}

void journal_input(struct mux *mux, unsigned n, uint32_t count) {
	struct mux_state *s = mux->state;
	struct source *source = &mux->source[n];

	s->in_source = n;
	s->in_incarnation = source->incarnation;
	s->in_prod = source->in_prod + count;
	s->in_cons = mux->rx.own;
	set_active(&s->in_active, 1);

	guest_ring_set_in_prod(source, source->in_prod + count);
	mux->kick_serial |= ring_release(&mux->rx);
	set_active(&s->in_active, 0);
}

/* Whether `to` lies in (from, from + size]: an index can have advanced like that. */
static bool advanced(uint32_t from, uint32_t to, uint32_t size) { return to - from - 1 < size; }

void journal_recover(struct mux *mux, unsigned n) {
	struct mux_state *s = mux->state;
	struct source *source = &mux->source[n];
	uint32_t cons;

	if (s->out_active && s->out_source == n && s->out_incarnation == source->incarnation &&
	    s->out_prod == mux->page->tx.prod &&
	    advanced(source->out_cons, s->out_cons, XENCONS_OUT_SIZE))
		guest_ring_set_out_cons(source, s->out_cons);

	cons = mux->page->rx.cons;
	if (s->in_active && s->in_source == n && s->in_incarnation == source->incarnation &&
	    s->in_prod == source->in_prod && advanced(cons, s->in_cons, SERIAL_RX_SIZE))
		mux->page->rx.cons = s->in_cons;
}
