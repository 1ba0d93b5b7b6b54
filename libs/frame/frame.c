/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The reader is a machine of three states. A newline ends whatever it is in, so no
 * mistake outlives the line that it is made in; a line that is no frame costs no
 * memory, however long it is.
 */
#include "libs/frame/frame.h"

#include "libs/crc32/crc32.h"
#include "libs/rt/rt.h"

enum { HEADER, PAYLOAD, DROP };

#define LENGTH_AT 4U
#define CRC_AT    13U

void frame_reader_init(struct frame_reader *reader, void *payload, uint32_t size) {
	*reader = (struct frame_reader){.payload = payload, .size = size};
}

static int digit(char c) {
	if (c >= '0' && c <= '9') return c - '0';
	if (c >= 'a' && c <= 'f') return c - 'a' + 10;
	if (c >= 'A' && c <= 'F') return c - 'A' + 10;
	return -1;
}

/* Eight hexadecimal digits and the space behind them. */
static bool read_word(const char *from, uint32_t *value) {
	*value = 0;
	for (uint32_t i = 0; i < 8; i++) {
		int d = digit(from[i]);

		if (d < 0) return false;
		*value = *value << 4 | (uint32_t)d;
	}
	return from[8] == ' ';
}

static void begin_line(struct frame_reader *reader) {
	reader->state = HEADER;
	reader->got = 0;
}

static void refuse(struct frame_reader *reader, uint32_t *reason) {
	(*reason)++;
	reader->state = DROP;
}

static void end_header(struct frame_reader *reader) {
	reader->got = 0;
	reader->state = PAYLOAD;
	if (memcmp(reader->header, "TC1 ", 4) ||
	    !read_word(reader->header + LENGTH_AT, &reader->length) ||
	    !read_word(reader->header + CRC_AT, &reader->crc))
		refuse(reader, &reader->garbage);
	else if (reader->length > reader->size)
		refuse(reader, &reader->too_long);
	if (reader->state == DROP) reader->dropped += FRAME_HEADER;
}

/* The end of a line; true: it was a frame. */
static bool end_line(struct frame_reader *reader) {
	uint8_t state = reader->state;
	uint32_t got = reader->got;

	begin_line(reader);
	if (state == DROP || (state == HEADER && !got)) return false;
	if (state == HEADER) {
		reader->garbage++;
	} else if (got < reader->length) {
		reader->truncated++;
	} else if (crc32(reader->payload, reader->length) != reader->crc) {
		reader->bad_crc++;
	} else {
		reader->payload[reader->length] = '\0';
		reader->frames++;
		return true;
	}
	reader->dropped += got + (state == PAYLOAD ? FRAME_HEADER : 0);
	return false;
}

/* A payload's bytes, as many as there are before a newline; how many were taken. */
static uint32_t take_payload(struct frame_reader *reader, const uint8_t *from, uint32_t count) {
	uint32_t n = 0;

	for (; n < count && from[n] != '\n'; n++) {
		if (reader->got == reader->length) {
			reader->dropped += FRAME_HEADER + reader->got;
			refuse(reader, &reader->too_long);
			break;
		}
		reader->payload[reader->got++] = from[n];
	}
	return n;
}

uint32_t frame_read(struct frame_reader *reader, const void *bytes, uint32_t count, bool *ready) {
	const uint8_t *from = bytes;
	uint32_t n = 0;

	*ready = false;
	while (n < count && !*ready) {
		if (from[n] == '\n') {
			*ready = end_line(reader);
			n++;
		} else if (reader->state == DROP) {
			reader->dropped++;
			n++;
		} else if (reader->state == HEADER) {
			reader->header[reader->got++] = (char)from[n++];
			if (reader->got == FRAME_HEADER) end_header(reader);
		} else {
			n += take_payload(reader, from + n, count - n);
		}
	}
	return n;
}

uint32_t frame_refused(const struct frame_reader *reader) {
	return reader->garbage + reader->too_long + reader->truncated + reader->bad_crc;
}

static void write_word(char *to, uint32_t value) {
	for (int i = 7; i >= 0; i--, value >>= 4) to[i] = "0123456789abcdef"[value & 15];
	to[8] = ' ';
}

void frame_header(char to[FRAME_HEADER], const void *payload, uint32_t length) {
	memcpy(to, "TC1 ", 4);
	write_word(to + LENGTH_AT, length);
	write_word(to + CRC_AT, crc32(payload, length));
}
