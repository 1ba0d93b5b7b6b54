/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The AHCI driver against an honest adapter, or one that does not come up: every
 * request is answered exactly once, and all data on the disk is compared with what
 * was asked for.
 */
#include "ahci_rig.h"

static void comes_up(void) {
	uint64_t before = now;
	struct blk_disk disk;

	setup(32);
	fake.port[0].kind = FAKE_ATAPI;
	fake.port[2].kind = FAKE_DEAD_LINK;
	add_disk(3, 0);
	fake.port[3].block = 4096;
	fake.port[3].no_cache = true;
	fake.port[3].fua = fake.port[3].trim = false;
	add_disk(4, 8);
	fake.port[4].no_lba48 = true;
	add_disk(9, 8); /* not implemented */
	start();
	CHECK(ahci.disk_count == 2 && ahci.disk_port[0] == 1 && ahci.disk_port[1] == 3);
	ahci_describe(&ahci, 0, &disk);
	CHECK(disk.sectors == 7ULL << 30 && disk.block == 512 && disk.physical_block == 4096);
	CHECK(disk.flags == (BLK_DISK_PRESENT | BLK_DISK_FLUSH | BLK_DISK_FUA | BLK_DISK_DISCARD));
	CHECK(!strcmp(disk.name, "B1") && disk.max_segments == 248);
	ahci_describe(&ahci, 1, &disk);
	CHECK(disk.sectors == 56ULL << 30 && disk.block == 4096 && disk.flags == BLK_DISK_PRESENT);

	/* A disk that could, an adapter that cannot. */
	setup(32);
	fake.cap &= ~CAP_NCQ;
	start();
	ask(1, BLK_OP_READ, 0, 0, 1);
	go(1000);
	CHECK(answers[1] == 1 && !status[1] && !fake.queued);
	/* Only ports that are worth a look: no waiting. */
	setup(32);
	ahci.use = 2;
	before = now;
	start();
	CHECK(ahci.disk_count == 1 && last - before < SECOND / 1000 && !ahci.wake);
	CHECK(fake.accesses < 200);
	/* Or as many as there were before. */
	setup(32);
	ahci.expected = 1;
	ahci_start(&ahci, now);
	run(now + SECOND / 1000);
	CHECK(ahci.known && ahci.disk_count == 1);
	run(now + SECOND);
	CHECK(ahci.disk_count == 1 && !ahci.wake);
	setup(32);
	ahci.expected = 2;
	start();
	CHECK(ahci.known && ahci.disk_count == 1);
	/* More disks than the driver can have. */
	setup(32);
	fake.pi = UINT32_MAX;
	for (uint32_t i = 0; i < FAKE_PORTS; i++) add_disk(i, i + 1);
	start();
	CHECK(ahci.disk_count == BLK_MAX_DISKS);
	setup(32);
	fake.pi = UINT32_MAX;
	ahci.registers = PORT(2);
	start();
	CHECK(ahci.disk_count == 1);
}

static void is_taken_over(void) {
	setup(32);
	fake.cap2 = CAP2_HANDOFF;
	fake.bohc = BOHC_BIOS;
	fake.ghc = GHC_AHCI | GHC_INTERRUPTS;
	fake.slow = 30;
	start();
	CHECK(ahci.disk_count == 1 && fake.bohc == BOHC_OS);
	setup(32);
	fake.cap2 = CAP2_HANDOFF;
	fake.bohc = BOHC_BIOS;
	fake.keeps_bios = true;
	start();
	CHECK(ahci.disk_count == 1);
}

static void does_not_come_up(void) {
	/* It is reset again and again, and nothing is ever done. */
	setup(32);
	start();
	for (uint32_t i = 0; i < 10; i++) {
		ahci_reset(&ahci, "test", now);
		run(now + SECOND);
	}
	CHECK(ahci.state == AHCI_DEAD && !ahci.running);
	setup(32);
	fake.absent = true;
	start();
	CHECK(ahci.state == AHCI_DEAD && !ahci.running);
	setup(32);
	fake.never_resets = true;
	start();
	CHECK(ahci.state == AHCI_DEAD && ahci.running);
	setup(32);
	fake.cap &= ~CAP_64;
	start();
	CHECK(ahci.state == AHCI_DEAD && !ahci.running);
	setup(32);
	fake.port[1].never_ready = true;
	start();
	CHECK(ahci.known && ahci.disk_count == 0);
	setup(32);
	fake.port[1].always_stuck = true;
	start();
	CHECK(ahci.known && ahci.disk_count == 0);
	setup(32);
	fake.port[1].checksum_wrong = true;
	start();
	CHECK(ahci.known && ahci.disk_count == 0);
}

/* Segments of all kinds, against a copy of what the disk should hold. */
#define SHADOW_BLOCKS 4096U
static uint8_t shadow[SHADOW_BLOCKS * 512U];

static uint32_t random_segments(struct blk_segment *segments, uint32_t page, uint32_t *bytes) {
	uint32_t count = 1 + noise() % 100, from, to;

	*bytes = 0;
	for (uint32_t i = 0; i < count; i++) {
		bool adjoins = i && noise() % 4 == 0 &&
			       (segments[i - 1].address + segments[i - 1].length) % 4096;

		from = adjoins ? (uint32_t)(segments[i - 1].address + segments[i - 1].length) %
					 4096 / 512
			       : noise() % 8;
		if (adjoins) page--;
		to = from + 1 + noise() % (8 - from);
		segments[i] = (struct blk_segment){data_address[page++] + from * 512,
						   (to - from) * 512, 0};
		*bytes += segments[i].length;
	}
	return count;
}

static void copy(const struct blk_segment *segments, uint32_t count, uint8_t *disk, bool write) {
	for (uint32_t i = 0; i < count; i++) {
		uint8_t *at = fake_dma(segments[i].address, segments[i].length);

		if (write)
			memcpy(disk, at, segments[i].length);
		else
			CHECK(!memcmp(disk, at, segments[i].length));
		disk += segments[i].length;
	}
}

static void move(uint32_t depth) {
	const uint64_t base = 5ULL << 30; /* beyond 2 TiB */

	up(depth);
	memset(shadow, 0, sizeof(shadow));
	for (uint32_t round = 0; round < 800; round++) {
		struct blk_segment segments[BLK_MAX_SEGMENTS];
		struct blk_request request = {.tag = (uint16_t)(noise() % BLK_TAGS)};
		uint32_t bytes, sector;
		uint32_t count = random_segments(segments, noise() % 256, &bytes);

		sector = noise() % (SHADOW_BLOCKS - bytes / 512);
		for (uint32_t i = 0; i < count; i++)
			memset(fake_dma(segments[i].address, 1), (int)noise(), segments[i].length);
		request.op = noise() % 2 ? BLK_OP_WRITE : BLK_OP_READ;
		request.segments = (uint16_t)count;
		request.sector = base + sector;
		request.count = bytes / 512;
		if (request.op == BLK_OP_WRITE) copy(segments, count, shadow + sector * 512, true);
		answers[request.tag] = 0;
		ahci_submit(&ahci, &request, segments, now);
		go(1000);
		CHECK(answers[request.tag] == 1 && status[request.tag] == BLK_STATUS_OK);
		if (request.op == BLK_OP_READ) copy(segments, count, shadow + sector * 512, false);
	}
	CHECK(!ahci.recoveries && !fake.queued == !depth);
}

static void moves_data(void) {
	move(32);
	move(0);
	setup(8);
	fake.port[1].block = 4096;
	start();
	memset(data[3], 9, 4096);
	ask(1, BLK_OP_WRITE, 80, 3, 1);
	go(1000);
	CHECK(answers[1] == 1 && !status[1] && fake_block(10)[4095] == 9);
}

/* What adjoins is one region; too many are refused. */
static void regions(void) {
	struct blk_request request = {.op = BLK_OP_READ, .segments = 8, .count = 8};
	struct blk_segment segments[BLK_MAX_SEGMENTS];

	up(32);
	for (uint32_t i = 0; i < 8; i++)
		segments[i] = (struct blk_segment){data_address[0] + i * 512, 512, 0};
	ahci_submit(&ahci, &request, segments, now);
	go(1000);
	CHECK(answers[0] == 1 && !status[0] && fake.regions == 1);
	for (uint32_t i = 0; i < BLK_MAX_SEGMENTS; i++)
		segments[i] = (struct blk_segment){data_address[i], 512, 0};
	for (uint16_t count = AHCI_PRDS; count <= AHCI_PRDS + 1; count++) {
		request.tag = count;
		request.segments = count;
		request.count = count;
		ahci_submit(&ahci, &request, segments, now);
		go(1000);
		CHECK(answers[count] == 1 &&
		      status[count] == (count > AHCI_PRDS ? BLK_STATUS_UNSUPPORTED : 0));
	}
}

/* Queued and other commands, never mixed, in the order in which they were asked. */
static void batches(void) {
	up(32);
	fake.issues = 0;
	for (uint16_t tag = 0; tag < 200; tag++) ask(tag, BLK_OP_WRITE, tag * 8, tag, 1);
	CHECK(!fake.issues);
	ahci_kick(&ahci);
	CHECK(fake.issues == 1);
	go(SECOND / 2);
	CHECK(answered == 200 && fake.issues == 1 + DIV_UP(199, 32) && fake.queued == 200);
	CHECK(ahci.wake);
	run(now + 2 * SECOND);
	CHECK(!ahci.wake);

	up(4);
	ask(0, BLK_OP_WRITE, 0, 0, 1);
	ask_range(1, BLK_OP_FLUSH, 0, 0);
	ask(2, BLK_OP_WRITE, 8, 0, 1);
	ask_range(3, BLK_OP_DISCARD, 4096, 1U << 20);
	for (uint16_t tag = 4; tag < 12; tag++) ask(tag, BLK_OP_READ, tag * 8, 0, 1);
	fake.issues = 0;
	go(SECOND / 2);
	CHECK(answered == 12 && fake.flushes == 1 && fake.trimmed == 1U << 20 && fake.issues == 6);
	ask_disk(20, BLK_OP_WRITE, 0, 0, 1, 0, BLK_F_FUA);
	go(SECOND / 2);
	CHECK(fake.fua == 1 && answers[20] == 1);

	up(0);
	for (uint16_t tag = 0; tag < 40; tag++) ask(tag, BLK_OP_READ, tag * 8, tag, 1);
	ask_disk(40, BLK_OP_WRITE, 0, 0, 1, 0, BLK_F_FUA);
	fake.issues = 0;
	go(SECOND / 2);
	CHECK(answered == 41 && fake.issues == 41 && fake.fua == 1 && !fake.queued);
}

static void narrow_addresses(void) {
	setup(32);
	fake.cap &= ~CAP_64;
	fake_pages = 0;
	fake_dma_base = 0x10000000;
	for (uint32_t i = 0; i < AHCI_PAGES; i++) ahci.memory.address[i] = fake_dma_add(own[i]);
	data_address[0] = fake_dma_add(data[0]);
	start();
	CHECK(ahci.disk_count == 1);
	ask(0, BLK_OP_READ, 0, 0, 1);
	ask(1, BLK_OP_READ, 0, 1, 1); /* still an address beyond 4 GiB */
	go(1000);
	CHECK(answers[0] == 1 && !status[0] && answers[1] == 1 &&
	      status[1] == BLK_STATUS_UNSUPPORTED);
}

static const struct test tests[] = {
	{"it comes up with its disks", comes_up},
	{"the firmware lets go, or not", is_taken_over},
	{"what does not come up is left out", does_not_come_up},
	{"data arrives where it should", moves_data},
	{"regions of memory", regions},
	{"one doorbell for a batch; flush, discard, durable writes", batches},
	{"32 bits of address", narrow_addresses},
};

int main(void) { return RUN("ahci", tests); }
