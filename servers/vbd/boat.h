/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What survives the server: one record for each request that it has taken from a
 * guest's ring and not yet answered. Record n belongs to job n.
 *
 *   FREE -> OUTSTANDING -> ANSWERED(index) -> FREE
 *
 * One store moves a record from state to state, so there is nothing between:
 *   - The request is copied into a FREE record. The store of OUTSTANDING *is* the
 *     taking: req_cons is not kept anywhere, a successor finds it as rsp_prod of
 *     the shared page plus the records of this ring that are not answered.
 *   - ANSWERED says at which index the response will lie. Then the response is
 *     written, rsp_prod moves over it (over all of a batch at once), FREE.
 *   - A successor that finds ANSWERED with an index before rsp_prod knows that
 *     the guest has the answer: FREE. Else nobody was told: OUTSTANDING again,
 *     and the request is carried out once more, which changes nothing.
 *
 * The guest can write rsp_prod, but only to its own harm.
 *
 * Before the lifeboat's last pages lie the counters of all disks, which count on: a successor takes
 * over whatever is there, for they are read by people only. A version that knows nothing of them
 * leaves them as they are.
 */
#ifndef SERVERS_VBD_BOAT_H
#define SERVERS_VBD_BOAT_H

#include "libs/rt/rt.h"
#include "proto/xen/blkif.h"

#define BOAT_LAYOUT  1U
#define BOAT_RECORDS 256U

#define BOAT_FREE        0U
#define BOAT_OUTSTANDING 1U
#define BOAT_ANSWERED    2U

struct boat_record {
	uint64_t state; /* BOAT_*; ANSWERED: index << 32 */
	uint16_t device;
	uint16_t queue;
	uint32_t incarnation; /* of the guest */
	struct blkif_request request;
};

/* Of a disk, since the system's start. */
struct boat_counts {
	uint64_t reads, writes, others; /* requests that were taken */
	uint64_t read_sectors, write_sectors;
	uint64_t failed;    /* by the disk */
	uint64_t malformed; /* that made no sense */
	uint64_t pad;
};

struct boat {
	struct boat_record record[BOAT_RECORDS];
};

static inline void boat_set(struct boat_record *record, uint64_t state) {
	__atomic_store_n(&record->state, state, __ATOMIC_RELEASE);
}

static inline void boat_answered(struct boat_record *record, uint32_t index) {
	boat_set(record, BOAT_ANSWERED | (uint64_t)index << 32);
}

/*
 * Records that cannot be are made FREE; how many there were. devices, queues:
 * numbers that are too high.
 */
uint32_t boat_check(struct boat *boat, uint32_t devices, uint32_t queues);

struct boat_ring {
	uint16_t device, queue;
	uint32_t incarnation;
};

/*
 * Settles the records of one ring, whose rsp_prod is given: answered ones become
 * free or outstanding. Returns how many are outstanding, and their numbers.
 */
uint32_t boat_adopt(struct boat *boat, const struct boat_ring *ring, uint32_t rsp_prod,
		    uint16_t numbers[BOAT_RECORDS]);

_Static_assert(sizeof(struct boat_record) == 128, "boat_record layout");
_Static_assert(sizeof(struct boat_counts) == 64, "boat_counts layout");

#endif
