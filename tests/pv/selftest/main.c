/* SPDX-License-Identifier: BSD-2-Clause */
/* The selftest kernel: the list of its cases. */
#include "selftest.h"

#define ENTRY(name, flags) {#name, test_##name, flags},
static const struct pv_case cases[] = {SELFTESTS(ENTRY)};

void selftest_user_init(void) {
	static bool done;

	if (!done) pv_user_init();
	done = true;
}

int pv_main(void) { return pv_run_cases("selftest", CASES(cases)); }
