/* SPDX-License-Identifier: BSD-2-Clause */
#include "io.h"

#include "libs/log/log.h"
#include "libs/rt/package.h"
#include "libs/rt/time.h"
#include "proto/system.h"
#include "tests/drivers/peer.h"

PACKAGE_SERVER(SYSTEM_CONN_DISK, BLK_OLDEST, BLK_VERSION);

#define ANSWER_LIMIT MILLISECONDS(60000)

struct blk_server io;
uint32_t io_lost;
uint64_t io_down_time, io_first_answer;

static uint8_t pages[IO_PAGES][PAGE_SIZE] __attribute__((aligned(4096)));
static struct dma_map maps[IO_PAGES];
static bool machine; /* what the driver's segments say; known between sessions too */

enum job_state { FREE, WAITS, SUBMITTED, DONE };
static struct job {
	enum job_state state;
	uint32_t status;
	struct blk_request request;
	struct blk_segment segments[IO_SEGMENTS];
} jobs[IO_JOBS];
static uint16_t job_of_tag[BLK_TAGS];
static uint16_t done_jobs[IO_JOBS]; /* FIFO of jobs in DONE */
static uint32_t done_head, done_tail;

uint8_t *io_page(uint32_t n) { return pages[n]; }

struct blk_segment io_segment(uint32_t n, uint32_t offset, uint32_t length) {
	uint64_t page = machine ? maps[n].machine : maps[n].address;

	return (struct blk_segment){.address = page + offset, .length = length};
}

static bool submit(uint16_t index) {
	struct job *job = &jobs[index];
	int tag = blk_server_submit(&io, &job->request, job->segments);

	if (tag < 0) return false;
	job->state = SUBMITTED;
	job_of_tag[tag] = index;
	return true;
}

static void submit_waiting(void) {
	if (!blk_server_is_up(&io)) return;
	for (uint16_t i = 0; i < IO_JOBS; i++)
		if (jobs[i].state == WAITS && !submit(i)) break;
}

static void on_up(void *context) {
	(void)context;
	machine = io.flags & BLK_PAGE_MACHINE;
	peer_map(io.driver, pages, maps, IO_PAGES);
	submit_waiting();
}

static void on_down(void *context) {
	(void)context;
	io_down_time = time_now();
	io_first_answer = 0;
	for (uint16_t i = 0; i < IO_JOBS; i++) {
		if (jobs[i].state != SUBMITTED) continue;
		jobs[i].state = WAITS;
		io_lost++;
	}
}

static void on_done(void *context, uint16_t tag, uint32_t status, uint32_t device_status) {
	struct job *job = &jobs[job_of_tag[tag]];

	(void)context;
	(void)device_status;
	if (io_down_time && !io_first_answer) io_first_answer = time_now();
	job->state = DONE;
	job->status = status;
	done_jobs[done_head++ % IO_JOBS] = job_of_tag[tag];
}

static void on_room(void *context) {
	(void)context;
	submit_waiting();
}

static const struct blk_server_ops ops = {
	.up = on_up,
	.down = on_down,
	.done = on_done,
	.room = on_room,
};

/* Sleeps until the driver sends something or the time has come, and handles it. */
static void pump(uint64_t deadline) {
	peer_sleep(io.port, deadline);
	blk_server_work(&io);
}

void io_start(void) {
	const struct native_connection *connection = rt_connection(SYSTEM_CONN_DISK, 0);
	int error;

	if (!connection || connection->role != NATIVE_SERVER || !connection->dma_slot)
		rt_panic("it is not the server of a disk connection");
	error = blk_server_attach(&io, connection, &ops, NULL);
	if (error) rt_panic("the disk connection cannot be mapped (%d)", error);
	peer_find_window(connection->dma_slot, IO_PAGES);
	blk_server_work(&io);
}

void io_pause(uint64_t nanoseconds) {
	uint64_t end = time_now() + nanoseconds;

	while (time_now() < end) pump(end);
}

bool io_wait_up(uint64_t nanoseconds) {
	uint64_t end = time_now() + nanoseconds;

	while (!blk_server_is_up(&io) && time_now() < end) pump(end);
	return blk_server_is_up(&io);
}

int io_start_job(uint8_t op, uint64_t sector, uint64_t count, const struct blk_segment *segments,
		 uint32_t segment_count) {
	rt_assert(segment_count <= IO_SEGMENTS, "a job's segments fit");
	for (uint16_t i = 0; i < IO_JOBS; i++) {
		struct job *job = &jobs[i];

		if (job->state != FREE) continue;
		*job = (struct job){
			.state = WAITS,
			.request = {.op = op,
				    .segments = (uint16_t)segment_count,
				    .sector = sector,
				    .count = count},
		};
		memcpy(job->segments, segments, segment_count * sizeof(*segments));
		if (blk_server_is_up(&io)) submit(i);
		return i;
	}
	return -1;
}

void io_publish(void) { blk_server_publish(&io); }

int io_wait_any(uint32_t *status) {
	uint64_t end = time_now() + ANSWER_LIMIT;
	bool any = false;
	int job;

	for (unsigned i = 0; i < IO_JOBS; i++) any |= jobs[i].state != FREE;
	if (!any) return -1;
	io_publish();
	while (done_head == done_tail && time_now() < end) pump(end);
	if (done_head == done_tail) return -1;
	job = done_jobs[done_tail++ % IO_JOBS];
	*status = jobs[job].status;
	jobs[job].state = FREE;
	return job;
}

uint32_t io_wait(int job) {
	uint32_t status;
	int done = io_wait_any(&status);

	return job >= 0 && done == job ? status : UINT32_MAX;
}

void io_new_session(void) {
	on_down(NULL);
	blk_server_start(&io, io.page, io.port, &ops, NULL);
	blk_server_work(&io);
}

uint32_t io_do(uint8_t op, uint64_t sector, uint64_t count, const struct blk_segment *segments,
	       uint32_t segment_count) {
	return io_wait(io_start_job(op, sector, count, segments, segment_count));
}
