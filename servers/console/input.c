/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From the serial line to whom it concerns. Keys go to the focused guest until
 * the switch key; the one behind it says what to do:
 *
 *     n  p     next, previous guest       m   merged: all guests' lines, no keyboard
 *     c        a command                  ?   help
 *     a, or the switch key again: the switch key itself goes to the guest
 *
 * What a guest does not take stays in rx, and finally in the device. A switch
 * key behind it is found all the same: then what lies before it is dropped, or a
 * guest that does not read would lock the terminal.
 */
#include "mux.h"

#define BACKSPACE 0x08
#define CTRL_C    0x03
#define ESCAPE    0x1b
#define DELETE    0x7f

static bool is_present(const struct mux *mux, unsigned n) {
	return n < MUX_GUESTS && mux->source[n].ring && !mux->source[n].ending;
}

void mux_focus(struct mux *mux, uint8_t focus) {
	mux->state->focus = focus;
	mux_say(mux, "\r\n[%s]\r\n", focus == MUX_NOBODY ? "merged" : mux->source[focus].name);
}

/* The next guest in that direction, from the focused one on. */
static void focus_step(struct mux *mux, unsigned direction) {
	unsigned from = mux->state->focus;

	if (from >= MUX_GUESTS) from = direction == 1 ? MUX_GUESTS - 1 : 0;
	for (unsigned i = 0; i < MUX_GUESTS; i++) {
		from = (from + direction) % MUX_GUESTS;
		if (is_present(mux, from)) {
			mux_focus(mux, (uint8_t)from);
			return;
		}
	}
}

static void say_help(struct mux *mux) {
	mux_say(mux, "\r\n[switch key, then: n next  p previous  m merged  c command  a itself]\r\n"
		     "[commands: ps  focus NAME, and start stop reboot destroy pause unpause "
		     "restart kill "
		     "clear why, each with a NAME]\r\n");
}

static void execute(struct mux *mux) {
	const char *line = mux->command;

	if (!*line) return;
	if (!memcmp(line, "focus ", 6)) {
		for (unsigned n = 0; n < MUX_GUESTS; n++)
			if (is_present(mux, n) && !strcmp(mux->source[n].name, line + 6)) {
				mux_focus(mux, (uint8_t)n);
				return;
			}
		mux_say(mux, "there is no such guest\r\n");
	} else if (!strcmp(line, "help")) {
		say_help(mux);
	} else if (!mux->send_command || !mux->send_command(line)) {
		mux_say(mux, "root takes no commands from here\r\n");
	}
}

static void command_byte(struct mux *mux, char c) {
	if (c == '\r' || c == '\n') {
		mux->command[mux->command_length] = '\0';
		mux->mode = INPUT_PASS;
		mux_say(mux, "\r\n");
		execute(mux);
	} else if (c == CTRL_C || c == ESCAPE) {
		mux->mode = INPUT_PASS;
		mux_say(mux, "\r\n");
	} else if (c == BACKSPACE || c == DELETE) {
		if (mux->command_length) {
			mux->command_length--;
			mux_say(mux, "\b \b");
		}
	} else if (c >= ' ' && c <= '~' && mux->command_length < sizeof(mux->command) - 1) {
		mux->command[mux->command_length++] = c;
		mux_say(mux, "%c", c);
	}
}

/* Up to `count` bytes to the guest, from rx; how many. */
static uint32_t pass(struct mux *mux, unsigned n, uint32_t count) {
	struct source *source = &mux->source[n];
	char bytes[64];

	count = MIN(MIN(count, guest_ring_room(source)), sizeof(bytes));
	count = ring_get(&mux->rx, bytes, count);
	guest_ring_write(source, bytes, count);
	if (count) journal_input(mux, n, count);
	return count;
}

static void drop(struct mux *mux, uint32_t count) {
	char bytes[64];

	while (count) {
		uint32_t got = ring_get(&mux->rx, bytes, MIN(count, sizeof(bytes)));

		if (!got) break;
		count -= got;
		mux->dropped_input += got;
	}
	mux->kick_serial |= ring_release(&mux->rx);
}

/* The key behind the switch key. False: it must wait, for its guest has no room. */
static bool switch_byte(struct mux *mux, char c) {
	unsigned focus = mux->state->focus;

	if ((c == 'a' || c == (char)mux->key) && is_present(mux, focus)) {
		char itself = (char)mux->key;

		if (!guest_ring_room(&mux->source[focus])) return false;
		ring_get(&mux->rx, &c, 1);
		guest_ring_write(&mux->source[focus], &itself, 1);
		journal_input(mux, focus, 1);
		mux->mode = INPUT_PASS;
		return true;
	}
	drop(mux, 1);
	mux->dropped_input--; /* it was for the server */
	mux->mode = INPUT_PASS;
	switch (c) {
	case 'n': focus_step(mux, 1); break;
	case 'p': focus_step(mux, MUX_GUESTS - 1); break;
	case 'm': mux_focus(mux, MUX_NOBODY); break;
	case 'c':
		mux->mode = INPUT_COMMAND;
		mux->command_length = 0;
		mux_say(mux, "\r\n[root] ");
		break;
	default: say_help(mux); break;
	}
	return true;
}

/* Position of the switch key among the bytes that wait, or their number. */
static uint32_t find_key(struct mux *mux, uint32_t available) {
	char c;

	for (uint32_t i = 0; i < available; i++)
		if (ring_peek(&mux->rx, i, &c, 1) && c == (char)mux->key) return i;
	return available;
}

/* One step in INPUT_PASS; false: nothing could be moved. */
static bool pass_step(struct mux *mux, uint32_t available) {
	unsigned target = mux->raw != MUX_NOBODY ? mux->raw : mux->state->focus;
	uint32_t run = mux->raw != MUX_NOBODY ? available : find_key(mux, available);

	if (!run) {
		drop(mux, 1);
		mux->dropped_input--; /* the switch key is for the server */
		mux->mode = INPUT_KEY;
		return true;
	}
	if (is_present(mux, target) && pass(mux, target, run)) return true;
	/* Nobody takes it: lost if nobody is there, or if a switch key waits behind it. */
	if (is_present(mux, target) && run == available) return false;
	drop(mux, run);
	return true;
}

bool mux_input(struct mux *mux) {
	uint32_t available;
	char c;

	for (unsigned i = 0; i < 64; i++) {
		available = ring_available(&mux->rx);
		if (!available && !ring_want_data(&mux->rx)) return false;
		if (!available) continue;
		if (mux->mode == INPUT_PASS) {
			if (!pass_step(mux, available)) return false;
			continue;
		}
		if (!ring_peek(&mux->rx, 0, &c, 1)) return false;
		if (mux->mode == INPUT_KEY) {
			if (!switch_byte(mux, c)) return false;
			continue;
		}
		drop(mux, 1);
		mux->dropped_input--;
		command_byte(mux, c);
	}
	return true;
}
