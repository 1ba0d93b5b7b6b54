/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The core's atomic operations in the model: the other CPU may run before each.
 * Found before kernel/lib/atomic.h. All are sequentially consistent, as the
 * machine's locked instructions are; the CPUs are coroutines of one thread.
 */
#ifndef TESTS_MODEL_ATOMIC_H
#define TESTS_MODEL_ATOMIC_H

#include "kernel/lib/atomic.h"

void explore_step(void);

#undef atomic_load
#undef atomic_load_relaxed
#undef atomic_store
#undef atomic_swap
#undef atomic_add
#undef atomic_sub
#undef atomic_or
#undef atomic_and
#undef atomic_cas

#define atomic_load(p)         (explore_step(), __atomic_load_n((p), __ATOMIC_SEQ_CST))
#define atomic_load_relaxed(p) atomic_load(p)
#define atomic_store(p, v)     (explore_step(), __atomic_store_n((p), (v), __ATOMIC_SEQ_CST))
#define atomic_swap(p, v)      (explore_step(), __atomic_exchange_n((p), (v), __ATOMIC_SEQ_CST))
#define atomic_add(p, v)       (explore_step(), __atomic_fetch_add((p), (v), __ATOMIC_SEQ_CST))
#define atomic_sub(p, v)       (explore_step(), __atomic_fetch_sub((p), (v), __ATOMIC_SEQ_CST))
#define atomic_or(p, v)        (explore_step(), __atomic_fetch_or((p), (v), __ATOMIC_SEQ_CST))
#define atomic_and(p, v)       (explore_step(), __atomic_fetch_and((p), (v), __ATOMIC_SEQ_CST))
#define atomic_cas(p, expected, v)                                                \
	(explore_step(), __atomic_compare_exchange_n((p), (expected), (v), false, \
						     __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
#define cpu_relax() explore_step()

/* A CPU that waits for a lock does nothing until it has it. */
static inline void model_lock_take(struct lock *lock) {
	do explore_step();
	while (lock->held);
	lock->held = 1;
}

static inline void model_lock_drop(struct lock *lock) {
	explore_step();
	lock->held = 0;
}

#define lock_take(lock) model_lock_take(lock)
#define lock_drop(lock) model_lock_drop(lock)

#endif
