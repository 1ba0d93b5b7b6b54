/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The tree: a node is a block, its children a list in the order in which they
 * were made. A node belongs to the account of the home in which it lies, whoever
 * makes it: a guest can fill its own part only, and what others write there is at
 * its expense.
 */
#include "store.h"

struct client *tree_client(uint16_t domid) {
	for (uint32_t i = 0; i < boat->client_count; i++)
		if (boat_client(i)->domid == domid) return boat_client(i);
	return NULL;
}

/* A child by name; 0: none, and *last is the last child, 0 for none. */
static uint32_t find_child(uint32_t parent, const char *name, size_t length, uint32_t *last) {
	uint32_t index = boat_block(parent)->node.child;

	*last = 0;
	for (; index; index = boat_block(index)->h.next) {
		const struct block *node = boat_block(index);

		if (!memcmp(node->node.name, name, length) && !node->node.name[length])
			return index;
		*last = index;
	}
	return 0;
}

uint32_t tree_find(const char *path, uint32_t *closest) {
	uint32_t node = boat->root, last;
	const char *name;
	size_t length;

	while (path_next(&path, &name, &length)) {
		uint32_t child = find_child(node, name, length, &last);

		if (closest) *closest = node;
		if (!child) return 0;
		node = child;
	}
	if (closest) *closest = node;
	return node;
}

uint32_t tree_access(const struct client *client, const char *path, uint32_t index) {
	const struct block *node = boat_block(index);

	if (path_is_privileged(client, path) ||
	    PERMISSION_DOMID(node->node.permission[0]) == client->domid)
		return MAY_READ | MAY_WRITE;
	for (uint32_t i = 1; i < node->h.count; i++)
		if (PERMISSION_DOMID(node->node.permission[i]) == client->domid)
			return PERMISSION_MAY(node->node.permission[i]);
	return PERMISSION_MAY(node->node.permission[0]);
}

void tree_touch(uint32_t node) {
	SET(boat->generation, boat->generation + 1);
	SET(boat_block(node)->node.generation, boat->generation);
}

/* Whose account a child of the parent goes to: a home's own, and then as its parent. */
static uint32_t account_for(uint32_t parent, const struct client *home) {
	if (!home) return boat_block(parent)->h.account;
	return ACCOUNT((uint32_t)(home - boat_client(0)));
}

static uint32_t make_child(uint32_t parent, uint32_t last, const char *name, size_t length,
			   const struct client *owner, const struct client *home) {
	uint32_t index = pool_take(BLOCK_NODE, account_for(parent, home));
	const struct block *above = boat_block(parent);
	struct block *node;

	if (!index) return 0;
	/* A block just taken needs no undoing. */
	node = boat_block(index);
	node->node.parent = parent;
	node->h.count = above->h.count;
	memcpy(node->node.permission, above->node.permission, sizeof(node->node.permission));
	if (owner)
		node->node.permission[0] =
			PERMISSION(owner->domid, PERMISSION_MAY(above->node.permission[0]));
	memcpy(node->node.name, name, length);
	if (last)
		SET(boat_block(last)->h.next, index);
	else
		SET(boat_block(parent)->node.child, index);
	tree_touch(index);
	SET(boat_block(parent)->node.generation, boat->generation);
	return boat_is_full() ? 0 : index;
}

/* The client whose home a path is, exactly. */
static const struct client *home_at(const char *start, const char *end) {
	char path[32];

	for (uint32_t i = 0; i < boat->client_count; i++) {
		size_t length = path_home(boat_client(i), path, sizeof(path));

		if (length == (size_t)(end - start) && !memcmp(path, start, length))
			return boat_client(i);
	}
	return NULL;
}

uint32_t tree_make(const char *path, const struct client *owner) {
	const char *start = path, *name;
	uint32_t node = boat->root, last;
	size_t length;

	while (path_next(&path, &name, &length)) {
		uint32_t child = find_child(node, name, length, &last);

		if (!child)
			child = make_child(node, last, name, length, owner, home_at(start, path));
		if (!child) return 0;
		node = child;
	}
	return node;
}

bool tree_set_value(uint32_t node, const void *value, uint32_t length) {
	tree_touch(node);
	return pool_write(node, value, length);
}

void tree_set_permissions(uint32_t node, const uint32_t *permissions, uint32_t count) {
	struct block *block = boat_block(node);

	boat_set(block->node.permission, permissions, count * sizeof(*permissions));
	SET(block->h.count, count);
	tree_touch(node);
}

static void unlink_node(uint32_t index) {
	uint32_t parent = boat_block(index)->node.parent, next = boat_block(index)->h.next;
	uint32_t before = boat_block(parent)->node.child;

	if (before == index) {
		SET(boat_block(parent)->node.child, next);
	} else {
		while (boat_block(before)->h.next != index) before = boat_block(before)->h.next;
		SET(boat_block(before)->h.next, next);
	}
	tree_touch(parent);
}

void tree_remove(uint32_t top) {
	struct pool_bag bag = {0};
	uint32_t index = top;

	unlink_node(top);
	/* Children before their parents, without recursion: a guest chooses the depth. */
	while (!boat_is_full()) {
		uint32_t next, parent;

		while (boat_block(index)->node.child) index = boat_block(index)->node.child;
		for (;;) {
			next = boat_block(index)->h.next;
			parent = boat_block(index)->node.parent;
			pool_bag_put(&bag, index);
			if (index == top || next || boat_is_full()) break;
			index = parent;
		}
		if (index == top) break;
		index = next;
	}
	pool_bag_empty(&bag);
}
