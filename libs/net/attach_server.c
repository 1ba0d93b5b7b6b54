/* SPDX-License-Identifier: BSD-2-Clause */
/* The server's end of a SYSTEM_CONN_NET connection. */
#include "libs/net/attach.h"
#include "libs/net/server.h"
#include "libs/rt/package.h"

PACKAGE_SERVER(SYSTEM_CONN_NET, NET_OLDEST, NET_VERSION);

int net_server_attach(struct net_server *server, const struct native_connection *connection,
		      const struct net_server_ops *ops, void *context) {
	void *pages;
	int error = net_map(connection, &pages);

	if (error) return error;
	net_server_start(server, pages, connection->port, ops, context);
	return 0;
}
