/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Works all the time, and says in each second of system time for how long it could not at
 * most: what a policy does to those that it plans for.
 */
#include "libs/log/log.h"
#include "libs/rt/rt.h"
#include "libs/rt/time.h"

void native_main(void) {
	uint64_t last = time_now(), longest = 0, second = last;

	for (;;) {
		uint64_t now = time_now();

		longest = MAX(longest, now - last);
		last = now;
		if (now - second < MILLISECONDS(1000)) continue;
		log_print("longest pause: %lu us", longest / 1000);
		longest = 0;
		last = second = time_now();
	}
}
