/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Packets to descriptors and back. See card.h for the rings' rules.
 *
 * Cutting (TSO). The card makes the headers of each piece from those of the packet:
 * it adds the length to the pseudo header's sum, and puts lengths and IPv4's checksum
 * where the context says that IP begins. That is why the server leaves them out
 * (NET_TX_TSO_BARE): the headers are not the driver's to read. IPv6 is not offered:
 * QEMU's 82574 (7.2) sends pieces of it that are not packets.
 */
#include "card.h"

#include "libs/rt/rt.h"

#define IPV4_SUM     10U
#define TCP_SUM      16U
#define CONTEXT_MOST 255U /* offsets have eight bits */
#define LEAST_BYTES  17U
#define ETHERNET     14U

static struct descriptor *put(struct e1000e_ring *ring, uint64_t address, uint64_t word) {
	struct descriptor *descriptor = &ring->descriptors[ring->tail++ % E1000E_RING];

	descriptor->address = address;
	descriptor->word = word;
	return descriptor;
}

/* --- transmit --- */

/* The card can say this in a context. */
static bool fits_context(const struct net_tx *packet) {
	if ((uint32_t)packet->csum_start + packet->csum_offset > CONTEXT_MOST) return false;
	if (packet->gso == NET_GSO_NONE) return true;
	return packet->gso == NET_GSO_TCP4 && packet->header <= CONTEXT_MOST &&
	       packet->network >= ETHERNET && packet->network < packet->csum_start &&
	       packet->csum_offset == TCP_SUM;
}

/* The place of IP in the context: where it begins, its checksum, where it ends. */
static uint64_t ip_of(const struct net_tx *packet) {
	uint64_t start = packet->network;

	return start | (start + IPV4_SUM) << 8 | (packet->csum_start - 1ULL) << 16;
}

static void put_context(struct e1000e *card, const struct net_tx *packet, uint32_t bytes) {
	uint64_t start = packet->csum_start;
	uint64_t offsets = start << 32 | (start + packet->csum_offset) << 40;
	uint64_t word = TX_EXTENDED;

	if (packet->csum_offset == TCP_SUM) word |= CONTEXT_TCP;
	if (packet->gso != NET_GSO_NONE) {
		offsets |= ip_of(packet);
		word |= CONTEXT_TSE | CONTEXT_IPV4 | (bytes - packet->header);
		word |= (uint64_t)packet->header << CONTEXT_HEADER;
		word |= (uint64_t)packet->gso_size << CONTEXT_MSS;
	}
	put(&card->tx, offsets, word);
}

/* What is the same in all data descriptors of a packet. */
static uint64_t data_word(const struct net_tx *packet) {
	uint64_t word = TX_DATA | TX_EXTENDED | TX_FCS;

	if (packet->flags & NET_TX_CSUM) word |= TX_PUT_SUM;
	if (packet->gso != NET_GSO_NONE) word |= TX_TSE | TX_PUT_IP;
	return word;
}

enum e1000e_taken e1000e_send(struct e1000e *card, const struct net_tx *packet,
			      const struct net_segment *segments) {
	struct e1000e_ring *ring = &card->tx;
	bool context = packet->flags & NET_TX_CSUM;
	uint64_t word = data_word(packet);
	uint32_t bytes = 0;

	for (uint32_t i = 0; i < packet->segments; i++) bytes += segments[i].length;
	if (bytes < LEAST_BYTES || (context && !fits_context(packet))) return E1000E_BAD;
	if (ring->tail - ring->head + packet->segments + context > E1000E_RING - 1)
		return E1000E_FULL;
	if (context) put_context(card, packet, bytes);
	for (uint32_t i = 0; i < packet->segments; i++) {
		bool last = i + 1 == packet->segments;

		put(ring, segments[i].address,
		    word | segments[i].length | (last ? TX_END | TX_REPORT : 0));
	}
	card->packet[card->packet_tail++ % E1000E_RING] = (struct e1000e_packet){
		.last = ring->tail - 1,
		.started = card->tick,
		.tag = packet->tag,
	};
	return E1000E_TAKEN;
}

bool e1000e_sent(struct e1000e *card, uint16_t *tag) {
	const struct e1000e_packet *oldest = &card->packet[card->packet_head % E1000E_RING];
	const uint64_t *word = &card->tx.descriptors[oldest->last % E1000E_RING].word;

	if (!e1000e_in_flight(card) || !(__atomic_load_n(word, __ATOMIC_ACQUIRE) & TX_DONE))
		return false;
	*tag = oldest->tag;
	card->tx.head = oldest->last + 1;
	card->packet_head++;
	return true;
}

/* --- receive --- */

bool e1000e_post(struct e1000e *card, uint16_t tag, uint64_t address) {
	struct e1000e_ring *ring = &card->rx;

	if (ring->tail - ring->head >= E1000E_RING - 1) return false;
	card->rx_tag[ring->tail % E1000E_RING] = tag;
	put(ring, address, 0);
	return true;
}

static uint64_t rx_word(const struct e1000e *card, uint32_t at) {
	return __atomic_load_n(&card->rx.descriptors[at % E1000E_RING].word, __ATOMIC_ACQUIRE);
}

/* What the card thinks of a packet, in the word of its last buffer. */
static uint16_t judge(uint64_t last) {
	if (!(last & RX_END) || last & RX_BAD_FRAME) return NET_RX_BAD;
	if (!(last & (RX_UNCHECKED | RX_BAD_SUM)) && last & (RX_TCP_CHECKED | RX_UDP_CHECKED))
		return NET_RX_CSUM_OK;
	return 0;
}

/*
 * The packet that begins at the oldest buffer: how many it has, and what it is worth. One that
 * has no end where the longest would have it has none at all, and what follows up to the next
 * end is no packet either. False: not all of it is there.
 */
static bool begin_packet(struct e1000e *card) {
	uint32_t longest = card->large ? E1000E_PIECES : 1, n = 0;
	uint64_t word = 0;

	while (n < longest && !(word & RX_END)) {
		if (n == e1000e_buffers(card)) return false;
		word = rx_word(card, card->rx.head + n);
		if (!(word & RX_DONE)) return false;
		card->length[n++] = (uint16_t)word;
	}
	card->pieces = n;
	card->first = card->rx.head;
	card->flags = card->torn ? NET_RX_BAD : judge(word);
	card->torn = !(word & RX_END);
	card->lies += card->flags == NET_RX_BAD;
	return true;
}

bool e1000e_has_received(struct e1000e *card) { return card->pieces || begin_packet(card); }

bool e1000e_received(struct e1000e *card, struct net_rx *packet) {
	struct e1000e_ring *ring = &card->rx;
	uint32_t at = ring->head % E1000E_RING, length;

	if (!e1000e_has_received(card)) return false;
	length = card->length[ring->head++ - card->first];
	card->pieces--;
	*packet = (struct net_rx){.tag = card->rx_tag[at], .flags = card->flags};
	if (card->pieces) packet->flags |= NET_RX_MORE;
	if (length && length <= E1000E_BUFFER && (!card->pieces || length == E1000E_BUFFER)) {
		packet->length = (uint16_t)length;
	} else {
		card->lies += !(packet->flags & NET_RX_BAD);
		packet->flags |= NET_RX_BAD;
	}
	return true;
}

/* --- both --- */

static void tell(struct e1000e *card, struct e1000e_ring *ring, uint32_t at) {
	if (ring->told == ring->tail) return;
	ring->told = ring->tail;
	__atomic_thread_fence(__ATOMIC_RELEASE);
	card->io.write(card->io.context, at, ring->tail % E1000E_RING);
}

void e1000e_kick(struct e1000e *card) {
	tell(card, &card->tx, TDT);
	tell(card, &card->rx, RDT);
}
