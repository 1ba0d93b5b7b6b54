/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One guest's connection with the store, apart from how its ring is mapped and
 * who is notified. Each guest sees its own part only: /local/domain/N and what
 * is below, which it may read and write; everything else is refused.
 */
#ifndef SERVERS_STORE_STORE_H
#define SERVERS_STORE_STORE_H

#include "proto/xen/store.h"
#include "tree.h"

#define STORE_WATCHES      32U
#define STORE_TRANSACTIONS 3U
#define STORE_TOKEN        64U
#define STORE_WATCH_PATH   128U
/* One reply, and an event for every watch. */
#define STORE_OUT                                            \
	(sizeof(struct xsd_sockmsg) + XENSTORE_PAYLOAD_MAX + \
	 STORE_WATCHES *                                     \
		 (sizeof(struct xsd_sockmsg) + STORE_WATCH_PATH + TREE_PATH + STORE_TOKEN))

struct store_watch {
	char path[STORE_WATCH_PATH]; /* as the guest wrote it */
	char token[STORE_TOKEN];     /* "" = this entry is free */
};

struct store_transaction {
	uint32_t id;         /* 0 = free */
	uint32_t generation; /* of the tree, when it began */
	struct tree tree;
};

struct store_client {
	struct xenstore_domain_interface *ring; /* shared; NULL: nobody there */
	uint16_t domid;
	bool dead;                   /* it broke the protocol */
	bool notify;                 /* its event channel is to be sent */
	uint32_t req_cons, rsp_prod; /* private */
	uint32_t next_id;

	/* the request that comes in, and what goes out */
	struct xsd_sockmsg header;
	uint32_t header_got, payload_got;
	char payload[XENSTORE_PAYLOAD_MAX + 1];
	uint8_t out[STORE_OUT];
	uint32_t out_length, out_sent;

	struct tree tree;
	struct store_watch watch[STORE_WATCHES];
	struct store_transaction transaction[STORE_TRANSACTIONS];
};

/* A new guest: a fresh part of the store, what a toolstack would put there included. */
void store_attach(struct store_client *client, struct xenstore_domain_interface *ring,
		  uint16_t domid, const char *name);
/* Reads and answers; true: there is more to do. */
bool store_serve(struct store_client *client);

/* ops.c: carries out the request in client->header and payload. */
void store_execute(struct store_client *client);
/* Puts one message behind what waits to go out. */
void store_send(struct store_client *client, uint32_t type, uint32_t req_id, uint32_t tx_id,
		const void *payload, uint32_t length);

#endif
