/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bytes from a server's tap become events: {"event": "console", "name": ..., "data": ...} and
 * {"event": "tap", "data": ...}. Bytes stay in the tap until every line that wants them has
 * room for the event; a line that does not read makes the tap fill, and the server counts what it
 * loses and holds up nobody. How much that was while somebody listened is told: {"event":
 * "lost", "of": "console" (bytes) or "tap" (packets), "count": ...}.
 *
 * After its restart a server taps nothing: tap_on is 0. Consoles that are wanted are attached
 * again, with a count of 0 that were lost, for nobody knows what was said meanwhile; who taps
 * packets, which is one line at a time, is told that the tap has ended.
 */
#include "stream.h"

#include "libs/event/event.h"
#include "proto/blkctl.h"
#include "proto/consctl.h"
#include "proto/netctl.h"
#include "proto/system.h"
#include "service.h"
#include "steer.h"

#define CONSOLES 32U
#define PIECE    1024U
#define PIECES   16U /* in one go */

/* A console that is wanted. lines: one bit each; 0: the entry is free. */
static struct wanted {
	struct service *service;
	uint32_t console, lines;
	char name[MANAGE_NAME];
	bool again; /* to be attached again */
} wanted[CONSOLES];

static uint32_t tap_lines[SERVICES]; /* one bit at most */
static uint64_t lost[SERVICES];      /* what was told of tap_lost */
static bool was_on[SERVICES];        /* consoles: something was attached */

static uint32_t index_of(const struct service *service) { return (uint32_t)(service - services); }

static struct wanted *find(const struct service *service, uint32_t console) {
	for (uint32_t i = 0; i < CONSOLES; i++)
		if (wanted[i].lines && wanted[i].service == service && wanted[i].console == console)
			return &wanted[i];
	return NULL;
}

void stream_console(uint32_t line, struct service *service, uint32_t console, const char *name,
		    bool on) {
	struct wanted *entry = find(service, console);

	if (!on) {
		if (entry) entry->lines &= ~(1U << line);
		return;
	}
	for (uint32_t i = 0; i < CONSOLES && !entry; i++)
		if (!wanted[i].lines) entry = &wanted[i];
	if (!entry) return; /* more than there is room for are not shown */
	entry->service = service;
	entry->console = console;
	entry->lines |= 1U << line;
	entry->again = false;
	was_on[index_of(service)] = true;
	rt_strcopy(entry->name, name, sizeof(entry->name));
}

bool stream_console_wanted(uint32_t line, const struct service *service, uint32_t console) {
	const struct wanted *entry = find(service, console);

	return entry && entry->lines & ~(1U << line);
}

bool stream_tapped(uint32_t line, const struct service *service) {
	return tap_lines[index_of(service)] & ~(1U << line);
}

void stream_tap(uint32_t line, struct service *service, bool on) {
	uint32_t *mask = &tap_lines[index_of(service)];

	*mask = on ? *mask | 1U << line : *mask & ~(1U << line);
}

/* --- events --- */

static bool have_room(uint32_t mask) {
	for (uint32_t i = 0; i < LINES; i++)
		if (mask & 1U << i && !line_has_room(&lines[i])) return false;
	return true;
}

static void tell(uint32_t mask, const char *event, const char *name, const void *bytes,
		 uint32_t length) {
	for (uint32_t i = 0; i < LINES; i++) {
		struct json_writer *w;

		if (!(mask & 1U << i)) continue;
		w = line_begin(&lines[i], false);
		json_string(w, "event", event);
		if (name) json_string(w, "name", name);
		json_base64(w, "data", bytes, length);
		line_end(&lines[i]);
		line_push(&lines[i]);
	}
}

/* All lines that listen to this server. */
static uint32_t listeners(const struct service *service) {
	uint32_t mask = tap_lines[index_of(service)];

	for (uint32_t i = 0; i < CONSOLES; i++)
		if (wanted[i].service == service) mask |= wanted[i].lines;
	return mask;
}

static bool is_console(const struct service *service) {
	return service->connection->protocol == SYSTEM_CONN_CONSCTL;
}

static void say_lost(const struct service *service, uint32_t mask, uint64_t count) {
	for (uint32_t i = 0; i < LINES; i++)
		if (mask & 1U << i)
			answer_lost(&lines[i], is_console(service) ? "console" : "tap", count);
}

/* What was lost while nobody listened is nobody's. */
static void tell_lost(const struct service *service) {
	uint64_t *told = &lost[index_of(service)], count = service->page->tap_lost;
	uint32_t mask = listeners(service);

	if (count == *told || !have_room(mask)) return;
	if (count > *told) say_lost(service, mask, count - *told);
	*told = count;
}

/* One chunk of a console. False: there is none, or no room for it. */
static bool console_chunk(struct service *service) {
	static uint8_t bytes[PIECE];
	struct consctl_chunk chunk;
	const struct wanted *entry;
	uint32_t mask;

	if (!ring_peek(&service->tap, 0, &chunk, sizeof(chunk))) return false;
	if (chunk.length > PIECE)
		rt_panic("%s: a piece of impossible size", service->connection->peer);
	if (!ring_peek(&service->tap, sizeof(chunk), bytes, chunk.length)) return false;
	entry = find(service, chunk.console);
	mask = entry ? entry->lines : 0;
	if (!have_room(mask)) return false;
	if (mask) tell(mask, "console", entry->name, bytes, chunk.length);
	ring_get(&service->tap, &chunk, sizeof(chunk));
	ring_get(&service->tap, bytes, chunk.length);
	return true;
}

static bool tap_piece(struct service *service) {
	uint32_t mask = tap_lines[index_of(service)];
	static uint8_t bytes[8 * PIECE];
	uint32_t count = MIN(ring_available(&service->tap), (uint32_t)sizeof(bytes));

	if (!count || !have_room(mask)) return false;
	ring_get(&service->tap, bytes, count);
	if (mask) tell(mask, "tap", NULL, bytes, count);
	return true;
}

/* The server is a new one: all is to be attached again, one by one. */
static void attach_again(struct service *service, bool on) {
	for (uint32_t i = 0; i < CONSOLES; i++)
		if (wanted[i].lines && wanted[i].service == service) wanted[i].again |= !on;
	if (!on && was_on[index_of(service)]) say_lost(service, listeners(service), 0);
	was_on[index_of(service)] = on;
	for (uint32_t i = 0; i < CONSOLES; i++) {
		if (!wanted[i].lines || !wanted[i].again || wanted[i].service != service) continue;
		service->page->op = CONSCTL_ATTACH;
		service->page->port = wanted[i].console;
		wanted[i].again = false;
		service_send(service, NULL, 0);
		return;
	}
}

static void look_after_tap(struct service *service) {
	bool on = __atomic_load_n(&service->page->tap_on, __ATOMIC_ACQUIRE);
	uint32_t *mask = &tap_lines[index_of(service)];

	/* An answer that is somebody's would be overwritten. */
	if (service->user || service_busy(service)) return;
	if (is_console(service)) {
		if (have_room(listeners(service))) attach_again(service, on);
	} else if (!on && *mask && have_room(*mask)) {
		tell(*mask, "tap", "", "", 0);
		*mask = 0;
	}
}

static void work(struct service *service) {
	uint32_t pieces = 0;

	if (!service->tap.header) return;
	while (pieces < PIECES &&
	       (is_console(service) ? console_chunk(service) : tap_piece(service)))
		pieces++;
	if (service->tap.broken) rt_panic("%s: impossible indices", service->connection->peer);
	if (ring_release(&service->tap)) event_send(service->connection->port);
	tell_lost(service);
	look_after_tap(service);
	if (pieces == PIECES || ring_want_data(&service->tap)) {
		/* There is more: now, or when the lines have room. */
		if (pieces) event_again(service->connection->port);
	}
}

void stream_work(void) {
	for (uint32_t i = 0; i < service_count; i++) work(&services[i]);
}

static void on_service(void *context) {
	steer_event();
	work(context);
}

void stream_open(void) {
	service_open(SYSTEM_CONN_NETCTL, NETCTL_PAGES, true, on_service);
	service_open(SYSTEM_CONN_BLKCTL, BLKCTL_PAGES, false, on_service);
	service_open(SYSTEM_CONN_CONSCTL, CONSCTL_PAGES, true, on_service);
}
