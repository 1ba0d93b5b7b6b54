/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A cursor over bytes: it knows how much is left, and what does not fit is not read.
 * Taking is the only way to get at bytes, so no length is checked twice or never.
 */
#ifndef LIBS_PACKET_CURSOR_H
#define LIBS_PACKET_CURSOR_H

#include <stddef.h>
#include <stdint.h>

struct cursor {
	const uint8_t *at;
	uint32_t left;
};

/* The next n bytes, which are behind the cursor then; NULL: there are not that many. */
static inline const uint8_t *cursor_take(struct cursor *cursor, uint32_t n) {
	const uint8_t *at = cursor->at;

	if (n > cursor->left) return NULL;
	cursor->at += n;
	cursor->left -= n;
	return at;
}

/* The next n bytes, which stay before it. */
static inline const uint8_t *cursor_peek(const struct cursor *cursor, uint32_t n) {
	return n > cursor->left ? NULL : cursor->at;
}

/* Big-endian, as networks have it; any alignment. */
static inline uint16_t cursor_u16(const uint8_t *at) { return (uint16_t)(at[0] << 8 | at[1]); }

static inline uint32_t cursor_u32(const uint8_t *at) {
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

#endif
