/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A job: one request of a guest, from its ring to its answer. Job n has record n of
 * the lifeboat (boat.h). It is in one phase and in at most one list.
 */
#ifndef SERVERS_VBD_JOB_H
#define SERVERS_VBD_JOB_H

#include <stdbool.h>
#include <stdint.h>

#define VBD_SEGMENTS 64U /* of an indirect request */

struct segment {
	uint32_t ref;
	uint16_t slot; /* of the window, while the step that covers it is pinned */
	uint8_t first, last;
};

enum job_stage { STAGE_FLUSH_BEFORE, STAGE_DATA, STAGE_FLUSH_AFTER, STAGE_END };

enum job_phase {
	JOB_FREE,     /* its record too */
	JOB_HELD,     /* its record is a predecessor's, and nobody has adopted it yet */
	JOB_BARRIER,  /* a barrier: waits for those before it */
	JOB_TAKEN,    /* adopted, not begun */
	JOB_AWAY,     /* waits for its driver */
	JOB_STARVED,  /* waits for free slots of the window */
	JOB_ASKING,   /* its pages are being mapped */
	JOB_QUEUED,   /* in its disk's order */
	JOB_FLIGHT,   /* the driver has it */
	JOB_ANSWERING /* done; pages are being unmapped, then the guest is told */
};

struct job {
	uint64_t id;
	uint64_t sector, left; /* of the virtual disk: what is still to be done */
	uint64_t since;        /* when the driver got the step */
	uint64_t step_sector;  /* of the physical disk */
	uint32_t step_count;
	uint16_t next; /* in the one list that it is in */
	uint16_t device;
	uint16_t segments, segment;        /* how many, and where the step begins */
	uint16_t step_disk, step_segments; /* segments that it touches, in part perhaps */
	uint16_t extent;                   /* a flush: which one was the last */
	uint8_t queue, phase, stage, op, answer_op;
	uint8_t blk_op; /* of the step */
	uint8_t skip;   /* sectors of `segment` that are done */
	uint8_t tries;
	bool pinned;
	int8_t status; /* BLKIF_RSP_* */
	struct segment list[VBD_SEGMENTS];
};

struct job_list {
	uint16_t first, last;
};

struct extent {
	uint16_t disk; /* physical */
	uint64_t first, count;
};

#endif
