/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The words every file of the core uses: integer types, the few macros that
 * have no better home, assertions, and the error numbers of the guest ABI.
 */
#ifndef KERNEL_LIB_TYPES_H
#define KERNEL_LIB_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
__extension__ typedef unsigned __int128 u128; /* products, before they are shifted */
typedef int32_t s32;
typedef int64_t s64;

typedef u64 mfn_t;   /* machine frame number */
typedef u64 paddr_t; /* machine address, in bytes */
typedef u64 gva_t;   /* a guest's virtual address: never dereferenced but by mem/guest_copy.c */

#define PAGE_SHIFT 12
#define PAGE_SIZE  4096UL
#define PAGE_MASK  (~(PAGE_SIZE - 1))

#define KIB(n) ((u64)(n) << 10)
#define MIB(n) ((u64)(n) << 20)
#define GIB(n) ((u64)(n) << 30)

#define likely(x)                     __builtin_expect(!!(x), 1)
#define unlikely(x)                   __builtin_expect(!!(x), 0)
#define ARRAY_SIZE(a)                 (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b)                     CHOOSE(a, <, b, __COUNTER__)
#define MAX(a, b)                     CHOOSE(a, >, b, __COUNTER__)
#define ROUND_UP(x, n)                (((x) + ((n)-1)) & ~((n)-1)) /* n: a power of two */
#define ROUND_DOWN(x, n)              ((x) & ~((n)-1))
#define DIV_UP(x, n)                  (((x) + ((n)-1)) / (n))
#define container_of(p, type, member) ((type *)(void *)((char *)(p)-offsetof(type, member)))

/* Each argument is read once: it may lie in memory that another domain writes. */
#define CHOOSE(a, op, b, n) CHOOSE_(a, op, b, n)
#define CHOOSE_(a, op, b, n)                                      \
	__extension__({                                           \
		__auto_type first_##n = (a);                      \
		__auto_type second_##n = (b);                     \
		first_##n op second_##n ? first_##n : second_##n; \
	})

#define NORETURN      __attribute__((noreturn))
#define PRINTF(a)     __attribute__((format(__printf__, a, (a) + 1)))
#define COLD          __attribute__((cold))
#define NOINLINE      __attribute__((noinline))
/* Where a call would cost more than the code: the hottest loops only. */
#define ALWAYS_INLINE __attribute__((always_inline)) inline
#define MUST_CHECK    __attribute__((warn_unused_result))

/* Error numbers, as the guest ABI has them. */
#define EPERM      1
#define ENOENT     2
#define ESRCH      3
#define ENXIO      6
#define E2BIG      7
#define EBADF      9
#define EAGAIN     11
#define ENOMEM     12
#define EACCES     13
#define EFAULT     14
#define EBUSY      16
#define EEXIST     17
#define ENODEV     19
#define EINVAL     22
#define ENOSPC     28
#define ERANGE     34
#define ENOSYS     38
#define ETIME      62
#define EOPNOTSUPP 95
/*
 * Internal: the operation has done a bounded part of its work and is to be
 * executed again. Never reaches a guest: see entry/hypercall.h.
 */
#define ERESTART   85

/* lib/panic.c: prints a report on the polled serial port and stops the machine. */
NORETURN COLD void panic(const char *format, ...) PRINTF(1);
/* This machine, or what the loader brought, will not do: in the user's words, no backtrace. */
NORETURN COLD void boot_refuse(const char *format, ...) PRINTF(1);

/*
 * An invariant of the program, never a condition that a guest can bring about.
 * The text says what was promised. NDEBUG (release builds) drops it.
 */
#ifdef NDEBUG
#define assert(condition, text) ((void)sizeof(condition))
#else
#define assert(condition, text)                                                           \
	do {                                                                              \
		if (unlikely(!(condition))) panic("%s:%d: %s", __FILE__, __LINE__, text); \
	} while (0)
#endif

#endif
