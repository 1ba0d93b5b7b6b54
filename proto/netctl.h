/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SYSTEM_CONN_NETCTL: a native domain (client) watches the switch (server), changes
 * its rules, and taps packets. Pages of root's:
 *
 *   page 0       netctl_page
 *   page 1..16   the payload of a request or of its answer, up to 64 KiB
 *   page 17..32  the tap: a ring of bytes, a pcapng stream   server -> client
 *
 * One request at a time. The client fills in op, port, length and the payload, then
 * counts request up and sends. The server copies all of it before it looks, does
 * it, fills in status, answer_length, the payload and text, then sets done = request
 * and sends. A server that was restarted finds request != done and does it again: each
 * request may be done twice without harm. A tap ends with the server: tap_on is 0 then, it
 * sends, and who wants to go on starts it again. What is in the ring is whole blocks
 * always, and a stream may have several sections.
 *
 * What a client may do is in the connection's flags.
 */
#ifndef PROTO_NETCTL_H
#define PROTO_NETCTL_H

#include "ring.h"

#define NETCTL_VERSION 1U
#define NETCTL_PAGES   33U
#define NETCTL_PAYLOAD 65536U
#define NETCTL_TAP     65536U

/* native_connection.flags: the rights of the client */
#define NETCTL_F_WATCH 1U /* COUNTERS, RULE_COUNTERS */
#define NETCTL_F_RULES 2U
#define NETCTL_F_TAP   4U

#define NETCTL_COUNTERS      1U /* answer: netctl_port[], all ports */
#define NETCTL_RULE_COUNTERS 2U /* port, direction; answer: netctl_rule[], in order */
#define NETCTL_SET_RULES     3U /* port, direction; payload: proto/rules.h. All or nothing */
#define NETCTL_TAP_START     4U /* port or NETCTL_ALL; argument: bytes kept of each packet */
#define NETCTL_TAP_STOP      5U

#define NETCTL_ALL 0xffffffffU
#define NETCTL_OUT 0U /* from the VIF */
#define NETCTL_IN  1U

#define NETCTL_OK          0U
#define NETCTL_INVALID     1U /* text says what */
#define NETCTL_DENIED      2U
#define NETCTL_UNKNOWN     3U /* no such port or op */
#define NETCTL_UNSUPPORTED 4U

#define NETCTL_DROP_REASONS 48U

/* Counted from the switch's first start on: they survive it. */
struct netctl_port {
	char name[32];
	uint32_t kind, state;            /* SWITCH_PORT_*; 1: connected (VIF), link up (uplink) */
	uint64_t in_packets, in_bytes;   /* to the port */
	uint64_t out_packets, out_bytes; /* from the port */
	uint64_t dropped[NETCTL_DROP_REASONS]; /* by reason: servers/switch/drop.h */
};

struct netctl_rule {
	uint64_t packets, bytes;
	uint32_t line; /* of the rule file */
	uint32_t pad;
};

struct netctl_page {
	/* written by the client */
	uint32_t request;
	uint32_t op, port, direction;
	uint32_t argument, length;
	uint32_t pad0[10];
	/* written by the server */
	uint32_t version;
	uint32_t done;
	uint32_t status, answer_length;
	uint64_t tap_lost; /* packets that found no room in the tap */
	uint32_t tap_on;   /* 0: never started, stopped, or the server is a new one */
	uint32_t pad1[9];
	char text[256]; /* for a person: what was wrong */
	struct ring_header tap;
	uint8_t pad2[4096 - 128 - 256 - 128];
};

_Static_assert(sizeof(struct netctl_port) == 72 + 8 * NETCTL_DROP_REASONS, "netctl_port layout");
_Static_assert(sizeof(struct netctl_rule) == 24, "netctl_rule layout");
_Static_assert(sizeof(struct netctl_page) == 4096, "netctl_page fills a page");

#endif
