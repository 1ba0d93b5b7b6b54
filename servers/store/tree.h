/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest's part of the store: a list of nodes, each with its path below
 * /local/domain/N. Every parent of a node is a node. A list is enough: a guest
 * has some dozens of them, and a transaction is a copy of the list.
 */
#ifndef SERVERS_STORE_TREE_H
#define SERVERS_STORE_TREE_H

#include "libs/rt/rt.h"

#define TREE_NODES 96U
#define TREE_PATH  96U /* NUL included */
#define TREE_VALUE 144U

struct tree_node {
	char path[TREE_PATH]; /* "" is the root of the part */
	uint32_t length;
	char value[TREE_VALUE];
};

struct tree {
	uint32_t count;
	uint32_t generation; /* counts changes */
	struct tree_node node[TREE_NODES];
};

/* Empty but for the root. */
void tree_init(struct tree *tree);
struct tree_node *tree_find(struct tree *tree, const char *path);
/* Finds it or makes it and its parents; NULL: too many nodes. */
struct tree_node *tree_make(struct tree *tree, const char *path);
/* Removes the node and what is below it. */
void tree_remove(struct tree *tree, const char *path);
/* Whether `path` is `top` or lies below it. */
bool tree_is_below(const char *path, const char *top);
/* The name of a direct child of `parent`, or NULL. */
const char *tree_child(const struct tree_node *node, const char *parent);

#endif
