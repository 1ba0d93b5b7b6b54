/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From sources to the serial line. Sources take turns, one chunk each. A chunk
 * is prepared in private memory, put into tx whole, and only then taken from its
 * source; if tx has no room for all of it, nothing has happened.
 */
#include "mux.h"

#define STEPS      64U          /* chunks per call */
#define QUIET      50000000ULL  /* ns without a byte: then a raw line may be broken into */
#define PATIENCE   300000000ULL /* ns: then an unfinished line is shown as it is */
#define OVERHEAD   32U          /* line breaks and prefix around a chunk */
#define MAX_OUTPUT (MUX_CHUNK + OVERHEAD)

/* What became of a source's turn. STEP_NO_ROOM: an event comes when there is some. */
enum step { STEP_NOTHING, STEP_DONE, STEP_NO_ROOM };

struct chunk {
	char out[MAX_OUTPUT];
	uint32_t length;    /* of out */
	uint32_t taken;     /* bytes of the source */
	uint8_t line_owner; /* afterwards */
};

void mux_say_bytes(struct mux *mux, const char *text, uint32_t length) {
	/* What has been shown makes room; what does not fit is only words. */
	memmove(mux->own, mux->own + mux->own_taken, mux->own_length - mux->own_taken);
	mux->own_length -= mux->own_taken;
	mux->own_taken = 0;
	length = MIN(length, MUX_OWN_SIZE - mux->own_length);
	memcpy(mux->own + mux->own_length, text, length);
	mux->own_length += length;
}

uint32_t mux_say_room(const struct mux *mux) {
	return MUX_OWN_SIZE - (mux->own_length - mux->own_taken);
}

void mux_say(struct mux *mux, const char *format, ...) {
	char text[512];
	va_list arguments;
	size_t length;

	va_start(arguments, format);
	length = rt_vformat(text, sizeof(text), format, arguments);
	va_end(arguments);
	mux_say_bytes(mux, text, (uint32_t)MIN(length, sizeof(text) - 1));
}

/* Fills the buffer for the log when it is empty. */
static uint32_t log_pending(struct mux *mux) {
	int64_t got;

	if (mux->log_taken == mux->log_length && mux->read_log) {
		mux->log_end = mux->state->log_position;
		got = mux->read_log(mux->log, sizeof(mux->log), &mux->log_end);
		mux->log_length = got > 0 ? (uint32_t)MIN((uint64_t)got, sizeof(mux->log)) : 0;
		mux->log_taken = 0;
	}
	return mux->log_length - mux->log_taken;
}

/* Others see it before it may be taken. */
static uint32_t guest_pending(struct mux *mux, unsigned n) {
	uint32_t count = guest_ring_pending(&mux->source[n]);

	if (mux->follow) mux->follow(n);
	return count;
}

static uint32_t pending(struct mux *mux, unsigned n) {
	if (n == MUX_LOG) return log_pending(mux);
	if (n == MUX_OWN) return mux->own_length - mux->own_taken;
	return mux->source[n].ring ? guest_pending(mux, n) : 0;
}

static void peek(const struct mux *mux, unsigned n, char *to, uint32_t count) {
	if (n == MUX_LOG)
		memcpy(to, mux->log + mux->log_taken, count);
	else if (n == MUX_OWN)
		memcpy(to, mux->own + mux->own_taken, count);
	else
		guest_ring_peek(&mux->source[n], to, count);
}

static void append(struct chunk *c, const char *text, size_t length) {
	memcpy(c->out + c->length, text, length);
	c->length += (uint32_t)length;
}

/* Begins on a line of its own if somebody else's is unfinished. */
static void break_line(const struct mux *mux, unsigned n, struct chunk *c) {
	if (mux->state->line_owner != MUX_NOBODY && mux->state->line_owner != n)
		append(c, "\r\n", 2);
}

/* Up to the last line end, so that others get their turn between two lines. */
static uint32_t raw_length(const char *text, uint32_t length) {
	for (uint32_t i = length; i; i--)
		if (text[i - 1] == '\n') return i;
	return length;
}

static void make_raw(const struct mux *mux, unsigned n, const char *text, uint32_t length,
		     struct chunk *c) {
	break_line(mux, n, c);
	append(c, text, length);
	c->taken = length;
	c->line_owner = text[length - 1] == '\n' ? MUX_NOBODY : (uint8_t)n;
}

static void look_again(struct mux *mux, uint64_t due) {
	if (!mux->deadline || due < mux->deadline) mux->deadline = due;
}

/* The focused guest is in the middle of a line and wrote just now: others wait a little. */
static bool must_wait(struct mux *mux, unsigned n, uint64_t now) {
	struct source *source = &mux->source[n];
	uint8_t owner = mux->state->line_owner;
	uint64_t due;

	if (owner >= MUX_GUESTS || owner != mux->state->focus || owner == n || source->ending)
		return false;
	if (!source->waiting_since) source->waiting_since = now;
	due = MIN(mux->last_raw + QUIET, source->waiting_since + PATIENCE);
	if (now >= due) return false;
	look_again(mux, due);
	return true;
}

/* How much of the text makes a line, or a piece of one that is due; 0: wait for the rest. */
static uint32_t line_length(struct mux *mux, unsigned n, const char *text, uint32_t length,
			    uint64_t now) {
	struct source *source = &mux->source[n];
	uint64_t due;

	for (uint32_t i = 0; i < length; i++)
		if (text[i] == '\n') return i + 1;
	if (length == MUX_CHUNK || source->ending) return length;
	if (!source->partial_since) source->partial_since = now;
	due = source->partial_since + PATIENCE;
	if (now >= due) return length;
	look_again(mux, due);
	return 0;
}

static void make_line(const struct mux *mux, unsigned n, const char *text, uint32_t length,
		      struct chunk *c) {
	const struct source *source = &mux->source[n];
	bool complete = text[length - 1] == '\n';

	break_line(mux, n, c);
	if (mux->state->line_owner != n && source->name[0]) {
		append(c, source->name, rt_strnlen(source->name, sizeof(source->name)));
		append(c, "| ", 2);
	}
	c->length += filter_text(text, length - complete, c->out + c->length);
	if (complete) append(c, "\r\n", 2);
	c->taken = length;
	c->line_owner = complete ? MUX_NOBODY : (uint8_t)n;
}

/* Raw mode, and not the one who has the line: whole lines go to the core's log. */
static enum step to_sink(struct mux *mux, unsigned n, const char *text, uint32_t length) {
	char clean[MUX_CHUNK];
	bool complete = text[length - 1] == '\n';

	if (mux->sink)
		mux->sink(&mux->source[n], clean, filter_text(text, length - complete, clean));
	guest_ring_set_out_cons(&mux->source[n], mux->source[n].out_cons + length);
	return STEP_DONE;
}

static enum step step(struct mux *mux, unsigned n, uint64_t now) {
	struct source *source = &mux->source[n];
	struct chunk c = {.length = 0};
	char text[MUX_CHUNK];
	uint32_t length = MIN(pending(mux, n), MUX_CHUNK);
	bool raw =
		n == mux->raw || n == MUX_OWN || (mux->raw == MUX_NOBODY && n == mux->state->focus);

	if (!length || (mux->raw == MUX_NOBODY && must_wait(mux, n, now))) return STEP_NOTHING;
	peek(mux, n, text, length);
	length = raw ? raw_length(text, length) : line_length(mux, n, text, length, now);
	if (!length) return STEP_NOTHING;
	if (mux->raw != MUX_NOBODY && !raw && n < MUX_GUESTS) {
		source->partial_since = 0;
		return to_sink(mux, n, text, length);
	}
	if (raw)
		make_raw(mux, n, text, length, &c);
	else
		make_line(mux, n, text, length, &c);
	if (ring_space(&mux->tx) < c.length && !ring_want_space(&mux->tx, c.length))
		return STEP_NO_ROOM;
	source->partial_since = source->waiting_since = 0;
	if (raw && n < MUX_GUESTS) mux->last_raw = now;
	ring_put(&mux->tx, c.out, c.length);
	journal_output(mux, n, c.taken, c.line_owner);
	return STEP_DONE;
}

bool mux_output(struct mux *mux, uint64_t now) {
	unsigned idle = 0;

	mux->deadline = 0;
	for (unsigned done_steps = 0; done_steps < STEPS && idle < MUX_SOURCES;) {
		enum step done = step(mux, mux->turn, now);

		if (done == STEP_NO_ROOM) return false;
		done_steps += done == STEP_DONE;
		idle = done == STEP_DONE ? 0 : idle + 1;
		mux->turn = (uint8_t)((mux->turn + 1) % MUX_SOURCES);
	}
	return idle < MUX_SOURCES;
}
