/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Paths. They are made absolute once, at the door, and are never longer than
 * STORE_PATH; components are shorter than STORE_NAME. So nothing behind the door
 * has to think about lengths.
 */
#include "proto/system.h"
#include "store.h"

#define HOMES "/local/domain/"

static bool is_allowed(char c) {
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '_' || c == '@' || c == '/';
}

/* Characters, no empty component, none too long, not too many. */
static bool is_valid(const char *path, size_t length) {
	size_t component = 0, depth = 0;

	if (!length || (length > 1 && path[length - 1] == '/')) return false;
	for (size_t i = 0; i < length; i++) {
		if (!is_allowed(path[i])) return false;
		if (path[i] == '/') {
			if (i && path[i - 1] == '/') return false;
			component = 0;
		} else {
			depth += !component;
			if (++component >= STORE_NAME) return false;
		}
	}
	return depth <= STORE_DEPTH;
}

size_t path_home(const struct client *client, char *path, size_t size) {
	return rt_format(path, size, HOMES "%u", client->domid);
}

const char *path_resolve(const struct client *client, const char *given, size_t length,
			 char path[STORE_PATH]) {
	size_t home = 0;

	if (length >= STORE_PATH || given[0] == '@') return "EINVAL";
	if (given[0] != '/') {
		home = path_home(client, path, STORE_PATH);
		path[home++] = '/';
	}
	if (length >= STORE_PATH - home) return "EINVAL";
	memcpy(path + home, given, length);
	path[home + length] = '\0';
	return length && is_valid(path, home + length) ? NULL : "EINVAL";
}

bool path_is_below(const char *path, const char *top) {
	size_t length = strlen(top);

	if (!strcmp(top, "/")) return true;
	return strlen(path) >= length && !memcmp(path, top, length) &&
	       (path[length] == '\0' || path[length] == '/');
}

bool path_next(const char **path, const char **name, size_t *length) {
	const char *p = *path;

	while (*p == '/') p++;
	*name = p;
	while (*p && *p != '/') p++;
	*length = (size_t)(p - *name);
	*path = p;
	return *length > 0;
}

bool path_is_privileged(const struct client *client, const char *path) {
	uint32_t domid = 0, digits = 0;
	const struct client *owner;

	if (!(client->flags & (SYSTEM_XENBUS_VBD | SYSTEM_XENBUS_VIF)) ||
	    strlen(path) < sizeof(HOMES) || memcmp(path, HOMES, sizeof(HOMES) - 1) != 0)
		return false;
	path += sizeof(HOMES) - 1;
	for (; *path >= '0' && *path <= '9' && digits < 5; path++, digits++)
		domid = domid * 10 + (uint32_t)(*path - '0');
	if (!digits || domid > UINT16_MAX) return false;
	owner = tree_client((uint16_t)domid);
	if (!owner || !owner->is_guest || !owner->home) return false;
	return (client->flags & SYSTEM_XENBUS_VBD && path_is_below(path, "/device/vbd")) ||
	       (client->flags & SYSTEM_XENBUS_VIF && path_is_below(path, "/device/vif"));
}
