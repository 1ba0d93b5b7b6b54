/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A network driver under test: netcheck is the server of its connection and says
 * of each check PASS or FAIL in the log, and at the end how many of each. At the
 * other end of the wire is a peer (tests/boot/netpeer.py) that sends frames back.
 *
 * Every frame says which one it is, so one that is torn, mixed up or stale is found.
 * One that is lost is sent again, as everybody does it on a network.
 *
 * Arguments: gateway=1   the wire is QEMU's user network: its gateway is asked instead
 *            kills=N     under load the domain `driver` is killed so often
 *                        (needs a control connection)
 *            down=1      the link goes down and comes up again, when the log says so
 *            stall=1     the peer stops reading and reads again, when the log says so
 */
#include "frames.h"
#include "io.h"

#include "libs/control/control.h"
#include "libs/event/event.h"
#include "libs/log/log.h"
#include "libs/manage/text.h"
#include "libs/rt/time.h"

#define SECONDS(n) MILLISECONDS((n)*1000ULL)
#define LIMIT      SECONDS(60) /* of one check, on a busy machine */
#define AGAIN      MILLISECONDS(300)
#define WINDOW     64U
#define CUT_BYTES  20000U
#define CUT_PIECE  4000U
#define CUT_MSS    1448U
#define UDP        17U
#define TCP        6U

/* --- many frames at once --- */

static struct {
	uint32_t number[WINDOW]; /* 0: none */
	uint64_t sent_at[WINDOW];
	uint32_t length[WINDOW];
	uint32_t next, answered, wrong, again;
	uint64_t last_answer;
} load;

static void on_echo(const struct io_packet *packet) {
	uint32_t number;

	if (!frame_is_echo(packet->bytes, packet->length, &number)) {
		load.wrong += frame_type(packet->bytes) == TYPE_ECHO;
		return;
	}
	if (!number || load.number[number % WINDOW] != number) return; /* it came twice */
	load.number[number % WINDOW] = 0;
	load.answered++;
	load.last_answer = time_now();
}

static void send_numbered(uint32_t n) {
	frame_echo(io_frame(n), io.mac, load.number[n], load.length[n]);
	if (io_send_bytes(n, load.length[n])) load.sent_at[n] = time_now();
}

static void fill_window(uint32_t total, uint32_t (*length_of)(uint32_t number)) {
	uint64_t now = time_now();

	for (uint32_t n = 0; n < WINDOW; n++) {
		if (load.number[n] && now - load.sent_at[n] > AGAIN && !io_is_busy(n)) {
			load.again++;
			send_numbered(n);
		}
	}
	while (load.next <= total && !load.number[load.next % WINDOW] &&
	       !io_is_busy(load.next % WINDOW) && net_server_is_up(&io)) {
		uint32_t n = load.next % WINDOW;

		load.number[n] = load.next;
		load.length[n] = length_of(load.next++);
		send_numbered(n);
	}
	io_publish();
}

/* Frames 1 to `total`, up to WINDOW of them on their way; `between` now and then. */
static const char *run_load(uint32_t total, uint32_t (*length_of)(uint32_t number),
			    void (*between)(void)) {
	uint64_t end = time_now() + LIMIT;

	memset(&load, 0, sizeof(load));
	load.next = 1;
	io_handler(on_echo);
	while (load.answered < total && time_now() < end) {
		fill_window(total, length_of);
		io_pump(MIN(end, time_now() + AGAIN / 4));
		if (between) between();
	}
	io_handler(NULL);
	if (load.wrong) return "a frame came back as it was not sent";
	return load.answered < total ? "frames do not come back" : NULL;
}

static uint32_t every_length(uint32_t number) { return MIN(FRAME_LEAST + number - 1, IO_FRAME); }
static uint32_t mixed_length(uint32_t number) {
	return number % 3 ? FRAME_LEAST + number * 131 % (IO_FRAME - FRAME_LEAST) : IO_FRAME;
}

static const char *all_lengths(void) {
	return run_load(IO_FRAME - FRAME_LEAST + 1, every_length, NULL);
}

static const char *many(void) {
	uint64_t begin = time_now();
	const char *why = run_load(5000, mixed_length, NULL);

	log_print("load: 5000 frames there and back in %lu us, %u sent again",
		  (time_now() - begin) / 1000, load.again);
	return why;
}

/* At most a thousand interrupts a second; and then as many as it likes again. */
static const char *moderation(void) {
	struct net_filter filter = {.moderation_us = 1000};
	const char *why;

	net_server_filter(&io, &filter);
	why = run_load(1000, mixed_length, NULL);
	filter.moderation_us = 0;
	net_server_filter(&io, &filter);
	return why ? why : run_load(200, mixed_length, NULL);
}

/* --- new sessions, and deaths --- */

static uint32_t renewals, kills, kills_wanted;
static uint64_t worst_outage, all_outages;

static void renew_now_and_then(void) {
	if (load.answered < (renewals + 1) * 250 || !net_server_is_up(&io)) return;
	renewals++;
	net_server_renew(&io);
}

static const char *new_sessions(void) {
	uint32_t before = io.sessions;
	const char *why = run_load(3000, mixed_length, renew_now_and_then);

	if (!why && io.sessions - before < 10) why = "there were not so many";
	return why;
}

static void kill_now_and_then(void) {
	static uint64_t killed_at; /* 0: all is well */

	if (killed_at && io_up_time > killed_at && load.last_answer > io_up_time) {
		worst_outage = MAX(worst_outage, io_up_time - killed_at);
		all_outages += io_up_time - killed_at;
		killed_at = 0;
	}
	if (killed_at || kills == kills_wanted || load.answered < (kills + 1) * 200) return;
	if (!manage_text("kill driver")) return;
	killed_at = time_now();
	kills++;
}

static const char *deaths(void) {
	const char *why = run_load((kills_wanted + 2) * 200, mixed_length, kill_now_and_then);

	if (!why && kills != kills_wanted) why = "it may not kill anybody";
	log_print("deaths: %u, to the next session %lu us, at most %lu us, %u frames sent again",
		  kills, all_outages / 1000 / MAX(kills, 1U), worst_outage / 1000, load.again);
	return why;
}

/* --- one frame, and what comes for it --- */

static struct io_packet answer;
static bool (*is_answer)(const struct io_packet *packet);
static bool have_answer;

static void on_answer(const struct io_packet *packet) {
	if (have_answer || !is_answer(packet)) return;
	answer = *packet;
	have_answer = true;
}

static bool wait_free(uint32_t n) {
	uint64_t end = time_now() + LIMIT;

	while (io_is_busy(n) && time_now() < end) io_pump(end);
	return !io_is_busy(n);
}

/* Sends it, again and again, until such an answer comes. */
static bool ask(struct net_tx packet, const struct net_segment *segments,
		bool (*accepts)(const struct io_packet *packet)) {
	uint64_t end = time_now() + LIMIT, next = 0;

	is_answer = accepts;
	have_answer = false;
	io_handler(on_answer);
	while (!have_answer && time_now() < end) {
		if (time_now() >= next && !io_is_busy(0) && net_server_is_up(&io)) {
			struct net_tx copy = packet;

			io_send(0, &copy, segments);
			io_publish();
			next = time_now() + 3 * AGAIN;
		}
		io_pump(MIN(end, time_now() + AGAIN));
	}
	io_handler(NULL);
	return have_answer && wait_free(0);
}

static bool ask_bytes(uint32_t length, bool (*accepts)(const struct io_packet *packet)) {
	struct net_segment segment = io_segment(0, 0, length);

	return ask((struct net_tx){.segments = 1}, &segment, accepts);
}

static uint32_t expected;

static bool is_expected_echo(const struct io_packet *packet) {
	uint32_t number;

	return frame_is_echo(packet->bytes, packet->length, &number) && number == expected;
}

/* The same frame in pieces at odd places, as many as a packet may have. */
static const char *segments_of_all_kinds(void) {
	uint8_t whole[IO_FRAME];

	for (uint32_t count = 1; count <= NET_MAX_SEGMENTS; count++) {
		struct net_segment segments[NET_MAX_SEGMENTS];
		uint32_t at = 0;

		expected = 100000 + count;
		frame_echo(whole, io.mac, expected, IO_FRAME);
		for (uint32_t i = 0; i < count; i++) {
			/* pages in an order of their own, and the end of each */
			uint32_t page = i * 7 % IO_FRAMES;
			uint32_t length = i + 1 < count ? 1 + i * 11 % 70 : IO_FRAME - at;

			memcpy(io_frame(page) + PAGE_SIZE - length, whole + at, length);
			segments[i] = io_segment(page, PAGE_SIZE - length, length);
			at += length;
		}
		if (!ask((struct net_tx){.segments = (uint8_t)count}, segments, is_expected_echo))
			return "no answer";
	}
	return NULL;
}

/* --- what the card does for the transport --- */

static uint32_t payload_sum, right_ones, right_ones_checked;
static unsigned ip_version;

static bool is_udp_echo(const struct io_packet *packet) {
	return frame_type(packet->bytes) == (ip_version == 4 ? TYPE_IPV4 : TYPE_IPV6);
}

/* A datagram of `bytes`, its checksum right, left to the card, or wrong. */
static uint32_t make_udp(uint32_t bytes, bool leave, bool wrong, struct net_tx *packet) {
	uint8_t *at = io_frame(0), *ip, *udp;
	uint32_t length = UDP_HEADER + bytes, pseudo;

	ip = frame_header(at, frame_peer, io.mac, ip_version == 4 ? TYPE_IPV4 : TYPE_IPV6);
	udp = frame_ip(ip, ip_version, UDP, length, &pseudo);
	for (uint32_t i = 0; i < bytes; i++) udp[UDP_HEADER + i] = (uint8_t)(i * 13 + bytes);
	frame_put16(udp, 9);
	frame_put16(udp + 2, 9);
	frame_put16(udp + 4, length);
	frame_put16(udp + 6, 0);
	payload_sum = pseudo + length;
	*packet = (struct net_tx){.segments = 1};
	if (leave) {
		frame_put16(udp + 6, frame_fold(payload_sum));
		packet->flags = NET_TX_CSUM;
		packet->csum_start = (uint16_t)(udp - at);
		packet->csum_offset = 6;
	} else {
		frame_put16(udp + 6, (uint16_t)~frame_fold(frame_sum(udp, length, payload_sum)) ^
					     (wrong ? 0x1234 : 0));
	}
	return (uint32_t)(udp - at) + length;
}

/* The card's opinion of what came back, and ours. */
static const char *judge_udp(uint32_t bytes, bool wrong) {
	uint32_t start = FRAME_HEADER + (ip_version == 4 ? 20 : 40), length = UDP_HEADER + bytes;
	bool right;

	if (answer.length < start + length) return "what came back is too short";
	if (answer.flags & NET_RX_CSUM_BLANK) return "a blank checksum on the wire";
	right = frame_fold(frame_sum(answer.bytes + start, length, payload_sum)) == 0xffff;
	if (right == wrong) return wrong ? "the card changed a checksum" : "a wrong checksum";
	if (!(io.features & NET_RX_CSUM))
		return answer.flags & NET_RX_CSUM_OK ? "an opinion that was not offered" : NULL;
	if (wrong) return answer.flags & NET_RX_CSUM_OK ? "a wrong one was found right" : NULL;
	right_ones++;
	right_ones_checked += !!(answer.flags & NET_RX_CSUM_OK);
	return NULL;
}

static const char *checksum(bool leave, bool wrong) {
	static const uint32_t lengths[] = {18, 19, 100, 1001, 1400};

	for (uint32_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		struct net_tx packet;
		uint32_t length = make_udp(lengths[i], leave, wrong, &packet);
		struct net_segment segment = io_segment(0, 0, length);
		const char *why;

		if (!ask(packet, &segment, is_udp_echo)) return "no answer";
		why = judge_udp(lengths[i], wrong);
		if (why) return why;
	}
	return NULL;
}

static const char *checksums(void) {
	for (ip_version = 4; ip_version <= 6; ip_version += 2) {
		bool leave = io.features & (ip_version == 4 ? NET_TX_CSUM4 : NET_TX_CSUM6);
		const char *why = checksum(leave, false);

		if (!why) why = checksum(false, true);
		if (why) return why;
	}
	if (right_ones)
		log_print("checksums: %u of %u that came in were checked", right_ones_checked,
			  right_ones);
	return NULL;
}

static bool is_verdict(const struct io_packet *packet) {
	return frame_type(packet->bytes) == TYPE_VERDICT;
}

/* One TCP segment of 20,000 bytes, which the card cuts; the peer puts it together. */
static const char *cutting(void) {
	uint8_t *at = io_frame(0), *ip, *tcp;
	struct net_segment segments[1 + CUT_BYTES / CUT_PIECE];
	bool bare = io.features & NET_TX_TSO_BARE;
	uint32_t length = TCP_HEADER + CUT_BYTES, pseudo;
	struct net_tx packet = {.segments = ARRAY_SIZE(segments), .flags = NET_TX_CSUM};

	ip = frame_header(at, frame_peer, io.mac, TYPE_IPV4);
	tcp = frame_ip(ip, 4, TCP, length, &pseudo);
	memset(tcp, 0, TCP_HEADER);
	frame_put16(tcp, 9);
	frame_put16(tcp + 2, 9);
	tcp[12] = 0x50; /* no options */
	tcp[13] = 0x10; /* ACK */
	frame_put16(tcp + 14, 1000);
	frame_put16(tcp + 16, frame_fold(bare ? pseudo : pseudo + length));
	if (bare) frame_put16(ip + 2, 0);
	if (bare) frame_put16(ip + 10, 0);
	packet.csum_start = (uint16_t)(tcp - at);
	packet.csum_offset = 16;
	packet.gso = NET_GSO_TCP4;
	packet.gso_size = CUT_MSS;
	packet.network = FRAME_HEADER;
	packet.header = (uint16_t)(packet.csum_start + TCP_HEADER);
	segments[0] = io_segment(0, 0, packet.header);
	for (uint32_t i = 0; i < CUT_BYTES; i++)
		io_frame(1 + i / CUT_PIECE)[i % CUT_PIECE] = (uint8_t)(i * 7 + (i >> 8));
	for (uint32_t i = 1; i < ARRAY_SIZE(segments); i++)
		segments[i] = io_segment(i, 0, CUT_PIECE);
	if (!ask(packet, segments, is_verdict)) return "the peer did not get it";
	return answer.bytes[FRAME_HEADER] == 1 ? NULL : "the peer got something else";
}

/* --- the filter --- */

static const uint8_t everybody[6] = {255, 255, 255, 255, 255, 255};
static uint8_t wanted_address[6];
static uint32_t to_wanted;

static bool is_end_of_request(const struct io_packet *packet) {
	if (!memcmp(packet->bytes, wanted_address, 6)) to_wanted++;
	return is_expected_echo(packet);
}

/*
 * Has the peer send a frame to an address, and behind it the answer to one of ours.
 * How many of the first came in; -1: no answer. Each request has addresses of its own,
 * by their last byte, so that what comes late counts for nothing.
 */
static int request(uint32_t flags, const uint8_t *joined, const uint8_t address[6]) {
	struct net_filter filter = {.flags = flags, .count = joined ? 1 : 0};
	uint64_t end = time_now() + LIMIT;

	expected++;
	memcpy(wanted_address, address, 6);
	if (address[0] != everybody[0]) wanted_address[5] = (uint8_t)expected;
	if (joined) memcpy(filter.address[0].mac, joined, 6);
	filter.address[0].mac[5] = (uint8_t)expected;
	net_server_filter(&io, &filter);
	while (!net_server_filter_done(&io) && time_now() < end) io_pump(end);
	if (!net_server_filter_done(&io)) return -1;
	to_wanted = 0;
	frame_echo(io_frame(0), io.mac, expected, FRAME_LEAST * 2);
	frame_put16(io_frame(0) + 12, TYPE_REQUEST);
	memcpy(io_frame(0) + FRAME_LEAST + FRAME_LEAST, wanted_address, 6);
	if (!ask_bytes(FRAME_LEAST * 2 + 6, is_end_of_request)) return -1;
	return (int)to_wanted;
}

static const char *filters(void) {
	static const uint8_t group[6] = {1, 0, 0x5e, 1, 2, 3}, other[6] = {2, 9, 9, 9, 9, 9};

	if (request(0, NULL, everybody) < 1) return "broadcast does not come in";
	if (request(0, NULL, group) != 0) return "a group that was not joined comes in";
	if (request(0, NULL, other) != 0) return "what is for others comes in";
	if (request(0, group, group) < 1) return "a group that was joined does not come in";
	if (request(0, other, other) < 1) return "a second address does not come in";
	if (request(0, other, group) != 0) return "a group that was left comes in";
	if (request(NET_FILTER_ALLMULTICAST, NULL, group) < 1) return "not all groups come in";
	if (request(NET_FILTER_ALLMULTICAST, NULL, other) != 0) return "more than groups comes in";
	if (request(NET_FILTER_PROMISCUOUS, NULL, other) < 1) return "promiscuous is not";
	if (request(0, NULL, other) != 0) return "what is for others comes in still";
	return NULL;
}

/* --- what a server may not ask for --- */

static uint32_t refused(struct net_tx packet, const struct net_segment *segments) {
	if (!wait_free(0) || !io_send(0, &packet, segments)) return UINT32_MAX;
	io_publish();
	return wait_free(0) ? io_status(0) : UINT32_MAX;
}

static const char *nonsense(void) {
	struct net_segment s = io_segment(0, 0, 100), two[2] = {s, s}, long_ones[NET_MAX_SEGMENTS];
	struct net_tx packet = {.segments = 1}, sum = {.segments = 1, .flags = NET_TX_CSUM};

	memset(io_frame(0), 0, PAGE_SIZE); /* of no type that is looked at */
	if (refused(packet, &s) != NET_STATUS_OK) return "what is right";
	s.length = 13;
	if (refused(packet, &s) != NET_STATUS_BAD) return "less than a header";
	s = io_segment(0, PAGE_SIZE - 50, 100);
	if (refused(packet, &s) != NET_STATUS_BAD) return "across a page";
	for (uint32_t i = 0; i < NET_MAX_SEGMENTS; i++) long_ones[i] = io_segment(0, 0, 4096);
	packet.segments = (uint8_t)DIV_UP(io.mtu + 23, 4096U);
	if (refused(packet, long_ones) != NET_STATUS_BAD) return "longer than the MTU";
	two[1].length = 0;
	packet.segments = 2;
	if (refused(packet, two) != NET_STATUS_BAD) return "an empty segment";
	s = io_segment(0, 0, 100);
	sum.csum_start = 99;
	if (refused(sum, &s) != NET_STATUS_BAD) return "a checksum beyond the end";
	packet = (struct net_tx){.segments = 1, .gso = 77, .gso_size = 1};
	if (refused(packet, &s) != NET_STATUS_BAD) return "a kind of cutting that there is not";
	return NULL;
}

/* --- the gateway of QEMU's user network --- */

static const uint8_t our_ip[4] = {10, 0, 2, 15}, gateway_ip[4] = {10, 0, 2, 2};

static bool is_arp_answer(const struct io_packet *packet) {
	const uint8_t *arp = packet->bytes + FRAME_HEADER;

	return packet->length >= 42 && frame_type(packet->bytes) == TYPE_ARP &&
	       frame_get16(arp + 6) == 2 && !memcmp(arp + 14, gateway_ip, 4);
}

static bool is_pong(const struct io_packet *packet) {
	const uint8_t *ip = packet->bytes + FRAME_HEADER;

	return frame_type(packet->bytes) == TYPE_IPV4 && ip[9] == 1 && ip[20] == 0 &&
	       packet->length >= expected && ip[27] == (uint8_t)expected;
}

static const char *arp_and_ping(void) {
	static const uint8_t head[8] = {0, 1, 8, 0, 6, 4, 0, 1};
	uint8_t *at = io_frame(0), *arp = frame_header(at, everybody, io.mac, TYPE_ARP);
	uint8_t gateway[6];

	memset(arp, 0, FRAME_LEAST - FRAME_HEADER);
	memcpy(arp, head, sizeof(head));
	memcpy(arp + 8, io.mac, 6);
	memcpy(arp + 14, our_ip, 4);
	memcpy(arp + 24, gateway_ip, 4);
	if (!ask_bytes(FRAME_LEAST, is_arp_answer)) return "no answer to ARP";
	memcpy(gateway, answer.bytes + FRAME_HEADER + 8, 6);
	for (expected = FRAME_LEAST; expected <= IO_FRAME; expected += 97) {
		uint8_t *ip = frame_header(at, gateway, io.mac, TYPE_IPV4), *icmp;
		uint32_t pseudo, bytes = expected - FRAME_HEADER - 20;

		icmp = frame_ip(ip, 4, 1, bytes, &pseudo);
		memcpy(ip + 12, our_ip, 4);
		memcpy(ip + 16, gateway_ip, 4);
		frame_put16(ip + 10, 0);
		frame_put16(ip + 10, (uint16_t)~frame_fold(frame_sum(ip, 20, 0)));
		for (uint32_t i = 0; i < bytes; i++) icmp[i] = (uint8_t)i;
		icmp[0] = 8;
		icmp[1] = icmp[2] = icmp[3] = 0;
		icmp[7] = (uint8_t)expected;
		frame_put16(icmp + 2, (uint16_t)~frame_fold(frame_sum(icmp, bytes, 0)));
		if (!ask_bytes(expected, is_pong)) return "no answer to a ping";
	}
	return NULL;
}

/* --- the link --- */

static const char *link_changes(void) {
	uint64_t end = time_now() + LIMIT;

	/* The sessions of before are over: between two of them there is no link either. */
	if (!io_wait_up(LIMIT)) return "no session, or no link";
	log_print("take the link down");
	while (io.link && time_now() < end) io_pump(end);
	if (io.link) return "it does not go down";
	log_print("put the link up");
	while (!io.link && time_now() < end) io_pump(end);
	if (!io.link) return "it does not come up";
	return run_load(200, mixed_length, NULL);
}

/* --- a wire that takes nothing --- */

/* Nobody reads: packets stay in the card, until the driver has had enough of it. */
static const char *stall(void) {
	uint64_t before = io.page->counters.resets, end = time_now() + LIMIT;

	log_print("stop reading");
	while (io.page->counters.resets == before && time_now() < end) {
		for (uint32_t n = 0; n < IO_FRAMES && net_server_is_up(&io); n++) {
			if (io_is_busy(n)) continue;
			frame_echo(io_frame(n), io.mac, 0, IO_FRAME);
			io_send_bytes(n, IO_FRAME);
		}
		io_publish();
		io_pump(time_now() + AGAIN);
	}
	log_print("read again");
	if (io.page->counters.resets == before) return "the card was not reset";
	return run_load(200, mixed_length, NULL);
}

/* --- all of it --- */

static uint32_t passed, failed;

static void report(const char *name, const char *why) {
	if (why) {
		failed++;
		log_print("FAIL %s: %s", name, why);
	} else {
		passed++;
		log_print("PASS %s", name);
	}
}

static void run_checks(void) {
	char text[16];
	uint64_t number;

	if (rt_argument("gateway", text, sizeof(text))) {
		report("ARP and ping", arp_and_ping());
		return;
	}
	report("frames of all lengths", all_lengths());
	report("segments", segments_of_all_kinds());
	if (io.mtu > IO_FRAME) report("long frames", long_frames());
	report("checksums", checksums());
	if (io.features & NET_TX_TSO4) report("cutting", cutting());
	report("filters", filters());
	report("nonsense", nonsense());
	report("many frames", many());
	report("moderation", moderation());
	report("new sessions", new_sessions());
	if (rt_argument("kills", text, sizeof(text)) && rt_number(text, &number)) {
		kills_wanted = (uint32_t)number;
		report("deaths", deaths());
	}
	if (rt_argument("down", text, sizeof(text))) report("link", link_changes());
	if (rt_argument("stall", text, sizeof(text))) report("stall", stall());
}

void native_main(void) {
	control_init(NULL, NULL);
	manage_text_open(NULL, NULL);
	io_start();
	report("session", io_wait_up(LIMIT) ? NULL : "none, or no link, within a minute");
	if (net_server_is_up(&io)) {
		log_print("%02x:%02x:%02x:%02x:%02x:%02x, %u queues, MTU %u, features 0x%x",
			  io.mac[0], io.mac[1], io.mac[2], io.mac[3], io.mac[4], io.mac[5],
			  io.queues, io.mtu, io.features);
		run_checks();
	}
	log_print("done: %u passed, %u failed", passed, failed);
	event_loop();
}
