/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The parts of the store, apart from how rings are mapped and who is notified.
 * All of them work on the boat (boat.h), inside of a step; connection.c begins
 * and ends the steps.
 *
 *   path.c         paths as clients write them, and whose they are
 *   tree.c         nodes: finding, making, removing, values, permissions
 *   watch.c        watches and the events that wait for a client
 *   transaction.c  requests that count only when they are committed
 *   request.c      what each request does
 *   guest.c        the nodes that a domain finds
 *   connection.c   bytes in and out of a ring, and the steps
 */
#ifndef SERVERS_STORE_STORE_H
#define SERVERS_STORE_STORE_H

#include "boat.h"

#define STORE_PATH  1024U /* absolute, NUL included */
#define STORE_DEPTH 64U   /* components of a path */
#define STORE_VALUE 2048U
#define STORE_TOKEN 256U /* NUL included */

/* --- path.c --- */

/*
 * The absolute form of a client's path. NULL, or the error's name. A path is
 * absolute from here on, without '/' at its end; the root is "/".
 */
const char *path_resolve(const struct client *client, const char *given, size_t length,
			 char path[STORE_PATH]);
/* "/local/domain/N"; its length. */
size_t path_home(const struct client *client, char *path, size_t size);
/* Whether `path` is `top` or lies below it. */
bool path_is_below(const char *path, const char *top);
/* Whether a native may do everything there: device/vbd or device/vif of a guest. */
bool path_is_privileged(const struct client *client, const char *path);
/* The next component of a path; false at its end. */
bool path_next(const char **path, const char **name, size_t *length);

/* --- tree.c --- */

struct client *tree_client(uint16_t domid); /* NULL: no such domain */
/* The node; 0: there is none, and *closest (may be NULL) is the nearest above that there is. */
uint32_t tree_find(const char *path, uint32_t *closest);
/* What the client may do there: MAY_*. */
uint32_t tree_access(const struct client *client, const char *path, uint32_t node);
/* Makes it below the closest; owner: of all that is made, NULL = as the parent's. 0: quota. */
uint32_t tree_make(const char *path, const struct client *owner);
bool tree_set_value(uint32_t node, const void *value, uint32_t length);
void tree_set_permissions(uint32_t node, const uint32_t *permissions, uint32_t count);
void tree_touch(uint32_t node); /* a new generation */
/* The node and all below. */
void tree_remove(uint32_t node);

/* --- watch.c --- */

/* Something at `path` has changed; node: 0 or the node there. */
void watch_fire(const char *path, uint32_t node);
/* All at `path` and below is about to go. */
void watch_fire_removed(const char *path, uint32_t node);
/* @introduceDomain, @releaseDomain: to those who may know. */
void watch_fire_special(const char *name);
/* What happens in a transaction is nobody's affair until it is committed. */
void watch_silence(bool silent);
const char *watch_add(struct client *client, const char *path, size_t path_length,
		      const char *token, size_t token_length);
const char *watch_delete(struct client *client, const char *path, size_t path_length,
			 const char *token, size_t token_length);
void watch_delete_all(struct client *client);
bool watch_event_waits(const struct client *client);
/* Takes the next event out of the queue into a message's payload; its length. */
uint32_t watch_next_event(struct client *client, char *payload);

/* --- request.c --- */

struct request {
	struct client *client;
	uint32_t type, transaction;
	const char *payload; /* a private copy, a NUL behind it */
	uint32_t length;
	char path[STORE_PATH]; /* for requests that have one */
	const char *rest;      /* of the payload, behind the path and its NUL */
	uint32_t rest_length;
	bool keep; /* an error, but what it changed stays */
};

struct reply {
	uint32_t length;
	char bytes[XENSTORE_PAYLOAD_MAX];
};
extern struct reply reply;

/* Carries out a request of the client's as part of a step, leaving a reply. NULL or the error. */
const char *request_execute(struct request *request);
/* The same, within the transaction or outside of it, without looking at the number. */
const char *request_run(struct request *request);
/* Whether the request is about the tree and has a path. */
bool request_has_path(uint32_t type);
/* Fills path and rest. */
const char *request_take_path(struct request *request);
void reply_text(const char *text);

/* --- transaction.c --- */

const char *transaction_start(struct request *request);
const char *transaction_end(struct request *request, bool commit);
const char *transaction_run(struct request *request);
void transaction_delete_all(struct client *client);

/* --- guest.c --- */

/* What is known of a guest besides its name. */
struct guest_facts {
	uint32_t vcpus;
	uint64_t memory_kib, maximum_kib;
};

/* The directories above all homes, and the natives' homes. The first step of a fresh boat. */
void guest_make_tree(void);
void guest_introduce(struct client *client, const struct guest_facts *facts);
void guest_release(struct client *client);
/* What root asks of it (CONTROL_ASK_*): the node by which guests are asked. */
void guest_ask(struct client *client, uint32_t what, uint32_t value);

/* --- connection.c --- */

struct connection {
	struct client *client;
	struct xenstore_domain_interface *ring; /* shared; NULL: not mapped */
	bool notify;                            /* its event channel is to be sent */
	bool after_event;                       /* it is a request's turn */
};

/*
 * A guest's ring is mapped, or a native's: goes on with what the boat says, or, for a new
 * incarnation of a guest, begins with a home as a toolstack makes it.
 */
void connection_attach(struct connection *connection, struct xenstore_domain_interface *ring,
		       uint32_t incarnation, const struct guest_facts *facts);
/* The guest has ended: its nodes, watches and transactions go. */
void connection_detach(struct connection *connection);
/* Bounded work: reads, answers; true: there is more to do. */
bool connection_serve(struct connection *connection);
/* Whether it has something to send that it could send now. */
bool connection_is_due(const struct connection *connection);

#endif
