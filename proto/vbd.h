/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The configuration of the disk server: its SYSTEM_CONN_CONFIG, made by the
 * description compiler from [volume.NAME] and [disk.NAME]. One header, then the
 * arrays, then strings (offsets from the start of the header, NUL-terminated;
 * 0 is the empty string).
 *
 * A volume is made of extents, one after the other. An extent is a range of
 * sectors of a physical disk, or all of a GPT partition found by its name. A
 * physical disk is named by the driver domain and its number there.
 */
#ifndef PROTO_VBD_H
#define PROTO_VBD_H

#include <stdint.h>

#define VBD_CONFIG_MAGIC   0x3146434456525354ULL /* "TSRVDCF1" */
#define VBD_CONFIG_VERSION 1U

#define VBD_MAX_VOLUMES 192U
#define VBD_MAX_EXTENTS 256U
#define VBD_MAX_DISKS   192U /* virtual disks, of all guests */
#define VBD_MAX_DRIVERS 8U   /* of one server */
#define VBD_MAX_LIMITS  16U

struct vbd_config {
	uint64_t magic;
	uint32_t version, total_size;
	uint32_t volumes, volume_count; /* offset of vbd_volume[] */
	uint32_t extents, extent_count;
	uint32_t disks, disk_count;
	uint32_t limits, limit_count;
	uint32_t strings, strings_size;
};

struct vbd_volume {
	uint32_t name;
	uint32_t first_extent, extent_count;
	uint32_t line; /* in the description, for messages */
};

struct vbd_extent {
	uint32_t driver;    /* string: name of the driver domain */
	uint32_t disk;      /* number at that driver */
	uint32_t partition; /* string: GPT partition name; 0: sectors below */
	uint32_t line;
	uint64_t first, count; /* sectors of 512 bytes; count 0: to the end of the disk */
};

#define VBD_READONLY 1U /* the guest may only read */
#define VBD_SHARED   2U /* others may write the volume too: the description says so */

/* A disk as a guest sees it. */
struct vbd_disk {
	uint32_t name;           /* string: of the entry, for messages and statistics */
	uint32_t guest;          /* string */
	uint32_t volume;         /* index */
	uint32_t virtual_device; /* as blkfront numbers them: 51712 is xvda */
	uint32_t flags;
	uint32_t line;
	uint64_t bytes_per_second; /* 0 = no limit */
	uint64_t requests_per_second;
};

/* A limit of a whole physical disk. */
struct vbd_limit {
	uint32_t driver, disk; /* as in vbd_extent */
	uint64_t bytes_per_second;
	uint64_t requests_per_second;
};

_Static_assert(sizeof(struct vbd_config) == 56, "vbd_config layout");
_Static_assert(sizeof(struct vbd_volume) == 16, "vbd_volume layout");
_Static_assert(sizeof(struct vbd_extent) == 32, "vbd_extent layout");
_Static_assert(sizeof(struct vbd_disk) == 40, "vbd_disk layout");
_Static_assert(sizeof(struct vbd_limit) == 24, "vbd_limit layout");

#endif
