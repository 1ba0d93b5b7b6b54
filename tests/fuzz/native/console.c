/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The console multiplexer among liars: two guests, the driver, and what a
 * predecessor left in the serial page, all from the input. What the driver gets
 * of a guest without the focus holds no control characters but line ends.
 */
#include <stdlib.h>
#include <string.h>

#include "servers/console/mux.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct serial_page page;
static struct xencons_interface guest[2];
static struct mux mux;

static void start(void) {
	memset(&mux, 0, sizeof(mux));
	mux_init(&mux, &page);
	mux.key = 1;
	memcpy(mux.source[1].name, "one", 4);
	memcpy(mux.source[2].name, "two", 4);
	mux_attach(&mux, 1, &guest[0], 0);
	mux_attach(&mux, 2, &guest[1], 0);
	mux_start(&mux);
}

static void poke(void *at, size_t limit, uint16_t offset, uint8_t value) {
	((uint8_t *)at)[offset % limit] = value;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	memset(&page, 0, sizeof(page));
	memset(guest, 0, sizeof(guest));
	start();
	for (size_t i = 0; i + 4 <= size; i += 4) {
		uint16_t offset = (uint16_t)(data[i + 1] | data[i + 2] << 8);

		switch (data[i] % 8) {
		case 0: poke(&page, sizeof(page), offset, data[i + 3]); break;
		case 1: poke(&guest[0], sizeof(guest[0]), offset, data[i + 3]); break;
		case 2: poke(&guest[1], sizeof(guest[1]), offset, data[i + 3]); break;
		case 3: mux_output(&mux, offset * 100000000ULL); break;
		case 4: mux_input(&mux); break;
		case 5: start(); break;
		case 6: mux_detach(&mux, 1 + offset % 2); break;
		default: guest[data[i + 3] % 2].out_prod += offset % 64; break;
		}
		if (mux.own_length > MUX_OWN_SIZE || mux.command_length >= sizeof(mux.command))
			abort();
	}
	return 0;
}
