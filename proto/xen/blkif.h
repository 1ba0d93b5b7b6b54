/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The block ring between a guest's frontend and the disk server. Its pages are
 * the guest's: the header below, then slots, each a request from the guest and
 * later a response to it. Entry n lies in slot n & (slots - 1); the number of
 * slots is the largest power of two that fits. Indices run freely; the peer is
 * sent an event when the new producer index passes its event index
 * ((new - event) < (new - old)).
 *
 * This is the layout of 64-bit guests ("x86_64-abi" in the store).
 */
#ifndef PROTO_XEN_BLKIF_H
#define PROTO_XEN_BLKIF_H

#include <stddef.h>
#include <stdint.h>

#define BLKIF_OP_READ            0
#define BLKIF_OP_WRITE           1
#define BLKIF_OP_WRITE_BARRIER   2
#define BLKIF_OP_FLUSH_DISKCACHE 3
#define BLKIF_OP_DISCARD         5
#define BLKIF_OP_INDIRECT        6

#define BLKIF_RSP_OKAY       0
#define BLKIF_RSP_ERROR      (-1)
#define BLKIF_RSP_EOPNOTSUPP (-2)

#define BLKIF_MAX_SEGMENTS_PER_REQUEST       11
#define BLKIF_MAX_INDIRECT_PAGES_PER_REQUEST 8

/* Sectors are of 512 bytes everywhere. The segment is first_sect..last_sect of the page. */
struct blkif_request_segment {
	uint32_t gref;
	uint8_t first_sect, last_sect; /* 0..7 */
	uint16_t pad;
};

struct blkif_request {
	uint8_t operation;
	uint8_t nr_segments;
	uint16_t handle;
	uint32_t pad;
	uint64_t id;
	uint64_t sector_number;
	struct blkif_request_segment seg[BLKIF_MAX_SEGMENTS_PER_REQUEST];
};

struct blkif_request_discard {
	uint8_t operation;
	uint8_t flag;
	uint16_t handle;
	uint32_t pad;
	uint64_t id;
	uint64_t sector_number;
	uint64_t nr_sectors;
};

struct blkif_request_indirect {
	uint8_t operation;
	uint8_t indirect_op; /* BLKIF_OP_READ or BLKIF_OP_WRITE */
	uint16_t nr_segments;
	uint32_t pad0;
	uint64_t id;
	uint64_t sector_number;
	uint16_t handle;
	uint16_t pad1;
	/* pages of blkif_request_segment */
	uint32_t indirect_grefs[BLKIF_MAX_INDIRECT_PAGES_PER_REQUEST];
	uint32_t pad2;
};

struct blkif_response {
	uint64_t id;
	uint8_t operation; /* of the request; of an indirect one the inner */
	uint8_t pad0;
	int16_t status; /* BLKIF_RSP_* */
	uint32_t pad1;
};

/* The first page's beginning. */
struct blkif_sring {
	uint32_t req_prod, req_event;
	uint32_t rsp_prod, rsp_event;
	uint8_t pad[48];
};

#define BLKIF_SLOT_SIZE 112U

_Static_assert(sizeof(struct blkif_request_segment) == 8, "blkif_request_segment layout");
_Static_assert(sizeof(struct blkif_request) == BLKIF_SLOT_SIZE, "blkif_request layout");
_Static_assert(sizeof(struct blkif_request_discard) == 32, "blkif_request_discard layout");
_Static_assert(sizeof(struct blkif_request_indirect) == 64, "blkif_request_indirect layout");
_Static_assert(offsetof(struct blkif_request_indirect, indirect_grefs) == 28,
	       "blkif_request_indirect layout");
_Static_assert(sizeof(struct blkif_response) == 16, "blkif_response layout");
_Static_assert(sizeof(struct blkif_sring) == 64, "blkif_sring layout");

#endif
