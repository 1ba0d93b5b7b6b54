/* SPDX-License-Identifier: BSD-2-Clause */
/* A store that knows nothing but the states of both ends: stands in for node.c and front.c. */
#include "rig.h"

#include "libs/xenbus/xenbus.h"

static bool asked[SW_PORTS], reading[SW_PORTS], published[SW_PORTS];
static bool watched[SW_PORTS]; /* anew: a watch fires at once */

bool node_ready(void) { return true; }
void node_watch(struct port *port) { watched[port_index(port)] = true; }
void node_ask(struct port *port) { asked[port_index(port)] = true; }
void node_read_front(struct port *port) { reading[port_index(port)] = true; }
void node_publish(struct port *port) { published[port_index(port)] = true; }
void node_remove(struct port *port) { world->backend[port_index(port)] = 0; }
void node_state(struct port *port, uint32_t state) {
	port->vif.backend_state = state;
	world->backend[port_index(port)] = state;
}

void rig_store(void) {
	for (uint32_t i = 0; i < GUESTS; i++) {
		struct port *port = &sw.port[i];

		if (published[i]) {
			world->backend[i] = port->vif.backend_state;
			if (port->vif.make_front) world->front[i] = port->vif.front_state;
		}
		published[i] = false;
		if (asked[i]) vif_asked(port, world->backend[i], world->front[i]);
		asked[i] = false;
		if (reading[i]) {
			port->vif.front = world->rings[i];
			vif_front_read(port, NULL);
		}
		reading[i] = false;
		if (port->vif.state >= VIF_OPEN && !published[i] &&
		    (watched[i] || world->front[i] != port->vif.front_state)) {
			watched[i] = false;
			vif_front_changed(port, world->front[i]);
		}
		/* A netfront publishes its rings and is Connected when it sees the backend wait. */
		if (world->backend[i] == XENBUS_INIT_WAIT && world->front[i] == XENBUS_INITIALISING)
			world->front[i] = XENBUS_CONNECTED;
	}
}

void rig_store_forget(void) {
	memset(asked, 0, sizeof(asked));
	memset(reading, 0, sizeof(reading));
	memset(published, 0, sizeof(published));
}
