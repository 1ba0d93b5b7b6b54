/* SPDX-License-Identifier: BSD-2-Clause */
/* What stands in the log for a rule with `log`. */
#include "../native.h"
#include "servers/switch/fw.h"

static char text[FW_TEXT];

static void say(struct packet packet, const char *expected) {
	fw_say(&packet, text, sizeof(text));
	if (strcmp(text, expected) != 0) printf("# found %s\n", text);
	CHECK(!strcmp(text, expected));
}

static struct packet six(const uint16_t src[8]) {
	struct packet packet = {
		.ethertype = PACKET_ETHERTYPE_IPV6,
		.family = 6,
		.protocol = PACKET_TCP,
		.sport = 40000,
		.dport = 22,
		.total = 94,
	};

	for (uint32_t n = 0; n < 8; n++) {
		packet.src.byte[2 * n] = (uint8_t)(src[n] >> 8);
		packet.src.byte[2 * n + 1] = (uint8_t)src[n];
	}
	packet.dst.byte[15] = 1;
	return packet;
}

static void test_ipv4(void) {
	struct packet packet = {.ethertype = PACKET_ETHERTYPE_IPV4,
				.family = 4,
				.protocol = PACKET_UDP,
				.sport = 5,
				.dport = 65535,
				.total = 60,
				.src.byte = {10, 0, 0, 1},
				.dst.byte = {255, 255, 255, 255}};

	say(packet, "protocol 17, 10.0.0.1:5 to 255.255.255.255:65535, 60 bytes");
	packet.family = 0;
	packet.ethertype = PACKET_ETHERTYPE_ARP;
	say(packet, "ARP, 10.0.0.1 to 255.255.255.255, 60 bytes");
	packet.ethertype = 0x88cc;
	say(packet, "ethertype 88cc, 60 bytes");
}

static void expect6(const uint16_t src[8], const char *address) {
	char whole[FW_TEXT];

	snprintf(whole, sizeof(whole), "protocol 6, [%s]:40000 to [::1]:22, 94 bytes", address);
	say(six(src), whole);
}

static void test_ipv6(void) {
	expect6((const uint16_t[8]){0x2001, 0xdb8, 0, 0, 0, 0, 0, 5}, "2001:db8::5");
	expect6((const uint16_t[8]){0x2001, 0xdb8, 0, 1, 0, 0, 0, 5}, "2001:db8:0:1::5");
	expect6((const uint16_t[8]){1, 0, 0, 2, 3, 0, 0, 4}, "1::2:3:0:0:4");
	expect6((const uint16_t[8]){1, 0, 2, 3, 4, 5, 6, 7}, "1:0:2:3:4:5:6:7");
	expect6((const uint16_t[8]){0xfe80, 0, 0, 0, 0, 0, 0, 0}, "fe80::");
	expect6((const uint16_t[8]){0}, "::");
	expect6((const uint16_t[8]){0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff},
		"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
}

int main(void) {
	static const struct test tests[] = {{"IPv4 and others", test_ipv4}, {"IPv6", test_ipv6}};

	return RUN("switch_say", tests);
}
