/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A store with clients, as a host program: memory for its boat, a ring for each
 * client, and the clients' side of the rings. Client 0 is a native that makes
 * disks (domid 9), the others are guests with domids 5, 6, ...
 */
#ifndef TESTS_UNIT_STORE_RIG_H
#define TESTS_UNIT_STORE_RIG_H

#include "native.h"

#include "proto/system.h"
#include "servers/store/store.h"

#define RIG_CLIENTS 3U
#define RIG_BOAT    (640U << 10)
#define VBD         0U
#define G5          1U
#define G6          2U

struct rig {
	uint8_t boat[RIG_BOAT];
	struct xenstore_domain_interface ring[RIG_CLIENTS];
};

/* A message as a client got it. */
struct message {
	struct xsd_sockmsg header;
	char payload[XENSTORE_PAYLOAD_MAX + 1];
};

extern struct rig *rig; /* 64-byte aligned; the test's memory */
extern struct connection connections[RIG_CLIENTS];
extern const struct boat_peer rig_peers[RIG_CLIENTS];
extern const struct guest_facts rig_facts;

/* The store's first start: everything fresh; the native has its connection. */
void rig_start(void);
/* What a store does that starts: takes over what there is, or builds. NULL or why it was rejected.
 */
const char *rig_run(void);
/* Lets the store work until it has nothing to do. */
void rig_settle(void);
/* One client's turn. */
bool rig_serve(unsigned n);

/* The client's side; sends as the ring has room, in as many pieces as it takes. */
void rig_send(unsigned n, uint32_t type, uint32_t req_id, uint32_t tx, const void *payload,
	      uint32_t size);
/* The next message; false: none comes. */
bool rig_receive(unsigned n, struct message *message);
/* Takes bytes only as far as they have come. */
bool rig_poll(unsigned n, struct message *message, uint32_t *got);

#endif
