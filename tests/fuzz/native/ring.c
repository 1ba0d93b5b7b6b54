/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Both ends of a native ring, whose peer is the input: it writes any index into
 * the shared page between any two calls. Copies stay within the ring and within
 * what was asked for.
 */
#include <stdlib.h>
#include <string.h>

#include "libs/ring/ring.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SIZE 16U

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	struct ring_header *header = calloc(1, sizeof(*header));
	uint8_t *shared = malloc(SIZE * 4), *buffer = malloc(SIZE * 4);
	struct ring producer, consumer;

	if (!header || !shared || !buffer) abort();
	memset(shared, 0, SIZE * 4);
	memset(buffer, 0, SIZE * 4);
	ring_attach_producer(&producer, header, shared, SIZE, 4);
	ring_attach_consumer(&consumer, header, shared, SIZE, 4);
	for (size_t i = 0; i + 5 <= size; i += 5) {
		uint32_t value;

		memcpy(&value, data + i + 1, sizeof(value));
		switch (data[i] % 12) {
		case 0: header->prod = value; break;
		case 1: header->cons = value; break;
		case 2: header->prod_event = header->cons_event = value; break;
		case 3:
			if (ring_put(&producer, buffer, value % (SIZE + 1)) > SIZE) abort();
			break;
		case 4: ring_publish(&producer); break;
		case 5:
			if (ring_get(&consumer, buffer, value % (SIZE + 1)) > SIZE) abort();
			break;
		case 6: ring_release(&consumer); break;
		case 7: ring_peek(&consumer, value, buffer, value % (SIZE + 1)); break;
		case 8: ring_want_space(&producer, value % (SIZE + 1)); break;
		case 9: ring_want_data(&consumer); break;
		case 10: ring_attach_producer(&producer, header, shared, SIZE, 4); break;
		default: ring_attach_consumer(&consumer, header, shared, SIZE, 4); break;
		}
		if (ring_space(&producer) > SIZE || ring_available(&consumer) > SIZE) abort();
	}
	free(header);
	free(shared);
	free(buffer);
	return 0;
}
