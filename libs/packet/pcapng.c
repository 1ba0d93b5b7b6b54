/* SPDX-License-Identifier: BSD-2-Clause */
/* See pcapng.h. A block is: type, length, body, options, length again; all in 32-bit units. */
#include "libs/packet/pcapng.h"

#define SECTION    0x0a0d0d0aU
#define BYTE_ORDER 0x1a2b3c4dU
#define INTERFACE  1U
#define ENHANCED   6U
#define ETHERNET   1U

#define BLOCK_EDGES  12U /* type, length, length */
#define OPT_END      0U
#define OPT_COMMENT  1U
#define OPT_IF_NAME  2U
#define OPT_FLAGS    2U /* of a packet */
#define OPT_APP      4U /* of a section */
#define OPT_IF_TSRES 9U
#define NANOSECONDS  9U
#define MAX_TEXT     255U

static uint32_t padded(uint32_t length) { return (length + 3) & ~3U; }

static uint8_t *put(uint8_t *to, const void *from, uint32_t length) {
	__builtin_memcpy(to, from, length);
	return to + length;
}

static uint8_t *put16(uint8_t *to, uint32_t value) {
	uint16_t half = (uint16_t)value;

	return put(to, &half, sizeof(half));
}

static uint8_t *put32(uint8_t *to, uint32_t value) { return put(to, &value, sizeof(value)); }

static uint8_t *pad(uint8_t *to, uint32_t length) {
	for (; length % 4; length++) *to++ = 0;
	return to;
}

static uint8_t *put_option(uint8_t *to, uint32_t code, const void *value, uint32_t length) {
	return pad(put(put16(put16(to, code), length), value, length), length);
}

static uint32_t text_length(const char *text) {
	uint32_t length = 0;

	while (text && length < MAX_TEXT && text[length]) length++;
	return length;
}

static uint32_t option_length(uint32_t length) { return length ? 4 + padded(length) : 0; }

static uint8_t *put_text(uint8_t *to, uint32_t code, const char *text, uint32_t length) {
	return length ? put_option(to, code, text, length) : to;
}

/* The end of the options, and of the block. */
static void put_end(uint8_t *to, uint32_t length) { put32(put32(to, OPT_END), length); }

uint32_t pcapng_section(uint8_t *to, uint32_t room, const char *application) {
	uint32_t text = text_length(application);
	uint32_t length = BLOCK_EDGES + 16 + option_length(text) + 4;

	if (length > room) return 0;
	to = put32(put32(put32(to, SECTION), length), BYTE_ORDER);
	to = put16(put16(to, 1), 0);                   /* version 1.0 */
	to = put32(put32(to, UINT32_MAX), UINT32_MAX); /* the section's length: not known */
	put_end(put_text(to, OPT_APP, application, text), length);
	return length;
}

uint32_t pcapng_interface(uint8_t *to, uint32_t room, const char *name, uint32_t snap) {
	static const uint8_t resolution = NANOSECONDS;
	uint32_t text = text_length(name);
	uint32_t length = BLOCK_EDGES + 8 + option_length(text) + option_length(1) + 4;

	if (length > room) return 0;
	to = put32(put32(to, INTERFACE), length);
	to = put32(put16(put16(to, ETHERNET), 0), snap);
	to = put_text(to, OPT_IF_NAME, name, text);
	put_end(put_option(to, OPT_IF_TSRES, &resolution, 1), length);
	return length;
}

/* The first `length` bytes of the pieces. */
static uint8_t *put_pieces(uint8_t *to, const struct pcapng_packet *packet, uint32_t length) {
	uint32_t left = length;

	for (uint32_t i = 0; i < packet->count && left; i++) {
		uint32_t here = packet->pieces[i].length;

		if (here > left) here = left;
		to = put(to, packet->pieces[i].at, here);
		left -= here;
	}
	return pad(to, length);
}

uint32_t pcapng_packet(uint8_t *to, uint32_t room, const struct pcapng_packet *packet) {
	uint32_t text = text_length(packet->comment), held = 0, kept = packet->kept, length;

	for (uint32_t i = 0; i < packet->count; i++) held += packet->pieces[i].length;
	if (kept > held) kept = held;
	if (kept > PCAPNG_SNAP_ALL) kept = PCAPNG_SNAP_ALL;
	length = BLOCK_EDGES + 20 + padded(kept) + option_length(4) + option_length(text) + 4;
	if (length > room) return 0;
	to = put32(put32(to, ENHANCED), length);
	to = put32(to, packet->interface);
	to = put32(put32(to, (uint32_t)(packet->time >> 32)), (uint32_t)packet->time);
	to = put32(put32(to, kept), packet->length);
	to = put_pieces(to, packet, kept);
	to = put_option(to, OPT_FLAGS, &packet->direction, 4);
	put_end(put_text(to, OPT_COMMENT, packet->comment, text), length);
	return length;
}
