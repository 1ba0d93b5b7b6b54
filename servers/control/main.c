/* SPDX-License-Identifier: BSD-2-Clause */
/* The control domain: its lines, its connection with root, events for who wants them. */
#include "control.h"
#include "libs/control/control.h"
#include "libs/event/event.h"
#include "libs/rt/package.h"
#include "proto/blkctl.h"
#include "proto/consctl.h"
#include "proto/netctl.h"
#include "proto/system.h"
#include "stream.h"

PACKAGE_CLIENT(SYSTEM_CONN_CONTROL, MANAGE_VERSION, MANAGE_VERSION);
PACKAGE_CLIENT(SYSTEM_CONN_SERIAL, 1, 1);
PACKAGE_MAY_BE_CLIENT(SYSTEM_CONN_NETCTL, NETCTL_VERSION, NETCTL_VERSION);
PACKAGE_MAY_BE_CLIENT(SYSTEM_CONN_BLKCTL, BLKCTL_VERSION, BLKCTL_VERSION);
PACKAGE_MAY_BE_CLIENT(SYSTEM_CONN_CONSCTL, CONSCTL_VERSION, CONSCTL_VERSION);
PACKAGE_MAY_HAVE_LIFEBOAT(1, 1);

static uint32_t lost_before; /* events, as root counts them */

static void on_line(void *context) {
	line_work(context);
	stream_work();
}

static void tell(const struct manage_event *event) {
	for (uint32_t i = 0; i < LINES; i++) {
		struct line *line = &lines[i];

		if (!line->connection || !line->events) continue;
		if (line->events_lost && line_has_room(line)) {
			answer_lost(line, "events", line->events_lost);
			line->events_lost = 0;
		}
		/* A line that does not take it is told later how many it has missed. */
		if (line_has_room(line))
			answer_event(line, event);
		else
			line->events_lost++;
	}
}

static void on_root(void) {
	struct manage_event event;
	uint32_t lost;

	for (uint32_t i = 0; i < MANAGE_EVENTS && manage_event(&event, &lost); i++) {
		for (uint32_t n = 0; n < LINES && lost != lost_before; n++)
			lines[n].events_lost += lost - lost_before;
		lost_before = lost;
		tell(&event);
	}
	for (uint32_t i = 0; i < LINES; i++) line_work(&lines[i]);
}

void native_main(void) {
	uint32_t count = 0;

	control_init(NULL, NULL);
	if (!manage_open(on_root)) rt_panic("it has no connection with root");
	journal_open();
	for (; count < LINES; count++) {
		const struct native_connection *c = rt_connection(SYSTEM_CONN_SERIAL, count);

		if (!c) break;
		line_open(count, c);
		event_handle(c->port, on_line, &lines[count]);
		answer_greeting(&lines[count]);
		event_again(c->port);
	}
	if (!count) rt_panic("it has no serial line");
	stream_open();
	event_loop();
}
