/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The xenstore ring, one page of the guest granted by entry 1 of its grant
 * table, and the messages in it: a header, then `len` bytes. Indices run freely
 * and are masked at each access. The guest notifies only when the server had
 * caught up, so the server looks again after storing req_cons.
 */
#ifndef PROTO_XEN_STORE_H
#define PROTO_XEN_STORE_H

#include <stddef.h>
#include <stdint.h>

#define XENSTORE_RING_SIZE   1024U
#define XENSTORE_PAYLOAD_MAX 4096U
#define XENSTORE_PATH_MAX    3072U /* absolute; the relative ones are shorter */

struct xenstore_domain_interface {
	char req[XENSTORE_RING_SIZE]; /* from the guest */
	char rsp[XENSTORE_RING_SIZE]; /* replies and watch events */
	uint32_t req_cons, req_prod;
	uint32_t rsp_cons, rsp_prod;
	uint32_t server_features; /* XENSTORE_SERVER_FEATURE_* */
	uint32_t connection;      /* 0: connected */
	uint32_t error;           /* XENSTORE_ERROR_* */
};

/* The client may write XENSTORE_RECONNECT to connection and notify; it then leaves the ring
 * alone until the server, with empty rings and nothing of the old connection left, writes 0. */
#define XENSTORE_SERVER_FEATURE_RECONNECTION 1U
#define XENSTORE_SERVER_FEATURE_ERROR        2U
#define XENSTORE_CONNECTED                   0U
#define XENSTORE_RECONNECT                   1U

/* Why the server does not go on with this connection. */
#define XENSTORE_ERROR_NONE    0U
#define XENSTORE_ERROR_COMM    1U /* the server lost what it knew of it */
#define XENSTORE_ERROR_RINGIDX 2U
#define XENSTORE_ERROR_PROTO   3U

struct xsd_sockmsg {
	uint32_t type; /* XS_* */
	uint32_t req_id;
	uint32_t tx_id; /* 0: no transaction */
	uint32_t len;
};

#define XS_CONTROL              0U
#define XS_DIRECTORY            1U
#define XS_READ                 2U
#define XS_GET_PERMS            3U
#define XS_WATCH                4U
#define XS_UNWATCH              5U
#define XS_TRANSACTION_START    6U
#define XS_TRANSACTION_END      7U
#define XS_INTRODUCE            8U
#define XS_RELEASE              9U
#define XS_GET_DOMAIN_PATH      10U
#define XS_WRITE                11U
#define XS_MKDIR                12U
#define XS_RM                   13U
#define XS_SET_PERMS            14U
#define XS_WATCH_EVENT          15U
#define XS_ERROR                16U
#define XS_IS_DOMAIN_INTRODUCED 17U
#define XS_RESUME               18U
#define XS_SET_TARGET           19U
#define XS_RESET_WATCHES        21U
#define XS_DIRECTORY_PART       22U

_Static_assert(sizeof(struct xsd_sockmsg) == 16, "xsd_sockmsg layout");
_Static_assert(offsetof(struct xenstore_domain_interface, req_cons) == 2048, "store ring layout");
_Static_assert(offsetof(struct xenstore_domain_interface, error) == 2072, "store ring layout");

#endif
