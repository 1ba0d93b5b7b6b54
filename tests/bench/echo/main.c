/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The other end of the bench kernel's event round trip: a native domain that
 * answers every event with an event. A guest gets its port by naming this domain
 * as its store, which is the one connection that it does not need here.
 */
#include "libs/control/control.h"
#include "libs/event/event.h"
#include "libs/rt/package.h"
#include "proto/system.h"

PACKAGE_SERVER(SYSTEM_CONN_STORE, 1, 1);

static void answer(void *context) { event_send((uint32_t)(uintptr_t)context); }

static bool peer_changed(unsigned index, bool present, uint32_t incarnation) {
	(void)index;
	(void)present;
	(void)incarnation;
	return true; /* it maps nothing of anybody */
}

void native_main(void) {
	for (unsigned n = 0; n < rt_start_page->connection_count; n++) {
		const struct native_connection *c = &rt_start_page->connections[n];

		if (c->protocol == SYSTEM_CONN_STORE)
			event_handle(c->port, answer, (void *)(uintptr_t)c->port);
	}
	control_init(peer_changed, NULL);
	event_loop();
}
