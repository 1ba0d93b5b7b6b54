/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Partition tables from anywhere: a good one with changes. The first byte says
 * whether the checksums are made right, because otherwise nothing gets past them.
 */
#include <stdlib.h>
#include <string.h>

#include "servers/vbd/gpt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t header[512], table[GPT_TABLE_MAX];

static void put(uint8_t *at, uint32_t value) {
	for (unsigned i = 0; i < 4; i++) at[i] = (uint8_t)(value >> 8 * i);
}

/* A good table of two partitions, then changed where the input says, then sealed. */
static void make(const uint8_t *data, size_t size) {
	memset(header, 0, sizeof(header));
	memset(table, 0, sizeof(table));
	memcpy(header, "EFI PART\0\0\1\0\x5c", 13);
	header[24] = 1;
	header[40] = 34;
	header[49] = 8;
	header[72] = 2;
	header[80] = header[84] = 128;
	for (unsigned i = 0; i < 2; i++) {
		table[128 * i] = 1;
		table[128 * i + 32] = (uint8_t)(40 + 40 * i);
		table[128 * i + 40] = (uint8_t)(79 + 40 * i);
		table[128 * i + 56] = (uint8_t)('a' + i);
	}
	for (; size >= 4; data += 4, size -= 4) {
		size_t at = data[1] | data[2] << 8;

		if (data[0] & 1)
			header[16 + at % 76] = data[3];
		else
			table[data[0] & 2 ? at % 512 : at] = data[3];
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	struct gpt gpt = {.blocks = 4096, .block = 512};
	struct gpt_partition p;
	uint64_t bytes;

	if (!size) return 0;
	make(data + 1, size - 1);
	bytes = (uint64_t)(header[80] | header[81] << 8) * (header[84] | header[85] << 8);
	if (data[0] & 1) {
		put(header + 88, gpt_crc32(table, bytes < sizeof(table) ? (uint32_t)bytes : 0));
		put(header + 16, 0);
		put(header + 16, gpt_crc32(header, 92));
	}
	if (gpt_header(&gpt, header, 1)) return 0;
	if (gpt_table_size(&gpt) > sizeof(table) || gpt.last >= gpt.blocks) abort();
	if (gpt_entries(&gpt, table)) return 0;
	if (!gpt_find(&gpt, table, "a", &p) &&
	    (p.first < gpt.first || !p.count || p.first + p.count - 1 > gpt.last))
		abort();
	return 0;
}
