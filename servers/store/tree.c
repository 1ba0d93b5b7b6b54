/* SPDX-License-Identifier: BSD-2-Clause */
#include "tree.h"

void tree_init(struct tree *tree) {
	tree->count = 1;
	tree->generation = 0;
	memset(&tree->node[0], 0, sizeof(tree->node[0]));
}

struct tree_node *tree_find(struct tree *tree, const char *path) {
	for (uint32_t i = 0; i < tree->count; i++)
		if (!strcmp(tree->node[i].path, path)) return &tree->node[i];
	return NULL;
}

struct tree_node *tree_make(struct tree *tree, const char *path) {
	struct tree_node *node = tree_find(tree, path);
	char parent[TREE_PATH];
	size_t length = strlen(path);

	if (node) return node;
	/* Parents first: a path has one component more than its parent, so this ends. */
	rt_strcopy(parent, path, sizeof(parent));
	while (length && parent[length - 1] != '/') length--;
	parent[length ? length - 1 : 0] = '\0';
	if (!tree_make(tree, parent) || tree->count == TREE_NODES) return NULL;
	node = &tree->node[tree->count++];
	memset(node, 0, sizeof(*node));
	rt_strcopy(node->path, path, sizeof(node->path));
	return node;
}

bool tree_is_below(const char *path, const char *top) {
	size_t length = strlen(top);

	if (!length) return true;
	return !memcmp(path, top, MIN(length, strlen(path) + 1)) &&
	       (path[length] == '\0' || path[length] == '/');
}

void tree_remove(struct tree *tree, const char *path) {
	char top[TREE_PATH];
	uint32_t kept = 0;

	rt_strcopy(top, path, sizeof(top)); /* it may be a path of the tree itself */
	for (uint32_t i = 0; i < tree->count; i++)
		if (!tree_is_below(tree->node[i].path, top)) tree->node[kept++] = tree->node[i];
	tree->count = kept;
	tree->generation++;
}

const char *tree_child(const struct tree_node *node, const char *parent) {
	const char *name = node->path;
	size_t length = strlen(parent);

	if (length) {
		if (!tree_is_below(name, parent) || !name[length]) return NULL;
		name += length + 1;
	}
	for (const char *p = name; *p; p++)
		if (*p == '/') return NULL;
	return *name ? name : NULL;
}
