/* SPDX-License-Identifier: BSD-2-Clause */
#include "fake_states.h"

struct fake_states fake_states;
static struct {
	bool asked, reading, published;
	bool watched; /* anew: a watch fires at once */
} todo[BACKEND_DEVICES];

bool backend_node_ready(void) { return true; }
bool backend_is_written(const struct backend_device *device) {
	return !todo[device->number].published;
}
void backend_node_watch(struct backend_device *device) { todo[device->number].watched = true; }
void backend_node_ask(struct backend_device *device) { todo[device->number].asked = true; }
void backend_node_read_front(struct backend_device *device) { todo[device->number].reading = true; }
void backend_node_publish(struct backend_device *device) { todo[device->number].published = true; }

void backend_node_remove(struct backend_device *device) {
	fake_states.own[device->number] = 0;
	if (device->plug.leaving) fake_states.front[device->number] = 0;
}

bool backend_node_is_removed(const struct backend_device *device) {
	return !fake_states.own[device->number];
}

void backend_node_state(struct backend_device *device, uint32_t state) {
	device->own_state = state;
	fake_states.own[device->number] = state;
}

/* No keys are read: fake_states.read() knows them. */
int backend_ask(struct backend_device *device, const char *name, uint16_t key) {
	(void)device, (void)name, (void)key;
	return -XEN_ENOTCONN;
}
bool xenbus_number(const struct xenbus_answer *answer, uint64_t max, uint64_t *number) {
	(void)answer, (void)max, (void)number;
	return false;
}

static void carry_out(struct backend_device *device) {
	uint32_t n = device->number, *front = &fake_states.front[n];

	if (todo[n].published) {
		fake_states.own[n] = device->own_state;
		if (device->make_front) *front = device->front_state;
	}
	todo[n].published = false;
	if (todo[n].asked) backend_asked(device, fake_states.own[n], *front);
	todo[n].asked = false;
	if (todo[n].reading) {
		fake_states.read(device);
		backend_front_read(device, NULL);
	}
	todo[n].reading = false;
}

static void move_front(uint32_t n) {
	uint32_t own = fake_states.own[n], *front = &fake_states.front[n];

	/* It closes when the backend does, and has let go then. */
	if (own == XENBUS_CLOSING && !fake_states.obstinate &&
	    (*front == XENBUS_CONNECTED || *front == XENBUS_INITIALISED))
		*front = XENBUS_CLOSED;
	if (own == XENBUS_INIT_WAIT && *front == XENBUS_INITIALISING) *front = fake_states.ready;
}

void fake_states_serve(void) {
	for (uint32_t n = 0; n < backend.device_count; n++) {
		struct backend_device *device = backend_device(n);
		uint32_t *front = &fake_states.front[n];

		if (!device) continue;
		carry_out(device);
		if (fake_states.own[n] == XENBUS_CONNECTED && *front == XENBUS_INITIALISED)
			*front = XENBUS_CONNECTED;
		if (device->state >= BACKEND_OPEN && !todo[n].published &&
		    (todo[n].watched || *front != device->front_state)) {
			todo[n].watched = false;
			backend_front_changed(device, *front);
		}
		move_front(n);
	}
}

void fake_states_forget(void) { memset(todo, 0, sizeof(todo)); }
