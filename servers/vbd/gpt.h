/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A GUID partition table, as far as finding partitions by name needs it (UEFI
 * specification 2.10, section 5.3). Reading is the caller's: this file is given
 * blocks and says which to read next. Nothing on the disk is believed: sizes are
 * bounded, both checksums must be right, an entry beyond the usable blocks or
 * two that overlap make the whole table unusable.
 */
#ifndef SERVERS_VBD_GPT_H
#define SERVERS_VBD_GPT_H

#include <stdbool.h>
#include <stdint.h>

#define GPT_TABLE_MAX 65536U /* bytes of all entries */
#define GPT_NAME      37U    /* letters of a name, and a NUL */

struct gpt {
	uint64_t blocks;              /* of the disk */
	uint32_t block;               /* bytes */
	uint64_t first, last;         /* usable blocks, both included */
	uint64_t table;               /* block where the entries begin */
	uint32_t entries, entry_size; /* their product is at most GPT_TABLE_MAX */
	uint32_t crc32;               /* of the entries */
};

/* The block `where` of the disk, of gpt->block bytes. NULL: a header; else why not. */
const char *gpt_header(struct gpt *gpt, const void *block, uint64_t where);
/* Bytes to be read from block gpt->table on. */
static inline uint32_t gpt_table_size(const struct gpt *gpt) {
	return gpt->entries * gpt->entry_size;
}
/* All entries. NULL: they may be used. */
const char *gpt_entries(const struct gpt *gpt, const void *table);

struct gpt_partition {
	uint64_t first, count; /* blocks */
};
/*
 * The partition of this name (letters beyond ASCII never match). NULL: found;
 * else why not. The table has passed gpt_entries().
 */
const char *gpt_find(const struct gpt *gpt, const void *table, const char *name,
		     struct gpt_partition *partition);

/* IEEE CRC-32, as in zlib. */
uint32_t gpt_crc32(const void *data, uint32_t size);

#endif
