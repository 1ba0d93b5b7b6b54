/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The driver's end of a disk connection against a server that this file plays:
 * one that keeps to the protocol, and one that lies in every field.
 */
#include "blk_events.h"
#include "native.h"

#include "libs/blk/driver.h"

#define ALL_FLAGS (BLK_DISK_FLUSH | BLK_DISK_FUA | BLK_DISK_DISCARD | BLK_DISK_WRITE_ZEROES)

static struct blk_driver driver;
static uint32_t produced; /* request words, by the server */
static uint32_t room, kicks, submits, quiesces;
static bool quiet;
static struct blk_request last;
static struct blk_segment last_segments[BLK_MAX_SEGMENTS];

static bool device_submit(void *device, const struct blk_request *request,
			  const struct blk_segment *segments) {
	CHECK(device == &driver);
	if (!room) return false;
	room--;
	submits++;
	last = *request;
	memcpy(last_segments, segments, request->segments * sizeof(*segments));
	return true;
}

static void device_kick(void *device) {
	CHECK(device == &driver);
	kicks++;
}

static bool device_quiesce(void *device) {
	CHECK(device == &driver);
	quiesces++;
	return quiet;
}

static uint16_t unsaid; /* a tag that the device has done without saying so */

static bool device_look(void *device) {
	bool more = unsaid == 2;

	CHECK(device == &driver);
	if (unsaid) CHECK(blk_driver_complete(&driver, unsaid, BLK_STATUS_OK, 0));
	unsaid = more ? 1 : 0;
	blk_driver_work(&driver);
	return !more;
}

static const struct blk_driver_ops ops = {device_submit, device_kick, device_quiesce, device_look};

static const struct blk_disk good_disk = {
	.sectors = 1000,
	.block = 512,
	.physical_block = 512,
	.flags = ALL_FLAGS,
	.max_segments = 16,
	.max_sectors = 100,
	.max_discard = 500,
};

/* Disk 0 can do all; 1 nothing but read and write; 2 is read-only with 4 KiB blocks. */
static void bring_up(void) {
	struct blk_disk disk = good_disk;

	memset(blk_pages, 0, sizeof(blk_pages));
	memset(blk_pending, 0, sizeof(blk_pending));
	produced = kicks = submits = quiesces = 0;
	room = UINT32_MAX;
	quiet = true;
	blk_page()->version = BLK_VERSION;
	blk_driver_start(&driver, blk_pages, DRIVER_PORT, 1, &ops, &driver);
	CHECK(blk_driver_disk(&driver, 0, &disk));
	disk.flags = 0;
	CHECK(blk_driver_disk(&driver, 1, &disk));
	disk.flags = BLK_DISK_READONLY | ALL_FLAGS;
	disk.block = 4096;
	CHECK(blk_driver_disk(&driver, 2, &disk));
	blk_driver_online(&driver, 0);
	CHECK(blk_page()->driver == 1 && blk_page()->disk_count == 3);
	CHECK(blk_page()->disk[0].flags == (ALL_FLAGS | BLK_DISK_PRESENT));
}

static void ask(uint32_t n) {
	blk_page()->wanted = 1U << 16 | n;
	blk_driver_work(&driver);
	produced = 0;
}

static void begin(void) {
	bring_up();
	ask(1);
	CHECK(blk_page()->session == (1U << 16 | 1) && quiesces == 1);
}

/* Writes a request into the ring; the segments are of one sector but the last. */
static void put(struct blk_request request, uint32_t bytes) {
	uint32_t n = request.segments;

	memcpy(blk_word(produced), &request, 16);
	memcpy(blk_word(produced + 1), (uint8_t *)&request + 16, 16);
	produced += 2;
	for (uint32_t i = 0; i < n; i++) {
		struct blk_segment segment = {.address = 0x10000UL + i * 4096UL,
					      .length = i + 1 < n ? 512 : bytes - 512 * (n - 1)};

		memcpy(blk_word(produced++), &segment, 16);
	}
}

static void publish(void) {
	__atomic_store_n(&blk_page()->request.prod, produced, __ATOMIC_RELEASE);
	blk_driver_work(&driver);
}

static struct blk_request transfer(uint16_t tag, uint8_t op, uint64_t sector, uint64_t count,
				   uint16_t segments) {
	return (struct blk_request){
		.tag = tag, .op = op, .sector = sector, .count = count, .segments = segments};
}

static uint32_t answered; /* completions that the test has seen */

/* The only new completion is this. */
static void expect(uint16_t tag, uint32_t status) {
	const struct blk_completion *completion = &blk_completions()[answered % BLK_COMPLETIONS];

	CHECK(blk_page()->completion.prod == answered + 1);
	CHECK(completion->tag == tag && completion->status == status);
	answered++;
}

static void test_request(void) {
	begin();
	answered = 0;
	put(transfer(7, BLK_OP_WRITE, 10, 9, 2), 9 * 512);
	put(transfer(8, BLK_OP_READ, 999, 1, 1), 512);
	publish();
	CHECK(submits == 2 && kicks == 1 && last.tag == 8 && last.sector == 999);
	CHECK(last_segments[0].address == 0x10000 && last_segments[0].length == 512);
	CHECK(blk_page()->request.cons == produced && blk_page()->completion.prod == 0);
	CHECK(blk_page()->request.prod_event == produced + 1); /* asleep: told of the next */
	CHECK(blk_driver_complete(&driver, 8, BLK_STATUS_OK, 0));
	CHECK(blk_driver_complete(&driver, 7, BLK_STATUS_IO, 99));
	CHECK(!blk_driver_complete(&driver, 7, BLK_STATUS_OK, 0));
	CHECK(!blk_driver_complete(&driver, 300, BLK_STATUS_OK, 0));
	CHECK(driver.stray == 2);
	CHECK(blk_page()->completion.prod == 0); /* not before the batch ends */
	blk_sent[DRIVER_PORT] = 0;
	blk_driver_work(&driver);
	CHECK(blk_page()->completion.prod == 2 && blk_sent[DRIVER_PORT] == 1);
	CHECK(blk_completions()[0].tag == 8 && blk_completions()[1].device_status == 99);
}

struct malformed {
	const char *what;
	struct blk_request request;
	uint32_t bytes;
	uint32_t status;
};

static const struct malformed malformed[] = {
	{"beyond the end", {.sector = 1000, .count = 1, .segments = 1}, 512, BLK_STATUS_RANGE},
	{"over the end", {.sector = 999, .count = 2, .segments = 1}, 1024, BLK_STATUS_RANGE},
	{"wraps", {.sector = -1ULL, .count = 2, .segments = 1}, 1024, BLK_STATUS_RANGE},
	{"count wraps in bytes", {.count = 1ULL << 55, .segments = 1}, 512, BLK_STATUS_RANGE},
	{"no sectors", {.count = 0, .segments = 1}, 512, BLK_STATUS_RANGE},
	{"no segments", {.count = 1, .segments = 0}, 0, BLK_STATUS_RANGE},
	{"too many segments", {.count = 17, .segments = 17}, 17 * 512, BLK_STATUS_RANGE},
	{"more than any disk", {.count = 400, .segments = 400}, 400 * 512, BLK_STATUS_RANGE},
	{"too many sectors", {.count = 101, .segments = 16}, 101 * 512, BLK_STATUS_RANGE},
	{"sum too small", {.count = 2, .segments = 1}, 512, BLK_STATUS_RANGE},
	{"sum too large", {.count = 1, .segments = 1}, 1024, BLK_STATUS_RANGE},
	{"half a sector", {.count = 1, .segments = 1}, 256, BLK_STATUS_RANGE},
	{"empty segment", {.count = 1, .segments = 2}, 512, BLK_STATUS_RANGE},
	{"over a page", {.count = 9, .segments = 1}, 9 * 512, BLK_STATUS_RANGE},
	{"negative", {.count = 1, .segments = 2}, 0, BLK_STATUS_RANGE},
	{"padding", {.count = 1, .segments = 1, .pad = 1}, 512, BLK_STATUS_RANGE},
	{"flag", {.count = 1, .segments = 1, .flags = 2}, 512, BLK_STATUS_RANGE},
	{"read with FUA", {.count = 1, .segments = 1, .flags = 1}, 512, BLK_STATUS_UNSUPPORTED},
	{"no such op", {.op = 5, .count = 1, .segments = 1}, 512, BLK_STATUS_UNSUPPORTED},
	{"no such disk", {.disk = 3, .count = 1, .segments = 1}, 512, BLK_STATUS_GONE},
	{"disk 8", {.disk = 8, .count = 1, .segments = 1}, 512, BLK_STATUS_GONE},
	{"disk 255", {.disk = 255, .count = 1, .segments = 1}, 512, BLK_STATUS_GONE},
	{"no FUA there",
	 {.op = BLK_OP_WRITE, .disk = 1, .count = 1, .segments = 1, .flags = 1},
	 512,
	 BLK_STATUS_UNSUPPORTED},
	{"no discard there",
	 {.op = BLK_OP_DISCARD, .disk = 1, .count = 1},
	 0,
	 BLK_STATUS_UNSUPPORTED},
	{"no zeroes there",
	 {.op = BLK_OP_WRITE_ZEROES, .disk = 1, .count = 1},
	 0,
	 BLK_STATUS_UNSUPPORTED},
	{"read-only",
	 {.op = BLK_OP_WRITE, .disk = 2, .count = 8, .segments = 1},
	 4096,
	 BLK_STATUS_READONLY},
	{"half a block", {.disk = 2, .count = 4, .segments = 1}, 2048, BLK_STATUS_RANGE},
	{"between blocks",
	 {.disk = 2, .sector = 4, .count = 8, .segments = 1},
	 4096,
	 BLK_STATUS_RANGE},
	{"flush with data", {.op = BLK_OP_FLUSH, .segments = 1}, 512, BLK_STATUS_RANGE},
	{"flush of a range", {.op = BLK_OP_FLUSH, .count = 1}, 0, BLK_STATUS_RANGE},
	{"discard with data",
	 {.op = BLK_OP_DISCARD, .count = 1, .segments = 1},
	 512,
	 BLK_STATUS_RANGE},
	{"discard too much", {.op = BLK_OP_DISCARD, .count = 501}, 0, BLK_STATUS_RANGE},
	{"discard of nothing", {.op = BLK_OP_DISCARD}, 0, BLK_STATUS_RANGE},
	{"discard beyond", {.op = BLK_OP_DISCARD, .sector = 990, .count = 11}, 0, BLK_STATUS_RANGE},
};

static void test_malformed(void) {
	begin();
	answered = 0;
	for (uint32_t i = 0; i < ARRAY_SIZE(malformed); i++) {
		struct blk_request request = malformed[i].request;
		uint32_t before = submits;

		request.tag = (uint16_t)i;
		put(request, malformed[i].bytes);
		publish();
		if (submits != before || driver.refused != i + 1)
			printf("# %s\n", malformed[i].what);
		CHECK(submits == before && driver.refused == i + 1);
		expect((uint16_t)i, malformed[i].status);
	}
	/* After all of it the connection works. */
	put(transfer(1, BLK_OP_READ, 0, 1, 1), 512);
	publish();
	CHECK(submits == 1 && driver.state == BLK_DRIVER_UP && !driver.broken);
}

/* Segments that no device may see, beside one that makes the sum of the bytes right. */
static const struct blk_segment bad_segments[] = {
	{.address = 0x10100, .length = 512},        /* between two sectors */
	{.address = 0x10000, .length = 0},          /* empty */
	{.address = 0x10200, .length = 0},          /* empty, within a page */
	{.address = 0x10200, .length = 4096},       /* out of its page */
	{.address = 0x10000, .length = 4608},       /* more than a page */
	{.address = 0x10e00, .length = 0xfffff200}, /* wraps */
};

static void test_bad_segments(void) {
	for (uint32_t i = 0; i < ARRAY_SIZE(bad_segments); i++) {
		begin();
		answered = 0;
		put(transfer(1, BLK_OP_READ, 0, (bad_segments[i].length + 512U) / 512, 2), 1024);
		memcpy(blk_word(2), &bad_segments[i], 16);
		publish();
		expect(1, BLK_STATUS_RANGE);
		CHECK(!submits);
	}
}

static void test_without_data(void) {
	begin();
	answered = 0;
	put(transfer(1, BLK_OP_FLUSH, 0, 0, 0), 0);
	put(transfer(2, BLK_OP_DISCARD, 500, 500, 0), 0);
	put(transfer(3, BLK_OP_WRITE_ZEROES, 0, 8, 0), 0);
	publish();
	CHECK(submits == 3 && !driver.refused && blk_page()->completion.prod == 0);
	/* A disk without a cache has nothing to flush. */
	put((struct blk_request){.tag = 4, .op = BLK_OP_FLUSH, .disk = 1}, 0);
	publish();
	CHECK(submits == 3);
	expect(4, BLK_STATUS_OK);
}

static void test_tags(void) {
	begin();
	answered = 0;
	put(transfer(256, BLK_OP_READ, 0, 1, 1), 512);
	put(transfer(65535, BLK_OP_READ, 0, 1, 1), 512);
	put(transfer(255, BLK_OP_READ, 0, 1, 1), 512);
	put(transfer(255, BLK_OP_READ, 1, 1, 1), 512);
	publish();
	CHECK(submits == 1 && driver.dropped == 3 && last.sector == 0);
	CHECK(blk_page()->completion.prod == 0 && driver.state == BLK_DRIVER_UP);
	CHECK(blk_driver_complete(&driver, 255, 0, 0));
	put(transfer(255, BLK_OP_READ, 2, 1, 1), 512);
	publish();
	CHECK(submits == 2 && last.sector == 2);
}

/* Indices that cannot be end the session; the next one is as new. */
static void check_broken(uint32_t prod) {
	blk_page()->request.prod = prod;
	blk_driver_work(&driver);
	CHECK(driver.broken == 1 && driver.state == BLK_DRIVER_IDLE);
	CHECK(blk_page()->session == 0 && !submits);
	/* The same session does not come back, and nothing happens without one. */
	blk_driver_work(&driver);
	CHECK(driver.state == BLK_DRIVER_IDLE && !submits);
	ask(2);
	CHECK(blk_page()->session == (1U << 16 | 2) && blk_page()->request.prod == 0);
	put(transfer(3, BLK_OP_READ, 0, 1, 1), 512);
	publish();
	CHECK(submits == 1);
}

static void test_indices(void) {
	begin();
	check_broken(BLK_WORDS + 1);
	begin();
	check_broken(-1U);
	begin(); /* half a request */
	check_broken(1);
	begin(); /* segments that are not published */
	put(transfer(1, BLK_OP_READ, 0, 3, 3), 3 * 512);
	check_broken(4);
}

static void test_full_device(void) {
	begin();
	room = 1;
	for (uint16_t i = 0; i < 3; i++) put(transfer(i, BLK_OP_READ, i, 1, 1), 512);
	publish();
	CHECK(submits == 1 && driver.stalled && kicks == 1);
	blk_driver_work(&driver);
	CHECK(submits == 1 && kicks == 1);
	/* What the server writes into the ring meanwhile changes nothing. */
	memset(blk_word(3), 0xff, 3 * 16);
	room = 1;
	CHECK(blk_driver_complete(&driver, 0, 0, 0));
	blk_driver_work(&driver);
	CHECK(submits == 2 && last.tag == 1 && last.sector == 1 && driver.stalled);
	CHECK(blk_page()->completion.prod == 1);
	room = 1;
	blk_driver_work(&driver);
	CHECK(submits == 3 && last.tag == 2 && !driver.stalled);
}

static void test_budget(void) {
	begin();
	for (uint16_t i = 0; i < 100; i++) put(transfer(i, BLK_OP_READ, i, 1, 1), 512);
	blk_pending[DRIVER_PORT] = false;
	publish();
	CHECK(submits == BLK_DRIVER_BUDGET && blk_pending[DRIVER_PORT]);
	blk_pending[DRIVER_PORT] = false;
	blk_driver_work(&driver);
	CHECK(submits == 100 && !blk_pending[DRIVER_PORT] && kicks == 2);
}

static void test_sessions(void) {
	bring_up();
	/* Of another incarnation, without a number, of another version. */
	blk_page()->wanted = 2U << 16 | 1;
	blk_driver_work(&driver);
	blk_page()->wanted = 1U << 16;
	blk_driver_work(&driver);
	blk_page()->version = BLK_VERSION + 1;
	ask(1);
	CHECK(!quiesces && blk_page()->session == 0);
	blk_page()->version = BLK_VERSION;

	/* Old requests are of no interest while the device becomes quiet. */
	ask(2);
	put(transfer(9, BLK_OP_READ, 0, 1, 1), 512);
	publish();
	CHECK(submits == 1);
	quiet = false;
	ask(3);
	CHECK(driver.state == BLK_DRIVER_QUIESCING && blk_page()->session == (1U << 16 | 2));
	CHECK(!blk_driver_complete(&driver, 9, 0, 0) && !blk_driver_waits(&driver, 9));
	blk_driver_work(&driver);
	CHECK(quiesces == 2);
	/* The server dies and its successor asks for another one meanwhile. */
	blk_page()->wanted = 1U << 16 | 4;
	blk_driver_quiesced(&driver);
	CHECK(blk_page()->session == (1U << 16 | 4) && driver.state == BLK_DRIVER_UP);
	blk_driver_quiesced(&driver);
	CHECK(driver.sessions == 2);
	CHECK(blk_page()->completion.prod == 0 && blk_page()->request.cons == 0);
}

static void test_disks(void) {
	struct blk_disk disk = good_disk;

	bring_up();
	CHECK(!blk_driver_disk(&driver, BLK_MAX_DISKS, &disk));
	disk.block = 1024;
	CHECK(!blk_driver_disk(&driver, 0, &disk));
	disk = good_disk;
	disk.sectors = 0;
	CHECK(!blk_driver_disk(&driver, 0, &disk));
	disk.sectors = UINT64_MAX;
	CHECK(!blk_driver_disk(&driver, 0, &disk));
	disk.sectors = 1001;
	disk.block = 4096;
	CHECK(!blk_driver_disk(&driver, 0, &disk));
	disk = good_disk;
	disk.max_segments = BLK_MAX_SEGMENTS + 1;
	CHECK(!blk_driver_disk(&driver, 0, &disk));
	disk.max_segments = 0;
	CHECK(!blk_driver_disk(&driver, 0, &disk));
	disk = good_disk;
	disk.max_sectors = 0;
	CHECK(!blk_driver_disk(&driver, 0, &disk));
}

/* The indices of both rings go round several times. */
static void test_wrap(void) {
	begin();
	for (uint32_t i = 0; i < 3000; i++) {
		uint16_t n = (uint16_t)(1 + i % 16);

		put(transfer((uint16_t)(i % BLK_TAGS), BLK_OP_WRITE, i % 900, n, n), n * 512U);
		publish();
		CHECK(submits == i + 1 && last.sector == i % 900 && last.segments == n);
		CHECK(last_segments[n - 1].address == 0x10000 + (n - 1) * 4096UL);
		CHECK(blk_driver_complete(&driver, (uint16_t)(i % BLK_TAGS), 0, i));
		blk_driver_work(&driver);
		CHECK(blk_page()->completion.prod == i + 1);
		CHECK(blk_completions()[i % BLK_COMPLETIONS].device_status == i);
	}
}

static void fire(void) {
	blk_time = driver.gather_timer.deadline;
	driver.gather_timer.deadline = 0;
	driver.gather_timer.handler(driver.gather_timer.context);
}

/* Answers `count` requests from `tag` on, each in a batch of its own; what the server has seen. */
static uint32_t answer_some(uint16_t tag, uint32_t count) {
	for (uint32_t i = 0; i < count; i++) {
		CHECK(blk_driver_complete(&driver, (uint16_t)(tag + i), BLK_STATUS_OK, 0));
		blk_driver_work(&driver);
	}
	return blk_page()->completion.prod;
}

/* With many under way answers wait for others; the last of them do not. */
static void test_gathering(void) {
	begin();
	blk_driver_gather(&driver, 1000);
	for (uint16_t tag = 0; tag < 32; tag++) put(transfer(tag, BLK_OP_READ, tag, 1, 1), 512);
	publish();
	CHECK(blk_driver_wants(&driver) == 8 && driver.gather_timer.deadline == blk_time + 1000);
	blk_sent[DRIVER_PORT] = 0;
	CHECK(answer_some(0, 5) == 0 && blk_sent[DRIVER_PORT] == 0);
	CHECK(blk_driver_wants(&driver) == 1); /* 5 answers, 27 are under way */
	CHECK(answer_some(5, 1) == 6 && blk_sent[DRIVER_PORT] == 1);
	CHECK(blk_driver_wants(&driver) == 6);
	CHECK(answer_some(6, 19) == 25);
	/* 7 under way are no two shares: each at once. */
	for (uint16_t tag = 25; tag < 32; tag++) {
		CHECK(blk_driver_wants(&driver) == 1);
		CHECK(answer_some(tag, 1) == tag + 1U);
	}
}

static void test_gathered_long_enough(void) {
	begin();
	blk_driver_gather(&driver, 1000);
	for (uint16_t tag = 0; tag < 32; tag++) put(transfer(tag, BLK_OP_READ, tag, 1, 1), 512);
	publish();
	CHECK(answer_some(0, 1) == 0);
	unsaid = 2; /* the device does not speak, having been told to wait for more */
	fire();
	CHECK(unsaid == 1 && blk_page()->completion.prod == 2);
	CHECK(driver.gather_timer.deadline == blk_time); /* it has not said all */
	fire();
	CHECK(!unsaid && blk_page()->completion.prod == 3);
	/* The next ones have their own time. */
	CHECK(driver.gather_timer.deadline == blk_time + 1000);
	CHECK(answer_some(3, 1) == 3);
	fire();
	CHECK(blk_page()->completion.prod == 4);
	/* A new session knows nothing of what was gathered. */
	CHECK(answer_some(4, 1) == 4);
	ask(2);
	CHECK(driver.under_way == 0 && blk_page()->completion.prod == 0);
	fire();
	CHECK(blk_page()->completion.prod == 0 && !driver.gather_timer.deadline);
}

/* A device that speaks for each answer: nobody is woken for what nobody holds. */
static void test_nothing_held(void) {
	static const struct blk_driver_ops plain = {device_submit, device_kick, device_quiesce,
						    NULL};

	begin();
	driver.ops = &plain;
	blk_driver_gather(&driver, 1000);
	for (uint16_t tag = 0; tag < 32; tag++) put(transfer(tag, BLK_OP_READ, tag, 1, 1), 512);
	publish();
	CHECK(!driver.gather_timer.deadline);
	CHECK(answer_some(0, 1) == 0 && driver.gather_timer.deadline == blk_time + 1000);
	fire();
	CHECK(blk_page()->completion.prod == 1 && !driver.gather_timer.deadline);
	CHECK(answer_some(1, 1) == 1 && driver.gather_timer.deadline == blk_time + 1000);
}

static const struct test tests[] = {
	{"a request and its completion", test_request},
	{"what is malformed is answered", test_malformed},
	{"bad segments", test_bad_segments},
	{"flush, discard, zeroes", test_without_data},
	{"tags that are none", test_tags},
	{"impossible indices", test_indices},
	{"a device without room", test_full_device},
	{"bounded work", test_budget},
	{"answers that wait for others", test_gathering},
	{"for so long and no longer", test_gathered_long_enough},
	{"nothing held, no timer", test_nothing_held},
	{"sessions", test_sessions},
	{"disks that make no sense", test_disks},
	{"indices go round", test_wrap},
};

int main(void) { return RUN("blk_driver", tests); }
