/* SPDX-License-Identifier: BSD-2-Clause */
/* The Internet checksum as RFC 1071 words it, byte by byte: what the fast one is held against. */
#ifndef TESTS_UNIT_NATIVE_SLOW_SUM_H
#define TESTS_UNIT_NATIVE_SLOW_SUM_H

#include <stddef.h>
#include <stdint.h>

/* Continues a folded sum, big-endian, at byte `at` of what is summed. */
static inline uint32_t slow_add(uint32_t sum, size_t at, const uint8_t *bytes, size_t length) {
	for (size_t i = 0; i < length; i++) {
		sum += (at + i) % 2 ? bytes[i] : (uint32_t)bytes[i] << 8;
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return sum;
}

/* The checksum of a transport over its pseudo header, big-endian. */
static inline uint16_t slow_transport(const uint8_t *addresses, size_t address_bytes,
				      uint8_t protocol, const uint8_t *bytes, uint32_t length) {
	uint8_t tail[8] = {(uint8_t)(length >> 24),
			   (uint8_t)(length >> 16),
			   (uint8_t)(length >> 8),
			   (uint8_t)length,
			   0,
			   0,
			   0,
			   protocol};
	uint32_t sum = slow_add(0, 0, addresses, address_bytes);

	sum = slow_add(sum, 0, tail, sizeof(tail));
	return (uint16_t)~slow_add(sum, 0, bytes, length);
}

#endif
