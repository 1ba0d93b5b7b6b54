/* SPDX-License-Identifier: BSD-2-Clause */
/* Finding and mapping the lifeboat that root lends. */
#include "libs/grant/grant.h"
#include "libs/lifeboat/lifeboat.h"
#include "proto/system.h"

int lifeboat_open(struct lifeboat *boat, uint32_t layout, uint32_t size) {
	return lifeboat_open_any(boat, layout, layout, size);
}

int lifeboat_open_any(struct lifeboat *boat, uint32_t oldest, uint32_t newest, uint32_t size) {
	const struct native_connection *connection = rt_connection(SYSTEM_CONN_LIFEBOAT, 0);
	const struct lifeboat_header *header;
	uint32_t layout;
	void *memory;
	int error;

	if (!connection) return -XEN_ENOENT;
	if (connection->ring_pages > LIFEBOAT_MAX_PAGES) return -XEN_EINVAL;
	error = grant_map_for_life(&memory, connection->ring_domid, connection->ring_ref,
				   connection->ring_pages);
	if (error) return error;
	header = memory;
	layout = header->layout >= oldest && header->layout <= newest ? header->layout : newest;
	return lifeboat_take(boat, memory, (uint64_t)connection->ring_pages * PAGE_SIZE,
			     rt_start_page->name, layout, size);
}
