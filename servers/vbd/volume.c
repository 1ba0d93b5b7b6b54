/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Volumes: extents of physical disks, one after the other. Sizes are known when
 * the drivers have said what they have, and partitions when their tables are
 * read; a volume is ready when all of that has happened, and stays ready while
 * drivers come and go. One that can't be used has a reason, in words; the disks
 * made of it fail, and no others.
 */
#include "vbd.h"

#include "libs/log/log.h"

static void fail(struct volume *volume, const char *why) {
	if (volume->failure) return;
	volume->failure = why;
	log_print("volume %s (line %u of the description): %s", volume->name, volume->line, why);
}

void volume_partition(uint32_t extent, uint64_t first, uint64_t count, const char *failure) {
	const struct vbd_volume *volumes =
		(const void *)((const uint8_t *)vbd.config + vbd.config->volumes);

	for (uint32_t i = 0; i < vbd.volume_count; i++) {
		uint32_t n = extent - volumes[i].first_extent;

		if (n >= vbd.volume[i].extent_count || vbd.volume[i].ready) continue;
		if (failure) fail(&vbd.volume[i], failure);
		vbd.volume[i].extent[n].first = first;
		vbd.volume[i].extent[n].count = count;
	}
}

static const char *settle_extent(struct extent *e, const struct blk_disk *disk) {
	uint32_t blocks = disk->block / BLK_SECTOR;

	if (!(disk->flags & BLK_DISK_PRESENT)) return "the driver has no such disk";
	if (e->first > disk->sectors) return "it begins beyond the end of the disk";
	if (!e->count) e->count = disk->sectors - e->first;
	if (!e->count) return "it has no sectors";
	if (e->count > disk->sectors - e->first) return "the disk is too small for it";
	if ((e->first | e->count) & (blocks - 1)) return "it is not in whole blocks of the disk";
	return NULL;
}

static bool same_sectors(const struct extent *a, const struct extent *b) {
	return a->disk == b->disk && a->first < b->first + b->count &&
	       b->first < a->first + a->count;
}

static bool overlaps_itself(const struct volume *volume) {
	for (uint32_t i = 0; i < volume->extent_count; i++)
		for (uint32_t j = 0; j < i; j++)
			if (same_sectors(&volume->extent[i], &volume->extent[j])) return true;
	return false;
}

static void settle(struct volume *volume) {
	uint32_t block = BLK_SECTOR, physical = BLK_SECTOR;
	uint64_t sectors = 0;

	for (uint32_t i = 0; i < volume->extent_count; i++)
		if (!disk_driver(volume->extent[i].disk)->ready) return;
	for (uint32_t i = 0; i < volume->extent_count; i++) {
		struct extent *e = &volume->extent[i];
		const struct blk_disk *disk = disk_info(e->disk);
		const char *failure = settle_extent(e, disk);

		if (failure || sectors > UINT64_MAX - e->count) {
			fail(volume, failure ? failure : "it is too large");
			return;
		}
		sectors += e->count;
		block = MAX(block, disk->block);
		physical = MAX(physical, disk->physical_block);
	}
	/* A request of whole blocks must stay in whole blocks of every disk. */
	for (uint32_t i = 0; i < volume->extent_count; i++)
		if (volume->extent[i].count & (block / BLK_SECTOR - 1)) {
			fail(volume, "its extents are not in whole blocks of the largest");
			return;
		}
	if (overlaps_itself(volume)) {
		fail(volume, "two of its extents overlap");
		return;
	}
	volume->sectors = sectors;
	volume->block = block;
	volume->physical_block = MAX(physical, block);
	volume->ready = true;
}

void volume_settle(void) {
	for (uint32_t i = 0; i < vbd.volume_count; i++)
		if (!vbd.volume[i].ready && !vbd.volume[i].failure) settle(&vbd.volume[i]);
}

static bool overlap(const struct volume *a, const struct volume *b) {
	for (uint32_t i = 0; i < a->extent_count; i++)
		for (uint32_t j = 0; j < b->extent_count; j++)
			if (same_sectors(&a->extent[i], &b->extent[j])) return true;
	return false;
}

bool volume_is_stuck(const struct volume *volume) {
	for (uint32_t i = 0; i < volume->extent_count; i++) {
		const struct driver *driver = disk_driver(volume->extent[i].disk);

		if (!driver->ready && driver->given_up) return true;
	}
	return false;
}

/* It has the sectors: by what the description says first, or because it came first. */
static bool is_there(const struct device *d, const struct device *than) {
	if (d->end.plug.out && !d->end.plug.leaving) return false;
	return d < than || (d->end.state >= BACKEND_ASKING && d->end.state < BACKEND_FAILED);
}

const char *volume_conflict(const struct device *device) {
	for (uint32_t i = 0; i < vbd.device_count; i++) {
		const struct device *d = &vbd.device[i];

		if (d == device || !is_there(d, device) || !d->volume->ready ||
		    (d->readonly && device->readonly) || (d->shared && device->shared) ||
		    !overlap(d->volume, device->volume))
			continue;
		return d->end.name;
	}
	return NULL;
}

uint16_t volume_map(const struct volume *volume, uint64_t *sector, uint64_t *left) {
	uint16_t n = 0;

	while (*sector >= volume->extent[n].count) {
		*sector -= volume->extent[n].count;
		n++;
		rt_assert(n < volume->extent_count, "requests are within the volume");
	}
	*left = volume->extent[n].count - *sector;
	*sector += volume->extent[n].first;
	return n;
}
