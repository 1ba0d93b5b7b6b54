/* SPDX-License-Identifier: BSD-2-Clause */
/* Mapping the pages of a SYSTEM_CONN_DISK connection, for either end. */
#include "libs/blk/driver.h"
#include "libs/blk/server.h"
#include "libs/grant/grant.h"
#include "proto/system.h"

/* Mapped for as long as the domain lives: the handles are never needed again. */
static int map(const struct native_connection *connection, void **pages) {
	struct grant_mapping mapping = {0};
	int error;

	if (connection->ring_pages < BLK_PAGES) return -XEN_ENOSPC;
	error = grant_map(&mapping, connection->ring_domid, connection->ring_ref, BLK_PAGES);
	*pages = mapping.at;
	return error;
}

int blk_driver_attach(struct blk_driver *driver, unsigned n, const struct blk_driver_ops *ops,
		      void *device) {
	const struct native_connection *connection = rt_connection(SYSTEM_CONN_DISK, n);
	void *pages;
	int error;

	if (!connection || connection->role != NATIVE_CLIENT) return -XEN_ENOENT;
	error = map(connection, &pages);
	if (error) return error;
	blk_driver_start(driver, pages, connection->port, rt_start_page->incarnation + 1U, ops,
			 device);
	return 0;
}

int blk_server_attach(struct blk_server *server, const struct native_connection *connection,
		      const struct blk_server_ops *ops, void *context) {
	void *pages;
	int error = map(connection, &pages);

	if (error) return error;
	blk_server_start(server, pages, connection->port, ops, context);
	return 0;
}
