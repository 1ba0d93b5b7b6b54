/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Atomic operations and the spin lock. All are compiler built-ins with
 * sequential consistency unless the name says otherwise, so that the same
 * source runs on the host in the models; a model replaces this header to
 * interleave at each operation (tests/model/atomic.h has the same names).
 */
#ifndef KERNEL_LIB_ATOMIC_H
#define KERNEL_LIB_ATOMIC_H

#include "lib/types.h"

#define atomic_load(p)         __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define atomic_load_relaxed(p) __atomic_load_n((p), __ATOMIC_RELAXED)
#define atomic_store(p, v)     __atomic_store_n((p), (v), __ATOMIC_RELEASE)
#define atomic_swap(p, v)      __atomic_exchange_n((p), (v), __ATOMIC_SEQ_CST)
/* The value before. */
#define atomic_add(p, v)       __atomic_fetch_add((p), (v), __ATOMIC_SEQ_CST)
#define atomic_sub(p, v)       __atomic_fetch_sub((p), (v), __ATOMIC_SEQ_CST)
#define atomic_or(p, v)        __atomic_fetch_or((p), (v), __ATOMIC_SEQ_CST)
#define atomic_and(p, v)       __atomic_fetch_and((p), (v), __ATOMIC_SEQ_CST)
/* If *p == *expected, *p = v and true; else *expected = *p and false. */
#define atomic_cas(p, expected, v) \
	__atomic_compare_exchange_n((p), (expected), (v), false, __ATOMIC_SEQ_CST, __ATOMIC_ACQUIRE)
#define atomic_fence() __atomic_thread_fence(__ATOMIC_SEQ_CST)
/* For the compiler alone: the processor does loads in their order, and stores. */
#define atomic_order() __atomic_signal_fence(__ATOMIC_SEQ_CST)

/* Written so that compilers make one instruction of it. bit < 64. */
static inline bool atomic_test_and_set_bit(u64 *word, unsigned bit) {
	u64 mask = 1UL << bit;

	return atomic_or(word, mask) & mask;
}

#ifdef __clang__
#define LOCK_ANALYSIS(attribute) __attribute__((attribute))
#else
#define LOCK_ANALYSIS(attribute)
#endif
#define ACQUIRES(l)   LOCK_ANALYSIS(acquire_capability(l))
#define RELEASES(l)   LOCK_ANALYSIS(release_capability(l))
#define REQUIRES(l)   LOCK_ANALYSIS(requires_capability(l))
#define GUARDED_BY(l) LOCK_ANALYSIS(guarded_by(l))
#define UNCHECKED     LOCK_ANALYSIS(no_thread_safety_analysis)

/*
 * A spin lock. The core runs with interrupts off, so a lock is held for a
 * bounded time and never across a switch. Where a lock is declared, a comment
 * says what it protects and inside which other lock it nests.
 */
struct LOCK_ANALYSIS(capability("spin lock")) lock {
	u32 held;
};

/*
 * A moment of waiting for another CPU. Whoever waits does meanwhile what others
 * wait for (mem/tlb.c), so no two CPUs wait for each other.
 */
void cpu_relax(void);

static inline void lock_take(struct lock *lock) ACQUIRES(*lock) UNCHECKED {
	while (unlikely(atomic_swap(&lock->held, 1)))
		while (atomic_load_relaxed(&lock->held)) cpu_relax();
}

static inline void lock_drop(struct lock *lock) RELEASES(*lock) UNCHECKED {
	atomic_store(&lock->held, 0);
}

#endif
