/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The console server dies at any instruction of the steps that must happen once,
 * again and again, while two guests write and the line types: not a byte is lost
 * or doubled, in either direction. The server is a process of its own; the serial
 * page and the guests' rings are memory that outlives it, as under root.
 *
 * The functions of journal.c are wrapped (ld --wrap): in them the processor
 * single-steps, and the trap handler ends the process when its time has come.
 *
 * Guest 1 has the focus and writes letters in a cycle, without line ends, so
 * whatever is between them is guest 2's lines, which are numbered.
 */
#define _GNU_SOURCE /* kill, MAP_ANONYMOUS */

#include "native.h"
#include "dying.h"

#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "servers/console/mux.h"

#define G1            1U
#define G2            2U
#define DEATHS        600U
#define LETTERS_LEAST 10000U
#define LINES_LEAST   500U
#define LIFE          400U /* instructions of the last call, at most */

static struct shared {
	struct serial_page page;
	struct xencons_interface guest[3];
} * shared;

static uint32_t lives;
static bool ending; /* nothing new is written any more */

/* Where a life ends. */
enum function { OUTPUT, INPUT, RECOVER, NEVER };

void __real_journal_output(struct mux *mux, unsigned n, uint32_t count, uint8_t line_owner);
void __real_journal_input(struct mux *mux, unsigned n, uint32_t count);
void __real_journal_recover(struct mux *mux, unsigned n);
void __wrap_journal_output(struct mux *mux, unsigned n, uint32_t count, uint8_t line_owner);
void __wrap_journal_input(struct mux *mux, unsigned n, uint32_t count);
void __wrap_journal_recover(struct mux *mux, unsigned n);

void __wrap_journal_output(struct mux *mux, unsigned n, uint32_t count, uint8_t line_owner) {
	bool last = last_begins(OUTPUT);

	__real_journal_output(mux, n, count, line_owner);
	last_ends(last);
}

void __wrap_journal_input(struct mux *mux, unsigned n, uint32_t count) {
	bool last = last_begins(INPUT);

	__real_journal_input(mux, n, count);
	last_ends(last);
}

void __wrap_journal_recover(struct mux *mux, unsigned n) {
	bool last = last_begins(RECOVER);

	__real_journal_recover(mux, n);
	last_ends(last);
}

NORETURN static void server(void) {
	static struct mux mux;
	uint64_t now = 0;

	dying_begin();
	mux_init(&mux, &shared->page);
	mux.key = 1;
	strcpy(mux.source[G1].name, "G1");
	strcpy(mux.source[G2].name, "G2");
	mux_attach(&mux, G1, &shared->guest[G1], 0);
	mux_attach(&mux, G2, &shared->guest[G2], 0);
	mux_start(&mux);
	for (;;) {
		bool more = mux_input(&mux);

		now += 1000000;
		more |= mux_output(&mux, now);
		if (!more) sched_yield();
	}
}

static uint32_t load(uint32_t *index) { return __atomic_load_n(index, __ATOMIC_ACQUIRE); }

/* --- guests --- */

static uint64_t letters_written, lines_written, keys_read;

static void guest_put(unsigned n, const char *text, uint32_t length) {
	struct xencons_interface *ring = &shared->guest[n];

	for (uint32_t i = 0; i < length; i++)
		ring->out[(ring->out_prod + i) % XENCONS_OUT_SIZE] = text[i];
	__atomic_store_n(&ring->out_prod, ring->out_prod + length, __ATOMIC_RELEASE);
}

static uint32_t guest_room(unsigned n) {
	return XENCONS_OUT_SIZE - (shared->guest[n].out_prod - load(&shared->guest[n].out_cons));
}

static void guests_run(void) {
	struct xencons_interface *ring = &shared->guest[G1];
	uint32_t count = ending ? 0 : noise() % 100;
	char text[64];

	while (count-- && guest_room(G1)) {
		text[0] = (char)('a' + letters_written++ % 26);
		guest_put(G1, text, 1);
	}
	if (!ending && noise() % 4 == 0 && guest_room(G2) > 30) {
		size_t length = rt_format(text, sizeof(text), "%lu\n", lines_written++);

		guest_put(G2, text, (uint32_t)length);
	}
	while (ring->in_cons != load(&ring->in_prod)) {
		CHECK(ring->in[ring->in_cons % XENCONS_IN_SIZE] == (char)('0' + keys_read++ % 10));
		__atomic_store_n(&ring->in_cons, ring->in_cons + 1, __ATOMIC_RELEASE);
	}
}

/* --- the line: what comes out of tx, read by a little machine --- */

static struct ring tx, rx;
static uint64_t letters_read, lines_read, keys_typed;
static enum { LETTERS, CR, LF, PREFIX, NUMBER } state;
static uint64_t number;
static unsigned prefix;

static void line_byte(char c) {
	static const char mark[] = "G2| ";

	switch (state) {
	case LETTERS:
		if (c == '\r') {
			state = CR;
		} else if (c == 'G') {
			prefix = 1;
			state = PREFIX;
		} else {
			CHECK(c == (char)('a' + letters_read++ % 26));
		}
		break;
	case CR:
		CHECK(c == '\n');
		state = LETTERS;
		break;
	case PREFIX:
		CHECK(c == mark[prefix]);
		number = 0;
		state = mark[++prefix] ? PREFIX : NUMBER;
		break;
	case NUMBER:
		if (c == '\r') {
			CHECK(number == lines_read++);
			state = CR;
		} else {
			CHECK(c >= '0' && c <= '9');
			number = number * 10 + (uint64_t)(c - '0');
		}
		break;
	default: CHECK(!"a state of the line");
	}
}

static void line_run(void) {
	char bytes[200], key;
	uint32_t got = ring_get(&tx, bytes, 1 + noise() % sizeof(bytes));

	for (uint32_t i = 0; i < got; i++) line_byte(bytes[i]);
	ring_release(&tx);
	for (unsigned i = ending ? 0 : noise() % 20; i && ring_space(&rx); i--) {
		key = (char)('0' + keys_typed++ % 10);
		ring_put(&rx, &key, 1);
	}
	ring_publish(&rx);
	CHECK(!tx.broken && !rx.broken);
}

static pid_t start_server(enum function function) {
	pid_t child = fork();

	CHECK(child >= 0);
	doomed = function;
	calls_left = noise() % (function == RECOVER ? 2 : 5);
	instructions_left = noise() % LIFE;
	if (!child) server();
	lives++;
	return child;
}

static void test_killed(void) {
	int status;
	pid_t child;

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	CHECK(shared != MAP_FAILED);
	ring_attach_consumer(&tx, &shared->page.tx, shared->page.tx_data, SERIAL_TX_SIZE, 1);
	ring_attach_producer(&rx, &shared->page.rx, shared->page.rx_data, SERIAL_RX_SIZE, 1);
	/* On a slow machine a life may be too short for a line: then there are more of them. */
	while (lives < DEATHS || letters_written <= LETTERS_LEAST || lines_written <= LINES_LEAST) {
		CHECK(lives < 20 * DEATHS);
		child = start_server((enum function)(noise() % NEVER));
		while (waitpid(child, &status, WNOHANG) == 0) {
			guests_run();
			line_run();
			sched_yield();
		}
		CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	}
	/* The last one lives until everything has arrived. */
	ending = true;
	child = start_server(NEVER);
	for (unsigned n = 0;
	     n < 1000000 && (letters_read != letters_written || lines_read != lines_written ||
			     keys_read != keys_typed);
	     n++) {
		guests_run();
		line_run();
		sched_yield();
	}
	kill(child, SIGKILL);
	CHECK(waitpid(child, &status, 0) == child);
	printf("# %u lives: %lu letters, %lu lines, %lu keys\n", lives, letters_read, lines_read,
	       keys_read);
	CHECK(letters_read == letters_written && lines_read == lines_written);
	CHECK(keys_read == keys_typed);
}

int main(void) {
	static const struct test tests[] = {
		{"killed at any instruction", test_killed},
	};

	return RUN("mux_crash", tests);
}
