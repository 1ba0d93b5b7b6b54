/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the tests of this folder share: checks, TAP lines, a few bytes of
 * physical memory, and what the parts of the core under test call.
 */
#ifndef TESTS_UNIT_BOOT_STUBS_H
#define TESTS_UNIT_BOOT_STUBS_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "boot/boot.h"

#define CHECK(condition)                                                        \
	do {                                                                    \
		if (!(condition)) check_failed(__FILE__, __LINE__, #condition); \
	} while (0)

NORETURN void check_failed(const char *file, int line, const char *what);

struct test {
	const char *name;
	void (*run)(void);
};
int run_tests(const struct test *tests, size_t count);

/* Physical memory [memory_base, memory_base + memory_size); nothing else exists. */
extern unsigned char *memory;
extern u64 memory_base, memory_size;

/* The core's own, under other names. */
void *core_memcpy(void *to, const void *from, size_t size);
void *core_memset(void *to, int byte, size_t size);
int core_memcmp(const void *a, const void *b, size_t size);
size_t core_vsnprintf(char *to, size_t size, const char *format, va_list args);
void core_printf(const char *format, ...) PRINTF(1);

/* What the fakes saw. */
extern u64 fake_now, fake_armed;
extern unsigned fake_virqs;

#endif
