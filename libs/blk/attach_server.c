/* SPDX-License-Identifier: BSD-2-Clause */
/* The server's end of a SYSTEM_CONN_DISK connection. */
#include "libs/blk/attach.h"
#include "libs/blk/server.h"
#include "libs/rt/package.h"

PACKAGE_SERVER(SYSTEM_CONN_DISK, BLK_OLDEST, BLK_VERSION);

int blk_server_attach(struct blk_server *server, const struct native_connection *connection,
		      const struct blk_server_ops *ops, void *context) {
	void *pages;
	int error = blk_map(connection, &pages);

	if (error) return error;
	blk_server_start(server, pages, connection->port, ops, context);
	return 0;
}
