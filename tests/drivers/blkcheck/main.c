/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A disk driver under test: blkcheck is the server of its connection and says of
 * each check PASS or FAIL in the log, and at the end how many of each. It writes
 * to the disk.
 *
 * Every sector that it writes says which one it is and in which round it was
 * written, so a misplaced, torn or stale one is found. A check that wants a larger
 * disk is left out.
 *
 * Arguments: restart=A,B,..  under load these domains are killed in turn, three kills
 *                            (needs a control connection)
 *            bench=N         N requests of 4 KiB at depths 1 and 32, timed
 */
#include "io.h"

#include "libs/control/control.h"
#include "libs/event/event.h"
#include "libs/log/log.h"
#include "libs/manage/text.h"
#include "libs/rt/time.h"

#define SECONDS(n)  MILLISECONDS((n)*1000ULL)
#define PAGE_COUNT  8U /* sectors of a page */
#define DEEP        256U
#define REGION      2048U /* pages of the disk that deep queues work in */
#define DEEP_ROUNDS 3000U

typedef const char *(*check)(void);

static struct blk_disk disk; /* as it was at first: a new session forgets it */
static uint64_t round_number = 1;

static uint32_t noise(void) {
	static uint64_t state = 88172645463325252ULL;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 16);
}

/* --- sectors that say what they are --- */

static void stamp(void *at, uint64_t sector, uint64_t round) {
	uint64_t *words = at;

	for (unsigned i = 0; i < BLK_SECTOR / 8; i += 2) {
		words[i] = sector * 64 + i;
		words[i + 1] = round ^ sector << 32;
	}
}

static bool is_stamped(const void *at, uint64_t sector, uint64_t round) {
	const uint64_t *words = at;

	for (unsigned i = 0; i < BLK_SECTOR / 8; i += 2)
		if (words[i] != sector * 64 + i || words[i + 1] != (round ^ sector << 32))
			return false;
	return true;
}

static void stamp_page(uint32_t page, uint64_t sector, uint64_t round) {
	for (unsigned i = 0; i < PAGE_COUNT; i++)
		stamp(io_page(page) + i * BLK_SECTOR, sector + i, round);
}

static bool page_is_stamped(uint32_t page, uint64_t sector, uint64_t round) {
	for (unsigned i = 0; i < PAGE_COUNT; i++)
		if (!is_stamped(io_page(page) + i * BLK_SECTOR, sector + i, round)) return false;
	return true;
}

static bool is_readonly(void) { return disk.flags & BLK_DISK_READONLY; }

/* --- the checks --- */

static const char *one_block(void) {
	struct blk_segment segment = io_segment(0, PAGE_SIZE - disk.block, disk.block);
	uint8_t *at = io_page(0) + PAGE_SIZE - disk.block;
	uint32_t sectors = disk.block / BLK_SECTOR;

	for (uint32_t i = 0; i < sectors; i++) stamp(at + i * BLK_SECTOR, sectors + i, 1);
	if (io_do(BLK_OP_WRITE, sectors, sectors, &segment, 1)) return "write";
	memset(io_page(0), 0, PAGE_SIZE);
	if (io_do(BLK_OP_READ, sectors, sectors, &segment, 1)) return "read";
	for (uint32_t i = 0; i < sectors; i++)
		if (!is_stamped(at + i * BLK_SECTOR, sectors + i, 1)) return "content";
	return io_page(0)[0] || io_page(0)[PAGE_SIZE / 2 - 1] ? "it wrote beside the segment"
							      : NULL;
}

static const char *most_segments(void) {
	struct blk_segment segments[IO_SEGMENTS];
	uint32_t count = MIN(MIN(disk.max_segments, IO_SEGMENTS),
			     MIN(disk.max_sectors, disk.sectors) / PAGE_COUNT);

	round_number++;
	for (uint32_t i = 0; i < count; i++) {
		/* pages in an order of their own: a driver that takes them for adjacent fails */
		uint32_t page = i * 7 % IO_SEGMENTS;

		stamp_page(page, i * PAGE_COUNT, round_number);
		segments[i] = io_segment(page, 0, PAGE_SIZE);
	}
	if (io_do(BLK_OP_WRITE, 0, count * PAGE_COUNT, segments, count)) return "write";
	for (uint32_t i = 0; i < IO_SEGMENTS; i++) memset(io_page(i), 0, PAGE_SIZE);
	if (io_do(BLK_OP_READ, 0, count * PAGE_COUNT, segments, count)) return "read";
	for (uint32_t i = 0; i < count; i++)
		if (!page_is_stamped(i * 7 % IO_SEGMENTS, i * PAGE_COUNT, round_number))
			return "content";
	return NULL;
}

/* Segments of one sector at odd places, in one block-aligned request. */
static const char *odd_segments(void) {
	struct blk_segment segments[PAGE_COUNT];
	uint32_t count = (uint32_t)MIN(PAGE_COUNT, disk.sectors);
	uint64_t sector = disk.sectors >= 72 ? 64 : 0;

	if (disk.max_segments < count) return NULL;
	round_number++;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t offset = (PAGE_COUNT - 1 - i) * BLK_SECTOR;

		stamp(io_page(i) + offset, sector + i, round_number);
		segments[i] = io_segment(i, offset, BLK_SECTOR);
	}
	if (io_do(BLK_OP_WRITE, sector, count, segments, count)) return "write";
	segments[0] = io_segment(20, 0, count * BLK_SECTOR);
	if (io_do(BLK_OP_READ, sector, count, segments, 1)) return "read";
	for (uint32_t i = 0; i < count; i++)
		if (!is_stamped(io_page(20) + i * BLK_SECTOR, sector + i, round_number))
			return "content";
	return NULL;
}

static const char *last_page(void) {
	uint64_t sector = disk.sectors - PAGE_COUNT;
	struct blk_segment segment = io_segment(1, 0, PAGE_SIZE);

	stamp_page(1, sector, 7);
	if (io_do(BLK_OP_WRITE, sector, PAGE_COUNT, &segment, 1)) return "write";
	memset(io_page(1), 0, PAGE_SIZE);
	if (io_do(BLK_OP_READ, sector, PAGE_COUNT, &segment, 1)) return "read";
	return page_is_stamped(1, sector, 7) ? NULL : "content";
}

static const char *out_of_range(void) {
	struct blk_segment segment = io_segment(2, 0, PAGE_SIZE);
	struct blk_segment many[2] = {segment, segment};
	uint64_t wrap = UINT64_MAX - PAGE_COUNT + 1;

	if (io_do(BLK_OP_READ, disk.sectors, PAGE_COUNT, &segment, 1) != BLK_STATUS_RANGE)
		return "behind the end";
	if (io_do(BLK_OP_READ, disk.sectors - disk.block / BLK_SECTOR, PAGE_COUNT, &segment, 1) !=
		    BLK_STATUS_RANGE &&
	    disk.block < PAGE_SIZE)
		return "across the end";
	if (io_do(BLK_OP_READ, wrap, PAGE_COUNT, &segment, 1) != BLK_STATUS_RANGE)
		return "wrapping around";
	if (io_do(BLK_OP_READ, 0, PAGE_COUNT, many, 2) != BLK_STATUS_RANGE)
		return "segments that do not add up";
	if (io_do(BLK_OP_READ, 0, PAGE_COUNT, NULL, 0) != BLK_STATUS_RANGE) return "no segments";
	if (io_do(99, 0, PAGE_COUNT, &segment, 1) != BLK_STATUS_UNSUPPORTED)
		return "an operation that there is not";
	if (disk.block > BLK_SECTOR) {
		segment.length = BLK_SECTOR;
		if (io_do(BLK_OP_READ, 1, 1, &segment, 1) != BLK_STATUS_RANGE)
			return "part of a block";
	}
	return NULL;
}

static const char *flush(void) { return io_do(BLK_OP_FLUSH, 0, 0, NULL, 0) ? "status" : NULL; }

static const char *write_zeroes(void) {
	struct blk_segment segment = io_segment(3, 0, PAGE_SIZE);
	uint32_t status;

	stamp_page(3, 800, 1);
	if (io_do(BLK_OP_WRITE, 800, PAGE_COUNT, &segment, 1)) return "write";
	status = io_do(BLK_OP_WRITE_ZEROES, 800, PAGE_COUNT, NULL, 0);
	if (!(disk.flags & BLK_DISK_WRITE_ZEROES))
		return status == BLK_STATUS_UNSUPPORTED ? NULL : "it does what it cannot";
	if (status) return "status";
	if (io_do(BLK_OP_READ, 800, PAGE_COUNT, &segment, 1)) return "read";
	for (uint32_t i = 0; i < PAGE_SIZE; i++)
		if (io_page(3)[i]) return "what is read is not zero";
	return NULL;
}

static const char *discard(void) {
	struct blk_segment segment = io_segment(4, 0, PAGE_SIZE);
	uint32_t status = io_do(BLK_OP_DISCARD, 1024, PAGE_COUNT, NULL, 0);

	if (!(disk.flags & BLK_DISK_DISCARD))
		return status == BLK_STATUS_UNSUPPORTED ? NULL : "it does what it cannot";
	if (status) return "status";
	if (io_do(BLK_OP_READ, 1024, PAGE_COUNT, &segment, 1)) return "read after it";
	stamp_page(4, 1024, 2);
	if (io_do(BLK_OP_WRITE, 1024, PAGE_COUNT, &segment, 1)) return "write after it";
	memset(io_page(4), 0, PAGE_SIZE);
	if (io_do(BLK_OP_READ, 1024, PAGE_COUNT, &segment, 1)) return "second read";
	return page_is_stamped(4, 1024, 2) ? NULL : "content";
}

static const char *readonly(void) {
	struct blk_segment segment = io_segment(5, 0, PAGE_SIZE);

	if (io_do(BLK_OP_WRITE, 0, PAGE_COUNT, &segment, 1) != BLK_STATUS_READONLY)
		return "a write is not refused";
	return io_do(BLK_OP_READ, 0, PAGE_COUNT, &segment, 1) ? "read" : NULL;
}

/* --- deep queues --- */

static struct {
	uint64_t written[REGION]; /* round of the last write that was answered */
	uint8_t busy[REGION];     /* a request is on its way */
	uint32_t place[IO_JOBS], page[IO_JOBS];
	bool write[IO_JOBS];
	uint64_t round[IO_JOBS];
	uint8_t page_used[DEEP];
	uint32_t active;
} deep;

static uint32_t region(void) { return (uint32_t)MIN(REGION, disk.sectors / PAGE_COUNT); }

/* One more request at a place and with a page that nobody uses; false: not this time. */
static bool deep_start(void) {
	uint32_t place = noise() % region(), page = 0;
	bool write = noise() % 2 || !deep.written[place];
	struct blk_segment segment;
	int job;

	if (deep.busy[place]) return false;
	while (deep.page_used[page]) page++;
	segment = io_segment(page, 0, PAGE_SIZE);
	if (write)
		stamp_page(page, place * PAGE_COUNT, ++round_number);
	else
		memset(io_page(page), 0xee, PAGE_SIZE);
	job = io_start_job(write ? BLK_OP_WRITE : BLK_OP_READ, place * PAGE_COUNT, PAGE_COUNT,
			   &segment, 1);
	if (job < 0) return false;
	deep.busy[place] = deep.page_used[page] = 1;
	deep.place[job] = place;
	deep.page[job] = page;
	deep.write[job] = write;
	deep.round[job] = round_number;
	deep.active++;
	return true;
}

static const char *deep_finish(void) {
	uint32_t status, place, page;
	int job = io_wait_any(&status);

	if (job < 0) return "no answer";
	place = deep.place[job];
	page = deep.page[job];
	deep.busy[place] = deep.page_used[page] = 0;
	deep.active--;
	if (status) return "status";
	if (deep.write[job])
		deep.written[place] = deep.round[job];
	else if (!page_is_stamped(page, place * PAGE_COUNT, deep.written[place]))
		return "content";
	return NULL;
}

/* `total` requests with up to DEEP on their way; `between` after each answer. */
static const char *deep_run(uint32_t total, void (*between)(uint32_t done)) {
	const char *why = NULL;
	uint32_t started = 0;

	for (uint32_t done = 0; done < total && !why; done++) {
		for (uint32_t tries = 0; tries < DEEP || !deep.active; tries++)
			if (started < total && deep.active < DEEP) started += deep_start();
		why = deep_finish();
		if (between) between(done);
	}
	while (deep.active && !why) why = deep_finish();
	return why;
}

static const char *deep_queue(void) { return deep_run(DEEP_ROUNDS, NULL); }

static void change_session(uint32_t done) {
	if (done % 400 == 200) io_new_session();
}

static const char *new_sessions(void) { return deep_run(2000, change_session); }

/* --- domains die under load --- */

static char victims[64]; /* names with commas between them, killed in turn */
static uint32_t kills;

/* Name n of the list, around and around. */
static void victim(uint32_t n, char *to, size_t size) {
	const char *name = victims;
	size_t length = 0;

	while (n--) {
		while (*name && *name != ',') name++;
		name = *name ? name + 1 : victims;
	}
	while (name[length] && name[length] != ',') length++;
	length = MIN(length, size - 1);
	memcpy(to, name, length);
	to[length] = '\0';
}

static void kill_one(uint32_t done) {
	char name[16], line[32];

	if (done % 1000 != 500) return;
	victim(kills, name, sizeof(name));
	rt_format(line, sizeof(line), "kill %s", name);
	if (manage_text(line)) kills++;
	io_down_time = 0;
}

static const char *restart(void) {
	uint32_t lost = io_lost;
	const char *why = deep_run(3000, kill_one);

	if (why) return why;
	if (kills != 3) return "it may not kill anybody";
	log_print("restart: %u requests asked again", io_lost - lost);
	if (io_down_time)
		log_print("restart: answered again after %lu us",
			  (io_first_answer - io_down_time) / 1000);
	return NULL;
}

/* --- how fast --- */

/* A line of what root says of all domains; the CPU time is the fifth column, in ms. */
static void log_line(const char *line) { log_print("%.*s", (int)strlen(line) - 1, line); }

static void log_domains(void) {
	uint64_t end = time_now() + SECONDS(1);

	if (!manage_text("ps")) return;
	while (!manage_text_idle() && time_now() < end) {
		io_pause(MILLISECONDS(1));
		manage_text_go_on();
	}
}

static void bench(uint64_t total, uint32_t depth, uint8_t op, const char *name) {
	uint64_t begin, place = 0, started = 0, done = 0;
	struct blk_segment segments[IO_SEGMENTS];
	uint32_t status;

	for (uint32_t i = 0; i < depth; i++) segments[i] = io_segment(i, 0, PAGE_SIZE);
	begin = time_now();
	while (done < total) {
		for (; started < total && started - done < depth; started++) {
			io_start_job(op, place * PAGE_COUNT, PAGE_COUNT, &segments[started % depth],
				     1);
			place = (place + 1) % region();
		}
		if (io_wait_any(&status) < 0) return;
		done++;
	}
	log_print("bench %s depth %u: %lu ns each", name, depth, (time_now() - begin) / total);
	log_domains();
}

/* --- all of it --- */

static uint32_t passed, failed;

static void report(const char *name, const char *why) {
	if (why) {
		failed++;
		log_print("FAIL %s: %s", name, why);
	} else {
		passed++;
		log_print("PASS %s", name);
	}
}

static const struct {
	const char *name;
	check run;
	bool writes;
	uint64_t needs; /* sectors of the disk */
} checks[] = {
	{"one block", one_block, true, 2},
	{"as many segments as it takes", most_segments, true, 8},
	{"segments of a sector", odd_segments, true, 2},
	{"the last page", last_page, true, 8},
	{"out of range", out_of_range, false, 0},
	{"flush", flush, false, 0},
	{"write zeroes", write_zeroes, true, 808},
	{"discard", discard, true, 1032},
	{"deep queue", deep_queue, true, 1024},
	{"new sessions under load", new_sessions, true, 1024},
};

static void run_checks(void) {
	char text[16];
	uint64_t total;

	for (size_t i = 0; i < ARRAY_SIZE(checks); i++)
		if ((!checks[i].writes || !is_readonly()) && disk.sectors >= checks[i].needs)
			report(checks[i].name, checks[i].run());
	if (is_readonly()) report("read-only", readonly());
	if (rt_argument("restart", victims, sizeof(victims))) report("restart", restart());
	if (rt_argument("bench", text, sizeof(text)) && rt_number(text, &total) && total) {
		log_domains();
		bench(total, 1, BLK_OP_READ, "read");
		bench(total, 32, BLK_OP_READ, "read");
		bench(total, 32, BLK_OP_WRITE, "write");
	}
}

void native_main(void) {
	control_init(NULL, NULL);
	manage_text_open(log_line, NULL);
	io_start();
	report("session", io_wait_up(SECONDS(20)) ? NULL : "none within 20 s");
	disk = io.disk[0];
	if (blk_server_is_up(&io) && disk.flags & BLK_DISK_PRESENT) {
		log_print("disk 0 \"%s\": %lu sectors, blocks of %u, %u segments, flags 0x%x",
			  disk.name, disk.sectors, disk.block, disk.max_segments, disk.flags);
		run_checks();
	} else {
		report("disk 0", "it is not there");
	}
	log_print("done: %u passed, %u failed", passed, failed);
	event_loop();
}
