/* SPDX-License-Identifier: BSD-2-Clause */
/* The switch's end of SYSTEM_CONN_NETCTL connections (proto/netctl.h); ctl.c, tap.c, limits.c. */
#ifndef SERVERS_SWITCH_CTL_H
#define SERVERS_SWITCH_CTL_H

#include "libs/ctl/record.h"
#include "switch.h"

#define CTL_CLIENTS 4U

/* Bytes of each packet that are kept, at most: a block fits the ring several times. */
#define TAP_KEEP 16384U

/* What a client taps. The ring is behind its payload. */
struct tap {
	struct ctl_server *server;
	uint32_t put, shown; /* bytes put into the ring; of them, as the client knows */
	bool on;
	uint32_t port; /* which, or NETCTL_ALL */
	uint32_t keep; /* bytes of each packet */
};

/* --- tap.c --- */

/* Of this client, which is new. */
void tap_begin(struct ctl_server *server);
/* A CTL_* status. */
uint32_t tap_start(struct ctl_server *server, struct ctl_request *request);
uint32_t tap_stop(struct ctl_server *server, struct ctl_request *request);
/* Shows the client what was put, and tells it if it wants to be told. */
void tap_show(struct ctl_server *server);

/* --- limits.c --- */

struct netctl_limits limits_of(const struct port *port);
/* Of port number n, a VIF. False: one is too high, nothing has changed. */
MUST_CHECK bool limits_set(uint32_t n, const struct netctl_limits *asked);

#endif
