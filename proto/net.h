/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SYSTEM_CONN_NET: the switch (server) and the driver of a network card (client) share
 * pages of root's. The payload is in neither's ring: a segment is an address that
 * the card uses. The server maps its packet pool into the driver's DmaSpace when a
 * session begins; the driver never maps it.
 *
 *   page 0      net_page: the session, the card, the filter, ring headers, counters
 *   page 1..4   transmit words, 1024 of 16 bytes       server -> driver
 *   page 5      transmit completions, 256 of 16 bytes  driver -> server
 *   page 6..7   receive buffers, 512 of 16 bytes       server -> driver
 *   page 8..9   received, 512 of 16 bytes              driver -> server
 *
 * Rings are proto/ring.h. A packet to transmit is one net_tx (a word) and then
 * `segments` words, each a net_segment; all are published together, a batch of
 * packets with one index. At most NET_TX_TAGS packets and NET_RX_TAGS buffers are
 * outstanding, so that the driver's rings never lack space.
 *
 * Session. Either side may die at any time; what is in the rings then is void, and
 * so are the buffers that were posted: a network may lose packets.
 *   - The driver, when it starts, writes driver = 0, session = 0, brings its card
 *     up, fills in what it knows, then sets driver to its incarnation + 1, and sends.
 *   - The server asks for a session: it chooses wanted = driver << 16 | n, with n
 *     (never 0) not used before, and sends.
 *   - The driver sees wanted != session with wanted >> 16 == driver (low 16 bits): it
 *     makes sure that the card reads and writes nothing of the old session any
 *     more, sets all ring indices to 0, then session = wanted, and sends.
 *   - The server, when session == wanted, starts with indices at 0 and posts
 *     its buffers anew.
 *   - The driver may end a session (it had to reset its card): session = ~session. The
 *     server, whether it is still waiting for that one or uses it, asks for the next.
 * Until then neither touches the rings. A completion is believed only if its tag is
 * in range and outstanding, and a length only up to the buffer's; everything else is
 * counted and ignored. An index out of distance breaks the connection: the server
 * asks for a new session, the driver waits for one.
 *
 * Versions. Since version 2 each session has its own: the driver says in `speaks`, before
 * it sets driver, up to which it goes, and for which incarnation that is said; the server
 * writes the newest that both know to `version` before it asks. A driver of version 1 says
 * nothing, so `speaks` is not of its incarnation; a server of version 1 always writes 1. In a
 * session of version 1 buffers have NET_BUFFER_1 bytes, no packet is larger than one, and
 * what is marked with (2) does not exist.
 *
 * Order. Packets of one queue leave in the order of their words. Buffers are used in
 * any order; what belongs to one packet follows in order (NET_RX_MORE, or NET_RX_HEADERS).
 *
 * Large frames (2). What a card receives may be a TCP packet that is to be cut before it meets
 * a wire, as what is transmitted may be. Where a card says so in a header of its own, in
 * front of the packet, that header lies in the server's buffer, which the driver does not see.
 * Then the server reads it (NET_RX_HEADERS), and the driver just passes on which buffers were
 * used, and how much of them.
 */
#ifndef PROTO_NET_H
#define PROTO_NET_H

#include "ring.h"

#ifndef NET_VERSION /* a build of an older program says which */
#define NET_VERSION 2U
#endif
#define NET_OLDEST 1U

#define NET_PAGES        10U
#define NET_TX_WORDS     1024U
#define NET_TX_TAGS      256U
#define NET_RX_TAGS      512U
#define NET_MAX_SEGMENTS 20U
#define NET_MAX_PACKET   65550U /* bytes on the wire before segmentation: 64 KiB and headers */
#define NET_BUFFER       4096U  /* bytes of a receive buffer: a page */
#define NET_BUFFER_1     2048U  /* in sessions of version 1: within one page */
#define NET_MAX_FILTER   64U

#define NET_TX_CSUM 1U /* fill in the sum from csum_start on, at csum_start + csum_offset */

#define NET_GSO_NONE 0U
#define NET_GSO_TCP4 1U
#define NET_GSO_TCP6 2U

struct net_tx {
	uint16_t tag;                     /* 0..NET_TX_TAGS-1, not outstanding */
	uint8_t segments;                 /* words that follow, 1..NET_MAX_SEGMENTS */
	uint8_t flags;                    /* NET_TX_* */
	uint16_t csum_start, csum_offset; /* bytes; the place holds the pseudo header's sum */
	uint16_t gso_size;                /* payload bytes of each segment on the wire */
	uint16_t header;                  /* GSO: bytes of all headers; they lie in segment 0 */
	uint8_t gso;                      /* NET_GSO_*; with it NET_TX_CSUM is set */
	uint8_t queue;    /* a hint: packets of one flow have the same, and keep their order */
	uint16_t network; /* GSO: bytes before the IP header */
};

struct net_segment {
	uint64_t address; /* for the card */
	uint32_t length;  /* bytes, 1..4096, within one page */
	uint32_t pad;
};

#define NET_STATUS_OK    0U
#define NET_STATUS_BAD   1U /* malformed, or more than the card can do */
#define NET_STATUS_IO    2U /* the card says that it failed */
#define NET_STATUS_RESET 3U /* the card was reset with the packet in it */

struct net_tx_done {
	uint16_t tag;
	uint16_t status; /* NET_STATUS_* */
	uint32_t pad0;
	uint64_t pad1;
};

struct net_rx_buffer {
	uint64_t address; /* for the card; a multiple of the buffer's size */
	uint16_t tag;     /* 0..NET_RX_TAGS-1, not outstanding */
	uint16_t pad0;
	uint32_t pad1;
};

#define NET_RX_MORE       1U /* the packet goes on in the next entry */
#define NET_RX_CSUM_OK    2U /* the card has checked the transport's checksum: it is right */
#define NET_RX_CSUM_BLANK 4U /* the checksum was never made: from csum_start on, as in net_tx */
#define NET_RX_BAD        8U /* nothing useful in it: the buffer comes back */

struct net_rx {
	uint16_t tag;
	uint16_t flags;                   /* NET_RX_*; of a packet, those of its first entry */
	uint16_t length;                  /* bytes in this buffer */
	uint16_t csum_start, csum_offset; /* with NET_RX_CSUM_BLANK */
	uint16_t queue;
	uint16_t gso_size; /* (2) as in net_tx; with it NET_RX_CSUM_BLANK is set */
	uint8_t gso;       /* (2) NET_GSO_* */
	uint8_t pad;
};

/*
 * With NET_RX_HEADERS (2): what lies in front of each packet, in its first buffer. It is struct
 * virtio_net_hdr_v1 (Virtio 1.1, 5.1.6), whoever writes it.
 */
#define NET_HEADER_BLANK 1U /* flags: the checksum is not made: csum_start, csum_offset */
#define NET_HEADER_VALID 2U /* it was checked */
#define NET_HEADER_TCP4  1U /* gso */
#define NET_HEADER_TCP6  4U
struct net_header {
	uint8_t flags, gso;
	uint16_t header; /* a hint that nobody needs */
	uint16_t gso_size, csum_start, csum_offset;
	uint16_t buffers; /* in which the packet lies, this one included */
};

/* net_page.flags */
#define NET_PAGE_MACHINE 1U /* addresses are dma_map.machine, not dma_map.address */
#define NET_PAGE_LINK    2U /* the link is up */

/* net_page.features: what the card does for the transport */
#define NET_TX_CSUM4 (1U << 0) /* TCP and UDP over IPv4 */
#define NET_TX_CSUM6 (1U << 1)
#define NET_TX_TSO4  (1U << 2)
#define NET_TX_TSO6  (1U << 3)
#define NET_RX_CSUM  (1U << 4) /* NET_RX_CSUM_OK may be seen */
#define NET_TX_TSO_BARE                                                               \
	(1U << 5) /* with GSO the card adds the lengths itself: the pseudo header's   \
		     sum is without it, and so that the card can fill them in, IPv4's \
		     length and checksum, or IPv6's payload length, are 0 */
#define NET_RX_HEADERS                                                                   \
	(1U << 6) /* (2) each packet begins with a net_header; entries have no flags but \
		     NET_RX_BAD, and no checksum, gso or NET_RX_MORE */

/* net_page.filter_flags */
#define NET_FILTER_PROMISCUOUS  1U
#define NET_FILTER_ALLMULTICAST 2U

struct net_address {
	uint8_t mac[6];
	uint8_t pad[2];
};

struct net_counters {
	uint64_t tx_packets, tx_bytes;
	uint64_t rx_packets, rx_bytes; /* with NET_RX_HEADERS: buffers, headers included */
	uint64_t tx_refused;           /* NET_STATUS_BAD */
	uint64_t rx_missed;            /* no buffer was posted */
	uint64_t rx_errors;            /* as the card says */
	uint64_t resets;               /* of the card, since the driver's start */
};

#define NET_SPEAKS(version, driver) ((version) << 16 | ((driver)&0xffffU))

struct net_page {
	/* written by the server */
	uint32_t version; /* of the session that is asked for */
	uint32_t wanted;
	uint32_t filter_wanted; /* counts up when what follows is complete; odd while it changes */
	uint32_t filter_flags;  /* NET_FILTER_* */
	uint32_t filter_count;  /* addresses besides the card's own and broadcast */
	uint32_t moderation_us; /* least time between two interrupts; 0: none */
	uint32_t pad0[10];
	struct net_address filter[NET_MAX_FILTER];
	/* written by the driver */
	uint32_t driver; /* its incarnation + 1; 0: no card yet */
	uint32_t session;
	uint32_t flags;       /* NET_PAGE_* */
	uint32_t features;    /* NET_TX_CSUM4... */
	uint32_t filter_done; /* filter_wanted that is in force */
	uint32_t link_mbit;   /* 0: unknown */
	uint32_t mtu;         /* greatest frame payload, 1500 where nothing is known */
	uint32_t queues;
	uint8_t mac[6];
	uint8_t pad1[2];
	uint32_t speaks; /* NET_SPEAKS: newest version << 16 | low half of `driver` */
	uint8_t pad2[20];
	struct net_counters counters;
	struct ring_header tx, tx_done, rx_buffer, rx;
	uint8_t pad3[4096 - 64 - NET_MAX_FILTER * 8 - 128 - 512];
};

_Static_assert(sizeof(struct net_tx) == 16, "net_tx layout");
_Static_assert(sizeof(struct net_segment) == 16, "net_segment layout");
_Static_assert(sizeof(struct net_tx_done) == 16, "net_tx_done layout");
_Static_assert(sizeof(struct net_rx_buffer) == 16, "net_rx_buffer layout");
_Static_assert(sizeof(struct net_rx) == 16, "net_rx layout");
_Static_assert(sizeof(struct net_header) == 12, "net_header layout");
_Static_assert(sizeof(struct net_counters) == 64, "net_counters layout");
_Static_assert(offsetof(struct net_page, driver) == 576, "net_page layout");
_Static_assert(offsetof(struct net_page, tx) == 704, "net_page layout");
_Static_assert(sizeof(struct net_page) == 4096, "net_page fills a page");

#endif
