/* SPDX-License-Identifier: BSD-2-Clause */
/* libs/packet/pcapng: blocks of any size, read back by the rules of the format. */
#include "libs/packet/pcapng.h"
#include "native.h"

static uint8_t out[70000], payload[66000];

static uint32_t get32(uint32_t at) {
	uint32_t value;

	memcpy(&value, out + at, 4);
	return value;
}

/* The value of an option in [at, end - 4); its length in *length, NULL: it is not there. */
static const uint8_t *option(uint32_t at, uint32_t end, uint32_t code, uint32_t *length) {
	const uint8_t *found = NULL;

	for (;;) {
		uint32_t word = get32(at), size = word >> 16;

		CHECK(at < end - 4);
		if (!word) break;
		if ((word & 0xffff) == code) found = out + at + 4, *length = size;
		at += 4 + ROUND_UP(size, 4);
	}
	CHECK(at == end - 8);
	return found;
}

static bool is_text(uint32_t at, uint32_t end, uint32_t code, const char *text) {
	uint32_t length;
	const uint8_t *value = option(at, end, code, &length);

	return value && length == strlen(text) && !memcmp(value, text, length);
}

static void check_block(uint32_t length, uint32_t type) {
	CHECK(length % 4 == 0 && get32(0) == type && get32(4) == length);
	CHECK(get32(length - 4) == length);
}

static void test_headers(void) {
	uint32_t unused, length = pcapng_section(out, sizeof(out), "tessera");

	check_block(length, 0x0a0d0d0a);
	CHECK(get32(8) == 0x1a2b3c4d && get32(12) == 1 && get32(16) == UINT32_MAX);
	CHECK(is_text(24, length, 4, "tessera"));
	for (uint32_t room = 0; room < length; room++) CHECK(!pcapng_section(out, room, "tessera"));

	length = pcapng_section(out, sizeof(out), NULL);
	check_block(length, 0x0a0d0d0a);
	CHECK(!option(24, length, 4, &unused));

	length = pcapng_interface(out, sizeof(out), "guest.0", 96);
	check_block(length, 1);
	CHECK(get32(8) == 1 && get32(12) == 96);
	CHECK(is_text(16, length, 2, "guest.0"));
	CHECK(*option(16, length, 9, &unused) == 9);
	for (uint32_t room = 0; room < length; room++)
		CHECK(!pcapng_interface(out, room, "guest.0", 96));
}

static void test_packets(void) {
	static const char *const comments[] = {NULL, "", "a", "dropped: no rule"};

	for (uint32_t i = 0; i < sizeof(payload); i++) payload[i] = (uint8_t)noise();
	for (uint32_t round = 0; round < 3000; round++) {
		uint32_t held = noise() % (round % 8 ? 200 : sizeof(payload));
		uint32_t first = noise() % (held + 1), length, room, end;
		struct packet_piece pieces[2] = {{payload, first}, {payload + first, held - first}};
		struct pcapng_packet packet = {
			.interface = noise() % 64,
			.direction = noise() % 3,
			.time = (uint64_t)noise() << 20,
			.length = held,
			.kept = noise() % (held + 100),
			.pieces = pieces,
			.count = 2,
			.comment = comments[noise() % ARRAY_SIZE(comments)],
		};
		uint32_t kept = MIN(packet.kept, held);
		const uint8_t *flags;

		memset(out, 0xee, sizeof(out));
		length = pcapng_packet(out, sizeof(out), &packet);
		check_block(length, 6);
		CHECK(get32(8) == packet.interface);
		CHECK(((uint64_t)get32(12) << 32 | get32(16)) == packet.time);
		CHECK(get32(20) == kept && get32(24) == held);
		CHECK(!memcmp(out + 28, payload, kept));
		flags = option(28 + ROUND_UP(kept, 4), length, 2, &end);
		CHECK(flags && end == 4 && *flags == packet.direction);
		if (packet.comment && *packet.comment)
			CHECK(is_text(28 + ROUND_UP(kept, 4), length, 1, packet.comment));
		CHECK(out[length] == 0xee);
		room = noise() % length;
		memset(out, 0xee, sizeof(out));
		CHECK(!pcapng_packet(out, room, &packet) && out[0] == 0xee);
	}
}

static void test_long_text(void) {
	struct pcapng_packet packet = {0};
	char text[1000];
	uint32_t length;

	memset(text, 'x', sizeof(text));
	text[999] = '\0';
	packet.comment = text;
	length = pcapng_packet(out, sizeof(out), &packet);
	check_block(length, 6);
	text[255] = '\0';
	CHECK(is_text(28, length, 1, text));
}

static const struct test tests[] = {
	{"section and interfaces", test_headers},
	{"packets", test_packets},
	{"a comment that is too long", test_long_text},
};

int main(void) { return RUN("pcapng", tests); }
