/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The nodes of a disk in the store, with a store of the test's own: what a guest
 * finds, what becomes of what it writes, and a connection that is full or lost.
 */
#include "../fake_store.h"
#include "rig.h"

#define FRONT   "/local/domain/5/device/vbd/51712"
#define BACKEND "/local/domain/3/backend/vbd/5/51712"

void rig_store(void) { fake_store_serve(); }
void rig_store_forget(void) { fake_store_forget(); }

/* --- a frontend by hand --- */

static void serve(void) {
	for (uint32_t i = 0; i < 60; i++) {
		rig_serve();
		blk_driver_work(&rig_driver);
	}
}

static void begin(bool home) {
	rig_world();
	rig_default(1, 0, true);
	rig_driver_start(&rig_disk);
	CHECK(!backend_open());
	fake_store_clear();
	if (home) fake_store_set("/local/domain/5/device/vbd", "");
	rig_server();
	serve();
}

static void test_nodes(void) {
	begin(true);
	fake_store_is(BACKEND "/state", "2");
	fake_store_is(BACKEND "/frontend", FRONT);
	fake_store_is(BACKEND "/frontend-id", "5");
	fake_store_is(BACKEND "/sectors", "16384");
	fake_store_is(BACKEND "/sector-size", "512");
	fake_store_is(BACKEND "/physical-sector-size", "4096");
	fake_store_is(BACKEND "/info", "0");
	fake_store_is(BACKEND "/mode", "w");
	fake_store_is(BACKEND "/dev", "xvda");
	fake_store_is(BACKEND "/params", "all");
	fake_store_is(BACKEND "/feature-persistent", "1");
	fake_store_is(BACKEND "/feature-max-indirect-segments", "64");
	fake_store_is(BACKEND "/feature-flush-cache", "1");
	fake_store_is(BACKEND "/feature-discard", "1");
	fake_store_is(BACKEND "/discard-granularity", "4096");
	fake_store_is(BACKEND "/multi-queue-max-queues", "4");
	fake_store_is(BACKEND "/max-ring-page-order", "2");
	fake_store_is(FRONT "/backend", BACKEND);
	fake_store_is(FRONT "/backend-id", "3");
	fake_store_is(FRONT "/virtual-device", "51712");
	fake_store_is(FRONT "/state", "1");
}

static void write_front(void) {
	fake_store_set(FRONT "/ring-ref", "8");
	fake_store_set(FRONT "/event-channel", "9");
	fake_store_set(FRONT "/protocol", "x86_64-abi");
	fake_store_set(FRONT "/feature-persistent", "1");
	fake_store_set(FRONT "/state", "3");
}

static void test_connect(void) {
	begin(true);
	write_front();
	serve();
	fake_store_is(BACKEND "/state", "4");
	CHECK(vbd.device[0].end.state == BACKEND_LIVE && vbd.device[0].persistent);
	CHECK(vbd.device[0].front.ref[0][0] == 8 && vbd.device[0].front.port[0] == 9);
	fake_store_set(FRONT "/state", "4");
	serve();
	/* A successor finds both connected, and writes nothing. */
	rig_server();
	fake_store_set(BACKEND "/mode", "mark");
	serve();
	CHECK(vbd.device[0].end.state == BACKEND_LIVE);
	fake_store_is(BACKEND "/state", "4");
	fake_store_is(BACKEND "/mode", "mark");
	fake_store_set(FRONT "/state", "6");
	serve();
	fake_store_is(BACKEND "/state", "6");
	fake_store_set(FRONT "/state", "1");
	serve();
	fake_store_is(BACKEND "/state", "2");
}

static void test_queues(void) {
	char path[96], text[8];

	begin(true);
	fake_store_set(FRONT "/ring-page-order", "1");
	fake_store_set(FRONT "/multi-queue-num-queues", "3");
	for (uint32_t q = 0; q < 3; q++) {
		for (uint32_t p = 0; p < 2; p++) {
			rt_format(path, sizeof(path), FRONT "/queue-%u/ring-ref%u", q, p);
			rt_format(text, sizeof(text), "%u", 20 + q * 2 + p);
			fake_store_set(path, text);
		}
		rt_format(path, sizeof(path), FRONT "/queue-%u/event-channel", q);
		rt_format(text, sizeof(text), "%u", 40 + q);
		fake_store_set(path, text);
	}
	fake_store_set(FRONT "/state", "3");
	serve();
	fake_store_is(BACKEND "/state", "4");
	CHECK(vbd.device[0].queue_count == 3 && vbd.device[0].queue[0].mask == 63);
	CHECK(vbd.device[0].front.ref[2][1] == 25 && vbd.device[0].front.port[2] == 42);
	CHECK(!vbd.device[0].persistent);
}

/* Each is refused, the backend closes; what is right the next time is taken. */
static void test_lies(void) {
	static const struct {
		const char *name, *value;
	} lies[] = {
		{"protocol", "x86_32-abi"},
		{"protocol", ""},
		{"ring-ref", "-1"},
		{"ring-ref", ""},
		{"ring-ref", "4294967295"},
		{"ring-ref", "99999999999999999999"},
		{"event-channel", "0"},
		{"event-channel", "nine"},
		{"ring-page-order", "3"},
		{"ring-page-order", "18446744073709551615"},
		{"ring-page-order", "x"},
		{"multi-queue-num-queues", "0"},
		{"multi-queue-num-queues", "5"},
		{"multi-queue-num-queues", "2"},
		{"ring-page-order", "0"},
	};
	char path[96];

	for (uint32_t i = 0; i < ARRAY_SIZE(lies); i++) {
		begin(true);
		write_front();
		rt_format(path, sizeof(path), FRONT "/%s", lies[i].name);
		fake_store_set(path, lies[i].value);
		serve();
		fake_store_is(BACKEND "/state", "6");
		CHECK(vbd.device[0].end.state == BACKEND_CLOSED &&
		      vbd.device[0].count->malformed == 1);
		fake_store_remove(path);
		fake_store_set(FRONT "/state", "1");
		serve();
		fake_store_is(BACKEND "/state", "2");
		write_front();
		serve();
		fake_store_is(BACKEND "/state", "4");
	}
}

/* The store has heard of the guest later than we. */
static void test_homeless(void) {
	begin(false);
	fake_store_is(BACKEND "/state", "");
	CHECK(vbd.device[0].end.state == BACKEND_WAITING);
	fake_store_set("/local/domain/5/device/vbd", "");
	serve();
	fake_store_is(BACKEND "/state", "2");
}

static void test_full(void) {
	for (fake_store_room = 24; fake_store_room >= 10; fake_store_room--) test_queues();
	fake_store_room = FAKE_STORE_REQUESTS;
}

/* The connection is lost at any time: it ends as it would have. */
static void test_lost(void) {
	for (uint32_t when = 0; when < 12; when++) {
		begin(true);
		write_front();
		for (uint32_t i = 0; i < when; i++) rig_serve();
		fake_store_lose = true;
		serve();
		fake_store_is(BACKEND "/state", "4");
		fake_store_is(BACKEND "/sectors", "16384");
		CHECK(vbd.device[0].end.state == BACKEND_LIVE);
	}
}

int main(void) {
	static const struct test tests[] = {
		{"what a guest finds", test_nodes},
		{"a frontend connects, and again", test_connect},
		{"several queues and pages", test_queues},
		{"lies of a frontend", test_lies},
		{"a guest that the store does not know yet", test_homeless},
		{"a connection without room", test_full},
		{"a connection that is lost", test_lost},
	};

	world = calloc(1, sizeof(*world));
	return RUN("vbd_nodes", tests);
}
