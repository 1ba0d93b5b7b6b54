/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Servers that this domain may watch and steer (proto/ctl.h): the switch, the disk server, the
 * console server, as many of each as the description joins it with. One request at a time
 * at each.
 */
#ifndef SERVERS_CONTROL_SERVICE_H
#define SERVERS_CONTROL_SERVICE_H

#include "libs/ring/ring.h"
#include "libs/rt/rt.h"
#include "proto/ctl.h"

#define SERVICES 8U

struct line;

struct service {
	const struct native_connection *connection;
	struct ctl_page *page;     /* shared */
	uint8_t *payload, *behind; /* shared */
	struct ring tap;           /* if it has one */
	uint32_t sent;
	const struct line *user; /* whose request it has, or whose answer it holds; NULL: free */
};

extern struct service services[SERVICES];
extern uint32_t service_count;

/* Maps those of this protocol, of `pages` pages. has_tap: a ring lies behind the payload. */
void service_open(uint16_t protocol, uint32_t pages, bool has_tap, void (*on_event)(void *));
/* The next one of this protocol behind `after` (NULL: the first); NULL: there is none. */
struct service *service_next(uint16_t protocol, const struct service *after);
/* A request is under way, which may be a predecessor's. */
bool service_busy(const struct service *service);
/* The page's op and arguments are set: sends it, with these bytes of payload. */
void service_send(struct service *service, const void *payload, uint32_t length);

#endif
