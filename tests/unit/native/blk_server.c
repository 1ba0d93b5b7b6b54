/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The server's end of a disk connection against a driver that this file plays:
 * one that keeps to the protocol, and one that lies in every field.
 */
#include "blk_events.h"
#include "native.h"

#include "libs/blk/server.h"

static struct blk_server server;
static uint32_t ups, downs, rooms, dones;
static uint32_t last_status, last_device_status;
static int32_t last_tag;
static uint32_t answered; /* completions, by the driver */
static struct blk_segment segments[BLK_MAX_SEGMENTS];

static void on_up(void *context) {
	CHECK(context == &server && blk_server_is_up(&server));
	ups++;
}

static void on_down(void *context) {
	CHECK(context == &server && !blk_server_outstanding(&server));
	downs++;
}

static void on_done(void *context, uint16_t tag, uint32_t status, uint32_t device_status) {
	CHECK(context == &server);
	last_tag = tag;
	last_status = status;
	last_device_status = device_status;
	dones++;
}

static void on_room(void *context) {
	CHECK(context == &server);
	rooms++;
}

static const struct blk_server_ops ops = {on_up, on_down, on_done, on_room};

static void bring_up(void) {
	memset(blk_pages, 0, sizeof(blk_pages));
	memset(blk_pending, 0, sizeof(blk_pending));
	ups = downs = rooms = dones = answered = 0;
	blk_server_start(&server, blk_pages, SERVER_PORT, &ops, &server);
	blk_server_work(&server);
	CHECK(server.state == BLK_SERVER_DOWN && blk_page()->version == BLK_VERSION);
}

static void set_disk(uint32_t n) {
	blk_page()->disk[n] = (struct blk_disk){
		.sectors = 1000,
		.block = 512,
		.physical_block = 4096,
		.flags = BLK_DISK_PRESENT | BLK_DISK_FLUSH,
		.max_segments = 100,
		.max_sectors = 800,
		.name = "disk",
	};
	if (blk_page()->disk_count <= n) blk_page()->disk_count = n + 1;
}

/* The driver's part of a handshake. */
static void grant_session(void) {
	memset(&blk_page()->request, 0, 2 * sizeof(struct ring_header));
	blk_page()->request.prod_event = 1;
	blk_page()->session = blk_page()->wanted;
	answered = 0;
	blk_server_work(&server);
}

static void begin(void) {
	bring_up();
	set_disk(0);
	blk_page()->driver = 1;
	blk_server_work(&server);
	CHECK(server.state == BLK_SERVER_ASKED && blk_page()->wanted >> 16 == 1);
	CHECK(blk_page()->wanted & 0xffff && !ups);
	grant_session();
	CHECK(ups == 1 && server.disk[0].sectors == 1000);
}

static int submit(uint16_t count) {
	struct blk_request request = {.op = BLK_OP_READ, .count = count, .segments = count};

	return blk_server_submit(&server, &request, segments);
}

static void complete(uint16_t tag, uint16_t status) {
	blk_completions()[answered % BLK_COMPLETIONS] =
		(struct blk_completion){.tag = tag, .status = status, .device_status = 77};
	blk_page()->completion.prod = ++answered;
	blk_server_work(&server);
}

static void test_request(void) {
	struct blk_request request = {.op = BLK_OP_WRITE, .sector = 5, .count = 2, .segments = 2};
	struct blk_request copy;
	int tag;

	begin();
	segments[0] = (struct blk_segment){.address = 0x1000, .length = 512};
	segments[1] = (struct blk_segment){.address = 0x2000, .length = 512};
	tag = blk_server_submit(&server, &request, segments);
	CHECK(tag >= 0 && tag < (int)BLK_TAGS && blk_page()->request.prod == 0);
	blk_sent[SERVER_PORT] = 0;
	blk_server_publish(&server);
	CHECK(blk_page()->request.prod == 4 && blk_sent[SERVER_PORT] == 1);
	memcpy(&copy, blk_word(0), sizeof(copy));
	CHECK(copy.tag == tag && copy.op == BLK_OP_WRITE && copy.sector == 5 && copy.count == 2);
	CHECK(!memcmp(blk_word(2), segments, 2 * sizeof(*segments)));
	/* The driver is awake: no second event. */
	CHECK(submit(1) >= 0);
	blk_server_publish(&server);
	CHECK(blk_sent[SERVER_PORT] == 1);
	complete((uint16_t)tag, BLK_STATUS_OK);
	CHECK(dones == 1 && last_tag == tag && last_status == 0 && last_device_status == 77);
	CHECK(blk_page()->completion.cons == 1 && blk_page()->completion.prod_event == 2);
	CHECK(blk_server_outstanding(&server) == 1);
}

static void test_lying_completions(void) {
	int tag;

	begin();
	tag = submit(1);
	CHECK(tag >= 0);
	complete((uint16_t)(tag + 1), 0);
	complete((uint16_t)BLK_TAGS, 0);
	complete(65535, 0);
	CHECK(!dones && server.bad_tags == 3);
	complete((uint16_t)tag, BLK_STATUS_READONLY + 1);
	CHECK(dones == 1 && last_status == BLK_STATUS_IO && server.bad_status == 1);
	complete((uint16_t)tag, 0);
	CHECK(dones == 1 && server.bad_tags == 4 && server.state == BLK_SERVER_UP);
}

static void test_impossible_completions(void) {
	uint32_t wanted;

	begin();
	CHECK(submit(1) >= 0);
	wanted = server.wanted;
	blk_page()->completion.prod = BLK_COMPLETIONS + 1;
	blk_server_work(&server);
	CHECK(downs == 1 && server.broken == 1 && !dones && !blk_server_outstanding(&server));
	CHECK(submit(1) == -XEN_ENOTCONN && blk_pending[SERVER_PORT]);
	blk_server_work(&server);
	CHECK(server.state == BLK_SERVER_ASKED && server.wanted != wanted);
	grant_session();
	CHECK(ups == 2 && submit(1) >= 0);

	blk_page()->completion.prod = -1U;
	blk_server_work(&server);
	CHECK(server.broken == 2);
}

static void test_impossible_consumption(void) {
	begin();
	CHECK(submit(1) >= 0);
	blk_page()->request.cons = 4;
	blk_server_work(&server);
	CHECK(server.broken == 1 && downs == 1);
	/* Also where it is looked at for space. */
	begin();
	while (submit(200) >= 0) continue;
	blk_page()->request.cons = server.produced + 1;
	blk_pending[SERVER_PORT] = false;
	CHECK(submit(200) == -XEN_EAGAIN && blk_pending[SERVER_PORT]);
	blk_server_work(&server);
	CHECK(server.broken == 1 && downs == 1 && !rooms);
}

static void test_all_tags(void) {
	bool seen[BLK_TAGS] = {false};

	begin();
	for (uint32_t i = 0; i < BLK_TAGS; i++) {
		int tag = submit(1);

		CHECK(tag >= 0 && tag < (int)BLK_TAGS && !seen[tag]);
		seen[tag] = true;
	}
	CHECK(submit(1) == -XEN_EAGAIN && !rooms);
	blk_server_publish(&server);
	complete(0, 0);
	CHECK(rooms == 1 && submit(1) == 0);
}

static void test_full_ring(void) {
	uint32_t sent;

	begin();
	while (submit(200) >= 0) continue;
	CHECK(server.produced == 10 * 202 && submit(26) >= 0 && submit(200) == -XEN_EAGAIN);
	blk_pending[SERVER_PORT] = false;
	blk_server_publish(&server);
	CHECK(!blk_pending[SERVER_PORT]);
	/* The driver is to say when there is room for the one that did not fit. */
	sent = blk_page()->request.cons_event;
	CHECK(sent == server.produced - (BLK_WORDS - 202));
	blk_page()->request.cons = 202;
	blk_server_work(&server);
	CHECK(rooms == 1 && submit(200) >= 0);
	/* There is room already when it asks: it does not wait for an event. */
	CHECK(submit(200) == -XEN_EAGAIN);
	blk_page()->request.cons = 404;
	blk_server_publish(&server);
	CHECK(blk_pending[SERVER_PORT]);
	blk_server_work(&server);
	CHECK(rooms == 2);
}

static void test_driver_restarts(void) {
	uint32_t wanted;

	begin();
	CHECK(submit(1) >= 0);
	wanted = blk_page()->wanted;
	blk_page()->session = 0;
	blk_page()->driver = 0;
	blk_server_work(&server);
	CHECK(downs == 1 && server.state == BLK_SERVER_DOWN && blk_page()->wanted == wanted);
	blk_page()->driver = 2;
	blk_server_work(&server);
	CHECK(blk_page()->wanted >> 16 == 2 && server.state == BLK_SERVER_ASKED);
	/* It dies again before it answers. */
	blk_page()->driver = 3;
	blk_server_work(&server);
	CHECK(blk_page()->wanted >> 16 == 3 && downs == 1);
	wanted = blk_page()->wanted;
	blk_server_work(&server);
	CHECK(blk_page()->wanted == wanted && ups == 1);
	/* An answer to the earlier question is none. */
	blk_page()->session = wanted - (1U << 16) - 1;
	blk_server_work(&server);
	CHECK(ups == 1);
	grant_session();
	CHECK(ups == 2 && submit(1) >= 0);
}

static void test_server_restarts(void) {
	uint32_t wanted;

	begin();
	wanted = blk_page()->wanted;
	blk_server_start(&server, blk_pages, SERVER_PORT, &ops, &server);
	blk_server_work(&server);
	CHECK(server.state == BLK_SERVER_ASKED && blk_page()->wanted != wanted);
	CHECK(blk_page()->session == wanted && ups == 1);
	/* The number goes on, and 0 is passed over. */
	blk_page()->wanted = 1U << 16 | 0xffff;
	blk_server_start(&server, blk_pages, SERVER_PORT, &ops, &server);
	blk_server_work(&server);
	CHECK(blk_page()->wanted == (1U << 16 | 1));
}

static void test_disks(void) {
	struct blk_disk *disk = blk_page()->disk;

	bring_up();
	for (uint32_t i = 0; i < BLK_MAX_DISKS; i++) set_disk(i);
	blk_page()->disk_count = 1000;
	disk[1].block = 1024;
	disk[2].sectors = 0;
	disk[3].sectors = UINT64_MAX;
	disk[4].max_segments = 0;
	disk[5].max_segments = disk[5].max_sectors = UINT32_MAX;
	disk[5].physical_block = 1;
	disk[5].flags |= BLK_DISK_DISCARD;
	memset(disk[5].name, 0x1b, sizeof(disk[5].name));
	disk[6].flags = 0;
	disk[7].max_sectors = 7;
	blk_page()->flags = ~0U;
	blk_page()->driver = 1;
	blk_server_work(&server);
	grant_session();
	CHECK(server.disk_count == BLK_MAX_DISKS && server.bad_disks == 5);
	CHECK(server.flags == BLK_PAGE_MACHINE);
	for (uint32_t i = 0; i < BLK_MAX_DISKS; i++)
		CHECK(!(server.disk[i].flags & BLK_DISK_PRESENT) == (i != 0 && i != 5));
	CHECK(server.disk[5].max_segments == BLK_MAX_SEGMENTS);
	CHECK(server.disk[5].max_sectors == BLK_MAX_SEGMENTS * 8);
	CHECK(server.disk[5].physical_block == 512);
	CHECK(!(server.disk[5].flags & BLK_DISK_DISCARD));
	CHECK(!strcmp(server.disk[5].name, "???????????????????????"));
}

static const struct test tests[] = {
	{"a request and its completion", test_request},
	{"completions that lie", test_lying_completions},
	{"impossible completion indices", test_impossible_completions},
	{"impossible consumption", test_impossible_consumption},
	{"all tags in use", test_all_tags},
	{"a full ring", test_full_ring},
	{"the driver restarts", test_driver_restarts},
	{"the server restarts", test_server_restarts},
	{"disks that make no sense", test_disks},
};

int main(void) { return RUN("blk_server", tests); }
