/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The switch's end of a SYSTEM_CONN_NET connection (proto/net.h). One struct
 * net_server for each driver.
 *
 *   net_server_attach(&net, connection, &ops, context);
 *   net_server_filter(&net, &filter);
 *   net_server_work(&net);			    once: a driver may be there already
 *   ... up() is called: post buffers ...
 *   tag = net_server_post(&net, address);		    as often as wanted
 *   tag = net_server_transmit(&net, &packet, segments);
 *   net_server_publish(&net);			    once for the batch: one event at most
 *   ... sent(tag), received(entries) are called ...
 *
 * The driver is believed nothing but 'this tag is done' and what the bytes are: a
 * tag that is not outstanding is ignored and counted, and so are a length beyond the
 * buffer, a packet of more entries than it can have, and a checksum outside of it
 * (the packet is then marked NET_RX_BAD). When the driver goes or lies about indices,
 * down() is called once: no tag is outstanding any more.
 *
 * Memory. Between down() and the next up() the card may still read what was to be
 * transmitted and write what was posted: none of it may be used for anything else.
 * After up() it does not.
 */
#ifndef LIBS_NET_SERVER_H
#define LIBS_NET_SERVER_H

#include "libs/net/driver.h" /* struct net_filter */
#include "libs/rt/rt.h"
#include "proto/net.h"

/* Entries of one packet: of the greatest one, with its header, in buffers that are full. */
#define NET_SERVER_ENTRIES \
	((NET_MAX_PACKET + sizeof(struct net_header) + NET_BUFFER - 1) / NET_BUFFER)
#define NET_SERVER_BUDGET 128U /* entries taken per wake-up */

/* All functions get the `context` of net_server_attach(). */
struct net_server_ops {
	/* A session begins; what the card is, is in `server`. Post buffers. */
	void (*up)(void *context);
	void (*down)(void *context);
	/* The packet is done. status: NET_STATUS_*. The tag is free again. */
	void (*sent)(void *context, uint16_t tag, uint32_t status);
	/*
	 * A packet in `count` buffers, in order; their tags are free again, so the
	 * function may post. entries[0].flags tells of the whole packet; with NET_RX_BAD
	 * only the buffers come back. Lengths are 1 to NET_BUFFER (with NET_RX_BAD: any). The
	 * packet begins server->skip bytes behind the first buffer's beginning, and these
	 * are not counted in its length.
	 */
	void (*received)(void *context, const struct net_rx *entries, uint32_t count);
	/* Reads what lies at the beginning of a buffer that has been used, once. */
	void (*header)(void *context, uint16_t tag, struct net_header *header);
	/* The end of a batch: received() will not be called again before the next event. */
	void (*batch)(void *context);
	/* After a transmit() that found no room: there may be some now. */
	void (*room)(void *context);
	/* server->link changed, within a session. */
	void (*link)(void *context);
};

#define NET_SERVER_DOWN  0U /* no driver, or one that has not said what it has */
#define NET_SERVER_ASKED 1U /* the driver has been asked for a session */
#define NET_SERVER_UP    2U

/* Tags: a stack of the free ones (those that are hot come first), and who is out. */
struct net_tags {
	uint32_t free_count;
	uint16_t free[NET_RX_TAGS];
	uint64_t out[NET_RX_TAGS / 64];
};

struct net_server {
	const struct net_server_ops *ops;
	void *context;
	struct net_page *page;          /* shared */
	uint64_t (*words)[2];           /* shared: what to transmit */
	const struct net_tx_done *done; /* shared */
	struct net_rx_buffer *posts;    /* shared */
	const struct net_rx *rx;        /* shared */
	uint32_t port;
	uint32_t state;        /* NET_SERVER_* */
	uint32_t wanted;       /* the session, as last asked for */
	uint32_t driver;       /* incarnation + 1 of the driver it was asked of */
	uint32_t tx, tx_shown; /* words */
	uint32_t tx_taken;     /* of them by the driver, as last seen */
	uint32_t sent;         /* completions taken */
	uint32_t posted, posted_shown;
	uint32_t received; /* entries taken */
	uint32_t short_of; /* words that a transmit() lacked; 0: none did */
	uint32_t lazy;     /* see net_server_lazy() */
	uint32_t filter_wanted;
	uint32_t entry_count; /* of a packet whose end is still to come */
	uint32_t entry_end;   /* with headers: how many it will have */
	bool entry_bad;       /* and that is good for nothing */
	struct net_tags tx_tags, rx_tags;
	struct net_rx entry[NET_SERVER_ENTRIES];
	/* of the session: checked copies of what the driver says */
	uint32_t version;
	uint32_t skip;     /* bytes of the header before each packet that is received, 0: none */
	uint32_t features; /* NET_TX_*, NET_RX_CSUM */
	uint32_t mtu, queues, mbit;
	bool link, machine; /* machine: addresses are dma_map.machine */
	uint8_t mac[6];
	/* what happened, for the log and statistics */
	uint64_t tx_packets, rx_packets;
	uint32_t sessions, broken, bad_tags, bad_status, bad_entries;
};

/* Maps the connection. 0; -ENOSPC: it has too few pages; or as grant_map(). */
MUST_CHECK int net_server_attach(struct net_server *server,
				 const struct native_connection *connection,
				 const struct net_server_ops *ops, void *context);
/* The same on pages that are mapped already: for tests. */
void net_server_start(struct net_server *server, void *pages, uint32_t port,
		      const struct net_server_ops *ops, void *context);

/*
 * Puts a packet (its tag is filled in) and packet->segments segments into the ring.
 * Returns the tag; -EAGAIN: no tag or no space, room() is called when there may be;
 * -ENOTCONN: not up. The driver sees it after net_server_publish().
 */
MUST_CHECK int net_server_transmit(struct net_server *server, struct net_tx *packet,
				   const struct net_segment *segments);
/* A buffer to receive into. Its tag; -EAGAIN: NET_RX_TAGS are out; -ENOTCONN. */
MUST_CHECK int net_server_post(struct net_server *server, uint64_t address);
/* Shows the driver what there is, and wakes it if it wants to be. */
void net_server_publish(struct net_server *server);

/*
 * As long as no more than `packets` are outstanding nobody hurries to hear that they
 * have left, and of more only when they are that few again: sent() comes with the next
 * event that there is. 0 (at first): each at once.
 */
static inline void net_server_lazy(struct net_server *server, uint32_t packets) {
	server->lazy = packets;
}
/* What the card shall let in from now on; good for all later sessions and drivers. */
void net_server_filter(struct net_server *server, const struct net_filter *filter);
/* The filter that was set last is in force. */
bool net_server_filter_done(const struct net_server *server);

/* Does what the driver's event asks for; the event calls it. Publishes what callbacks left. */
void net_server_work(struct net_server *server);
/* The driver does not do what it should: ends the session, asks for a new one. */
void net_server_renew(struct net_server *server);

static inline bool net_server_is_up(const struct net_server *server) {
	return server->state == NET_SERVER_UP;
}
/* Packets on their way, and buffers in the card. */
static inline uint32_t net_server_in_flight(const struct net_server *server) {
	return NET_TX_TAGS - server->tx_tags.free_count;
}
static inline uint32_t net_server_posted(const struct net_server *server) {
	return NET_RX_TAGS - server->rx_tags.free_count;
}

#endif
