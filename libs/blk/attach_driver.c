/* SPDX-License-Identifier: BSD-2-Clause */
/* The driver's end of a SYSTEM_CONN_DISK connection. */
#include "libs/blk/attach.h"
#include "libs/blk/driver.h"
#include "libs/rt/package.h"

PACKAGE_CLIENT(SYSTEM_CONN_DISK, BLK_OLDEST, BLK_VERSION);

int blk_driver_attach(struct blk_driver *driver, unsigned n, const struct blk_driver_ops *ops,
		      void *device) {
	const struct native_connection *connection = rt_connection(SYSTEM_CONN_DISK, n);
	void *pages;
	int error;

	if (!connection || connection->role != NATIVE_CLIENT) return -XEN_ENOENT;
	error = blk_map(connection, &pages);
	if (error) return error;
	blk_driver_start(driver, pages, connection->port, rt_start_page->incarnation + 1U, ops,
			 device);
	return 0;
}
