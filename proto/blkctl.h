/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SYSTEM_CONN_BLKCTL: a native domain (client) watches the disk server (server) and sets
 * the limits of virtual disks. The pages are those of ctl.h, and one more, the *record*: the
 * limits that were set through this connection, written by the server for its successor. A
 * client that writes there sets limits, which it may do anyway; of a client that may not,
 * nothing there is read.
 *
 * Disks have the order of the description's [disk.NAME].
 */
#ifndef PROTO_BLKCTL_H
#define PROTO_BLKCTL_H

#include "ctl.h"

#define BLKCTL_VERSION 1U
#define BLKCTL_PAGES   (CTL_PAGES + 1U)

/* native_connection.flags: the rights of the client */
#define BLKCTL_F_WATCH  1U /* DISKS */
#define BLKCTL_F_LIMITS 2U

#define BLKCTL_DISKS      1U /* answer: blkctl_disk[], all of them */
#define BLKCTL_SET_LIMITS 2U /* port: the disk; payload: blkctl_limits */

#define BLKCTL_KEEP ~0ULL /* this one stays as it is */

struct blkctl_limits {
	uint64_t bytes, requests; /* per second; 0: no limit; BLKCTL_KEEP */
};

/* Counted from the server's first start on: they survive it. */
struct blkctl_disk {
	char name[32], guest[32];
	uint32_t up; /* 1: the guest is connected with it */
	uint32_t pad;
	uint64_t reads, writes, other; /* requests that were taken; other: flush, discard */
	uint64_t read_bytes, write_bytes;
	uint64_t errors;    /* of the disk */
	uint64_t malformed; /* requests of the guest that made no sense */
	struct blkctl_limits limits;
};

/* The record. A limit was set here if `set` is 1. */
#define BLKCTL_RECORDS 192U
struct blkctl_record {
	uint8_t set[BLKCTL_RECORDS];
	struct blkctl_limits limits[BLKCTL_RECORDS];
};

_Static_assert(sizeof(struct blkctl_disk) == 144, "blkctl_disk layout");
_Static_assert(sizeof(struct blkctl_record) <= 4096, "the record is a page");

#endif
