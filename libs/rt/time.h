/* SPDX-License-Identifier: BSD-2-Clause */
/* The system time: nanoseconds since the core's boot, from the page it shares. */
#ifndef LIBS_RT_TIME_H
#define LIBS_RT_TIME_H

#include <stdint.h>

#define MILLISECONDS(n) ((uint64_t)(n)*1000000U)

uint64_t time_now(void);
/*
 * Sleeps. An event that is pending or comes meanwhile is left for the event loop, and
 * turns the sleep into a wait: for short waits on a device only.
 */
void time_sleep(uint64_t nanoseconds);

#endif
