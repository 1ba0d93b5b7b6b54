/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two segments of a flow, the second of which differs from what cutting would give back in one
 * bit of its headers, each of them in turn: only bits that cutting makes anew, or that mean nothing
 * here, may differ. What merging does to large frames and rings is in offload.c.
 */
#include "rig.h"

#include "libs/packet/checksum.h"

#define ETHERNET 14U
#define OPTIONS  12U /* a time stamp */
#define PAYLOAD  100U

struct kind {
	bool ipv6;
	uint32_t l4, header;
};

static struct kind kind(bool ipv6) {
	uint32_t l4 = ETHERNET + (ipv6 ? 40 : 20);

	return (struct kind){.ipv6 = ipv6, .l4 = l4, .header = l4 + 20 + OPTIONS};
}

/* Segment n of a flow. */
static void write_headers(const struct kind *k, uint8_t *at, uint32_t n) {
	uint32_t length = k->header + PAYLOAD - ETHERNET;

	for (uint32_t i = 0; i < k->header; i++) at[i] = (uint8_t)(i * 7 + 1);
	at[12] = k->ipv6 ? 0x86 : 0x08;
	at[13] = k->ipv6 ? 0xdd : 0;
	at[14] = k->ipv6 ? 0x60 : 0x45;
	if (k->ipv6) length -= 40;
	at[k->ipv6 ? 18 : 16] = (uint8_t)(length >> 8);
	at[k->ipv6 ? 19 : 17] = (uint8_t)length;
	at[k->ipv6 ? 20 : 23] = PACKET_TCP;
	if (!k->ipv6) at[20] = at[21] = 0;
	memset(at + k->l4 + 4, 0, 4);
	at[k->l4 + 7] = (uint8_t)(n * PAYLOAD);
	at[k->l4 + 12] = (20 + OPTIONS) / 4 << 4;
	at[k->l4 + 13] = 0x10;
}

static void sum_up(const struct kind *k, uint8_t *at) {
	uint16_t sum = 0;

	if (k->ipv6) return;
	memcpy(at + 24, &sum, sizeof(sum));
	sum = checksum_fold(checksum_add(0, at + ETHERNET, 20));
	memcpy(at + 24, &sum, sizeof(sum));
}

/* Bits of this byte in which segments of one frame may differ. */
static uint8_t free_bits(const struct kind *k, uint32_t at) {
	if (!k->ipv6 && at >= 18 && at < 20) return 0xff; /* identification */
	if (!k->ipv6 && at >= 24 && at < 26) return 0xff; /* made anew by sum_up() */
	if (at == k->l4 + 13) return 0x08;                /* the last one is pushed */
	if (at >= k->l4 + 16 && at < k->l4 + 18) return 0xff;
	return 0;
}

/* Into how many frames these two go, of which the second has this bit turned over. */
static uint32_t merged(const struct kind *k, uint32_t at, uint8_t bit) {
	struct frame *round[2];
	uint32_t count;

	for (uint32_t n = 0; n < 2; n++) {
		round[n] = frame_make(k->header + PAYLOAD);
		CHECK(round[n]);
		round[n]->port = CARD;
		round[n]->flags = FRAME_VALID;
		write_headers(k, round[n]->head, n);
		if (n) round[n]->head[at] ^= bit;
		sum_up(k, round[n]->head);
	}
	count = merge_received(round, 2);
	for (uint32_t n = 0; n < count; n++) frame_drop(round[n]);
	frame_release_dropped();
	CHECK(pool.free_frames == FRAMES && pool.free_pages == pool.open - 1);
	return count;
}

static void test_bits(void) {
	for (uint32_t n = 0; n < 2; n++) {
		struct kind k = kind(n);

		CHECK(merged(&k, 0, 0) == 1);
		for (uint32_t i = 0; i < k.header * 8; i++) {
			bool may = free_bits(&k, i / 8) >> i % 8 & 1;
			uint32_t count = merged(&k, i / 8, (uint8_t)(1U << i % 8));

			if (count != (may ? 1 : 2)) printf("# bit %u of byte %u\n", i % 8, i / 8);
			CHECK(count == (may ? 1 : 2));
		}
	}
}

int main(void) {
	static const struct test tests[] = {{"headers that differ in a bit", test_bits}};

	rig_world();
	rig_describe(1);
	rig_driver_start();
	rig_server();
	return RUN("switch_merge", tests);
}
