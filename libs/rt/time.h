/* SPDX-License-Identifier: BSD-2-Clause */
/* The system time: nanoseconds since the core's boot, from the page it shares. */
#ifndef LIBS_RT_TIME_H
#define LIBS_RT_TIME_H

#include <stdint.h>

#define MILLISECONDS(n) ((uint64_t)(n)*1000000U)

uint64_t time_now(void);

#endif
