/* SPDX-License-Identifier: BSD-2-Clause */
/* The driver's end of a SYSTEM_CONN_NET connection. */
#include "libs/net/attach.h"
#include "libs/net/driver.h"
#include "libs/rt/package.h"

PACKAGE_CLIENT(SYSTEM_CONN_NET, NET_OLDEST, NET_VERSION);

int net_driver_attach(struct net_driver *driver, unsigned n, const struct net_driver_ops *ops,
		      void *device) {
	const struct native_connection *connection = rt_connection(SYSTEM_CONN_NET, n);
	void *pages;
	int error;

	if (!connection || connection->role != NATIVE_CLIENT) return -XEN_ENOENT;
	error = net_map(connection, &pages);
	if (error) return error;
	net_driver_start(driver, pages, connection->port, rt_start_page->incarnation + 1U, ops,
			 device);
	return 0;
}
