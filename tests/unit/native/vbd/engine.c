/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Requests through the whole server, in one process: every kind of request,
 * several queues, pages of rings, both kinds of grants; drivers that come and
 * go; what is malformed; the order of barriers; errors and retries.
 */
#include "rig.h"

#include "libs/xenbus/xenbus.h"

static struct frontend front[VBD_QUEUES];

static void start(uint32_t queues, uint32_t order, bool persistent) {
	rig_world();
	rig_default(queues, order, persistent);
}

static void connect(uint32_t queues) {
	rig_driver_start(&rig_disk);
	rig_server();
	for (uint32_t i = 0; i < 20; i++) {
		rig_serve();
		blk_driver_work(&rig_driver);
	}
	CHECK(vbd.device[0].end.state == BACKEND_LIVE);
	CHECK(world->backend[0] == XENBUS_CONNECTED && world->front[0] == XENBUS_CONNECTED);
	for (uint32_t i = 0; i < queues; i++) front_init(&front[i], 0, 0, i);
}

/* Until nothing happens any more. */
static void settle(uint32_t queues) {
	for (uint32_t quiet = 0; quiet < 12; quiet++) {
		if (rig_serve()) quiet = 0;
		blk_driver_work(&rig_driver);
		while (rig_device(false)) quiet = 0;
		blk_driver_work(&rig_driver);
		for (uint32_t i = 0; i < queues; i++) front_collect(&front[i]);
	}
}

static void run(uint32_t queues, uint32_t rounds, bool restarts) {
	for (uint32_t n = 0; n < rounds; n++) {
		for (uint32_t i = noise() % 24; i; i--) front_random(&front[noise() % queues]);
		for (uint32_t i = 0; i < queues; i++) front_push(&front[i]);
		rig_time += 10000;
		rig_serve();
		blk_driver_work(&rig_driver);
		for (uint32_t i = noise() % 24; i && rig_device(true); i--)
			;
		if (restarts && noise() % 64 == 0) rig_driver_start(&rig_disk);
		if (restarts && noise() % 64 == 0) blk_server_renew(&vbd.driver[0].blk);
		blk_driver_work(&rig_driver);
		for (uint32_t i = 0; i < queues; i++) front_collect(&front[i]);
		/* Nothing is forgotten when the guests ask for nothing more. */
		if (n % 32 && n + 1 < rounds) continue;
		settle(queues);
		for (uint32_t i = 0; i < queues; i++) CHECK(front_idle(&front[i]));
	}
	front_check_disk();
	CHECK(!vbd.device[0].jobs && !vbd.guest[0].jobs && !vbd.driver[0].dma.pinned);
}

static void run_all(bool restarts) {
	rig_events = true;
	for (uint32_t kind = 0; kind < 4; kind++) {
		uint32_t queues = kind & 1 ? 4 : 1;

		start(queues, kind >> 1 & 1 ? 2 : 0, kind != 1);
		connect(queues);
		run(queues, 3000, restarts);
		CHECK(front[0].answers > 500);
		CHECK(!vbd.device[0].count->malformed && !vbd.device[0].count->failed);
	}
	rig_events = false;
}

static void test_requests(void) { run_all(false); }
static void test_driver_restarts(void) { run_all(true); }

/* Persistent pages are mapped once, others are unmapped before the answer. */
static void test_persistent(void) {
	uint32_t maps, unmaps;

	start(1, 0, true);
	connect(1);
	run(1, 500, false);
	maps = world->dma_maps;
	unmaps = world->dma_unmaps;
	run(1, 500, false);
	CHECK(world->dma_maps - maps < 10 && world->dma_unmaps == unmaps);
}

/* --- what is malformed --- */

static int16_t answer_to(struct blkif_request r) {
	struct blkif_sring *ring = (void *)world->guest[0].ring[0];
	struct blkif_response *response;
	static uint64_t id;

	r.id = ++id;
	front_put(&front[0], &r, sizeof(r));
	front_push(&front[0]);
	for (uint32_t i = 0; i < 40; i++) {
		rig_serve();
		blk_driver_work(&rig_driver);
		while (rig_device(false))
			;
		blk_driver_work(&rig_driver);
	}
	CHECK(ring->rsp_prod == front[0].rsp_cons + 1);
	response = (void *)((uint8_t *)(ring + 1) +
			    (front[0].rsp_cons++ & (front[0].slots - 1)) * BLKIF_SLOT_SIZE);
	CHECK(response->id == r.id);
	return response->status;
}

#define ONE(op, s, g, f, l)                           \
	((struct blkif_request){.operation = (op),    \
				.nr_segments = 1,     \
				.sector_number = (s), \
				.seg = {{.gref = (g), .first_sect = (f), .last_sect = (l)}}})

static void test_malformed(void) {
	struct blkif_request r;

	start(1, 0, false);
	connect(1);
	CHECK(answer_to(ONE(BLKIF_OP_READ, 0, 1, 0, 7)) == BLKIF_RSP_OKAY);
	CHECK(answer_to(ONE(BLKIF_OP_READ, SECTORS - 8, 1, 0, 7)) == BLKIF_RSP_OKAY);
	CHECK(answer_to(ONE(BLKIF_OP_READ, SECTORS - 7, 1, 0, 7)) == BLKIF_RSP_ERROR);
	CHECK(answer_to(ONE(BLKIF_OP_READ, UINT64_MAX, 1, 0, 7)) == BLKIF_RSP_ERROR);
	CHECK(answer_to(ONE(BLKIF_OP_WRITE, UINT64_MAX - 7, 1, 0, 7)) == BLKIF_RSP_ERROR);
	CHECK(answer_to(ONE(BLKIF_OP_READ, 0, 1, 0, 8)) == BLKIF_RSP_ERROR);
	CHECK(answer_to(ONE(BLKIF_OP_READ, 0, 1, 5, 4)) == BLKIF_RSP_ERROR);
	CHECK(answer_to(ONE(BLKIF_OP_READ, 0, PAGES + 1, 0, 7)) == BLKIF_RSP_ERROR);
	CHECK(answer_to(ONE(BLKIF_OP_READ, 0, UINT32_MAX, 0, 7)) == BLKIF_RSP_ERROR);
	CHECK(answer_to(ONE(7, 0, 1, 0, 7)) == BLKIF_RSP_ERROR);
	CHECK(answer_to(ONE(255, 0, 1, 0, 7)) == BLKIF_RSP_ERROR);
	r = ONE(BLKIF_OP_READ, 0, 1, 0, 7);
	r.nr_segments = 12;
	CHECK(answer_to(r) == BLKIF_RSP_ERROR);
	r.nr_segments = 0;
	CHECK(answer_to(r) == BLKIF_RSP_ERROR);
	CHECK(vbd.device[0].count->malformed == 11);

	struct blkif_request_indirect i = {.operation = BLKIF_OP_INDIRECT};

	memset(&r, 0, sizeof(r));
	memcpy(&r, &i, sizeof(i));
	CHECK(answer_to(r) == BLKIF_RSP_ERROR);
	i.nr_segments = VBD_SEGMENTS + 1;
	memcpy(&r, &i, sizeof(i));
	CHECK(answer_to(r) == BLKIF_RSP_ERROR);
	i.nr_segments = 4;
	i.indirect_op = BLKIF_OP_WRITE_BARRIER;
	memcpy(&r, &i, sizeof(i));
	CHECK(answer_to(r) == BLKIF_RSP_ERROR);
	i.indirect_op = BLKIF_OP_READ;
	i.indirect_grefs[0] = PAGES;
	memcpy(&r, &i, sizeof(i));
	CHECK(answer_to(r) == BLKIF_RSP_ERROR);

	struct blkif_request_discard d = {
		.operation = BLKIF_OP_DISCARD, .sector_number = 8, .nr_sectors = 1000};

	memset(&r, 0, sizeof(r));
	memcpy(&r, &d, sizeof(d));
	CHECK(answer_to(r) == BLKIF_RSP_OKAY);
	d.nr_sectors = SECTORS;
	memcpy(&r, &d, sizeof(d));
	CHECK(answer_to(r) == BLKIF_RSP_ERROR);
	d.flag = 1;
	memcpy(&r, &d, sizeof(d));
	CHECK(answer_to(r) == BLKIF_RSP_EOPNOTSUPP);
	CHECK(vbd.device[0].end.state == BACKEND_LIVE);
}

/* Indices that cannot be: the device is taken away, and only that. */
static void test_indices(void) {
	struct blkif_sring *ring = (void *)world->guest[0].ring[0];

	start(1, 0, true);
	connect(1);
	ring->req_prod = 33;
	settle(0);
	CHECK(vbd.device[0].end.state == BACKEND_CLOSED && world->backend[0] == XENBUS_CLOSED);
	CHECK(vbd.device[0].end.broken);
}

static void test_readonly(void) {
	start(1, 0, true);
	rig_blob.disk[0].flags = VBD_READONLY;
	connect(1);
	CHECK(answer_to(ONE(BLKIF_OP_READ, 0, 1, 0, 7)) == BLKIF_RSP_OKAY);
	CHECK(answer_to(ONE(BLKIF_OP_WRITE, 0, 1, 0, 7)) == BLKIF_RSP_ERROR);
	CHECK(answer_to(ONE(BLKIF_OP_WRITE_BARRIER, 0, 1, 0, 7)) == BLKIF_RSP_ERROR);
}

static void test_large_blocks(void) {
	struct blk_disk disk = rig_disk;

	start(1, 0, true);
	disk.block = 4096;
	rig_driver_start(&disk);
	rig_server();
	settle(0);
	front_init(&front[0], 0, 0, 0);
	CHECK(vbd.device[0].end.state == BACKEND_LIVE && vbd.volume[0].block == 4096);
	CHECK(answer_to(ONE(BLKIF_OP_READ, 8, 1, 0, 7)) == BLKIF_RSP_OKAY);
	CHECK(answer_to(ONE(BLKIF_OP_READ, 7, 1, 0, 7)) == BLKIF_RSP_ERROR);
	CHECK(answer_to(ONE(BLKIF_OP_READ, 8, 1, 0, 6)) == BLKIF_RSP_ERROR);
	CHECK(answer_to(ONE(BLKIF_OP_READ, 8, 1, 1, 7)) == BLKIF_RSP_ERROR);
}

/* --- errors --- */

static void test_errors(void) {
	start(1, 0, true);
	connect(1);
	rig_fail_status = BLK_STATUS_IO;
	CHECK(answer_to(ONE(BLKIF_OP_READ, 0, 1, 0, 7)) == BLKIF_RSP_ERROR);
	rig_fail_status = BLK_STATUS_TIMEOUT; /* once: it is asked again */
	CHECK(answer_to(ONE(BLKIF_OP_READ, 0, 1, 0, 7)) == BLKIF_RSP_OKAY);
	rig_fail_status = BLK_STATUS_UNSUPPORTED;
	CHECK(answer_to((struct blkif_request){.operation = BLKIF_OP_FLUSH_DISKCACHE}) ==
	      BLKIF_RSP_EOPNOTSUPP);
	CHECK(vbd.device[0].count->failed == 2);
}

/* The driver goes and does not come back: errors after the bound, not before. */
static void test_away(void) {
	struct blkif_request r = ONE(BLKIF_OP_READ, 0, 1, 0, 7);

	start(1, 0, true);
	connect(1);
	blk_driver_work(&rig_driver);
	((struct blk_page *)world->blk)->session = 0;
	((struct blk_page *)world->blk)->driver = 0;
	front_put(&front[0], &r, sizeof(r));
	front_push(&front[0]);
	rig_serve();
	rig_time += (VBD_AWAY_MS - 1) * 1000000ULL;
	rig_serve();
	CHECK(((struct blkif_sring *)world->guest[0].ring[0])->rsp_prod == 0);
	CHECK(vbd.device[0].jobs == 1);
	rig_time += 2000000ULL;
	rig_serve();
	CHECK(((struct blkif_sring *)world->guest[0].ring[0])->rsp_prod == 1);
	for (uint32_t i = 0; i < WINDOW - SCAN_PAGES; i++) CHECK(!world->slot[i].used);
	front[0].rsp_cons++;
	/* It is back: so are the disks. */
	rig_driver_start(&rig_disk);
	for (uint32_t i = 0; i < 8; i++) {
		rig_serve();
		blk_driver_work(&rig_driver);
	}
	CHECK(answer_to(ONE(BLKIF_OP_READ, 0, 1, 0, 7)) == BLKIF_RSP_OKAY);
}

/* A barrier: nothing after it begins before it is done, nothing before it is open then. */
static void test_barrier(void) {
	static const uint8_t ops[] = {BLKIF_OP_WRITE, BLKIF_OP_WRITE, BLKIF_OP_WRITE_BARRIER,
				      BLKIF_OP_WRITE, BLKIF_OP_WRITE};
	static const struct {
		uint8_t op;
		uint64_t sector;
	} expected[] = {{BLK_OP_WRITE, 0},  {BLK_OP_WRITE, 8}, {BLK_OP_FLUSH, 0},
			{BLK_OP_WRITE, 16}, {BLK_OP_FLUSH, 0}, {BLK_OP_WRITE, 24},
			{BLK_OP_WRITE, 32}};
	uint32_t seen = 0;

	start(1, 0, true);
	connect(1);
	for (uint32_t i = 0; i < ARRAY_SIZE(ops); i++) {
		struct blkif_request r = ONE(ops[i], i * 8ULL, i, 0, 7);

		front_put(&front[0], &r, sizeof(r));
	}
	front_push(&front[0]);
	for (uint32_t i = 0; i < 40; i++) {
		rig_serve();
		blk_driver_work(&rig_driver);
		for (uint32_t tag = 0; tag < BLK_TAGS; tag++) {
			const struct blk_request *q = &rig_request[tag].request;

			if (!rig_request[tag].used) continue;
			/* Those at work are the next expected, in any order. */
			bool fits = false;

			for (uint32_t e = seen; e < MIN(seen + 2, ARRAY_SIZE(expected)); e++)
				fits |= q->op == expected[e].op && q->sector == expected[e].sector;
			CHECK(fits);
		}
		if (rig_device(false)) seen++;
		blk_driver_work(&rig_driver);
	}
	CHECK(seen == ARRAY_SIZE(expected));
}

/* The frontend closes and opens anew, as a boot loader and then a kernel do. */
static void test_reopen(void) {
	start(1, 0, true);
	connect(1);
	run(1, 50, false);
	/* A guest that shuts down waits until it is told that this end closes, too. */
	world->front[0] = XENBUS_CLOSING;
	settle(0);
	CHECK(world->backend[0] == XENBUS_CLOSING);
	world->front[0] = XENBUS_CLOSED;
	settle(0);
	CHECK(vbd.device[0].end.state == BACKEND_CLOSED && world->backend[0] == XENBUS_CLOSED);
	for (uint32_t i = 0; i < WINDOW - SCAN_PAGES; i++) CHECK(!world->slot[i].used);
	memset(world->guest[0].ring[0], 0, sizeof(struct blkif_sring));
	world->front[0] = XENBUS_INITIALISING;
	settle(0);
	CHECK(vbd.device[0].end.state == BACKEND_LIVE && world->backend[0] == XENBUS_CONNECTED);
	front[0].req_prod = front[0].rsp_cons = 0;
	run(1, 50, false);
}

static void test_guest_ends(void) {
	struct blkif_request r = ONE(BLKIF_OP_WRITE, 0, 1, 0, 7);

	start(1, 0, true);
	connect(1);
	front_put(&front[0], &r, sizeof(r));
	front_push(&front[0]);
	rig_serve();
	blk_driver_work(&rig_driver);
	backend_guest_leaves(0);
	rig_serve();
	CHECK(!device_gone(0)); /* the device is at work on its page */
	CHECK(rig_device(false));
	blk_driver_work(&rig_driver);
	rig_serve();
	rig_serve();
	CHECK(device_gone(0) && vbd.device[0].end.state == BACKEND_ABSENT);
	for (uint32_t i = 0; i < WINDOW - SCAN_PAGES; i++) CHECK(!world->slot[i].used);
	for (uint32_t i = 0; i < BOAT_RECORDS; i++) CHECK(!vbd.boat->record[i].state);
}

int main(void) {
	static const struct test tests[] = {
		{"requests of all kinds", test_requests},
		{"the driver dies and comes back", test_driver_restarts},
		{"persistent grants stay mapped", test_persistent},
		{"malformed requests are answered with an error", test_malformed},
		{"impossible indices cost the device", test_indices},
		{"a disk that may only be read", test_readonly},
		{"a disk of 4096-byte blocks", test_large_blocks},
		{"errors of the device", test_errors},
		{"a driver that stays away", test_away},
		{"barriers keep their place", test_barrier},
		{"a frontend closes and opens", test_reopen},
		{"a guest ends with a request under way", test_guest_ends},
	};

	world = calloc(1, sizeof(*world));
	return RUN("vbd", tests);
}
