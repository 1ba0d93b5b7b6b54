/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One capability invocation, as its handler sees it: the table in cap/invoke.c
 * has checked operation, type, rights, and that unused arguments are zero.
 * Handlers run under tree_lock and do a bounded part of the work; -ERESTART
 * stands for "call again".
 */
#ifndef KERNEL_CAP_INVOKE_H
#define KERNEL_CAP_INVOKE_H

#include "cap/cap.h"

struct invocation {
	struct domain *caller;
	struct cap *cap; /* the invoked slot */
	u64 arg[4];
};

typedef long invocation_handler(struct invocation *in);
#define OPERATION(number, function, ...) invocation_handler function REQUIRES(tree_lock);
#include "proto/cap/operations.h"

/* Makes dst of `holder` a child of src: what CAP_COPY and DOMAIN_CAP have in common. */
int cap_derive(struct cap *src, struct domain *holder, u64 dst, u64 rights, u64 first, u64 count)
	REQUIRES(tree_lock);

/* What a capability enabled for its holder ends with it; called by cap_remove. */
void object_disable(struct cap *cap) REQUIRES(tree_lock);

#endif
