/* SPDX-License-Identifier: BSD-2-Clause */
#include "libs/crc32/crc32.h"

uint32_t crc32(const void *data, size_t size) {
	const uint8_t *byte = data;
	uint32_t crc = ~0U;

	while (size--) {
		crc ^= *byte++;
		for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320U : 0);
	}
	return ~crc;
}
