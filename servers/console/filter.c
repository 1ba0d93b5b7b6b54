/* SPDX-License-Identifier: BSD-2-Clause */
#include "mux.h"

#define ESCAPE 0x1b

/* Length of the escape sequence at from[0] == ESC; all that is left if it has no end. */
static uint32_t escape_length(const char *from, uint32_t length) {
	uint32_t i = 2;

	if (length < 2) return length;
	if (from[1] == '[') {
		/* CSI: parameters, then one byte of '@'..'~' */
		while (i < length && !(from[i] >= '@' && from[i] <= '~')) i++;
		return MIN(i + 1, length);
	}
	if (from[1] == ']' || from[1] == 'P' || from[1] == '_' || from[1] == '^') {
		/* a string: up to BEL, or to ESC and one byte */
		while (i < length && from[i] != '\a' && from[i] != ESCAPE) i++;
		if (i < length && from[i] == ESCAPE) i++;
		return MIN(i + 1, length);
	}
	return 2;
}

/* Length of the UTF-8 character at from[0] >= 0x80; 0: it is none, or a control character. */
static uint32_t utf8_length(const uint8_t *from, uint32_t length) {
	uint32_t n = from[0] >= 0xf0 ? 4 : from[0] >= 0xe0 ? 3 : 2;

	if (from[0] < 0xc2 || from[0] > 0xf4 || length < n) return 0;
	for (uint32_t i = 1; i < n; i++)
		if ((from[i] & 0xc0) != 0x80) return 0;
	/* U+0080..U+009F are control characters of 8-bit terminals. */
	return from[0] == 0xc2 && from[1] < 0xa0 ? 0 : n;
}

uint32_t filter_text(const char *from, uint32_t length, char *to) {
	uint32_t n = 0;

	for (uint32_t i = 0; i < length;) {
		uint8_t c = (uint8_t)from[i];
		uint32_t size = 1;

		if (c == ESCAPE) {
			i += escape_length(from + i, length - i);
			continue;
		}
		if (c >= 0x80) size = utf8_length((const uint8_t *)from + i, length - i);
		if (!size || ((c < ' ' && c != '\t') || c == 0x7f)) {
			/* a carriage return before the end of line is no news */
			if (c != '\r') to[n++] = '?';
			i++;
			continue;
		}
		memcpy(to + n, from + i, size);
		n += size;
		i += size;
	}
	return n;
}
