/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The disk server's end of a SYSTEM_CONN_DISK connection (proto/blk.h). One
 * struct blk_server for each driver.
 *
 *   blk_server_attach(&blk, connection, &ops, context);
 *   blk_server_work(&blk);		     once: a driver may be there already
 *   ... up() is called ...
 *   tag = blk_server_submit(&blk, &request, segments);   as often as wanted
 *   blk_server_publish(&blk);			     once for the batch
 *   ... done(tag) is called ...
 *
 * The driver is believed nothing but 'this tag is done': a tag that is not
 * outstanding is ignored and counted, a status that does not exist counts as an
 * error of the device, a disk that makes no sense is not there. When the driver
 * goes or lies about indices, down() is called once: no tag is outstanding any
 * more, none of the requests is known to be done, and all of them are to be
 * asked for again after the next up(). Between down() and up() the old session's
 * DMA may still be going on; after up() it is not.
 */
#ifndef LIBS_BLK_SERVER_H
#define LIBS_BLK_SERVER_H

#include "libs/rt/rt.h"
#include "proto/blk.h"

/* All functions get the `context` of blk_server_attach(). */
struct blk_server_ops {
	/* A session begins: server->disk[] and ->flags are valid. Requests may be submitted. */
	void (*up)(void *context);
	void (*down)(void *context);
	/* status: BLK_STATUS_*. The tag is free again: the function may submit. */
	void (*done)(void *context, uint16_t tag, uint32_t status, uint32_t device_status);
	/* After a submit() that found no room: there may be some now. The end of a batch. */
	void (*room)(void *context);
};

#define BLK_SERVER_DOWN  0U /* no driver, or one that has not said what it has */
#define BLK_SERVER_ASKED 1U /* the driver has been asked for a session */
#define BLK_SERVER_UP    2U

struct blk_server {
	const struct blk_server_ops *ops;
	void *context;
	struct blk_page *page;                    /* shared */
	const struct blk_completion *completions; /* shared */
	uint64_t (*words)[2];                     /* shared: the request ring */
	uint32_t port;
	bool in_loop;                 /* the event loop follows: events go by event_send_last() */
	uint32_t state;               /* BLK_SERVER_* */
	uint32_t wanted;              /* the session, as last asked for */
	uint32_t driver;              /* incarnation + 1 of the driver it was asked of */
	uint32_t produced, published; /* request words */
	uint32_t consumed;            /* of them by the driver, as last seen */
	uint32_t completed;           /* completions taken */
	uint32_t short_of;            /* words that a submit() lacked; 0: none did */
	uint32_t free_count;
	uint16_t free[BLK_TAGS]; /* a stack: tags that are hot come first */
	uint64_t outstanding[BLK_TAGS / 64];
	/* of the session */
	uint32_t flags; /* BLK_PAGE_* */
	uint32_t disk_count;
	struct blk_disk disk[BLK_MAX_DISKS]; /* checked copies; BLK_DISK_PRESENT or not there */
	/* what happened, for the log and statistics */
	uint64_t requests;
	uint32_t sessions, broken, bad_tags, bad_status, bad_disks;
};

/* Maps the connection. 0; -ENOSPC: it has too few pages; or as grant_map(). */
MUST_CHECK int blk_server_attach(struct blk_server *server,
				 const struct native_connection *connection,
				 const struct blk_server_ops *ops, void *context);
/* The same on pages that are mapped already: for tests. */
void blk_server_start(struct blk_server *server, void *pages, uint32_t port,
		      const struct blk_server_ops *ops, void *context);

/*
 * Puts a request (its tag is filled in) and request->segments segments into the
 * ring. Returns the tag; -EAGAIN: no tag or no space, room() is called when there
 * may be; -ENOTCONN: not up. The driver sees it after blk_server_publish().
 */
MUST_CHECK int blk_server_submit(struct blk_server *server, struct blk_request *request,
				 const struct blk_segment *segments);
/* Shows the driver what was submitted, and wakes it if it sleeps. */
void blk_server_publish(struct blk_server *server);

/* Does what the driver's event asks for; the event calls it. Publishes what callbacks submitted. */
void blk_server_work(struct blk_server *server);

/* The driver does not do what it should: ends the session, asks for a new one. */
void blk_server_renew(struct blk_server *server);

static inline bool blk_server_is_up(const struct blk_server *server) {
	return server->state == BLK_SERVER_UP;
}
static inline uint32_t blk_server_outstanding(const struct blk_server *server) {
	return BLK_TAGS - server->free_count;
}

#endif
