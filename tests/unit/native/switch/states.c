/* SPDX-License-Identifier: BSD-2-Clause */
/* The store: the states of both ends, and no more. */
#include "../fake_states.h"
#include "rig.h"

static void read_front(struct backend_device *end) {
	sw.port[end->number].vif.front = world->rings[end->number];
}

void rig_store(void) { fake_states_serve(); }

void rig_store_forget(void) {
	fake_states.own = world->backend;
	fake_states.front = world->front;
	/* A netfront publishes its rings and is Connected when it sees the backend wait. */
	fake_states.ready = XENBUS_CONNECTED;
	fake_states.read = read_front;
	fake_states_forget();
}
