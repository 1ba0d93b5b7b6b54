/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Frames on a line of bytes that may lose, repeat or invent some: how the control
 * domain and the host speak (docs/reference/control-protocol.md). One frame is one
 * line of text, so that it can be written with printf and read with cut:
 *
 *     TC1 LLLLLLLL CCCCCCCC payload\n
 *
 * L: bytes of the payload, C: their CRC-32 (libs/crc32), each 8 hexadecimal digits.
 * The payload has no newline in it, so a newline is where a reader that has lost
 * its way finds it again: whatever happens, the frame behind the next one is read.
 */
#ifndef LIBS_FRAME_FRAME_H
#define LIBS_FRAME_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FRAME_HEADER  22U
#define FRAME_PAYLOAD 65536U              /* most bytes of a payload */
#define FRAME_EXTRA   (FRAME_HEADER + 1U) /* bytes of a frame that are not payload */

struct frame_reader {
	uint8_t *payload; /* the caller's: room for `size` and a NUL behind it */
	uint32_t size;
	uint32_t got;    /* bytes of the header, or of the payload */
	uint32_t length; /* of the payload, when the header is known */
	uint32_t crc;
	uint8_t state;
	char header[FRAME_HEADER];

	/* lines that were no frames, by reason; an empty line is nothing */
	uint32_t frames, garbage, too_long, truncated, bad_crc;
	uint64_t dropped; /* bytes of those lines */
};

void frame_reader_init(struct frame_reader *reader, void *payload, uint32_t size);
/*
 * Takes bytes up to the end of a frame; how many. *ready: payload[0 .. length) is
 * complete and checked, a NUL is behind it, and both stay until the next call.
 */
uint32_t frame_read(struct frame_reader *reader, const void *bytes, uint32_t count, bool *ready);
/* How many lines were dropped. */
uint32_t frame_refused(const struct frame_reader *reader);

/* Writes the header of this payload to `to`; payload and newline are the caller's to add. */
void frame_header(char to[FRAME_HEADER], const void *payload, uint32_t length);

#endif
