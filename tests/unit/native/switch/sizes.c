/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Packets of 0 to 65,535 bytes in any number of slots, right ones and wrong ones, as a property:
 * a packet arrives once and whole, where it belongs, or is dropped, and then exactly one
 * reason has counted it, the one that a second reading of the rules here says. Either way each
 * of its slots is answered once, and nothing of the pool stays behind.
 */
#include "rig.h"

#include "libs/packet/checksum.h"

#define MTU     9000U
#define HEADERS 54U /* of TCP over IPv4 */
#define MOST    26U /* slots; a guest that uses 32 loses its VIF */
#define PACKETS 60000U

static struct netfront front[GUESTS];
static uint8_t bytes[0x20000];

struct packet_of {
	uint32_t slots, sizes[MOST], offsets[MOST];
	uint32_t total; /* what the first slot says */
	uint32_t to;    /* a guest, or the card */
	bool large;     /* TCP that is to be cut */
	bool strange;   /* with an extra info that there is not */
};

static void begin(void) {
	rig_world();
	rig_describe(1);
	rig_driver_start();
	rig_server();
	for (uint32_t i = 0; i < GUESTS; i++) {
		front_init(&front[i], i, 0);
		front_post(&front[i], NETIF_SLOTS);
		front[i].raw = true;
	}
	for (uint32_t i = 0; i < 8; i++) rig_serve();
}

/* Mostly packets that could be right, of all sizes and all ways to lay them out. */
static struct packet_of make(void) {
	struct packet_of p = {.slots = 1 + noise() % 18, .to = noise() % 2 ? 1 : GUESTS};
	uint32_t left = noise() >> (noise() % 2 ? 16 : 16 + noise() % 16), least;

	p.large = noise() % 2;
	p.strange = noise() % 50 == 0;
	if (noise() % 40 == 0) p.slots = 1 + noise() % MOST;
	if (noise() % 16) left = MIN(left, p.slots * (uint32_t)PAGE_SIZE);
	p.total = left;
	for (uint32_t i = 0; i < p.slots; i++) {
		uint32_t after = p.slots - i - 1, most = MIN(left - MIN(left, after), PAGE_SIZE);

		least = left > after * PAGE_SIZE ? left - after * (uint32_t)PAGE_SIZE : 1;
		p.sizes[i] =
			after ? MIN(left, least + noise() % (MAX(most, least) - least + 1)) : left;
		left -= p.sizes[i];
		p.offsets[i] = p.sizes[i] < PAGE_SIZE ? noise() % (PAGE_SIZE - p.sizes[i] + 1) : 0;
	}
	/* A lie in one place. */
	if (noise() % 16 == 0) p.sizes[noise() % p.slots] = noise() >> (16 + noise() % 16);
	if (noise() % 16 == 0) p.offsets[noise() % p.slots] = noise() >> (16 + noise() % 16);
	if (noise() % 16 == 0) p.total = noise() >> (16 + noise() % 16);
	return p;
}

static void write_tcp(uint32_t length, uint32_t to) {
	const uint8_t ip[20] = {0x45,
				0,
				(uint8_t)((length - 14) >> 8),
				(uint8_t)(length - 14),
				0,
				1,
				0x40,
				0,
				64,
				6,
				0,
				0,
				10,
				0,
				0,
				1,
				10,
				0,
				0,
				(uint8_t)(to + 1)};
	uint16_t sum;

	memset(bytes + 12, 0, HEADERS - 12);
	bytes[12] = 8;
	memcpy(bytes + 14, ip, sizeof(ip));
	sum = checksum_fold(checksum_add(0, bytes + 14, 20));
	memcpy(bytes + 24, &sum, 2);
	bytes[35] = bytes[37] = 80;
	bytes[46] = 0x50;
	bytes[47] = 2;
}

static void write_packet(const struct packet_of *p) {
	for (uint32_t i = 0; i < p->total; i++) bytes[i] = (uint8_t)noise();
	rig_mac(p->to, bytes);
	rig_mac(0, bytes + 6);
	bytes[12] = ETHERTYPE >> 8;
	bytes[13] = ETHERTYPE & 0xff;
	if (p->large && p->total > HEADERS) write_tcp(p->total, p->to);
}

/* By the words of netif.h and the network's MTU; DROP_NONE: it arrives. */
static uint32_t verdict(const struct packet_of *p) {
	uint32_t rest = 0;

	if (p->slots > 18) return DROP_TOO_MANY;
	if (p->strange) return DROP_MALFORMED;
	for (uint32_t i = 1; i < p->slots; i++) rest += p->sizes[i];
	if (rest >= p->total) return DROP_MALFORMED;
	for (uint32_t i = 0; i < p->slots; i++) {
		uint32_t size = i ? p->sizes[i] : p->total - rest;

		if (!size || p->offsets[i] + size > PAGE_SIZE) return DROP_MALFORMED;
	}
	if (p->total < 14) return PACKET_SHORT;
	if (p->large) return p->total > HEADERS ? DROP_NONE : DROP_BAD_OFFLOAD;
	return p->total > MTU + 14 ? DROP_LENGTH : DROP_NONE;
}

static void send(const struct packet_of *p) {
	struct netif_extra_info extra = {
		.type = p->strange ? XEN_NETIF_EXTRA_TYPE_HASH : XEN_NETIF_EXTRA_TYPE_GSO,
		.u.gso = {.size = 1448, .type = XEN_NETIF_GSO_TYPE_TCPV4},
	};
	bool extras = p->large || p->strange;
	uint32_t at = 0;

	for (uint32_t i = 0; i < p->slots; i++) {
		uint32_t ref = RX_PAGES + front[0].tx_prod % NETIF_SLOTS, offset = p->offsets[i];
		struct netif_tx_request r = {
			.gref = ref,
			.offset = (uint16_t)offset,
			.size = (uint16_t)(i ? p->sizes[i] : p->total),
			.flags = i + 1 < p->slots ? NETTXF_more_data : 0,
		};

		if (!i && extras) r.flags |= NETTXF_extra_info;
		if (!i && p->large) r.flags |= NETTXF_csum_blank;
		if (offset < PAGE_SIZE && at < sizeof(bytes))
			memcpy(world->guest[0].page[ref] + offset, bytes + at,
			       MIN(MIN(PAGE_SIZE - offset, p->sizes[i]), sizeof(bytes) - at));
		front_put(&front[0], &r);
		if (!i && extras) front_put_extra(&front[0], &extra);
		at += p->sizes[i];
	}
	front_push(&front[0]);
}

static uint64_t all_dropped(void) {
	uint64_t sum = 0;

	for (uint32_t port = 0; port < sw.port_count; port++)
		for (uint32_t i = 0; i < DROP_REASONS; i++) sum += rig_dropped(port, i);
	return sum;
}

static uint32_t counted[DROP_REASONS];
static uint64_t arrived;

static void one(void) {
	struct packet_of p = make();
	uint64_t dropped = all_dropped(), came = front[1].came, before;
	uint32_t reason, left = rig_left;
	bool to_card = p.to == GUESTS;

	/* The first slot's part is what the others leave. */
	for (uint32_t i = 1, rest = p.total; i < p.slots; i++) {
		rest -= MIN(rest, p.sizes[i]);
		p.sizes[0] = rest;
	}
	if (p.slots == 1) p.sizes[0] = p.total;
	reason = verdict(&p);
	before = reason ? rig_dropped(0, reason) : 0;
	write_packet(&p);
	send(&p);
	for (uint32_t i = 0; i < 4; i++) rig_serve();
	for (uint32_t i = 0; i < GUESTS; i++) front_collect(&front[i]);
	front_post(&front[1], NETIF_SLOTS);
	counted[reason]++;
	CHECK(front[0].tx_cons == front[0].tx_prod && !sw.port[0].vif.end.broken);
	CHECK(pool.free_frames == FRAMES && pool.free_pages == pool.singles - 1);
	CHECK(all_dropped() == dropped + !!reason);
	CHECK(rig_left == left + (!reason && to_card) &&
	      front[1].came == came + (!reason && !to_card) && !front[2].came);
	if (reason) {
		CHECK(rig_dropped(0, reason) == before + 1);
		return;
	}
	arrived++;
	CHECK(p.total == (to_card ? rig_wire[left % WIRE].length : front[1].last_length));
	CHECK(!memcmp(to_card ? rig_wire[left % WIRE].bytes : front[1].last, bytes, p.total));
}

static void test_sizes(void) {
	static const uint32_t met[] = {DROP_TOO_MANY, DROP_MALFORMED, PACKET_SHORT, DROP_LENGTH,
				       DROP_BAD_OFFLOAD};

	begin();
	for (uint32_t i = 0; i < PACKETS; i++) {
		one();
		rig_time += 100000;
	}
	CHECK(arrived > PACKETS / 4);
	for (uint32_t i = 0; i < ARRAY_SIZE(met); i++) CHECK(counted[met[i]] > PACKETS / 2000);
}

int main(void) {
	static const struct test tests[] = {{"packets of all sizes in all slots", test_sizes}};

	return RUN("switch_sizes", tests);
}
