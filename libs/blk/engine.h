/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What lies between the server's requests (driver.h) and a device that is driven as
 * a state machine: it takes requests, is told of interrupts and of time, says when
 * it wants to be woken, and resets itself when a command is not answered. AHCI and
 * NVMe are that.
 *
 *   blk_engine_attach(&engine, &ops, &device);  first: the old session ends here
 *   ... the device's registers, memory and interrupts ...
 *   blk_engine_settle(&engine);                 after each thing that has moved it on,
 *   event_loop();                               the start of the device included
 *
 * When the disks are known they go online. A device that dies before that, or that cannot
 * be stopped and may still do DMA, ends the domain, so that root resets it and starts the
 * driver again. Any other that dies is given up, which is said once.
 */
#ifndef LIBS_BLK_ENGINE_H
#define LIBS_BLK_ENGINE_H

#include "libs/blk/driver.h"

struct blk_engine_view {
	bool known;      /* the disks are */
	bool dead;       /* it does not come back by itself; */
	bool running;    /* and could not be stopped: it may still do DMA */
	const char *why; /* it died */
	uint64_t wake;   /* timer() is to be called then; 0: no need */
};

/* All functions get the device; `now` is time_now(). */
struct blk_engine_ops {
	const char *what; /* for the log: "the adapter" */
	void (*view)(void *device, struct blk_engine_view *view);
	/* The disks are known: blk_driver_disk() for each. */
	void (*describe)(void *device, struct blk_driver *blk);
	void (*submit)(void *device, const struct blk_request *request,
		       const struct blk_segment *segments, uint64_t now);
	void (*kick)(void *device);
	void (*timer)(void *device, uint64_t now);
	/* The session is over: what waits is dropped, what is under way is not answered. */
	void (*drop)(void *device);
	bool (*is_idle)(void *device);
	/* What is under way does not end. */
	void (*reset)(void *device, const char *why, uint64_t now);
};

struct blk_engine {
	struct blk_driver blk;
	const struct blk_engine_ops *ops;
	void *device;
	bool online, quiescing, mourned;
	struct event_timer timer, quiesce_timer;
};

/* With the connection to the disk server; without one the domain ends. */
void blk_engine_attach(struct blk_engine *engine, const struct blk_engine_ops *ops, void *device);
/* The same on pages that are mapped already: for tests. */
void blk_engine_start(struct blk_engine *engine, const struct blk_engine_ops *ops, void *device,
		      void *pages, uint32_t port, uint32_t incarnation);
void blk_engine_settle(struct blk_engine *engine);

/* A number from 1 to `most` among the program's arguments; none: `otherwise`. */
uint64_t blk_engine_number(const char *name, uint64_t otherwise, uint64_t most);

#endif
