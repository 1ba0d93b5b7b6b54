/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The console server: guests' console rings and the core's log on one side, the
 * driver of a serial line on the other. The multiplexer (mux.h) does the work;
 * here are events, mappings and time.
 *
 * Arguments: raw=NAME gives that guest the line to itself; key=N is the switch
 * key's code (default 1, Ctrl-A).
 */
#include "libs/cap/cap.h"
#include "libs/control/control.h"
#include "libs/event/event.h"
#include "libs/grant/grant.h"
#include "libs/log/log.h"
#include "libs/manage/text.h"
#include "libs/rt/package.h"
#include "libs/rt/time.h"
#include "mux.h"
#include "proto/consctl.h"
#include "proto/system.h"
#include "proto/xen/xen.h"
#include "tap.h"

PACKAGE_SERVER(SYSTEM_CONN_CONSOLE, 1, 1);
PACKAGE_CLIENT(SYSTEM_CONN_SERIAL, 1, 1);
PACKAGE_SERVER(SYSTEM_CONN_CONSCTL, CONSCTL_VERSION, CONSCTL_VERSION);
PACKAGE_MAY_BE_CLIENT(SYSTEM_CONN_CONTROL, 1, 1);

#define DEFAULT_KEY 1

static struct mux mux;
static struct grant_mapping guest_mapping[MUX_GUESTS], serial_mapping;
static const struct native_connection *serial;
static uint32_t log_slot;
static struct event_timer line_timer;
static bool started;

static void pump(void *context) {
	bool more;

	(void)context;
	if (!started) return;
	tap_follow();
	more = mux_input(&mux);
	if (!manage_text_idle()) manage_text_go_on();
	more |= mux_output(&mux, time_now());
	if (mux.tx.broken || mux.rx.broken) rt_panic("the driver's ring indices are impossible");

	if (mux.kick_serial) event_send(serial->port);
	mux.kick_serial = false;
	for (unsigned n = 0; n < MUX_GUESTS; n++) {
		if (mux.source[n].notify) event_send(rt_start_page->connections[n].port);
		mux.source[n].notify = false;
	}
	if (mux.deadline) event_timer_arm(&line_timer, mux.deadline);
	if (more) event_again(serial->port);
}

static void pump_and_scan(void *context) {
	pump(context);
	/* A guest that has ended may be drained now. */
	control_scan();
}

static bool peer_changed(unsigned n, bool present, uint32_t incarnation) {
	const struct native_connection *c = &rt_start_page->connections[n];
	int error;

	if (c->protocol != SYSTEM_CONN_CONSOLE) return true;
	if (!present) {
		pump(NULL);
		if (!mux_detach(&mux, n)) return false;
		grant_unmap(&guest_mapping[n]);
		return true;
	}
	grant_unmap(&guest_mapping[n]);
	error = grant_map(&guest_mapping[n], c->ring_domid, c->ring_ref, 1);
	if (error) {
		log_print("the console of %s cannot be mapped (%d)", c->peer, error);
		return true;
	}
	mux_attach(&mux, n, guest_mapping[n].at, incarnation);
	pump(NULL);
	return true;
}

static int64_t read_log(void *to, size_t size, uint64_t *position) {
	return cap_console_read(log_slot, to, size, position);
}

static void sink(const struct source *source, const char *line, uint32_t length) {
	log_print("%s: %.*s", source->name, (int)length, line);
}

/* A line of root's answer, with the line end that a terminal wants. */
static void answer(const char *line) {
	size_t length = strlen(line);

	if (length && line[length - 1] == '\n') length--;
	mux_say_bytes(&mux, line, (uint32_t)length);
	mux_say_bytes(&mux, "\r\n", 2);
	event_again(serial->port);
}

static uint32_t answer_room(void) { return mux_say_room(&mux); }

static void name_guests(void) {
	for (unsigned n = 0; n < rt_start_page->connection_count; n++) {
		const struct native_connection *c = &rt_start_page->connections[n];

		if (c->protocol != SYSTEM_CONN_CONSOLE) continue;
		mux.source[n].is_guest = true;
		rt_strcopy(mux.source[n].name, c->peer, sizeof(mux.source[n].name));
		event_handle(c->port, pump_and_scan, NULL);
	}
}

static void read_arguments(void) {
	char text[32];
	uint64_t key = DEFAULT_KEY;

	if (rt_argument("key", text, sizeof(text)) && (!rt_number(text, &key) || key > 127))
		rt_panic("key=%s is not the code of a key", text);
	mux.key = (uint8_t)key;
	if (!rt_argument("raw", text, sizeof(text))) return;
	for (unsigned n = 0; n < MUX_GUESTS; n++)
		if (mux.source[n].is_guest && !strcmp(mux.source[n].name, text))
			mux.raw = (uint8_t)n;
	if (mux.raw == MUX_NOBODY) rt_panic("raw=%s: it has no connection with such a guest", text);
}

/* The core's log is ours if the capability says so and nobody has the line to itself. */
static void take_log(void) {
	struct cap_info info;

	log_slot = rt_capability(CAP_CONSOLE, 0);
	if (mux.raw != MUX_NOBODY || !log_slot || cap_inspect(log_slot, &info) ||
	    !(info.rights & RIGHT_READ))
		return;
	if (event_bind_virq(VIRQ_CON_RING, pump, NULL) <= 0)
		rt_panic("more text in the log cannot be watched for");
	mux.read_log = read_log;
}

void native_main(void) {
	int error;

	serial = rt_connection(SYSTEM_CONN_SERIAL, 0);
	if (!serial) rt_panic("it has no connection with a serial line");
	error = grant_map(&serial_mapping, serial->ring_domid, serial->ring_ref, 1);
	if (error) rt_panic("the serial ring cannot be mapped (%d)", error);
	mux_init(&mux, serial_mapping.at);
	mux.sink = sink;
	mux.send_command = manage_text;
	line_timer.handler = pump;
	name_guests();
	read_arguments();
	take_log();

	control_init(peer_changed, NULL);
	manage_text_open(answer, answer_room);
	mux_start(&mux);
	started = true;
	tap_open(&mux, pump);
	event_handle(serial->port, pump_and_scan, NULL);
	pump(NULL);
	event_loop();
}
