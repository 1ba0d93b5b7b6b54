/* SPDX-License-Identifier: BSD-2-Clause */
/* A client of the store in its domain: the page mapped, the channel handled. */
#include "libs/event/event.h"
#include "libs/grant/grant.h"
#include "libs/rt/package.h"
#include "libs/xenbus/internal.h"
#include "proto/system.h"

PACKAGE_CLIENT(SYSTEM_CONN_XENBUS, 1, 1);

static void serve(void *context) {
	struct xenbus *bus = context;

	if (xenbus_serve(bus)) event_again(bus->port);
	if (bus->notify) event_send(bus->port);
	bus->notify = false;
}

void xenbus_kick(struct xenbus *bus) { event_again(bus->port); }

int xenbus_open(struct xenbus *bus, const struct native_connection *connection,
		void (*connected)(void *context), void (*room)(void *context), void *context) {
	void *page;
	int error = grant_map_for_life(&page, connection->ring_domid, connection->ring_ref, 1);

	if (error) return error;
	xenbus_attach(bus, page, rt_start_page->incarnation, connected, room, context);
	bus->port = connection->port;
	event_handle(bus->port, serve, bus);
	event_again(bus->port);
	return 0;
}
