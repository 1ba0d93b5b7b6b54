/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Control: stop, start, link, addresses, interrupts.
 *
 * Stopping. Receiving and sending are switched off first, then the card is asked to
 * end what it does on the bus, and then reset: not all that calls itself an 82574
 * forgets its rings at a reset (QEMU's does not), so each step counts, and every
 * register that the driver depends on is written after it.
 */
#include "card.h"

#include "libs/rt/rt.h"

#define STEP_US       100U
#define MASTER_STEPS  800U /* of STEP_US: 80 ms, as the datasheet allows */
#define RESET_STEPS   500U
#define EEPROM_STEPS  500U
#define ITR_UNIT_NS   256U
#define ITR_MOST      0xffffU
#define HASH_BITS     12U
#define VECTOR_QUEUES 0U
#define VECTOR_OTHER  1U

static uint32_t get(struct e1000e *card, uint32_t at) {
	return card->io.read(card->io.context, at);
}

static void set(struct e1000e *card, uint32_t at, uint32_t value) {
	card->io.write(card->io.context, at, value);
}

/* Waits until `mask` of a register reads as `done`, for so many steps. */
static bool reach(struct e1000e *card, uint32_t at, uint32_t mask, uint32_t done, uint32_t steps) {
	for (uint32_t step = 0; step < steps; step++) {
		if ((get(card, at) & mask) == done) return true;
		card->io.wait(card->io.context, STEP_US);
	}
	return false;
}

/* --- stop and start --- */

static bool stop(struct e1000e *card) {
	uint32_t control = get(card, CTRL);

	if (control == ABSENT) return false;
	set(card, IMC, UINT32_MAX);
	set(card, RCTL, 0);
	set(card, TCTL, TCTL_PAD);
	set(card, CTRL, control | CTRL_MASTER_DISABLE);
	/* Whether it says so or not, the reset ends it. */
	(void)reach(card, STATUS, STATUS_MASTER, 0, MASTER_STEPS);
	set(card, CTRL, control | CTRL_MASTER_DISABLE | CTRL_RESET);
	card->io.wait(card->io.context, STEP_US);
	if (!reach(card, CTRL, CTRL_RESET, 0, RESET_STEPS)) return false;
	(void)reach(card, EECD, EECD_READ, EECD_READ, EEPROM_STEPS);
	set(card, IMC, UINT32_MAX);
	set(card, RCTL, 0);
	set(card, TCTL, TCTL_PAD);
	return !(get(card, RCTL) & RCTL_ENABLE);
}

static void start_ring(struct e1000e *card, struct e1000e_ring *ring, uint32_t page,
		       uint32_t base) {
	uint64_t address = card->memory.address[page];

	*ring = (struct e1000e_ring){
		.descriptors = (struct descriptor *)(card->memory.at + page * PAGE_SIZE),
	};
	memset(ring->descriptors, 0, PAGE_SIZE);
	set(card, base, (uint32_t)address);
	set(card, base + (RDBAH - RDBAL), (uint32_t)(address >> 32));
	set(card, base + (RDLEN - RDBAL), PAGE_SIZE);
	set(card, base + (RDH - RDBAL), 0);
	set(card, base + (RDT - RDBAL), 0);
}

static uint32_t all_causes(const struct e1000e *card) {
	return card->vectors ? CAUSE_RXQ0 | CAUSE_OTHER | CAUSE_LINK
			     : CAUSE_RXT0 | CAUSE_RXDMT0 | CAUSE_RXO | CAUSE_LINK;
}

static void start_interrupts(struct e1000e *card) {
	uint32_t other = card->vectors > 1 ? VECTOR_OTHER : VECTOR_QUEUES;

	set(card, CTRL_EXT, card->vectors ? CTRL_EXT_LOADED | CTRL_EXT_PBA : CTRL_EXT_LOADED);
	set(card, IVAR,
	    card->vectors ? IVAR_RXQ0(VECTOR_QUEUES) | IVAR_TXQ0(VECTOR_QUEUES) | IVAR_OTHER(other)
			  : 0);
	/* Causes of the queues are cleared by their message. */
	set(card, EIAC, card->vectors ? CAUSE_RXQ0 | CAUSE_TXQ0 : 0);
	set(card, RDTR, 0);
	set(card, RADV, 0);
	set(card, TIDV, 0);
	set(card, ICR, get(card, ICR));
	set(card, IMS, all_causes(card));
}

static bool read_address(struct e1000e *card) {
	uint32_t low = get(card, RAL), high = get(card, RAH);

	memcpy(card->mac, &low, 4);
	memcpy(card->mac + 4, &high, 2);
	return high & RAH_VALID && !(low & 1) && (low || high & 0xffff);
}

static void put_address(struct e1000e *card, uint32_t n, const uint8_t *mac) {
	uint32_t low = 0, high = 0;

	if (mac) {
		memcpy(&low, mac, 4);
		memcpy(&high, mac + 4, 2);
		high |= RAH_VALID;
	}
	set(card, RAL + n * 8, low);
	set(card, RAH + n * 8, high);
}

const char *e1000e_start(struct e1000e *card) {
	if (!stop(card)) return "the card does not let itself be reset";
	if (!read_address(card)) return "the card has no address";
	card->packet_head = card->packet_tail = 0;
	card->torn = card->sent_wanted = card->link = false;
	card->pieces = 0;
	set(card, CTRL, CTRL_LINK_UP);
	for (uint32_t i = 1; i < RA_COUNT; i++) put_address(card, i, NULL);
	for (uint32_t i = 0; i < MTA_WORDS; i++) set(card, MTA + i * 4, card->hash[i] = 0);
	set(card, RFCTL, 0); /* legacy descriptors */
	set(card, RXCSUM, RXCSUM_TRANSPORT);
	set(card, RXDCTL, DCTL_DESCRIPTORS);
	set(card, TXDCTL, DCTL_DESCRIPTORS | TXDCTL_ONE);
	start_ring(card, &card->tx, 0, TDBAL);
	start_ring(card, &card->rx, 1, RDBAL);
	set(card, TIPG, TIPG_COPPER);
	set(card, TCTL, TCTL_RUN);
	card->receive = RCTL_ENABLE | RCTL_BROADCAST | RCTL_STRIP_CRC;
	if (card->large) card->receive |= RCTL_LONG;
	set(card, RCTL, card->receive);
	start_interrupts(card);
	return NULL;
}

/* --- what it says of itself --- */

bool e1000e_look_at_link(struct e1000e *card, uint32_t *mbit) {
	static const uint32_t speeds[] = {10, 100, 1000, 1000};
	uint32_t status = get(card, STATUS);
	bool up = status != ABSENT && status & STATUS_LINK_UP, changed = up != card->link;

	card->link = up;
	*mbit = up ? speeds[STATUS_SPEED(status)] : 0;
	return changed;
}

void e1000e_count(struct e1000e *card, struct net_counters *counters) {
	counters->rx_missed += get(card, MPC);
	counters->rx_errors += get(card, CRCERRS);
	counters->rx_errors += get(card, RXERRC);
}

bool e1000e_stuck(struct e1000e *card, uint32_t ticks) {
	const struct e1000e_packet *oldest = &card->packet[card->packet_head % E1000E_RING];

	if (e1000e_in_flight(card) && card->tick - oldest->started >= ticks) return true;
	return get(card, STATUS) == ABSENT;
}

/* --- which packets it lets in --- */

/* Multicast goes by 12 bits of the address; RCTL says that they are its upper ones. */
static void mark_hash(const uint8_t *mac, uint32_t *hash) {
	uint32_t bits = ((uint32_t)mac[5] << 4 | mac[4] >> 4) & ((1U << HASH_BITS) - 1);

	hash[bits / 32] |= 1U << bits % 32;
}

void e1000e_set_filter(struct e1000e *card, const struct net_filter *filter) {
	uint32_t hash[MTA_WORDS] = {0}, used = 1, receive = card->receive;
	uint32_t itr = (uint32_t)MIN(filter->moderation_us * 1000ULL / ITR_UNIT_NS, ITR_MOST);

	receive &= ~(RCTL_PROMISCUOUS | RCTL_ALLMULTICAST);
	if (filter->flags & NET_FILTER_PROMISCUOUS) receive |= RCTL_PROMISCUOUS | RCTL_ALLMULTICAST;
	if (filter->flags & NET_FILTER_ALLMULTICAST) receive |= RCTL_ALLMULTICAST;
	for (uint32_t i = 0; i < filter->count; i++) {
		const uint8_t *mac = filter->address[i].mac;

		if (mac[0] & 1)
			mark_hash(mac, hash);
		else if (used < RA_COUNT)
			put_address(card, used++, mac);
		else
			receive |= RCTL_PROMISCUOUS; /* more than it has places for */
	}
	while (used < RA_COUNT) put_address(card, used++, NULL);
	for (uint32_t i = 0; i < MTA_WORDS; i++)
		if (hash[i] != card->hash[i]) set(card, MTA + i * 4, card->hash[i] = hash[i]);
	if (receive != card->receive) set(card, RCTL, card->receive = receive);
	set(card, ITR, itr);
	for (uint32_t n = 0; n < VECTORS; n++) set(card, EITR + n * 4, itr);
}

/* --- interrupts --- */

uint32_t e1000e_causes(struct e1000e *card) {
	uint32_t causes = get(card, ICR);

	/* With MSI-X reading does not clear them. */
	if (card->vectors) set(card, ICR, causes & (CAUSE_OTHER | CAUSE_LINK | CAUSE_RXO));
	return causes;
}

static bool has_left(const struct e1000e *card) {
	uint32_t last = card->packet[card->packet_head % E1000E_RING].last;

	return __atomic_load_n(&card->tx.descriptors[last % E1000E_RING].word, __ATOMIC_ACQUIRE) &
	       TX_DONE;
}

bool e1000e_want_interrupts(struct e1000e *card, bool sent) {
	uint32_t cause = card->vectors ? CAUSE_TXQ0 : CAUSE_TXDW;

	sent = sent && e1000e_in_flight(card);
	if (sent)
		set(card, ICR, cause); /* of packets that were taken already */
	else if (card->sent_wanted)
		set(card, IMC, cause);
	card->sent_wanted = sent;
	set(card, IMS, all_causes(card) | (sent ? cause : 0));
	if (sent && has_left(card)) return false;
	return !e1000e_has_received(card);
}
