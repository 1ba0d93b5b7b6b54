/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One wake-up, whatever caused it: handlers of events only note what has
 * happened, and when all have run, the pump does everything once. So however many
 * rings have something, each driver is told once and each guest's queue once.
 */
#include "vbd.h"

#include "libs/control/control.h"
#include "libs/event/event.h"
#include "libs/rt/time.h"

#define PUMP_PORT 0U /* never a channel: an event of our own */
#define ROUNDS    16U

static struct event_timer timer = {.handler = pump};

void pump_soon(void) {
	event_handle(PUMP_PORT, pump, NULL);
	event_again(PUMP_PORT);
}

/* What one device has in its rings. True: there is more. */
static bool take_device(uint32_t n) {
	struct device *device = &vbd.device[n];
	bool more = false, keep = false;

	for (uint32_t q = 0; q < device->queue_count; q++) {
		enum ring_taken taken = ring_take(device, q);

		more |= taken == RING_MORE;
		keep |= taken != RING_EMPTY;
	}
	if (!keep) bits_remove(&vbd.ready, n);
	vbd.turn = (n + 1) % VBD_DEVICES;
	return more;
}

/* Every device with something in its rings: from `turn` on upwards, then from the lowest. */
static bool take_round(void) {
	uint32_t first = vbd.turn, n;
	bool more = false;

	for (n = first; (n = bits_next(&vbd.ready, n)) != VBD_NONE; n++) more |= take_device(n);
	for (n = 0; (n = bits_next(&vbd.ready, n)) < first; n++) more |= take_device(n);
	return more;
}

static bool take(void) {
	for (uint32_t round = 0; round < ROUNDS; round++)
		if (!bits_any(&vbd.ready) || !take_round()) return false;
	return true;
}

static void to_drivers(void) {
	scan_retry();
	for (uint32_t i = 0; i < vbd.driver_count; i++) {
		struct driver *driver = &vbd.driver[i];

		if (driver->starved.first != VBD_NONE) job_feed(driver);
		if (driver->asking.first != VBD_NONE) job_mapped(driver);
	}
	for (uint64_t bits = vbd.busy; bits; bits &= bits - 1)
		disk_dispatch((uint16_t)__builtin_ctzll(bits));
	driver_publish();
}

/* What waits for the last of something, and root, who waits to hear of it. */
static void changes(void) {
	bool more = backend_work();

	vbd.starting = false;
	for (uint32_t i = 0; i < VBD_GUESTS; i++) vbd.starting |= vbd.guest[i].starting;
	if (more || vbd.starting) control_scan();
}

void pump(void *context) {
	bool more;

	(void)context;
	vbd.now = time_now();
	vbd.deadline = 0;
	ring_answer();
	for (uint32_t n = 0; (n = bits_next(&vbd.released, n)) != VBD_NONE; n++)
		bits_add(&vbd.ready, n);
	if (bits_any(&vbd.released)) vbd.released = (struct bits){0};
	more = take();
	driver_watch();
	to_drivers();
	/* What was refused, or needed no disk. */
	ring_answer();
	event_asked(vbd.asked, vbd.now);
	vbd.asked = 0;
	if (backend_has_work() || vbd.starting) changes();
	/* Who waits with more requests until it is answered is looked at. */
	if (more || bits_any(&vbd.released) || vbd.answers.first != VBD_NONE) pump_soon();
	/* The timer is moved only forward: one that fires early costs less than a hypercall each.
	 */
	if (vbd.deadline && (!timer.deadline || vbd.deadline < timer.deadline))
		event_timer_arm(&timer, vbd.deadline);
}
