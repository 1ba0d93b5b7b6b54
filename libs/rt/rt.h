/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What every native domain has: its start page, the small macros, assertions
 * that end the domain with a message, and the memory and string functions that
 * the compiler expects. A native program provides native_main(); when it
 * returns the domain powers itself off.
 *
 * There is no heap: a program's memory is its static data, and what it needs
 * beyond that is spare memory in the start page, given out once.
 */
#ifndef LIBS_RT_RT_H
#define LIBS_RT_RT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/native.h"
#include "proto/xen/errno.h"

#define PAGE_SHIFT 12
#define PAGE_SIZE  4096UL

#define ARRAY_SIZE(a)  (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b)      CHOOSE(a, <, b, __COUNTER__)
#define MAX(a, b)      CHOOSE(a, >, b, __COUNTER__)
#define ROUND_UP(x, n) (((x) + ((n)-1)) / (n) * (n)) /* n may be narrower than x */
#define DIV_UP(x, n)   (((x) + ((n)-1)) / (n))

/* Each argument is read once: it may lie in memory that another domain writes. */
#define CHOOSE(a, op, b, n) CHOOSE_(a, op, b, n)
#define CHOOSE_(a, op, b, n)                                      \
	__extension__({                                           \
		__auto_type first_##n = (a);                      \
		__auto_type second_##n = (b);                     \
		first_##n op second_##n ? first_##n : second_##n; \
	})

#define NORETURN   __attribute__((noreturn))
#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF(a)  __attribute__((format(printf, a, (a) + 1)))

/* The program. */
void native_main(void);

/* The start page; valid from native_main() on. */
extern const struct native_start *rt_start_page;

/* The n-th (from 0) capability of a type that root gave; its slot, 0 = none. */
uint32_t rt_capability(uint32_t type, unsigned n);
/* A connection by protocol, the n-th from 0; NULL = none. */
const struct native_connection *rt_connection(uint16_t protocol, unsigned n);
/*
 * The value of the word "name=value" in the arguments, copied and cut to fit;
 * false if there is none.
 */
bool rt_argument(const char *name, char *value, size_t size);

/* Ends the domain as crashed; the text goes to the log if there is one. */
NORETURN void rt_panic(const char *format, ...) PRINTF(1);
/* reason: SHUTDOWN_* of proto/xen/sched.h. */
NORETURN void rt_shutdown(uint32_t reason);

/* An invariant of the program, never a condition that a peer can bring about. */
#ifdef NDEBUG
#define rt_assert(condition, text) ((void)sizeof(condition))
#else
#define rt_assert(condition, text)                                                 \
	do {                                                                       \
		if (!(condition)) rt_panic("%s:%d: %s", __FILE__, __LINE__, text); \
	} while (0)
#endif

/* string.c; the standard functions, as the compiler expects them */
void *memcpy(void *restrict to, const void *restrict from, size_t size);
void *memmove(void *to, const void *from, size_t size);
void *memset(void *to, int byte, size_t size);
int memcmp(const void *a, const void *b, size_t size);
size_t strlen(const char *s);
int strcmp(const char *a, const char *b);

/* Copies a string, cut to fit and always terminated. False: it was cut. */
bool rt_strcopy(char *to, const char *from, size_t size);
/* Length of a string that may lack its end within size bytes. */
size_t rt_strnlen(const char *s, size_t size);
/* Decimal, or hexadecimal behind 0x. False: no number, junk behind it, or too large. */
bool rt_number(const char *s, uint64_t *value);

/*
 * Formats like vsnprintf, for: %% %c %s %d %i %u %x %p, flags 0 and -, width and
 * (for %s) precision as numbers or *, lengths l, ll, z. Returns the length that
 * it would have had.
 */
size_t rt_vformat(char *to, size_t size, const char *format, va_list arguments);
size_t rt_format(char *to, size_t size, const char *format, ...) PRINTF(3);

#endif
