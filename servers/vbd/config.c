/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The configuration blob (proto/vbd.h). It comes from the description compiler
 * by way of root, but a server that trusts its input once will do so again:
 * every offset and index is checked before anything is used.
 */
#include "vbd.h"

static bool part(const struct vbd_config *config, uint32_t offset, uint32_t count, uint32_t size) {
	return offset % 8 == 0 && offset <= config->total_size &&
	       count <= (config->total_size - offset) / size;
}

static bool string_ok(const struct vbd_config *config, uint32_t string) {
	return string < config->strings_size;
}

static const char *check_extents(const struct vbd_config *config, const void *blob) {
	const struct vbd_extent *e = (const void *)((const uint8_t *)blob + config->extents);
	const struct vbd_limit *l = (const void *)((const uint8_t *)blob + config->limits);

	for (uint32_t i = 0; i < config->extent_count; i++)
		if (!string_ok(config, e[i].driver) || !string_ok(config, e[i].partition) ||
		    e[i].disk >= BLK_MAX_DISKS || e[i].first > UINT64_MAX - e[i].count)
			return "an extent makes no sense";
	for (uint32_t i = 0; i < config->limit_count; i++)
		if (!string_ok(config, l[i].driver) || l[i].disk >= BLK_MAX_DISKS)
			return "a limit makes no sense";
	return NULL;
}

const char *config_check(const void *blob, uint32_t size) {
	const struct vbd_config *config = blob;
	const struct vbd_volume *v;
	const struct vbd_disk *d;
	const char *strings;

	if (size < sizeof(*config) || config->magic != VBD_CONFIG_MAGIC ||
	    config->version != VBD_CONFIG_VERSION)
		return "it is of another version";
	if (config->total_size < sizeof(*config) || config->total_size > size ||
	    config->volume_count > VBD_MAX_VOLUMES || config->extent_count > VBD_MAX_EXTENTS ||
	    config->disk_count > VBD_MAX_DISKS || config->limit_count > VBD_MAX_LIMITS)
		return "its sizes make no sense";
	if (!part(config, config->volumes, config->volume_count, sizeof(struct vbd_volume)) ||
	    !part(config, config->extents, config->extent_count, sizeof(struct vbd_extent)) ||
	    !part(config, config->disks, config->disk_count, sizeof(struct vbd_disk)) ||
	    !part(config, config->limits, config->limit_count, sizeof(struct vbd_limit)) ||
	    config->strings > config->total_size || !config->strings_size ||
	    config->strings_size > config->total_size - config->strings)
		return "a part of it lies outside";
	strings = (const char *)blob + config->strings;
	if (strings[config->strings_size - 1]) return "its strings have no end";

	v = (const void *)((const uint8_t *)blob + config->volumes);
	for (uint32_t i = 0; i < config->volume_count; i++)
		if (!string_ok(config, v[i].name) || v[i].first_extent > config->extent_count ||
		    v[i].extent_count > config->extent_count - v[i].first_extent)
			return "a volume makes no sense";
	d = (const void *)((const uint8_t *)blob + config->disks);
	for (uint32_t i = 0; i < config->disk_count; i++)
		if (!string_ok(config, d[i].name) || !string_ok(config, d[i].guest) ||
		    d[i].volume >= config->volume_count)
			return "a disk makes no sense";
	return check_extents(config, blob);
}

static uint16_t find_disk(uint32_t driver, uint32_t number) {
	for (uint32_t i = 0; i < vbd.driver_count; i++)
		if (!strcmp(vbd.driver[i].connection->peer, config_string(driver)))
			return (uint16_t)(i * BLK_MAX_DISKS + number);
	return VBD_NONE;
}

static void apply_volume(uint32_t n, const struct vbd_volume *from,
			 const struct vbd_extent *extents) {
	struct volume *volume = &vbd.volume[n];

	volume->name = config_string(from->name);
	volume->line = from->line;
	volume->extent_count = (uint16_t)MIN(from->extent_count, VBD_VOLUME_EXTENTS);
	if (!from->extent_count || from->extent_count > VBD_VOLUME_EXTENTS)
		volume->failure = "it has no extents, or too many";
	for (uint32_t i = 0; i < volume->extent_count; i++) {
		const struct vbd_extent *e = &extents[from->first_extent + i];

		volume->extent[i] = (struct extent){
			.disk = find_disk(e->driver, e->disk),
			.first = e->first,
			.count = e->count,
		};
		if (volume->extent[i].disk == VBD_NONE)
			volume->failure = "this server is not connected with its driver";
	}
}

static void apply_disk(uint32_t n, const struct vbd_disk *from) {
	struct device *device = &vbd.device[n];

	device->config = from;
	device->end = (struct backend_device){
		.name = config_string(from->name),
		.number = n,
		.handle = from->virtual_device,
		.guest = BACKEND_NONE,
	};
	device->volume = &vbd.volume[from->volume];
	device->readonly = from->flags & VBD_READONLY;
	device->shared = from->flags & VBD_SHARED;
	device->barrier = VBD_NONE;
	bucket_init(&device->bytes, from->bytes_per_second, vbd.now);
	bucket_init(&device->requests, from->requests_per_second, vbd.now);
	for (unsigned i = 0; i < rt_start_page->connection_count; i++) {
		const struct native_connection *c = &rt_start_page->connections[i];

		if (c->protocol != SYSTEM_CONN_BLOCK || strcmp(c->peer, config_string(from->guest)))
			continue;
		device->end.guest = (uint16_t)i;
		device->end.domid = c->peer_domid;
	}
	backend_add(&device->end);
}

void config_apply(const struct vbd_config *config) {
	const uint8_t *blob = (const uint8_t *)config;
	const struct vbd_limit *limit = (const void *)(blob + config->limits);

	vbd.config = config;
	vbd.strings = (const char *)blob + config->strings;
	vbd.volume_count = config->volume_count;
	vbd.device_count = config->disk_count;
	for (uint32_t i = 0; i < config->volume_count; i++)
		apply_volume(i, (const struct vbd_volume *)(blob + config->volumes) + i,
			     (const void *)(blob + config->extents));
	for (uint32_t i = 0; i < config->disk_count; i++)
		apply_disk(i, (const struct vbd_disk *)(blob + config->disks) + i);
	for (uint32_t i = 0; i < VBD_PHYSICAL; i++) disk_init(&vbd.disk[i]);
	for (uint32_t i = 0; i < config->limit_count; i++) {
		uint16_t disk = find_disk(limit[i].driver, limit[i].disk);

		if (disk == VBD_NONE) continue;
		bucket_init(&vbd.disk[disk].bytes, limit[i].bytes_per_second, vbd.now);
		bucket_init(&vbd.disk[disk].requests, limit[i].requests_per_second, vbd.now);
	}
}
