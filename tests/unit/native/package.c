/* SPDX-License-Identifier: BSD-2-Clause */
/* Packages: what is taken, and each thing that is not. */
#include "native.h"

#include "libs/ed25519/sha512.h"
#include "libs/package/package.h"
#include "proto/cap/cap.h"
#include "proto/system.h"

#define IMAGE 300U

static struct package package;
static uint8_t image[IMAGE];

static void seal(void) {
	struct sha512 sha;

	sha512_begin(&sha);
	sha512_add(&sha, &package, offsetof(struct package, digest));
	sha512_add(&sha, image, IMAGE);
	sha512_end(&sha, package.digest);
}

static void fresh(void) {
	package = (struct package){
		.magic = PACKAGE_MAGIC,
		.format = PACKAGE_FORMAT,
		.image_size = IMAGE,
		.need_count = 4,
		.name = "nvme",
		.release = "1.2",
		.need = {{PACKAGE_NEED_CONNECTION, 0, SYSTEM_CONN_DISK, NATIVE_CLIENT, 1, 2, 0},
			 {PACKAGE_NEED_CAPABILITY, PACKAGE_F_OPTIONAL, CAP_IRQ, 0, 0, 0, 0},
			 {PACKAGE_NEED_LIFEBOAT, 0, 0, 0, 3, 4, 0},
			 {PACKAGE_NEED_RUNTIME, 0, 0, 0, 1, 1, 0}},
	};
	memset(image, 0x5a, sizeof(image));
	seal();
}

static const char *check(void) { return package_check(&package, PACKAGE_HEADER + IMAGE); }

static void test_good(void) {
	fresh();
	CHECK(!check() && package_intact(&package, image));
	package.need_count = 0;
	memset(package.need, 0, sizeof(package.need));
	CHECK(!check());
}

#define REFUSED(field, value, words)             \
	do {                                     \
		fresh();                         \
		package.field = (value);         \
		CHECK(check());                  \
		CHECK(strstr(check(), (words))); \
	} while (0)

static void test_header(void) {
	REFUSED(magic, PACKAGE_MAGIC + 1, "not a package");
	REFUSED(format, 2, "format");
	REFUSED(image_size, IMAGE + 1, "truncated");
	REFUSED(image_size, IMAGE - 1, "behind");
	REFUSED(image_size, UINT32_MAX, "truncated");
	REFUSED(image_size, PACKAGE_MAX_IMAGE + 1, "truncated");
	REFUSED(need_count, PACKAGE_MAX_NEEDS + 1, "too many");
	REFUSED(need_count, UINT32_MAX, "too many");
	REFUSED(need_count, 3, "behind");
	REFUSED(need_count, 5, "malformed");
	REFUSED(name[0], '\0', "name");
	REFUSED(name[2], '\n', "name");
	REFUSED(name[31], 'x', "name");
	REFUSED(release[0], '\0', "version");
	REFUSED(pad0, 1, "nothing");
	REFUSED(pad1[3], 1, "nothing");
	REFUSED(pad2[2815], 1, "nothing");
	fresh();
	memset(package.name, 'x', sizeof(package.name));
	CHECK(check());
	fresh();
	CHECK(package_check(&package, 0));
	CHECK(package_check(&package, PACKAGE_HEADER - 1));
	CHECK(package_check(&package, UINT64_MAX));
}

static void test_needs(void) {
	REFUSED(need[0].kind, 0, "malformed");
	REFUSED(need[0].kind, 5, "malformed");
	REFUSED(need[0].flags, 2, "malformed");
	REFUSED(need[0].role, 0, "malformed");
	REFUSED(need[0].role, 3, "malformed");
	REFUSED(need[0].what, 0, "malformed");
	REFUSED(need[0].oldest, 0, "malformed");
	REFUSED(need[0].oldest, 3, "malformed");
	REFUSED(need[0].pad, 1, "malformed");
	REFUSED(need[1].what, CAP_TYPES, "malformed");
	REFUSED(need[1].newest, 1, "malformed");
	REFUSED(need[2].what, 1, "malformed");
	REFUSED(need[2].oldest, 0, "malformed");
	fresh();
	package.need[3] = package.need[2];
	CHECK(check() && strstr(check(), "twice"));
}

/* Every bit in front of the digest, and some of the program, count. */
static void test_altered(void) {
	fresh();
	for (size_t bit = 0; bit < 8 * offsetof(struct package, key); bit += 7) {
		uint8_t *bytes = (uint8_t *)&package;

		bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
		if (package.image_size == IMAGE) CHECK(!package_intact(&package, image));
		bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
	}
	for (size_t i = 0; i < IMAGE; i += 11) {
		image[i] ^= 1;
		CHECK(!package_intact(&package, image));
		image[i] ^= 1;
	}
	CHECK(package_intact(&package, image));
}

static void test_versions(void) {
	struct package_need one = {.oldest = 2, .newest = 4}, other = {.oldest = 1, .newest = 3};

	CHECK(package_common(&one, &other) == 3 && package_common(&other, &one) == 3);
	other.newest = 1;
	CHECK(!package_common(&one, &other) && !package_common(&other, &one));
	other = (struct package_need){.oldest = 4, .newest = 9};
	CHECK(package_common(&one, &other) == 4);
	fresh();
	CHECK(package_find(&package, PACKAGE_NEED_LIFEBOAT, 0, 0) == &package.need[2]);
	CHECK(!package_find(&package, PACKAGE_NEED_CONNECTION, SYSTEM_CONN_DISK, NATIVE_SERVER));
}

static void test_signature(void) {
	static const uint8_t key[32] = {7}, other[32] = {8};

	fresh();
	CHECK(strstr(package_signed_by(&package, key), "not signed"));
	memcpy(package.key, other, sizeof(other));
	CHECK(strstr(package_signed_by(&package, key), "another key"));
	memcpy(package.key, key, sizeof(key));
	CHECK(strstr(package_signed_by(&package, key), "wrong"));
}

static const struct test tests[] = {
	{"good ones", test_good},  {"header", test_header},     {"needs", test_needs},
	{"altered", test_altered}, {"versions", test_versions}, {"signature", test_signature},
};

int main(void) { return RUN("package", tests); }
