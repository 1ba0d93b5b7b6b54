/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The driver's end of a disk connection, whose server is the input: it writes
 * anything anywhere into the shared pages between any two events. Only what a
 * device can be asked for reaches the device, and a tag is answered once.
 */
#include <stdlib.h>
#include <string.h>

#include "libs/blk/driver.h"
#include "tests/unit/native/blk_events.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SECTORS 256U

static struct blk_driver driver;
static bool in_use[BLK_TAGS]; /* by the device */
static uint32_t used, depth;

static void must(bool condition) {
	if (!condition) abort();
}

static bool submit(void *device, const struct blk_request *request,
		   const struct blk_segment *segments) {
	uint64_t bytes = 0;

	(void)device;
	must(driver.state == BLK_DRIVER_UP);
	must(request->tag < BLK_TAGS && blk_driver_waits(&driver, request->tag));
	must(request->op <= BLK_OP_WRITE_ZEROES && request->disk < 2 && request->flags <= 1);
	must(request->disk == 0 || request->op == BLK_OP_READ);
	must(request->sector <= SECTORS && request->count <= SECTORS - request->sector);
	must(request->segments <= 32 && (request->op <= BLK_OP_WRITE) == (request->segments > 0));
	for (uint32_t i = 0; i < request->segments; i++) {
		must(segments[i].length &&
		     (segments[i].address & 4095) + segments[i].length <= 4096);
		must((segments[i].address | segments[i].length) % 512 == 0);
		bytes += segments[i].length;
	}
	must(request->op > BLK_OP_WRITE || bytes == request->count * 512);
	if (used >= depth) return false;
	must(!in_use[request->tag]);
	in_use[request->tag] = true;
	used++;
	return true;
}

static bool quiesce(void *device) {
	(void)device;
	memset(in_use, 0, sizeof(in_use));
	used = 0;
	return depth % 2;
}

static const struct blk_driver_ops ops = {.submit = submit, .quiesce = quiesce};

static void start(void) {
	struct blk_disk disk = {.sectors = SECTORS,
				.block = 512,
				.flags = BLK_DISK_FLUSH | BLK_DISK_FUA | BLK_DISK_DISCARD |
					 BLK_DISK_WRITE_ZEROES,
				.max_segments = 32,
				.max_sectors = 64,
				.max_discard = 128};

	memset(blk_pages, 0, sizeof(blk_pages));
	memset(in_use, 0, sizeof(in_use));
	used = 0;
	blk_page()->version = BLK_VERSION;
	blk_driver_start(&driver, blk_pages, DRIVER_PORT, 1, &ops, NULL);
	must(blk_driver_disk(&driver, 0, &disk));
	disk.flags = BLK_DISK_READONLY;
	disk.block = 4096;
	must(blk_driver_disk(&driver, 1, &disk));
	if (depth % 4 > 1) blk_driver_gather(&driver, 1);
	blk_driver_online(&driver, 0);
	blk_page()->wanted = 1U << 16 | 1;
	blk_driver_work(&driver);
}

/* Half a word of a request: fields that are small more often than not. */
static void put(const uint8_t *data) {
	uint32_t prod = blk_page()->request.prod;
	struct blk_request request = {
		.tag = data[0],
		.op = data[1] % 6,
		.flags = data[1] >> 6,
		.segments = data[2] % 40,
		.disk = data[3] % 3,
		.sector = data[4],
		.count = data[5],
	};

	memcpy(blk_word(prod), &request, 16);
	memcpy(blk_word(prod + 1), (uint8_t *)&request + 16, 16);
	for (uint32_t i = 0; i < request.segments; i++) {
		struct blk_segment segment = {.address = 4096UL * i + 512UL * (data[6] % 8),
					      .length = 512U * (1 + data[7] % 9)};

		memcpy(blk_word(prod + 2 + i), &segment, 16);
	}
	blk_page()->request.prod = prod + 2 + request.segments;
}

/* What was gathered has waited for long enough. */
static void fire(void) {
	if (!driver.gather_timer.deadline) return;
	driver.gather_timer.deadline = 0;
	driver.gather_timer.handler(driver.gather_timer.context);
	must(driver.state != BLK_DRIVER_UP || driver.published == driver.completed);
}

static void complete(uint8_t tag) {
	if (in_use[tag]) {
		in_use[tag] = false;
		used--;
		/* A session that ended has forgotten it. */
		must(blk_driver_complete(&driver, tag, 0, 0) || driver.state != BLK_DRIVER_UP);
	} else {
		uint32_t stray = driver.stray;

		if (!blk_driver_waits(&driver, tag))
			must(!blk_driver_complete(&driver, tag, 0, 0) && driver.stray == stray + 1);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	depth = size ? 1 + data[0] % 40 : 1;
	start();
	for (size_t i = 1; i + 9 <= size; i += 9) {
		const uint8_t *d = data + i + 1;
		uint32_t value;

		memcpy(&value, d, sizeof(value));
		switch (data[i] % 9) {
		case 0:
			memcpy(blk_pages + (d[6] | d[7] << 8) % (sizeof(blk_pages) - 4), d, 4);
			break;
		case 1: blk_page()->wanted = 1U << 16 | (value & 3); break;
		case 2: blk_page()->request.prod += value % 8; break;
		case 3: blk_driver_quiesced(&driver); break;
		case 4: complete(d[0]); break;
		case 5: blk_driver_work(&driver); break;
		case 6: fire(); break;
		default: put(d); break;
		}
	}
	blk_driver_work(&driver);
	return 0;
}
