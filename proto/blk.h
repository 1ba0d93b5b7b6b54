/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SYSTEM_CONN_DISK: the disk server (vbd) and a disk driver share pages of root's.
 * The server asks, the driver answers; the payload is in neither's address space:
 * a segment is an address that the device uses, mapped by the server in the
 * driver's DmaSpace.
 *
 *   page 0      blk_page: the session, the disks, both ring headers
 *   page 1      completions, 256 of 16 bytes          driver -> server
 *   page 2..9   request words, 2048 of 16 bytes       server -> driver
 *
 * Rings are proto/ring.h. A request is one blk_request (two words) and then
 * `segments` words, each a blk_segment; all are published together. The server never has
 * more than BLK_TAGS requests outstanding, so completions never lack space.
 *
 * Session. Either side may die at any time; what is in the rings then is void.
 *   - The driver, when it starts, writes driver = 0, session = 0, brings its device
 *     up, fills in the disks, then sets driver to its incarnation + 1, and sends.
 *   - The server asks for a session: it chooses wanted = driver << 16 | n, with n
 *     (never 0) not used before, and sends.
 *   - The driver sees wanted != session with wanted >> 16 == driver (low 16 bits): it
 *     makes sure that the device does nothing of the old session any more (waits
 *     a bounded time, else resets it), sets all four ring indices to 0, then
 *     session = wanted, and sends.
 *   - The server, when session == wanted, starts with indices at 0 and asks again
 *     for whatever it has not seen the completion of.
 * Until then neither touches the rings. A completion is believed only if its tag
 * is in range and outstanding; everything else is counted and ignored. An index
 * out of distance breaks the connection: the server asks for a new session, the
 * driver waits for one.
 *
 * Versions. Since version 2 each session has its own: the driver says in `speaks`, before
 * it sets driver, up to which it goes, and for which incarnation that is said; the server
 * writes the newest that both know to `version` before it asks. A driver of version 1 says
 * nothing, so `speaks` is not of its incarnation; a server of version 1 always writes 1.
 * The rest is the same in both.
 *
 * Order. Requests may be carried out in any order. FLUSH makes everything durable
 * that was completed before it was asked. The server orders what must be ordered
 * by waiting.
 */
#ifndef PROTO_BLK_H
#define PROTO_BLK_H

#include "ring.h"

#ifndef BLK_VERSION /* a build of an older program says which */
#define BLK_VERSION 2U
#endif
#define BLK_OLDEST 1U

#define BLK_PAGES        10U
#define BLK_WORDS        2048U /* of the request ring */
#define BLK_COMPLETIONS  256U
#define BLK_TAGS         256U /* tags are 0..255 */
#define BLK_MAX_SEGMENTS 256U
#define BLK_MAX_DISKS    8U
#define BLK_SECTOR       512U /* the unit of sector and count, whatever the disk's blocks are */

#define BLK_OP_READ         0U
#define BLK_OP_WRITE        1U
#define BLK_OP_FLUSH        2U /* no segments */
#define BLK_OP_DISCARD      3U /* no segments; a hint */
#define BLK_OP_WRITE_ZEROES 4U /* no segments */

#define BLK_F_FUA 1U /* WRITE, WRITE_ZEROES: durable when completed; only if BLK_DISK_FUA */

struct blk_request {
	uint16_t tag; /* 0..BLK_TAGS-1, not outstanding */
	uint8_t op;   /* BLK_OP_* */
	uint8_t flags;
	uint16_t segments; /* READ, WRITE: 1..max_segments; words that follow */
	uint8_t disk;
	uint8_t queue; /* a hint: requests of one queue are best kept on one CPU */
	uint64_t sector;
	uint64_t count; /* sectors; READ, WRITE: the sum of the segments */
	uint64_t pad;
};

struct blk_segment {
	uint64_t address; /* for the device; multiple of 512 */
	uint32_t length;  /* bytes, multiple of 512, within one page */
	uint32_t pad;
};

#define BLK_STATUS_OK          0
#define BLK_STATUS_IO          1 /* the device says that it failed */
#define BLK_STATUS_UNSUPPORTED 2
#define BLK_STATUS_RANGE       3 /* beyond the disk, misaligned, or a malformed request */
#define BLK_STATUS_TIMEOUT     4 /* the device did not answer and was reset */
#define BLK_STATUS_GONE        5 /* the disk is not there any more */
#define BLK_STATUS_READONLY    6

struct blk_completion {
	uint16_t tag;
	uint16_t status;        /* BLK_STATUS_* */
	uint32_t device_status; /* as the device said it, for the log */
	uint64_t pad;
};

#define BLK_DISK_PRESENT      (1U << 0)
#define BLK_DISK_READONLY     (1U << 1)
#define BLK_DISK_FLUSH        (1U << 2) /* has a volatile cache: FLUSH does something */
#define BLK_DISK_FUA          (1U << 3)
#define BLK_DISK_DISCARD      (1U << 4)
#define BLK_DISK_WRITE_ZEROES (1U << 5)

struct blk_disk {
	uint64_t sectors; /* of BLK_SECTOR */
	uint32_t block;   /* logical block: 512 or 4096 bytes; requests are multiples of it */
	uint32_t physical_block;
	uint32_t flags;               /* BLK_DISK_* */
	uint32_t max_segments;        /* at most BLK_MAX_SEGMENTS */
	uint32_t max_sectors;         /* of one READ or WRITE */
	uint32_t max_discard;         /* sectors of one DISCARD or WRITE_ZEROES; 0: not supported */
	uint32_t discard_granularity; /* bytes */
	uint32_t queues;
	char name[24]; /* model or serial number, printable, NUL-terminated */
};

#define BLK_SPEAKS(version, driver) ((version) << 16 | ((driver)&0xffffU))

/* Segment addresses are dma_map.address, or with this flag dma_map.machine. */
#define BLK_PAGE_MACHINE 1U

struct blk_page {
	/* written by the server */
	uint32_t version; /* of the session that is wanted */
	uint32_t wanted;
	uint32_t pad0[14];
	/* written by the driver */
	uint32_t driver; /* its incarnation + 1; 0: no disks yet */
	uint32_t session;
	uint32_t flags; /* BLK_PAGE_* */
	uint32_t disk_count;
	uint32_t errors; /* what it had to refuse or repair, counted */
	uint32_t speaks; /* BLK_SPEAKS: newest version << 16 | low half of `driver` */
	uint32_t pad1[10];
	struct blk_disk disk[BLK_MAX_DISKS];
	struct ring_header request, completion;
	uint8_t pad2[4096 - 128 - BLK_MAX_DISKS * 64 - 256];
};

_Static_assert(sizeof(struct blk_request) == 32, "blk_request layout");
_Static_assert(sizeof(struct blk_segment) == 16, "blk_segment layout");
_Static_assert(sizeof(struct blk_completion) == 16, "blk_completion layout");
_Static_assert(sizeof(struct blk_disk) == 64, "blk_disk layout");
_Static_assert(sizeof(struct blk_page) == 4096, "blk_page fills a page");

#endif
