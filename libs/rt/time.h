/* SPDX-License-Identifier: BSD-2-Clause */
/* The system time: nanoseconds since the core's boot, from the page it shares. */
#ifndef LIBS_RT_TIME_H
#define LIBS_RT_TIME_H

#include <stdint.h>

#define MILLISECONDS(n) ((uint64_t)(n)*1000000U)

uint64_t time_now(void);
/*
 * The middle of many, in steps up or down: one that took very long, as somebody else had the
 * processor, or the host of an emulated one, counts as one that took a little longer.
 */
static inline void time_learn(uint64_t *middle, uint64_t ns) {
	*middle = ns > *middle ? *middle + *middle / 16 + 1 : *middle - *middle / 16;
}
/*
 * Sleeps. An event that is pending or comes meanwhile is left for the event loop, and
 * turns the sleep into a wait: for short waits on a device only.
 */
void time_sleep(uint64_t nanoseconds);

#endif
