/* SPDX-License-Identifier: BSD-2-Clause */
#include "libs/package/package.h"

#include "libs/ed25519/ed25519.h"
#include "libs/ed25519/sha512.h"
#include "proto/cap/cap.h"

static bool is_zero(const void *data, size_t size) {
	const uint8_t *at = data;

	for (size_t i = 0; i < size; i++)
		if (at[i]) return false;
	return true;
}

/* Printable ASCII, at least one of it, and its end within. */
static bool is_text(const char *text, size_t size) {
	size_t length = rt_strnlen(text, size);

	if (!length || length == size) return false;
	for (size_t i = 0; i < length; i++)
		if (text[i] <= ' ' || text[i] > '~') return false;
	return is_zero(text + length, size - length);
}

static bool need_is_sane(const struct package_need *need) {
	if (need->flags & ~PACKAGE_F_OPTIONAL || need->pad || need->oldest > need->newest)
		return false;
	switch (need->kind) {
	case PACKAGE_NEED_CONNECTION:
		return need->what && need->oldest &&
		       (need->role == NATIVE_SERVER || need->role == NATIVE_CLIENT);
	case PACKAGE_NEED_CAPABILITY:
		return need->what && need->what < CAP_TYPES && !need->role && !need->newest;
	case PACKAGE_NEED_LIFEBOAT:
	case PACKAGE_NEED_RUNTIME: return !need->what && !need->role && need->oldest;
	default: return false;
	}
}

static const char *check_needs(const struct package *package) {
	for (uint32_t i = 0; i < package->need_count; i++) {
		const struct package_need *need = &package->need[i];

		if (!need_is_sane(need)) return "one of its needs is malformed";
		if (package_find(package, need->kind, need->what, need->role) != need)
			return "it says one of its needs twice";
	}
	if (!is_zero(&package->need[package->need_count],
		     (PACKAGE_MAX_NEEDS - package->need_count) * sizeof(*package->need)))
		return "there is something behind its needs";
	return NULL;
}

const char *package_check(const struct package *package, uint64_t file_size) {
	if (file_size < PACKAGE_HEADER || package->magic != PACKAGE_MAGIC)
		return "it is not a package";
	if (package->format != PACKAGE_FORMAT) return "its format is not the one that is read here";
	if (package->image_size > PACKAGE_MAX_IMAGE ||
	    file_size - PACKAGE_HEADER != package->image_size)
		return "it is truncated, or there is something behind it";
	if (package->need_count > PACKAGE_MAX_NEEDS) return "it says that it has too many needs";
	if (!is_text(package->name, sizeof(package->name)) ||
	    !is_text(package->release, sizeof(package->release)))
		return "its name or version is malformed";
	if (package->pad0 || !is_zero(package->pad1, sizeof(package->pad1)) ||
	    !is_zero(package->pad2, sizeof(package->pad2)))
		return "there is something where nothing may be";
	return check_needs(package);
}

bool package_intact(const struct package *package, const void *image) {
	uint8_t digest[SHA512_SIZE];
	struct sha512 sha;

	sha512_begin(&sha);
	sha512_add(&sha, package, offsetof(struct package, digest));
	sha512_add(&sha, image, package->image_size);
	sha512_end(&sha, digest);
	return !memcmp(digest, package->digest, sizeof(digest));
}

const char *package_signed_by(const struct package *package, const uint8_t key[32]) {
	if (is_zero(package->key, sizeof(package->key))) return "it is not signed";
	if (memcmp(package->key, key, sizeof(package->key))) return "it is signed by another key";
	return ed25519_verify(package->signature, key, package, PACKAGE_SIGNED)
		       ? NULL
		       : "its signature is wrong";
}

const struct package_need *package_find(const struct package *package, uint16_t kind, uint16_t what,
					uint16_t role) {
	for (uint32_t i = 0; i < MIN(package->need_count, PACKAGE_MAX_NEEDS); i++) {
		const struct package_need *need = &package->need[i];

		if (need->kind == kind && need->what == what && need->role == role) return need;
	}
	return NULL;
}

uint32_t package_common(const struct package_need *one, const struct package_need *other) {
	uint32_t newest = MIN(one->newest, other->newest);
	uint32_t oldest = MAX(one->oldest, other->oldest);

	return newest >= oldest ? newest : 0;
}
