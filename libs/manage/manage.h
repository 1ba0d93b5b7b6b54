/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A native domain that may manage the system (proto/manage.h): requests to root, one
 * at a time, and what root tells unasked.
 *
 * Root answers within a bounded time. The answer comes by the event loop, to the
 * function that the request named; who has no loop calls manage_poll(). The payload
 * is root's pages: only valid during the call, and not copied.
 */
#ifndef LIBS_MANAGE_MANAGE_H
#define LIBS_MANAGE_MANAGE_H

#include "libs/rt/rt.h"
#include "proto/manage.h"

struct manage_request {
	uint32_t op; /* MANAGE_* */
	uint32_t argument;
	uint64_t number;
	const char *name, *value; /* NULL: none */
	const void *payload;      /* copied */
	uint32_t length;          /* of it, at most MANAGE_PAYLOAD */
};

struct manage_answer {
	uint32_t op, status, line, more;
	const char *text;    /* "" if there is nothing to say */
	const void *payload; /* length bytes of it */
	uint32_t length;
};

typedef void (*manage_done)(const struct manage_answer *answer);

/*
 * Maps the pages and handles the port. on_event: called when there may be events, may
 * be NULL. False: the description gives this domain no such right.
 */
bool manage_open(void (*on_event)(void));
uint32_t manage_rights(void); /* MANAGE_F_* */

/* False: one is under way, or a name is too long. */
bool manage_send(const struct manage_request *request, manage_done done);
bool manage_busy(void);
/* Looks for the answer; the event loop does it by itself. */
void manage_poll(void);
/* The next event. lost: how many were, since boot. False: there is none. */
bool manage_event(struct manage_event *event, uint32_t *lost);

/* How many requests this domain has made since boot, its predecessors' included. */
uint32_t manage_count(void);
/* The answer to the last request of a predecessor. False: it made none, or is not answered. */
bool manage_last(struct manage_answer *answer);

#endif
