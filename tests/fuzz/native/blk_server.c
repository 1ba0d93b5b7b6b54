/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The server's end of a disk connection, whose driver is the input: it writes
 * anything anywhere into the shared pages between any two events. A tag is
 * answered only while it is outstanding, and only once; what is learnt of disks
 * can be relied on.
 */
#include <stdlib.h>
#include <string.h>

#include "libs/blk/server.h"
#include "tests/unit/native/blk_events.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct blk_server server;
static bool asked[BLK_TAGS];
static uint32_t count;
static bool up;

static void must(bool condition) {
	if (!condition) abort();
}

static void on_up(void *context) {
	(void)context;
	must(!up && !count && server.disk_count <= BLK_MAX_DISKS);
	up = true;
	for (uint32_t i = 0; i < server.disk_count; i++) {
		const struct blk_disk *disk = &server.disk[i];

		if (!(disk->flags & BLK_DISK_PRESENT)) continue;
		must(disk->block == 512 || disk->block == 4096);
		must(disk->sectors && disk->sectors % (disk->block / 512) == 0);
		must(disk->max_segments && disk->max_segments <= BLK_MAX_SEGMENTS);
		must(disk->max_sectors >= 8 && disk->max_sectors <= 8 * BLK_MAX_SEGMENTS);
		must(strlen(disk->name) < sizeof(disk->name));
	}
}

static void on_down(void *context) {
	(void)context;
	must(up);
	up = false;
	count = 0;
	memset(asked, 0, sizeof(asked));
}

static void submit(uint32_t segments) {
	static const struct blk_segment none[BLK_MAX_SEGMENTS];
	struct blk_request request = {.op = segments ? BLK_OP_READ : BLK_OP_FLUSH,
				      .segments = (uint16_t)segments};
	int tag = blk_server_submit(&server, &request, none);

	must(up || tag == -XEN_ENOTCONN);
	if (tag < 0) return;
	must(tag < (int)BLK_TAGS && !asked[tag]);
	asked[tag] = true;
	count++;
}

static void on_done(void *context, uint16_t tag, uint32_t status, uint32_t device_status) {
	(void)context;
	must(up && tag < BLK_TAGS && asked[tag] && status <= BLK_STATUS_READONLY);
	asked[tag] = false;
	count--;
	if (device_status % 4 == 0) submit(device_status % 7);
}

static void on_room(void *context) {
	(void)context;
	must(up);
	submit(1);
}

static const struct blk_server_ops ops = {on_up, on_down, on_done, on_room};

/* An honest completion, or nearly. */
static void complete(const uint8_t *data) {
	struct blk_page *page = blk_page();

	blk_completions()[page->completion.prod % BLK_COMPLETIONS] = (struct blk_completion){
		.tag = data[0], .status = data[1] % 8, .device_status = data[2]};
	page->completion.prod++;
}

static void grant_session(void) {
	struct blk_page *page = blk_page();

	page->request = page->completion = (struct ring_header){.prod_event = 1};
	page->session = page->wanted;
}

static void consume(void) {
	uint32_t room = blk_page()->request.prod - blk_page()->request.cons;

	if (room <= BLK_WORDS) blk_page()->request.cons += room / 2;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	memset(blk_pages, 0, sizeof(blk_pages));
	memset(asked, 0, sizeof(asked));
	count = 0;
	up = false;
	blk_server_start(&server, blk_pages, SERVER_PORT, &ops, NULL);
	blk_page()->disk_count = 1;
	blk_page()->disk[0] = (struct blk_disk){.sectors = 100,
						.block = 512,
						.flags = BLK_DISK_PRESENT,
						.max_segments = 9,
						.max_sectors = 99};
	for (size_t i = 0; i + 9 <= size; i += 9) {
		const uint8_t *d = data + i + 1;
		uint16_t at = (uint16_t)(d[6] | d[7] << 8);

		switch (data[i] % 9) {
		case 0: memcpy(blk_pages + at % (sizeof(blk_pages) - 4), d, 4); break;
		case 1: memcpy(blk_pages + at % 1024, d, 4); break;
		case 2: blk_page()->driver = d[0] % 4; break;
		case 3: grant_session(); break;
		case 4: complete(d); break;
		case 5: submit(d[0]); break;
		case 6: blk_server_publish(&server); break;
		case 7: consume(); break;
		default: blk_server_work(&server); break;
		}
		must(blk_server_outstanding(&server) == count && blk_server_is_up(&server) == up);
	}
	return 0;
}
