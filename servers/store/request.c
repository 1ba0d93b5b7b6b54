/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What each request does. A function leaves its reply in `reply`, "OK" unless it
 * says otherwise, or returns the name of an error; what it changed is then taken
 * back by whoever called it.
 *
 * A node that may not be read does not differ from one that is not there: both
 * are EACCES if what is above may not be read, too.
 */
#include "store.h"

struct reply reply;

void reply_text(const char *text) {
	reply.length = 1 + (uint32_t)rt_format(reply.bytes, sizeof(reply.bytes), "%s", text);
}

const char *request_take_path(struct request *r) {
	size_t length = rt_strnlen(r->payload, r->length);
	const char *error;

	if (length == r->length) return "EINVAL";
	error = path_resolve(r->client, r->payload, length, r->path);
	if (error) return error;
	r->rest = r->payload + length + 1;
	r->rest_length = r->length - (uint32_t)length - 1;
	return NULL;
}

/* The path alone is the payload, and its node may be read. */
static const char *readable(struct request *r, uint32_t *node) {
	uint32_t closest;

	*node = tree_find(r->path, &closest);
	if (!(tree_access(r->client, r->path, *node ? *node : closest) & MAY_READ)) return "EACCES";
	return *node ? NULL : "ENOENT";
}

/* --- reading --- */

/* Names of the children from byte `offset` of the list on, as many as fit; how long the list is. */
static uint32_t list_children(uint32_t node, uint32_t offset, uint32_t room, bool *all) {
	uint32_t position = 0;

	*all = true;
	for (uint32_t i = boat_block(node)->node.child; i; i = boat_block(i)->h.next) {
		const char *name = boat_block(i)->node.name;
		uint32_t length = 1 + (uint32_t)strlen(name);

		if (position >= offset) {
			if (length > room) {
				*all = false;
				break;
			}
			memcpy(reply.bytes + reply.length, name, length);
			reply.length += length;
			room -= length;
		}
		position += length;
	}
	return position;
}

static const char *do_directory(struct request *r) {
	uint32_t node;
	const char *error = readable(r, &node);
	bool all;

	if (error) return error;
	reply.length = 0;
	list_children(node, 0, sizeof(reply.bytes), &all);
	return all ? NULL : "E2BIG";
}

/* generation NUL, children from the offset on; an empty one when that was all. */
static const char *do_directory_part(struct request *r) {
	uint64_t offset;
	uint32_t node, length;
	const char *error = readable(r, &node);
	bool all;

	if (error) return error;
	if (!r->rest_length || r->rest[r->rest_length - 1] || !rt_number(r->rest, &offset))
		return "EINVAL";
	reply.length = 1 + (uint32_t)rt_format(reply.bytes, sizeof(reply.bytes), "%lu",
					       boat_block(node)->node.generation);
	length = list_children(node, (uint32_t)MIN(offset, UINT32_MAX),
			       (uint32_t)sizeof(reply.bytes) - reply.length - 1, &all);
	if (all && offset > length) return "EINVAL";
	if (all) reply.bytes[reply.length++] = '\0';
	return NULL;
}

static const char *do_read(struct request *r) {
	uint32_t node;
	const char *error = readable(r, &node);

	if (!error) reply.length = pool_read(node, reply.bytes, sizeof(reply.bytes));
	return error;
}

static const char *do_get_perms(struct request *r) {
	uint32_t node;
	const char *error = readable(r, &node);

	if (error) return error;
	reply.length = 0;
	for (uint32_t i = 0; i < boat_block(node)->h.count; i++) {
		uint32_t p = boat_block(node)->node.permission[i];

		reply.length +=
			1 + (uint32_t)rt_format(reply.bytes + reply.length, 16, "%c%u",
						"nrwb"[PERMISSION_MAY(p) & 3], PERMISSION_DOMID(p));
	}
	return NULL;
}

/* --- changing --- */

/* The node, made if it is not there; *made says so. NULL or the error. */
static const char *writable(struct request *r, uint32_t *node, bool *made) {
	bool privileged = path_is_privileged(r->client, r->path);
	uint32_t closest;

	*node = tree_find(r->path, &closest);
	*made = !*node;
	if (!(tree_access(r->client, r->path, closest) & MAY_WRITE)) return "EACCES";
	if (*made) *node = tree_make(r->path, privileged ? NULL : r->client);
	return *node ? NULL : "ENOSPC";
}

static const char *do_write(struct request *r) {
	uint32_t node;
	bool made;
	const char *error = writable(r, &node, &made);

	if (error) return error;
	if (r->rest_length > STORE_VALUE) return "ENOSPC";
	if (!tree_set_value(node, r->rest, r->rest_length)) return "ENOSPC";
	watch_fire(r->path, node);
	return NULL;
}

static const char *do_mkdir(struct request *r) {
	uint32_t node = tree_find(r->path, NULL);
	bool made;
	const char *error;

	/* What exists need not be writable. */
	if (node && tree_access(r->client, r->path, node) & MAY_READ) return NULL;
	error = writable(r, &node, &made);
	if (!error && made) watch_fire(r->path, node);
	return error;
}

static const char *do_rm(struct request *r) {
	uint32_t closest, node = tree_find(r->path, &closest);
	size_t length = strlen(r->path);

	if (node == boat->root || (node && node == r->client->home)) return "EINVAL";
	if (node) {
		if (!(tree_access(r->client, r->path, node) & MAY_WRITE)) return "EACCES";
		watch_fire_removed(r->path, node);
		tree_remove(node);
		return NULL;
	}
	if (!(tree_access(r->client, r->path, closest) & MAY_READ)) return "EACCES";
	while (length > 1 && r->path[length - 1] != '/') length--;
	r->path[MAX(length - 1, 1U)] = '\0';
	return tree_find(r->path, NULL) ? NULL : "ENOENT";
}

/* "n5" */
static bool parse_permission(const char *text, uint32_t *permission) {
	static const char letters[] = "nrwb";
	uint64_t domid;
	uint32_t may = 0;

	while (letters[may] && letters[may] != text[0]) may++;
	if (!letters[may] || !text[1] || !rt_number(text + 1, &domid) || domid > 0x7fff)
		return false;
	*permission = PERMISSION((uint32_t)domid, may);
	return true;
}

static const char *do_set_perms(struct request *r) {
	bool privileged = path_is_privileged(r->client, r->path);
	uint32_t permissions[STORE_PERMS], count = 0, node;
	const char *error = readable(r, &node), *text = r->rest;
	uint16_t owner;

	if (error) return error;
	owner = PERMISSION_DOMID(boat_block(node)->node.permission[0]);
	if (owner != r->client->domid && !privileged) return "EACCES";
	if (!r->rest_length || r->rest[r->rest_length - 1]) return "EINVAL";
	for (; text < r->rest + r->rest_length; text += strlen(text) + 1) {
		if (count == STORE_PERMS) return "ENOSPC";
		if (!parse_permission(text, &permissions[count++])) return "EINVAL";
	}
	if (PERMISSION_DOMID(permissions[0]) != owner && !privileged) return "EPERM";
	tree_set_permissions(node, permissions, count);
	watch_fire(r->path, node);
	return NULL;
}

/* --- watches, transactions, domains --- */

static const char *watch_arguments(const struct request *r, size_t *path, const char **token,
				   size_t *token_length) {
	char resolved[STORE_PATH];

	*path = rt_strnlen(r->payload, r->length);
	if (*path + 1 >= r->length) return "EINVAL";
	*token = r->payload + *path + 1;
	*token_length = rt_strnlen(*token, r->length - *path - 1);
	/* Exactly two strings: depth is a feature that is not offered. */
	if (*path + 1 + *token_length + 1 != r->length || *token_length >= STORE_TOKEN)
		return "EINVAL";
	if (!strcmp(r->payload, "@introduceDomain") || !strcmp(r->payload, "@releaseDomain"))
		return NULL;
	return path_resolve(r->client, r->payload, *path, resolved);
}

static const char *do_watch(struct request *r) {
	size_t path, token_length;
	const char *token, *error = watch_arguments(r, &path, &token, &token_length);

	return error ? error : watch_add(r->client, r->payload, path, token, token_length);
}

static const char *do_unwatch(struct request *r) {
	size_t path, token_length;
	const char *token, *error = watch_arguments(r, &path, &token, &token_length);

	return error ? error : watch_delete(r->client, r->payload, path, token, token_length);
}

static const char *do_reset_watches(struct request *r) {
	watch_delete_all(r->client);
	transaction_delete_all(r->client);
	return NULL;
}

static const char *do_transaction_end(struct request *r) {
	if (!r->transaction) return "ENOENT";
	if (r->length != 2 || r->payload[1] || (r->payload[0] != 'T' && r->payload[0] != 'F'))
		return "EINVAL";
	return transaction_end(r, r->payload[0] == 'T');
}

static bool take_domid(const struct request *r, uint64_t *domid) {
	return r->length && !r->payload[r->length - 1] && rt_number(r->payload, domid) &&
	       *domid < 0x7ff0;
}

static const char *do_get_domain_path(struct request *r) {
	char text[32];
	uint64_t domid;

	if (!take_domid(r, &domid)) return "EINVAL";
	rt_format(text, sizeof(text), "/local/domain/%lu", domid);
	reply_text(text);
	return NULL;
}

static const char *do_is_introduced(struct request *r) {
	const struct client *client;
	uint64_t domid;

	if (!take_domid(r, &domid)) return "EINVAL";
	client = tree_client((uint16_t)domid);
	/* A guest learns nothing of others. */
	if (client && r->client->is_guest && client != r->client) client = NULL;
	reply_text(client && client->home ? "T" : "F");
	return NULL;
}

static const char *refuse(struct request *r) {
	(void)r;
	return "EACCES";
}

static const struct {
	const char *(*run)(struct request *r);
	bool has_path;
} operations[] = {
	[XS_CONTROL] = {refuse, false},
	[XS_DIRECTORY] = {do_directory, true},
	[XS_READ] = {do_read, true},
	[XS_GET_PERMS] = {do_get_perms, true},
	[XS_WATCH] = {do_watch, false},
	[XS_UNWATCH] = {do_unwatch, false},
	[XS_TRANSACTION_START] = {transaction_start, false},
	[XS_TRANSACTION_END] = {do_transaction_end, false},
	[XS_INTRODUCE] = {refuse, false},
	[XS_RELEASE] = {refuse, false},
	[XS_GET_DOMAIN_PATH] = {do_get_domain_path, false},
	[XS_WRITE] = {do_write, true},
	[XS_MKDIR] = {do_mkdir, true},
	[XS_RM] = {do_rm, true},
	[XS_SET_PERMS] = {do_set_perms, true},
	[XS_IS_DOMAIN_INTRODUCED] = {do_is_introduced, false},
	[XS_RESUME] = {refuse, false},
	[XS_SET_TARGET] = {refuse, false},
	[XS_RESET_WATCHES] = {do_reset_watches, false},
	[XS_DIRECTORY_PART] = {do_directory_part, true},
};

bool request_has_path(uint32_t type) {
	return type < ARRAY_SIZE(operations) && operations[type].has_path;
}

const char *request_run(struct request *request) {
	const char *error;

	reply_text("OK");
	if (operations[request->type].has_path) {
		error = request_take_path(request);
		if (error) return error;
	}
	return operations[request->type].run(request);
}

const char *request_execute(struct request *request) {
	if (request->type >= ARRAY_SIZE(operations) || !operations[request->type].run)
		return "ENOSYS";
	if (request->transaction && request_has_path(request->type))
		return transaction_run(request);
	return request_run(request);
}
