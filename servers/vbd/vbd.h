/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The disk server. Virtual disks of guests on one side, physical disks behind
 * drivers on the other; README.md tells how a request goes through. Who does what:
 *
 *   config.c   the configuration blob            gpt.c      partition tables
 *   volume.c   volumes: sectors to disks         scan.c     reads partition tables
 *   request.c  a guest's request is checked      boat.c     what survives us
 *   ring.c     guests' rings: taking, answering  job.c      a request, step by step
 *   dma.c      the slots of a driver's window    disk.c     order and sharing on a disk
 *   driver.c   sessions with drivers             device.c   disks as guests' devices
 *   node.c     a device's nodes in the store     front.c    a frontend's nodes
 *   link.c     rings mapped, ports bound         pump.c     the order of one wake-up
 *   ctl.c      counters, limits at run time      main.c     start, guests come and go
 *
 * States of the devices, and disks that come and go: libs/xenbus/backend.h.
 *
 * One guest request is one *job*. A job is done in *steps*, one after the other;
 * each is one request to one driver. Jobs, queues, devices and disks are static
 * arrays and name each other by index. There is one thread and no locks.
 */
#ifndef SERVERS_VBD_VBD_H
#define SERVERS_VBD_VBD_H

#include "boat.h"
#include "libs/bucket/bucket.h"
#include "dma.h"
#include "job.h"
#include "libs/blk/server.h"
#include "libs/grant/grant.h"
#include "libs/rt/rt.h"
#include "libs/xenbus/backend.h"
#include "proto/system.h"
#include "proto/vbd.h"
#include "proto/xen/blkif.h"

#define VBD_DRIVERS    VBD_MAX_DRIVERS
#define VBD_PHYSICAL   (VBD_DRIVERS * BLK_MAX_DISKS)
#define VBD_GUESTS     NATIVE_MAX_CONNECTIONS /* guest n: of connections[n] */
#define VBD_DEVICES    VBD_MAX_DISKS
#define VBD_WORDS      3U /* of 64: as many as there may be guests, or devices */
#define VBD_QUEUES     4U
#define VBD_RING_ORDER 2U
#define VBD_RING_PAGES (1U << VBD_RING_ORDER)
#define VBD_JOBS       BOAT_RECORDS
#define VBD_NONE       0xffffU

#define VBD_BATCH 16U /* requests taken from a queue in one turn */
#define VBD_DEPTH 32U /* steps of one physical disk that its driver has at once */
#define VBD_TRIES 3U  /* of a step that the device did not answer */

#define VBD_AWAY_MS   60000U /* how long requests wait for a driver that is not there */
#define VBD_ANSWER_MS 30000U /* a driver that answers nothing for so long is asked anew */

#define VBD_VOLUME_EXTENTS 16U

/* A set of guests or devices. Mostly there are few: what has none costs one look. */
struct bits {
	uint64_t word[VBD_WORDS];
	uint64_t some; /* bit w: word[w] is not 0 */
};
_Static_assert(VBD_GUESTS <= VBD_WORDS * 64 && VBD_DEVICES <= VBD_WORDS * 64, "a bit for each");
static inline void bits_add(struct bits *bits, uint32_t n) {
	bits->word[n / 64] |= 1ULL << n % 64;
	bits->some |= 1ULL << n / 64;
}
static inline void bits_remove(struct bits *bits, uint32_t n) {
	bits->word[n / 64] &= ~(1ULL << n % 64);
	if (!bits->word[n / 64]) bits->some &= ~(1ULL << n / 64);
}
static inline bool bits_has(const struct bits *bits, uint32_t n) {
	return bits->word[n / 64] >> n % 64 & 1;
}
/* The lowest from this one on; VBD_NONE: there is none. */
static inline uint32_t bits_next(const struct bits *bits, uint32_t from) {
	uint64_t word, later;

	if (from >= VBD_WORDS * 64) return VBD_NONE;
	word = bits->word[from / 64] >> from % 64;
	if (word) return from + (uint32_t)__builtin_ctzll(word);
	later = bits->some & ~((2ULL << from / 64) - 1);
	if (!later) return VBD_NONE;
	from = (uint32_t)__builtin_ctzll(later);
	return from * 64 + (uint32_t)__builtin_ctzll(bits->word[from]);
}
static inline bool bits_any(const struct bits *bits) { return bits->some != 0; }

struct volume {
	const char *name;
	uint32_t line;
	bool ready;          /* all sizes are known */
	const char *failure; /* it can't be used: why */
	uint16_t extent_count;
	uint64_t sectors;
	uint32_t block, physical_block;
	struct extent extent[VBD_VOLUME_EXTENTS];
};

/* One ring of a device. */
struct queue {
	struct blkif_sring *shared; /* the guest's page; NULL: not connected */
	uint32_t mask;              /* slots - 1 */
	uint32_t req_cons, rsp_prod;
	uint32_t published; /* rsp_prod, as the guest knows it */
	uint32_t port;
	bool dirty; /* there are answers to be published */
	struct grant_mapping mapping;
};

/* What a frontend writes into the store, as far as it was read. */
struct front {
	uint32_t pages, queues;
	bool persistent, abi, numbered;
	uint32_t ref[VBD_QUEUES][VBD_RING_PAGES];
	uint32_t port[VBD_QUEUES];
};

struct device {
	struct backend_device end;
	const struct vbd_disk *config;
	struct volume *volume;
	bool readonly, shared, discard;
	uint16_t jobs;    /* taken and not answered */
	uint16_t barrier; /* the job that all others wait for; VBD_NONE */
	uint16_t queue_count;
	bool persistent;
	bool waiting_is_said;      /* there is a line in the log that it waits */
	struct boat_counts *count; /* in the lifeboat */
	struct queue queue[VBD_QUEUES];
	struct bucket bytes, requests;
	struct front front;
};

struct guest {
	bool starting; /* root waits for its disks to be there */
	uint16_t domid;
	uint16_t jobs;
};

/* A physical disk: disk n of driver d is number d * BLK_MAX_DISKS + n. */
struct disk {
	struct job_list wait[VBD_GUESTS];
	struct bits waiting; /* guests with something in their list */
	uint32_t turn;
	int32_t deficit[VBD_GUESTS];
	struct job_list batch; /* admitted, in order of sectors */
	uint32_t batch_count;
	uint64_t head; /* where the last step ended */
	uint32_t in_flight;
	struct bucket bytes, requests;
};

struct driver {
	const struct native_connection *connection;
	struct blk_server blk;
	struct dma_table dma;
	uint64_t checked; /* when its answers were last found in time */
	uint16_t job_of_tag[BLK_TAGS];
	struct job_list asking, starved, away;
	uint64_t away_since; /* 0: it is there */
	bool given_up;       /* it was away for too long: requests fail at once */
	bool submitted;      /* something is to be published */
	bool ready;          /* partition tables are read */
	uint64_t errors;
};

struct vbd {
	uint64_t now;
	const struct vbd_config *config;
	const char *strings;
	uint32_t device_count, volume_count, driver_count;
	struct boat *boat;
	uint32_t job_cap; /* jobs that one guest may have */
	struct driver driver[VBD_DRIVERS];
	struct disk disk[VBD_PHYSICAL];
	struct volume volume[VBD_MAX_VOLUMES];
	struct device device[VBD_DEVICES];
	struct guest guest[VBD_GUESTS];
	bool starting;        /* root waits for the disks of a guest */
	struct bits ready;    /* devices whose rings are to be looked at */
	struct bits released; /* devices that have been answered since: likewise, next time */
	uint64_t busy;        /* disks that have something to do: one bit each */
	uint32_t turn;        /* round robin over devices */
	uint32_t asked;       /* of this wake-up: as event_asked() has it */
	uint64_t deadline;
	struct job_list answers;
	uint16_t free_job; /* list */
	struct job job[VBD_JOBS];
};
_Static_assert(VBD_PHYSICAL <= 64, "a bit for each physical disk");
extern struct vbd vbd;

static inline struct device *device_of(const struct backend_device *end) {
	return &vbd.device[end->number];
}
static inline uint16_t job_index(const struct job *job) { return (uint16_t)(job - vbd.job); }
static inline struct driver *disk_driver(uint16_t disk) {
	return &vbd.driver[disk / BLK_MAX_DISKS];
}
static inline const struct blk_disk *disk_info(uint16_t disk) {
	return &disk_driver(disk)->blk.disk[disk % BLK_MAX_DISKS];
}
/* Look again at this time, at the latest. 0: no need. */
static inline void vbd_wake_at(uint64_t time) {
	if (time && (!vbd.deadline || time < vbd.deadline)) vbd.deadline = time;
}

/* --- lists of jobs (job.c) --- */

void job_list_init(struct job_list *list);
void job_list_add(struct job_list *list, struct job *job);
/* NULL: empty. */
struct job *job_list_take(struct job_list *list);

/* --- config.c --- */

/* NULL: every offset, count and string of the blob is good; else what is not. */
const char *config_check(const void *blob, uint32_t size);
static inline const char *config_string(uint32_t offset) { return vbd.strings + offset; }
/* Fills devices, volumes and limits. */
void config_apply(const struct vbd_config *config);

/* --- volume.c --- */

/* A driver has begun a session, and its partitions are known: volumes that wait for it go on. */
void volume_settle(void);
/* The volume of this device can be used by it. NULL: yes; else who is in the way. */
const char *volume_conflict(const struct device *device);
/* A driver that it waits for has no device, or is given up. */
bool volume_is_stuck(const struct volume *volume);
/*
 * Where a sector lies: the extent's number; *sector becomes that of the disk,
 * *left how many follow in this extent. The sector is within the volume.
 */
uint16_t volume_map(const struct volume *volume, uint64_t *sector, uint64_t *left);
/* A partition that a volume is made of was found, or not (failure). */
void volume_partition(uint32_t extent, uint64_t first, uint64_t count, const char *failure);

/* --- request.c --- */

/* A request from a private copy. False: malformed; then the answer is job->status. */
bool request_parse(const struct blkif_request *request, const struct device *device,
		   struct job *job);
/* The same for the segments of an indirect one; count is job->segments. */
bool request_segments(const struct blkif_request_segment *from, const struct device *device,
		      struct job *job);

/* --- ring.c --- */

/*
 * The queues are mapped: begins where their indices stand. adopt: goes on with
 * what a predecessor has taken; else forgets it.
 */
void ring_connect(struct device *device, bool adopt);
/* Frees what a predecessor has recorded for a device. */
void ring_forget(uint16_t device);
enum ring_taken {
	RING_EMPTY,   /* the guest will tell when there is more */
	RING_BLOCKED, /* something has to happen first */
	RING_MORE
};
/* Takes up to VBD_BATCH requests. */
enum ring_taken ring_take(struct device *device, uint32_t number);
/* Answers all of vbd.answers. */
void ring_answer(void);

/* --- job.c --- */

void job_init(void);
struct job *job_take_free(void);
/* Its request was parsed; on to the first step, or to the answer. */
void job_begin(struct job *job);
/* The driver answers. */
void job_step_done(struct job *job, uint32_t status);
void job_finish(struct job *job, int status);
/* Pages asked for are mapped, or not. */
void job_mapped(struct driver *driver);
/* Jobs that waited for slots may go on. */
void job_feed(struct driver *driver);
/* The session is over; all its jobs wait. */
void job_session_lost(struct driver *driver);
/* A session has begun; all that waited goes on. */
void job_session_begins(struct driver *driver);
/* The driver does not come back: what waits for it fails. */
void job_give_up(struct driver *driver);
/* The barrier of a device may begin: nothing else of the device is left. */
void job_barrier(struct device *device);

/* --- disk.c --- */

void disk_init(struct disk *disk);
void disk_queue(struct job *job);
/* Gives the driver as much as may be. */
void disk_dispatch(uint16_t disk);

/* --- driver.c --- */

/* NULL: it serves; else what is wrong. */
const char *driver_open(struct driver *driver, const struct native_connection *connection);
/* Once for each batch. */
void driver_publish(void);
/* Drivers that are away for too long, or do not answer. */
void driver_watch(void);
/* --- scan.c --- */

/* Reads the partition tables that volumes need; then driver->ready. */
void scan_begin(struct driver *driver);
void scan_done(uint32_t status);
void scan_abort(struct driver *driver);
/* What found no room at the driver before may find it now. */
void scan_retry(void);
#define SCAN_TAG    0xfffeU /* in job_of_tag: a request of scan.c */
/*
 * Pages at the end of the lifeboat, mapped in every window; the last is for copies
 * of guests' pages. Were they the server's own, its memory could not be taken
 * back after its death before each driver's device has been stopped.
 */
#define SCAN_PAGES  18U
#define SCAN_COPY   17U
/* Before them: the counters. */
#define COUNT_PAGES DIV_UP(VBD_DEVICES * sizeof(struct boat_counts), PAGE_SIZE)

extern uint8_t (*scan_buffer)[PAGE_SIZE];
extern uint32_t scan_ref; /* root's grant of the first of them */

/* --- device.c --- */

/* First of all: the devices are disks. */
void device_begin(void);
void device_present(uint16_t guest, uint32_t incarnation);
/* Each of its disks is in the store for it to find, or known not to come soon. */
bool device_served(uint16_t guest);
/* Nothing of the guest is left here, and none of its pages is mapped. */
bool device_gone(uint16_t guest);
/* A driver is away for long: names the disks that still wait to be there. */
void device_say_waiting(void);

/* --- node.c, front.c: for backend_class --- */

#define NODE_COUNT 34U
extern const struct backend_node node_table[NODE_COUNT];
void node_value(const struct backend_device *end, uint32_t value, char to[BACKEND_PATH]);
extern const struct backend_round front_rounds[BACKEND_ROUNDS];

/* --- link.c --- */

/* NULL: all queues of device->front are mapped and bound; else what failed. */
const char *link_connect(struct device *device);
void link_disconnect(struct device *device);
/* Copies `size` bytes of a granted page to memory of ours. 0, or -errno. */
int link_copy(uint16_t domid, uint32_t ref, void *to, uint32_t size);
/* Tells the guest about answers. */
void link_notify(uint32_t port);

/* --- ctl.c --- */

/* Who may watch and set limits is served; limits that a predecessor was told hold. */
void ctl_open(void);

/* --- pump.c --- */

/* Everything that is to be done now. */
void pump(void *context);
/* The pump will run before the domain sleeps. */
void pump_soon(void);

#endif
