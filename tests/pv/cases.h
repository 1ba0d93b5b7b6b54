/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Test cases of a PV kernel. A case returns NULL when it passes and the reason
 * when it does not; a fault that it does not expect is a failure too, not the
 * end. On the console:
 *     PASS name | FAIL name: why | SKIP name
 *     TITLE: N passed, N failed
 * The command line picks one case by `case=name`, or all; `forever` repeats them.
 */
#ifndef TESTS_PV_CASES_H
#define TESTS_PV_CASES_H

#include "pv.h"

struct pv_case {
	const char *name;
	const char *(*run)(void);
	unsigned flags;
};
/* dom0's privileges change the answer: only for an ordinary domain. */
#define PV_DOMU_ONLY 1U
/* Must end the domain: run only if picked; it fails if it returns. */
#define PV_FATAL     2U

/* The exit reason for pv_main: poweroff; a failure is told by its line. */
int pv_run_cases(const char *title, const struct pv_case *cases, unsigned count);

#define PV_TEXT2(x) #x
#define PV_TEXT(x)  PV_TEXT2(x)
#define CHECK(condition)                                                            \
	do {                                                                        \
		if (!(condition)) return "line " PV_TEXT(__LINE__) ": " #condition; \
	} while (0)

/* Equality; the failure names both values. */
const char *pv_differs(const char *what, int line, uint64_t value, uint64_t expected);
#define CHECK_EQ(value, expected)                                                    \
	do {                                                                         \
		uint64_t got_ = (uint64_t)(value), want_ = (uint64_t)(expected);     \
		if (got_ != want_) return pv_differs(#value, __LINE__, got_, want_); \
	} while (0)

#define CASES(array) array, sizeof(array) / sizeof((array)[0])

#endif
