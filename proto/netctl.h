/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SYSTEM_CONN_NETCTL: a native domain (client) watches the switch (server), changes its rules and
 * limits, and taps packets. The pages are those of ctl.h with a tap, a pcapng stream, and
 * one more: netctl_record, the limits that were set through this connection, written by the
 * server for its successor; read only of a client that may set some.
 *
 * A tap ends with the server: tap_on is 0 then, it sends, and who wants to go on starts it
 * again. What is in the ring is whole blocks always, and a stream may have several sections.
 */
#ifndef PROTO_NETCTL_H
#define PROTO_NETCTL_H

#include "ctl.h"

#define NETCTL_VERSION 2U
#define NETCTL_PAGES   (CTL_TAP_PAGES + 1U)

/* native_connection.flags: the rights of the client */
#define NETCTL_F_WATCH  1U /* COUNTERS, RULE_COUNTERS, REASONS */
#define NETCTL_F_RULES  2U
#define NETCTL_F_TAP    4U
#define NETCTL_F_LIMITS 8U

#define NETCTL_COUNTERS      1U /* answer: netctl_port[], all ports */
#define NETCTL_RULE_COUNTERS 2U /* port, direction; answer: netctl_rule[], in order */
#define NETCTL_SET_RULES     3U /* port, direction; payload: proto/rules.h. All or nothing */
#define NETCTL_TAP_START     4U /* port or NETCTL_ALL; argument: bytes kept of each packet */
#define NETCTL_TAP_STOP      5U
#define NETCTL_REASONS       7U /* answer: char[NETCTL_DROP_REASONS][NETCTL_REASON], in words */
#define NETCTL_SET_LIMITS    6U /* port: a VIF; payload: netctl_limits */

#define NETCTL_ALL 0xffffffffU
#define NETCTL_OUT 0U /* from the VIF */
#define NETCTL_IN  1U

#define NETCTL_DROP_REASONS 48U
#define NETCTL_REASON       32U

#define NETCTL_KEEP ~0ULL /* this one stays as it is */

/* Of a VIF, per second; 0: no limit. out: from it. */
struct netctl_limits {
	uint64_t bytes_out, packets_out, bytes_in, packets_in;
};

/* A limit was set here if `set` is 1. */
#define NETCTL_RECORDS 64U
struct netctl_record {
	uint8_t set[NETCTL_RECORDS];
	struct netctl_limits limits[NETCTL_RECORDS];
};

/* Counted from the switch's first start on: they survive it. */
struct netctl_port {
	char name[32];
	uint32_t kind, state;            /* SWITCH_PORT_*; 1: connected (VIF), link up (uplink) */
	uint64_t in_packets, in_bytes;   /* to the port */
	uint64_t out_packets, out_bytes; /* from the port */
	uint64_t dropped[NETCTL_DROP_REASONS]; /* by reason: servers/switch/drop.h */
	struct netctl_limits limits;
};

struct netctl_rule {
	uint64_t packets, bytes;
	uint32_t line; /* of the rule file */
	uint32_t pad;
};

_Static_assert(sizeof(struct netctl_port) == 104 + 8 * NETCTL_DROP_REASONS, "netctl_port layout");
_Static_assert(sizeof(struct netctl_record) <= 4096, "netctl_record is a page");
_Static_assert(sizeof(struct netctl_rule) == 24, "netctl_rule layout");

#endif
