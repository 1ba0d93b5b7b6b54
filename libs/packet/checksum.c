/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * See checksum.h. Sums of 32-bit words, of which 2^31 fit into 64 bits; most of the bytes
 * are added 64 bits at a time, around the end: that is the part of a packet's cost which
 * grows with its length. The end is padded with zeros, which do not count.
 */
#include "libs/packet/checksum.h"

static inline uint32_t word(const uint8_t *at) {
	uint32_t value;

	__builtin_memcpy(&value, at, sizeof(value));
	return value;
}

#define BLOCK 64U

/*
 * A block, two words at once: what is carried out of the upper one belongs into the lower one,
 * of the next two as well as of these. The carry flag is what C has not.
 */
static inline uint64_t add_block(uint64_t sum, const uint8_t *at) {
	__asm__("addq (%1), %0\n\t"
		"adcq 8(%1), %0\n\t"
		"adcq 16(%1), %0\n\t"
		"adcq 24(%1), %0\n\t"
		"adcq 32(%1), %0\n\t"
		"adcq 40(%1), %0\n\t"
		"adcq 48(%1), %0\n\t"
		"adcq 56(%1), %0\n\t"
		"adcq $0, %0"
		: "+&r"(sum)
		: "r"(at), "m"(*(const uint8_t(*)[BLOCK])at)
		: "cc");
	return sum;
}

uint64_t checksum_add(uint64_t sum, const void *bytes, size_t length) {
	const uint8_t *at = bytes;
	uint32_t last = 0;

	for (; length >= BLOCK; length -= BLOCK, at += BLOCK) sum = add_block(sum, at);
	sum = (sum & 0xffffffff) + (sum >> 32);
	for (; length >= 4; length -= 4, at += 4) sum += word(at);
	for (size_t i = 0; i < length; i++) last |= (uint32_t)at[i] << 8 * i;
	return sum + last;
}

/* The folded sum, 0 to 0xffff; the machine is little-endian, so this is as it lies in memory. */
static uint16_t fold(uint64_t sum) {
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

uint64_t checksum_add_at(uint64_t sum, size_t offset, const void *bytes, size_t length) {
	if (offset % 2 == 0) return checksum_add(sum, bytes, length);
	return sum + __builtin_bswap16(fold(checksum_add(0, bytes, length)));
}

uint16_t checksum_fold(uint64_t sum) { return (uint16_t)~fold(sum); }
uint16_t checksum_partial(uint64_t sum) { return fold(sum); }

static uint64_t add_big_endian(uint64_t sum, uint32_t value) {
	return sum + __builtin_bswap32(value);
}

uint64_t checksum_pseudo4(const void *source, const void *destination, uint8_t protocol,
			  uint32_t length) {
	uint64_t sum = checksum_add(checksum_add(0, source, 4), destination, 4);

	return add_big_endian(add_big_endian(sum, protocol), length);
}

uint64_t checksum_pseudo6(const void *source, const void *destination, uint8_t protocol,
			  uint32_t length) {
	uint64_t sum = checksum_add(checksum_add(0, source, 16), destination, 16);

	return add_big_endian(add_big_endian(sum, protocol), length);
}

/* HC' = ~(~HC + ~m + m'), RFC 1624. */
uint16_t checksum_update(uint16_t checksum, uint16_t before, uint16_t after) {
	return checksum_fold((uint64_t)(uint16_t)~checksum + (uint16_t)~before + after);
}

uint16_t checksum_update_bytes(uint16_t checksum, const void *before, const void *after,
			       size_t length) {
	uint64_t sum = (uint16_t)~checksum;

	sum += checksum_fold(checksum_add(0, before, length));
	return checksum_fold(checksum_add(sum, after, length));
}

uint64_t checksum_pieces(const struct packet_piece *pieces, uint32_t count, uint32_t start,
			 uint32_t length) {
	uint64_t sum = 0;
	uint32_t done = 0;

	for (uint32_t i = 0; i < count && done < length; i++) {
		uint32_t here = pieces[i].length;

		if (start >= here) {
			start -= here;
			continue;
		}
		here -= start;
		if (here > length - done) here = length - done;
		sum = checksum_add_at(sum, done, pieces[i].at + start, here);
		done += here;
		start = 0;
	}
	return sum;
}

/* The byte at an offset; NULL: it lies behind the end. */
static uint8_t *byte_at(const struct packet_piece *pieces, uint32_t count, uint32_t offset) {
	for (uint32_t i = 0; i < count; i++) {
		if (offset < pieces[i].length) return pieces[i].at + offset;
		offset -= pieces[i].length;
	}
	return NULL;
}

bool checksum_fill(const struct packet_piece *pieces, uint32_t count, uint32_t start,
		   uint32_t offset, bool zero_is_none) {
	uint8_t *field[2] = {NULL, NULL};
	uint16_t sum;

	if ((uint64_t)start + offset >= UINT32_MAX) return false;
	for (uint32_t i = 0; i < 2; i++) field[i] = byte_at(pieces, count, start + offset + i);
	if (!field[0] || !field[1]) return false;
	sum = checksum_fold(checksum_pieces(pieces, count, start, UINT32_MAX));
	if (!sum && zero_is_none) sum = 0xffff;
	*field[0] = (uint8_t)sum;
	*field[1] = (uint8_t)(sum >> 8);
	return true;
}
