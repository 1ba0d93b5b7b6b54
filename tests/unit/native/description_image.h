/* SPDX-License-Identifier: BSD-2-Clause */
/* Makes a small valid description, to be broken by tests. */
#ifndef TESTS_UNIT_DESCRIPTION_IMAGE_H
#define TESTS_UNIT_DESCRIPTION_IMAGE_H

#include <string.h>

#include "proto/manage.h"
#include "proto/native.h"
#include "proto/netctl.h"
#include "proto/system.h"

struct description_image {
	struct system_header header;
	struct system_domain domain[5];
	struct system_resource resource[4];
	struct system_connection connection[11];
	struct system_device device[2];
	struct system_blob blob[1];
	struct system_plug plug[2];
	uint64_t content[2]; /* of the blob */
	char strings[64];
};

enum { IMAGE_ROOT, IMAGE_UART, IMAGE_CONSOLE, IMAGE_GUEST, IMAGE_STORE };

static inline uint32_t image_crc(const uint8_t *data, size_t size) {
	uint32_t crc = ~0U;

	while (size--) {
		crc ^= *data++;
		for (int bit = 0; bit < 8; bit++) crc = crc & 1 ? crc >> 1 ^ 0xedb88320U : crc >> 1;
	}
	return ~crc;
}

static inline void image_seal(struct description_image *image) {
	image->header.crc32 = image_crc((const uint8_t *)image + sizeof(image->header),
					sizeof(*image) - sizeof(image->header));
}

static inline void image_connections(struct description_image *image) {
	static const struct system_connection connections[] = {
		{6, SYSTEM_CONN_SERIAL, IMAGE_UART, IMAGE_CONSOLE, 1, 0, 50, 0},
		{11, SYSTEM_CONN_CONSOLE, IMAGE_CONSOLE, IMAGE_GUEST, 0, 0, 51, 0},
		{29, SYSTEM_CONN_STORE, IMAGE_STORE, IMAGE_GUEST, 0, 0, 52, 0},
		{1, SYSTEM_CONN_CONTROL, IMAGE_ROOT, IMAGE_CONSOLE, MANAGE_PAGES, 0, 53, 0},
		{6, SYSTEM_CONN_BUS, IMAGE_UART, IMAGE_ROOT, 8, 0, 54, 0},
		{29, SYSTEM_CONN_XENBUS, IMAGE_STORE, IMAGE_CONSOLE, 1, SYSTEM_XENBUS_VBD, 55, 0},
		{19, SYSTEM_CONN_BLOCK, IMAGE_CONSOLE, IMAGE_GUEST, 0, 0, 56, 0},
		{22, SYSTEM_CONN_DISK, IMAGE_CONSOLE, IMAGE_UART, 10, 0, 57, 0},
		{19, SYSTEM_CONN_VIF, IMAGE_CONSOLE, IMAGE_GUEST, 0, 0, 58, 0},
		{22, SYSTEM_CONN_NET, IMAGE_CONSOLE, IMAGE_STORE, 10, 0, 59, 0},
		{22, SYSTEM_CONN_NETCTL, IMAGE_CONSOLE, IMAGE_UART, NETCTL_PAGES, NETCTL_F_TAP, 60,
		 0},
	};

	memcpy(image->connection, connections, sizeof(connections));
}

static inline void image_devices(struct description_image *image) {
	image->device[0] = (struct system_device){
		.domain = IMAGE_UART,
		.vendor = 0x1af4,
		.device = 0x1042,
		.address = SYSTEM_ANY,
		.index = SYSTEM_ANY,
		.interrupts = 2,
		.dma_slots = 4096,
		.own_slots = 256,
		.line = 60,
		.device_or = 0x1001,
	};
	image->device[1] = (struct system_device){
		.domain = IMAGE_STORE,
		.vendor = SYSTEM_ANY,
		.device = SYSTEM_ANY,
		.class_code = 0x010802,
		.class_mask = 0xffffff,
		.address = 0x20,
		.interrupts = 1,
		.dma_slots = 512,
		.line = 61,
	};
	image->blob[0] = (struct system_blob){
		.domain = IMAGE_CONSOLE,
		.offset = offsetof(struct description_image, content),
		.size = 12,
	};
	image->plug[0] = (struct system_plug){
		19, IMAGE_GUEST, IMAGE_CONSOLE, SYSTEM_CONN_BLOCK, 0, 0, 62, 0,
	};
	image->plug[1] = (struct system_plug){
		29, IMAGE_GUEST, IMAGE_CONSOLE, SYSTEM_CONN_VIF, 1, SYSTEM_PLUG_OUT, 63, 0,
	};
}

static inline void image_valid(struct description_image *image) {
	/*                              1     6     11       19  22     29 */
	static const char strings[] = "\0root\0uart\0console\0g1\0kernel\0store";
	static const uint32_t names[] = {1, 6, 11, 19, 29};

	memset(image, 0, sizeof(*image));
	memcpy(image->strings, strings, sizeof(strings));
	image->header = (struct system_header){
		.magic = SYSTEM_MAGIC,
		.version = SYSTEM_VERSION,
		.total_size = sizeof(*image),
		.name = 1,
		.domains = offsetof(struct description_image, domain),
		.domain_count = 5,
		.resources = offsetof(struct description_image, resource),
		.resource_count = 4,
		.connections = offsetof(struct description_image, connection),
		.connection_count = 11,
		.devices = offsetof(struct description_image, device),
		.device_count = 2,
		.blobs = offsetof(struct description_image, blob),
		.blob_count = 1,
		.plugs = offsetof(struct description_image, plug),
		.plug_count = 2,
		.strings = offsetof(struct description_image, strings),
		.strings_size = sizeof(image->strings),
	};
	for (uint32_t i = 0; i < 5; i++)
		image->domain[i] = (struct system_domain){
			.name = names[i],
			.module = i ? 22 : 0,
			.domid = (uint16_t)i,
			.kind = SYSTEM_KIND_NATIVE,
			.flags = SYSTEM_DOMAIN_F_AUTOSTART,
			.vcpus = 1,
			.memory_pages = 256,
			.maximum_pages = 256,
			.cap_slots = 64,
			.event_ports = 64,
			.grant_frames = 1,
			.map_handles = 64,
			.line = 10 * i,
			.sched.weight = SYSTEM_WEIGHT,
		};
	image->domain[IMAGE_ROOT].kind = SYSTEM_KIND_ROOT;
	image->domain[IMAGE_GUEST].kind = SYSTEM_KIND_GUEST;
	image->resource[0] =
		(struct system_resource){IMAGE_UART, SYSTEM_RES_IOPORTS, 0x3f8, 8, 0, 11};
	image->resource[1] = (struct system_resource){IMAGE_UART, SYSTEM_RES_IRQ, 4, 1, 0, 12};
	image->resource[2] = (struct system_resource){IMAGE_CONSOLE, SYSTEM_RES_LOG, 0, 0, 6, 21};
	image->resource[3] =
		(struct system_resource){IMAGE_STORE, SYSTEM_RES_MMIO, 0xfe000000, 0x2000, 0, 41};
	image_connections(image);
	image_devices(image);
	image_seal(image);
}

#endif
