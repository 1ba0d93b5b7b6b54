/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A virtio network card (Virtio 1.1, 5.1): its queues, its control queue, what it
 * says of itself. Nothing here knows the server or the machine, so host tests run
 * it against a card of their own.
 *
 * The payload is not the driver's to read, and virtio wants a header before every
 * packet. So the header has a descriptor of its own, in the driver's memory:
 *
 *     transmit   slot of the tag: table of descriptors | header
 *                table: header, then the server's segments
 *     receive    slot of the tag: table of two | header
 *                table: header, then the server's buffer
 *
 * With indirect descriptors (every card that we know) a packet costs one entry of
 * its queue, and the constant parts of the slots are written once; without them the
 * same table is copied into the queue as a chain.
 *
 * A packet that goes on in further buffers (mergeable buffers) cannot have its header apart:
 * the rest would begin in a header's descriptor. So with these the card's header stays in
 * front of the packet, in the server's buffer, for the server to read (NET_RX_HEADERS): a buffer
 * is one descriptor, and the driver does not even know where a packet begins. This is what
 * large packets need; cards without it, and servers of version 1, get the tables of two.
 *
 * Queue pair n is queues 2n (receive) and 2n + 1 (transmit); the control queue is
 * the last. Commands to it are answered later, like everything else.
 */
#ifndef DRIVERS_VIRTIO_NET_CARD_H
#define DRIVERS_VIRTIO_NET_CARD_H

#include "libs/net/driver.h"
#include "libs/virtio/virtio.h"

#define VNET_PAIRS        4U
#define VNET_TX_SLOT      512U
#define VNET_RX_SLOT      64U
#define VNET_TX_SLOTS     (4096U / VNET_TX_SLOT) /* of a page */
#define VNET_RX_SLOTS     (4096U / VNET_RX_SLOT)
#define VNET_QUEUE_PAGES  ((2 * VNET_PAIRS + 1) * VIRTQUEUE_PAGES)
#define VNET_TX_PAGES     (NET_TX_TAGS / VNET_TX_SLOTS)
#define VNET_RX_PAGES     (NET_RX_TAGS / VNET_RX_SLOTS)
#define VNET_FIRST_TX     VNET_QUEUE_PAGES
#define VNET_FIRST_RX     (VNET_FIRST_TX + VNET_TX_PAGES)
#define VNET_CONTROL_PAGE (VNET_FIRST_RX + VNET_RX_PAGES)
#define VNET_PAGES        (VNET_CONTROL_PAGE + 1)

struct vnet_header { /* struct virtio_net_hdr_v1 */
	uint8_t flags, gso_type;
	uint16_t header, gso_size, csum_start, csum_offset, buffers;
};

struct vnet_tx_slot {
	struct virtq_descriptor table[1 + NET_MAX_SEGMENTS];
	struct vnet_header header;
	uint8_t pad[VNET_TX_SLOT - (1 + NET_MAX_SEGMENTS) * 16 - 12];
};

struct vnet_rx_slot {
	struct virtq_descriptor table[2];
	struct vnet_header header;
	uint8_t pad[VNET_RX_SLOT - 2 * 16 - 12];
};

/* What the domain lends the card: adjacent here, anywhere for the card. */
struct vnet_memory {
	uint8_t *at;
	uint64_t address[VNET_PAGES];
};

/* Commands of the control queue, each with a place of its own in the control page. */
enum vnet_command { VNET_PAIRS_SET, VNET_PROMISC, VNET_ALLMULTI, VNET_TABLE, VNET_COMMANDS };

struct vnet {
	struct virtio virtio;
	const struct vnet_memory *memory;
	struct virtqueue rx[VNET_PAIRS], tx[VNET_PAIRS], control;
	uint16_t pairs;  /* set up */
	uint16_t active; /* of them, that the card sends from */
	bool indirect, has_control;
	bool large;      /* in: large packets are wanted, if the card can */
	bool merging;    /* buffers are merged: the header lies in the server's */
	uint32_t buffer; /* in: bytes of a buffer to receive into */
	uint32_t tick;   /* counts up once a second */
	/* what the card is */
	uint32_t features; /* NET_TX_CSUM4.. as the page says them */
	uint32_t mtu, mbit;
	uint8_t mac[6]; /* in: the one to use if the card has none */
	/* the filter */
	struct net_filter filter; /* the latest */
	bool filter_changed;      /* since the commands were sent */
	uint32_t commands;        /* bits of vnet_command: not answered */
	uint32_t command_tick;    /* when they were sent */
	/* packets */
	uint32_t tx_in_flight, rx_in_flight;
	bool posted[NET_RX_TAGS];
	struct vnet_packet {
		uint32_t started; /* tick */
		bool busy;
	} packet[NET_TX_TAGS];
	/* at the last tick: were there answers that nobody had taken, and up to where they were */
	struct vnet_look {
		bool waiting;
		uint16_t taken;
	} rx_look[VNET_PAIRS], tx_look[VNET_PAIRS];
	/* what happened, for the log */
	uint32_t lies, refused, resets; /* impossible packets; refused commands */
	uint32_t rung_again;            /* doorbells, while nothing moved */
};

enum vnet_taken { VNET_TAKEN, VNET_FULL, VNET_BAD };

/*
 * Brings the card up (also after a reset: no packet and no buffer is in it then).
 * vectors: MSI-X entries, 0: a line. virtio, memory, mac, large and buffer are set; all else of
 * struct vnet is zero at first. NULL, or why it cannot be driven.
 */
const char *vnet_start(struct vnet *card, unsigned vectors);
/* Vectors in use: one for each pair, and one for all else unless it is shared. */
unsigned vnet_vectors(const struct vnet *card, unsigned vectors);
bool vnet_link(struct vnet *card);

/* The tag is not in flight. FULL: again when a packet is done. BAD: the card cannot do it. */
enum vnet_taken vnet_send(struct vnet *card, const struct net_tx *packet,
			  const struct net_segment *segments);
/* False: no room, again when a buffer has come back. */
bool vnet_post(struct vnet *card, uint16_t tag, uint64_t address);
void vnet_kick(struct vnet *card);
/* The next packet of pair n that has left. */
bool vnet_sent(struct vnet *card, unsigned n, uint16_t *tag);
/* The next buffer of pair n that was used. */
bool vnet_received(struct vnet *card, unsigned n, struct net_rx *packet);
/*
 * Before sleeping. False: there is more to do. Of packets that have left nobody needs to
 * hear before most of them have, and not before `lazy` have.
 */
bool vnet_want_interrupts(struct vnet *card, uint32_t lazy);
/* The same for packets that have left alone. */
bool vnet_want_sent(struct vnet *card, uint32_t lazy);

/* What the card is to let in; answered later, see vnet_control(). */
void vnet_set_filter(struct vnet *card, const struct net_filter *filter);
/* Takes answers of the control queue, and sends what has become due. */
void vnet_control(struct vnet *card);

/*
 * Once a tick. True: packets of the last tick are still there, their interrupt got lost. Where
 * nothing moves the doorbell is rung again, for it may have been lost (virtqueue_ring()).
 */
bool vnet_missed(struct vnet *card);
/* Something is in flight for longer than `ticks`, or the card lost its way. */
bool vnet_stuck(struct vnet *card, uint32_t ticks);

_Static_assert(sizeof(struct vnet_header) == 12, "vnet_header layout");
_Static_assert(sizeof(struct vnet_tx_slot) == VNET_TX_SLOT, "vnet_tx_slot layout");
_Static_assert(sizeof(struct vnet_rx_slot) == VNET_RX_SLOT, "vnet_rx_slot layout");

#endif
