/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An Intel 82574 as two rings of descriptors, registers behind a table of functions,
 * and what lies in the rings. Nothing here knows the server or the machine, so host
 * tests run it against a card of their own.
 *
 * A ring is one page, since pages are all that is adjacent for a card: 256
 * descriptors, of which one stays free.
 *
 *     transmit    [context] data data .. data(END)     the card says DONE in the last one
 *     receive     buffer buffer .. buffer(END)         DONE, length, what it thinks of it
 *
 * A packet that is longer than a buffer goes on in the next ones, and what the card thinks of it
 * stands in the last. So a packet is taken when all of it is there.
 *
 * The card is believed in one thing: that the oldest descriptor it was given, and
 * has not returned, is done. Tags and positions are private; what it writes is read
 * once and checked. It has no way to name another descriptor.
 */
#ifndef DRIVERS_E1000E_CARD_H
#define DRIVERS_E1000E_CARD_H

#include "libs/net/driver.h"
#include "spec.h"

#define E1000E_RING   256U
#define E1000E_PAGES  2U
#define E1000E_MTU    9000U /* 9018 bytes on the wire, as the datasheet has it */
#define E1000E_BUFFER 2048U /* bytes that the card writes to a buffer */
/* Buffers of the longest packet, which may have a VLAN tag. */
#define E1000E_PIECES ((E1000E_MTU + 18U + E1000E_BUFFER - 1) / E1000E_BUFFER)

struct e1000e_io {
	void *context;
	uint32_t (*read)(void *context, uint32_t at);
	void (*write)(void *context, uint32_t at, uint32_t value);
	void (*wait)(void *context, uint32_t microseconds);
};

/* The pages of the rings: transmit, receive; adjacent here, anywhere for the card. */
struct e1000e_memory {
	uint8_t *at;
	uint64_t address[E1000E_PAGES];
};

struct e1000e {
	struct e1000e_io io;
	struct e1000e_memory memory;
	uint32_t vectors; /* MSI-X entries, 0: one interrupt of another kind */
	uint32_t tick;    /* counts up once a second */
	uint8_t mac[6];
	bool link;
	bool sent_wanted; /* the interrupt for packets that have left may be on */
	uint32_t receive; /* RCTL */
	uint32_t hash[MTA_WORDS];
	struct e1000e_ring {
		struct descriptor *descriptors; /* shared */
		uint32_t head, tail;            /* oldest in the card, next; both free-running */
		uint32_t told;                  /* tail as the card knows it */
	} tx, rx;
	uint16_t rx_tag[E1000E_RING];
	uint32_t packet_head, packet_tail; /* of the packets in the card, free-running */
	struct e1000e_packet {
		uint32_t last; /* its last descriptor */
		uint32_t started;
		uint16_t tag;
	} packet[E1000E_RING];
	bool large; /* in: packets may be longer than a buffer */
	bool torn;  /* the end of a packet without an end is waited for */
	/* the packet that is being taken */
	uint32_t pieces;                /* buffers of it that are still to come; 0: there is none */
	uint32_t first;                 /* where in the ring it begins */
	uint16_t flags;                 /* NET_RX_* of all of it */
	uint16_t length[E1000E_PIECES]; /* of its buffers, as they were read */
	/* what happened, for the log */
	uint32_t lies; /* entries that are impossible */
};

enum e1000e_taken { E1000E_TAKEN, E1000E_FULL, E1000E_BAD };

/*
 * Stops the card whatever it does, and brings it up with empty rings. io, memory, vectors and
 * large are set; all else is zero at first. NULL, or why it cannot be driven; then
 * it may still do DMA.
 */
const char *e1000e_start(struct e1000e *card);
/* Looks at the link. True: it has changed; *mbit is the speed then. */
bool e1000e_look_at_link(struct e1000e *card, uint32_t *mbit);
void e1000e_set_filter(struct e1000e *card, const struct net_filter *filter);
/* Packets that the card had no buffer for, and broken ones, since this was last asked. */
void e1000e_count(struct e1000e *card, struct net_counters *counters);

/* FULL: again when a packet has left. BAD: the card cannot do it. */
enum e1000e_taken e1000e_send(struct e1000e *card, const struct net_tx *packet,
			      const struct net_segment *segments);
/* False: no room, again when a buffer has come back. */
bool e1000e_post(struct e1000e *card, uint16_t tag, uint64_t address);
/* Tells the card of both. */
void e1000e_kick(struct e1000e *card);
/* The next packet that has left. */
bool e1000e_sent(struct e1000e *card, uint16_t *tag);
/* A packet is there. */
bool e1000e_has_received(struct e1000e *card);
/* The next buffer that was used; those of one packet come one after the other. */
bool e1000e_received(struct e1000e *card, struct net_rx *packet);

/* Why it interrupted; what is returned is ended by that. The link: CAUSE_LINK. */
uint32_t e1000e_causes(struct e1000e *card);
/*
 * Before sleeping: interrupts are on; for packets that have left only if that is
 * wanted. False: there is something already.
 */
bool e1000e_want_interrupts(struct e1000e *card, bool sent);

static inline uint32_t e1000e_in_flight(const struct e1000e *card) {
	return card->packet_tail - card->packet_head;
}
static inline uint32_t e1000e_buffers(const struct e1000e *card) {
	return card->rx.tail - card->rx.head;
}
/* The oldest packet is in the card for `ticks` or longer, or the card is gone. */
bool e1000e_stuck(struct e1000e *card, uint32_t ticks);

#endif
