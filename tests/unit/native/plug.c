/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Devices that come and go (libs/plug), of a server that is a few lines here: a guest that lets
 * go at once, later or never, a root that changes its mind at any time. Whatever the order,
 * nothing is made before what was there has gone, nothing goes that still has rings, and root is
 * told what it asked for last.
 */
#include "native.h"

#include "libs/control/control.h"
#include "libs/plug/plug.h"
#include "libs/rt/time.h"
#include "libs/xenbus/xenbus.h"

static struct plug plug;
static struct {
	enum plug_state state;
	uint32_t front, wanted, done;
	bool nodes, written, present, obstinate, refused;
	bool closing; /* the backend says so */
	uint32_t forced, come, vanished;
	uint64_t now, wake;
	bool soon;
} it;

/* --- root --- */

uint32_t control_device(unsigned n) {
	CHECK(n == 3);
	return it.wanted;
}
bool control_device_settled(unsigned n) {
	(void)n;
	return (it.wanted ^ it.done) >> CONTROL_DEVICE_SHIFT == 0;
}
void control_device_done(unsigned n, uint32_t wanted, uint32_t flags) {
	(void)n;
	it.done = wanted | flags;
}

/* --- the server --- */

static enum plug_state state(uint32_t n) {
	CHECK(n == 3);
	return it.state;
}
static uint32_t front_state(uint32_t n) { return (void)n, it.front; }
static bool guest_is_here(uint32_t n) { return (void)n, it.present; }
static bool is_written(uint32_t n) { return (void)n, it.written; }
static bool is_removed(uint32_t n) { return (void)n, !it.nodes; }
static void come(uint32_t n) {
	(void)n;
	CHECK(it.state == PLUG_ABSENT && !it.nodes && it.present && !plug.out && !plug.leaving);
	it.come++;
	it.nodes = !it.refused;
	it.written = false;
	it.front = XENBUS_INITIALISING;
	it.state = it.refused ? PLUG_FAILED : PLUG_UNKNOWN;
}
static void retry(uint32_t n) {
	(void)n;
	CHECK(it.state == PLUG_FAILED);
	it.state = PLUG_ABSENT;
}
static void stop_reading(uint32_t n) {
	(void)n;
	CHECK(it.state == PLUG_READING);
	it.state = PLUG_LOOSE;
}
static void say_closing(uint32_t n) {
	(void)n;
	CHECK(plug.leaving);
	it.closing = true;
}
static void end(uint32_t n) {
	(void)n;
	CHECK(it.state == PLUG_LIVE);
	it.state = PLUG_ENDING;
}
static void vanish(uint32_t n) {
	(void)n;
	CHECK(it.state != PLUG_LIVE && it.state != PLUG_ENDING && plug.leaving);
	it.state = PLUG_ABSENT;
	it.closing = false;
	it.vanished++;
}
static void say_forced(uint32_t n) {
	(void)n;
	CHECK(it.now >= plug.patience);
	it.forced++;
}
static void soon(void) { it.soon = true; }
static void wake_at(uint64_t time) { it.wake = time; }

static const struct plug_ops ops = {
	.state = state,
	.front_state = front_state,
	.guest_is_here = guest_is_here,
	.is_written = is_written,
	.is_removed = is_removed,
	.come = come,
	.retry = retry,
	.stop_reading = stop_reading,
	.close = say_closing,
	.end = end,
	.vanish = vanish,
	.say_forced = say_forced,
	.soon = soon,
	.wake_at = wake_at,
};

/* What the server, the store and the guest do by themselves. */
static void world(void) {
	if (it.closing && !it.obstinate && plug.leaving) {
		it.closing = false;
		it.front = XENBUS_CLOSED;
		plug_front_changed(&plug);
	}
	if (it.state == PLUG_ENDING) {
		it.state = PLUG_LOOSE;
		if (plug.leaving) plug_ended(&plug);
	} else if (it.state == PLUG_ABSENT && it.vanished) {
		it.nodes = false;
	} else if (it.state == PLUG_UNKNOWN) {
		it.state = PLUG_LOOSE;
		it.written = true;
	} else if (it.state == PLUG_LOOSE && !plug.leaving && it.written) {
		it.state = PLUG_READING;
	} else if (it.state == PLUG_READING || it.state == PLUG_ADOPTING) {
		it.state = PLUG_LIVE;
		it.front = XENBUS_CONNECTED;
	}
}

static void turns(uint32_t count) {
	while (count--) {
		it.now += 1000;
		(void)plug_work(&plug, it.now);
		world();
	}
}

static void ask(bool in) {
	it.wanted = ((it.wanted >> CONTROL_DEVICE_SHIFT) + 1) << CONTROL_DEVICE_SHIFT |
		    (in ? 0 : CONTROL_DEVICE_OUT);
	it.soon = false;
	plug_scan(&plug, it.now);
	CHECK(it.soon);
}

static void begin(enum plug_state is) {
	memset(&it, 0, sizeof(it));
	it.state = is;
	it.now = 1000000;
	it.present = true;
	it.nodes = it.written = is != PLUG_ABSENT;
	it.front = is == PLUG_LIVE ? XENBUS_CONNECTED : XENBUS_INITIALISED;
	plug_init(&plug, &ops, 3);
	CHECK(!plug_read(&plug, it.now));
}

static void out_from(enum plug_state is) {
	begin(is);
	ask(false);
	turns(20);
	CHECK(it.done == it.wanted && it.state == PLUG_ABSENT && !it.nodes && !it.forced);
	ask(true);
	turns(20);
	CHECK(it.done == it.wanted && it.state == PLUG_LIVE && it.come == 1);
}

static void out_and_in(void) {
	out_from(PLUG_LIVE);
	out_from(PLUG_LOOSE);
	out_from(PLUG_READING);
	out_from(PLUG_ADOPTING);
	out_from(PLUG_UNKNOWN);
	out_from(PLUG_ENDING);
}

static void by_force(void) {
	static const enum plug_state states[] = {PLUG_LIVE, PLUG_LOOSE, PLUG_READING,
						 PLUG_ADOPTING};

	for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
		begin(states[i]);
		it.obstinate = true;
		ask(false);
		turns(20);
		CHECK(!control_device_settled(3) && !it.vanished && it.wake == plug.patience);
		it.now = plug.patience;
		turns(20);
		CHECK(it.done == (it.wanted | CONTROL_DEVICE_FORCED) && !it.nodes);
		CHECK(it.forced == 1);
		/* The next one is not counted for that. */
		it.obstinate = false;
		ask(true);
		turns(20);
		CHECK(it.done == it.wanted);
		ask(false);
		turns(20);
		CHECK(it.done == it.wanted);
	}
}

/* However long its rings take to go: the disk has them. */
static void not_while_it_ends(void) {
	begin(PLUG_ENDING);
	ask(false);
	CHECK(plug_work(&plug, plug.patience + 1) && !it.vanished);
	turns(20);
	CHECK(it.done == it.wanted && !it.forced);
}

static void never_known(void) {
	begin(PLUG_UNKNOWN);
	ask(false);
	(void)plug_work(&plug, it.now);
	CHECK(!it.vanished);
	(void)plug_work(&plug, plug.patience - 1);
	CHECK(!it.vanished);
	it.now = plug.patience;
	(void)plug_work(&plug, it.now);
	CHECK(it.vanished && it.forced == 1);
}

static void refused_and_retried(void) {
	begin(PLUG_ABSENT);
	it.refused = true;
	it.wanted = it.done = CONTROL_DEVICE_OUT;
	CHECK(plug_read(&plug, it.now));
	ask(true);
	turns(5);
	CHECK(it.done == (it.wanted | CONTROL_DEVICE_REFUSED));
	it.refused = false;
	ask(true);
	turns(20);
	CHECK(it.done == it.wanted && it.state == PLUG_LIVE);
}

static void without_its_guest(void) {
	begin(PLUG_ABSENT);
	it.present = false;
	ask(false);
	turns(3);
	CHECK(it.done == it.wanted);
	ask(true);
	turns(3);
	CHECK(it.done == it.wanted && !it.come);
}

/* A successor finds an order that was not carried out. */
static void successor(void) {
	begin(PLUG_LIVE);
	it.wanted = 1 << CONTROL_DEVICE_SHIFT | CONTROL_DEVICE_OUT;
	plug_init(&plug, &ops, 3);
	it.soon = false;
	CHECK(!plug_read(&plug, it.now) && plug.leaving && it.soon);
	turns(20);
	CHECK(it.done == it.wanted && it.state == PLUG_ABSENT);
	plug_init(&plug, &ops, 3);
	CHECK(plug_read(&plug, it.now));
}

static void any_order(void) {
	begin(PLUG_LIVE);
	for (uint32_t round = 0; round < 20000; round++) {
		if (noise() % 8 == 0) ask(noise() % 2);
		if (noise() % 16 == 0) it.obstinate = !it.obstinate;
		if (noise() % 32 == 0) it.now = MAX(it.now, plug.patience);
		if (noise() % 64 == 0) it.refused = !it.refused;
		turns(1 + noise() % 3);
	}
	it.obstinate = it.refused = false;
	turns(10);
	ask(noise() % 2);
	it.now += MILLISECONDS(100000);
	turns(100);
	ask(true);
	turns(100);
	CHECK(it.done == it.wanted && it.state == PLUG_LIVE);
	CHECK(it.forced && it.come > 100);
}

int main(void) {
	static const struct test tests[] = {
		{"out, and in again, from wherever it is", out_and_in},
		{"a guest that does not let go", by_force},
		{"one whose rings are on their way out", not_while_it_ends},
		{"what a predecessor left never becomes known", never_known},
		{"one that cannot be had, and later can", refused_and_retried},
		{"a device without its guest", without_its_guest},
		{"a successor goes on", successor},
		{"any order", any_order},
	};

	return RUN("plug", tests);
}
