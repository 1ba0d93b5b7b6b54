/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The reader of frames. The input's first byte is the size of the pieces in which the
 * rest arrives; the same bytes in one piece must give the same frames, and a good
 * frame behind a newline is read whatever was before it.
 */
#include <stdlib.h>
#include <string.h>

#include "libs/frame/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SIZE 256U

static uint32_t feed(struct frame_reader *reader, const uint8_t *data, size_t size,
		     uint32_t piece) {
	uint32_t sum = 0;

	while (size) {
		bool ready;
		uint32_t count = size < piece ? (uint32_t)size : piece;
		uint32_t taken = frame_read(reader, data, count, &ready);

		if (!taken || taken > count) abort();
		data += taken;
		size -= taken;
		if (!ready) continue;
		if (reader->length > SIZE || reader->payload[reader->length]) abort();
		for (uint32_t i = 0; i < reader->length; i++)
			sum = sum * 31 + reader->payload[i] + 1;
	}
	return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	static const char good[] = "the good one";
	char line[64] = "\n";
	struct frame_reader whole, pieces;
	uint8_t *one = malloc(SIZE + 1), *two = malloc(SIZE + 1);
	uint32_t frames;

	if (!size) return free(one), free(two), 0;
	if (!one || !two) abort();
	frame_reader_init(&whole, one, SIZE);
	frame_reader_init(&pieces, two, SIZE);
	if (feed(&whole, data + 1, size - 1, UINT32_MAX) !=
		    feed(&pieces, data + 1, size - 1, data[0] % 40 + 1U) ||
	    whole.frames != pieces.frames || frame_refused(&whole) != frame_refused(&pieces) ||
	    whole.dropped != pieces.dropped)
		abort();
	feed(&whole, (const uint8_t *)"\n", 1, 1);
	frames = whole.frames;
	frame_header(line + 1, good, sizeof(good) - 1);
	strcpy(line + 1 + FRAME_HEADER, good);
	strcat(line, "\n");
	feed(&whole, (const uint8_t *)line, strlen(line), UINT32_MAX);
	if (whole.frames != frames + 1) abort();
	free(one);
	free(two);
	return 0;
}
