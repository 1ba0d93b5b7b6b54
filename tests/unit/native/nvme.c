/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The NVMe driver against a fake controller (fake_nvme.h), honest and lying. Time
 * is a number that the tests move on; every request is answered exactly once, and
 * all data on the disk is compared with what was asked for.
 */
#include "native.h"

#include "drivers/nvme/nvme.h"
#include "fake_nvme.h"

#define DATA_PAGES 512U
#define SECOND     1000000000U

static struct nvme nvme;
static uint8_t own[NVME_PAGES][4096] __attribute__((aligned(4096)));
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

static void setup(uint32_t vectors) {
	memset(&nvme, 0, sizeof(nvme));
	memset(&fake, 0, sizeof(fake));
	memset(answers, 0, sizeof(answers));
	memset(own, 0x5a, sizeof(own));
	fake_pages = 0;
	answered = 0;
	nvme.memory.at = own[0];
	nvme.memory.pages = NVME_PAGES;
	for (uint32_t i = 0; i < NVME_PAGES; i++) nvme.memory.address[i] = fake_dma_add(own[i]);
	for (uint32_t i = 0; i < DATA_PAGES; i++) data_address[i] = fake_dma_add(data[i]);
	nvme.host = (struct nvme_host){.read = fake_read, .write = fake_write, .answer = answer};
	nvme.registers = 0x2000;
	nvme.vectors = vectors;
	nvme.timeout = 10ULL * SECOND;
	fake.cap = CAP_CSS_NVM | 4ULL << 24 | 1023;
	fake.max_queues = FAKE_QUEUES - 1;
	fake.mdts = 7;
	fake.oncs = 0xc;
	fake.vwc = 1;
	fake.spaces = 1;
	fake.shift = 9;
	fake.blocks = 7ULL << 30; /* 3.5 TiB */
}

/* Lets controller, interrupts and time go on until nothing is left to do before `until`. */
static void run(uint64_t until) {
	for (uint32_t i = 0; i < 1000000; i++) {
		bool moved = fake_run(1000) > 0;

		while (fake.interrupts) {
			uint32_t vector = (uint32_t)__builtin_ctz(fake.interrupts);

			fake.interrupts &= fake.interrupts - 1;
			while (!nvme_interrupt(&nvme, vector, now)) {
			}
			nvme_kick(&nvme);
			moved = true;
		}
		if (moved) continue;
		if (!nvme.wake || nvme.wake > until) {
			last = now;
			now = MAX(now, until);
			return;
		}
		now = MAX(now, nvme.wake);
		nvme_timer(&nvme, now);
		nvme_kick(&nvme);
	}
	CHECK(!"it comes to rest");
}

static void start(void) {
	nvme_start(&nvme, now);
	run(now + 600ULL * SECOND);
}

static void up(uint32_t vectors) {
	setup(vectors);
	start();
	CHECK(nvme.state == NVME_READY);
}

/* A request of `pages` whole pages from data[page] on. */
static void ask(uint16_t tag, uint8_t op, uint64_t sector, uint32_t page, uint32_t pages) {
	struct blk_segment segments[BLK_MAX_SEGMENTS];
	struct blk_request request = {
		.tag = tag,
		.op = op,
		.segments = (uint16_t)pages,
		.sector = sector,
		.count = pages * 8,
		.queue = (uint8_t)tag,
	};

	for (uint32_t i = 0; i < pages; i++)
		segments[i] = (struct blk_segment){data_address[page + i], 4096, 0};
	nvme_submit(&nvme, &request, segments, now);
}

static void ask_range(uint16_t tag, uint8_t op, uint64_t sector, uint64_t count) {
	struct blk_request request = {.tag = tag, .op = op, .sector = sector, .count = count};
	struct blk_segment none = {0};

	nvme_submit(&nvme, &request, &none, now);
}

static void comes_up(void) {
	uint64_t before = now;

	up(5);
	CHECK(nvme.queue_count == 4 && nvme.namespace_count == 1);
	CHECK(nvme.namespaces[0].disk.sectors == 7ULL << 30 &&
	      nvme.namespaces[0].disk.block == 512);
	CHECK(nvme.namespaces[0].disk.flags == (BLK_DISK_PRESENT | BLK_DISK_FLUSH | BLK_DISK_FUA |
						BLK_DISK_DISCARD | BLK_DISK_WRITE_ZEROES));
	CHECK(!strcmp(nvme.namespaces[0].disk.name, "SERIAL-1"));
	for (uint32_t i = 0; i < 4; i++) CHECK(fake.queue[i + 1].vector == i + 1);
	CHECK(last - before < SECOND / 1000 && fake.accesses < 200 && !nvme.wake);

	up(1);
	CHECK(nvme.queue_count == 1 && fake.queue[1].vector == 0);
	setup(3);
	fake.max_queues = 1;
	fake.spaces = FAKE_SPACES;
	fake.shift = 12;
	fake.protect = 1;
	fake.vwc = fake.oncs = 0;
	start();
	CHECK(nvme.queue_count == 1 && nvme.namespace_count == BLK_MAX_DISKS);
	CHECK(nvme.namespaces[7].disk.flags ==
	      (BLK_DISK_PRESENT | BLK_DISK_FUA | BLK_DISK_READONLY));
	CHECK(nvme.namespaces[7].disk.sectors == 56ULL << 30 && nvme.namespaces[7].id == 8);
	/* A command of its setup gets lost, or an answer that it did not ask for comes first. */
	for (uint32_t lost = 1; lost <= 20; lost++) {
		setup(5);
		fake.spaces = 8;
		fake.lost_admin = lost;
		start();
		CHECK(nvme.state == NVME_READY && nvme.namespace_count == 8);
		CHECK(nvme.total_resets == (lost <= 19));
	}
	setup(5);
	fake.bad_admin = true;
	start();
	CHECK(nvme.state == NVME_READY && nvme.queue_count == 4 && nvme.lies == 12);
	setup(2);
	fake.metadata = 8;
	start();
	CHECK(nvme.state == NVME_READY && nvme.namespace_count == 0);
	setup(2);
	fake.spaces = 0;
	start();
	CHECK(nvme.state == NVME_READY && nvme.namespace_count == 0);
}

/* Whatever state a predecessor left it in. */
static void comes_up_from_any_state(void) {
	setup(2);
	fake.cc = CC_RUN;
	fake.csts = CSTS_READY;
	fake.slow = 20;
	start();
	CHECK(nvme.state == NVME_READY && fake.resets == 1);
	setup(2);
	fake.csts = CSTS_READY | CSTS_FATAL;
	fake.cc = CC_RUN;
	start();
	CHECK(nvme.state == NVME_READY);
}

static void does_not_come_up(void) {
	setup(2);
	fake.absent = true;
	start();
	CHECK(nvme.state == NVME_DEAD && !nvme.running);
	setup(2);
	fake.cc = CC_RUN;
	fake.csts = CSTS_READY;
	fake.never_stops = true;
	start();
	CHECK(nvme.state == NVME_DEAD && nvme.running);
	setup(2);
	fake.never_starts = true;
	start();
	CHECK(nvme.state == NVME_DEAD && !nvme.running && fake.accesses < 100000);
	for (uint32_t opcode = 1; opcode < 10; opcode++) {
		setup(2);
		fake.refuse = opcode + 1;
		start();
		CHECK(nvme.state == (1U << opcode & 0x262 ? NVME_DEAD : NVME_READY));
	}
	setup(2);
	fake.cap &= ~CAP_CSS_NVM;
	start();
	CHECK(nvme.state == NVME_DEAD);
	setup(2);
	fake.cap = CAP_CSS_NVM | 31;
	start();
	CHECK(nvme.state == NVME_DEAD);
	setup(2);
	nvme.registers = 0x1008;
	start();
	CHECK(nvme.state == NVME_DEAD);
}

/* Segments of all kinds, against a copy of what the disk should hold. */
#define SHADOW_BLOCKS 4096U
static uint8_t shadow[SHADOW_BLOCKS * 512U];

static uint32_t random_segments(struct blk_segment *segments, uint32_t page, uint32_t *bytes) {
	uint32_t count = 1 + noise() % 32, n = 0, kind = noise() % 4;

	*bytes = 0;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t from = kind == 0 ? 0 : noise() % 8, to = 8;

		if (kind == 2 || (kind == 3 && i)) from = 0;
		if (kind == 1) to = from + 1 + noise() % (8 - from);
		if (kind == 3 && i + 1 == count) to = 1 + noise() % 8;
		if (to <= from) to = from + 1;
		segments[n] = (struct blk_segment){data_address[page + i] + from * 512,
						   (to - from) * 512, 0};
		*bytes += segments[n++].length;
		if (to < 8 && noise() % 2) {
			/* what adjoins is one entry */
			segments[n] =
				(struct blk_segment){data_address[page + i] + to * 512, 512, 0};
			*bytes += segments[n++].length;
		}
	}
	return n;
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

static void moves_data(void) {
	const uint64_t base = 5ULL << 30; /* beyond 2 TiB */

	up(3);
	for (uint32_t round = 0; round < 3000; round++) {
		struct blk_segment segments[BLK_MAX_SEGMENTS];
		struct blk_request request = {.tag = (uint16_t)(noise() % BLK_TAGS)};
		uint32_t bytes, sector;
		uint32_t count = random_segments(segments, noise() % 256, &bytes);

		if (!(round % 500)) {
			fake.mdts = round / 500;
			nvme.max_bytes = fake.mdts ? 4096U << fake.mdts : NVME_PRPS * 4096U;
		}
		sector = noise() % (SHADOW_BLOCKS - bytes / 512);
		for (uint32_t i = 0; i < count; i++)
			memset(fake_dma(segments[i].address, 1), (int)noise(), segments[i].length);
		request.op = noise() % 2 ? BLK_OP_WRITE : BLK_OP_READ;
		request.segments = (uint16_t)count;
		request.sector = base + sector;
		request.count = bytes / 512;
		request.queue = (uint8_t)noise();
		if (request.op == BLK_OP_WRITE) copy(segments, count, shadow + sector * 512, true);
		answers[request.tag] = 0;
		nvme_submit(&nvme, &request, segments, now);
		nvme_kick(&nvme);
		run(now + 1000);
		CHECK(answers[request.tag] == 1 && status[request.tag] == BLK_STATUS_OK);
		if (request.op == BLK_OP_READ) copy(segments, count, shadow + sector * 512, false);
	}
	CHECK(!nvme.lies && !nvme.retries);
}

static void large_blocks(void) {
	struct blk_segment segments[4];
	struct blk_request request = {.op = BLK_OP_WRITE, .sector = 16, .count = 16, .segments = 3};

	setup(2);
	fake.shift = 12;
	start();
	/* One block over two pages that do not adjoin: the PRPs can say that. */
	segments[0] = (struct blk_segment){data_address[0] + 512, 3584, 0};
	segments[1] = (struct blk_segment){data_address[2], 4096, 0};
	segments[2] = (struct blk_segment){data_address[5], 512, 0};
	memset(data, 7, sizeof(data));
	nvme_submit(&nvme, &request, segments, now);
	nvme_kick(&nvme);
	run(now + 1000);
	CHECK(answers[0] == 1 && status[0] == BLK_STATUS_OK && fake.io_commands == 1);
	CHECK(fake_block(2)[0] == 7 && fake_block(3)[4095] == 7);
	/* And one that they cannot. */
	segments[0] = (struct blk_segment){data_address[0], 512, 0};
	segments[1] = (struct blk_segment){data_address[1], 4096, 0};
	segments[2] = (struct blk_segment){data_address[2], 3584, 0};
	request.tag = 1;
	nvme_submit(&nvme, &request, segments, now);
	run(now + 1000);
	CHECK(answers[1] == 1 && status[1] == BLK_STATUS_RANGE);
	/* But a scatter gather list can. */
	setup(2);
	fake.shift = 12;
	fake.sgls = 1;
	start();
	request.tag = 2;
	nvme_submit(&nvme, &request, segments, now);
	nvme_kick(&nvme);
	run(now + 1000);
	CHECK(answers[2] == 1 && !status[2] && fake.sgl_commands == 1);
	CHECK(fake_block(2)[0] == 7 && fake_block(3)[4095] == 7);
}

/* More than fits the queue; the doorbell is rung once for what was asked together. */
static void batches(void) {
	struct blk_request request = {.op = BLK_OP_READ, .segments = 8, .count = 8};
	struct blk_segment segments[8];

	/* What adjoins is one entry, and so one command. */
	up(2);
	for (uint32_t i = 0; i < 8; i++)
		segments[i] = (struct blk_segment){data_address[0] + i * 512, 512, 0};
	nvme_submit(&nvme, &request, segments, now);
	nvme_kick(&nvme);
	run(now + SECOND / 2);
	CHECK(answered == 1 && fake.io_commands == 1);

	up(2);
	fake.doorbells = 0;
	for (uint16_t tag = 0; tag < BLK_TAGS; tag++) ask(tag, BLK_OP_WRITE, tag * 8, tag, 1);
	CHECK(!fake.doorbells && nvme.queue[0].busy == NVME_SLOTS);
	nvme_kick(&nvme);
	CHECK(fake.doorbells == 1);
	run(now + SECOND / 2);
	CHECK(answered == BLK_TAGS && fake.doorbells == DIV_UP(BLK_TAGS, NVME_SLOTS));
	for (uint32_t tag = 0; tag < BLK_TAGS; tag++) CHECK(answers[tag] == 1 && !status[tag]);
	CHECK(nvme.wake);
	run(now + 2ULL * SECOND);
	CHECK(!nvme.wake);
}

static void other_operations(void) {
	up(2);
	ask_range(0, BLK_OP_FLUSH, 0, 0);
	ask_range(1, BLK_OP_DISCARD, 4096, 1U << 24);
	ask_range(2, BLK_OP_WRITE_ZEROES, 8, 65536 * 3 + 8);
	nvme_kick(&nvme);
	run(now + SECOND / 2);
	CHECK(fake.flushes == 1 && fake.discarded == 1U << 24 && fake.zeroed == 65536 * 3 + 8);
	CHECK(fake.io_commands == 6 && answered == 3);
	{
		struct blk_request request = {.tag = 3,
					      .op = BLK_OP_WRITE,
					      .flags = BLK_F_FUA,
					      .segments = 1,
					      .count = 8};
		struct blk_segment segment = {data_address[0], 4096, 0};

		nvme_submit(&nvme, &request, &segment, now);
	}
	nvme_kick(&nvme);
	run(now + SECOND / 2);
	CHECK(fake.fua == 1 && answers[3] == 1 && !status[3]);
}

static void fail_one(uint32_t error, uint32_t times, uint32_t expected) {
	answers[9] = 0;
	fake.error = error;
	fake.errors = times;
	ask(9, BLK_OP_READ, 0, 0, 4);
	nvme_kick(&nvme);
	run(now + SECOND / 2);
	CHECK(answers[9] == 1 && status[9] == expected);
	fake.errors = 0;
}

static void errors(void) {
	up(2);
	fail_one(0x281, 1, BLK_STATUS_OK);
	CHECK(nvme.retries == 1);
	fail_one(0x281, 2, BLK_STATUS_IO);
	fail_one(0x281 | STATUS_DO_NOT_RETRY, 1, BLK_STATUS_IO);
	CHECK(nvme.retries == 2);
	fail_one(STATUS_LBA_RANGE | STATUS_DO_NOT_RETRY, 1, BLK_STATUS_RANGE);
	fail_one(STATUS_WRITE_PROTECTED | STATUS_DO_NOT_RETRY, 1, BLK_STATUS_READONLY);
	fail_one(STATUS_INVALID_OPCODE | STATUS_DO_NOT_RETRY, 1, BLK_STATUS_UNSUPPORTED);
	fail_one(STATUS_INVALID_NAMESPACE | STATUS_DO_NOT_RETRY, 1, BLK_STATUS_GONE);
	/* One of several commands of a request: all are waited for, none is answered twice. */
	nvme.max_bytes = 4096;
	fake.mdts = 0;
	fail_one(0x281, 1, BLK_STATUS_OK);
	fail_one(0x281, 5, BLK_STATUS_IO);
	CHECK(nvme_idle(&nvme) && !nvme.total_resets);
}

static void wrong_identifiers(void) {
	for (uint32_t lie = 1; lie <= 4; lie++) {
		up(2);
		ask(1, BLK_OP_READ, 0, 0, 1);
		nvme_kick(&nvme);
		fake.bad_id = lie;
		fake_run(1);
		fake.bad_id = 0;
		run(now + SECOND / 2);
		CHECK(nvme.lies == 1 && answers[1] == (lie == 3));
		/* The real one never comes: a reset, and it is done again. */
		run(now + 60ULL * SECOND);
		CHECK(answers[1] == 1 && !status[1] && nvme.total_resets == (lie != 3));
	}
}

static void hangs(void) {
	up(2);
	fake.stuck = true;
	ask(1, BLK_OP_WRITE, 8, 0, 1);
	nvme_kick(&nvme);
	run(now + 5ULL * SECOND);
	/* Younger than the one that is overdue: the reset is not its fault. */
	ask(2, BLK_OP_WRITE, 16, 1, 1);
	nvme_kick(&nvme);
	run(now + 7ULL * SECOND);
	CHECK(answers[1] == 1 && answers[2] == 1 && !status[1] && !status[2]);
	CHECK(nvme.timeouts == 1 && nvme.total_resets == 1);

	up(2);
	fake.stuck = true;
	fake.stuck_resets = 1000;
	ask(1, BLK_OP_WRITE, 8, 0, 1);
	nvme_kick(&nvme);
	run(now + 25ULL * SECOND);
	CHECK(answers[1] == 1 && status[1] == BLK_STATUS_TIMEOUT && nvme.total_resets == 2);
	for (uint16_t tag = 2; tag < 10; tag++) {
		ask(tag, BLK_OP_READ, 8, 0, 1);
		nvme_kick(&nvme);
		run(now + 60ULL * SECOND);
		CHECK(answers[tag] == 1 && status[tag]);
	}
	CHECK(nvme.state == NVME_DEAD && status[9] == BLK_STATUS_GONE && !nvme.wake);
}

static void fails(void) {
	up(2);
	fake.stuck = true;
	ask(1, BLK_OP_WRITE, 8, 0, 1);
	nvme_kick(&nvme);
	fake.csts |= CSTS_FATAL;
	run(now + 3ULL * SECOND);
	CHECK(answers[1] == 1 && !status[1] && nvme.total_resets == 1 && !nvme.timeouts);

	/* It cannot be stopped: nobody is told that its pages are free. */
	up(2);
	fake.stuck = fake.never_stops = true;
	ask(1, BLK_OP_WRITE, 8, 0, 1);
	nvme_kick(&nvme);
	run(now + 60ULL * SECOND);
	CHECK(nvme.state == NVME_DEAD && nvme.running && !answered);

	up(2);
	fake.stuck = true;
	ask(1, BLK_OP_WRITE, 8, 0, 1);
	nvme_kick(&nvme);
	fake.absent = true;
	run(now + 3ULL * SECOND);
	CHECK(nvme.state == NVME_DEAD && answers[1] == 1 && status[1] == BLK_STATUS_GONE);
	ask(2, BLK_OP_WRITE, 8, 0, 1);
	CHECK(answers[2] == 1 && status[2] == BLK_STATUS_GONE);
}

static void changes_its_disk(void) {
	up(2);
	fake.blocks--;
	nvme_reset(&nvme, "test", now);
	ask(1, BLK_OP_READ, 8, 0, 1);
	run(now + 3ULL * SECOND);
	CHECK(nvme.state == NVME_READY && answers[1] == 1 && status[1] == BLK_STATUS_GONE);
	fake.blocks++;
	nvme_reset(&nvme, "test", now);
	ask(2, BLK_OP_READ, 8, 0, 1);
	run(now + 3ULL * SECOND);
	CHECK(answers[2] == 1 && !status[2]);
}

static void loses_interrupts(void) {
	up(2);
	fake.silent = true;
	ask(1, BLK_OP_READ, 8, 0, 1);
	nvme_kick(&nvme);
	run(now + 2ULL * SECOND);
	CHECK(answers[1] == 1 && !status[1] && !nvme.total_resets);
	/* Even while it comes up. */
	setup(2);
	fake.silent = true;
	start();
	CHECK(nvme.state == NVME_READY);
}

static void new_session(void) {
	up(2);
	CHECK(nvme_idle(&nvme));
	for (uint16_t tag = 0; tag < 100; tag++) ask(tag, BLK_OP_READ, 8, 0, 1);
	nvme_kick(&nvme);
	nvme_drop(&nvme);
	CHECK(!nvme_idle(&nvme));
	run(now + SECOND / 2);
	CHECK(nvme_idle(&nvme) && !answered && !nvme.lies);
	fake.stuck = true;
	for (uint16_t tag = 0; tag < 100; tag++) ask(tag, BLK_OP_READ, 8, 0, 1);
	nvme_kick(&nvme);
	nvme_drop(&nvme);
	nvme_reset(&nvme, "test", now);
	run(now + SECOND / 2);
	CHECK(nvme_idle(&nvme) && !answered && nvme.state == NVME_READY);
	ask(5, BLK_OP_READ, 8, 0, 1);
	nvme_kick(&nvme);
	run(now + SECOND / 2);
	CHECK(answers[5] == 1 && answered == 1 && !status[5]);
}

static const struct test tests[] = {
	{"it comes up with its queues and namespaces", comes_up},
	{"it comes up from any state", comes_up_from_any_state},
	{"a controller that does not come up is given up", does_not_come_up},
	{"data arrives where it should", moves_data},
	{"blocks of 4096 bytes", large_blocks},
	{"one doorbell for a batch", batches},
	{"flush, discard, zeroes, durable writes", other_operations},
	{"errors are retried once", errors},
	{"wrong identifiers", wrong_identifiers},
	{"commands that never end", hangs},
	{"a controller that fails, cannot be stopped, goes away", fails},
	{"another disk after a reset", changes_its_disk},
	{"lost interrupts", loses_interrupts},
	{"a new session", new_session},
};

int main(void) { return RUN("nvme", tests); }
