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

#define OPERATION(number, function, of, count, needs) \
	[number] = {.handler = function, .type = of, .arguments = count, .rights = needs},
static const struct operation operations[] = {
#include "proto/cap/operations.h"
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
	trace(TRACE_INVOKE, operation << 32 | (u32)slot, (u64)r);
	return r == -ERESTART ? hypercall_restart() : r;
}
