/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The pages through which a native domain (client) watches and steers a server, which
 * netctl.h, blkctl.h and consctl.h have in common. Pages of root's:
 *
 *   page 0       ctl_page
 *   page 1..16   the payload of a request or of its answer, up to 64 KiB
 *   page 17..    the server's own affair: netctl.h, consctl.h: a ring of CTL_TAP bytes, server ->
 *                client; blkctl.h: what a successor of the server must know
 *
 * One request at a time. The client fills in op, its arguments and the payload, then counts
 * request up and sends. The server copies all of it before it looks, does it, fills in
 * status, answer_length, the payload and text, then sets done = request and sends. A server
 * that was restarted finds request != done and does it again: each request may be done twice
 * without harm. A client that was restarted finds the same, and waits.
 *
 * What a client may do is in the connection's flags.
 *
 * Server and client are upgraded apart, and the page stays. So a word that is added comes out of
 * the padding, which is 0 until somebody knows it, and nothing moves: then the version stays. What
 * a server has noted is for a successor of the same build: an upgrade stops it between two
 * events, when all that was asked is answered.
 */
#ifndef PROTO_CTL_H
#define PROTO_CTL_H

#include "ring.h"

#define CTL_VERSION   1U /* of the page; what is asked has versions of its own */
#define CTL_PAYLOAD   65536U
#define CTL_TAP       65536U
#define CTL_PAGES     17U /* without those behind the payload */
#define CTL_TAP_PAGES 33U

/* status */
#define CTL_OK          0U
#define CTL_INVALID     1U /* text says what */
#define CTL_DENIED      2U
#define CTL_UNKNOWN     3U /* no such port or op */
#define CTL_UNSUPPORTED 4U

struct ctl_page {
	/* written by the client */
	uint32_t request;
	uint32_t op, port, direction; /* port: which of the server's things */
	uint32_t argument, length;
	uint32_t pad0[10];
	/* written by the server */
	uint32_t version; /* CTL_VERSION */
	uint32_t done;
	uint32_t status, answer_length;
	uint64_t tap_lost; /* what found no room in the tap */
	uint32_t tap_on;   /* 0: never started, stopped, or the server is a new one */
	uint32_t note[3];  /* the server's own, for its successor */
	uint32_t pad1[6];
	char text[256]; /* for a person: what was wrong */
	struct ring_header tap;
	uint8_t pad2[4096 - 128 - 256 - 128];
};

_Static_assert(offsetof(struct ctl_page, version) == 64, "ctl_page layout");
_Static_assert(offsetof(struct ctl_page, text) == 128, "ctl_page layout");
_Static_assert(sizeof(struct ctl_page) == 4096, "ctl_page fills a page");

#endif
