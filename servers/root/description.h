/* SPDX-License-Identifier: BSD-2-Clause */
/* The binary system description (proto/system.h), checked before anything is built. */
#ifndef SERVERS_ROOT_DESCRIPTION_H
#define SERVERS_ROOT_DESCRIPTION_H

#include "libs/rt/rt.h"
#include "proto/system.h"

struct description {
	const struct system_header *header;
	const struct system_domain *domains;
	const struct system_resource *resources;
	const struct system_connection *connections;
	const struct system_device *devices;
	const struct system_blob *blobs;
	const struct system_plug *plugs;
	const char *strings;
	const uint8_t *key; /* by which uploaded packages must be signed; NULL: by none */
	uint32_t domain_count, resource_count, connection_count, device_count, blob_count;
	uint32_t plug_count;
};

/*
 * Checks all of it. NULL on success; else what is wrong, and *line is the line of
 * the description that it comes from, 0 = none. data is 8-byte aligned and does
 * not change afterwards.
 */
const char *description_check(const void *data, uint64_t size, struct description *description,
			      uint32_t *line);

/* A string of a checked description; "" where there is none. */
static inline const char *description_string(const struct description *description,
					     uint32_t offset) {
	return description->strings + offset;
}

#endif
