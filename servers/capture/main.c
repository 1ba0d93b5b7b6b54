/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Captures packets: taps the switch (proto/netctl.h) and passes the pcapng stream, byte for
 * byte, to a serial line of its own, where the machine's other end writes it to a file.
 *
 * Every byte that leaves the tap enters the line's ring, so the difference of the two
 * indices never changes but within a move. It is written down in the line's page: a
 * successor sets the tap's index by it, and goes on without a byte lost or sent twice. When
 * the switch is a new one the tap is off, and is started again: the stream goes on with
 * another section.
 *
 * Argument: keep=BYTES of each packet (default: as many as the switch gives).
 */
#include "libs/control/control.h"
#include "libs/event/event.h"
#include "libs/grant/grant.h"
#include "libs/log/log.h"
#include "libs/ring/ring.h"
#include "libs/rt/package.h"
#include "libs/rt/time.h"
#include "proto/netctl.h"
#include "proto/serial.h"
#include "proto/system.h"

PACKAGE_CLIENT(SYSTEM_CONN_NETCTL, NETCTL_VERSION, NETCTL_VERSION);
PACKAGE_CLIENT(SYSTEM_CONN_SERIAL, 1, 1);

#define MAGIC  0x65727574706163ULL /* "capture" */
#define CHUNK  1024U
#define CHUNKS 16U /* moved per wake-up */
#define RETRY  MILLISECONDS(500)

/* In serial_page.state. */
struct record {
	uint64_t magic;
	uint32_t distance; /* index of the line's ring less the tap's */
	uint32_t pad;
};

static const struct native_connection *watch, *serial;
static struct ctl_page *page;
static struct ring tap, line;
static struct record *record;
static struct event_timer retry;
static uint64_t keep, lost;
static bool asked;

static void *map(const struct native_connection *connection, uint32_t pages) {
	void *at;
	int error;

	if (connection->ring_pages < pages) rt_panic("%s: too few pages", connection->name);
	error = grant_map_for_life(&at, connection->ring_domid, connection->ring_ref, pages);
	if (error) rt_panic("%s: its pages cannot be mapped (%d)", connection->name, error);
	return at;
}

/* --- the tap --- */

/* One request at a time; a predecessor's is waited for as if it were ours. */
static void ask_for_tap(void) {
	page->op = NETCTL_TAP_START;
	page->port = NETCTL_ALL;
	page->argument = (uint32_t)keep;
	page->length = 0;
	asked = true;
	__atomic_store_n(&page->request, page->request + 1, __ATOMIC_RELEASE);
	event_send(watch->port);
}

static void refused(void) {
	char text[sizeof(page->text)];

	rt_strcopy(text, page->text, rt_strnlen(page->text, sizeof(text) - 1) + 1);
	log_print("the switch gives no tap (%u) %s", page->status, text);
	event_timer_arm(&retry, time_now() + RETRY);
}

static void look_after_tap(void) {
	if (__atomic_load_n(&page->done, __ATOMIC_ACQUIRE) != page->request) return;
	if (page->tap_on) {
		if (asked) log_print("the tap is on");
		asked = false;
	} else if (asked) {
		asked = false;
		refused();
	} else if (!retry.deadline) {
		ask_for_tap();
	}
}

/* --- bytes --- */

/* True: some were moved. */
static bool move(void) {
	static uint8_t bytes[CHUNK];
	uint32_t count = MIN(ring_available(&tap), ring_space(&line));

	count = ring_get(&tap, bytes, MIN(count, CHUNK));
	if (!count) return false;
	ring_put(&line, bytes, count);
	if (ring_publish(&line)) event_send(serial->port);
	if (ring_release(&tap)) event_send(watch->port);
	return true;
}

static void pump(void *context) {
	uint32_t chunks = CHUNKS;

	(void)context;
	look_after_tap();
	while (chunks && move()) chunks--;
	if (tap.broken || line.broken) rt_panic("ring indices are impossible");
	if (!chunks || ring_want_data(&tap)) {
		/* There is more: goes on when the line has room. */
		if (!chunks || ring_want_space(&line, 1)) event_again(watch->port);
	}
	if (page->tap_lost / 1000 != lost / 1000) {
		lost = page->tap_lost;
		log_print("%lu packets were not captured: the line is too slow", lost);
	}
}

/* Where a predecessor stood. */
static void attach(struct serial_page *at) {
	uint32_t distance = at->tx.prod - page->tap.cons;

	record = (struct record *)(void *)at->state;
	if (record->magic == MAGIC && page->tap.prod - (at->tx.prod - record->distance) <= CTL_TAP)
		page->tap.cons = at->tx.prod - record->distance;
	else
		*record = (struct record){.distance = distance};
	__atomic_store_n(&record->magic, MAGIC, __ATOMIC_RELEASE);
	ring_attach_consumer(&tap, &page->tap, (uint8_t *)page + PAGE_SIZE + CTL_PAYLOAD, CTL_TAP,
			     1);
	ring_attach_producer(&line, &at->tx, at->tx_data, SERIAL_TX_SIZE, 1);
}

void native_main(void) {
	char text[16];

	if (rt_argument("keep", text, sizeof(text)) &&
	    (!rt_number(text, &keep) || keep > UINT32_MAX))
		rt_panic("keep=%s is not a number of bytes", text);
	watch = rt_connection(SYSTEM_CONN_NETCTL, 0);
	serial = rt_connection(SYSTEM_CONN_SERIAL, 0);
	if (!watch || !serial) rt_panic("it needs a switch to tap and a serial line");
	control_init(NULL, NULL);
	page = map(watch, NETCTL_PAGES);
	attach(map(serial, 1));
	lost = page->tap_lost;
	retry.handler = pump;
	event_handle(watch->port, pump, NULL);
	event_handle(serial->port, pump, NULL);
	pump(NULL);
	event_loop();
}
