/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A virtual disk's nodes in the store: which there are, and what they say of the disk.
 * Writing them is libs/xenbus/backend.h's.
 */
#include "vbd.h"

enum value {
	V_NAME = BACKEND_VALUES,
	V_TYPE,
	V_MODE,
	V_DISK,
	V_VOLUME,
	V_SEGMENTS,
	V_FLUSH,
	V_DISCARD,
	V_GRANULARITY,
	V_SECTORS,
	V_BLOCK,
	V_PHYSICAL,
	V_INFO,
	V_QUEUES,
	V_ORDER
};

const struct backend_node node_table[NODE_COUNT] = {
	{"", false, BACKEND_DIRECTORY},
	{"", false, BACKEND_PERMISSIONS},
	{"frontend", false, BACKEND_FRONTEND},
	{"frontend-id", false, BACKEND_GUEST},
	{"online", false, BACKEND_ONE},
	{"removable", false, BACKEND_ZERO},
	{"bootable", false, BACKEND_ONE},
	{"dev", false, V_NAME},
	{"type", false, V_TYPE},
	{"mode", false, V_MODE},
	{"device-type", false, V_DISK},
	{"params", false, V_VOLUME},
	{"feature-persistent", false, BACKEND_ONE},
	{"feature-max-indirect-segments", false, V_SEGMENTS},
	{"feature-flush-cache", false, V_FLUSH},
	{"feature-barrier", false, V_FLUSH},
	{"feature-discard", false, V_DISCARD},
	{"discard-granularity", false, V_GRANULARITY},
	{"discard-alignment", false, BACKEND_ZERO},
	{"discard-secure", false, BACKEND_ZERO},
	{"sectors", false, V_SECTORS},
	{"sector-size", false, V_BLOCK},
	{"physical-sector-size", false, V_PHYSICAL},
	{"info", false, V_INFO},
	{"multi-queue-max-queues", false, V_QUEUES},
	{"max-ring-page-order", false, V_ORDER},
	{"state", false, BACKEND_STATE},
	{"", true, BACKEND_DIRECTORY},
	{"", true, BACKEND_PERMISSIONS},
	{"backend", true, BACKEND_BACKEND},
	{"backend-id", true, BACKEND_SELF},
	{"virtual-device", true, BACKEND_HANDLE},
	{"device-type", true, V_DISK},
	{"state", true, BACKEND_FRONT_STATE},
};

/* As Linux names it: xvda, xvda1, xvdb, ... */
static void device_name(uint32_t number, char *to) {
	uint32_t disk = number & 1U << 28 ? number >> 8 & 0xfffff : number >> 4 & 15;
	uint32_t part = number & (number & 1U << 28 ? 255 : 15);
	char text[12] = "";

	if (part) rt_format(text, sizeof(text), "%u", part);
	if ((number >> 8 == 202 || number & 1U << 28) && disk < 26)
		rt_format(to, BACKEND_PATH, "xvd%c%s", (char)('a' + disk), text);
	else
		rt_format(to, BACKEND_PATH, "vbd%u", number);
}

static bool has_cache(const struct volume *volume) {
	bool has = false;

	for (uint32_t i = 0; i < volume->extent_count; i++)
		has |= !!(disk_info(volume->extent[i].disk)->flags & BLK_DISK_FLUSH);
	return has;
}

static uint32_t granularity(const struct volume *volume) {
	uint32_t most = volume->block;

	for (uint32_t i = 0; i < volume->extent_count; i++)
		most = MAX(most, disk_info(volume->extent[i].disk)->discard_granularity);
	return most;
}

static void number_value(uint64_t number, char *to) { rt_format(to, BACKEND_PATH, "%lu", number); }

void node_value(const struct backend_device *end, uint32_t value, char to[BACKEND_PATH]) {
	const struct device *device = device_of(end);
	const struct volume *volume = device->volume;

	switch ((enum value)value) {
	case V_NAME: device_name(end->handle, to); break;
	case V_TYPE: rt_strcopy(to, "phy", BACKEND_PATH); break;
	case V_MODE: rt_strcopy(to, device->readonly ? "r" : "w", BACKEND_PATH); break;
	case V_DISK: rt_strcopy(to, "disk", BACKEND_PATH); break;
	case V_VOLUME: rt_strcopy(to, volume->name, BACKEND_PATH); break;
	case V_SEGMENTS: number_value(VBD_SEGMENTS, to); break;
	case V_FLUSH: number_value(has_cache(volume), to); break;
	case V_DISCARD: number_value(device->discard, to); break;
	case V_GRANULARITY: number_value(granularity(volume), to); break;
	case V_SECTORS: number_value(volume->sectors, to); break;
	case V_BLOCK: number_value(volume->block, to); break;
	case V_PHYSICAL: number_value(volume->physical_block, to); break;
	case V_INFO: number_value(device->readonly ? 4 : 0, to); break;
	case V_QUEUES: number_value(VBD_QUEUES, to); break;
	case V_ORDER: number_value(VBD_RING_ORDER, to); break;
	}
}
