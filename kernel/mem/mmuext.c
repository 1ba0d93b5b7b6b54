/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mmuext_op: pinning, page-table roots, the TLB, the LDT, page clearing.
 *
 * A flush for other vCPUs concerns those that run now: one that does not gets a
 * clean TLB when it is switched to. A remote flush is always a whole one, for the
 * way there costs more than what it drops.
 */
#include "cpu/cpu.h"
#include "domain/state.h"
#include "lib/string.h"
#include "mem/mmu_ops.h"
#include "mem/memory.h"
#include "mem/tlb.h"
#include "mem/validate.h"

int root_set(struct vcpu *v, mfn_t mfn, bool user) {
	struct frame **root = user ? &v->user_root : &v->root;
	struct frame *old = *root;
	struct frame *f = NULL;
	int r;

	if (mfn || !user) {
		if (mfn >= frame_count) return -EINVAL;
		f = mfn_to_frame(mfn);
		r = frame_get_type(f, v->domain, TYPE_L4);
		if (r) return r;
	}
	*root = f;
	tlb_set_roots(v);
	if (old) table_release(v, old);
	return 0;
}

static int op_pin(struct vcpu *v, const struct mmuext_op *op) {
	if (op->arg1 >= frame_count) return -EINVAL;
	return frame_pin(mfn_to_frame(op->arg1), v->domain,
			 (enum frame_type)(TYPE_L1 + (op->cmd - MMUEXT_PIN_L1_TABLE)));
}

static int op_unpin(struct vcpu *v, const struct mmuext_op *op) {
	if (op->arg1 >= frame_count) return -EINVAL;
	struct frame *f = mfn_to_frame(op->arg1);
	if (!frame_get(f, v->domain)) return -EINVAL;
	int r = frame_unpin(f);
	frame_put(f);
	return r;
}

static int op_new_root(struct vcpu *v, const struct mmuext_op *op) {
	bool user = op->cmd == MMUEXT_NEW_USER_BASEPTR;
	int r = root_set(v, op->arg1, user);

	if (!r && !user) {
		ldt_unmap(v);
		tlb_load_root(v);
	}
	return r;
}

static int op_set_ldt(struct vcpu *v, const struct mmuext_op *op) {
	u64 bytes = op->arg2 * 8;

	if (op->arg2 > XEN_MAX_LDT_ENTRIES || (op->arg1 & ~PAGE_MASK)) return -EINVAL;
	if (op->arg2 && !guest_range_ok(op->arg1, bytes)) return -EINVAL;
	if (v->ldt_entries == op->arg2 && v->ldt_base == op->arg1) return 0;
	ldt_unmap(v);
	v->ldt_base = op->arg1;
	v->ldt_entries = (u32)op->arg2;
	descriptors_load_ldt(this_cpu(), v);
	return 0;
}

/* A flush can wait for the end of a multicall, where one serves for all. */
static int op_flush(struct vcpu *v, const struct mmuext_op *op) {
	bool all = op->cmd == MMUEXT_TLB_FLUSH_ALL || op->cmd == MMUEXT_INVLPG_ALL;
	bool local = op->cmd == MMUEXT_TLB_FLUSH_LOCAL || op->cmd == MMUEXT_INVLPG_LOCAL;
	bool whole = op->cmd == MMUEXT_TLB_FLUSH_LOCAL || op->cmd == MMUEXT_TLB_FLUSH_MULTI ||
		     op->cmd == MMUEXT_TLB_FLUSH_ALL;

	if (!local && tlb_flush_vcpus(all ? TLB_ALL_VCPUS : op->arg2)) return -EINVAL;
	if (!whole)
		tlb_flush_page_local(op->arg1);
	else if (v->in_multicall)
		tlb_flush_later(v);
	else
		tlb_flush_local();
	return 0;
}

static int op_page(struct vcpu *v, const struct mmuext_op *op) {
	bool copy = op->cmd == MMUEXT_COPY_PAGE;
	struct frame *to = mfn_to_frame(op->arg1), *from = mfn_to_frame(op->arg2);
	int r = -EINVAL;

	if (op->arg1 >= frame_count || (copy && op->arg2 >= frame_count)) return -EINVAL;
	if (copy && !frame_get(from, v->domain)) return -EINVAL;
	if (!(atomic_load(&to->state) & FRAME_CORE) &&
	    !frame_get_type(to, v->domain, TYPE_WRITABLE)) {
		if (copy)
			memcpy(mfn_to_virt(op->arg1), mfn_to_virt(op->arg2), PAGE_SIZE);
		else
			memset(mfn_to_virt(op->arg1), 0, PAGE_SIZE);
		frame_put_writable(to);
		(void)budget_spend(PTES_PER_TABLE);
		r = 0;
	}
	if (copy) frame_put(from);
	return r;
}

static int mmuext_one(void *state, const void *element) {
	const struct mmuext_op *op = element;
	struct vcpu *v = state;

	if (!budget_spend(8)) return -ERESTART;
	switch (op->cmd) {
	case MMUEXT_PIN_L1_TABLE:
	case MMUEXT_PIN_L2_TABLE:
	case MMUEXT_PIN_L3_TABLE:
	case MMUEXT_PIN_L4_TABLE: return op_pin(v, op);
	case MMUEXT_UNPIN_TABLE: return op_unpin(v, op);
	case MMUEXT_NEW_BASEPTR:
	case MMUEXT_NEW_USER_BASEPTR: return op_new_root(v, op);
	case MMUEXT_TLB_FLUSH_LOCAL:
	case MMUEXT_INVLPG_LOCAL:
	case MMUEXT_TLB_FLUSH_MULTI:
	case MMUEXT_INVLPG_MULTI:
	case MMUEXT_TLB_FLUSH_ALL:
	case MMUEXT_INVLPG_ALL: return op_flush(v, op);
	case MMUEXT_SET_LDT: return op_set_ldt(v, op);
	case MMUEXT_CLEAR_PAGE:
	case MMUEXT_COPY_PAGE: return op_page(v, op);
	case MMUEXT_FLUSH_CACHE:
	case MMUEXT_FLUSH_CACHE_GLOBAL: return -EACCES;
	case MMUEXT_MARK_SUPER:
	case MMUEXT_UNMARK_SUPER: return -EOPNOTSUPP;
	default: return -ENOSYS;
	}
}

long do_mmuext_op(u64 ops, u64 count, u64 done, u64 domid) {
	struct vcpu *v = current_vcpu();
	struct mmuext_op op;
	int error = 0;

	budget_begin(v);
	if (unlikely(v->deferred) && deferred_finish(v)) return hypercall_restart();
	if (unlikely((u16)domid != DOMID_SELF && (u16)domid != v->domain->id))
		return cap_resolve_domid(v->domain, (u16)domid, RIGHT_CONTROL, &error) ? -EPERM
										       : error;
	return batch_run(v, ops, count, done, &op, sizeof(op), mmuext_one, v);
}
