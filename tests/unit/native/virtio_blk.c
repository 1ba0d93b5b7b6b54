/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The virtio disk: what it makes of the device's configuration, the requests that
 * it builds, and what it does when the device fails, lies or is silent.
 */
#include "fake_virtio.h"

#include "drivers/virtio_blk/disk.h"

#define ALL                                                                                \
	(VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX | 1ULL << 1 | 1ULL << 2 | 1ULL << 6 | \
	 1ULL << 9 | 1ULL << 10 | 1ULL << 12 | 1ULL << 13 | 1ULL << 14)

static struct vblk disk;
static uint8_t queue_pages[VBLK_QUEUES * VIRTQUEUE_PAGES * 4096] __attribute__((aligned(4096)));
static uint8_t slot_pages[BLK_TAGS / VBLK_SLOTS_PAGE * 4096] __attribute__((aligned(4096)));
static uint64_t queue_addresses[VBLK_QUEUES * VIRTQUEUE_PAGES];
static uint64_t slot_addresses[BLK_TAGS / VBLK_SLOTS_PAGE];
static const struct vblk_memory memory = {queue_pages, queue_addresses, slot_pages, slot_addresses};
static uint8_t data[64][4096] __attribute__((aligned(4096)));

static const char *start(unsigned vectors) {
	for (size_t i = 0; i < ARRAY_SIZE(queue_addresses); i++)
		queue_addresses[i] = (uintptr_t)queue_pages + i * 4096;
	for (size_t i = 0; i < ARRAY_SIZE(slot_addresses); i++)
		slot_addresses[i] = (uintptr_t)slot_pages + i * 4096;
	memset(&disk, 0, sizeof(disk));
	disk.virtio = (struct virtio){.io = fake_io, .device_size = 60};
	return vblk_start(&disk, &memory, vectors);
}

static bool submit(uint16_t tag, uint8_t op, uint64_t sector, uint32_t pages_count, uint8_t queue) {
	struct blk_segment segments[64];
	struct blk_request request = {
		.tag = tag,
		.op = op,
		.queue = queue,
		.sector = sector,
		.count = pages_count * 8,
		.segments = (uint16_t)(op <= BLK_OP_WRITE ? pages_count : 0),
	};

	for (uint32_t i = 0; i < pages_count && i < 64; i++)
		segments[i] = (struct blk_segment){.address = (uintptr_t)data[i], .length = 4096};
	return vblk_submit(&disk, &request, segments);
}

/* One request from beginning to end. */
static uint16_t do_one(uint8_t op, uint64_t sector, uint32_t pages_count) {
	struct vblk_done done;

	CHECK(submit(5, op, sector, pages_count, 0));
	vblk_kick(&disk);
	CHECK(fake_run() == 1 && vblk_reap(&disk, 0, &done) && done.tag == 5);
	CHECK(!vblk_reap(&disk, 0, &done) && !disk.in_flight);
	return done.status;
}

static void understands(void) {
	fake_device(ALL);
	CHECK(!start(1));
	CHECK(disk.info.sectors == FAKE_SECTORS && disk.info.block == 512);
	CHECK(disk.info.physical_block == 4096 && disk.info.max_segments == 59);
	CHECK(disk.info.max_sectors == 59 * 8 && disk.info.max_discard == 1000);
	CHECK(disk.info.discard_granularity == 4096 && disk.queues == 1);
	CHECK(disk.info.flags == (BLK_DISK_FLUSH | BLK_DISK_DISCARD | BLK_DISK_WRITE_ZEROES));
	fake_device(1ULL << 5);
	CHECK(!start(1));
	CHECK(disk.info.flags == BLK_DISK_READONLY && disk.info.max_segments == 1 &&
	      !disk.info.max_discard);
	fake_device(ALL);
	fake_set(20, 4, 4096);
	fake_set(0, 8, 1001);
	CHECK(!start(1) && disk.info.block == 4096 && disk.info.sectors == 1000);
	fake_device(ALL);
	fake_set(8, 4, 1500); /* pages in pieces of 1024 */
	CHECK(!start(1) && disk.piece == 1024 && disk.info.max_segments == 14);
}

static void refuses(void) {
	static const struct {
		uint32_t at, bytes;
		uint64_t value;
	} wrong[] = {{20, 4, 8192}, {20, 4, 0}, {0, 8, 0}, {8, 4, 511}};

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		fake_device(ALL);
		fake_set(wrong[i].at, wrong[i].bytes, wrong[i].value);
		CHECK(start(1));
	}
	fake_device(ALL);
	fake.queue_count = 0;
	CHECK(start(1));
	fake_device(ALL & ~VIRTIO_F_INDIRECT_DESC);
	fake.queue_size = 2;
	CHECK(start(1));
	/* absurd but harmless */
	fake_device(ALL);
	memset(fake.config, 0xff, sizeof(fake.config));
	fake_set(20, 4, 512);
	CHECK(!start(1) && disk.info.max_segments == 59 && disk.queues == 1);
}

static void transfers(uint64_t features, uint32_t size_max) {
	fake_device(features);
	fake_set(8, 4, size_max);
	CHECK(!start(1));
	for (uint32_t count = 1; count <= disk.info.max_segments; count++) {
		for (uint32_t i = 0; i < count; i++) memset(data[i], (int)(i + count), 4096);
		CHECK(do_one(BLK_OP_WRITE, 16, count) == BLK_STATUS_OK);
		memset(data, 0, sizeof(data));
		CHECK(do_one(BLK_OP_READ, 16, count) == BLK_STATUS_OK);
		for (uint32_t i = 0; i < count; i++)
			CHECK(data[i][0] == (uint8_t)(i + count) && data[i][4095] == data[i][0]);
	}
	CHECK(do_one(BLK_OP_FLUSH, 0, 0) == BLK_STATUS_OK);
	CHECK(do_one(BLK_OP_WRITE_ZEROES, 16, 1) == BLK_STATUS_OK);
	CHECK(do_one(BLK_OP_READ, 16, 1) == BLK_STATUS_OK && !data[0][0] && !data[0][4095]);
	CHECK(do_one(BLK_OP_DISCARD, 16, 1) == BLK_STATUS_OK);
}

static void requests(void) {
	transfers(ALL, 4096);
	CHECK(fake.indirect == fake.requests);
	transfers(ALL, 512);
	transfers(ALL & ~VIRTIO_F_INDIRECT_DESC, 4096);
	CHECK(!fake.indirect);
}

static void names(void) {
	fake_device(ALL);
	CHECK(!start(1));
	vblk_ask_name(&disk);
	CHECK(disk.in_flight == 1 && fake.waits == 50000 && !disk.info.name[0]);
	fake_device(ALL);
	CHECK(!start(1));
	fake.prompt = true;
	vblk_ask_name(&disk);
	CHECK(!strcmp(disk.info.name, "a_b_serial") && !disk.in_flight);
	/* and the interrupt for what comes next is asked for */
	fake.interrupts = 0;
	CHECK(submit(5, BLK_OP_READ, 0, 1, 0));
	vblk_kick(&disk);
	CHECK(fake_run() == 1 && fake.interrupts == 1);
}

static void all_tags(void) {
	struct vblk_done done;
	bool seen[BLK_TAGS] = {false};

	fake_device(ALL);
	fake.queue_count = 4;
	fake_set(34, 2, 4);
	CHECK(!start(4) && disk.queues == 4);
	for (unsigned tag = 0; tag < BLK_TAGS; tag++)
		CHECK(submit((uint16_t)tag, BLK_OP_READ, tag, 1, (uint8_t)tag));
	vblk_kick(&disk);
	CHECK(disk.in_flight == 256 && fake_run() == 256 && fake.interrupts == 15);
	for (unsigned n = 0; n < 4; n++)
		while (vblk_reap(&disk, n, &done)) {
			CHECK(!seen[done.tag] && done.tag % 4 == n && !done.status);
			seen[done.tag] = true;
		}
	CHECK(!disk.in_flight);
	/* a short queue is full: the same request is taken later */
	fake_device(ALL);
	fake.queue_size = 4;
	CHECK(!start(1));
	for (uint16_t tag = 0; tag < 4; tag++) CHECK(submit(tag, BLK_OP_READ, 0, 1, 0));
	CHECK(!submit(4, BLK_OP_READ, 0, 1, 0) && disk.in_flight == 4);
	vblk_kick(&disk);
	fake_run();
	CHECK(vblk_reap(&disk, 0, &done) && submit(4, BLK_OP_READ, 0, 1, 0));
}

static void failures(void) {
	fake_device(ALL);
	CHECK(!start(1));
	fake.bad_status = 1;
	CHECK(do_one(BLK_OP_WRITE, 0, 1) == BLK_STATUS_IO);
	fake.bad_status = 2;
	CHECK(do_one(BLK_OP_FLUSH, 0, 0) == BLK_STATUS_UNSUPPORTED);
	fake.bad_status = 77;
	CHECK(do_one(BLK_OP_READ, 0, 1) == BLK_STATUS_IO && disk.strange == 1);
	fake.bad_status = 255; /* as if it had not written one */
	CHECK(do_one(BLK_OP_READ, 0, 1) == BLK_STATUS_IO);
	fake.bad_status = 0;
	fake.short_by = 1;
	CHECK(do_one(BLK_OP_READ, 0, 2) == BLK_STATUS_IO && disk.short_reads == 1);
	fake.short_by = 0;
	CHECK(do_one(BLK_OP_READ, 0, 2) == BLK_STATUS_OK);
}

/* Silent: asked once more after a reset, and then a timeout. */
static void silence(void) {
	struct vblk_done done, failed[BLK_TAGS];

	fake_device(ALL);
	CHECK(!start(1));
	fake.silent = true;
	for (uint16_t tag = 0; tag < 3; tag++) CHECK(submit(tag, BLK_OP_WRITE, 8U * tag, 1, 0));
	vblk_kick(&disk);
	CHECK(fake_run() == 3 && !vblk_reap(&disk, 0, &done));
	for (unsigned i = 0; i < 10; i++) {
		CHECK(!vblk_stuck(&disk, 11));
		disk.tick++;
	}
	disk.tick++;
	CHECK(vblk_stuck(&disk, 11));
	fake.silent = false;
	CHECK(!vblk_start(&disk, &memory, 1) && vblk_resume(&disk, failed) == 0);
	CHECK(!vblk_stuck(&disk, 11) && disk.in_flight == 3 && fake_run() == 3);
	CHECK(vblk_reap(&disk, 0, &done) && done.tag == 0 && !done.status);
	CHECK(vblk_reap(&disk, 0, &done) && vblk_reap(&disk, 0, &done) && !disk.in_flight);

	fake.silent = true;
	CHECK(submit(7, BLK_OP_READ, 0, 1, 0));
	vblk_kick(&disk);
	for (unsigned again = 0; again < 2; again++) {
		unsigned count;

		fake_run();
		disk.tick += 11;
		CHECK(vblk_stuck(&disk, 11) && !vblk_start(&disk, &memory, 1));
		if (again) CHECK(submit(9, BLK_OP_READ, 0, 1, 0));
		count = vblk_resume(&disk, failed);
		CHECK(count == again);
	}
	CHECK(failed[0].tag == 7 && failed[0].status == BLK_STATUS_TIMEOUT && disk.in_flight == 1);
	vblk_forget(&disk);
	CHECK(!disk.in_flight && !vblk_stuck(&disk, 0));
	/* a ring that makes no sense is no reason to wait */
	disk.queue[0].broken = true;
	CHECK(vblk_stuck(&disk, 11));
}

/* An answer without an interrupt is found at the second tick. */
static void lost_interrupts(void) {
	struct vblk_done done;

	fake_device(ALL);
	CHECK(!start(1) && !vblk_missed(&disk));
	CHECK(submit(1, BLK_OP_READ, 0, 1, 0) && submit(2, BLK_OP_READ, 0, 1, 0));
	vblk_kick(&disk);
	CHECK(!vblk_missed(&disk) && fake_run() == 2);
	CHECK(!vblk_missed(&disk));
	CHECK(vblk_reap(&disk, 0, &done));
	CHECK(!vblk_missed(&disk)); /* somebody is at it */
	CHECK(vblk_missed(&disk) && vblk_reap(&disk, 0, &done) && !vblk_missed(&disk));
}

/* A doorbell that got lost is rung again at the next tick, if nothing has moved. */
static void lost_doorbells(void) {
	struct vblk_done done;

	fake_device(ALL);
	CHECK(!start(1) && submit(1, BLK_OP_READ, 0, 1, 0));
	fake.doorbell[0] = 99;
	vblk_kick(&disk);
	CHECK(fake.doorbell[0] == 0);
	fake.doorbell[0] = 99;
	CHECK(!vblk_missed(&disk) && fake.doorbell[0] == 0 && disk.rung_again == 1);
	CHECK(fake_run() == 1 && vblk_reap(&disk, 0, &done));
	fake.doorbell[0] = 99;
	CHECK(!vblk_missed(&disk) && !vblk_missed(&disk) && fake.doorbell[0] == 99);
}

static const struct test tests[] = {
	{"what the device says of itself", understands},
	{"devices that make no sense", refuses},
	{"requests: read, write, flush, discard, zeroes", requests},
	{"a name is waited for in bounds", names},
	{"all tags on all queues, and a queue that is full", all_tags},
	{"errors, short reads, statuses that do not exist", failures},
	{"a device that does not answer", silence},
	{"interrupts that get lost", lost_interrupts},
	{"doorbells that get lost", lost_doorbells},
};

int main(void) { return RUN("virtio_blk", tests); }
