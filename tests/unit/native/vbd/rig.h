/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The disk server in a world of its own: two guests with rings and pages, the
 * core's table of the driver's window, a store of two states per device, and the
 * real driver's end of libs/blk over a disk in memory. All of the world is one
 * structure, which may be shared with a child process: then the server can die
 * and the world goes on.
 *
 * The disk refuses to touch what the window does not hold, and a guest complains
 * about a page that is mapped when it should not be.
 */
#ifndef TESTS_UNIT_NATIVE_VBD_RIG_H
#define TESTS_UNIT_NATIVE_VBD_RIG_H

#include "../native.h"
#include "libs/blk/driver.h"
#include "servers/vbd/vbd.h"

#define GUESTS      2U
#define PAGES       640U /* of a guest; grant reference n is page n */
#define WINDOW      1024U
#define DISK_PAGES  2048U
#define SECTORS     (DISK_PAGES * 8)
#define FIRST_DOMID 5U
#define IDS         128U

struct world_slot {
	bool used, readonly;
	uint16_t domid;
	uint64_t what;
};

struct world_guest {
	uint8_t ring[VBD_QUEUES][VBD_RING_PAGES][PAGE_SIZE];
	uint8_t page[PAGES][PAGE_SIZE];
	bool granted[PAGES];
};

struct world {
	uint8_t blk[BLK_PAGES][PAGE_SIZE];
	struct world_slot slot[WINDOW];
	uint8_t lifeboat[sizeof(struct boat)] __attribute__((aligned(64)));
	struct boat_counts counts[VBD_DEVICES]; /* of it, too */
	struct world_guest guest[GUESTS];
	uint32_t backend[VBD_DEVICES], front[VBD_DEVICES];
	struct front rings[VBD_DEVICES];
	uint8_t disk[DISK_PAGES][PAGE_SIZE];
	uint8_t scan[SCAN_PAGES][PAGE_SIZE]; /* of the lifeboat, too */
	uint32_t dma_maps, dma_unmaps, notified;
};
extern struct world *world;
extern uint64_t rig_time;
extern uint32_t rig_asked;                /* event_asked(), at the last wake-up */
extern uint32_t rig_wanted[], rig_done[]; /* control_device(): root's word, and the answer */

/* What the tests describe: filled before rig_server(). */
struct rig_blob {
	struct vbd_config config;
	struct vbd_volume volume[4];
	struct vbd_extent extent[8];
	struct vbd_disk disk[4];
	struct vbd_limit limit[2];
	char strings[256];
};
extern struct rig_blob rig_blob;
uint32_t rig_string(const char *text);
/* One volume of the whole disk for guest 0, of `queues` queues with rings of that order. */
void rig_default(uint32_t queues, uint32_t order, bool persistent);

void rig_world(void);       /* fresh */
void rig_world_again(void); /* fresh but for what pages and the disk hold */
void rig_server(void);      /* a new incarnation of the server, in this process */
/* states.c, or the test's own: */
void rig_store(void);        /* carries out what the server asked of the store */
void rig_store_forget(void); /* the server begins anew */
extern bool rig_events;      /* it looks only at rings whose guest has sent an event */
bool rig_serve(void);        /* one wake-up of the server, whatever happened */
void rig_present(void);      /* all guests are there */

/* --- the driver --- */

struct rig_disk_request {
	struct blk_request request;
	struct blk_segment segment[BLK_MAX_SEGMENTS];
	bool used;
	uint32_t order; /* of arrival */
};
extern struct blk_driver rig_driver;
extern struct rig_disk_request rig_request[BLK_TAGS];
extern uint32_t rig_order;
/* A new incarnation of the driver; the window was emptied before. */
void rig_driver_start(const struct blk_disk *disk);
extern const struct blk_disk rig_disk;
/* Carries out one request of the device; false: it has none. The first of them, or any. */
bool rig_device(bool any);
extern uint32_t rig_fail_status; /* instead of carrying it out, once */

/* --- a guest's frontend --- */

struct rig_io {
	bool used, answered;
	uint8_t op;
	uint64_t sector;
	uint32_t sectors, pages;
	uint32_t version;
	int16_t status;
	uint16_t ref[VBD_SEGMENTS], indirect;
};

struct frontend {
	uint32_t guest, device, queue, slots;
	bool persistent;
	uint32_t req_prod, rsp_cons;
	uint64_t answers;
	struct rig_io io[IDS];
};

void front_init(struct frontend *front, uint32_t guest, uint32_t device, uint32_t queue);
bool front_room(const struct frontend *front);
/* Puts a raw request; front_push() shows all. */
void front_put(struct frontend *front, const void *request, size_t size);
void front_push(struct frontend *front);
/* Takes answers. Each must be for something that is waited for. */
void front_collect(struct frontend *front);
/*
 * Random reads, writes, flushes, on sectors nobody else uses at this time; the
 * guest knows what must be read. True: something was put.
 */
bool front_random(struct frontend *front);
/* Nothing is waited for. */
bool front_idle(const struct frontend *front);
/* What the guest was told is on the disk is on the disk. */
void front_check_disk(void);

#endif
