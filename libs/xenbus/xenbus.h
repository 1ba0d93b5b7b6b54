/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A native domain as a client of the store, over a SYSTEM_CONN_XENBUS connection:
 * the guests' wire protocol (proto/xen/store.h) in a page of root's. Nothing
 * blocks: a request is copied and queued, and its function is called with the
 * answer, from the event loop, never from within the request itself. The store
 * carries out requests in the order in which they were made, so a transaction can
 * be sent off in one go once its number is known.
 *
 * Restarts:
 *  - The store dies and comes back: nothing to notice. Requests are answered once,
 *    watches stay.
 *  - This domain dies and comes back: xenbus_open() asks the store to begin anew
 *    (ring.connection = 1) and sends nothing before it has (0). What the
 *    predecessor had asked for, its watches and open transactions are gone then;
 *    nodes that it made stay.
 *  - The store comes back without its state (it rejected its lifeboat): it says so
 *    (ring.error), the library begins anew by itself.
 *
 * In all cases `connected` is called when a fresh connection stands: set watches,
 * read or make the nodes. Requests that were under way when a connection was lost
 * are answered with -XEN_ENOTCONN first.
 *
 * Paths: absolute, or relative to the domain's own home /local/domain/<domid>.
 */
#ifndef LIBS_XENBUS_XENBUS_H
#define LIBS_XENBUS_XENBUS_H

#include "libs/rt/rt.h"
#include "proto/xen/store.h"

#define XENBUS_REQUESTS 128U   /* under way at once */
#define XENBUS_WATCHES  384U   /* registered at once */
#define XENBUS_OUT      16384U /* bytes of requests that wait for room in the ring */
#define XENBUS_PATH     128U   /* of a watch, NUL included */

/* States of a device's two ends. */
#define XENBUS_UNKNOWN       0U
#define XENBUS_INITIALISING  1U
#define XENBUS_INIT_WAIT     2U
#define XENBUS_INITIALISED   3U
#define XENBUS_CONNECTED     4U
#define XENBUS_CLOSING       5U
#define XENBUS_CLOSED        6U
#define XENBUS_RECONFIGURING 7U
#define XENBUS_RECONFIGURED  8U

struct xenbus_answer {
	int error;            /* 0, or -XEN_E*; the store's own, or -XEN_ENOTCONN, -XEN_EIO */
	const char *value;    /* payload, a NUL behind it; only valid during the call */
	uint32_t length;      /* without that NUL */
	uint32_t transaction; /* of xenbus_transaction_start: its number, never 0 */
};

typedef void (*xenbus_done)(void *context, const struct xenbus_answer *answer);
/* path: what has changed, in the form of the watch (relative or absolute). */
typedef void (*xenbus_event)(void *context, const char *path);

/* Private to the library, storage of the caller: static, about 90 KiB. */
struct xenbus_request {
	xenbus_done done;
	void *context;
	uint32_t type;
	uint32_t watch; /* serial of the one that it registers */
	bool used;
};

struct xenbus_watch {
	xenbus_event event;
	void *context;
	uint32_t serial; /* of the registration; 0 = free */
	char path[XENBUS_PATH];
};

struct xenbus {
	struct xenstore_domain_interface *ring; /* shared */
	void (*connected)(void *context);
	void (*room)(void *context);
	void *context;
	uint32_t port;
	bool ready;      /* the connection stands */
	bool wants_room; /* a request was refused */
	bool notify;     /* the store is to be told */
	uint32_t req_prod, rsp_cons;
	uint32_t serial;
	uint32_t incarnation; /* of this domain */
	uint32_t salt; /* of the numbers of requests: this incarnation's, this connection's */

	struct xenbus_request request[XENBUS_REQUESTS];
	struct xenbus_watch watch[XENBUS_WATCHES];
	uint32_t requests; /* under way */

	uint8_t out[XENBUS_OUT]; /* a ring of bytes */
	uint32_t out_first, out_length;

	struct xsd_sockmsg header; /* of what comes in */
	uint32_t header_got, payload_got;
	char payload[XENSTORE_PAYLOAD_MAX + 1];

	/* what went wrong, and was ignored */
	uint32_t unknown_answers, unknown_events, bad_answers, failed_unheard, connections;
};

/*
 * Opens the connection (protocol SYSTEM_CONN_XENBUS) and handles its port.
 * `connected`: see above. `room` (may be NULL): called when a request that was
 * refused with -XEN_ENOBUFS may be tried again. 0, or -errno of the mapping.
 */
MUST_CHECK int xenbus_open(struct xenbus *bus, const struct native_connection *connection,
			   void (*connected)(void *context), void (*room)(void *context),
			   void *context);

/*
 * Requests. transaction: 0 = none. done: may be NULL; then an error is only counted.
 * 0; -XEN_ENOBUFS: too many are under way, see `room`; -XEN_ENOTCONN: the
 * connection does not stand (yet); -XEN_E2BIG: longer than a message may be.
 */
int xenbus_read(struct xenbus *bus, uint32_t transaction, const char *path, xenbus_done done,
		void *context);
/* The answer: names, each with a NUL behind it; see xenbus_next_name. */
int xenbus_directory(struct xenbus *bus, uint32_t transaction, const char *path, xenbus_done done,
		     void *context);
/* Makes the node and its parents. */
int xenbus_write(struct xenbus *bus, uint32_t transaction, const char *path, const void *value,
		 uint32_t length, xenbus_done done, void *context);
/* The same with a formatted value, at most 255 bytes. */
int xenbus_printf(struct xenbus *bus, uint32_t transaction, const char *path, xenbus_done done,
		  void *context, const char *format, ...) PRINTF(6);
int xenbus_mkdir(struct xenbus *bus, uint32_t transaction, const char *path, xenbus_done done,
		 void *context);
/* The node and all below; none there is no error unless its parent is missing too. */
int xenbus_rm(struct xenbus *bus, uint32_t transaction, const char *path, xenbus_done done,
	      void *context);
/* permissions: "n3 r5": the owner with the default for others, then exceptions (n, r, w, b). */
int xenbus_set_permissions(struct xenbus *bus, uint32_t transaction, const char *path,
			   const char *permissions, xenbus_done done, void *context);

/* answer.transaction is its number. */
int xenbus_transaction_start(struct xenbus *bus, xenbus_done done, void *context);
/* commit false: forget it. -XEN_EAGAIN in the answer: somebody was faster, do all of it again. */
int xenbus_transaction_end(struct xenbus *bus, uint32_t transaction, bool commit, xenbus_done done,
			   void *context);

/*
 * Calls `event` once soon, and then whenever the node or something below it
 * changes. The number of the watch, > 0, for xenbus_unwatch; or as requests,
 * -XEN_ENOSPC: too many watches. If the store refuses it, done says so (NULL:
 * counted) and the watch is free again. After xenbus_unwatch() there are no more
 * calls. A lost connection ends all watches.
 */
int xenbus_watch(struct xenbus *bus, const char *path, xenbus_event event, void *event_context,
		 xenbus_done done, void *context);
int xenbus_unwatch(struct xenbus *bus, int watch);

/* Walks the answer of xenbus_directory: begin with *position 0; NULL at the end. */
const char *xenbus_next_name(const struct xenbus_answer *answer, uint32_t *position);
/* The answer as a decimal number. False: an error, no number, or larger than max. */
bool xenbus_number(const struct xenbus_answer *answer, uint64_t max, uint64_t *number);

/*
 * For tests, and for who handles the port himself: without mapping and channel.
 * incarnation: of this domain; what is meant for another one meets nobody.
 */
void xenbus_attach(struct xenbus *bus, struct xenstore_domain_interface *ring, uint32_t incarnation,
		   void (*connected)(void *context), void (*room)(void *context), void *context);
/* Bounded work; true: there is more to do. bus->notify: send the event, then clear it. */
bool xenbus_serve(struct xenbus *bus);

#endif
