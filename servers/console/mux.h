/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The multiplexer: many consoles on one serial line. Logic only; main.c brings
 * events, mappings and time, and the host's tests bring hostile guests.
 *
 *     guests' out rings --+                       +--> tx --> driver
 *     the core's log    --+--> lines, or raw -----+
 *     own messages      --+
 *     focused guest's in ring <---- keys <------------ rx <-- driver
 *
 * A *source* is whatever text comes from. The focused guest's bytes pass
 * unchanged in both directions; everyone else's come line by line, prefixed, and
 * without control sequences. In raw mode one guest has the line to itself and
 * the lines of all others go to the core's log.
 *
 * Nothing is kept here that is still owed to somebody: bytes stay in the guest's
 * ring until they are in tx, and the step between is recorded (journal.h), so a
 * successor neither loses nor repeats a byte.
 */
#ifndef SERVERS_CONSOLE_MUX_H
#define SERVERS_CONSOLE_MUX_H

#include "libs/ring/ring.h"
#include "libs/rt/rt.h"
#include "proto/serial.h"
#include "proto/xen/console.h"

#define MUX_GUESTS   NATIVE_MAX_CONNECTIONS /* source n: the guest of connections[n] */
#define MUX_LOG      NATIVE_MAX_CONNECTIONS
#define MUX_OWN      (NATIVE_MAX_CONNECTIONS + 1)
#define MUX_SOURCES  (NATIVE_MAX_CONNECTIONS + 2)
#define MUX_NOBODY   0xffU
#define MUX_FIRST    0xfeU /* as focus: the first guest that comes */
#define MUX_CHUNK    256U  /* bytes taken from a source at once */
#define MUX_OWN_SIZE 4096U /* own messages and answers that wait */

struct source {
	char name[16];
	bool is_guest;                  /* connections[n] leads to one */
	struct xencons_interface *ring; /* shared with the guest; NULL: not there */
	uint32_t incarnation;
	uint32_t out_cons, in_prod; /* private; the guest sees copies */
	bool ending;                /* it has ended: take the rest, then let go */
	bool notify;                /* its event channel is to be sent */
	uint64_t partial_since;     /* an unfinished line waits since; 0 = none does */
	uint64_t waiting_since;     /* it lets the focused guest finish its line since; 0 = no */
	uint32_t lies;              /* impossible indices seen */
};

/* What a successor must know; lies in the serial page (struct serial_page.state). */
struct mux_state {
	uint32_t magic;     /* MUX_STATE_MAGIC */
	uint8_t line_owner; /* whose line is unfinished on the terminal, MUX_NOBODY = none */
	uint8_t focus;      /* MUX_NOBODY: merged, nobody has the keyboard; MUX_FIRST */
	uint8_t pad[2];
	uint64_t log_position; /* of the core's log: all before is in tx */
	/* The step under way, valid while `active`. */
	uint32_t out_active, out_source, out_incarnation, out_cons, out_prod;
	uint32_t out_line_owner;
	uint64_t out_log_position;
	uint32_t in_active, in_source, in_incarnation, in_prod, in_cons;
	uint32_t pad1;
};
#define MUX_STATE_MAGIC 0x3158554dU /* "MUX1" */

enum mux_input_mode { INPUT_PASS, INPUT_KEY, INPUT_COMMAND };

struct mux {
	struct source source[MUX_SOURCES];
	struct ring tx, rx;
	struct serial_page *page;
	struct mux_state *state;
	uint8_t raw;       /* this guest has the line to itself; MUX_NOBODY = multiplexed */
	uint8_t key;       /* the switch key */
	uint8_t turn;      /* round robin over sources */
	bool kick_serial;  /* the driver's event channel is to be sent */
	uint64_t deadline; /* look again then, for unfinished lines; 0 = no need */
	uint64_t last_raw; /* when the focused guest wrote last */

	enum mux_input_mode mode;
	char command[64];
	uint32_t command_length;
	uint64_t dropped_input;

	char own[MUX_OWN_SIZE];
	uint32_t own_length, own_taken;

	char log[512];
	uint32_t log_length, log_taken;
	uint64_t log_end; /* position behind the buffer */

	/* main.c's; NULL where a test needs none */
	int64_t (*read_log)(void *to, size_t size, uint64_t *position);
	void (*sink)(const struct source *source, const char *line, uint32_t length);
	bool (*send_command)(const char *line);
	void (*follow)(uint32_t n);
};

/* Before any guest is attached; the page holds what a predecessor left, or zeroes. */
void mux_init(struct mux *mux, struct serial_page *page);
/* A guest's ring is mapped: settles what a predecessor may have left half done. */
void mux_attach(struct mux *mux, unsigned n, struct xencons_interface *ring, uint32_t incarnation);
/* Everyone who is there is attached: the rings to the driver can be used. */
void mux_start(struct mux *mux);
/* The guest has ended. True: nothing of it is left to be sent, its ring can be unmapped. */
bool mux_detach(struct mux *mux, unsigned n);

/* Move what can be moved; true: call again, there is more. */
bool mux_output(struct mux *mux, uint64_t now);
bool mux_input(struct mux *mux);

/* A message of the server's own for the terminal. */
void mux_say(struct mux *mux, const char *format, ...) PRINTF(2);
/* Bytes of such messages that are taken now; more are lost. */
uint32_t mux_say_room(const struct mux *mux);
void mux_say_bytes(struct mux *mux, const char *text, uint32_t length);
void mux_focus(struct mux *mux, uint8_t focus);

/* --- guest_ring.c: a guest's console ring, whose indices may say anything --- */

/* Bytes that wait in its out ring. */
uint32_t guest_ring_pending(struct source *source);
void guest_ring_peek(const struct source *source, char *to, uint32_t count);
/* `skip` bytes further on; skip + count are pending. */
void guest_ring_peek_at(const struct source *source, uint32_t skip, char *to, uint32_t count);
void guest_ring_set_out_cons(struct source *source, uint32_t cons);
/* Free bytes of its in ring. */
uint32_t guest_ring_room(struct source *source);
/* Bytes go behind in_prod; the guest sees them when in_prod is set. */
void guest_ring_write(struct source *source, const char *from, uint32_t count);
void guest_ring_set_in_prod(struct source *source, uint32_t prod);

/* --- journal.c: the steps that must be done once --- */

/* `count` bytes of a source were put to tx; publishes them and takes them from the source. */
void journal_output(struct mux *mux, unsigned n, uint32_t count, uint8_t line_owner);
/* `count` bytes of rx were written to the guest's ring; shows them and takes them from rx. */
void journal_input(struct mux *mux, unsigned n, uint32_t count);
/* Finishes or forgets the steps of a predecessor that concern this guest. */
void journal_recover(struct mux *mux, unsigned n);

/* --- filter.c --- */

/*
 * Copies a piece of a line without what a terminal would obey: control
 * characters but tab, escape sequences, bytes that are no text in UTF-8. Never
 * longer than the piece; its length.
 */
uint32_t filter_text(const char *from, uint32_t length, char *to);

_Static_assert(sizeof(struct mux_state) <= sizeof(((struct serial_page *)0)->state),
	       "the state fits into the serial page");

#endif
