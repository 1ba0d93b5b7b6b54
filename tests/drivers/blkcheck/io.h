/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * blkcheck's end of the disk connection: requests that can be waited for. It
 * stands where the disk server stands, without the server's guests: the payload
 * is in pages of its own, mapped in the driver's DmaSpace. When the driver goes,
 * what was not answered is asked again as the disk server does it.
 */
#ifndef TESTS_BLKCHECK_IO_H
#define TESTS_BLKCHECK_IO_H

#include "libs/blk/server.h"

#define IO_PAGES    320U
#define IO_JOBS     BLK_TAGS
#define IO_SEGMENTS 64U /* of one job at most */

extern struct blk_server io;     /* of the disk under test */
extern uint32_t io_lost;         /* requests asked again because the driver went */
extern uint64_t io_down_time;    /* when it was last seen to go, ns */
extern uint64_t io_first_answer; /* the first one after that */

/* The connection and the DMA window; ends the domain if there is none. */
void io_start(void);
/* True: a session is up within this time. */
bool io_wait_up(uint64_t nanoseconds);
uint8_t *io_page(uint32_t n);
/* `length` bytes of page n from `offset` on. */
struct blk_segment io_segment(uint32_t n, uint32_t offset, uint32_t length);

/*
 * Starts a request of disk 0; the number of the job, or -1: too many are on
 * their way. It is submitted by io_publish(), io_wait() or io_wait_any().
 */
int io_start_job(uint8_t op, uint64_t sector, uint64_t count, const struct blk_segment *segments,
		 uint32_t segment_count);
void io_publish(void);
/* Waits for one job: its status; UINT32_MAX if the driver does not answer within 60 s. */
uint32_t io_wait(int job);
/* Waits until some job is done, returns it; -1 if none is on its way, or after 60 s. */
int io_wait_any(uint32_t *status);
/* Begins a new session, as a server does that was started again. */
void io_new_session(void);
/* Handles what the driver sends for so long. */
void io_pause(uint64_t nanoseconds);
/* One request from beginning to end. */
uint32_t io_do(uint8_t op, uint64_t sector, uint64_t count, const struct blk_segment *segments,
	       uint32_t segment_count);

#endif
