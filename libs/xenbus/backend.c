/* SPDX-License-Identifier: BSD-2-Clause */
/* See backend.h: the states, for each device of a guest that is there. */
#include "libs/log/log.h"
#include "libs/rt/time.h"
#include "libs/xenbus/backend_internal.h"

struct backend backend;

void backend_begin(const struct backend_class *class) {
	memset(&backend, 0, sizeof(backend));
	backend.class = class;
}

void backend_add(struct backend_device *device) {
	backend.device[device->number] = device;
	backend.device_count = MAX(backend.device_count, device->number + 1);
	device->publish = (uint8_t)backend.class->node_count;
	plug_init(&device->plug, &backend_plugs, device->number);
}

void backend_look_again(void) {
	backend.changes = true;
	backend.class->soon();
}

static void open_anew(struct backend_device *device, uint32_t state) {
	device->state = state == XENBUS_CLOSED ? BACKEND_CLOSED : BACKEND_OPEN;
	device->own_state = state;
	device->was_connected = false;
	backend_node_publish(device);
	backend_node_watch(device);
}

/* --- before the frontend --- */

static void settle(struct backend_device *device) {
	if (device->state == BACKEND_WAITING) {
		if (backend.class->admit && !backend.class->admit(device)) return;
		if (!backend_node_ready()) return;
		device->state = BACKEND_ASKING;
		backend_node_ask(device);
	} else if (device->make_again && backend_node_ready()) {
		backend_node_ask(device);
	}
}

void backend_settle(void) {
	for (uint32_t i = 0; i < backend.device_count; i++)
		if (backend_device(i)) settle(backend_device(i));
}

void backend_come(struct backend_device *device) {
	device->incarnation = backend.guest[device->guest].incarnation;
	device->broken = device->make_again = false;
	device->state = BACKEND_WAITING;
	settle(device);
}

void backend_homeless(struct backend_device *device) {
	if (device->state == BACKEND_ASKING) device->state = BACKEND_WAITING;
}

static bool release(struct backend_device *device) {
	return !backend.class->release || backend.class->release(device);
}

static void ask_adopted(struct backend_device *device) {
	device->state = BACKEND_READING;
	device->adopting = device->was_connected = true;
	backend_node_read_front(device);
}

void backend_asked(struct backend_device *device, uint32_t own, uint32_t front) {
	device->make_front = front == XENBUS_UNKNOWN;
	if (device->make_again) {
		device->make_again = false;
		backend_node_publish(device);
		backend_node_watch(device);
		return;
	}
	if (device->state != BACKEND_ASKING) return;
	device->front_state = front;
	device->own_state = own;
	if (own == XENBUS_CONNECTED && front == XENBUS_CONNECTED) {
		ask_adopted(device);
		return;
	}
	/* Whatever a predecessor had, this frontend begins anew. */
	backend.class->forget(device);
	if (!release(device)) {
		device->state = BACKEND_WAITING;
		return;
	}
	if (device->plug.leaving) {
		device->state = BACKEND_CLOSED;
		backend_node_watch(device);
		plug_front_changed(&device->plug);
		return;
	}
	if (device->make_front) device->front_state = XENBUS_INITIALISING;
	open_anew(device,
		  device->front_state >= XENBUS_CONNECTED ? XENBUS_CLOSED : XENBUS_INIT_WAIT);
}

/* --- the frontend --- */

static void read_front(struct backend_device *device) {
	device->state = BACKEND_READING;
	device->adopting = false;
	backend_node_read_front(device);
}

void backend_end(struct backend_device *device) {
	device->state = BACKEND_ENDING;
	backend_look_again();
}

/* What follows from the frontend's state when there are no rings. */
static void reconsider(struct backend_device *device) {
	uint32_t state = XENBUS_CLOSED;

	if (device->front_state == XENBUS_CLOSING)
		state = XENBUS_CLOSING; /* a guest that shuts down waits for this one */
	else if (!device->broken && (device->front_state == XENBUS_INITIALISING ||
				     device->front_state == XENBUS_INITIALISED))
		state = XENBUS_INIT_WAIT;
	device->state = state == XENBUS_INIT_WAIT ? BACKEND_OPEN : BACKEND_CLOSED;
	device->was_connected = false;
	if (device->own_state != state) backend_node_state(device, state);
	if (state == XENBUS_INIT_WAIT && device->front_state == XENBUS_INITIALISED)
		read_front(device);
}

void backend_front_changed(struct backend_device *device, uint32_t state) {
	bool again = state == XENBUS_INITIALISING || state == XENBUS_INITIALISED;

	device->front_state = state;
	device->make_front = false;
	if (device->plug.leaving) {
		plug_front_changed(&device->plug);
		return;
	}
	switch (device->state) {
	case BACKEND_OPEN:
		/* Some frontends go to Connected at once. */
		if (state == XENBUS_INITIALISED || state == XENBUS_CONNECTED)
			read_front(device);
		else if (state != XENBUS_INITIALISING)
			reconsider(device);
		break;
	case BACKEND_LIVE:
		if (state == XENBUS_CONNECTED)
			device->was_connected = true;
		else if (!again || device->was_connected)
			backend_end(device);
		break;
	case BACKEND_CLOSED: reconsider(device); break;
	default: break;
	}
}

static void fault(struct backend_device *device) {
	if (backend.class->fault) backend.class->fault(device);
}

static void refuse(struct backend_device *device, const char *why) {
	log_print("%s%s: the frontend in %s is refused: %s", backend.class->label, device->name,
		  backend_guest_name(device), why);
	fault(device);
	device->state = BACKEND_CLOSED;
	backend.class->forget(device);
	backend_node_state(device, XENBUS_CLOSED);
	backend_node_watch(device);
}

void backend_front_read(struct backend_device *device, const char *failure) {
	if (device->state != BACKEND_READING) return;
	/* It thought better of it while its keys were read. */
	if (device->front_state != XENBUS_INITIALISED && device->front_state != XENBUS_CONNECTED) {
		reconsider(device);
		return;
	}
	if (!failure) failure = backend.class->connect(device);
	if (failure) {
		refuse(device, failure);
		return;
	}
	device->state = BACKEND_LIVE;
	backend.class->begin(device, device->adopting);
	if (device->adopting)
		backend_node_watch(device);
	else if (device->state == BACKEND_LIVE)
		backend_node_state(device, XENBUS_CONNECTED);
}

/* --- the end --- */

static void let_go(struct backend_device *device) {
	const struct backend_class *class = backend.class;

	if (class->is_idle && !class->is_idle(device)) return;
	class->disconnect(device);
	/* At the end of a guest what it has granted goes with it, not with each device. */
	if (backend.guest[device->guest].ending) {
		device->state = BACKEND_ABSENT;
		device->make_again = false;
		backend_node_remove(device);
		class->soon();
		return;
	}
	if (!release(device)) return;
	if (device->plug.leaving)
		plug_ended(&device->plug);
	else
		reconsider(device);
}

bool backend_has_work(void) { return backend.changes; }

bool backend_work(void) {
	bool more = false;

	backend.changes = false;
	for (uint32_t i = 0; i < backend.device_count; i++) {
		struct backend_device *device = backend_device(i);

		if (!device || device->state != BACKEND_ENDING) continue;
		let_go(device);
		more |= device->state == BACKEND_ENDING;
	}
	for (uint32_t i = 0; i < BACKEND_GUESTS; i++) more |= backend.guest[i].ending;
	backend.changes = backend_plug_work() || more;
	return more;
}

void backend_break(struct backend_device *device, const char *why) {
	if (device->broken || device->state != BACKEND_LIVE) return;
	log_print("%s%s of %s is taken away: %s", backend.class->label, device->name,
		  backend_guest_name(device), why);
	device->broken = true;
	fault(device);
	backend_end(device);
}

/* --- guests --- */

void backend_guest_came(uint16_t guest, uint32_t incarnation) {
	backend.guest[guest] = (struct backend_guest){.present = true, .incarnation = incarnation};
	for (uint32_t i = 0; i < backend.device_count; i++) {
		struct backend_device *device = backend_device(i);

		if (!device || device->guest != guest) continue;
		if (!plug_read(&device->plug, time_now())) backend_come(device);
	}
}

bool backend_guest_is_here(uint16_t guest) { return backend.guest[guest].present; }

bool backend_guest_is(uint16_t guest, uint32_t incarnation) {
	const struct backend_guest *is = &backend.guest[guest];

	return is->present && !is->ending && is->incarnation == incarnation;
}

void backend_guest_leaves(uint16_t guest) {
	backend.guest[guest].ending = true;
	for (uint32_t i = 0; i < backend.device_count; i++) {
		struct backend_device *device = backend_device(i);

		if (!device || device->guest != guest) continue;
		switch (device->state) {
		case BACKEND_ABSENT:
		case BACKEND_ENDING: break;
		case BACKEND_LIVE: backend_end(device); break;
		default:
			backend.class->forget(device);
			device->state = BACKEND_ABSENT;
			backend_node_remove(device);
			break;
		}
	}
	/* Who is waited for wakes us: root asks at each look until it has left. */
	backend.changes = true;
}

bool backend_guest_has_left(uint16_t guest) {
	for (uint32_t i = 0; i < backend.device_count; i++) {
		const struct backend_device *device = backend_device(i);

		if (device && device->guest == guest && device->state != BACKEND_ABSENT)
			return false;
	}
	return true;
}

void backend_guest_gone(uint16_t guest) {
	backend.guest[guest].present = backend.guest[guest].ending = false;
}

/* --- the store --- */

/*
 * What has no rings begins as if it were new. A device in use goes on; its nodes are made
 * again, in case the store has lost them.
 */
void backend_store_ready(void) {
	for (uint32_t i = 0; i < backend.device_count; i++) {
		struct backend_device *device = backend_device(i);

		if (!device) continue;
		switch (device->state) {
		case BACKEND_ASKING:
		case BACKEND_READING:
		case BACKEND_OPEN:
		case BACKEND_CLOSED:
			if (!device->broken) device->state = BACKEND_WAITING;
			break;
		case BACKEND_LIVE:
		case BACKEND_ENDING: device->make_again = true; break;
		default: break;
		}
	}
	backend_settle();
}
