/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Multicast control: which groups a guest hears, also from a successor of the switch that it has
 * told.
 */
#include "rig.h"

#include "libs/xenbus/xenbus.h"

static struct netfront front[GUESTS];

static void serve(void) {
	for (uint32_t i = 0; i < GUESTS; i++) front_push(&front[i]);
	for (uint32_t i = 0; i < 8; i++) rig_serve();
	for (uint32_t i = 0; i < GUESTS; i++) front_collect(&front[i]);
}

/* Guest 1's extra info. */
static void ask(uint8_t type, uint8_t group) {
	struct netif_extra_info extra = {.type = type};

	memcpy(extra.u.mcast.addr, (uint8_t[]){0x33, 0x33, 0, 0, 0, group}, 6);
	front_put(&front[1], &(struct netif_tx_request){.flags = NETTXF_extra_info});
	front_put_extra(&front[1], &extra);
	serve();
	CHECK(!front[1].errors);
}

/* Does guest 1 hear what guest 0 sends to this group? Guest 2, which has not asked, hears all. */
static bool hears(uint8_t group) {
	uint8_t bytes[100];
	uint64_t came = front[1].came, others = front[2].came;

	frame_write(bytes, 0, 1, 0, sizeof(bytes));
	memcpy(bytes, (uint8_t[]){0x33, 0x33, 0, 0, 0, group}, 6);
	front_send(&front[0], bytes, sizeof(bytes), 1, 0, NULL);
	serve();
	CHECK(front[2].came == others + 1 && front[1].came - came <= 1);
	return front[1].came != came;
}

static void begin(void) {
	rig_world();
	rig_describe(1);
	for (uint32_t i = 0; i < GUESTS; i++) {
		front_init(&front[i], i, 0);
		front[i].raw = true;
	}
	world->rings[1].flags |= FRONT_MULTICAST;
	rig_driver_start();
	rig_server();
	for (uint32_t i = 0; i < GUESTS; i++) front_post(&front[i], NETIF_SLOTS);
	serve();
}

static void restart(void) {
	rig_server();
	serve();
}

static void test_groups(void) {
	begin();
	CHECK(!hears(9));
	ask(XEN_NETIF_EXTRA_TYPE_MCAST_ADD, 9);
	ask(XEN_NETIF_EXTRA_TYPE_MCAST_ADD, 9);
	ask(XEN_NETIF_EXTRA_TYPE_MCAST_ADD, 8);
	CHECK(hears(9) && hears(8) && !hears(10));
	/* A frontend asks once: a successor knows it. */
	restart();
	CHECK(hears(9) && hears(8) && !hears(10));
	ask(XEN_NETIF_EXTRA_TYPE_MCAST_DEL, 9);
	ask(XEN_NETIF_EXTRA_TYPE_MCAST_DEL, 77);
	restart();
	CHECK(!hears(9) && hears(8));
	/* A frontend that begins anew has no groups. */
	world->front[1] = XENBUS_CLOSED;
	serve();
	CHECK(sw.port[1].vif.end.state == BACKEND_CLOSED);
	world->front[1] = XENBUS_INITIALISING;
	serve();
	CHECK(sw.port[1].vif.end.state == BACKEND_LIVE && !hears(8));
}

/* One that finds no room; and what a predecessor that left no list was told. */
static void test_all_groups(void) {
	begin();
	for (uint8_t n = 0; n < BOAT_GROUPS; n++) ask(XEN_NETIF_EXTRA_TYPE_MCAST_ADD, n);
	CHECK(hears(0) && hears(BOAT_GROUPS - 1) && !hears(BOAT_GROUPS + 1));
	ask(XEN_NETIF_EXTRA_TYPE_MCAST_ADD, BOAT_GROUPS);
	CHECK(hears(BOAT_GROUPS + 1));
	restart();
	CHECK(hears(BOAT_GROUPS + 1));
	begin();
	memset(world->lifeboat, 0, sizeof(world->lifeboat));
	restart();
	CHECK(hears(9));
	begin();
	sw.boat->groups[1].incarnation++;
	restart();
	CHECK(hears(9));
}

int main(void) {
	static const struct test tests[] = {
		{"multicast groups", test_groups},
		{"all multicast groups", test_all_groups},
	};

	return RUN("switch_groups", tests);
}
