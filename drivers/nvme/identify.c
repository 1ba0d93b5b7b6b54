/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Identify data (Base Specification 5.15, NVM Command Set 4.1). It is the device's
 * word: each number is brought into the bounds of what the driver can do, and a
 * namespace whose numbers make no sense is left out.
 */
#include "nvme.h"

#define DISCARD_MAX (1U << 26) /* sectors of one request: 32 GiB */

static uint64_t number(const uint8_t *data, uint32_t at, uint32_t bytes) {
	uint64_t value = 0;

	memcpy(&value, data + at, bytes);
	return value;
}

/* Copies a padded text and makes it printable. */
static void text(char *to, uint32_t size, const uint8_t *from, uint32_t length) {
	uint32_t n = MIN(length, size - 1);

	while (n && (from[n - 1] == ' ' || from[n - 1] == '\0')) n--;
	for (uint32_t i = 0; i < n; i++)
		to[i] = from[i] > ' ' && from[i] < 0x7f ? (char)from[i] : '_';
	to[n] = '\0';
}

bool nvme_parse_controller(struct nvme *nvme, const uint8_t data[PAGE_SIZE]) {
	uint8_t limit = data[77]; /* MDTS: a power of two pages, 0: none */

	/* Entries of 64 and 16 bytes: SQES, CQES, smallest in the low half. */
	if ((data[512] & 0xf) > 6 || data[512] >> 4 < 6 || (data[513] & 0xf) > 4 ||
	    data[513] >> 4 < 4)
		return false;
	nvme->max_bytes = NVME_PRPS * PAGE_SIZE;
	if (limit && limit < 8) nvme->max_bytes = (uint32_t)PAGE_SIZE << limit;
	nvme->optional = (uint16_t)number(data, 520, 2);
	nvme->cache = data[525] & 1;
	nvme->sgl = data[536] & 3;
	text(nvme->serial, sizeof(nvme->serial), data + 4, 20);
	return true;
}

uint32_t nvme_parse_list(const uint8_t data[PAGE_SIZE], uint32_t list[BLK_MAX_DISKS]) {
	uint32_t count = 0;

	for (uint32_t at = 0; at < PAGE_SIZE && count < BLK_MAX_DISKS; at += 4) {
		uint32_t id = (uint32_t)number(data, at, 4);

		/* Ascending, ended by 0. */
		if (!id || (count && id <= list[count - 1])) break;
		list[count++] = id;
	}
	return count;
}

bool nvme_parse_namespace(const struct nvme *nvme, uint32_t id, const uint8_t data[PAGE_SIZE],
			  struct nvme_namespace *space, const char **why) {
	uint64_t blocks = number(data, 0, 8);
	uint32_t index = data[26] & 0xfU, format, shift, physical;
	bool preferred = data[24] & 1U << 4; /* NPWG and its like are valid */

	if (data[25] >= 16) index |= (uint32_t)(data[26] >> 5 & 3) << 4;
	if (index > data[25] || index > 63) return *why = "a format that it does not have", false;
	format = (uint32_t)number(data, 128 + 4 * index, 4);
	shift = format >> 16 & 0xff;
	if (format & 0xffff) return *why = "metadata in each block", false;
	if (data[29] & 7) return *why = "protection information", false;
	if (shift != 9 && shift != 12) return *why = "blocks of neither 512 nor 4096 bytes", false;
	if (!blocks || blocks > UINT64_MAX / 2 >> shift) return *why = "an impossible size", false;

	physical = preferred ? (uint32_t)number(data, 64, 2) + 1 : 1;
	*space = (struct nvme_namespace){
		.id = id,
		.block_shift = (uint8_t)shift,
		.disk =
			{
				.sectors = blocks << (shift - 9),
				.block = 1U << shift,
				.physical_block = physical <= 128 ? physical << shift : 1U << shift,
				.flags = BLK_DISK_PRESENT | BLK_DISK_FUA,
				.max_segments = BLK_MAX_SEGMENTS,
				.max_sectors = NVME_PRPS * PAGE_SIZE / BLK_SECTOR,
				.discard_granularity = 1U << shift,
				.queues = nvme->queue_count,
			},
	};
	if (space->disk.physical_block & (space->disk.physical_block - 1))
		space->disk.physical_block = space->disk.block;
	if (nvme->cache) space->disk.flags |= BLK_DISK_FLUSH;
	if (data[99] & 1) space->disk.flags |= BLK_DISK_READONLY;
	if (nvme->optional & 1U << 2) space->disk.flags |= BLK_DISK_DISCARD;
	if (nvme->optional & 1U << 3) space->disk.flags |= BLK_DISK_WRITE_ZEROES;
	if (nvme->optional & (1U << 2 | 1U << 3)) space->disk.max_discard = DISCARD_MAX;
	rt_strcopy(space->disk.name, nvme->serial, sizeof(space->disk.name));
	return true;
}
