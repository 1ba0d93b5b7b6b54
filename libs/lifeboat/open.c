/* SPDX-License-Identifier: BSD-2-Clause */
/* Finding and mapping the lifeboat that root lends. */
#include "libs/grant/grant.h"
#include "libs/lifeboat/lifeboat.h"
#include "proto/system.h"

/* Its first pages, at most so many. */
static int open_pages(struct lifeboat *boat, uint32_t oldest, uint32_t newest, uint32_t size,
		      uint32_t most) {
	const struct native_connection *connection = rt_connection(SYSTEM_CONN_LIFEBOAT, 0);
	const struct lifeboat_header *header;
	uint32_t layout, pages;
	void *memory;
	int error;

	if (!connection) return -XEN_ENOENT;
	if (connection->ring_pages > LIFEBOAT_MAX_PAGES) return -XEN_EINVAL;
	pages = MIN(connection->ring_pages, most);
	error = grant_map_for_life(&memory, connection->ring_domid, connection->ring_ref, pages);
	if (error) return error;
	header = memory;
	layout = header->layout >= oldest && header->layout <= newest ? header->layout : newest;
	return lifeboat_take(boat, memory, (uint64_t)pages * PAGE_SIZE, rt_start_page->name, layout,
			     size);
}

int lifeboat_open_any(struct lifeboat *boat, uint32_t oldest, uint32_t newest, uint32_t size) {
	return open_pages(boat, oldest, newest, size, UINT32_MAX);
}

int lifeboat_open(struct lifeboat *boat, uint32_t layout, uint32_t size) {
	return lifeboat_open_any(boat, layout, layout, size);
}

int lifeboat_open_records(struct lifeboat *boat, uint32_t layout, uint32_t size) {
	return open_pages(boat, layout, layout, size, (uint32_t)LIFEBOAT_PAGES(size));
}
