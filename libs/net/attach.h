/* SPDX-License-Identifier: BSD-2-Clause */
/* Mapping the pages of a SYSTEM_CONN_NET connection, for either end. */
#ifndef LIBS_NET_ATTACH_H
#define LIBS_NET_ATTACH_H

#include "libs/grant/grant.h"
#include "proto/net.h"
#include "proto/system.h"

/* Mapped for as long as the domain lives: the handles are never needed again. */
static inline int net_map(const struct native_connection *connection, void **pages) {
	struct grant_mapping mapping = {0};
	int error;

	if (connection->ring_pages < NET_PAGES) return -XEN_ENOSPC;
	error = grant_map(&mapping, connection->ring_domid, connection->ring_ref, NET_PAGES);
	*pages = mapping.at;
	return error;
}

#endif
