/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SYSTEM_CONN_CONSCTL: a native domain (client) sees what guests say on their consoles,
 * beside the serial line, and types (server: the console server). The pages are those of
 * ctl.h. What attached consoles say comes by the tap: a consctl_chunk, then its bytes, whole or
 * not at all; a client that does not read loses what finds no room, and holds up nobody.
 *
 * After a restart of the server nothing is attached: tap_on is 0, it sends, and who wants to go
 * on attaches again.
 */
#ifndef PROTO_CONSCTL_H
#define PROTO_CONSCTL_H

#include "ctl.h"

#define CONSCTL_VERSION 1U
#define CONSCTL_PAGES   CTL_TAP_PAGES

/* native_connection.flags: the rights of the client */
#define CONSCTL_F_WATCH 1U /* LIST, ATTACH, DETACH */
#define CONSCTL_F_TYPE  2U

#define CONSCTL_LIST   1U /* answer: consctl_console[] */
#define CONSCTL_ATTACH 2U /* port: which of these */
#define CONSCTL_DETACH 3U
#define CONSCTL_TYPE   4U /* port; payload: bytes; answer: uint32_t, how many were taken */

#define CONSCTL_MOST 1024U /* bytes that are typed at once: a guest's ring has no more */

struct consctl_console {
	char name[32];    /* of the guest */
	uint32_t console; /* what `port` means */
	uint32_t up;      /* 1: the guest is there */
};

struct consctl_chunk {
	uint32_t console;
	uint32_t length; /* bytes behind this */
};

_Static_assert(sizeof(struct consctl_console) == 40, "consctl_console layout");

#endif
