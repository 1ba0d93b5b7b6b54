/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The 82574: how it is stopped and started, the descriptors that the driver makes of
 * packets, and what it does when the card fails, lies or is silent.
 */
#include "fake_e1000e.h"

static struct e1000e card;
static uint8_t pages[E1000E_PAGES * 4096] __attribute__((aligned(4096)));
static uint8_t data[64][4096] __attribute__((aligned(4096)));

static const char *start(uint32_t vectors) {
	memset(&card, 0, sizeof(card));
	card.io = fake_io;
	card.vectors = vectors;
	card.memory.at = pages;
	for (unsigned i = 0; i < E1000E_PAGES; i++)
		card.memory.address[i] = (uintptr_t)pages + i * 4096;
	return e1000e_start(&card);
}

static void good_start(uint32_t vectors) {
	fake_device();
	CHECK(!start(vectors));
}

static enum e1000e_taken send(uint16_t tag, uint32_t count, uint32_t length, struct net_tx packet) {
	struct net_segment segments[NET_MAX_SEGMENTS];

	packet.tag = tag;
	packet.segments = (uint8_t)count;
	for (uint32_t i = 0; i < count; i++) {
		memset(data[i], (int)(i + tag + 1), length);
		segments[i] = (struct net_segment){.address = (uintptr_t)data[i], .length = length};
	}
	return e1000e_send(&card, &packet, segments);
}

static void starts(void) {
	uint32_t mbit;

	good_start(2);
	CHECK(fake.resets == 1 && fake_get(RCTL) & RCTL_ENABLE && fake_get(TCTL) & TCTL_ENABLE);
	CHECK(!memcmp(card.mac, "\x52\x54\0\1\2\3", 6) && !(fake_get(CTRL) & CTRL_MASTER_DISABLE));
	CHECK(fake_get(IMS) == (CAUSE_RXQ0 | CAUSE_OTHER | CAUSE_LINK));
	CHECK(fake_get(IVAR) == (8U | 8U << 8 | 9U << 16));
	CHECK(e1000e_look_at_link(&card, &mbit) && card.link && mbit == 1000);
	CHECK(!e1000e_look_at_link(&card, &mbit));
	fake_set(STATUS, 0);
	CHECK(e1000e_look_at_link(&card, &mbit) && !card.link && !mbit);
	good_start(1);
	CHECK(fake_get(IVAR) == (8U | 8U << 8 | 8U << 16));
	good_start(0);
	CHECK(!fake_get(IVAR) && !fake_get(EIAC) && fake_get(IMS) & CAUSE_RXT0);
}

static void refuses(void) {
	fake_device();
	fake.gone = true;
	CHECK(start(2));
	fake_device();
	fake.never_resets = true;
	CHECK(start(2) && fake.waits < 2000);
	fake_device();
	fake.keeps_receiving = true;
	CHECK(start(2));
	fake_device();
	fake_set(RAH, 0x0302); /* not valid */
	CHECK(start(2));
	fake_device();
	fake_set(RAL, 0x01005453); /* a group's */
	CHECK(start(2));
	/* a bus that does not come to rest is reset all the same */
	fake_device();
	fake.never_idle = true;
	CHECK(!start(2) && fake.resets == 1 && fake.waits < 2000);
}

/* What was in the card is not there after a start, whatever its reset does. */
static void restarts(void) {
	struct net_tx plain = {0};
	struct net_rx packet;
	uint16_t tag;

	for (unsigned forgets = 0; forgets < 2; forgets++) {
		good_start(2);
		fake.forgets_nothing = !forgets;
		for (tag = 0; tag < 3; tag++) CHECK(e1000e_post(&card, tag, (uintptr_t)data[0]));
		CHECK(send(4, 1, 60, plain) == E1000E_TAKEN);
		e1000e_kick(&card);
		CHECK(fake_receive(1, 60, RX_DONE | RX_END | 60));
		CHECK(!e1000e_start(&card) && !e1000e_in_flight(&card) && !e1000e_buffers(&card));
		CHECK(!fake_send() && !fake_receive(1, 60, 0));
		CHECK(!e1000e_sent(&card, &tag) && !e1000e_received(&card, &packet));
		CHECK(send(5, 1, 60, plain) == E1000E_TAKEN);
		e1000e_kick(&card);
		CHECK(fake_send() && e1000e_sent(&card, &tag) && tag == 5);
	}
}

static void transmits(void) {
	struct net_tx plain = {0};
	uint16_t tag;

	good_start(2);
	for (unsigned round = 0; round < 40; round++) {
		for (uint32_t count = 1; count <= NET_MAX_SEGMENTS; count++) {
			CHECK(send((uint16_t)count, count, 70, plain) == E1000E_TAKEN);
			CHECK(!e1000e_sent(&card, &tag));
			e1000e_kick(&card);
			CHECK(fake_send() && !fake_send() && fake.length == 70 * count);
			CHECK(fake.descriptors == count && fake.data & TX_FCS);
			CHECK(!(fake.data & (TX_TSE | TX_PUT_SUM | TX_PUT_IP)));
			for (uint32_t i = 0; i < count; i++)
				CHECK(fake.wire[70 * i] == (uint8_t)(i + count + 1));
			CHECK(e1000e_sent(&card, &tag) && tag == count && !e1000e_in_flight(&card));
		}
	}
	CHECK(send(1, 1, 16, plain) == E1000E_BAD);
}

static void offloads(void) {
	struct net_tx sum = {.flags = NET_TX_CSUM, .csum_start = 34, .csum_offset = 6};
	struct net_tx cut = {.flags = NET_TX_CSUM,
			     .csum_start = 34,
			     .csum_offset = 16,
			     .gso = NET_GSO_TCP4,
			     .gso_size = 1448,
			     .header = 54,
			     .network = 14};
	struct net_tx wrong;

	good_start(2);
	CHECK(send(1, 2, 500, sum) == E1000E_TAKEN);
	e1000e_kick(&card);
	CHECK(fake_send() && fake.descriptors == 3 && fake.data & TX_PUT_SUM);
	CHECK(!(fake.data & (TX_TSE | TX_PUT_IP)) && !(fake.context[1] & CONTEXT_TSE));
	CHECK(fake.context[0] == (34ULL << 32 | 40ULL << 40));
	CHECK(send(2, 3, 1000, cut) == E1000E_TAKEN);
	e1000e_kick(&card);
	CHECK(fake_send() && fake.descriptors == 4);
	CHECK((fake.data & (TX_PUT_SUM | TX_TSE | TX_PUT_IP)) == (TX_PUT_SUM | TX_TSE | TX_PUT_IP));
	CHECK(fake.context[0] == (14U | 24U << 8 | 33U << 16 | 34ULL << 32 | 50ULL << 40));
	CHECK((fake.context[1] & 0xfffff) == 3000 - 54 && fake.context[1] >> 48 == 1448);
	CHECK((fake.context[1] >> 40 & 0xff) == 54);
	CHECK(fake.context[1] & CONTEXT_TCP && fake.context[1] & CONTEXT_IPV4);
	/* what a context cannot say */
	sum.csum_start = 250;
	CHECK(send(3, 1, 500, sum) == E1000E_BAD);
	wrong = cut;
	wrong.header = 256;
	CHECK(send(3, 1, 500, wrong) == E1000E_BAD);
	wrong = cut;
	wrong.network = 34;
	CHECK(send(3, 1, 500, wrong) == E1000E_BAD);
	wrong = cut;
	wrong.csum_offset = 6;
	CHECK(send(3, 1, 500, wrong) == E1000E_BAD);
	wrong = cut;
	wrong.gso = NET_GSO_TCP6;
	CHECK(send(3, 1, 500, wrong) == E1000E_BAD && e1000e_in_flight(&card) == 2);
}

static void full(void) {
	struct net_tx plain = {0}, sum = {.flags = NET_TX_CSUM, .csum_start = 34, .csum_offset = 6};
	uint32_t count = 0;
	uint16_t tag;

	good_start(2);
	while (send((uint16_t)count, 20, 60, plain) == E1000E_TAKEN) count++;
	CHECK(count == 12); /* 240 of 255 descriptors */
	CHECK(send(12, 15, 60, sum) == E1000E_FULL && send(12, 14, 60, sum) == E1000E_TAKEN);
	CHECK(send(13, 1, 60, plain) == E1000E_FULL);
	e1000e_kick(&card);
	for (count = 0; fake_send(); count++) CHECK(e1000e_sent(&card, &tag) && tag == count);
	CHECK(count == 13 && !e1000e_in_flight(&card) && card.tx.head == card.tx.tail);
	for (count = 0; e1000e_post(&card, (uint16_t)count, (uintptr_t)data[0]); count++) continue;
	CHECK(count == 255);
}

static struct net_rx receive(uint64_t word) {
	struct net_rx packet = {0};

	CHECK(e1000e_post(&card, 77, (uintptr_t)data[3]));
	e1000e_kick(&card);
	CHECK(!e1000e_received(&card, &packet));
	CHECK(fake_receive(0x5a, 64, word));
	CHECK(e1000e_received(&card, &packet) && packet.tag == 77 && !e1000e_buffers(&card));
	return packet;
}

static void receives(void) {
	const uint64_t whole = RX_DONE | RX_END;
	struct net_rx packet;

	good_start(2);
	for (unsigned round = 0; round < 600; round++) {
		packet = receive(whole | 64);
		CHECK(packet.length == 64 && !packet.flags && data[3][63] == 0x5a);
	}
	CHECK(receive(whole | RX_TCP_CHECKED | 64).flags == NET_RX_CSUM_OK);
	CHECK(receive(whole | RX_UDP_CHECKED | 64).flags == NET_RX_CSUM_OK);
	CHECK(!receive(whole | RX_UDP_CHECKED | RX_UNCHECKED | 64).flags);
	CHECK(!receive(whole | RX_TCP_CHECKED | 1ULL << 45 | 64).flags); /* it is wrong */
	CHECK(!receive(whole | RX_TCP_CHECKED | 1ULL << 46 | 64).flags);
	CHECK(receive(whole | E1000E_BUFFER).length == E1000E_BUFFER && !card.lies);
	/* what cannot be */
	CHECK(receive(whole).flags == NET_RX_BAD);
	CHECK(receive(whole | (E1000E_BUFFER + 1)).flags == NET_RX_BAD);
	CHECK(receive(whole | 0xffff).flags == NET_RX_BAD);
	CHECK(receive(whole | 1ULL << 47 | 64).flags == NET_RX_BAD);
	/* a packet without an end, and its end */
	CHECK(receive(RX_DONE | E1000E_BUFFER).flags == NET_RX_BAD);
	CHECK(receive(RX_DONE | E1000E_BUFFER).flags == NET_RX_BAD);
	CHECK(receive(whole | 100).flags == NET_RX_BAD);
	CHECK(!receive(whole | 100).flags && card.lies == 7);
}

/* A packet in `count` buffers, the words of which these are; how many came back. */
static unsigned receive_long(const uint64_t *words, unsigned count, struct net_rx *packet) {
	unsigned came = 0;

	for (unsigned i = 0; i < count; i++)
		CHECK(e1000e_post(&card, (uint16_t)(10 + i), (uintptr_t)data[i]));
	e1000e_kick(&card);
	for (unsigned i = 0; i < count; i++) {
		/* Nothing of it before all of it is there. */
		CHECK(!e1000e_received(&card, packet));
		CHECK(fake_receive((uint8_t)i, 64, words[i]));
	}
	while (came < count && e1000e_received(&card, &packet[came])) came++;
	return came;
}

static void long_packets(void) {
	const uint64_t part = RX_DONE | E1000E_BUFFER, end = RX_DONE | RX_END | RX_TCP_CHECKED;
	const uint64_t words[] = {part, part, end | 500};
	const uint64_t shorter[] = {part, RX_DONE | 100, end | 500};
	const uint64_t wrong[] = {part, part | 1ULL << 40, end | 1ULL << 40 | 500};
	const uint64_t endless[] = {part, part, part, part, part};
	const uint64_t whole[] = {end | 60};
	struct net_rx packet[8];

	good_start(2);
	card.large = true;
	CHECK(!e1000e_start(&card) && fake_get(RCTL) & RCTL_LONG);
	for (unsigned round = 0; round < 200; round++) {
		CHECK(receive_long(words, 3, packet) == 3 && !e1000e_buffers(&card));
		for (unsigned i = 0; i < 3; i++) {
			CHECK(packet[i].tag == 10 + i);
			CHECK(packet[i].flags == (NET_RX_CSUM_OK | (i < 2 ? NET_RX_MORE : 0)));
			CHECK(packet[i].length == (i < 2 ? E1000E_BUFFER : 500));
		}
	}
	CHECK(receive_long(whole, 1, packet) == 1 && packet[0].length == 60 && !card.lies);
	/* a part that is not full; what the card found wrong; no end, and the end of that */
	CHECK(receive_long(shorter, 3, packet) == 3 && packet[1].flags & NET_RX_BAD);
	CHECK(packet[2].flags == NET_RX_CSUM_OK && card.lies == 1);
	CHECK(receive_long(wrong, 3, packet) == 3 && packet[0].flags & NET_RX_BAD);
	CHECK(receive_long(endless, E1000E_PIECES, packet) == E1000E_PIECES);
	CHECK(packet[0].flags & NET_RX_BAD && !(packet[E1000E_PIECES - 1].flags & NET_RX_MORE));
	CHECK(receive_long(words, 3, packet) == 3 && packet[0].flags & NET_RX_BAD);
	CHECK(receive_long(words, 3, packet) == 3 &&
	      packet[0].flags == (NET_RX_CSUM_OK | NET_RX_MORE));
	/* what the card writes later, between two buffers of one packet */
	for (unsigned i = 0; i < 3; i++)
		CHECK(e1000e_post(&card, (uint16_t)(10 + i), (uintptr_t)data[i]));
	e1000e_kick(&card);
	for (unsigned i = 0; i < 3; i++) CHECK(fake_receive((uint8_t)i, 64, words[i]));
	CHECK(e1000e_received(&card, &packet[0]) && packet[0].length == E1000E_BUFFER);
	memset(pages, 0xff, sizeof(pages));
	CHECK(e1000e_received(&card, &packet[1]) && packet[1].length == E1000E_BUFFER);
	CHECK(e1000e_received(&card, &packet[2]) && packet[2].length == 500 &&
	      packet[2].flags == NET_RX_CSUM_OK);
	CHECK(!e1000e_start(&card));
	/* a packet of which the rest does not come keeps nobody awake */
	CHECK(e1000e_post(&card, 1, (uintptr_t)data[0]) &&
	      e1000e_post(&card, 2, (uintptr_t)data[1]));
	e1000e_kick(&card);
	CHECK(fake_receive(1, 64, part) && e1000e_want_interrupts(&card, false));
	CHECK(fake_receive(1, 64, end | 60) && !e1000e_want_interrupts(&card, false));
}

/* It says 'done' where nothing is, or never does. */
static void lies(void) {
	struct net_tx plain = {0};
	struct net_rx packet;
	uint16_t tag;

	good_start(2);
	memset(pages, 0xff, sizeof(pages));
	CHECK(!e1000e_sent(&card, &tag) && !e1000e_received(&card, &packet));
	CHECK(e1000e_post(&card, 1, (uintptr_t)data[0]) && !e1000e_received(&card, &packet));
	memset(pages, 0xff, sizeof(pages));
	CHECK(e1000e_received(&card, &packet) && packet.flags == NET_RX_BAD && packet.tag == 1);
	CHECK(!e1000e_received(&card, &packet));
	CHECK(send(1, 3, 60, plain) == E1000E_TAKEN && send(2, 3, 60, plain) == E1000E_TAKEN);
	memset(pages, 0xff, sizeof(pages));
	CHECK(e1000e_sent(&card, &tag) && tag == 1 && e1000e_sent(&card, &tag) && tag == 2);
	CHECK(!e1000e_sent(&card, &tag) && card.tx.head == card.tx.tail);
	/* silent */
	CHECK(!e1000e_start(&card) && !e1000e_stuck(&card, 6));
	CHECK(send(1, 1, 60, plain) == E1000E_TAKEN && e1000e_post(&card, 1, (uintptr_t)data[0]));
	card.tick += 5;
	CHECK(send(2, 1, 60, plain) == E1000E_TAKEN && !e1000e_stuck(&card, 6));
	card.tick++;
	CHECK(e1000e_stuck(&card, 6));
	CHECK(!e1000e_start(&card) && !e1000e_stuck(&card, 6));
	fake.gone = true;
	CHECK(e1000e_stuck(&card, 6));
}

static void filters(void) {
	struct net_filter filter = {.count = 3, .moderation_us = 100};
	uint32_t bits = 0;

	good_start(2);
	memcpy(filter.address[0].mac, "\1\0\x5e\1\2\3", 6);
	memcpy(filter.address[1].mac, "\2\7\7\7\7\7", 6);
	memcpy(filter.address[2].mac, "\x33\x33\0\0\xab\xcd", 6);
	e1000e_set_filter(&card, &filter);
	/* 12 bits: the last byte and the upper half of the one before */
	CHECK(fake_get(MTA + 4 * (0x030 / 32)) == 1U << 0x030 % 32);
	CHECK(fake_get(MTA + 4 * (0xcda / 32)) == 1U << 0xcda % 32);
	CHECK(fake_get(RAL + 8) == 0x07070702 && fake_get(RAH + 8) == (RAH_VALID | 0x0707));
	CHECK(!fake_get(RAH + 16) && fake_get(EITR) == 390 && fake_get(ITR) == 390);
	CHECK(!(fake_get(RCTL) & (RCTL_PROMISCUOUS | RCTL_ALLMULTICAST)));
	filter = (struct net_filter){.flags = NET_FILTER_ALLMULTICAST, .moderation_us = UINT32_MAX};
	e1000e_set_filter(&card, &filter);
	for (uint32_t i = 0; i < MTA_WORDS; i++) bits |= fake_get(MTA + i * 4);
	CHECK(!bits && !fake_get(RAH + 8) && fake_get(EITR + 16) == 0xffff);
	CHECK((fake_get(RCTL) & (RCTL_PROMISCUOUS | RCTL_ALLMULTICAST)) == RCTL_ALLMULTICAST);
	filter.flags = NET_FILTER_PROMISCUOUS;
	e1000e_set_filter(&card, &filter);
	CHECK(fake_get(RCTL) & RCTL_PROMISCUOUS && fake_get(RCTL) & RCTL_ENABLE);
	/* more addresses than it has places for */
	filter = (struct net_filter){.count = 15};
	for (uint32_t i = 0; i < 16; i++) filter.address[i].mac[5] = (uint8_t)(i + 1);
	e1000e_set_filter(&card, &filter);
	CHECK(fake_get(RAH + 15 * 8) & RAH_VALID && !(fake_get(RCTL) & RCTL_PROMISCUOUS));
	filter.count = 16;
	e1000e_set_filter(&card, &filter);
	CHECK(fake_get(RCTL) & RCTL_PROMISCUOUS);
}

static void interrupts(uint32_t vectors, uint32_t rx, uint32_t tx) {
	struct net_tx plain = {0};
	struct net_counters counters = {0};
	struct net_rx packet;
	uint16_t tag;

	good_start(vectors);
	CHECK(e1000e_post(&card, 1, (uintptr_t)data[0]) &&
	      e1000e_post(&card, 2, (uintptr_t)data[1]));
	CHECK(e1000e_want_interrupts(&card, true)); /* nothing was sent */
	CHECK(fake_get(IMS) & rx && !(fake_get(IMS) & tx));
	CHECK(send(1, 1, 60, plain) == E1000E_TAKEN && e1000e_want_interrupts(&card, false));
	CHECK(!(fake_get(IMS) & tx) && e1000e_want_interrupts(&card, true) && fake_get(IMS) & tx);
	e1000e_kick(&card);
	CHECK(fake_send() && fake.interrupts == 1 && e1000e_causes(&card) & tx);
	CHECK(!e1000e_want_interrupts(&card, true)); /* it is there */
	CHECK(e1000e_sent(&card, &tag) && e1000e_want_interrupts(&card, true));
	CHECK(!(fake_get(IMS) & tx));
	CHECK(fake_receive(1, 60, RX_DONE | RX_END | 60) && !e1000e_want_interrupts(&card, false));
	CHECK(e1000e_received(&card, &packet) && e1000e_want_interrupts(&card, false));
	fake_interrupt(CAUSE_LINK);
	CHECK(e1000e_causes(&card) & CAUSE_LINK && !(e1000e_causes(&card) & CAUSE_LINK));
	fake_set(MPC, 3);
	fake_set(CRCERRS, 4);
	fake_set(RXERRC, 5);
	e1000e_count(&card, &counters);
	e1000e_count(&card, &counters);
	CHECK(counters.rx_missed == 3 && counters.rx_errors == 9);
}

static void all_interrupts(void) {
	interrupts(0, CAUSE_RXT0, CAUSE_TXDW);
	interrupts(1, CAUSE_RXQ0, CAUSE_TXQ0);
	interrupts(2, CAUSE_RXQ0, CAUSE_TXQ0);
}

static const struct test tests[] = {
	{"start, link, address", starts},
	{"cards that cannot be driven", refuses},
	{"a start leaves nothing of before", restarts},
	{"packets of all kinds of segments", transmits},
	{"checksums and cutting", offloads},
	{"rings that are full", full},
	{"what comes in", receives},
	{"packets of several buffers", long_packets},
	{"lies and silence", lies},
	{"filters and moderation", filters},
	{"interrupts of each kind", all_interrupts},
};

int main(void) { return RUN("e1000e", tests); }
