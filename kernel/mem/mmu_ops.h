/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The MMU hypercalls' helpers that other files need.
 */
#ifndef KERNEL_MEM_MMU_OPS_H
#define KERNEL_MEM_MMU_OPS_H

#include "entry/hypercall.h"
#include "mem/frame.h"
#include "mem/guest_copy.h"

/*
 * Goes on taking apart the table whose last reference v dropped earlier. 0: there
 * is none (any more). -ERESTART: not yet. Every operation that may drop another
 * table calls this first.
 */
MUST_CHECK int deferred_finish(struct vcpu *v);
/* Drops a type reference now or, if the table is large, in parts through v->deferred. */
void table_release(struct vcpu *v, struct frame *f);
/* Makes `mfn` v's kernel or user root; user roots may be 0 = none. Does not load it. */
MUST_CHECK int root_set(struct vcpu *v, mfn_t mfn, bool user);

/*
 * A batch of operations, the shape of mmu_update and mmuext_op: each element is
 * copied and executed, *done counts those completed, the first error ends it. In a
 * restarted call bit 31 of the count says that *done holds what was done before.
 * `one` returns 0, an error, or -ERESTART.
 */
#define BATCH_RESUMED (1UL << 31)

static ALWAYS_INLINE long batch_run(struct vcpu *v, u64 array, u64 count_word, u64 done,
				    void *element, u64 size,
				    int (*one)(void *state, const void *element), void *state) {
	u32 count = (u32)count_word & ~BATCH_RESUMED, before = 0, i = 0;
	long r = 0;

	if (unlikely(count_word & BATCH_RESUMED) && done &&
	    copy_from_guest(&before, done, sizeof(before)))
		return -EFAULT;
	while (i < count) {
		r = size == 16 ? guest_load_pair(element, array + i * size)
			       : copy_from_guest(element, array + i * size, size);
		if (likely(!r)) r = one(state, element);
		if (unlikely(r)) break;
		i++;
		/* A table is being taken apart: finished before another can be dropped. */
		if (unlikely(v->deferred) && i < count) {
			r = -ERESTART;
			break;
		}
	}
	before += i;
	if (done && unlikely(copy_to_guest(done, &before, sizeof(before)))) return -EFAULT;
	if (likely(r != -ERESTART)) return r;
	hypercall_set_arg(1, array + i * size);
	hypercall_set_arg(2, (count - i) | BATCH_RESUMED);
	return hypercall_restart();
}

#endif
