/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Characters of UTF-8 as RFC 3629 has them: shortest form, no surrogates, at most
 * U+10FFFF. Both ends of libs/json look at text with the same eyes, so what one
 * writes the other takes.
 */
#ifndef LIBS_JSON_UTF8_H
#define LIBS_JSON_UTF8_H

#include <stdint.h>

/* Bytes of the character at from[0]; 0: it is none. */
static inline uint32_t utf8_size(const uint8_t *from, uint32_t left) {
	uint8_t first = from[0], low = 0x80, high = 0xbf;
	uint32_t size;

	if (first < 0x80) return 1;
	if (first < 0xc2 || first > 0xf4) return 0;
	size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
	if (left < size) return 0;
	if (first == 0xe0) low = 0xa0;
	if (first == 0xed) high = 0x9f;
	if (first == 0xf0) low = 0x90;
	if (first == 0xf4) high = 0x8f;
	if (from[1] < low || from[1] > high) return 0;
	for (uint32_t i = 2; i < size; i++)
		if ((from[i] & 0xc0) != 0x80) return 0;
	return size;
}

#endif
