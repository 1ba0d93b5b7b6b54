/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The AHCI driver against a fake adapter (fake_ahci.h), honest and lying. Time is
 * a number that the tests move on; every request is answered exactly once, and all
 * data on the disk is compared with what was asked for.
 */
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

static void answer(void *context, uint16_t tag, uint32_t result, uint32_t device_status) {
	(void)context;
	(void)device_status;
	CHECK(tag < BLK_TAGS);
	answers[tag]++;
	status[tag] = result;
	answered++;
}

static void add_disk(uint32_t n, uint32_t depth) {
	fake.port[n].kind = FAKE_DISK;
	fake.port[n].blocks = 7ULL << 30; /* 3.5 TiB */
	fake.port[n].block = 512;
	fake.port[n].depth = depth;
	fake.port[n].serial = (char)('A' + n);
	fake.port[n].trim = true;
	fake.port[n].fua = true;
}

static void setup(uint32_t depth) {
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
static void run(uint64_t until) {
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

static void start(void) {
	ahci_start(&ahci, now);
	run(now + 600 * SECOND);
}

static void up(uint32_t depth) {
	setup(depth);
	start();
	CHECK(ahci.state == AHCI_RUN && ahci.known && ahci.disk_count == 1);
}

/* A request of `pages` whole pages from data[page] on. */
static void ask_disk(uint16_t tag, uint8_t op, uint64_t sector, uint32_t page, uint32_t pages,
		     uint8_t disk, uint8_t flags) {
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

static void ask(uint16_t tag, uint8_t op, uint64_t sector, uint32_t page, uint32_t pages) {
	ask_disk(tag, op, sector, page, pages, 0, 0);
}

static void ask_range(uint16_t tag, uint8_t op, uint64_t sector, uint64_t count) {
	struct blk_request request = {.tag = tag, .op = op, .sector = sector, .count = count};
	struct blk_segment none = {0};

	ahci_submit(&ahci, &request, &none, now);
}

static void go(uint64_t time) {
	ahci_kick(&ahci);
	run(now + time);
}

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

static void ask_many(uint32_t count) {
	memset(answers, 0, sizeof(answers));
	answered = 0;
	for (uint16_t tag = 0; tag < count; tag++) ask(tag, BLK_OP_READ, tag * 8, tag, 1);
	go(SECOND);
	CHECK(answered == count);
	for (uint32_t tag = 0; tag < count; tag++) CHECK(answers[tag] == 1);
}

static uint32_t failed(uint32_t count) {
	uint32_t sum = 0;

	for (uint32_t tag = 0; tag < count; tag++) sum += status[tag] != BLK_STATUS_OK;
	return sum;
}

static void errors(void) {
	/* One command fails once: nobody notices. */
	for (uint32_t depth = 0; depth <= 32; depth += 32) {
		up(depth);
		fake.port[1].error = 1;
		ask_many(50);
		CHECK(!failed(50) && ahci.recoveries == 1);
		/* One block is bad: one request fails, whether the disk says which or not. */
		fake.port[1].bad = 100 + 1;
		for (uint32_t lie = 0; lie < 3; lie++) {
			fake.port[1].no_log = lie == 1;
			fake.port[1].log_lie = lie == 2 ? 32 : 0;
			ask_many(50);
			CHECK(failed(50) == 1 && status[12] == BLK_STATUS_IO);
		}
		fake.port[1].bad = 0;
		ask_many(50);
		CHECK(!failed(50));
	}
	/* It blames one that is innocent: that one is done alone, and well. */
	up(32);
	fake.port[1].bad = 100 + 1;
	fake.port[1].log_lie = 5 + 1;
	ask_many(20);
	CHECK(failed(20) == 1 && status[12] == BLK_STATUS_IO);
	/* Everything fails. */
	up(32);
	fake.port[1].error = UINT32_MAX;
	ask_many(100);
	CHECK(failed(100) == 100);
	/* So does a flush. */
	up(32);
	fake.port[1].error = 2;
	ask_range(7, BLK_OP_FLUSH, 0, 0);
	go(SECOND);
	CHECK(answers[7] == 1 && status[7] == BLK_STATUS_IO);
}

static void short_transfers(void) {
	up(0);
	fake.port[1].halves = true;
	ask(1, BLK_OP_READ, 0, 0, 2);
	go(SECOND);
	CHECK(answers[1] == 1 && status[1] == BLK_STATUS_IO && ahci.short_transfers == 2);
	fake.port[1].halves = false;
	ask(1, BLK_OP_READ, 0, 0, 2);
	go(SECOND);
	CHECK(answers[1] == 2 && !status[1]);
}

static void wrong_tags(void) {
	up(32);
	fake.port[1].gone_bits = 0xfffffff0;
	ask(1, BLK_OP_READ, 0, 0, 1);
	ask(2, BLK_OP_READ, 8, 1, 1);
	go(SECOND);
	CHECK(answered == 2);
	fake.is = UINT32_MAX;
	ahci_interrupt(&ahci, now);
	CHECK(answered == 2);
}

/* The fake checks that a queued command's bit is still set when it is carried out. */
static void late_completions(void) {
	setup(32);
	fake.port[1].late = true;
	start();
	for (uint16_t tag = 0; tag < 20; tag++) ask(tag, BLK_OP_READ, tag * 8, tag, 1);
	go(SECOND);
	CHECK(answered == 20 && !failed(20));
	fake.port[1].stuck = true;
	for (uint16_t tag = 0; tag < 20; tag++) ask(tag, BLK_OP_READ, tag * 8, tag, 1);
	go(12 * SECOND);
	CHECK(answered == 40 && !failed(20) && ahci.recoveries == 1);
}

static void hangs(void) {
	up(32);
	fake.port[1].stuck = true;
	ask(1, BLK_OP_WRITE, 8, 0, 1);
	go(5 * SECOND);
	/* Younger than the one that is overdue: not its fault. */
	ask(2, BLK_OP_WRITE, 16, 1, 1);
	go(8 * SECOND);
	CHECK(answers[1] == 1 && answers[2] == 1 && !status[1] && !status[2]);
	CHECK(ahci.timeouts == 1 && ahci.recoveries == 1);
	/* It comes up and never does a thing. */
	fake.port[1].stuck = fake.port[1].always_stuck = true;
	ask(1, BLK_OP_WRITE, 8, 0, 1);
	go(100 * SECOND);
	CHECK(answers[1] == 2 && status[1] == BLK_STATUS_GONE);
	/* The port cannot even be stopped: the whole adapter is reset. */
	up(32);
	fake.port[1].stuck = fake.port[1].never_stops = true;
	ask(1, BLK_OP_WRITE, 8, 0, 1);
	go(20 * SECOND);
	CHECK(answers[1] == 1 && !status[1] && fake.resets == 2);
}

static void goes_away(void) {
	up(32);
	fake.port[1].stuck = true;
	ask(1, BLK_OP_READ, 8, 0, 1);
	ahci_kick(&ahci);
	fake.port[1].kind = FAKE_EMPTY;
	fake.port[1].ssts = 0;
	fake_interrupt(&fake.port[1], 1U << 22);
	run(now + 3 * SECOND);
	CHECK(answers[1] == 1 && status[1] == BLK_STATUS_GONE);
	ask(2, BLK_OP_READ, 8, 0, 1);
	CHECK(answers[2] == 1 && status[2] == BLK_STATUS_GONE);
	/* The link only flickers. */
	up(32);
	fake.port[1].stuck = true;
	ask(1, BLK_OP_READ, 8, 0, 1);
	ahci_kick(&ahci);
	fake_interrupt(&fake.port[1], 1U << 22);
	run(now + 3 * SECOND);
	CHECK(answers[1] == 1 && !status[1]);
	/* Another disk is put in. */
	fake.port[1].serial = 'Z';
	fake_interrupt(&fake.port[1], 1U << 6);
	run(now + 3 * SECOND);
	ask(3, BLK_OP_READ, 8, 0, 1);
	CHECK(answers[3] == 1 && status[3] == BLK_STATUS_GONE);
	/* The whole adapter. */
	up(32);
	fake.port[1].stuck = true;
	ask(1, BLK_OP_READ, 8, 0, 1);
	ahci_kick(&ahci);
	fake.absent = true;
	run(now + 3 * SECOND);
	CHECK(ahci.state == AHCI_DEAD && answers[1] == 1 && status[1] == BLK_STATUS_GONE);
}

static void loses_interrupts(void) {
	up(32);
	fake.silent = true;
	ask(1, BLK_OP_READ, 8, 0, 1);
	go(3 * SECOND);
	CHECK(answers[1] == 1 && !status[1] && !ahci.recoveries);
	setup(32);
	fake.silent = true;
	start();
	CHECK(ahci.disk_count == 1);
}

static void two_disks(void) {
	setup(32);
	add_disk(2, 16);
	start();
	CHECK(ahci.disk_count == 2);
	fake.port[1].stuck = true;
	for (uint16_t tag = 0; tag < 200; tag++)
		ask_disk(tag, BLK_OP_READ, tag * 8, tag, 1, tag & 1, 0);
	go(SECOND / 2);
	for (uint16_t tag = 0; tag < 200; tag++) CHECK(answers[tag] == (tag & 1U));
	go(15 * SECOND);
	CHECK(answered == 200 && !failed(200));
}

static void new_session(void) {
	up(32);
	CHECK(ahci_idle(&ahci));
	for (uint16_t tag = 0; tag < 100; tag++) ask(tag, BLK_OP_READ, 8, 0, 1);
	ahci_kick(&ahci);
	ahci_drop(&ahci);
	CHECK(!ahci_idle(&ahci));
	run(now + SECOND / 2);
	CHECK(ahci_idle(&ahci) && !answered);
	fake.port[1].stuck = true;
	for (uint16_t tag = 0; tag < 100; tag++) ask(tag, BLK_OP_READ, 8, 0, 1);
	ahci_kick(&ahci);
	ahci_drop(&ahci);
	ahci_reset(&ahci, "test", now);
	ask(9, BLK_OP_READ, 8, 0, 1); /* waits */
	ahci_timer(&ahci, now);
	run(now + SECOND / 2);
	CHECK(ahci_idle(&ahci) && answered == 1 && answers[9] == 1 && !status[9]);
}

static const struct test tests[] = {
	{"it comes up with its disks", comes_up},
	{"the firmware lets go, or not", is_taken_over},
	{"what does not come up is left out", does_not_come_up},
	{"data arrives where it should", moves_data},
	{"one doorbell for a batch; flush, discard, durable writes", batches},
	{"32 bits of address", narrow_addresses},
	{"errors cost the one that failed, after a second try", errors},
	{"short transfers", short_transfers},
	{"completions of what was not asked", wrong_tags},
	{"completions that a reset left behind", late_completions},
	{"commands that never end", hangs},
	{"a disk or the adapter goes away", goes_away},
	{"lost interrupts", loses_interrupts},
	{"two disks", two_disks},
	{"a new session", new_session},
};

int main(void) { return RUN("ahci", tests); }
