/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Any bytes as a system description, or a good one with some bytes changed. The
 * checksum is put right first, or nothing behind it would ever be looked at. What is accepted is
 * read as root reads it: every string to its end, every index followed.
 */
#include <stdlib.h>
#include <string.h>

#include "servers/root/description.h"
#include "tests/unit/native/description_image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t follow(const struct description *d) {
	size_t sum = 0;

	for (uint32_t i = 0; i < d->domain_count; i++) {
		sum += strlen(description_string(d, d->domains[i].name));
		sum += strlen(description_string(d, d->domains[i].module));
		sum += strlen(description_string(d, d->domains[i].initrd));
		sum += strlen(description_string(d, d->domains[i].cmdline));
	}
	for (uint32_t i = 0; i < d->resource_count; i++)
		sum += d->domains[d->resources[i].domain].domid;
	for (uint32_t i = 0; i < d->connection_count; i++) {
		sum += d->domains[d->connections[i].server].domid;
		sum += d->domains[d->connections[i].client].domid;
		sum += strlen(description_string(d, d->connections[i].name));
	}
	for (uint32_t i = 0; i < d->device_count; i++)
		sum += d->domains[d->devices[i].domain].domid + d->devices[i].own_slots;
	for (uint32_t i = 0; i < d->plug_count; i++)
		sum += d->domains[d->plugs[i].guest].domid + d->plugs[i].number;
	for (uint32_t i = 0; i < d->blob_count; i++) {
		const uint8_t *bytes = (const uint8_t *)d->header + d->blobs[i].offset;

		sum += d->domains[d->blobs[i].domain].domid;
		for (uint32_t n = 0; n < d->blobs[i].size; n++) sum += bytes[n];
	}
	return sum;
}

static void check_and_follow(const uint8_t *data, size_t size) {
	uint8_t *copy = aligned_alloc(8, ROUND_UP(size + 8, (size_t)8));
	struct system_header *header = (struct system_header *)(void *)copy;
	struct description description;
	uint32_t line;
	volatile size_t sum;

	if (!copy) return;
	memcpy(copy, data, size);
	if (size > sizeof(*header) && header->total_size <= size &&
	    header->total_size >= sizeof(*header))
		header->crc32 =
			image_crc(copy + sizeof(*header), header->total_size - sizeof(*header));
	if (!description_check(copy, size, &description, &line)) sum = follow(&description);
	(void)sum;
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	static struct description_image image;

	if (!size || data[0] % 2) {
		check_and_follow(data, size);
		return 0;
	}
	image_valid(&image);
	for (size_t i = 1; i + 3 <= size; i += 3)
		((uint8_t *)&image)[(data[i] | data[i + 1] << 8) % sizeof(image)] = data[i + 2];
	check_and_follow((const uint8_t *)&image, sizeof(image));
	return 0;
}
