/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The driver's end of a SYSTEM_CONN_NET connection (proto/net.h): sessions, copies
 * and checks of what the server asks for, completions, the filter, counters. What is
 * left to the driver is the card.
 *
 *   net_driver_attach(&net, 0, &ops, card);    first: the old session ends here
 *   ... bring the card up ...
 *   net_driver_online(&net, &what_it_is);      from here on ops are called
 *   event_loop();
 *
 *   interrupt:  net_driver_sent(&net, tag, status) for each packet that has left,
 *               net_driver_received(&net, &entry) for each buffer that was filled,
 *               then, once: net_driver_work(&net);
 *
 * A packet reaches transmit() as a private copy that has been checked: its tag is not
 * in use, each segment has 1 to 4096 bytes within one page, the length fits the
 * card's MTU (or it is to be cut, and the card said that it can), checksum and
 * headers lie within it. What is malformed is answered with NET_STATUS_BAD and
 * counted; what has no tag to answer to is dropped and counted. Indices that are
 * impossible end the session.
 */
#ifndef LIBS_NET_DRIVER_H
#define LIBS_NET_DRIVER_H

#include "libs/rt/rt.h"
#include "proto/net.h"

/* What the card is to let in, besides its own address and broadcast. */
struct net_filter {
	uint32_t flags; /* NET_FILTER_* */
	uint32_t count; /* at most NET_MAX_FILTER */
	uint32_t moderation_us;
	struct net_address address[NET_MAX_FILTER];
};

/* All functions get the `device` of net_driver_attach(). */
struct net_driver_ops {
	/*
	 * Starts a packet. True: taken, and net_driver_sent() will be called for its
	 * tag. False: the card has no room; the same packet comes again at a later
	 * net_driver_work(), so call that when something has left. The pointers are
	 * good during the call only.
	 */
	bool (*transmit)(void *device, const struct net_tx *packet,
			 const struct net_segment *segments);
	/* net_driver.buffer_bytes to receive into. True and false as for transmit(). */
	bool (*post)(void *device, uint16_t tag, uint64_t address);
	/* After a batch of either: rings the doorbells. NULL: none. */
	void (*kick)(void *device);
	/*
	 * A new session begins: packets and buffers of the old one are void, and the
	 * card must read and write none of them any more. True: it does not now.
	 * False: it still does; net_driver_quiesced() will be called within a bounded
	 * time (reset the card if need be). Tags of the old session are ignored. The new
	 * one's net_driver.version and .buffer_bytes are set already.
	 */
	bool (*quiesce)(void *device);
	/* Sets the filter and the moderation; after quiesce() the next one comes anew. */
	void (*filter)(void *device, const struct net_filter *filter);
};

/* What the card is. */
struct net_card {
	uint32_t features; /* NET_TX_*, NET_RX_CSUM */
	uint32_t mtu;      /* 68..65535; in sessions of version 1 what a buffer holds at most */
	uint32_t queues;
	bool machine; /* no IOMMU: NET_PAGE_MACHINE */
	uint8_t mac[6];
};

#define NET_DRIVER_BUDGET 64U  /* packets taken per wake-up */
#define NET_DRIVER_LOW    128U /* buffers in the card, below which new ones are worth an event */

#define NET_DRIVER_OFFLINE   0U /* net_driver_online() has not been called */
#define NET_DRIVER_IDLE      1U /* no session */
#define NET_DRIVER_QUIESCING 2U /* quiesce() said: later */
#define NET_DRIVER_UP        3U

struct net_driver {
	const struct net_driver_ops *ops;
	void *device;
	struct net_page *page;             /* shared */
	const uint64_t (*words)[2];        /* shared: what to transmit */
	struct net_tx_done *done;          /* shared */
	const struct net_rx_buffer *posts; /* shared */
	struct net_rx *rx;                 /* shared */
	uint32_t port;
	uint32_t incarnation;             /* ours + 1, as in net_page.driver */
	uint32_t state;                   /* NET_DRIVER_* */
	uint32_t session;                 /* the last one; it is on only in NET_DRIVER_UP */
	uint32_t version;                 /* of the session */
	uint32_t buffer_bytes;            /* bytes of a receive buffer in it */
	uint32_t features, mtu;           /* in it */
	uint32_t card_features, card_mtu; /* as net_driver_online() was told */
	uint32_t flags;                   /* NET_PAGE_*, as published */
	uint32_t tx, tx_shown;            /* words taken; of them, as the server knows */
	uint32_t sent, sent_shown;
	uint32_t posted, posted_shown;
	uint32_t received, received_shown;
	uint32_t in_card;     /* buffers */
	uint32_t filter_seen; /* filter_wanted that is in force */
	bool tx_stalled;      /* `packet` waits for room in the card */
	bool post_stalled;    /* `buffer` does */
	struct net_tx packet;
	struct net_segment segments[NET_MAX_SEGMENTS];
	struct net_rx_buffer buffer;
	uint64_t tx_waits[NET_TX_TAGS / 64], rx_waits[NET_RX_TAGS / 64];
	uint32_t tx_length[NET_TX_TAGS];
	/* Shown to the server by net_driver_work(). The card's own are the driver's to add. */
	struct net_counters counters;
	/* what happened, for the log */
	uint32_t sessions, dropped, broken, stray;
};

/*
 * Maps the connection to the switch, the n-th from 0, and ends the session that a
 * predecessor had. 0; -ENOENT: there is no such connection; or as grant_map().
 */
MUST_CHECK int net_driver_attach(struct net_driver *driver, unsigned n,
				 const struct net_driver_ops *ops, void *device);
/* The same on pages that are mapped already: for tests. */
void net_driver_start(struct net_driver *driver, void *pages, uint32_t port, uint32_t incarnation,
		      const struct net_driver_ops *ops, void *device);

/* The card is ready: tells the server. The link is down until net_driver_link(). */
void net_driver_online(struct net_driver *driver, const struct net_card *card);
/* The link is up or down now; mbit 0: unknown. Before or after net_driver_online(). */
void net_driver_link(struct net_driver *driver, bool up, uint32_t mbit);

/*
 * The packet with this tag has left, or has not (NET_STATUS_*). False: there is none such
 * (it was of an old session); that is counted. The server learns at the next work().
 */
bool net_driver_sent(struct net_driver *driver, uint16_t tag, uint32_t status);
/*
 * A buffer comes back with what the entry says. The entries of one packet follow each
 * other, and are given in one go, before net_driver_work(). False as above.
 */
bool net_driver_received(struct net_driver *driver, const struct net_rx *entry);
/* The card does nothing of the old session any more: after quiesce() said 'later'. */
void net_driver_quiesced(struct net_driver *driver);
/* The card had to be reset, and all in it is lost: ends the session, the server asks anew. */
void net_driver_lost(struct net_driver *driver);

/* Is this tag one that the server waits for? */
static inline bool net_driver_tx_waits(const struct net_driver *driver, uint32_t tag) {
	return tag < NET_TX_TAGS && driver->tx_waits[tag / 64] >> tag % 64 & 1;
}
static inline bool net_driver_rx_waits(const struct net_driver *driver, uint32_t tag) {
	return tag < NET_RX_TAGS && driver->rx_waits[tag / 64] >> tag % 64 & 1;
}

/*
 * Takes what the server asks for, at most NET_DRIVER_BUDGET packets (the rest before
 * the event loop sleeps), and shows what was sent and received. The event from the
 * server calls it; the driver does after completions, or when there is room again.
 */
void net_driver_work(struct net_driver *driver);

#endif
