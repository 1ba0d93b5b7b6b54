/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Unit tests of libs/, servers/ and drivers/: the real files as a host program.
 * A failed check ends the program; RUN prints a TAP line for each test.
 */
#ifndef TESTS_UNIT_NATIVE_H
#define TESTS_UNIT_NATIVE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libs/rt/rt.h"

#define CHECK(condition)                                                        \
	do {                                                                    \
		if (!(condition)) check_failed(__FILE__, __LINE__, #condition); \
	} while (0)

NORETURN static inline void check_failed(const char *file, int line, const char *what) {
	printf("not ok - %s:%d: %s\n", file, line, what);
	exit(1);
}

struct test {
	const char *name;
	void (*run)(void);
};

static inline int run_tests(const char *suite, const struct test *tests, size_t count) {
	for (size_t i = 0; i < count; i++) {
		tests[i].run();
		printf("ok %zu - %s: %s\n", i + 1, suite, tests[i].name);
		fflush(stdout);
	}
	printf("1..%zu\n", count);
	return 0;
}

#define RUN(suite, tests) run_tests(suite, tests, ARRAY_SIZE(tests))

/* Repeatable noise. */
static inline uint32_t noise(void) {
	static uint64_t state = 88172645463325252ULL;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 16);
}

#endif
