/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libs/blk/engine.h with a device that does what the test says: when the disks go
 * online, how long an old session may last, when the device is woken, and one that dies.
 */
#include "libs/blk/engine.h"

#include "blk_events.h"
#include "libs/rt/time.h"
#include "native.h"

static struct blk_engine engine;
static struct blk_engine_view is;
static struct {
	uint32_t submits, kicks, timers, drops, resets;
	bool busy;
	uint16_t tag;
} device;

int blk_driver_attach(struct blk_driver *driver, unsigned n, const struct blk_driver_ops *ops,
		      void *context) {
	(void)driver, (void)n, (void)ops, (void)context;
	return 0;
}
bool rt_argument(const char *name, char *value, size_t size) {
	return !strcmp(name, "timeout") && rt_strcopy(value, "20", size);
}
void event_timer_cancel(struct event_timer *timer) { timer->deadline = 0; }

static void view(void *context, struct blk_engine_view *to) {
	CHECK(context == &device);
	*to = is;
}

static void describe(void *context, struct blk_driver *blk) {
	const struct blk_disk disk = {
		.sectors = 100, .block = 512, .max_segments = 4, .max_sectors = 32};

	CHECK(context == &device && blk_driver_disk(blk, 0, &disk));
}

static void submit(void *context, const struct blk_request *request,
		   const struct blk_segment *segments, uint64_t now) {
	(void)context, (void)segments;
	CHECK(now == blk_time);
	device.submits++;
	device.tag = request->tag;
	device.busy = true;
	is.wake = now + 500;
}

static void kick(void *context) { (void)context, device.kicks++; }
static void on_timer(void *context, uint64_t now) {
	(void)context;
	CHECK(now == is.wake);
	device.timers++;
	is.wake = 0;
}
static void drop(void *context) { (void)context, device.drops++; }
static bool is_idle(void *context) {
	(void)context;
	return !device.busy;
}
static void reset(void *context, const char *why, uint64_t now) {
	(void)context;
	CHECK(now == blk_time && *why);
	device.resets++;
	device.busy = false;
}

static const struct blk_engine_ops ops = {
	.what = "the device",
	.view = view,
	.describe = describe,
	.submit = submit,
	.kick = kick,
	.timer = on_timer,
	.drop = drop,
	.is_idle = is_idle,
	.reset = reset,
};

static void fire(struct event_timer *timer) {
	CHECK(timer->deadline);
	blk_time = timer->deadline;
	timer->deadline = 0;
	timer->handler(timer->context);
}

static void begin(void) {
	memset(blk_pages, 0, sizeof(blk_pages));
	memset(&device, 0, sizeof(device));
	memset(&is, 0, sizeof(is));
	blk_page()->version = BLK_VERSION;
	blk_engine_start(&engine, &ops, &device, blk_pages, DRIVER_PORT, 1);
}

static void session(uint32_t n) {
	blk_page()->wanted = 1U << 16 | n;
	blk_driver_work(&engine.blk);
}

static void ask(uint32_t n, uint16_t tag) {
	const struct blk_request request = {
		.tag = tag, .op = BLK_OP_READ, .segments = 1, .sector = 8, .count = 1};
	const struct blk_segment segment = {.address = 4096, .length = 512};

	memcpy(blk_word(3 * n), &request, 16);
	memcpy(blk_word(3 * n + 1), (const uint8_t *)&request + 16, 16);
	memcpy(blk_word(3 * n + 2), &segment, 16);
	blk_page()->request.prod = 3 * n + 3;
	blk_driver_work(&engine.blk);
}

static void test_online(void) {
	begin();
	is.wake = blk_time + 100;
	blk_engine_settle(&engine);
	CHECK(!blk_page()->driver && engine.timer.deadline == is.wake);
	is.known = true;
	fire(&engine.timer);
	CHECK(device.timers == 1 && blk_page()->driver == 1 && blk_page()->disk_count == 1);
	CHECK(!engine.timer.deadline);
	session(1);
	CHECK(blk_page()->session == (1U << 16 | 1));
}

static void online(void) {
	begin();
	is.known = true;
	blk_engine_settle(&engine);
	session(1);
}

static void test_request(void) {
	online();
	device.kicks = 0;
	ask(0, 7);
	CHECK(device.submits == 1 && device.tag == 7 && device.kicks == 1);
	CHECK(engine.timer.deadline == is.wake);
	blk_driver_complete(&engine.blk, 7, BLK_STATUS_OK, 0);
	device.busy = false;
	is.wake = 0;
	blk_engine_settle(&engine);
	CHECK(blk_page()->completion.prod == 1 && !engine.timer.deadline);
}

static void test_quiesce(void) {
	online();
	session(2);
	CHECK(device.drops == 2 && blk_page()->session == (1U << 16 | 2));
	ask(0, 7);
	session(3);
	CHECK(blk_page()->session == (1U << 16 | 2)); /* the device is still at work */
	device.busy = false;
	blk_engine_settle(&engine);
	CHECK(blk_page()->session == (1U << 16 | 3) && !engine.quiesce_timer.deadline);
	ask(0, 8);
	session(4);
	fire(&engine.quiesce_timer);
	CHECK(device.resets == 1 && blk_page()->session == (1U << 16 | 4));
}

/* One that dies and does nothing any more is given up; who asks is still answered. */
static void test_death(void) {
	online();
	is.dead = true;
	is.why = "it is of no use";
	blk_engine_settle(&engine);
	blk_engine_settle(&engine);
	CHECK(engine.mourned);
	ask(0, 3);
	CHECK(device.submits == 1);
}

static void test_number(void) {
	CHECK(blk_engine_number("timeout", 15, 600) == 20);
	CHECK(blk_engine_number("ports", 15, 600) == 15);
}

int main(void) {
	static const struct test tests[] = {
		{"online when the disks are known", test_online},
		{"a request and its deadline", test_request},
		{"the end of a session", test_quiesce},
		{"a device that is given up", test_death},
		{"numbers among the arguments", test_number},
	};

	return RUN("blk_engine", tests);
}
