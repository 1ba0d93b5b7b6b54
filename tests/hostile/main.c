/* SPDX-License-Identifier: BSD-2-Clause */
/* The hostile kernel: the list of its cases. */
#include "hostile.h"

#define ENTRY(name, flags) {#name, hostile_##name, flags},
static const struct pv_case cases[] = {HOSTILE(ENTRY)};

void hostile_user_init(void) {
	static bool done;

	if (!done) pv_user_init();
	done = true;
}

int pv_main(void) { return pv_run_cases("hostile", CASES(cases)); }
