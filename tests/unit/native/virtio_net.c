/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The virtio network card: what it makes of the card's configuration, the chains that
 * it builds, and what it does when the card fails, lies or is silent.
 */
#include "fake_virtio.h"

#include "drivers/virtio_net/spec.h"

#define ALL     (F_WANTED)
#define CONTROL 8U /* its queue, with four pairs */
#define FRAME   1000U

static struct vnet card;
static uint8_t pages[VNET_PAGES * 4096] __attribute__((aligned(4096)));
static struct vnet_memory memory = {.at = pages};
static uint8_t data[64][4096] __attribute__((aligned(4096)));

/* A good card: everything that it can offer, four pairs. */
static void good_card(uint64_t features) {
	static const struct config config = {.mac = {0x52, 0x54, 0, 1, 2, 3},
					     .status = 1,
					     .pairs = 4,
					     .mtu = 1500,
					     .speed = 1000};

	fake_device(features);
	memset(fake.config, 0, sizeof(fake.config));
	memcpy(fake.config, &config, sizeof(config));
	fake.queue_count = 9;
}

static const char *start(unsigned vectors) {
	for (size_t i = 0; i < VNET_PAGES; i++) memory.address[i] = (uintptr_t)pages + i * 4096;
	memset(&card, 0, sizeof(card));
	card.virtio = (struct virtio){.io = fake_io, .device_size = sizeof(struct config)};
	card.memory = &memory;
	card.large = true;
	card.buffer = NET_BUFFER;
	memcpy(card.mac, "\2fall", 6);
	return vnet_start(&card, vectors);
}

/* --- the card's side --- */

static struct {
	struct vnet_header header;
	uint8_t bytes[70000];
	uint32_t length;
	unsigned queue;
} wire;

/* Sends the next packet of pair n: it is in `wire`. */
static bool run_tx(unsigned n) {
	struct virtq_descriptor d[256];
	unsigned count;
	int head = fake_take(2 * n + 1, d, &count);

	if (head < 0) return false;
	CHECK(count >= 2 && d[0].length == sizeof(wire.header));
	memcpy(&wire.header, (void *)d[0].address, sizeof(wire.header));
	wire.length = 0;
	wire.queue = n;
	for (unsigned i = 0; i < count; i++) CHECK(!(d[i].flags & VIRTQ_WRITE));
	for (unsigned i = 1; i < count; i++) {
		memcpy(wire.bytes + wire.length, (void *)d[i].address, d[i].length);
		wire.length += d[i].length;
	}
	fake_answer(2 * n + 1, (uint32_t)head, 0);
	return true;
}

/* A packet comes in at pair n; `says` is what the card claims to have written. */
static bool run_rx(unsigned n, struct vnet_header header, uint8_t value, uint32_t length,
		   uint32_t says) {
	struct virtq_descriptor d[256];
	unsigned count;
	int head = fake_take(2 * n, d, &count);

	if (head < 0) return false;
	CHECK(count == 2 && d[0].length == sizeof(header) && d[1].length == card.buffer);
	CHECK(d[0].flags & VIRTQ_WRITE && d[1].flags & VIRTQ_WRITE);
	memcpy((void *)d[0].address, &header, sizeof(header));
	memset((void *)d[1].address, value, length);
	fake_answer(2 * n, (uint32_t)head, says);
	return true;
}

static struct {
	uint8_t class, code, bytes[1024];
	uint32_t length;
} command[16];

/* Carries out the commands that there are, each with this answer; how many. */
static unsigned run_control(unsigned queue, uint8_t ack) {
	struct virtq_descriptor d[256];
	unsigned done = 0, count;

	for (int head; (head = fake_take(queue, d, &count)) >= 0; done++) {
		const uint8_t *at = (const uint8_t *)d[0].address;

		CHECK(count == 3 && d[0].length == 2 && d[2].length == 1 && d[1].length <= 1024);
		CHECK(d[2].flags & VIRTQ_WRITE && !((d[0].flags | d[1].flags) & VIRTQ_WRITE));
		command[done].class = at[0];
		command[done].code = at[1];
		command[done].length = d[1].length;
		memcpy(command[done].bytes, (void *)d[1].address, d[1].length);
		*(uint8_t *)d[2].address = ack;
		fake_answer(queue, (uint32_t)head, 1);
	}
	return done;
}

/* --- the driver's side --- */

static enum vnet_taken send(uint16_t tag, uint32_t count, uint32_t length, struct net_tx packet) {
	struct net_segment segments[NET_MAX_SEGMENTS];

	packet.tag = tag;
	packet.segments = (uint8_t)count;
	for (uint32_t i = 0; i < count; i++) {
		memset(data[i], (int)(i + tag + 1), length);
		segments[i] = (struct net_segment){.address = (uintptr_t)data[i], .length = length};
	}
	return vnet_send(&card, &packet, segments);
}

static void understands(void) {
	good_card(ALL);
	CHECK(!start(5) && card.pairs == 4 && card.active == 1 && fake.config_vector == 4);
	CHECK(card.features ==
	      (NET_TX_CSUM4 | NET_TX_CSUM6 | NET_TX_TSO4 | NET_TX_TSO6 | NET_RX_CSUM));
	CHECK(card.mtu == 1500 && card.mbit == 1000 && !memcmp(card.mac, "\x52\x54\0\1\2\3", 6));
	CHECK(vnet_vectors(&card, 5) == 5 && fake.queue[6].vector == 3 &&
	      fake.queue[7].vector == 3);
	CHECK(fake.queue[CONTROL].enabled && fake.queue[CONTROL].vector == 4 && vnet_link(&card));
	fake_set(6, 2, 0);
	CHECK(!vnet_link(&card));
	/* fewer vectors, fewer pairs; the control queue stays where it is */
	good_card(ALL);
	CHECK(!start(3) && card.pairs == 2 && fake.queue[CONTROL].enabled &&
	      fake.config_vector == 2);
	CHECK(!start(1) && card.pairs == 1 && vnet_vectors(&card, 1) == 1 && !fake.config_vector);
	CHECK(!start(0) && card.pairs == 1 && fake.queue[0].vector == VIRTIO_NO_VECTOR);
	/* a card that offers nothing, and a configuration of nonsense */
	good_card(0);
	memset(fake.config, 0xff, sizeof(fake.config));
	fake.queue_count = 2;
	CHECK(!start(2) && !card.features && card.mtu == 1500 && !card.mbit && vnet_link(&card));
	CHECK(!memcmp(card.mac, "\2fall", 6) && !card.has_control && card.pairs == 1);
	good_card(ALL);
	memset(fake.config, 0xff, sizeof(fake.config));
	CHECK(!start(5) && card.mtu == MTU_MOST && card.pairs == 1 && !card.has_control);
	good_card(ALL & ~F_CSUM); /* cutting without checksums is no cutting */
	fake_set(10, 2, 0);
	CHECK(!start(2) && card.features == NET_RX_CSUM && card.mtu == MTU_LEAST);
	good_card(ALL & ~F_MQ);
	fake.queue_count = 3;
	CHECK(!start(5) && card.pairs == 1 && fake.queue[2].enabled);
}

static void refuses(void) {
	good_card(ALL);
	fake.queue_size = 8;
	CHECK(start(2)); /* commands do not fit */
	good_card(0);
	fake.queue_size = 1;
	CHECK(start(2));
	good_card(ALL);
	fake.queue_count = 8;
	CHECK(start(2));
	good_card(ALL);
	fake.refuses_vectors = true;
	CHECK(start(2));
	good_card(ALL);
	fake.never_resets = true;
	fake.status = 4;
	CHECK(start(2) && fake.waits);
	good_card(ALL);
	fake.refuses_features = true;
	CHECK(start(2));
}

static void packets(uint64_t features) {
	struct net_tx plain = {0};
	uint16_t tag;

	good_card(features);
	CHECK(!start(2));
	for (uint32_t count = 1; count <= NET_MAX_SEGMENTS; count++) {
		CHECK(send((uint16_t)count, count, 70 * count, plain) == VNET_TAKEN);
		vnet_kick(&card);
		CHECK(run_tx(0) && !run_tx(0) && wire.length == 70 * count * count);
		for (uint32_t i = 0; i < count; i++)
			CHECK(wire.bytes[70 * count * i] == (uint8_t)(i + count + 1) &&
			      wire.bytes[70 * count * (i + 1) - 1] == wire.bytes[70 * count * i]);
		CHECK(!wire.header.flags && !wire.header.gso_type);
		CHECK(card.tx_in_flight == 1 && vnet_sent(&card, 0, &tag) && tag == count);
		CHECK(!card.tx_in_flight && !vnet_sent(&card, 0, &tag));
	}
}

static void transmits(void) {
	packets(ALL);
	CHECK(fake.indirect);
	packets(ALL & ~VIRTIO_F_INDIRECT_DESC);
	CHECK(!fake.indirect);
	packets(0);
}

static void offloads(void) {
	struct net_tx sum = {.flags = NET_TX_CSUM, .csum_start = 34, .csum_offset = 16};
	struct net_tx cut = {.flags = NET_TX_CSUM,
			     .csum_start = 34,
			     .csum_offset = 16,
			     .gso = NET_GSO_TCP4,
			     .gso_size = 1448,
			     .header = 54};

	good_card(ALL);
	CHECK(!start(2) && send(1, 1, FRAME, sum) == VNET_TAKEN);
	vnet_kick(&card);
	CHECK(run_tx(0) && wire.header.flags == 1 && wire.header.csum_start == 34 &&
	      wire.header.csum_offset == 16 && !wire.header.gso_type);
	CHECK(send(2, 3, FRAME, cut) == VNET_TAKEN);
	vnet_kick(&card);
	CHECK(run_tx(0) && wire.header.gso_type == 1 && wire.header.gso_size == 1448 &&
	      wire.header.header == 54 && wire.header.flags == 1);
	cut.gso = NET_GSO_TCP6;
	CHECK(send(3, 1, FRAME, cut) == VNET_TAKEN);
	vnet_kick(&card);
	CHECK(run_tx(0) && wire.header.gso_type == 4);
	/* what was not offered */
	good_card(ALL & ~F_HOST_TSO6);
	CHECK(!start(2) && send(3, 1, FRAME, cut) == VNET_BAD);
	good_card(ALL & ~F_CSUM);
	CHECK(!start(2) && send(3, 1, FRAME, sum) == VNET_BAD && !card.tx_in_flight);
}

static void full(void) {
	struct net_tx plain = {0};
	uint16_t tag;

	good_card(ALL & ~VIRTIO_F_INDIRECT_DESC);
	fake.queue_size = 16;
	CHECK(!start(2) && send(1, 16, 10, plain) == VNET_BAD); /* it never fits */
	for (tag = 0; tag < 8; tag++) CHECK(send(tag, 1, 10, plain) == VNET_TAKEN);
	CHECK(send(8, 1, 10, plain) == VNET_FULL && card.tx_in_flight == 8);
	vnet_kick(&card);
	CHECK(run_tx(0) && vnet_sent(&card, 0, &tag) && !tag);
	CHECK(send(8, 1, 10, plain) == VNET_TAKEN);
	for (tag = 0; tag < 8; tag++) CHECK(vnet_post(&card, tag, (uintptr_t)data[0]));
	CHECK(!vnet_post(&card, 8, (uintptr_t)data[0]) && card.rx_in_flight == 8);
	/* with indirect descriptors everything fits */
	good_card(ALL);
	CHECK(!start(3));
	for (tag = 0; tag < NET_TX_TAGS; tag++) CHECK(send(tag, 2, 10, plain) == VNET_TAKEN);
	for (tag = 0; tag < NET_RX_TAGS; tag++) CHECK(vnet_post(&card, tag, (uintptr_t)data[0]));
}

static struct net_rx receive(struct vnet_header header, uint32_t length, uint32_t says) {
	struct net_rx packet = {0};

	CHECK(vnet_post(&card, 77, (uintptr_t)data[3]));
	vnet_kick(&card);
	CHECK(run_rx(0, header, 0x5a, length, says));
	CHECK(vnet_received(&card, 0, &packet) && packet.tag == 77 && !card.rx_in_flight);
	return packet;
}

static void receives(void) {
	struct vnet_header plain = {.buffers = 1};
	struct vnet_header valid = {.flags = 2},
			   blank = {.flags = 1, .csum_start = 34, .csum_offset = 6};
	struct net_rx packet;

	for (unsigned direct = 0; direct < 2; direct++) {
		good_card(direct ? ALL & ~VIRTIO_F_INDIRECT_DESC : ALL);
		CHECK(!start(2));
		packet = receive(plain, NET_BUFFER, NET_BUFFER + 12);
		CHECK(packet.length == NET_BUFFER && !packet.flags &&
		      data[3][NET_BUFFER - 1] == 0x5a);
		packet = receive(valid, 60, 72);
		CHECK(packet.length == 60 && packet.flags == NET_RX_CSUM_OK);
		packet = receive(blank, 60, 72);
		CHECK(packet.flags == NET_RX_CSUM_BLANK && packet.csum_start == 34 &&
		      packet.csum_offset == 6);
	}
	good_card(ALL & ~F_GUEST_CSUM);
	CHECK(!start(2));
	packet = receive(valid, 60, 72);
	CHECK(!packet.flags && packet.length == 60); /* it was not agreed on */
}

/* Lengths and headers that cannot be. */
static void impossible_packets(void) {
	struct vnet_header plain = {0}, cut = {.gso_type = 1}, far = {.flags = 1, .csum_start = 59};
	struct vnet_header wrap = {.flags = 1, .csum_start = 0xffff, .csum_offset = 0xffff};
	static const uint32_t says[] = {0, 11, 12, NET_BUFFER + 13, 0x10000 + 60, UINT32_MAX};

	good_card(ALL);
	CHECK(!start(2));
	for (size_t i = 0; i < ARRAY_SIZE(says); i++)
		CHECK(receive(plain, 60, says[i]).flags == NET_RX_BAD);
	CHECK(receive(cut, 60, 72).flags == NET_RX_BAD);
	CHECK(receive(far, 60, 72).flags == NET_RX_BAD);
	CHECK(receive(wrap, 60, 72).flags == NET_RX_BAD);
	CHECK(card.lies == ARRAY_SIZE(says) + 3);
}

/* Of a card that merges buffers each is one descriptor, header and all. */
static struct net_rx receive_merged(uint32_t says) {
	struct virtq_descriptor d[256];
	struct net_rx packet = {0};
	unsigned count;
	int head;

	CHECK(vnet_post(&card, 78, (uintptr_t)data[4]));
	vnet_kick(&card);
	head = fake_take(0, d, &count);
	CHECK(head >= 0 && count == 1 && d[0].address == (uintptr_t)data[4]);
	CHECK(d[0].length == card.buffer && d[0].flags == VIRTQ_WRITE);
	fake_answer(0, (uint32_t)head, says);
	CHECK(vnet_received(&card, 0, &packet) && packet.tag == 78 && !card.rx_in_flight);
	CHECK(!packet.gso && !packet.csum_start && !packet.queue);
	return packet;
}

static void merges(void) {
	static const uint32_t says[] = {0, NET_BUFFER + 1, 0x10000 + 60, UINT32_MAX};
	struct net_rx packet;

	good_card(ALL | F_LARGE);
	CHECK(!start(2) && card.merging && card.features & NET_RX_HEADERS);
	CHECK((fake.accepted & F_LARGE) == F_LARGE && card.mtu == 1500);
	packet = receive_merged(NET_BUFFER);
	CHECK(packet.length == NET_BUFFER && !packet.flags);
	packet = receive_merged(1); /* the rest of a packet may be that short */
	CHECK(packet.length == 1 && !packet.flags && !card.lies);
	for (size_t i = 0; i < ARRAY_SIZE(says); i++)
		CHECK(receive_merged(says[i]).flags == NET_RX_BAD);
	CHECK(card.lies == ARRAY_SIZE(says));
	memset(fake.config, 0xff, sizeof(fake.config));
	CHECK(!vnet_start(&card, 2) && card.mtu == MTU_LARGE);
	/* for a server that does not know them */
	card.large = false;
	card.buffer = NET_BUFFER_1;
	CHECK(!vnet_start(&card, 2) && !card.merging && !(card.features & NET_RX_HEADERS));
	CHECK(!(fake.accepted & F_LARGE));
	/* large packets without merging fit no buffer: they are not agreed on */
	good_card(ALL | F_GUEST_TSO4 | F_GUEST_TSO6);
	CHECK(!start(2) && !card.merging && !(fake.accepted & F_LARGE));
	good_card(ALL | F_MRG_RXBUF);
	CHECK(!start(2) && card.merging && (fake.accepted & F_LARGE) == F_MRG_RXBUF);
}

/* Ids out of range, done twice, and an index from nowhere. */
static void lying_rings(void) {
	struct net_tx plain = {0};
	struct net_rx packet;
	uint16_t tag;

	good_card(ALL);
	CHECK(!start(2));
	CHECK(send(5, 1, 60, plain) == VNET_TAKEN && send(6, 1, 60, plain) == VNET_TAKEN);
	vnet_kick(&card);
	CHECK(run_tx(0) && vnet_sent(&card, 0, &tag) && tag == 5);
	fake_answer(1, 0, 0); /* again, and of no one */
	CHECK(!vnet_sent(&card, 0, &tag) && card.tx[0].stray == 1 && card.tx_in_flight == 1);
	fake_answer(1, 70000, 0);
	CHECK(!vnet_sent(&card, 0, &tag) && card.tx[0].stray == 2);
	fake_answer(1, 256, 0);
	CHECK(!vnet_sent(&card, 0, &tag) && card.tx[0].stray == 3 && !vnet_stuck(&card, 6));
	CHECK(vnet_post(&card, 1, (uintptr_t)data[0]));
	vnet_kick(&card);
	fake.queue[0].given = 100;
	fake_answer(0, 0, 72);
	CHECK(!vnet_received(&card, 0, &packet) && card.rx[0].broken && vnet_stuck(&card, 6));
	/* a reset makes all of it good, and nothing of before counts */
	CHECK(!vnet_start(&card, 2) && !vnet_stuck(&card, 0) && !card.tx_in_flight);
	CHECK(!vnet_sent(&card, 0, &tag) && !vnet_received(&card, 0, &packet));
	CHECK(send(6, 1, 60, plain) == VNET_TAKEN);
	vnet_kick(&card);
	CHECK(run_tx(0) && vnet_sent(&card, 0, &tag) && tag == 6);
}

static void silence(void) {
	struct net_tx plain = {0};

	good_card(ALL);
	CHECK(!start(2) && !vnet_stuck(&card, 0));
	card.tick = 10;
	CHECK(send(5, 1, 60, plain) == VNET_TAKEN && vnet_post(&card, 1, (uintptr_t)data[0]));
	vnet_kick(&card);
	card.tick += 5;
	CHECK(!vnet_stuck(&card, 6));
	card.tick++;
	CHECK(vnet_stuck(&card, 6));
	/* buffers may lie there for ever */
	CHECK(!vnet_start(&card, 2) && vnet_post(&card, 1, (uintptr_t)data[0]));
	card.tick += 1000;
	CHECK(!vnet_stuck(&card, 6));
	fake.status |= 64;
	CHECK(vnet_stuck(&card, 6)); /* it asks for it */
}

static void filters(void) {
	struct net_filter filter = {
		.flags = NET_FILTER_ALLMULTICAST,
		.count = 3,
		.address = {{.mac = {1, 0, 0x5e, 1, 1, 1}},
			    {.mac = {2, 2, 2, 2, 2, 2}},
			    {.mac = {0x33, 0x33, 0, 0, 0, 1}}},
	};

	good_card(ALL & ~F_MQ);
	fake.queue_count = 3;
	CHECK(!start(2));
	vnet_set_filter(&card, &filter);
	CHECK(card.commands && run_control(2, 0) == 3);
	CHECK(!command[0].class && !command[0].code && command[0].length == 1 &&
	      !command[0].bytes[0]);
	CHECK(!command[1].class && command[1].code == 1 && command[1].bytes[0] == 1);
	CHECK(command[2].class == 1 && !command[2].code && command[2].length == 4 + 6 + 4 + 12);
	CHECK(command[2].bytes[0] == 1 && !memcmp(command[2].bytes + 4, filter.address[1].mac, 6));
	CHECK(command[2].bytes[10] == 2 &&
	      !memcmp(command[2].bytes + 14, filter.address[0].mac, 6));
	/* another one before that is answered: only then, and only the last one */
	filter.count = 1;
	vnet_set_filter(&card, &filter);
	filter.count = NET_MAX_FILTER;
	vnet_set_filter(&card, &filter);
	CHECK(!run_control(2, 0));
	vnet_control(&card);
	CHECK(run_control(2, 0) == 3 && command[2].length == 8 + 6 * NET_MAX_FILTER);
	vnet_control(&card);
	CHECK(!card.commands && !card.refused && !run_control(2, 0));
	/* a table that is refused: everything comes in */
	vnet_set_filter(&card, &filter);
	CHECK(run_control(2, 1) == 3);
	vnet_control(&card);
	CHECK(card.refused == 3 && run_control(2, 1) == 3 && command[0].bytes[0] == 1);
	vnet_control(&card);
	CHECK(!run_control(2, 1) && !card.commands);
	/* no answer at all */
	vnet_set_filter(&card, &filter);
	card.tick += 6;
	CHECK(vnet_stuck(&card, 6));
	fake.queue[2].given += 50;
	fake_answer(2, 0, 1);
	vnet_control(&card);
	CHECK(card.control.broken && vnet_stuck(&card, 600));
	/* a card without one lets everything in as it is */
	good_card(ALL & ~(F_CTRL_RX | F_MQ));
	fake.queue_count = 3;
	CHECK(!start(2));
	vnet_set_filter(&card, &filter);
	CHECK(!card.commands && !run_control(2, 0));
}

static void several_pairs(void) {
	struct net_tx packet = {.queue = 3};
	struct net_rx received;
	uint16_t tag;

	good_card(ALL);
	CHECK(!start(5));
	/* until the card has said yes, only the first one */
	CHECK(send(1, 1, 60, packet) == VNET_TAKEN);
	vnet_kick(&card);
	CHECK(run_tx(0) && run_control(CONTROL, 0) == 1 && command[0].class == 4);
	CHECK(command[0].length == 2 && command[0].bytes[0] == 4 && card.active == 1);
	vnet_control(&card);
	CHECK(card.active == 4 && vnet_sent(&card, 0, &tag));
	for (uint8_t n = 0; n < 8; n++) {
		packet.queue = n;
		CHECK(send(n, 1, 60, packet) == VNET_TAKEN);
		vnet_kick(&card);
		CHECK(run_tx(n % 4) && vnet_sent(&card, n % 4, &tag) && tag == n);
	}
	for (tag = 0; tag < 512; tag++) CHECK(vnet_post(&card, tag, (uintptr_t)data[0]));
	vnet_kick(&card);
	for (unsigned n = 0; n < 4; n++) {
		CHECK(card.rx[n].outstanding == 128);
		CHECK(run_rx(n, (struct vnet_header){0}, 1, 60, 72));
		CHECK(vnet_received(&card, n, &received) && received.queue == n);
	}
	/* refused: it goes on with one */
	CHECK(!vnet_start(&card, 5) && run_control(CONTROL, 1) == 1);
	vnet_control(&card);
	CHECK(card.active == 1 && card.refused == 1);
}

static void interrupts(void) {
	struct net_tx plain = {0};
	struct net_rx packet;
	uint16_t tag;

	good_card(ALL & ~F_MQ);
	fake.queue_count = 3;
	CHECK(!start(2));
	for (tag = 0; tag < 40; tag++) CHECK(send(tag, 1, 60, plain) == VNET_TAKEN);
	for (tag = 0; tag < 40; tag++) CHECK(vnet_post(&card, tag, (uintptr_t)data[0]));
	vnet_kick(&card);
	CHECK(vnet_want_interrupts(&card, 0));
	fake.interrupts = 0;
	for (unsigned i = 0; i < 30; i++) CHECK(run_tx(0) && !fake.interrupts);
	CHECK(run_tx(0) && fake.interrupts == 2); /* most have left */
	CHECK(!vnet_want_sent(&card, 20) && vnet_want_sent(&card, 31));
	CHECK(run_rx(0, (struct vnet_header){0}, 1, 60, 72) && fake.interrupts & 1);
	CHECK(!vnet_want_interrupts(&card, 256));
	/* nobody comes for it: at the second tick that is noticed */
	CHECK(!vnet_missed(&card) && vnet_missed(&card));
	CHECK(vnet_received(&card, 0, &packet) && !vnet_missed(&card));
	while (vnet_sent(&card, 0, &tag)) continue;
	CHECK(vnet_want_interrupts(&card, 256) && card.tx_in_flight == 9);
}

/* A doorbell that got lost is rung again at the next tick, if nothing has moved. */
static void lost_doorbells(void) {
	struct net_tx plain = {0};
	struct net_rx packet;
	uint16_t tag;

	good_card(ALL & ~F_MQ);
	fake.queue_count = 3;
	CHECK(!start(2) && send(1, 1, 60, plain) == VNET_TAKEN);
	vnet_kick(&card);
	CHECK(fake.doorbell[1] == 1);
	fake.doorbell[1] = 99;
	CHECK(!vnet_missed(&card) && fake.doorbell[1] == 1 && card.rung_again == 1);
	CHECK(run_tx(0) && vnet_sent(&card, 0, &tag));
	fake.doorbell[1] = 99; /* it has moved, and then it is empty */
	CHECK(!vnet_missed(&card) && !vnet_missed(&card) && fake.doorbell[1] == 99);
	CHECK(vnet_post(&card, 2, (uintptr_t)data[0]));
	vnet_kick(&card);
	fake.doorbell[0] = 99;
	CHECK(!vnet_missed(&card) && fake.doorbell[0] == 0 && card.rung_again == 2);
	CHECK(run_rx(0, (struct vnet_header){0}, 1, 60, 72) && vnet_received(&card, 0, &packet));
}

static const struct test tests[] = {
	{"what the card says of itself", understands},
	{"cards that cannot be driven", refuses},
	{"packets of all kinds of segments", transmits},
	{"checksums and cutting", offloads},
	{"queues that are full", full},
	{"what comes in", receives},
	{"lengths and headers that cannot be", impossible_packets},
	{"buffers that are merged", merges},
	{"ids and indices that cannot be", lying_rings},
	{"a card that does not answer", silence},
	{"filters, and answers to commands", filters},
	{"several pairs of queues", several_pairs},
	{"interrupts, few and lost", interrupts},
	{"doorbells that get lost", lost_doorbells},
};

int main(void) { return RUN("virtio_net", tests); }
