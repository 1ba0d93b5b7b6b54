/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Passes the core's traces on to a serial line of its own, where the machine's other end
 * writes them to a file: pieces of the CPUs' buffers in turn (proto/trace.h).
 *
 * A piece goes into the line's ring whole or not at all, and everything is a multiple of
 * a record, so whatever comes after a death stands where it should; the successor begins
 * with what is recorded from then on. The line is slow: what it cannot take in time the
 * core overwrites, and the next piece says how much that was.
 *
 * What this domain and its line do is not recorded: it would be more than they can carry.
 *
 * Arguments: points=BITS (what is recorded, default all), every=MS (default 20).
 */
#include "libs/control/control.h"
#include "libs/event/event.h"
#include "libs/grant/grant.h"
#include "libs/log/log.h"
#include "libs/ring/ring.h"
#include "libs/rt/package.h"
#include "libs/rt/time.h"
#include "libs/cap/cap.h"
#include "libs/trace/trace.h"
#include "proto/serial.h"
#include "proto/system.h"

PACKAGE_CLIENT(SYSTEM_CONN_SERIAL, 1, 1);
PACKAGE_CAPABILITY(CAP_TRACE);

#define RECORDS    63U /* of a piece; with what goes before it 2 KiB */
#define LEAST_ROOM 2U  /* records */
#define ROUNDS     16U /* per wake-up */
#define MAX_CPUS   64U

static const struct native_connection *serial;
static const uint8_t *buffers;
static uint32_t cpus, frames; /* of one buffer */
static uint64_t next[MAX_CPUS];
static struct ring line;
static struct event_timer timer;
static uint64_t interval = MILLISECONDS(20);

static const struct trace_header *buffer(uint32_t cpu) {
	return (const void *)(buffers + (uint64_t)cpu * frames * PAGE_SIZE);
}

/* One piece of this CPU's; false: there is no more, or no room. */
static bool pass(uint32_t cpu) {
	static struct trace_record records[1 + RECORDS];
	uint32_t room = ring_space(&line) / (uint32_t)sizeof(records[0]), most;
	struct trace_piece piece;

	if (room < LEAST_ROOM) return false;
	most = MIN(room - 1, RECORDS);
	trace_copy(buffer(cpu), frames, next[cpu], records + 1, most, &piece);
	if (!piece.records && !piece.lost) return false;
	next[cpu] = piece.first + piece.records;
	memcpy(records, &piece, sizeof(piece));
	ring_put(&line, records, (1 + piece.records) * (uint32_t)sizeof(records[0]));
	if (ring_publish(&line)) event_send(serial->port);
	return piece.records == most || piece.lost;
}

static void pump(void *context) {
	bool more = true;

	(void)context;
	for (uint32_t round = 0; more && round < ROUNDS; round++) {
		more = false;
		for (uint32_t cpu = 0; cpu < cpus; cpu++) more |= pass(cpu);
	}
	/* Where the line has no room left, it tells when half of it is free. */
	more |= ring_space(&line) < LEAST_ROOM * sizeof(struct trace_record);
	more = more && ring_want_space(&line, line.size / 2);
	if (line.broken) rt_panic("the line's ring has impossible indices");
	event_timer_arm(&timer, time_now() + (more ? 0 : interval));
}

static void *map(const struct native_connection *connection, bool readonly) {
	void *at;
	int error =
		readonly ? grant_map_for_life_readonly(&at, connection->ring_domid,
						       connection->ring_ref, connection->ring_pages)
			 : grant_map_for_life(&at, connection->ring_domid, connection->ring_ref,
					      connection->ring_pages);

	if (error) rt_panic("%s: its pages cannot be mapped (%d)", connection->name, error);
	return at;
}

static void attach(const struct native_connection *trace) {
	struct serial_page *at = map(serial, false);

	cpus = trace->flags;
	if (!cpus || cpus > MAX_CPUS || trace->ring_pages % cpus)
		rt_panic("%u pages for traces of %u CPUs", trace->ring_pages, cpus);
	frames = trace->ring_pages / cpus;
	buffers = map(trace, true);
	for (uint32_t cpu = 0; cpu < cpus; cpu++)
		next[cpu] = __atomic_load_n(&buffer(cpu)->written, __ATOMIC_ACQUIRE);
	ring_attach_producer(&line, &at->tx, at->tx_data, SERIAL_TX_SIZE, 1);
}

/* A number from the arguments; how it is without. */
static uint64_t argument(const char *name, uint64_t usual, uint64_t most) {
	char text[24];
	uint64_t value;

	if (!rt_argument(name, text, sizeof(text))) return usual;
	if (!rt_number(text, &value) || value > most)
		rt_panic("%s=%s is not a number up to %lu", name, text, most);
	return value;
}

void native_main(void) {
	const struct native_connection *trace = rt_connection(SYSTEM_CONN_TRACE, 0);
	uint32_t slot = rt_capability(CAP_TRACE, 0);
	uint32_t points = (uint32_t)argument("points", TRACE_ALL, TRACE_ALL);

	serial = rt_connection(SYSTEM_CONN_SERIAL, 0);
	if (!trace || !slot || !serial) rt_panic("it needs the right to trace and a serial line");
	interval = MILLISECONDS(argument("every", 20, 10000));
	control_init(NULL, NULL);
	attach(trace);
	timer.handler = pump;
	event_handle(serial->port, pump, NULL);
	if (cap_trace_set(slot, points, rt_start_page->domid | (uint32_t)serial->peer_domid << 16))
		rt_panic("the core does not record points 0x%x", points);
	pump(NULL);
	event_loop();
}
