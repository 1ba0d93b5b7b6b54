/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One wake-up, whatever caused it: handlers of events only note what has happened, and
 * when all have run, the pump does everything once. In rounds, each of so many frames:
 *
 *   take (heads are asked for) -> copy -> judge, give (bodies are asked for) -> copy -> cards
 *
 * and at the end guests and drivers are told, each once.
 */
#include "switch.h"

#include "libs/control/control.h"
#include "libs/event/event.h"
#include "libs/rt/time.h"

#define PUMP_PORT 0U /* never a channel: an event of our own */
#define INCOMING  128U

static struct event_timer timer = {.handler = pump};

void pump_soon(void) {
	event_handle(PUMP_PORT, pump, NULL);
	event_again(PUMP_PORT);
}

static void feed(void) {
	for (uint64_t bits = sw.starved; bits; bits &= bits - 1)
		rx_feed(&sw.port[__builtin_ctzll(bits)]);
}

/* How many frames there were. */
static uint32_t one_round(void) {
	static struct frame *round[SW_ROUND + INCOMING];
	uint32_t received = merge_received(round, uplink_take(round, INCOMING));
	uint32_t count = received + share_take(round + received, SW_ROUND);

	if (count > received) copy_flush();
	for (uint32_t i = 0; i < count; i++) forward(round[i]);
	for (uint32_t i = 0; i < count; i++) frame_drop(round[i]);
	copy_flush();
	uplink_flush();
	while (offload_run()) {
		copy_flush();
		uplink_flush();
	}
	return count;
}

/* How many frames there were; *more: there are others. */
static uint32_t rounds(bool *more) {
	uint32_t total = 0;

	for (uint32_t i = 0; i < SW_ROUNDS; i++) {
		uint32_t count = one_round();

		if (!count) return total;
		total += count;
	}
	*more = true;
	return total;
}

void pump(void *context) {
	uint32_t count = 0;
	bool more = false;

	(void)context;
	sw.now = time_now();
	sw.deadline = 0;
	kick_listen();
	sw.ready |= sw.limited;
	sw.limited = 0;
	if (!uplink_held()) {
		feed();
		count = rounds(&more);
		/* Who waits since then: its guest is to tell when there are buffers. */
		feed();
		copy_flush();
	}
	answer_all();
	round_end();
	uplink_publish();
	event_asked(sw.asked, sw.now);
	sw.asked = 0;
	rest_after(count);
	if (backend_has_work() && backend_work()) control_scan();
	pool_grow(POOL_STEP);
	if (more) pump_soon();
	/* The timer is moved only forward: one that fires early costs less than a hypercall each.
	 */
	if (sw.deadline && (!timer.deadline || sw.deadline < timer.deadline))
		event_timer_arm(&timer, sw.deadline);
	if (count) pause_cost(time_now() - sw.now);
}
