/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two guests hammer one disk: equal shares, the limits of disks and of the whole
 * physical disk, order by sector, and nobody who starves. The device here takes a
 * time for each request, so there is always something that waits.
 */
#include "rig.h"

#define DEPTH 32U /* requests that each guest keeps in its ring */

static struct blkif_sring *ring(uint32_t guest) {
	return (void *)world->guest[guest].ring[guest ? 1 : 0];
}

static struct {
	uint32_t put, collected, segments;
	uint64_t sectors;
} guest[GUESTS];

static void describe(void) {
	rig_world();
	rig_default(1, 0, true);
	rig_blob.config.disk_count = 2;
	rig_blob.disk[0].flags = VBD_SHARED;
	rig_blob.disk[1] = rig_blob.disk[0];
	rig_blob.disk[1].guest = rig_string("two");
	memset(guest, 0, sizeof(guest));
	guest[0].segments = guest[1].segments = 1;
}

static void start(void) {
	rig_driver_start(&rig_disk);
	rig_server();
	for (uint32_t i = 0; i < 40; i++) {
		rig_serve();
		blk_driver_work(&rig_driver);
	}
	CHECK(vbd.device[0].end.state == BACKEND_LIVE && vbd.device[1].end.state == BACKEND_LIVE);
}

static void put(uint32_t g, uint64_t sector) {
	struct blkif_request r = {
		.operation = BLKIF_OP_READ,
		.nr_segments = (uint8_t)guest[g].segments,
		.id = guest[g].put % DEPTH,
		.sector_number = sector,
	};

	for (uint32_t i = 0; i < guest[g].segments; i++)
		r.seg[i] = (struct blkif_request_segment){.gref = (guest[g].put % DEPTH) * 11 + i,
							  .last_sect = 7};
	memcpy((uint8_t *)(ring(g) + 1) + (size_t)(guest[g].put++ & 31) * BLKIF_SLOT_SIZE, &r,
	       sizeof(r));
	ring(g)->req_prod = guest[g].put;
}

/* Rings are kept full; one device request in each `period` ns. */
static void hammer(uint64_t nanoseconds, uint64_t period) {
	uint64_t end = rig_time + nanoseconds;

	while (rig_time < end) {
		for (uint32_t g = 0; g < GUESTS; g++) {
			uint32_t done = ring(g)->rsp_prod - guest[g].collected;

			guest[g].collected += done;
			guest[g].sectors += (uint64_t)done * guest[g].segments * 8;
			while (guest[g].put - guest[g].collected < DEPTH)
				put(g, noise() % (SECTORS - 100) & ~7U);
		}
		rig_serve();
		blk_driver_work(&rig_driver);
		rig_device(false);
		blk_driver_work(&rig_driver);
		rig_time += period;
	}
}

static void within(uint64_t value, uint64_t expected, uint32_t percent) {
	CHECK(value * 100 >= expected * (100 - percent) &&
	      value * 100 <= expected * (100 + percent));
}

static void test_equal(void) {
	describe();
	start();
	hammer(2000000000, 100000);
	within(guest[0].sectors, guest[1].sectors, 3);
	CHECK(guest[0].collected > 5000);
}

/* Large against small requests: who asks for much at once is not served as often. */
static void test_sizes(void) {
	describe();
	guest[1].segments = 11;
	start();
	hammer(2000000000, 100000);
	printf("# %u of 8 sectors, %u of 88\n", guest[0].collected, guest[1].collected);
	CHECK(guest[0].collected > guest[1].collected * 3 / 2);
}

static void test_limits(void) {
	describe();
	rig_blob.disk[0].requests_per_second = 1000;
	rig_blob.disk[1].bytes_per_second = 2 << 20;
	start();
	hammer(4000000000, 100000);
	within(guest[0].collected, 4000, 5);
	within(guest[1].sectors * 512, 4 * (2 << 20), 5);
}

static void test_disk_limit(void) {
	describe();
	rig_blob.config.limit_count = 1;
	rig_blob.limit[0] = (struct vbd_limit){.driver = rig_blob.extent[0].driver,
					       .requests_per_second = 2000};
	start();
	hammer(4000000000, 100000);
	within(guest[0].collected + guest[1].collected, 8000, 5);
	within(guest[0].collected, guest[1].collected, 5);
}

/* In a batch by sector, upwards from where the last one ended, then from the lowest. */
static void test_order(void) {
	static const uint64_t sectors[] = {4000, 800, 8000, 1600, 2400, 9600, 0, 6400};
	uint64_t last = 0;
	uint32_t turns = 0, seen = 0;

	describe();
	start();
	for (uint32_t i = 0; i < ARRAY_SIZE(sectors); i++) put(0, sectors[i]);
	vbd.disk[0].head = 4000;
	rig_serve();
	blk_driver_work(&rig_driver);
	for (uint32_t order = 0; order < rig_order; order++)
		for (uint32_t tag = 0; tag < BLK_TAGS; tag++) {
			const struct rig_disk_request *r = &rig_request[tag];

			if (!r->used || r->order != order) continue;
			turns += seen && r->request.sector < last;
			if (!seen) CHECK(r->request.sector == 4000);
			last = r->request.sector;
			seen++;
		}
	CHECK(seen == ARRAY_SIZE(sectors) && turns == 1 && last == 2400);
}

/* One at the far end, while all others ask near the beginning. */
static void test_starvation(void) {
	uint32_t before;

	describe();
	start();
	for (uint32_t i = 0; i < 31; i++) put(0, i * 8);
	put(0, SECTORS - 8);
	before = guest[0].put;
	for (uint32_t i = 0; i < 4000; i++) {
		const struct blkif_response *r =
			(const void *)((uint8_t *)(ring(0) + 1) +
				       (size_t)(guest[0].collected & 31) * BLKIF_SLOT_SIZE);

		if (guest[0].collected != ring(0)->rsp_prod) {
			guest[0].collected++;
			if (r->id == (before - 1) % DEPTH) return;
			put(0, noise() % 256 & ~7U);
		}
		rig_serve();
		blk_driver_work(&rig_driver);
		rig_device(false);
		blk_driver_work(&rig_driver);
		CHECK(guest[0].put - before < 200);
	}
	CHECK(!"it was answered");
}

/* How many things are asked at once is what is under way when one of them is taken. */
static void test_asked(void) {
	describe();
	start();
	put(0, 0);
	rig_serve();
	CHECK(rig_asked == 1);
	rig_serve();
	CHECK(rig_asked == 0);
	/* The first is still under way; the other guest has nothing to do with that. */
	put(0, 8);
	put(1, 0);
	rig_serve();
	CHECK(rig_asked == 2);
	put(1, 8);
	put(1, 16);
	rig_serve();
	CHECK(rig_asked == 3);
	blk_driver_work(&rig_driver);
	while (guest[0].collected + guest[1].collected < guest[0].put + guest[1].put) {
		rig_device(false);
		blk_driver_work(&rig_driver);
		rig_serve();
		CHECK(rig_asked == 0);
		guest[0].collected = ring(0)->rsp_prod;
		guest[1].collected = ring(1)->rsp_prod;
	}
	put(0, 0);
	put(1, 0);
	rig_serve();
	CHECK(rig_asked == 1);
}

int main(void) {
	static const struct test tests[] = {
		{"equal shares", test_equal},
		{"large requests against small ones", test_sizes},
		{"limits of disks", test_limits},
		{"the limit of the physical disk", test_disk_limit},
		{"order by sector", test_order},
		{"nobody starves", test_starvation},
		{"how much is asked at once", test_asked},
	};

	world = calloc(1, sizeof(*world));
	return RUN("vbd_sharing", tests);
}
