/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The requests. Every one has exactly one reply, then its watch events. Paths
 * are turned into paths below the guest's own part once, at the door.
 *
 * A transaction works on a copy of the tree and commits only if nothing else has
 * changed it since; only the guest itself changes it, so a retry succeeds.
 */
#include "store.h"

struct request {
	struct store_client *client;
	struct tree *tree; /* the guest's, or its transaction's */
	struct store_transaction *transaction;
	char path[TREE_PATH]; /* below the guest's part */
	const char *rest;     /* payload behind the path's NUL */
	uint32_t rest_length;
};

static void reply(const struct request *r, const void *payload, uint32_t length) {
	const struct xsd_sockmsg *header = &r->client->header;

	store_send(r->client, header->type, header->req_id, header->tx_id, payload, length);
}

static void reply_ok(const struct request *r) { reply(r, "OK", 3); }

static void reply_error(const struct request *r, const char *name) {
	const struct xsd_sockmsg *header = &r->client->header;

	store_send(r->client, XS_ERROR, header->req_id, header->tx_id, name,
		   (uint32_t)strlen(name) + 1);
}

/* --- paths --- */

static bool path_is_valid(const char *path, size_t length) {
	if (!length || (length > 1 && path[length - 1] == '/')) return false;
	for (size_t i = 0; i < length; i++) {
		char c = path[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		      c == '-' || c == '_' || c == '@' || c == '/') ||
		    (c == '/' && i && path[i - 1] == '/'))
			return false;
	}
	return true;
}

/* The guest's path in its own part; NULL, or the error's name. */
static const char *own_path(uint16_t domid, const char *path, char own[TREE_PATH]) {
	char home[32];
	size_t length = rt_format(home, sizeof(home), "/local/domain/%u", domid);

	if (strlen(path) >= XENSTORE_PATH_MAX || !path_is_valid(path, strlen(path)))
		return "EINVAL";
	if (path[0] == '/') {
		if (!tree_is_below(path, home)) return "EACCES";
		path += path[length] ? length + 1 : length;
	}
	return rt_strcopy(own, path, TREE_PATH) ? NULL : "ENOSPC";
}

/* Splits the payload at its first NUL. False: there is none; an error went out. */
static bool take_path(struct request *r) {
	struct store_client *client = r->client;
	size_t length = rt_strnlen(client->payload, client->header.len);
	const char *error = "EINVAL";

	if (length < client->header.len) error = own_path(client->domid, client->payload, r->path);
	if (error) {
		reply_error(r, error);
		return false;
	}
	r->rest = client->payload + length + 1;
	r->rest_length = client->header.len - (uint32_t)length - 1;
	return true;
}

/* --- watches --- */

/* The path that a watch reports when `path` has changed; false: it does not concern it. */
static bool event_path(const struct store_client *client, const struct store_watch *watch,
		       const char *path, bool removed, char *text, size_t size) {
	char watched[TREE_PATH];

	if (!watch->token[0] || watch->path[0] == '@' ||
	    own_path(client->domid, watch->path, watched))
		return false;
	/* It has the form in which the watch was set: relative or absolute. */
	if (tree_is_below(path, watched)) {
		const char *below = path + strlen(watched);

		rt_format(text, size, "%s%s%s", watch->path, *below && !watched[0] ? "/" : "",
			  below);
		return true;
	}
	rt_format(text, size, "%s", watch->path);
	return removed && tree_is_below(watched, path);
}

/* Tells the watches that `path` concerns; each at most once for one request (fired: a bit each). */
static void fire(struct store_client *client, const char *path, bool removed, uint32_t *fired) {
	char text[STORE_WATCH_PATH + TREE_PATH + STORE_TOKEN];

	for (uint32_t i = 0; i < STORE_WATCHES; i++) {
		const struct store_watch *watch = &client->watch[i];
		size_t length;

		if (*fired & 1U << i ||
		    !event_path(client, watch, path, removed, text, sizeof(text) - STORE_TOKEN))
			continue;
		*fired |= 1U << i;
		length = strlen(text) + 1;
		length += rt_format(text + length, STORE_TOKEN, "%s", watch->token) + 1;
		store_send(client, XS_WATCH_EVENT, 0, 0, text, (uint32_t)length);
	}
}

static void changed(struct request *r, bool removed) {
	uint32_t fired = 0;

	r->tree->generation++;
	if (!r->transaction) fire(r->client, r->path, removed, &fired);
}

static struct store_watch *find_watch(struct store_client *client, const char *path,
				      const char *token) {
	for (uint32_t i = 0; i < STORE_WATCHES; i++)
		if (!strcmp(client->watch[i].token, token) &&
		    (!*token || !strcmp(client->watch[i].path, path)))
			return &client->watch[i];
	return NULL;
}

/* Path and token of WATCH and UNWATCH; an error's name, or NULL. */
static const char *watch_arguments(const struct store_client *client, const char **token) {
	size_t length = rt_strnlen(client->payload, client->header.len);
	char own[TREE_PATH];

	if (length + 1 >= client->header.len) return "EINVAL";
	*token = client->payload + length + 1;
	if (!**token || strlen(*token) >= STORE_TOKEN || length >= STORE_WATCH_PATH)
		return "EINVAL";
	return client->payload[0] == '@' ? NULL : own_path(client->domid, client->payload, own);
}

static void do_watch(struct request *r) {
	struct store_client *client = r->client;
	const char *token = "", *error = watch_arguments(client, &token);
	struct store_watch *watch = find_watch(client, "", "");
	char text[STORE_WATCH_PATH + STORE_TOKEN];
	size_t length;

	if (!error && find_watch(client, client->payload, token)) error = "EEXIST";
	if (!error && !watch) error = "ENOSPC";
	if (error) {
		reply_error(r, error);
		return;
	}
	rt_strcopy(watch->path, client->payload, sizeof(watch->path));
	rt_strcopy(watch->token, token, sizeof(watch->token));
	reply_ok(r);
	/* A new watch fires once, so that what is there already is not missed. */
	length = rt_format(text, sizeof(text), "%s", watch->path);
	length += 1 + rt_format(text + length + 1, sizeof(text) - length - 1, "%s", token);
	store_send(client, XS_WATCH_EVENT, 0, 0, text, (uint32_t)length + 1);
}

static void do_unwatch(struct request *r) {
	const char *token = "", *error = watch_arguments(r->client, &token);
	struct store_watch *watch = error ? NULL : find_watch(r->client, r->client->payload, token);

	if (!watch) {
		reply_error(r, error ? error : "ENOENT");
		return;
	}
	watch->token[0] = '\0';
	reply_ok(r);
}

static void do_reset_watches(struct request *r) {
	memset(r->client->watch, 0, sizeof(r->client->watch));
	for (uint32_t i = 0; i < STORE_TRANSACTIONS; i++) r->client->transaction[i].id = 0;
	reply_ok(r);
}

/* --- nodes --- */

static void do_directory(struct request *r) {
	static char names[XENSTORE_PAYLOAD_MAX + TREE_PATH];
	uint32_t length = 0;

	if (!take_path(r)) return;
	if (!tree_find(r->tree, r->path)) {
		reply_error(r, "ENOENT");
		return;
	}
	for (uint32_t i = 0; i < r->tree->count && length <= XENSTORE_PAYLOAD_MAX; i++) {
		const char *name = tree_child(&r->tree->node[i], r->path);

		if (name) length += 1 + (uint32_t)rt_format(names + length, TREE_PATH, "%s", name);
	}
	if (length > XENSTORE_PAYLOAD_MAX)
		reply_error(r, "E2BIG");
	else
		reply(r, names, length);
}

static void do_read(struct request *r) {
	const struct tree_node *node;

	if (!take_path(r)) return;
	node = tree_find(r->tree, r->path);
	if (node)
		reply(r, node->value, node->length);
	else
		reply_error(r, "ENOENT");
}

static void do_write(struct request *r) {
	struct tree_node *node;

	if (!take_path(r)) return;
	node = r->rest_length <= TREE_VALUE ? tree_make(r->tree, r->path) : NULL;
	if (!node) {
		reply_error(r, "ENOSPC");
		return;
	}
	memcpy(node->value, r->rest, r->rest_length);
	node->length = r->rest_length;
	reply_ok(r);
	changed(r, false);
}

static void do_mkdir(struct request *r) {
	bool exists;

	if (!take_path(r)) return;
	exists = tree_find(r->tree, r->path);
	if (!tree_make(r->tree, r->path)) {
		reply_error(r, "ENOSPC");
		return;
	}
	reply_ok(r);
	if (!exists) changed(r, false);
}

static void do_rm(struct request *r) {
	char parent[TREE_PATH];
	size_t length;

	if (!take_path(r)) return;
	if (!r->path[0]) {
		reply_error(r, "EINVAL");
		return;
	}
	if (tree_find(r->tree, r->path)) {
		tree_remove(r->tree, r->path);
		reply_ok(r);
		changed(r, true);
		return;
	}
	rt_strcopy(parent, r->path, sizeof(parent));
	for (length = strlen(parent); length && parent[length - 1] != '/';) length--;
	parent[length ? length - 1 : 0] = '\0';
	if (tree_find(r->tree, parent))
		reply_ok(r);
	else
		reply_error(r, "ENOENT");
}

/* All nodes of a guest's part are its own, and stay that. */
static void do_get_perms(struct request *r) {
	char text[16];

	if (!take_path(r)) return;
	if (!tree_find(r->tree, r->path))
		reply_error(r, "ENOENT");
	else
		reply(r, text,
		      1 + (uint32_t)rt_format(text, sizeof(text), "n%u", r->client->domid));
}

static void do_set_perms(struct request *r) {
	uint64_t owner;

	if (!take_path(r)) return;
	if (!tree_find(r->tree, r->path))
		reply_error(r, "ENOENT");
	else if (r->rest_length < 2 || r->rest[r->rest_length - 1] ||
		 !rt_number(r->rest + 1, &owner))
		reply_error(r, "EINVAL");
	else if (owner != r->client->domid)
		reply_error(r, "EACCES");
	else
		reply_ok(r);
}

/* --- transactions --- */

static void do_transaction_start(struct request *r) {
	struct store_client *client = r->client;
	char text[16];

	if (client->header.tx_id) {
		reply_error(r, "EBUSY");
		return;
	}
	for (uint32_t i = 0; i < STORE_TRANSACTIONS; i++) {
		struct store_transaction *t = &client->transaction[i];

		if (t->id) continue;
		t->id = client->next_id++;
		client->next_id += !client->next_id; /* never 0 */
		t->tree = client->tree;
		t->generation = client->tree.generation;
		reply(r, text, 1 + (uint32_t)rt_format(text, sizeof(text), "%u", t->id));
		return;
	}
	reply_error(r, "ENOSPC");
}

static bool same_value(const struct tree_node *a, const struct tree_node *b) {
	return b && a->length == b->length && !memcmp(a->value, b->value, a->length);
}

static void do_transaction_end(struct request *r) {
	struct store_client *client = r->client;
	struct store_transaction *t = r->transaction;
	static struct tree old;
	uint32_t fired = 0;
	char decision = client->payload[0];

	if (!t || (decision != 'T' && decision != 'F') || client->header.len != 2) {
		reply_error(r, t ? "EINVAL" : "ENOENT");
		return;
	}
	t->id = 0;
	if (decision == 'F') {
		reply_ok(r);
		return;
	}
	if (t->generation != client->tree.generation) {
		reply_error(r, "EAGAIN");
		return;
	}
	old = client->tree;
	client->tree = t->tree;
	reply_ok(r);
	/* Watches fire at commit. */
	for (uint32_t i = 0; i < t->tree.count; i++)
		if (!same_value(&t->tree.node[i], tree_find(&old, t->tree.node[i].path)))
			fire(client, t->tree.node[i].path, false, &fired);
	for (uint32_t i = 0; i < old.count; i++)
		if (!tree_find(&t->tree, old.node[i].path))
			fire(client, old.node[i].path, true, &fired);
}

/* --- others --- */

static void do_get_domain_path(struct request *r) {
	char text[32];
	uint64_t domid;

	if (!rt_number(r->client->payload, &domid) || domid > 0x7fef)
		reply_error(r, "EINVAL");
	else
		reply(r, text,
		      1 + (uint32_t)rt_format(text, sizeof(text), "/local/domain/%lu", domid));
}

static void do_is_introduced(struct request *r) {
	uint64_t domid;

	if (!rt_number(r->client->payload, &domid))
		reply_error(r, "EINVAL");
	else
		reply(r, domid == r->client->domid ? "T" : "F", 2);
}

static void refuse(struct request *r) { reply_error(r, "EACCES"); }

static void (*const operations[])(struct request *r) = {
	[XS_CONTROL] = refuse,
	[XS_DIRECTORY] = do_directory,
	[XS_READ] = do_read,
	[XS_GET_PERMS] = do_get_perms,
	[XS_WATCH] = do_watch,
	[XS_UNWATCH] = do_unwatch,
	[XS_TRANSACTION_START] = do_transaction_start,
	[XS_TRANSACTION_END] = do_transaction_end,
	[XS_INTRODUCE] = refuse,
	[XS_RELEASE] = refuse,
	[XS_GET_DOMAIN_PATH] = do_get_domain_path,
	[XS_WRITE] = do_write,
	[XS_MKDIR] = do_mkdir,
	[XS_RM] = do_rm,
	[XS_SET_PERMS] = do_set_perms,
	[XS_IS_DOMAIN_INTRODUCED] = do_is_introduced,
	[XS_RESUME] = refuse,
	[XS_SET_TARGET] = refuse,
	[XS_RESET_WATCHES] = do_reset_watches,
};

void store_execute(struct store_client *client) {
	struct request r = {.client = client, .tree = &client->tree};
	const struct xsd_sockmsg *header = &client->header;

	for (uint32_t i = 0; i < STORE_TRANSACTIONS && header->tx_id; i++)
		if (client->transaction[i].id == header->tx_id) {
			r.transaction = &client->transaction[i];
			r.tree = &r.transaction->tree;
		}
	if (header->type >= ARRAY_SIZE(operations) || !operations[header->type])
		reply_error(&r, "ENOSYS");
	else if (header->tx_id && !r.transaction)
		reply_error(&r, "ENOENT");
	else
		operations[header->type](&r);
}
