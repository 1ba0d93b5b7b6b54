/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libs/packet/segment against a slow reference that writes each frame out and sums it up
 * byte by byte; one packet whose frames are known; and headers that lie.
 */
#include "libs/packet/segment.h"
#include "native.h"
#include "slow_sum.h"

#define MAX_FRAME 65600U
#define PIECES    24U

static uint8_t large[MAX_FRAME], expected[MAX_FRAME], got[MAX_FRAME];

struct shape {
	uint32_t network, transport, header, payload, size;
	bool ipv6;
};

static void put16(uint8_t *at, uint32_t value) {
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static uint32_t get32(const uint8_t *at) {
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* A large frame as a guest's stack makes it, random where it may be. */
static void make(struct shape *shape) {
	uint32_t vlan = 4 * (noise() % 3), options = 4 * (noise() % 11), tcp = 4 * (noise() % 11);
	uint8_t *ip;

	for (uint32_t i = 0; i < 256; i++) large[i] = (uint8_t)noise();
	shape->ipv6 = noise() % 2;
	shape->network = 14 + vlan;
	shape->transport = shape->network + (shape->ipv6 ? 40 + 8 * (options / 8) : 20 + options);
	shape->header = shape->transport + 20 + tcp;
	shape->size = noise() % 8 ? 1 + noise() % 1500 : 1 + noise() % 20;
	shape->payload = 1 + noise() % (noise() % 4 ? 5 * shape->size : 30000);
	for (uint32_t i = 0; i < shape->payload; i++) large[shape->header + i] = (uint8_t)noise();
	ip = large + shape->network;
	if (shape->ipv6) {
		ip[0] = 0x60;
		put16(ip + 4, shape->header + shape->payload - shape->network - 40);
		ip[6] = shape->transport - shape->network == 40 ? 6 : 0;
	} else {
		ip[0] = (uint8_t)(0x45 + options / 4);
		put16(ip + 2, shape->header + shape->payload - shape->network);
		put16(ip + 6, noise() % 2 ? 0x4000 : 0);
		ip[9] = 6;
	}
	large[shape->transport + 12] = (uint8_t)((5 + tcp / 4) << 4 | noise() % 16);
}

/* Frame n as a card would send it. Its length. */
static uint32_t reference(const struct shape *shape, uint32_t n) {
	uint32_t at = n * shape->size, left = shape->payload - at;
	uint32_t size = left < shape->size ? left : shape->size;
	uint8_t *ip = expected + shape->network, *tcp = expected + shape->transport;
	uint32_t sequence = get32(large + shape->transport + 4) + at;
	uint32_t id = (uint32_t)large[shape->network + 4] << 8 | large[shape->network + 5];

	memcpy(expected, large, shape->header);
	memcpy(expected + shape->header, large + shape->header + at, size);
	put16(tcp + 4, sequence >> 16);
	put16(tcp + 6, sequence);
	if (n) tcp[13] &= 0x7f;
	if (left > shape->size) tcp[13] &= 0xf6;
	put16(tcp + 16, 0);
	if (shape->ipv6) {
		put16(ip + 4, shape->header - shape->network - 40 + size);
		put16(tcp + 16,
		      slow_transport(ip + 8, 32, 6, tcp, shape->header - shape->transport + size));
	} else {
		put16(ip + 2, shape->header - shape->network + size);
		put16(ip + 4, id + n);
		put16(ip + 10, 0);
		put16(ip + 10, ~slow_add(0, 0, ip, shape->transport - shape->network) & 0xffff);
		put16(tcp + 16,
		      slow_transport(ip + 12, 8, 6, tcp, shape->header - shape->transport + size));
	}
	return shape->header + size;
}

static uint32_t cut(struct packet_piece *pieces, const struct shape *shape) {
	uint32_t count = 1 + noise() % PIECES, left = shape->header + shape->payload;
	uint8_t *at = large;

	for (uint32_t i = 0; i < count; i++) {
		uint32_t here =
			i == 0 ? shape->header + noise() % shape->payload : noise() % (left + 1);

		if (i == count - 1) here = left;
		pieces[i] = (struct packet_piece){at, here};
		at += here;
		left -= here;
	}
	return count;
}

static struct segment_large described(const struct shape *shape) {
	return (struct segment_large){shape->network, shape->transport, shape->size, shape->ipv6};
}

static void test_against_reference(void) {
	for (uint32_t round = 0; round < 1500; round++) {
		struct packet_piece pieces[PIECES];
		struct segment segment;
		struct segment_large how;
		struct shape shape;
		uint32_t count, from, length, n = 0;

		make(&shape);
		count = cut(pieces, &shape);
		how = described(&shape);
		CHECK(segment_start(&segment, pieces, count, &how) == SEGMENT_OK);
		while (segment_next(&segment, got, &from, &length)) {
			memcpy(got + segment.header, large + from, length);
			CHECK(reference(&shape, n) == segment.header + length);
			CHECK(!memcmp(got, expected, segment.header + length));
			n++;
		}
		CHECK(n == segment_frames(&segment) && n == DIV_UP(shape.payload, shape.size));
	}
}

/* 3 bytes in frames of 2: the sums are worked out by hand. */
static void test_known(void) {
	static const uint8_t frame[57] = {
		2,    0, 0, 0,  0, 1,    2,    0, 0,  0, 0,    2,    8,  0, /* Ethernet */
		0x45, 0, 0, 43, 0, 9,    0x40, 0, 64, 6, 0,    0,    10, 0, 0, 1, 10, 0, 0, 2, 0, 1,
		0,    2, 0, 0,  0, 0xff, 0,    0, 0,  0, 0x50, 0x99, 0,  0, 0, 0, 0,  0, 1, 2, 3,
	};
	struct packet_piece piece = {(uint8_t *)(uintptr_t)frame, sizeof(frame)};
	struct segment_large how = {14, 34, 2, false};
	struct segment segment;
	uint32_t from, length;

	CHECK(segment_start(&segment, &piece, 1, &how) == SEGMENT_OK);
	CHECK(segment_next(&segment, got, &from, &length) && from == 54 && length == 2);
	CHECK(got[17] == 42 && got[19] == 9 && got[24] == 0x26 && got[25] == 0xc3);
	/* CWR and ACK; PSH and FIN wait. 14 + 3 + ff + 5090 + 16 + 6 + 0102 */
	CHECK(got[47] == 0x90 && got[41] == 0xff);
	CHECK(got[50] == 0x99 && got[51] == 0x4c);
	CHECK(segment_next(&segment, got, &from, &length) && from == 56 && length == 1);
	CHECK(got[17] == 41 && got[19] == 10 && got[24] == 0x26 && got[25] == 0xc3);
	CHECK(got[47] == 0x19 && got[40] == 1 && got[41] == 1);
	CHECK(!segment_next(&segment, got, &from, &length));
}

static int start(const struct shape *shape, uint32_t held) {
	struct packet_piece pieces[2] = {{large, held},
					 {large + held, shape->header + shape->payload - held}};
	struct segment_large how = described(shape);
	struct segment segment;

	return segment_start(&segment, pieces, 2, &how);
}

static void make_plain(struct shape *shape, bool ipv6) {
	do make(shape);
	while (shape->ipv6 != ipv6 || shape->payload < 2);
}

static void test_lies(void) {
	for (uint32_t round = 0; round < 200; round++) {
		struct shape shape, lie;

		make_plain(&shape, round % 2);
		CHECK(start(&shape, shape.header) == SEGMENT_OK);
		CHECK(start(&shape, shape.header - 1) == SEGMENT_BAD);
		CHECK(start(&shape, 0) == SEGMENT_BAD);
		lie = shape, lie.size = 0;
		CHECK(start(&lie, shape.header) == SEGMENT_BAD);
		lie = shape, lie.ipv6 = !shape.ipv6;
		CHECK(start(&lie, shape.header) != SEGMENT_OK);
		lie = shape, lie.network = UINT32_MAX - 10;
		CHECK(start(&lie, shape.header) == SEGMENT_BAD);
		lie = shape, lie.transport = UINT32_MAX - 10;
		CHECK(start(&lie, shape.header) == SEGMENT_BAD);
		lie = shape, lie.transport = shape.network;
		CHECK(start(&lie, shape.header) == SEGMENT_BAD);
		lie = shape, lie.payload = 0;
		CHECK(start(&lie, shape.header) == SEGMENT_LENGTH);
		lie = shape, lie.payload--;
		CHECK(start(&lie, shape.header) == SEGMENT_LENGTH);
		large[shape.transport + 12] = 0x40;
		CHECK(start(&shape, shape.header) == SEGMENT_BAD);
	}
}

static void test_ipv4_lies(void) {
	struct shape shape;

	make_plain(&shape, false);
	large[shape.network + 9] = 17;
	CHECK(start(&shape, shape.header) == SEGMENT_BAD);
	large[shape.network + 9] = 6;
	large[shape.network + 6] = 0x20;
	CHECK(start(&shape, shape.header) == SEGMENT_BAD);
	large[shape.network + 6] = 0;
	large[shape.network + 7] = 1;
	CHECK(start(&shape, shape.header) == SEGMENT_BAD);
	large[shape.network + 7] = 0;
	CHECK(start(&shape, shape.header) == SEGMENT_OK);
	large[shape.network]++;
	CHECK(start(&shape, shape.header) == SEGMENT_BAD);
}

static const struct test tests[] = {
	{"known frames", test_known},
	{"any large frame", test_against_reference},
	{"lies", test_lies},
	{"lies of IPv4", test_ipv4_lies},
};

int main(void) { return RUN("segment", tests); }
