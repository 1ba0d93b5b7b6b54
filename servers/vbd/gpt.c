/* SPDX-License-Identifier: BSD-2-Clause */
/* See gpt.h. Numbers on the disk are little-endian and may lie anywhere: they are read bytewise. */
#include "gpt.h"

#define HEADER_SIZE_MIN 92U
#define ENTRY_NAME      56U
#define ENTRY_SIZE_MIN  128U

static uint64_t number(const uint8_t *at, unsigned bytes) {
	uint64_t value = 0;

	while (bytes--) value = value << 8 | at[bytes];
	return value;
}

/* Four bits at a time: a table that fits a cache line, and fast enough for some KiB. */
static uint32_t crc_step(uint32_t crc, uint8_t byte) {
	static const uint32_t table[16] = {
		0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
		0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
		0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
	};

	crc ^= byte;
	crc = crc >> 4 ^ table[crc & 15];
	return crc >> 4 ^ table[crc & 15];
}

uint32_t gpt_crc32(const void *data, uint32_t size) {
	const uint8_t *at = data;
	uint32_t crc = ~0U;

	while (size--) crc = crc_step(crc, *at++);
	return ~crc;
}

/* The header's own checksum is made with its field as zero. */
static uint32_t header_crc32(const uint8_t *header, uint32_t size) {
	uint32_t crc = ~0U;

	for (uint32_t i = 0; i < size; i++) crc = crc_step(crc, i >= 16 && i < 20 ? 0 : header[i]);
	return ~crc;
}

const char *gpt_header(struct gpt *gpt, const void *block, uint64_t where) {
	static const char signature[8] = {'E', 'F', 'I', ' ', 'P', 'A', 'R', 'T'};
	const uint8_t *h = block;
	uint64_t size, entries, entry_size, table_blocks;

	for (unsigned i = 0; i < 8; i++)
		if (h[i] != (uint8_t)signature[i]) return "no partition table";
	size = number(h + 12, 4);
	if (number(h + 8, 4) >> 16 != 1 || size < HEADER_SIZE_MIN || size > gpt->block)
		return "a partition table of a version that is not known";
	if (number(h + 16, 4) != header_crc32(h, (uint32_t)size))
		return "the partition table's header has a wrong checksum";
	if (number(h + 24, 8) != where) return "the partition table's header is of another place";

	gpt->first = number(h + 40, 8);
	gpt->last = number(h + 48, 8);
	gpt->table = number(h + 72, 8);
	entries = number(h + 80, 4);
	entry_size = number(h + 84, 4);
	gpt->crc32 = (uint32_t)number(h + 88, 4);
	if (entry_size < ENTRY_SIZE_MIN || entry_size & (entry_size - 1) || !entries ||
	    entry_size > GPT_TABLE_MAX || entries > GPT_TABLE_MAX / entry_size)
		return "the partition table is of a size that makes no sense";
	if (gpt->first > gpt->last || gpt->last >= gpt->blocks)
		return "the partition table is for a larger disk";
	gpt->entries = (uint32_t)entries;
	gpt->entry_size = (uint32_t)entry_size;
	table_blocks = (gpt_table_size(gpt) + gpt->block - 1) / gpt->block;
	if (gpt->table >= gpt->blocks || table_blocks > gpt->blocks - gpt->table)
		return "the partition table lies beyond the disk";
	return 0;
}

struct entry {
	bool used;
	uint64_t first, last;
	const uint8_t *name;
};

static struct entry entry(const struct gpt *gpt, const void *table, uint32_t n) {
	const uint8_t *e = (const uint8_t *)table + (uint64_t)n * gpt->entry_size;
	struct entry entry = {
		.first = number(e + 32, 8),
		.last = number(e + 40, 8),
		.name = e + ENTRY_NAME,
	};

	/* The type GUID is zero in an entry that is not used. */
	entry.used = number(e, 8) || number(e + 8, 8);
	return entry;
}

const char *gpt_entries(const struct gpt *gpt, const void *table) {
	if (gpt_crc32(table, gpt_table_size(gpt)) != gpt->crc32)
		return "the partition table's entries have a wrong checksum";
	for (uint32_t i = 0; i < gpt->entries; i++) {
		struct entry a = entry(gpt, table, i);

		if (!a.used) continue;
		if (a.first < gpt->first || a.last > gpt->last || a.first > a.last)
			return "a partition lies beyond the usable blocks";
		for (uint32_t j = 0; j < i; j++) {
			struct entry b = entry(gpt, table, j);

			if (b.used && a.first <= b.last && b.first <= a.last)
				return "two partitions overlap";
		}
	}
	return 0;
}

static bool same_name(const uint8_t *utf16, const char *name) {
	for (unsigned i = 0; i < GPT_NAME - 1; i++) {
		uint64_t letter = number(utf16 + (uint64_t)i * 2, 2);

		if (letter != (uint8_t)name[i] || letter > 0x7f) return false;
		if (!letter) return true;
	}
	return !name[GPT_NAME - 1];
}

const char *gpt_find(const struct gpt *gpt, const void *table, const char *name,
		     struct gpt_partition *partition) {
	bool found = false;

	for (uint32_t i = 0; i < gpt->entries; i++) {
		struct entry e = entry(gpt, table, i);

		if (!e.used || !same_name(e.name, name)) continue;
		if (found) return "two partitions have this name";
		found = true;
		partition->first = e.first;
		partition->count = e.last - e.first + 1;
	}
	return found ? 0 : "no partition has this name";
}
