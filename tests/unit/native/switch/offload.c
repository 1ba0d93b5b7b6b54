/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Checksums and segmentation, passed on or done in software, segments that are merged, and
 * who gets how much: turns, limits, small frames.
 */
#include "rig.h"

#include "libs/packet/checksum.h"

#define HEADERS 54U

static struct netfront front[GUESTS];
static uint8_t bytes[65600];

static void serve(void) {
	for (uint32_t i = 0; i < GUESTS; i++) front_push(&front[i]);
	for (uint32_t i = 0; i < 8; i++) rig_serve();
	for (uint32_t i = 0; i < GUESTS; i++) front_collect(&front[i]);
}

/* The last guest has so many buffers. */
static void start_short(uint32_t buffers) {
	rig_driver_start();
	rig_server();
	for (uint32_t i = 0; i < GUESTS; i++) {
		front_init(&front[i], i, 0);
		front_post(&front[i], i == GUESTS - 1 ? buffers : NETIF_SLOTS);
		front[i].raw = true;
	}
	serve();
}

static void start(void) { start_short(NETIF_SLOTS); }

static void begin(uint32_t features) {
	rig_world();
	rig_describe(1);
	rig_features = features;
	start();
}

/* TCP over IPv4, its checksum left out: the pseudo header's sum is there. */
static void make_tcp(uint32_t from, uint32_t to, uint32_t payload) {
	const uint8_t ip[20] = {0x45, 0, 0, 0,          0,  1, 0x40, 0,
				64,   6, 0, 0,          10, 0, 0,    (uint8_t)from,
				10,   0, 0, (uint8_t)to};
	uint32_t total = 40 + payload;
	uint16_t sum;

	memset(bytes, 0, HEADERS);
	rig_mac(to, bytes);
	rig_mac(from, bytes + 6);
	bytes[12] = 8;
	memcpy(bytes + 14, ip, 20);
	bytes[16] = (uint8_t)(total >> 8);
	bytes[17] = (uint8_t)total;
	sum = checksum_fold(checksum_add(0, bytes + 14, 20));
	memcpy(bytes + 24, &sum, 2);
	bytes[35] = bytes[37] = 80;
	bytes[46] = 0x50;
	bytes[47] = 2; /* SYN: a connection that is new */
	for (uint32_t i = 0; i < payload; i++) bytes[HEADERS + i] = (uint8_t)(i * 31 >> 3);
	sum = checksum_partial(checksum_pseudo4(bytes + 26, bytes + 30, 6, 20 + payload));
	memcpy(bytes + 50, &sum, 2);
}

static bool sum_is_right(const uint8_t *frame, uint32_t length) {
	uint64_t sum = checksum_pseudo4(frame + 26, frame + 30, 6, length - 34);

	return !checksum_fold(checksum_add(sum, frame + 34, length - 34));
}

static void send_large(uint32_t to, uint32_t payload, uint16_t size) {
	const struct netif_extra_info extra = {
		.type = XEN_NETIF_EXTRA_TYPE_GSO,
		.u.gso = {.size = size, .type = XEN_NETIF_GSO_TYPE_TCPV4},
	};

	make_tcp(0, to, payload);
	front_send(&front[0], bytes, HEADERS + payload, 17, NETTXF_csum_blank, &extra);
	serve();
}

static void test_passed_on(void) {
	const struct net_tx *packet = &rig_wire[0].packet;
	struct netif_extra_info extra;

	begin(NET_TX_CSUM4 | NET_TX_TSO4);
	send_large(GUESTS, 60000, 1448);
	CHECK(rig_left == 1 && rig_wire[0].length == HEADERS + 60000);
	CHECK(packet->gso == NET_GSO_TCP4 && packet->gso_size == 1448 && packet->header == HEADERS);
	CHECK(packet->flags == NET_TX_CSUM && packet->csum_start == 34 &&
	      packet->csum_offset == 16);
	CHECK(!memcmp(rig_wire[0].bytes, bytes, HEADERS + 60000));
	send_large(1, 60000, 1448);
	CHECK(front[1].came == 1 && front[1].last_length == HEADERS + 60000);
	CHECK(front[1].last_flags & NETRXF_csum_blank && front[1].last_flags & NETRXF_extra_info);
	memcpy(&extra, &front[1].last_extra, sizeof(extra));
	CHECK(extra.type == XEN_NETIF_EXTRA_TYPE_GSO && extra.u.gso.size == 1448 &&
	      extra.u.gso.type == XEN_NETIF_GSO_TYPE_TCPV4 && !extra.flags);
	CHECK(!memcmp(front[1].last, bytes, HEADERS + 60000));
	CHECK(pool.free_frames == FRAMES && pool.free_pages == pool.singles - 1);
}

/* A card that fills in the lengths itself: for it alone they are left out. */
static void test_bare(void) {
	uint8_t *sent = rig_wire[0].bytes;
	uint16_t sum;

	begin(NET_TX_CSUM4 | NET_TX_TSO4 | NET_TX_TSO_BARE);
	send_large(GUESTS, 30000, 1448);
	CHECK(rig_left == 1 && rig_wire[0].packet.gso == NET_GSO_TCP4);
	CHECK(!sent[16] && !sent[17] && !sent[24] && !sent[25]);
	sum = checksum_partial(checksum_pseudo4(sent + 26, sent + 30, 6, 0));
	CHECK(!memcmp(sent + 50, &sum, 2));
	CHECK(!memcmp(sent + 18, bytes + 18, 6) && !memcmp(sent + 26, bytes + 26, 24));
	CHECK(!memcmp(sent + 52, bytes + 52, HEADERS + 30000 - 52));
	/* Guests that get it as well get all of it, and the card what was cut in software. */
	for (uint32_t i = 0; i < GUESTS; i++) front_post(&front[i], NETIF_SLOTS);
	sw.queue[sw.port[1].vif.first_queue].rx.shared->req_prod =
		sw.queue[sw.port[1].vif.first_queue].rx.shared->rsp_prod; /* it has no buffers */
	send_large(EVERYBODY, 30000, 1448);
	CHECK(front[2].came == 1 && !memcmp(front[2].last, bytes, HEADERS + 30000));
	CHECK(rig_left == 1 + DIV_UP(30000U, 1448U));
	CHECK(sum_is_right(rig_wire[1].bytes, HEADERS + 1448) && !rig_wire[1].packet.gso);
	front_post(&front[1], NETIF_SLOTS);
	serve();
	CHECK(front[1].came == 1 && !memcmp(front[1].last, bytes, HEADERS + 30000));
	/* A frame to be written without its lengths: the tag's head as well. */
	rig_world();
	rig_describe(1);
	rig_features = NET_TX_CSUM4 | NET_TX_TSO4 | NET_TX_TSO_BARE;
	rig_blob.port[0].vlan = 5;
	rig_blob.port[CARD].flags |= SWITCH_TRUNK;
	start();
	send_large(GUESTS, 30000, 1448);
	CHECK(rig_left == 1 && rig_wire[0].length == HEADERS + 30000 + VLAN_TAG);
	CHECK(!sent[20] && !sent[21] && !memcmp(sent + 54, &sum, 2) && sent[13] == 0);
	CHECK(!memcmp(sent + 58, bytes + 54, 30000));
	/* Once more: it is known where they go now, so all of it is copied at once. */
	send_large(GUESTS, 60000, 1448);
	CHECK(rig_left == 2 && !memcmp(rig_wire[1].bytes + 58, bytes + 54, 60000));
}

static void test_cut(void) {
	uint32_t at = 0, frames_left;

	begin(0);
	send_large(GUESTS, 60000, 1448);
	frames_left = DIV_UP(60000U, 1448U);
	CHECK(rig_left == frames_left);
	for (uint32_t i = 0; i < frames_left; i++) {
		const struct wire *wire = &rig_wire[i];
		uint32_t payload = MIN(60000 - at, 1448U);

		CHECK(wire->length == HEADERS + payload && !wire->packet.flags &&
		      !wire->packet.gso);
		CHECK(!memcmp(wire->bytes + HEADERS, bytes + HEADERS + at, payload));
		CHECK(sum_is_right(wire->bytes, wire->length));
		at += payload;
	}
	CHECK(pool.free_frames == FRAMES && pool.free_pages == pool.singles - 1);
	/* For a guest that takes none; it has buffers for all. */
	rig_world();
	rig_describe(1);
	world->rings[1].flags &= ~FRONT_GSO4;
	start();
	send_large(1, 40000, 1000);
	CHECK(front[1].came == 40 && front[1].last_length == HEADERS + 1000);
	CHECK(sum_is_right(front[1].last, front[1].last_length));
}

static void test_sums(void) {
	begin(0);
	make_tcp(0, GUESTS, 3001);
	front_send(&front[0], bytes, HEADERS + 3001, 3, NETTXF_csum_blank, NULL);
	serve();
	CHECK(rig_left == 1 && !rig_wire[0].packet.flags);
	CHECK(sum_is_right(rig_wire[0].bytes, HEADERS + 3001));
	CHECK(pool.free_frames == FRAMES && pool.free_pages == pool.singles - 1);
}

/* The wire has the network's frames with tags. */
static void tag_wire(void) {
	for (uint32_t i = 0; i < GUESTS; i++) rig_blob.port[i].vlan = 5;
	rig_blob.port[CARD].flags = SWITCH_TRUNK;
}

/* What has left is this frame with its sum. */
static void check_wire(uint32_t length, bool tagged) {
	uint8_t *on_wire = rig_wire[0].bytes;

	CHECK(rig_left == 1 && rig_wire[0].length == length + (tagged ? VLAN_TAG : 0));
	if (tagged) {
		CHECK(on_wire[12] == 0x81 && on_wire[15] == 5);
		memmove(on_wire + 12, on_wire + 16, length - 12);
	}
	CHECK(!rig_wire[0].packet.flags && sum_is_right(on_wire, length));
	CHECK(!memcmp(on_wire + HEADERS, bytes + HEADERS, length - HEADERS));
}

/*
 * To guests, for which the sum is left out, and a card that cannot add, also longer than a page.
 * While a guest waits for its frame, the card gets one of its own, whose pieces end where those of
 * the other do, or elsewhere.
 */
static void test_shared_sums(void) {
	static const uint32_t payloads[] = {100, 4038, 4039, 4043, 8960};

	for (uint32_t i = 0; i < 20 * ARRAY_SIZE(payloads); i++) {
		uint32_t payload = payloads[i / 20], length = HEADERS + payload;
		bool waits = i % 2, tagged = i / 2 % 2;

		rig_world();
		rig_describe(1);
		if (tagged) tag_wire();
		rig_features = 0;
		start_short(waits ? 0 : NETIF_SLOTS);
		make_tcp(0, EVERYBODY, payload);
		front_send(&front[0], bytes, length, 1 + payload / 3500, NETTXF_csum_blank, NULL);
		serve();
		check_wire(length, tagged);
		CHECK(front[1].came == 1 && front[1].last_flags & NETRXF_csum_blank);
		CHECK(front[2].came == !waits);
		front_post(&front[2], waits ? NETIF_SLOTS : 0);
		serve();
		CHECK(front[2].came == 1 && front[2].last_flags & NETRXF_csum_blank);
		CHECK(!memcmp(front[2].last, bytes, length));
		CHECK(pool.free_frames == FRAMES && pool.free_pages == pool.singles - 1);
	}
}

/* --- merged --- */

/* A segment of a flow as it comes from the wire, in one wake-up with what follows it. */
static void receive(uint32_t sequence, uint32_t payload, uint8_t tcp_flags, uint16_t flags) {
	uint16_t sum;

	make_tcp(GUESTS, 0, payload);
	for (uint32_t i = 0; i < 4; i++) bytes[38 + i] = (uint8_t)(sequence >> 8 * (3 - i));
	for (uint32_t i = 0; i < payload; i++)
		bytes[HEADERS + i] = (uint8_t)((sequence + i) * 31 >> 3);
	bytes[47] = tcp_flags;
	memset(bytes + 50, 0, 2);
	sum = checksum_fold(checksum_add(checksum_pseudo4(bytes + 26, bytes + 30, 6, 20 + payload),
					 bytes + 34, 20 + payload));
	memcpy(bytes + 50, &sum, 2);
	if (flags == NET_RX_BAD) bytes[50] ^= 1; /* a sum that is wrong, which no card has seen */
	CHECK(rig_receive(bytes, HEADERS + payload, flags == NET_RX_BAD ? 0 : flags));
}

/* The flow's first packet makes the connection known. */
static void begin_flow(void) {
	begin(0);
	receive(999, 0, 2, NET_RX_CSUM_OK);
	serve();
	CHECK(front[0].came == 1);
}

static bool is_flow(const uint8_t *payload, uint32_t sequence, uint32_t length) {
	for (uint32_t i = 0; i < length; i++)
		if (payload[i] != (uint8_t)((sequence + i) * 31 >> 3)) return false;
	return true;
}

static void test_merged(void) {
	struct netif_extra_info extra;
	uint64_t packets;

	for (uint32_t known = 0; known < 2; known++) {
		begin_flow();
		packets = sw.port[CARD].count->out_packets;
		for (uint32_t i = 0; i < 9; i++)
			receive(1000 + i * 1448, i < 8 ? 1448 : 700, i < 8 ? 0x10 : 0x18,
				known ? NET_RX_CSUM_OK : 0);
		serve();
		CHECK(front[0].came == 2 && front[0].last_length == HEADERS + 8 * 1448 + 700);
		CHECK(is_flow(front[0].last + HEADERS, 1000, 8 * 1448 + 700));
		memcpy(&extra, &front[0].last_extra, sizeof(extra));
		CHECK(front[0].last_flags & NETRXF_csum_blank && extra.u.gso.size == 1448);
		CHECK(front[0].last[47] == 0x18);
		CHECK(!checksum_fold(checksum_add(0, front[0].last + 14, 20)));
		CHECK(sw.port[CARD].count->out_packets == packets + 9);
		CHECK(pool.free_frames == FRAMES && pool.free_pages == pool.singles - 1);
	}
	/* Again in pieces, for a guest that takes none that are large. */
	rig_world();
	rig_describe(1);
	world->rings[0].flags &= ~FRONT_GSO4;
	start();
	receive(999, 0, 2, NET_RX_CSUM_OK);
	serve();
	for (uint32_t i = 0; i < 5; i++) receive(1000 + i * 1000, 1000, 0x10, NET_RX_CSUM_OK);
	serve();
	CHECK(front[0].came == 6 && front[0].last_length == HEADERS + 1000);
	CHECK(sum_is_right(front[0].last, front[0].last_length));
	CHECK(is_flow(front[0].last + HEADERS, 5000, 1000));
}

/* How many frames these two become. */
static uint64_t two(uint32_t gap, uint32_t second, uint8_t flags, uint16_t bad) {
	begin_flow();
	receive(1000, 1000, 0x10, NET_RX_CSUM_OK);
	receive(2000 + gap, second, flags, bad);
	serve();
	CHECK(front[0].last_length == HEADERS + second || front[0].came == 2);
	return front[0].came - 1;
}

static void test_not_merged(void) {
	CHECK(two(0, 1000, 0x10, NET_RX_CSUM_OK) == 1);
	CHECK(two(0, 999, 0x10, 0) == 1);
	CHECK(two(1, 1000, 0x10, NET_RX_CSUM_OK) == 2); /* something is missing */
	CHECK(two(0, 1001, 0x10, NET_RX_CSUM_OK) == 2); /* longer than the first */
	CHECK(two(0, 1000, 0x11, NET_RX_CSUM_OK) == 2); /* FIN */
	CHECK(two(0, 0, 0x10, NET_RX_CSUM_OK) == 2);    /* no payload */
	CHECK(two(0, 1000, 0x10, NET_RX_BAD) == 2);     /* the guest is to see that it is wrong */
}

/* --- large frames from the card --- */

#define BUFFERS(payload) DIV_UP(HEADERS + (payload) + sizeof(struct net_header), NET_BUFFER)

static struct net_header large_header(uint32_t payload, uint16_t size) {
	return (struct net_header){
		.flags = NET_HEADER_BLANK,
		.gso = NET_HEADER_TCP4,
		.gso_size = size,
		.csum_start = 34,
		.csum_offset = 16,
		.buffers = (uint16_t)BUFFERS(payload),
	};
}

static void begin_large(void) {
	begin(NET_TX_CSUM4 | NET_TX_TSO4 | NET_RX_CSUM | NET_RX_HEADERS);
	CHECK(sw.uplink[0].net.version == 2 && sw.uplink[0].net.skip == sizeof(struct net_header));
}

static void check_idle(void) {
	CHECK(pool.free_frames == FRAMES && pool.free_pages == pool.singles - 1);
	CHECK(pool.free_buffers + net_server_posted(&sw.uplink[0].net) == pool.buffers);
}

static void receive_large(const struct net_header *header, uint32_t payload) {
	make_tcp(GUESTS, 0, payload);
	CHECK(rig_receive_large(header, bytes, HEADERS + payload));
	serve();
	front_post(&front[0], NETIF_SLOTS);
}

static void test_large(void) {
	static const uint32_t payloads[] = {1448, 1449, 4030, 4031, 20000, 65481};
	struct netif_extra_info extra;

	begin_large();
	for (uint32_t i = 0; i < ARRAY_SIZE(payloads); i++) {
		uint32_t payload = payloads[i], slots = front[0].rx_cons;
		struct net_header header = large_header(payload, 1448);

		receive_large(&header, payload);
		CHECK(front[0].came == i + 1 && front[0].last_length == HEADERS + payload);
		CHECK(!memcmp(front[0].last, bytes, HEADERS + payload));
		CHECK(front[0].last_flags & NETRXF_csum_blank);
		/* No more than a buffer each, and the extra info. */
		CHECK(front[0].rx_cons - slots <= header.buffers + (payload > 1448));
		CHECK(!!(front[0].last_flags & NETRXF_extra_info) == (payload > 1448));
		memcpy(&extra, &front[0].last_extra, sizeof(extra));
		CHECK(payload <= 1448 || extra.u.gso.size == 1448);
		check_idle();
	}
	/* For a guest that takes none that are large. */
	rig_world();
	rig_describe(1);
	rig_features = NET_RX_CSUM | NET_RX_HEADERS;
	world->rings[0].flags &= ~FRONT_GSO4;
	start();
	receive_large(&(struct net_header){.flags = NET_HEADER_BLANK,
					   .gso = NET_HEADER_TCP4,
					   .gso_size = 1000,
					   .csum_start = 34,
					   .csum_offset = 16,
					   .buffers = BUFFERS(40000)},
		      40000);
	CHECK(front[0].came == 40 && front[0].last_length == HEADERS + 1000);
	CHECK(sum_is_right(front[0].last, front[0].last_length));
	check_idle();
}

/* Frames that are large already keep their place among those that are merged. */
static void test_large_and_small(void) {
	struct net_header small = {.flags = NET_HEADER_VALID, .buffers = 1};
	struct net_header large = large_header(3000, 1448);

	begin_large();
	make_tcp(GUESTS, 0, 0);
	rig_receive_large(&small, bytes, HEADERS);
	serve();
	for (uint32_t i = 0; i < 3; i++) {
		make_tcp(GUESTS, 0, i == 1 ? 3000 : 1448);
		bytes[47] = 0x10;
		bytes[41] = (uint8_t)(i + 1); /* the order they are in */
		rig_receive_large(i == 1 ? &large : &small, bytes,
				  HEADERS + (i == 1 ? 3000 : 1448));
	}
	serve();
	CHECK(front[0].came == 4 && front[0].last[41] == 3);
	check_idle();
}

/* A part of a flow as such a card gives it: `size` 0: one segment. */
static void receive_part(uint32_t sequence, uint32_t payload, uint16_t size, uint8_t tcp_flags) {
	struct net_header header = large_header(payload, size);

	if (!size) header.gso = NET_GSO_NONE;
	make_tcp(GUESTS, 0, payload);
	for (uint32_t i = 0; i < 4; i++) bytes[38 + i] = (uint8_t)(sequence >> 8 * (3 - i));
	for (uint32_t i = 0; i < payload; i++)
		bytes[HEADERS + i] = (uint8_t)((sequence + i) * 31 >> 3);
	bytes[47] = tcp_flags;
	CHECK(rig_receive_large(&header, bytes, HEADERS + payload));
}

/* How many frames become of what came, all of the flow from 1000 on. */
static uint64_t parts_to(uint32_t end) {
	uint64_t came = front[0].came;

	serve();
	front_post(&front[0], NETIF_SLOTS);
	CHECK(front[0].last_length == HEADERS + end - 1000 || front[0].came > came + 1);
	CHECK(front[0].came > came + 1 || is_flow(front[0].last + HEADERS, 1000, end - 1000));
	check_idle();
	return front[0].came - came;
}

static void test_large_merged(void) {
	struct netif_extra_info extra;

	begin_large();
	receive_part(999, 0, 0, 2);
	serve();
	receive_part(1000, 2896, 1448, 0x10);
	receive_part(3896, 14480, 1448, 0x10);
	receive_part(18376, 1448, 0, 0x10);
	receive_part(19824, 20000, 1448, 0x18); /* the last of its segments is short */
	CHECK(parts_to(39824) == 1 && front[0].last[47] == 0x18);
	memcpy(&extra, &front[0].last_extra, sizeof(extra));
	CHECK(front[0].last_flags & NETRXF_csum_blank && extra.u.gso.size == 1448);
	/* Behind a short segment, of another size, more than a frame can be, of another family. */
	receive_part(1000, 3000, 1448, 0x10);
	receive_part(4000, 2896, 1448, 0x10);
	CHECK(parts_to(6896) == 2);
	receive_part(1000, 2896, 1448, 0x10);
	receive_part(3896, 2000, 1000, 0x10);
	CHECK(parts_to(5896) == 2);
	receive_part(1000, 43440, 1448, 0x10);
	receive_part(44440, 43440, 1448, 0x10);
	CHECK(parts_to(87880) == 2);
	receive_part(1000, 1448, 0, 0x10);
	receive_part(2448, 1449, 0, 0x10);
	CHECK(parts_to(3897) == 2);
}

/* What a card says of a packet and cannot be is no packet; the next one is. */
static void test_header_lies(void) {
	struct net_header good = large_header(20000, 1448), lie;
	uint64_t dropped = 0;

	begin_large();
	for (uint32_t i = 0; i < 9; i++) {
		uint32_t payload = 20000;

		lie = good;
		switch (i) {
		case 0: lie.gso = 5; break;
		case 1: lie.gso_size = 0; break;
		case 2: lie.flags = NET_HEADER_VALID; break; /* cut, but the sum is there */
		case 3: lie.csum_start = 20054 - 17; break;  /* behind its end */
		case 4: lie.csum_start = 0xffff; break;
		case 5: lie.csum_start = 30; break;
		case 6: lie.gso = NET_HEADER_TCP6; break;
		case 7: lie.gso_size = 9000; break; /* longer than the network's frames */
		default: lie.gso = 0; break;        /* too long, and not to be cut */
		}
		receive_large(&lie, payload);
		CHECK(!front[0].came);
		dropped = rig_dropped(CARD, DROP_BAD_RECEIVED) +
			  rig_dropped(CARD, DROP_BAD_OFFLOAD) + rig_dropped(CARD, DROP_LENGTH);
		CHECK(dropped == i + 1);
		check_idle();
	}
	/* How many buffers: none, more than a packet may have; fewer, then the rest is nonsense. */
	for (uint32_t i = 0; i < 3; i++) {
		lie = good;
		lie.buffers = (uint16_t)(i < 2 ? i * 0xffff : 2);
		receive_large(&lie, 20000);
		CHECK(!front[0].came);
		check_idle();
	}
	/* More than there are: it takes what comes behind it with it. */
	lie = good;
	lie.buffers++;
	receive_large(&lie, 20000);
	receive_large(&good, 20000);
	receive_large(&good, 20000);
	CHECK(front[0].came && front[0].last_length == HEADERS + 20000);
	check_idle();
}

/* --- shares --- */

/* Fills a queue's ring with frames to guest 2. */
static void fill(uint32_t from, uint32_t length) {
	while (front_room(&front[from]) >= 1) {
		frame_write(bytes, from, GUESTS, front[from].number++, length);
		front_send(&front[from], bytes, length, 1, 0, NULL);
	}
	front_push(&front[from]);
}

static uint64_t out_bytes(uint32_t port) { return sw.port[port].count->out_bytes; }

static void test_turns(void) {
	uint64_t sent[2] = {0};

	begin(0);
	for (uint32_t i = 0; i < 400; i++) {
		fill(0, 60);
		fill(1, 1400);
		for (uint32_t n = 0; n < 2; n++) {
			rig_serve();
			front_collect(&front[0]);
			front_collect(&front[1]);
		}
	}
	sent[0] = sw.port[0].count->out_packets;
	sent[1] = out_bytes(1);
	/* A small frame costs SW_COST: both have had as many turns. */
	CHECK(sent[0] * SW_COST < sent[1] * 11 / 10 && sent[1] < sent[0] * SW_COST * 11 / 10);
}

static void test_limits(void) {
	uint64_t begun;

	rig_world();
	rig_describe(1);
	rig_blob.port[0].out.bytes_per_second = 1000000;
	rig_blob.port[1].out.packets_per_second = 1000;
	rig_blob.port[2].in.packets_per_second = 500;
	start();
	begun = rig_time;
	for (uint32_t i = 0; i < 2000; i++) {
		fill(0, 1400);
		fill(1, 100);
		rig_time += 1000000;
		rig_serve();
		for (uint32_t n = 0; n < GUESTS; n++) front_collect(&front[n]);
		if (i % 2) continue;
		frame_write(bytes, GUESTS, 2, i, 100);
		rig_receive(bytes, 100, 0);
		front_post(&front[2], 8);
	}
	CHECK(rig_time - begun == 2000000000U);
	/* Two seconds, and what was saved up before. */
	CHECK(out_bytes(0) > 1900000 && out_bytes(0) < 2200000);
	CHECK(sw.port[1].count->out_packets > 1900 && sw.port[1].count->out_packets < 2200);
	CHECK(front[2].came > 900 && front[2].came < 1100);
}

int main(void) {
	static const struct test tests[] = {
		{"passed on", test_passed_on},
		{"passed on without lengths", test_bare},
		{"large frames cut", test_cut},
		{"checksums filled in", test_sums},
		{"checksums of frames that others have", test_shared_sums},
		{"merged", test_merged},
		{"not merged", test_not_merged},
		{"large frames from the card", test_large},
		{"large ones among small ones", test_large_and_small},
		{"large ones merged", test_large_merged},
		{"headers of a card that lies", test_header_lies},
		{"turns", test_turns},
		{"limits", test_limits},
	};

	return RUN("switch_offload", tests);
}
