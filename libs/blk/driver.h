/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The driver's end of a SYSTEM_CONN_DISK connection (proto/blk.h): sessions,
 * copies and checks of the server's requests, completions. What is left to the
 * driver is the device.
 *
 *   blk_driver_attach(&blk, &ops, device);     first: the old session ends here
 *   ... bring the device up ...
 *   blk_driver_disk(&blk, 0, &disk);           for each disk
 *   blk_driver_online(&blk);                   from here on ops are called
 *   event_loop();
 *
 *   interrupt:  for each request that is done: blk_driver_complete(&blk, tag, ...);
 *               then, once: blk_driver_work(&blk);
 *
 * A request reaches submit() as a private copy that has been checked: its tag is
 * not in use, the disk exists and can do the operation, the range lies on it in
 * whole blocks, the segments are in sectors, within one page each, and add up.
 * With blk_driver_gather() answers wait for others while many requests are under way.
 * A FLUSH for a disk without a cache is answered here. What is malformed is
 * answered with BLK_STATUS_RANGE and counted; what has no tag to answer to is
 * dropped and counted. Indices that are impossible end the session.
 */
#ifndef LIBS_BLK_DRIVER_H
#define LIBS_BLK_DRIVER_H

#include "libs/event/event.h"
#include "libs/rt/rt.h"
#include "libs/rt/time.h"
#include "proto/blk.h"

/* All functions get the `device` of blk_driver_attach(). */
struct blk_driver_ops {
	/*
	 * Starts a request. True: taken, and blk_driver_complete() will be called for
	 * its tag, now or later. False: the device has no room; the same request
	 * comes again at a later blk_driver_work(), so call that when something is
	 * done. Both pointers are good during the call only. FLUSH, DISCARD and
	 * WRITE_ZEROES have no segments.
	 */
	bool (*submit)(void *device, const struct blk_request *request,
		       const struct blk_segment *segments);
	/* After a batch of requests that submit() took: rings the device's doorbell. NULL: none. */
	void (*kick)(void *device);
	/*
	 * A new session begins: what the device was asked to do in the old one is of
	 * no interest any more, and it must do no more DMA for it. True: it does
	 * nothing now. False: it still does; blk_driver_quiesced() will be called
	 * within a bounded time (reset the device if it does not finish). Tags of the
	 * old session may be completed meanwhile, or not; that is ignored.
	 */
	bool (*quiesce)(void *device);
	/*
	 * Answers have been gathered for long enough: as at an interrupt of the device, whether
	 * it has sent one or not, blk_driver_work() included. False: there is more, and it is
	 * called again. NULL: the device speaks for each answer.
	 */
	bool (*look)(void *device);
};

#define BLK_DRIVER_BUDGET 64U /* requests taken per wake-up */
#define BLK_DRIVER_SHARE  4U  /* of so many requests under way one may wait for another's answer */
#define BLK_DRIVER_GATHER MILLISECONDS(1) /* for which time, with all devices so far */

#define BLK_DRIVER_OFFLINE   0U /* the disks are not known yet */
#define BLK_DRIVER_IDLE      1U /* no session */
#define BLK_DRIVER_QUIESCING 2U /* quiesce() said: later */
#define BLK_DRIVER_UP        3U

struct blk_driver {
	const struct blk_driver_ops *ops;
	void *device;
	struct blk_page *page;              /* shared */
	struct blk_completion *completions; /* shared */
	const uint64_t (*words)[2];         /* shared: the request ring */
	uint32_t port;
	uint32_t incarnation; /* ours + 1, as in blk_page.driver */
	uint32_t state;       /* BLK_DRIVER_* */
	uint32_t session;     /* the last one; it is on only in BLK_DRIVER_UP */
	uint32_t consumed;    /* request words taken */
	uint32_t released;    /* of them, as the server knows */
	uint32_t completed;   /* completions written */
	uint32_t published;   /* of them, as the server knows */
	bool stalled;         /* `request` waits for room in the device */
	uint32_t disk_count;
	uint64_t outstanding[BLK_TAGS / 64];
	uint32_t under_way; /* how many of them there are */
	uint64_t gather;    /* ns; 0: every answer is published at once */
	bool overdue;       /* what was gathered has waited for so long */
	struct event_timer gather_timer;
	struct blk_request request;
	struct blk_segment segments[BLK_MAX_SEGMENTS];
	struct blk_disk disk[BLK_MAX_DISKS];
	/* what happened, for the log */
	uint64_t requests;
	uint32_t sessions, refused, dropped, broken, stray;
};

/*
 * Maps the connection to the disk server, the n-th from 0, and ends the session
 * that a predecessor had. 0; -ENOENT: there is no such connection; or as grant_map().
 */
MUST_CHECK int blk_driver_attach(struct blk_driver *driver, unsigned n,
				 const struct blk_driver_ops *ops, void *device);
/* The same on pages that are mapped already: for tests. */
void blk_driver_start(struct blk_driver *driver, void *pages, uint32_t port, uint32_t incarnation,
		      const struct blk_driver_ops *ops, void *device);

/*
 * Says what disk n (in any order, before blk_driver_online()) is. A disk that is
 * not described is not there. False, and it is not there either: n is not below
 * BLK_MAX_DISKS, or the fields make no sense. They do when block is 512 or 4096,
 * sectors are whole blocks and fit 64 bits in bytes, max_segments is 1 to
 * BLK_MAX_SEGMENTS, max_sectors at least one block.
 */
MUST_CHECK bool blk_driver_disk(struct blk_driver *driver, uint32_t n, const struct blk_disk *disk);
/*
 * From now on answers may wait for others, at most for so many ns: they are published when
 * there is one for each BLK_DRIVER_SHARE requests that are still under way. A wake-up of
 * server and guest costs about as much as the rest of a request's path, and who has many
 * under way has something to do meanwhile. With fewer than two shares each goes at once.
 */
void blk_driver_gather(struct blk_driver *driver, uint64_t ns);
/* So many answers more, at least one, and the server is to hear of them: for devices that can
 * count. */
uint32_t blk_driver_wants(const struct blk_driver *driver);
/* The disks are ready: tells the server. flags: BLK_PAGE_*. */
void blk_driver_online(struct blk_driver *driver, uint32_t flags);

/*
 * The request with this tag is done. False: there is none such (it was of an old
 * session); that is counted. The server learns of it at the next blk_driver_work().
 */
bool blk_driver_complete(struct blk_driver *driver, uint16_t tag, uint32_t status,
			 uint32_t device_status);
/* Is this tag one that the server waits for? */
static inline bool blk_driver_waits(const struct blk_driver *driver, uint32_t tag) {
	return tag < BLK_TAGS && driver->outstanding[tag / 64] >> tag % 64 & 1;
}
/* The device does nothing of the old session any more: after quiesce() said 'later'. */
void blk_driver_quiesced(struct blk_driver *driver);

/*
 * Takes what the server asks for, at most BLK_DRIVER_BUDGET requests (the rest
 * before the event loop sleeps), and publishes completions. The event from the
 * server calls it; the driver does after completions, or when there is room again.
 */
void blk_driver_work(struct blk_driver *driver);

#endif
