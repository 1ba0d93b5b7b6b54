/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Disks that come and go under a guest that uses them: everything that was asked is answered
 * before a disk is gone, nothing of the guest's stays mapped, and a server that dies on the way
 * has a successor that goes on.
 */
#include "../fake_states.h"
#include "rig.h"

#include "libs/control/control.h"
#include "libs/xenbus/xenbus.h"

#define OUT(count) ((count) << CONTROL_DEVICE_SHIFT | CONTROL_DEVICE_OUT)
#define IN(count)  ((count) << CONTROL_DEVICE_SHIFT)

static struct frontend front;

static void turn(void) {
	rig_time += 100000;
	rig_serve();
	blk_driver_work(&rig_driver);
	while (rig_device(true))
		;
	blk_driver_work(&rig_driver);
}

static void turns(uint32_t count) {
	while (count--) turn();
}

static void connect(void) {
	rig_world();
	rig_default(1, 0, true);
	memset(rig_wanted, 0, CONTROL_DEVICES * sizeof(*rig_wanted));
	memset(rig_done, 0, CONTROL_DEVICES * sizeof(*rig_done));
	fake_states.obstinate = false;
	rig_driver_start(&rig_disk);
	rig_server();
	turns(20);
	CHECK(vbd.device[0].end.state == BACKEND_LIVE);
	front_init(&front, 0, 0, 0);
}

static void ask(uint32_t wanted) {
	rig_wanted[0] = wanted;
	backend_scan();
}

static void use(uint32_t rounds) {
	for (uint32_t n = 0; n < rounds; n++) {
		for (uint32_t i = 8; i; i--) front_random(&front);
		front_push(&front);
		turn();
		front_collect(&front);
	}
	for (uint32_t n = 0; n < 30; n++) {
		turn();
		front_collect(&front);
	}
	CHECK(front_idle(&front));
	front_check_disk();
}

static void check_gone(uint32_t flags) {
	CHECK(rig_done[0] == (rig_wanted[0] | flags));
	CHECK(vbd.device[0].end.state == BACKEND_ABSENT && !vbd.device[0].jobs);
	CHECK(!world->backend[0] && !world->front[0]);
	for (uint32_t i = 0; i < WINDOW; i++)
		CHECK(!world->slot[i].used || world->slot[i].domid == DMA_ROOT);
}

/* The guest's device goes with its nodes; the next one begins with new rings. */
static void check_here(void) {
	CHECK(rig_done[0] == rig_wanted[0]);
	turns(20);
	CHECK(vbd.device[0].end.state == BACKEND_LIVE);
	CHECK(world->front[0] == XENBUS_CONNECTED);
}

/* As the one before, which had nothing to wait for: it knows what is on the disk. */
static void renew_front(void) {
	memset(world->guest[0].ring, 0, sizeof(world->guest[0].ring));
	front.req_prod = front.rsp_cons = 0;
}

/* The one before was cut off; this one knows of nothing. */
static void forget_front(void) {
	memset(world->guest[0].ring, 0, sizeof(world->guest[0].ring));
	memset(world->disk, 0, sizeof(world->disk));
	front_init(&front, 0, 0, 0);
}

static void test_out_and_in(void) {
	connect();
	for (uint32_t n = 0; n < 20; n++) {
		use(20);
		ask(OUT(2 * n + 1));
		turns(20);
		check_gone(0);
		renew_front();
		ask(IN(2 * n + 2));
		turns(20);
		check_here();
	}
}

/* What was taken is answered first. */
static void test_under_load(void) {
	uint32_t taken, all = 0;

	connect();
	for (uint32_t n = 0; n < 50; n++) {
		for (uint32_t i = 20; i; i--) front_random(&front);
		front_push(&front);
		if (n % 2) rig_serve();
		taken = vbd.device[0].queue[0].req_cons;
		ask(OUT(2 * n + 1));
		turns(40);
		front_collect(&front);
		CHECK(front.rsp_cons >= taken);
		all += taken;
		check_gone(0);
		forget_front();
		ask(IN(2 * n + 2));
		turns(20);
		check_here();
	}
	CHECK(all > 100);
}

static void test_quick_changes(void) {
	connect();
	for (uint32_t n = 1; n < 60; n++) {
		ask(n % 2 ? OUT(n) : IN(n));
		turns(noise() % 4);
	}
	turns(40);
	check_gone(0);
	forget_front();
	ask(IN(100));
	turns(20);
	check_here();
	use(20);
}

static void test_server_dies(void) {
	connect();
	for (uint32_t n = 0; n < 40; n++) {
		use(3);
		ask(OUT(2 * n + 1));
		turns(n % 8);
		rig_store_forget();
		rig_server();
		turns(40);
		check_gone(0);
		renew_front();
		ask(IN(2 * n + 2));
		turns(n / 5);
		rig_store_forget();
		rig_server();
		turns(40);
		check_here();
	}
}

static void test_obstinate(void) {
	connect();
	fake_states.obstinate = true;
	ask(OUT(1));
	turns(20);
	CHECK(vbd.device[0].end.state == BACKEND_LIVE);
	CHECK(rig_done[0] != rig_wanted[0] && world->backend[0] == XENBUS_CLOSING);
	rig_time += 30000000000;
	turns(20);
	check_gone(CONTROL_DEVICE_FORCED);
	fake_states.obstinate = false;
	renew_front();
	ask(IN(2));
	turns(20);
	check_here();
	ask(OUT(3));
	turns(20);
	check_gone(0);
}

/* Two disks of one volume: whoever came first has it. */
static void test_conflict(void) {
	connect();
	rig_blob.disk[1] = rig_blob.disk[0];
	rig_blob.disk[1].virtual_device += 16;
	rig_blob.config.disk_count = 2;
	rig_wanted[1] = rig_done[1] = OUT(0);
	rig_store_forget();
	rig_server();
	turns(20);
	CHECK(vbd.device[0].end.state == BACKEND_LIVE && vbd.device[1].end.state == BACKEND_ABSENT);
	rig_wanted[1] = IN(1);
	backend_scan();
	turns(20);
	CHECK(rig_done[1] == (IN(1) | CONTROL_DEVICE_REFUSED));
	ask(OUT(1));
	turns(20);
	check_gone(0);
	rig_wanted[1] = IN(2);
	backend_scan();
	turns(20);
	CHECK(rig_done[1] == IN(2) && vbd.device[1].end.state == BACKEND_LIVE);
	ask(IN(2));
	turns(20);
	CHECK(rig_done[0] == (IN(2) | CONTROL_DEVICE_REFUSED));
}

static uint64_t counted(void) {
	const struct boat_counts *count = vbd.device[0].count;

	return count->reads + count->writes + count->others;
}

/* Counters do not go back, and what is carried out again is counted once. */
static void test_counters(void) {
	connect();
	use(20);
	CHECK(counted() == front.req_prod);
	for (uint32_t n = 0; n < 20; n++) {
		uint64_t before;

		for (uint32_t i = 8; i; i--) front_random(&front);
		front_push(&front);
		rig_serve();
		before = counted();
		CHECK(before == vbd.device[0].queue[0].req_cons);
		rig_store_forget();
		rig_server();
		CHECK(counted() == before);
		turns(40);
		use(3);
		CHECK(counted() == front.req_prod);
	}
}

int main(void) {
	static const struct test tests[] = {
		{"out and in", test_out_and_in},
		{"under load", test_under_load},
		{"changes that overtake", test_quick_changes},
		{"the server dies", test_server_dies},
		{"a guest that does not let go", test_obstinate},
		{"counters", test_counters},
		{"two disks of one volume", test_conflict},
	};
	static struct world the_world;

	world = &the_world;
	return RUN("plug", tests);
}
