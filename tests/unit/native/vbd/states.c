/* SPDX-License-Identifier: BSD-2-Clause */
/* A store that knows nothing but the states of both ends: stands in for node.c and front.c. */
#include "rig.h"

#include "libs/xenbus/xenbus.h"

static uint32_t asked[VBD_DEVICES], reading[VBD_DEVICES], published[VBD_DEVICES];
static bool watched[VBD_DEVICES]; /* anew: a watch fires at once */

bool node_ready(void) { return true; }
bool node_is_written(const struct device *device) { return published[device - vbd.device]; }
void node_watch(struct device *device) { watched[device - vbd.device] = true; }
void node_ask(struct device *device) { asked[device - vbd.device] = 1; }
void node_read_front(struct device *device) { reading[device - vbd.device] = 1; }
void node_publish(struct device *device) { published[device - vbd.device] = 1; }
void node_remove(struct device *device) { world->backend[device - vbd.device] = 0; }
void node_state(struct device *device, uint32_t state) {
	device->backend_state = state;
	world->backend[device - vbd.device] = state;
}

void rig_store(void) {
	for (uint32_t i = 0; i < vbd.device_count; i++) {
		struct device *device = &vbd.device[i];

		if (published[i]) {
			world->backend[i] = device->backend_state;
			if (device->make_front) world->front[i] = device->front_state;
		}
		published[i] = 0;
		if (asked[i]) device_asked(device, world->backend[i], world->front[i]);
		asked[i] = 0;
		if (reading[i]) {
			device->front = world->rings[i];
			device_front_read(device, NULL);
		}
		reading[i] = 0;
		if (world->backend[i] == XENBUS_CONNECTED && world->front[i] == XENBUS_INITIALISED)
			world->front[i] = XENBUS_CONNECTED;
		if (device->state >= DEVICE_OPEN && !published[i] &&
		    (watched[i] || world->front[i] != device->front_state)) {
			watched[i] = false;
			device_front_changed(device, world->front[i]);
		}
		/* The frontend publishes its rings when it sees the backend wait. */
		if (world->backend[i] == XENBUS_INIT_WAIT && world->front[i] == XENBUS_INITIALISING)
			world->front[i] = XENBUS_INITIALISED;
	}
}

void rig_store_forget(void) {
	memset(asked, 0, sizeof(asked));
	memset(reading, 0, sizeof(reading));
	memset(published, 0, sizeof(published));
}
