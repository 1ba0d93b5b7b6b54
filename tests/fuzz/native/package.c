/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A package as it is uploaded. What is taken must be what proto/package.h says; every
 * second input gets the right magic, format and size, so that the rest is looked at.
 */
#include <stdlib.h>
#include <string.h>

#include "libs/ed25519/sha512.h"
#include "libs/package/package.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use(const struct package *package) {
	for (uint32_t i = 0; i < package->need_count; i++) {
		const struct package_need *need = &package->need[i];
		const struct package_need *found =
			package_find(package, need->kind, need->what, need->role);
		uint32_t common = found ? package_common(found, need) : 0;

		if (found != need || (common && common != need->newest)) abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	static struct package package;
	static uint8_t image[64];
	static const uint8_t key[32] = {1};
	uint8_t mode = size ? data[0] : 0;
	uint64_t file_size = size;

	if (!size) return 0;
	memset(&package, 0, sizeof(package));
	memcpy(&package, data + 1, size - 1 < sizeof(package) ? size - 1 : sizeof(package));
	if (mode & 1) {
		package.magic = PACKAGE_MAGIC;
		package.format = PACKAGE_FORMAT;
		package.image_size = mode & 2 ? sizeof(image) : package.image_size;
		file_size = PACKAGE_HEADER + (uint64_t)package.image_size;
		package.need_count %= PACKAGE_MAX_NEEDS + 2;
		package.pad0 = 0;
	}
	if (mode & 4) {
		memcpy(package.name, "name", 5);
		memset(package.name + 5, 0, sizeof(package.name) - 5);
		memcpy(package.release, "1", 2);
		memset(package.release + 2, 0, sizeof(package.release) - 2);
		memset(package.pad1, 0, sizeof(package.pad1));
	}
	if (package_check(&package, file_size)) return 0;
	if (package.need_count > PACKAGE_MAX_NEEDS ||
	    file_size != PACKAGE_HEADER + (uint64_t)package.image_size ||
	    !memchr(package.name, 0, sizeof(package.name)))
		abort();
	use(&package);
	if (package.image_size <= sizeof(image) && package_intact(&package, image)) abort();
	if (!package_signed_by(&package, key)) abort();
	return 0;
}
