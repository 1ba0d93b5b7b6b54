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

/* cap/derive.c: the caller's own table */
long cap_op_copy(struct invocation *in) REQUIRES(tree_lock);
long cap_op_move(struct invocation *in) REQUIRES(tree_lock);
long cap_op_delete(struct invocation *in) REQUIRES(tree_lock);
long cap_op_revoke(struct invocation *in) REQUIRES(tree_lock);
long cap_op_inspect(struct invocation *in) REQUIRES(tree_lock);
/* Makes dst of `holder` a child of src: what CAP_COPY and DOMAIN_CAP have in common. */
int cap_derive(struct cap *src, struct domain *holder, u64 dst, u64 rights, u64 first, u64 count)
	REQUIRES(tree_lock);

/* cap/objects.c */
long domain_op_info(struct invocation *in) REQUIRES(tree_lock);
long domain_op_set_context(struct invocation *in) REQUIRES(tree_lock);
long domain_op_unpause(struct invocation *in) REQUIRES(tree_lock);
long domain_op_pause(struct invocation *in) REQUIRES(tree_lock);
long domain_op_reset(struct invocation *in) REQUIRES(tree_lock);
long domain_op_destroy(struct invocation *in) REQUIRES(tree_lock);
long domain_op_offer(struct invocation *in) REQUIRES(tree_lock);
long domain_op_connect(struct invocation *in) REQUIRES(tree_lock);
long domain_op_grant(struct invocation *in) REQUIRES(tree_lock);
long domain_op_cap(struct invocation *in) REQUIRES(tree_lock);
long domain_op_watch(struct invocation *in) REQUIRES(tree_lock);
long domain_op_vcpu(struct invocation *in) REQUIRES(tree_lock);
long plan_op_commit(struct invocation *in) REQUIRES(tree_lock);
long cpu_op_account(struct invocation *in) REQUIRES(tree_lock);
long vcpu_op_account(struct invocation *in) REQUIRES(tree_lock);
long irq_op_bind(struct invocation *in) REQUIRES(tree_lock);
long irq_op_acknowledge(struct invocation *in) REQUIRES(tree_lock);
long irq_op_message(struct invocation *in) REQUIRES(tree_lock);
long ioports_op_enable(struct invocation *in) REQUIRES(tree_lock);
long console_op_read(struct invocation *in) REQUIRES(tree_lock);
long console_op_write(struct invocation *in) REQUIRES(tree_lock);

/* What a capability enabled for its holder ends with it; called by cap_remove. */
void object_disable(struct cap *cap) REQUIRES(tree_lock);

#endif
