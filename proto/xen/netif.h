/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The network rings between a guest's frontend and the switch: one page for what
 * the guest sends, one for what it gets. Each begins with indices as in blkif.h;
 * then follow slots, each a request from the guest and later a response to it.
 * A page has 256 slots of either kind.
 *
 * Transmit. A packet is a chain of requests, linked by NETTXF_more_data; the size of
 * the first is that of the whole packet, those of the others are their own. With
 * NETTXF_extra_info in the first, the slots behind it hold netif_extra_info, up to the one
 * without XEN_NETIF_EXTRA_FLAG_MORE. Each slot is answered, those of extra
 * infos with NETIF_RSP_NULL.
 *
 * Receive. Requests are empty buffers of a page each; response n lies in the slot
 * of request n. A packet is a chain as above; an extra info uses up the
 * buffer in whose slot it lies. The status is the length, or an error.
 */
#ifndef PROTO_XEN_NETIF_H
#define PROTO_XEN_NETIF_H

#include <stddef.h>
#include <stdint.h>

#define NETTXF_csum_blank     (1U << 0) /* only the pseudo header is summed */
#define NETTXF_data_validated (1U << 1)
#define NETTXF_more_data      (1U << 2)
#define NETTXF_extra_info     (1U << 3)

#define NETRXF_data_validated (1U << 0)
#define NETRXF_csum_blank     (1U << 1)
#define NETRXF_more_data      (1U << 2)
#define NETRXF_extra_info     (1U << 3)
#define NETRXF_gso_prefix     (1U << 4)

#define NETIF_RSP_DROPPED (-2)
#define NETIF_RSP_ERROR   (-1)
#define NETIF_RSP_OKAY    0
#define NETIF_RSP_NULL    1

#define XEN_NETIF_MAX_TX_SIZE  0xffff
#define XEN_NETIF_NR_SLOTS_MIN 18 /* slots of one packet that a backend has to take */

#define XEN_NETIF_EXTRA_TYPE_NONE      0
#define XEN_NETIF_EXTRA_TYPE_GSO       1
#define XEN_NETIF_EXTRA_TYPE_MCAST_ADD 2
#define XEN_NETIF_EXTRA_TYPE_MCAST_DEL 3
#define XEN_NETIF_EXTRA_TYPE_HASH      4
#define XEN_NETIF_EXTRA_TYPE_MAX       5 /* not a type any more */
#define XEN_NETIF_EXTRA_FLAG_MORE      (1U << 0)

#define XEN_NETIF_GSO_TYPE_NONE  0
#define XEN_NETIF_GSO_TYPE_TCPV4 1
#define XEN_NETIF_GSO_TYPE_TCPV6 2

struct netif_tx_request {
	uint32_t gref;
	uint16_t offset;
	uint16_t flags; /* NETTXF_* */
	uint16_t id;
	uint16_t size;
};

struct netif_extra_info {
	uint8_t type;  /* XEN_NETIF_EXTRA_TYPE_* */
	uint8_t flags; /* XEN_NETIF_EXTRA_FLAG_MORE */
	union {
		struct {
			uint16_t size; /* payload bytes of each segment */
			uint8_t type;  /* XEN_NETIF_GSO_TYPE_* */
			uint8_t pad;
			uint16_t features; /* 0 */
		} gso;
		struct {
			uint8_t addr[6];
		} mcast;
		struct {
			uint8_t type;
			uint8_t algorithm;
			uint8_t value[4];
		} hash;
	} u;
};

struct netif_tx_response {
	uint16_t id;
	int16_t status; /* NETIF_RSP_* */
};

struct netif_rx_request {
	uint16_t id;
	uint16_t pad;
	uint32_t gref;
};

struct netif_rx_response {
	uint16_t id;
	uint16_t offset; /* in the page */
	uint16_t flags;  /* NETRXF_* */
	int16_t status;  /* bytes, or NETIF_RSP_ERROR, NETIF_RSP_DROPPED */
};

/* The page's beginning. */
struct netif_sring {
	uint32_t req_prod, req_event;
	uint32_t rsp_prod, rsp_event;
	uint8_t pad[48];
};

#define NETIF_SLOTS        256U
#define NETIF_TX_SLOT_SIZE 12U
#define NETIF_RX_SLOT_SIZE 8U

_Static_assert(sizeof(struct netif_tx_request) == NETIF_TX_SLOT_SIZE, "netif_tx_request layout");
_Static_assert(sizeof(struct netif_extra_info) == 8, "netif_extra_info layout");
_Static_assert(sizeof(struct netif_tx_response) == 4, "netif_tx_response layout");
_Static_assert(sizeof(struct netif_rx_request) == NETIF_RX_SLOT_SIZE, "netif_rx_request layout");
_Static_assert(sizeof(struct netif_rx_response) == 8, "netif_rx_response layout");
_Static_assert(sizeof(struct netif_sring) == 64, "netif_sring layout");

#endif
