/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The AHCI driver on a fake adapter (fake_ahci.h). Time is a number that the tests
 * move on; answers are counted for each tag.
 */
#ifndef TESTS_UNIT_AHCI_RIG_H
#define TESTS_UNIT_AHCI_RIG_H

#include "native.h"

#include "drivers/ahci/ahci.h"
#include "fake_ahci.h"

#define DATA_PAGES 512U
#define SECOND     1000000000ULL

static struct ahci ahci;
static uint8_t own[AHCI_PAGES][4096] __attribute__((aligned(4096)));
static uint8_t data[DATA_PAGES][4096] __attribute__((aligned(4096)));
static uint64_t data_address[DATA_PAGES];
static uint64_t now = 1, last; /* last: when something happened */
static uint32_t answers[BLK_TAGS], status[BLK_TAGS], answered;

static inline void answer(void *context, uint16_t tag, uint32_t result, uint32_t device_status) {
	(void)context;
	(void)device_status;
	CHECK(tag < BLK_TAGS);
	answers[tag]++;
	status[tag] = result;
	answered++;
}

static inline void add_disk(uint32_t n, uint32_t depth) {
	fake.port[n].kind = FAKE_DISK;
	fake.port[n].blocks = 7ULL << 30; /* 3.5 TiB */
	fake.port[n].block = 512;
	fake.port[n].depth = depth;
	fake.port[n].serial = (char)('A' + n);
	fake.port[n].trim = true;
	fake.port[n].fua = true;
}

static inline void setup(uint32_t depth) {
	memset(&ahci, 0, sizeof(ahci));
	memset(&fake, 0, sizeof(fake));
	memset(answers, 0, sizeof(answers));
	memset(own, 0x5a, sizeof(own));
	fake_pages = 0;
	fake_dma_base = 0x100000000U;
	answered = 0;
	ahci.memory.at = own[0];
	ahci.memory.pages = AHCI_PAGES;
	for (uint32_t i = 0; i < AHCI_PAGES; i++) ahci.memory.address[i] = fake_dma_add(own[i]);
	for (uint32_t i = 0; i < DATA_PAGES; i++) data_address[i] = fake_dma_add(data[i]);
	ahci.host = (struct ahci_host){.read = fake_read, .write = fake_write, .answer = answer};
	ahci.registers = 0x1100;
	ahci.use = UINT32_MAX;
	ahci.timeout = 10 * SECOND;
	fake.cap = CAP_64 | CAP_NCQ | 31U << 8 | 5;
	fake.pi = 0x3f;
	add_disk(1, depth);
}

/* Lets adapter, interrupts and time go on until nothing is left to do before `until`. */
static inline void run(uint64_t until) {
	for (uint32_t i = 0; i < 1000000; i++) {
		bool moved = fake_run(1000) > 0;

		if (fake.is && fake.ghc & GHC_INTERRUPTS && !fake.silent) {
			ahci_interrupt(&ahci, now);
			ahci_kick(&ahci);
			moved = true;
		}
		if (moved) continue;
		if (!ahci.wake || ahci.wake > until) {
			last = now;
			now = MAX(now, until);
			return;
		}
		now = MAX(now, ahci.wake);
		ahci_timer(&ahci, now);
		ahci_kick(&ahci);
	}
	CHECK(!"it comes to rest");
}

static inline void start(void) {
	ahci_start(&ahci, now);
	run(now + 600 * SECOND);
}

static inline void up(uint32_t depth) {
	setup(depth);
	start();
	CHECK(ahci.state == AHCI_RUN && ahci.known && ahci.disk_count == 1);
}

/* A request of `pages` whole pages from data[page] on. */
static inline void ask_disk(uint16_t tag, uint8_t op, uint64_t sector, uint32_t page,
			    uint32_t pages, uint8_t disk, uint8_t flags) {
	struct blk_segment segments[BLK_MAX_SEGMENTS] = {0};
	struct blk_request request = {.tag = tag,
				      .op = op,
				      .flags = flags,
				      .segments = (uint16_t)pages,
				      .sector = sector,
				      .disk = disk,
				      .count = pages * 8};

	for (uint32_t i = 0; i < pages; i++)
		segments[i] = (struct blk_segment){data_address[page + i], 4096, 0};
	ahci_submit(&ahci, &request, segments, now);
}

static inline void ask(uint16_t tag, uint8_t op, uint64_t sector, uint32_t page, uint32_t pages) {
	ask_disk(tag, op, sector, page, pages, 0, 0);
}

static inline void ask_range(uint16_t tag, uint8_t op, uint64_t sector, uint64_t count) {
	struct blk_request request = {.tag = tag, .op = op, .sector = sector, .count = count};
	struct blk_segment none = {0};

	ahci_submit(&ahci, &request, &none, now);
}

static inline void go(uint64_t time) {
	ahci_kick(&ahci);
	run(now + time);
}

static inline void ask_many(uint32_t count) {
	memset(answers, 0, sizeof(answers));
	answered = 0;
	for (uint16_t tag = 0; tag < count; tag++) ask(tag, BLK_OP_READ, tag * 8, tag, 1);
	go(SECOND);
	CHECK(answered == count);
	for (uint32_t tag = 0; tag < count; tag++) CHECK(answers[tag] == 1);
}

static inline uint32_t failed(uint32_t count) {
	uint32_t sum = 0;

	for (uint32_t tag = 0; tag < count; tag++) sum += status[tag] != BLK_STATUS_OK;
	return sum;
}

#endif
