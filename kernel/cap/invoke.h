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

/* One for each operation of proto/cap/cap.h, by the file that has it. */
typedef long invocation_handler(struct invocation *in);

/* cap/derive.c: the caller's own table */
REQUIRES(tree_lock)
invocation_handler cap_op_copy, cap_op_move, cap_op_delete, cap_op_revoke, cap_op_inspect;
/* Makes dst of `holder` a child of src: what CAP_COPY and DOMAIN_CAP have in common. */
int cap_derive(struct cap *src, struct domain *holder, u64 dst, u64 rights, u64 first, u64 count)
	REQUIRES(tree_lock);

/* mem/memory.c */
REQUIRES(tree_lock)
invocation_handler memory_split, memory_merge, memory_give, memory_reclaim, memory_create_domain,
	memory_create_dmaspace;

/* iommu/dma.c */
REQUIRES(tree_lock)
invocation_handler dma_op_map, dma_op_unmap, dma_op_read, dma_op_empty, dma_op_info;

/* cap/objects.c */
REQUIRES(tree_lock)
invocation_handler domain_op_info, domain_op_set_context, domain_op_unpause, domain_op_pause,
	domain_op_reset, domain_op_destroy, domain_op_offer, domain_op_connect, domain_op_grant,
	domain_op_cap, domain_op_watch, domain_op_vcpu, plan_op_commit, plan_op_guard, plan_op_read,
	irq_op_bind, irq_op_acknowledge, irq_op_message, ioports_op_enable, console_op_read,
	console_op_write;

/* What a capability enabled for its holder ends with it; called by cap_remove. */
void object_disable(struct cap *cap) REQUIRES(tree_lock);

#endif
