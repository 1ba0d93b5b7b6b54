/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hypercall 63: one table from operation to type, right, number of arguments
 * and handler. Everything that all operations have in common is checked here.
 *
 * tree_lock is held throughout. Handlers are bounded, so nobody waits long; one
 * that is not done returns -ERESTART, and the lock is free in between.
 */
#include "cap/invoke.h"
#include "entry/hypercall.h"

#define ANY_SLOT (CAP_ANY + 1) /* or an empty slot */

struct operation {
	invocation_handler *handler;
	u8 type;
	u8 arguments; /* those behind them must be zero */
	u16 rights;
};

static const struct operation operations[] = {
	[CAP_COPY] = {cap_op_copy, CAP_ANY, 4, RIGHT_COPY},
	[CAP_MOVE] = {cap_op_move, CAP_ANY, 1, 0},
	[CAP_DELETE] = {cap_op_delete, CAP_ANY, 0, 0},
	[CAP_REVOKE] = {cap_op_revoke, CAP_ANY, 0, 0},
	[CAP_INSPECT] = {cap_op_inspect, ANY_SLOT, 1, 0},

	[MEMORY_SPLIT] = {memory_split, CAP_MEMORY, 2, RIGHT_MEMORY_USE},
	[MEMORY_MERGE] = {memory_merge, CAP_MEMORY, 1, RIGHT_MEMORY_USE},
	[MEMORY_GIVE] = {memory_give, CAP_MEMORY, 2, RIGHT_MEMORY_USE},
	[MEMORY_RECLAIM] = {memory_reclaim, CAP_MEMORY, 0, RIGHT_MEMORY_USE},
	[MEMORY_CREATE_DOMAIN] = {memory_create_domain, CAP_MEMORY, 2, RIGHT_MEMORY_USE},
	[MEMORY_CREATE_DMASPACE] = {memory_create_dmaspace, CAP_MEMORY, 2, RIGHT_MEMORY_USE},

	[DOMAIN_INFO] = {domain_op_info, CAP_DOMAIN, 1, RIGHT_INSPECT},
	[DOMAIN_SET_CONTEXT] = {domain_op_set_context, CAP_DOMAIN, 2, RIGHT_CONTROL},
	[DOMAIN_UNPAUSE] = {domain_op_unpause, CAP_DOMAIN, 0, RIGHT_CONTROL},
	[DOMAIN_PAUSE] = {domain_op_pause, CAP_DOMAIN, 0, RIGHT_CONTROL},
	[DOMAIN_RESET] = {domain_op_reset, CAP_DOMAIN, 0, RIGHT_CONTROL},
	[DOMAIN_DESTROY] = {domain_op_destroy, CAP_DOMAIN, 0, RIGHT_CONTROL},
	[DOMAIN_OFFER] = {domain_op_offer, CAP_DOMAIN, 2, RIGHT_CONTROL},
	[DOMAIN_CONNECT] = {domain_op_connect, CAP_DOMAIN, 3, RIGHT_CONTROL},
	[DOMAIN_GRANT] = {domain_op_grant, CAP_DOMAIN, 3, RIGHT_CONTROL},
	[DOMAIN_CAP] = {domain_op_cap, CAP_DOMAIN, 3, RIGHT_CONTROL},
	[DOMAIN_WATCH] = {domain_op_watch, CAP_DOMAIN, 1, RIGHT_INSPECT},
	[DOMAIN_VCPU] = {domain_op_vcpu, CAP_DOMAIN, 2, RIGHT_DEBUG},

	[PLAN_COMMIT] = {plan_op_commit, CAP_CPU, 1, RIGHT_PLAN},
	[PLAN_GUARD] = {plan_op_guard, CAP_CPU, 3, RIGHT_PLAN | RIGHT_GUARD},
	[PLAN_READ] = {plan_op_read, CAP_CPU, 3, RIGHT_ACCOUNT},

	[IRQ_BIND] = {irq_op_bind, CAP_IRQ, 3, RIGHT_USE},
	[IRQ_ACK] = {irq_op_acknowledge, CAP_IRQ, 1, RIGHT_USE},
	[IRQ_MESSAGE] = {irq_op_message, CAP_IRQ, 3, RIGHT_ROUTE},
	[IOPORTS_ENABLE] = {ioports_op_enable, CAP_IOPORTS, 0, RIGHT_USE},

	[DMA_MAP] = {dma_op_map, CAP_DMASPACE, 2, RIGHT_DMA_MAP},
	[DMA_UNMAP] = {dma_op_unmap, CAP_DMASPACE, 2, RIGHT_DMA_MAP},
	[DMA_READ] = {dma_op_read, CAP_DMASPACE, 3, RIGHT_DMA_MAP},
	[DMA_EMPTY] = {dma_op_empty, CAP_DMASPACE, 1, RIGHT_DMA_EMPTY},
	[DMA_INFO] = {dma_op_info, CAP_DMASPACE, 1, RIGHT_DMA_EMPTY},

	[CONSOLE_READ] = {console_op_read, CAP_CONSOLE, 3, RIGHT_READ},
	[CONSOLE_WRITE] = {console_op_write, CAP_CONSOLE, 2, RIGHT_WRITE},
};

static struct cap *find(struct domain *caller, u64 slot, const struct operation *op, int *error)
	REQUIRES(tree_lock) {
	if (op->type != ANY_SLOT) return cap_lookup(caller, slot, op->type, op->rights, error);
	*error = -EBADF;
	return slot && slot < caller->cap_slots ? &caller->caps[slot] : NULL;
}

long do_capability_op(u64 operation, u64 slot, u64 a1, u64 a2, u64 a3, u64 a4) {
	struct vcpu *v = current_vcpu();
	struct invocation in = {.caller = v->domain, .arg = {a1, a2, a3, a4}};
	int error;

	if (operation >= sizeof(operations) / sizeof(operations[0]) ||
	    !operations[operation].handler)
		return -EINVAL;
	const struct operation *op = &operations[operation];
	for (unsigned i = op->arguments; i < 4; i++)
		if (in.arg[i]) return -EINVAL;
	budget_begin(v);
	lock_take(&tree_lock);
	in.cap = find(in.caller, slot, op, &error);
	long r = in.cap ? op->handler(&in) : error;
	lock_drop(&tree_lock);
	return r == -ERESTART ? hypercall_restart() : r;
}
