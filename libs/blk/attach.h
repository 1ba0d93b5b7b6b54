/* SPDX-License-Identifier: BSD-2-Clause */
/* Mapping the pages of a SYSTEM_CONN_DISK connection, for either end. */
#ifndef LIBS_BLK_ATTACH_H
#define LIBS_BLK_ATTACH_H

#include "libs/grant/grant.h"
#include "proto/blk.h"
#include "proto/system.h"

/* Mapped for as long as the domain lives: the handles are never needed again. */
static inline int blk_map(const struct native_connection *connection, void **pages) {
	struct grant_mapping mapping = {0};
	int error;

	if (connection->ring_pages < BLK_PAGES) return -XEN_ENOSPC;
	error = grant_map(&mapping, connection->ring_domid, connection->ring_ref, BLK_PAGES);
	*pages = mapping.at;
	return error;
}

#endif
