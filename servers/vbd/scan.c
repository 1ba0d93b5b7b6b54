/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads partition tables, for volumes that name partitions. One disk at a time,
 * one request at a time: the header, then the entries, in pieces that the disk
 * can do; if anything is wrong with them, the same of the backup at the disk's
 * end. The pages lie in the lifeboat, and in every driver's window.
 */
#include "vbd.h"

#include "gpt.h"
#include "libs/log/log.h"

#define TABLE_PAGES (GPT_TABLE_MAX / PAGE_SIZE)

uint8_t (*scan_buffer)[PAGE_SIZE];
uint32_t scan_ref;

enum scan_step { SCAN_IDLE, SCAN_HEADER, SCAN_TABLE };

static struct {
	struct driver *driver; /* NULL: nothing is being read */
	uint32_t disk;
	enum scan_step step;
	bool backup;
	uint32_t done;  /* bytes of the table */
	uint64_t block; /* the request under way, or to be made when there is room */
	uint32_t page, size;
	bool waiting;        /* for room at the driver */
	const char *primary; /* what was wrong with it */
	struct gpt gpt;
} scan;

static const struct vbd_extent *extents(void) {
	return (const void *)((const uint8_t *)vbd.config + vbd.config->extents);
}

static bool belongs(const struct vbd_extent *e, const struct driver *driver, uint32_t disk) {
	return e->partition && e->disk == disk &&
	       !strcmp(config_string(e->driver), driver->connection->peer);
}

static bool wanted(const struct driver *driver, uint32_t disk) {
	for (uint32_t i = 0; i < vbd.config->extent_count; i++)
		if (belongs(&extents()[i], driver, disk)) return true;
	return false;
}

static void next_disk(void);

/* Everybody who waits for a partition of this disk learns about it. */
static void tell(const char *failure) {
	for (uint32_t i = 0; i < vbd.config->extent_count; i++) {
		const struct vbd_extent *e = &extents()[i];
		uint32_t blocks = scan.gpt.block / BLK_SECTOR;
		struct gpt_partition p = {0};
		const char *why = failure;

		if (!belongs(e, scan.driver, scan.disk)) continue;
		if (!why)
			why = gpt_find(&scan.gpt, scan_buffer[1], config_string(e->partition), &p);
		volume_partition(i, p.first * blocks, p.count * blocks, why);
	}
}

static void finish_disk(const char *failure) {
	tell(failure);
	scan.step = SCAN_IDLE;
	scan.disk++;
	next_disk();
}

static void put_request(void) {
	struct driver *driver = scan.driver;
	struct blk_segment segments[TABLE_PAGES];
	struct blk_request request = {
		.op = BLK_OP_READ,
		.disk = (uint8_t)scan.disk,
		.segments = (uint16_t)DIV_UP(scan.size, PAGE_SIZE),
		.sector = scan.block * (scan.gpt.block / BLK_SECTOR),
		.count = scan.size / BLK_SECTOR,
	};
	int tag;

	for (uint32_t i = 0; i < request.segments; i++)
		segments[i] = (struct blk_segment){
			.address = driver->dma.own_address[scan.page + i],
			.length = (uint32_t)MIN(scan.size - i * PAGE_SIZE, PAGE_SIZE),
		};
	tag = blk_server_submit(&driver->blk, &request, segments);
	if (tag < 0) return;
	scan.waiting = false;
	driver->job_of_tag[tag] = SCAN_TAG;
	driver->submitted = true;
}

void scan_retry(void) {
	if (scan.driver && scan.waiting) put_request();
}

/* Reads `size` bytes from a block on to page `page` of the buffer and those behind it. */
static void read(uint64_t block, uint32_t page, uint32_t size) {
	scan.block = block;
	scan.page = page;
	scan.size = size;
	scan.waiting = true;
	scan_retry();
}

static void read_header(bool backup) {
	scan.step = SCAN_HEADER;
	scan.backup = backup;
	scan.done = 0;
	read(backup ? scan.gpt.blocks - 1 : 1, 0, scan.gpt.block);
}

/* The next piece of the entries, in whole blocks. */
static void read_table(void) {
	const struct blk_disk *disk = &scan.driver->blk.disk[scan.disk];
	uint32_t size = (uint32_t)ROUND_UP(gpt_table_size(&scan.gpt), scan.gpt.block) - scan.done;

	size = (uint32_t)MIN(size, MIN(disk->max_segments, disk->max_sectors / 8) * PAGE_SIZE);
	scan.step = SCAN_TABLE;
	read(scan.gpt.table + scan.done / scan.gpt.block, 1 + scan.done / PAGE_SIZE, size);
}

static void wrong(const char *why) {
	if (scan.backup) {
		/* What is wrong with the first one says more. */
		finish_disk(scan.primary);
		return;
	}
	scan.primary = why;
	read_header(true);
}

static void table_is_there(void) {
	const char *why = gpt_entries(&scan.gpt, scan_buffer[1]);

	if (why) {
		wrong(why);
		return;
	}
	if (scan.backup)
		log_print("%s/%u: %s; its backup is used", scan.driver->connection->peer, scan.disk,
			  scan.primary);
	finish_disk(NULL);
}

void scan_done(uint32_t status) {
	const char *why = NULL;

	if (status != BLK_STATUS_OK) {
		wrong("its partition table can't be read");
		return;
	}
	if (scan.step == SCAN_HEADER) {
		why = gpt_header(&scan.gpt, scan_buffer[0], scan.backup ? scan.gpt.blocks - 1 : 1);
		if (why)
			wrong(why);
		else
			read_table();
		return;
	}
	scan.done += scan.size;
	if (scan.done < gpt_table_size(&scan.gpt))
		read_table();
	else
		table_is_there();
}

static void next_driver(void) {
	for (uint32_t i = 0; i < vbd.driver_count; i++) {
		struct driver *driver = &vbd.driver[i];

		if (driver->ready || !blk_server_is_up(&driver->blk)) continue;
		scan_begin(driver);
		return;
	}
}

/* NULL: its table is being read; else why there can't be one. */
static const char *begin_disk(void) {
	const struct blk_disk *disk = &scan.driver->blk.disk[scan.disk];

	if (!(disk->flags & BLK_DISK_PRESENT)) return "the driver has no such disk";
	scan.gpt.block = disk->block;
	scan.gpt.blocks = disk->sectors / (disk->block / BLK_SECTOR);
	if (scan.gpt.blocks < 3) return "the disk is too small for a partition table";
	read_header(false);
	return NULL;
}

static void next_disk(void) {
	for (; scan.disk < BLK_MAX_DISKS; scan.disk++) {
		const char *why;

		if (!wanted(scan.driver, scan.disk)) continue;
		why = begin_disk();
		if (!why) return;
		tell(why);
	}
	scan.driver->ready = true;
	scan.driver = NULL;
	volume_settle();
	backend_settle();
	next_driver();
}

void scan_begin(struct driver *driver) {
	if (scan.driver) return;
	scan.driver = driver;
	scan.disk = 0;
	scan.waiting = false;
	next_disk();
}

void scan_abort(struct driver *driver) {
	if (scan.driver != driver) return;
	scan.driver = NULL;
	scan.step = SCAN_IDLE;
	next_driver();
}
