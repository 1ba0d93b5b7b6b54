/* SPDX-License-Identifier: BSD-2-Clause */
/* See backend.h: devices that come and go while their guest runs, which is libs/plug's. */
#include "libs/log/log.h"
#include "libs/rt/time.h"
#include "libs/xenbus/backend_internal.h"

static enum plug_state state(uint32_t n) {
	const struct backend_device *device = backend_device(n);

	switch (device->state) {
	case BACKEND_ABSENT: return PLUG_ABSENT;
	case BACKEND_OPEN:
	case BACKEND_CLOSED: return PLUG_LOOSE;
	case BACKEND_READING: return device->adopting ? PLUG_ADOPTING : PLUG_READING;
	case BACKEND_LIVE: return PLUG_LIVE;
	case BACKEND_ENDING: return PLUG_ENDING;
	case BACKEND_FAILED: return PLUG_FAILED;
	default: return PLUG_UNKNOWN;
	}
}

static uint32_t front_state(uint32_t n) { return backend_device(n)->front_state; }

static bool guest_is_here(uint32_t n) {
	uint16_t guest = backend_device(n)->guest;

	return guest != BACKEND_NONE && backend.guest[guest].present &&
	       !backend.guest[guest].ending;
}

static bool is_written(uint32_t n) { return backend_is_written(backend_device(n)); }
static bool is_removed(uint32_t n) { return backend_node_is_removed(backend_device(n)); }
static void come(uint32_t n) { backend_come(backend_device(n)); }
static void retry(uint32_t n) { backend_device(n)->state = BACKEND_ABSENT; }

static void stop_reading(uint32_t n) {
	backend_device(n)->generation++;
	backend_device(n)->state = BACKEND_CLOSED;
}

static void close(uint32_t n) {
	if (backend_device(n)->own_state != XENBUS_CLOSING)
		backend_node_state(backend_device(n), XENBUS_CLOSING);
}

static void end(uint32_t n) { backend_end(backend_device(n)); }

static void vanish(uint32_t n) {
	struct backend_device *device = backend_device(n);

	backend.class->forget(device);
	if (backend.class->vanish) backend.class->vanish(device);
	device->state = BACKEND_ABSENT;
	device->make_again = false;
	backend_node_remove(device);
}

static void say_forced(uint32_t n) {
	const struct backend_device *device = backend_device(n);

	log_print("%s%s is taken away from %s, which does not let go of it", backend.class->label,
		  device->name, backend_guest_name(device));
}

/* The class is not known when devices are told of these. */
static void wake_at(uint64_t time) { backend.class->wake_at(time); }

const struct plug_ops backend_plugs = {
	.state = state,
	.front_state = front_state,
	.guest_is_here = guest_is_here,
	.is_written = is_written,
	.is_removed = is_removed,
	.come = come,
	.retry = retry,
	.stop_reading = stop_reading,
	.close = close,
	.end = end,
	.vanish = vanish,
	.say_forced = say_forced,
	.soon = backend_look_again,
	.wake_at = wake_at,
};

void backend_scan(void) {
	for (uint32_t i = 0; i < backend.device_count; i++)
		if (backend_device(i)) plug_scan(&backend_device(i)->plug, time_now());
}

bool backend_plug_work(void) {
	bool more = false;

	for (uint32_t i = 0; i < backend.device_count; i++)
		if (backend_device(i)) more |= plug_work(&backend_device(i)->plug, time_now());
	return more;
}
