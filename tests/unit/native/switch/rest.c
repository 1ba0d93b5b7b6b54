/* SPDX-License-Identifier: BSD-2-Clause */
/* A card whose frames a guest has no room for rests; one that is lost now and then is not felt. */
#include "rig.h"

#define TAKES 100000U /* ns that a wake-up lasts */
#define TIMES 4U      /* as rest.c has it */
#define FLOOD 120U

static struct netfront front[GUESTS];
static uint8_t bytes[128];

/* Guest 0 has no buffers, the others have all. */
static void begin(void) {
	rig_world();
	rig_describe(1);
	for (uint32_t i = 0; i < GUESTS; i++) front_init(&front[i], i, 0);
	rig_takes = 0;
	rig_driver_start();
	rig_server();
	for (uint32_t i = 1; i < GUESTS; i++) front_post(&front[i], NETIF_SLOTS);
	for (uint32_t i = 0; i < 8; i++) rig_serve();
}

static void serve(void) {
	rig_takes = TAKES;
	rig_serve();
	rig_takes = 0;
	for (uint32_t i = 1; i < GUESTS; i++) {
		front_collect(&front[i]);
		front_post(&front[i], NETIF_SLOTS);
	}
}

static bool receive(uint32_t to, uint32_t count) {
	static uint32_t number;

	for (uint32_t i = 0; i < count; i++) {
		frame_write(bytes, GUESTS + 1, to, number++, 100);
		if (!rig_receive(bytes, 100, 0)) return false;
	}
	return true;
}

static uint32_t posted(void) { return net_server_posted(&sw.uplink[0].net); }

static void test_flood(void) {
	uint32_t before, lost;
	uint64_t rest;

	begin();
	CHECK(posted() > FLOOD && receive(0, FLOOD));
	serve();
	lost = (uint32_t)rig_dropped(0, DROP_NO_BUFFER);
	CHECK(lost > FLOOD / 3 && lost < FLOOD);
	/* It has all buffers that there are, and then for a while none: its part of what passed. */
	before = posted();
	CHECK(before > FLOOD && sw.deadline && sw.deadline <= sw.uplink[0].rest);
	rest = sw.uplink[0].rest - sw.now;
	CHECK(rest > TIMES * TAKES * lost / FLOOD && rest < (TIMES + 2) * TAKES);
	rest = sw.uplink[0].rest;
	rig_time = sw.now;
	CHECK(receive(0, FLOOD));
	serve();
	CHECK(posted() == before - FLOOD);
	/* What was lost meanwhile makes it longer, and nobody who wakes us ends it. */
	CHECK(sw.uplink[0].rest - rest == TIMES * (TAKES / FLOOD) * FLOOD);
	rig_time = rest + TAKES;
	sw.deadline = 0;
	serve();
	CHECK(posted() == before - FLOOD && sw.deadline == sw.uplink[0].rest);
	rig_time = sw.uplink[0].rest;
	serve();
	CHECK(posted() == before);
}

/* For whom nobody has room all the time: the others get everything. */
static void test_trickle(void) {
	uint64_t lost;

	begin();
	for (uint32_t i = 0; i < 2; i++) {
		CHECK(receive(0, SW_WAITING));
		serve();
	}
	lost = rig_dropped(0, DROP_NO_BUFFER);
	front[1].came = 0;
	for (uint32_t i = 0; i < 10000; i++) {
		CHECK(receive(0, 1) && receive(1, 20));
		serve();
	}
	CHECK(front[1].came == 200000 && rig_dropped(0, DROP_NO_BUFFER) == lost + 10000);
}

/* Somebody else had the processor for a second: that is not what frames cost. */
static void test_longest(void) {
	begin();
	CHECK(receive(0, FLOOD));
	rig_takes = 1000000000;
	rig_serve();
	rig_takes = 0;
	CHECK(sw.uplink[0].rest == sw.now + 1000000000 + 10000000);
	/* One frame was cut in five, and all were lost: no more than all of the time. */
	sw.uplink[0].rest = 0;
	sw.uplink[0].lost = 5;
	sw.now = rig_time - TAKES;
	rest_after(1);
	CHECK(sw.uplink[0].rest == rig_time + TIMES * TAKES);
}

/* A guest's frames are taken when it is its turn: that is the other guest's loss alone. */
static void test_guests(void) {
	begin();
	for (uint32_t i = 0; i < FLOOD; i++) {
		frame_write(bytes, 1, 0, front[1].number++, 100);
		front_send(&front[1], bytes, 100, 1, 0, NULL);
		front_push(&front[1]);
		serve();
	}
	CHECK(rig_dropped(0, DROP_NO_BUFFER) > FLOOD / 3 && !sw.uplink[0].rest);
}

int main(void) {
	static const struct test tests[] = {
		{"a card rests after a flood", test_flood},
		{"a frame that is lost now and then", test_trickle},
		{"never for long", test_longest},
		{"what guests send to each other", test_guests},
	};

	return RUN("switch_rest", tests);
}
