/* SPDX-License-Identifier: BSD-2-Clause */
/* Mapping the pages of a SYSTEM_CONN_NET connection, for either end. */
#include "libs/grant/grant.h"
#include "libs/net/driver.h"
#include "libs/net/server.h"
#include "proto/system.h"

/* Mapped for as long as the domain lives: the handles are never needed again. */
static int map(const struct native_connection *connection, void **pages) {
	struct grant_mapping mapping = {0};
	int error;

	if (connection->ring_pages < NET_PAGES) return -XEN_ENOSPC;
	error = grant_map(&mapping, connection->ring_domid, connection->ring_ref, NET_PAGES);
	*pages = mapping.at;
	return error;
}

int net_driver_attach(struct net_driver *driver, unsigned n, const struct net_driver_ops *ops,
		      void *device) {
	const struct native_connection *connection = rt_connection(SYSTEM_CONN_NET, n);
	void *pages;
	int error;

	if (!connection || connection->role != NATIVE_CLIENT) return -XEN_ENOENT;
	error = map(connection, &pages);
	if (error) return error;
	net_driver_start(driver, pages, connection->port, rt_start_page->incarnation + 1U, ops,
			 device);
	return 0;
}

int net_server_attach(struct net_server *server, const struct native_connection *connection,
		      const struct net_server_ops *ops, void *context) {
	void *pages;
	int error = map(connection, &pages);

	if (error) return error;
	net_server_start(server, pages, connection->port, ops, context);
	return 0;
}
