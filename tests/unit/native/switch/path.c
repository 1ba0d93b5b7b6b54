/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Frames of all shapes through the switch: who gets them, with which bytes, what is answered,
 * and what each mistake of a guest's costs it.
 */
#include "rig.h"

#include "libs/packet/checksum.h"
#include "proto/xen/grant.h"

static struct netfront front[GUESTS];
static uint8_t bytes[65600];

static void begin(uint32_t queues) {
	rig_world();
	rig_describe(queues);
	for (uint32_t i = 0; i < GUESTS; i++) front_init(&front[i], i, 0);
}

static void serve(void) {
	for (uint32_t i = 0; i < GUESTS; i++) front_push(&front[i]);
	for (uint32_t i = 0; i < 8; i++) rig_serve();
	for (uint32_t i = 0; i < GUESTS; i++) front_collect(&front[i]);
}

static void start(void) {
	rig_driver_start();
	rig_server();
	for (uint32_t i = 0; i < GUESTS; i++) front_post(&front[i], NETIF_SLOTS);
	serve();
	for (uint32_t i = 0; i < GUESTS; i++) CHECK(sw.port[i].vif.end.state == BACKEND_LIVE);
	CHECK(sw.uplink[0].up);
}

static void begin_default(void) {
	begin(1);
	start();
}

/* Nothing of the pool is held, and all requests are answered. */
static void check_idle(void) {
	CHECK(pool.free_frames == FRAMES);
	CHECK(pool.free_pages == pool.singles - 1);
	for (uint32_t i = 0; i < GUESTS; i++) CHECK(front[i].tx_cons == front[i].tx_prod);
}

static void send(uint32_t from, uint32_t to, uint32_t length, uint32_t slots) {
	frame_write(bytes, from, to, front[from].number++, length);
	front_send(&front[from], bytes, length, slots, 0, NULL);
	serve();
}

static void test_between_guests(void) {
	begin_default();
	for (uint32_t length = 26; length < 9014; length += 211) {
		uint32_t least = DIV_UP(length, (uint32_t)PAGE_SIZE);
		uint32_t slots = least + noise() % (MIN(length, 18U) - least + 1);
		uint64_t came = front[1].came;

		send(0, 1, length, slots);
		CHECK(front[1].came == came + 1 && front[1].last_length == length);
		CHECK(!front[2].came && !rig_left);
		front_post(&front[1], NETIF_SLOTS);
	}
	CHECK(!front[0].errors);
	check_idle();
}

static void test_to_the_card(void) {
	begin_default();
	for (uint32_t length = 26; length < 9014; length += 313) {
		uint32_t least = DIV_UP(length, (uint32_t)PAGE_SIZE), from, to, before = rig_left;
		const struct wire *wire = &rig_wire[rig_left % WIRE];

		send(0, GUESTS, length, least + noise() % 3);
		CHECK(rig_left == before + 1 && wire->length == length);
		frame_check(wire->bytes, wire->length, &from, &to);
		CHECK(from == 0 && to == GUESTS);
	}
	CHECK(!front[1].came && !front[0].errors);
	check_idle();
}

static void test_from_the_card(void) {
	begin_default();
	for (uint32_t length = 60; length < 9014; length += 500) {
		uint64_t came = front[2].came;

		frame_write(bytes, GUESTS, 2, length, length);
		CHECK(rig_receive(bytes, length, NET_RX_CSUM_OK));
		serve();
		CHECK(front[2].came == came + 1 && front[2].last_number == length);
		CHECK(front[2].last_flags & NETRXF_data_validated);
		front_post(&front[2], NETIF_SLOTS);
	}
	check_idle();
}

static void test_flood(void) {
	begin_default();
	send(0, EVERYBODY, 100, 1);
	CHECK(front[1].came == 1 && front[2].came == 1 && !front[0].came && rig_left == 1);
	/* Nobody knows that address; guests' own are known. */
	send(0, GUESTS + 1, 100, 1);
	CHECK(front[1].came == 1 && front[2].came == 1 && rig_left == 2);
	/* The bytes of a large one are needed after the round. */
	send(1, EVERYBODY, 8000, 6);
	CHECK(front[0].came == 1 && front[2].came == 2 && rig_left == 3);
	check_idle();
}

/* A wrong guess costs nothing but a copy. */
static void test_guess(void) {
	begin_default();
	for (uint32_t i = 0; i < 20; i++) {
		uint64_t came = front[1].came, left = rig_left;

		send(0, GUESTS, 3000, 3);
		send(0, 1, 3000, 3);
		CHECK(front[1].came == came + 1 && rig_left == left + 1);
	}
	check_idle();
}

static void test_vlans(void) {
	begin(1);
	rig_blob.port[0].vlan = 5;
	rig_blob.port[1].flags |= SWITCH_TRUNK;
	rig_blob.port[1].vlans = offsetof(struct rig_blob, vlan);
	rig_blob.port[1].vlan_count = 1;
	rig_blob.vlan[0] = 5;
	rig_blob.port[CARD].flags |= SWITCH_TRUNK; /* all numbers */
	start();
	front[1].raw = true;
	send(0, EVERYBODY, 200, 2);
	CHECK(front[1].came == 1 && front[1].last_length == 204 && !front[2].came);
	CHECK(!memcmp(front[1].last + 12, "\x81\x00\x00\x05", 4));
	CHECK(!memcmp(front[1].last + 16, bytes + 12, 200 - 12));
	CHECK(rig_left == 1 && rig_wire[0].length == 204);
	CHECK(!memcmp(rig_wire[0].bytes + 12, "\x81\x00\x00\x05", 4));
	/* Back, with the tag; then with one that it may not use. */
	frame_write(bytes, 1, 0, 7, 200);
	memmove(bytes + 16, bytes + 12, 188);
	memcpy(bytes + 12, "\x81\x00\x00\x05", 4);
	front_send(&front[1], bytes, 204, 2, 0, NULL);
	serve();
	CHECK(front[0].came == 1 && front[0].last_number == 7);
	bytes[15] = 6;
	front_send(&front[1], bytes, 204, 2, 0, NULL);
	serve();
	CHECK(front[0].came == 1 && rig_dropped(1, DROP_VLAN) == 1);
	/* From the card, with the tag in its buffer. */
	bytes[15] = 5;
	rig_mac(GUESTS, bytes + 6);
	bytes[18] = GUESTS;
	CHECK(rig_receive(bytes, 204, 0));
	serve();
	CHECK(front[0].came == 2);
	check_idle();
}

static void test_source(void) {
	begin_default();
	frame_write(bytes, 1, 2, 0, 100);
	front_send(&front[0], bytes, 100, 1, 0, NULL);
	serve();
	CHECK(!front[2].came && rig_dropped(0, FW_SPOOF_MAC) == 1);
	/* Who takes another's address on the wire does not get its frames. */
	frame_write(bytes, 1, 2, 0, 100);
	CHECK(rig_receive(bytes, 100, 0));
	serve();
	send(0, 1, 100, 1);
	CHECK(front[1].came == 1 && !rig_left);
}

static void test_no_rules(void) {
	begin(1);
	rig_blob.port[0].rules_out = SWITCH_NO_RULES;
	rig_blob.port[1].rules_in = SWITCH_NO_RULES;
	start();
	send(0, 2, 100, 1);
	send(2, 1, 100, 1);
	CHECK(!front[2].came && !front[1].came);
	CHECK(rig_dropped(0, FW_NO_RULES) == 1 && rig_dropped(1, FW_NO_RULES) == 1);
	send(2, 0, 100, 1);
	CHECK(front[0].came == 1);
	check_idle();
}

/* --- a guest that gets it wrong --- */

static void put(uint16_t offset, uint16_t size, uint16_t flags) {
	struct netif_tx_request r = {
		.gref = RX_PAGES, .offset = offset, .flags = flags, .size = size};

	front_put(&front[0], &r);
}

static void expect_refused(uint32_t reason, uint64_t errors) {
	uint64_t dropped = rig_dropped(0, reason), before = front[0].errors;

	serve();
	CHECK(rig_dropped(0, reason) == dropped + 1);
	CHECK(front[0].errors == before + errors);
	check_idle();
	CHECK(!sw.port[0].vif.end.broken);
}

static void test_malformed(void) {
	begin_default();
	put(4000, 97, 0); /* beyond its page */
	expect_refused(DROP_MALFORMED, 1);
	put(0, 0, 0);
	expect_refused(DROP_MALFORMED, 1);
	put(0, 100, NETTXF_more_data); /* parts larger than the whole */
	put(0, 100, 0);
	expect_refused(DROP_MALFORMED, 2);
	put(65535, 1, 0);
	expect_refused(DROP_MALFORMED, 1);
	put(0, 65535, NETTXF_more_data); /* the rest of it is more than a page */
	put(0, 4096, 0);
	expect_refused(DROP_MALFORMED, 2);
	for (uint32_t i = 0; i < 19; i++) put(0, i ? 10 : 1000, i < 18 ? NETTXF_more_data : 0);
	expect_refused(DROP_TOO_MANY, 19);
	put(0, 13, 0);
	expect_refused(PACKET_SHORT, 0);
	world->guest[0].granted[RX_PAGES] = false;
	put(0, 100, 0);
	expect_refused(DROP_BAD_PAGE, 1);
	world->guest[0].granted[RX_PAGES] = true;
	send(0, 1, 100, 1);
	CHECK(front[1].came == 1);
}

static void test_extras(void) {
	struct netif_extra_info extra = {.type = XEN_NETIF_EXTRA_TYPE_HASH};

	begin_default();
	put(0, 100, NETTXF_extra_info);
	front_put_extra(&front[0], &extra);
	expect_refused(DROP_MALFORMED, 1);
	/* Segmentation of what is no TCP. */
	extra.type = XEN_NETIF_EXTRA_TYPE_GSO;
	extra.u.gso.size = 500;
	extra.u.gso.type = XEN_NETIF_GSO_TYPE_TCPV4;
	frame_write(bytes, 0, 1, 0, 5000);
	front_send(&front[0], bytes, 5000, 2, NETTXF_csum_blank, &extra);
	expect_refused(DROP_BAD_OFFLOAD, 0);
}

static void expect_broken(void) {
	serve();
	CHECK(sw.port[0].vif.end.broken && sw.port[0].vif.end.state == BACKEND_CLOSED);
	send(1, 2, 100, 1);
	CHECK(front[2].came == 1);
	CHECK(pool.free_frames == FRAMES);
}

static void test_endless_chain(void) {
	struct netif_extra_info extra = {.type = XEN_NETIF_EXTRA_TYPE_GSO,
					 .flags = XEN_NETIF_EXTRA_FLAG_MORE};

	begin_default();
	put(0, 100, NETTXF_more_data);
	expect_broken();
	begin_default();
	for (uint32_t i = 0; i < 100; i++) put(0, 100, NETTXF_more_data);
	expect_broken();
	begin_default();
	put(0, 100, NETTXF_extra_info);
	for (uint32_t i = 0; i < 100; i++) front_put_extra(&front[0], &extra);
	expect_broken();
	begin_default();
	front[0].tx_prod += NETIF_SLOTS + 1;
	front_push(&front[0]);
	front[0].tx_prod = front[0].tx_cons;
	for (uint32_t i = 0; i < 4; i++) rig_serve();
	CHECK(sw.port[0].vif.end.broken);
}

/* More pieces than a card is given: what it is, and no fault of the sender's page. */
static void test_pieces(void) {
	struct frame *frame;

	begin_default();
	frame = frame_make(FRAME_PIECES * PAGE_SIZE - VLAN_TAG);
	frame->port = 0;
	frame->length = FRAME_PIECES * 100;
	for (uint32_t i = 0; i < FRAME_PIECES; i++) frame->piece[i].length = 100;
	uplink_give(&sw.port[CARD], frame);
	uplink_flush();
	frame_drop(frame);
	frame_release_dropped();
	CHECK(!rig_left && rig_dropped(CARD, DROP_CARD_PIECES) == 1);
	CHECK(!rig_dropped(0, DROP_BAD_PAGE));
	check_idle();
}

/* --- a guest without buffers --- */

static void test_no_buffers(void) {
	uint64_t lost;

	begin(1);
	rig_driver_start();
	rig_server();
	front_post(&front[2], NETIF_SLOTS);
	serve();
	for (uint32_t i = 0; i < 200; i++) send(0, 1, 100, 1);
	lost = rig_dropped(1, DROP_NO_BUFFER);
	CHECK(!front[1].came && lost && lost < 200 && !front[0].errors);
	send(0, 2, 100, 1);
	CHECK(front[2].came == 1);
	/* What has waited comes, as far as the buffers go. */
	front_post(&front[1], 5);
	serve();
	CHECK(front[1].came == 5);
	front_post(&front[1], NETIF_SLOTS);
	serve();
	CHECK(front[1].came == 200 - lost && rig_dropped(1, DROP_NO_BUFFER) == lost);
	check_idle();
	/* Its page can't be written: its own packet, and nobody else's. */
	world->guest[1].granted[front[1].rx_cons % NETIF_SLOTS] = false;
	frame_write(bytes, 0, EVERYBODY, 1, 100);
	front_send(&front[0], bytes, 100, 1, 0, NULL);
	front_push(&front[0]);
	for (uint32_t i = 0; i < 4; i++) rig_serve();
	front_collect(&front[2]);
	CHECK(front[2].came == 2 && rig_dropped(1, DROP_GIVE) == 1);
}

/* Who floods a guest that is slow loses his own frames, and not those of who sends little. */
static void test_slow_receiver(void) {
	begin(1);
	rig_driver_start();
	rig_server();
	serve();
	for (uint32_t i = 0; i < 100; i++) send(0, 1, 100, 1);
	for (uint32_t i = 0; i < 10; i++) send(2, 1, 9000, 3);
	for (uint32_t i = 0; i < 100; i++) send(0, 1, 100, 1);
	CHECK(!front[0].errors && !front[2].errors);
	front_post(&front[1], NETIF_SLOTS);
	serve();
	/* Each has half of the pages: of the ten, that are three pages each, eight. */
	CHECK(front[1].came == SW_PAGES / 2 / 3 + SW_PAGES / 2);
	CHECK(front[1].bytes == SW_PAGES / 2 / 3 * 9000 + SW_PAGES / 2 * 100);
	check_idle();
}

/* Small frames beyond the limit wait in the sender's ring, larger ones pass. */
static uint64_t flood_for(uint32_t ms, uint32_t length) {
	uint64_t before = front[1].came;

	for (uint32_t i = 0; i < ms * 10; i++) {
		while (front_room(&front[0]) > 8) {
			frame_write(bytes, 0, 1, front[0].number++, length);
			front_send(&front[0], bytes, length, 1, 0, NULL);
		}
		rig_time += 100000;
		serve();
		front_post(&front[1], NETIF_SLOTS);
	}
	return front[1].came - before;
}

static void test_small_frames(void) {
	uint64_t came;

	begin(1);
	rig_blob.port[0].small_per_second = 1000;
	start();
	front_post(&front[1], NETIF_SLOTS);
	came = flood_for(1000, SW_SMALL - 1);
	CHECK(came >= 1000 && came <= 1000 * (1000 + BUCKET_BURST_MS) / 1000 + 1);
	/* What waits is small and goes first. */
	rig_time += 1000000000;
	for (uint32_t i = 0; i < 100; i++) {
		rig_time += 10000000;
		serve();
		front_post(&front[1], NETIF_SLOTS);
	}
	check_idle();
	CHECK(flood_for(10, SW_SMALL) > 5000 && !front[0].errors);
	check_idle();
}

/* Each frame that comes pays for half a small one, or a large one for more; refusals do not. */
static void test_income(void) {
	uint64_t came;

	begin(1);
	rig_blob.port[0].small_per_second = 10;
	start();
	for (uint32_t i = 0; i < 20; i++) send(0, 1, 100, 1);
	came = front[1].came;
	CHECK(came == 1); /* the bucket's burst */
	for (uint32_t i = 0; i < 8; i++) send(1, 0, 100, 1);
	serve();
	CHECK(front[1].came == came + 4);
	send(1, 0, 5 * SW_ANSWER, 2);
	serve();
	CHECK(front[1].came == came + 9);
	CHECK(sw.port[0].vif.income < SW_ANSWER);
	sw.port[0].vif.income = 0;
	frames[0].length = 5 * SW_ANSWER;
	frames[0].flags = FRAME_REFUSAL;
	share_received(&sw.port[0].vif, &frames[0]);
	CHECK(!sw.port[0].vif.income);
	frames[0].flags = 0;
	for (uint32_t i = 0; i < 1000; i++) share_received(&sw.port[0].vif, &frames[0]);
	CHECK(sw.port[0].vif.income == SW_INCOME);
}

/* Who says that it is large and is nothing at all is not believed the next time. */
static void test_nonsense_is_small(void) {
	uint64_t before;

	begin(1);
	rig_blob.port[0].small_per_second = 100;
	start();
	before = rig_dropped(0, DROP_MALFORMED);
	for (uint32_t i = 0; i < 50; i++) {
		put(4000, 2000, 0); /* beyond its page */
		serve();
	}
	CHECK(rig_dropped(0, DROP_MALFORMED) - before < 10);
}

/* A page that is gone between verdict and copy: zeroes, not what was there before. */
static void test_page_vanishes(void) {
	begin_default();
	front[1].raw = true;
	memset(world->guest[1].page, 0xee, sizeof(world->guest[1].page));
	frame_write(bytes, 0, 1, 1, 3000);
	front_send(&front[0], bytes, 3000, 2, 0, NULL);
	/* The second slot's page: all of the head is in the first or both. */
	world->guest[0].granted[RX_PAGES + 1] = false;
	serve();
	if (front[1].came) {
		for (uint32_t i = 0; i < front[1].last_length; i++)
			CHECK(front[1].last[i] == bytes[i] || !front[1].last[i]);
		CHECK(rig_dropped(0, DROP_BAD_PAGE));
	}
	check_idle();
}

/* --- the card --- */

static void test_card_is_full(void) {
	uint64_t sent = 0;

	begin_default();
	rig_stuck = true;
	for (uint32_t i = 0; i < 2000; i++) {
		if (front_room(&front[0]) < 2) break;
		send(0, GUESTS, 1000, 2);
		sent++;
	}
	/* The ring is full, and nothing is lost. */
	CHECK(front_room(&front[0]) < 2 && !rig_dropped(CARD, DROP_CARD_FULL));
	/* Others are not held up. */
	send(1, 2, 100, 1);
	CHECK(front[2].came == 1);
	rig_stuck = false;
	for (uint32_t i = 0; i < 100; i++) serve();
	CHECK(rig_left == sent);
	check_idle();
}

static void test_driver_dies(void) {
	begin_default();
	send(0, GUESTS, 1000, 2);
	rig_stuck = true;
	for (uint32_t i = 0; i < 10; i++) send(0, GUESTS, 1000, 2);
	rig_stuck = false;
	rig_driver_start();
	serve();
	serve();
	CHECK(sw.uplink[0].up && rig_dropped(CARD, DROP_CARD_LOST) == 10);
	send(0, GUESTS, 1000, 2);
	CHECK(rig_left == 2);
	check_idle();
	frame_write(bytes, GUESTS, 1, 1, 100);
	CHECK(rig_receive(bytes, 100, 0));
	serve();
	CHECK(front[1].came == 1);
}

int main(void) {
	static const struct test tests[] = {
		{"between guests", test_between_guests},
		{"to the card", test_to_the_card},
		{"from the card", test_from_the_card},
		{"flooding", test_flood},
		{"wrong guesses", test_guess},
		{"VLANs", test_vlans},
		{"source addresses", test_source},
		{"no rules, no traffic", test_no_rules},
		{"malformed requests", test_malformed},
		{"extra infos", test_extras},
		{"chains that do not end", test_endless_chain},
		{"too many pieces for the card", test_pieces},
		{"a guest without buffers", test_no_buffers},
		{"a slow receiver is shared", test_slow_receiver},
		{"a limit for small frames", test_small_frames},
		{"an income of small frames", test_income},
		{"nonsense is small", test_nonsense_is_small},
		{"a page that vanishes", test_page_vanishes},
		{"a card that is full", test_card_is_full},
		{"the driver dies", test_driver_dies},
	};

	return RUN("switch_path", tests);
}
