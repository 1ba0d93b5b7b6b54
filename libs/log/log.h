/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Messages into the core's log, one line each; the core puts the domain's name
 * before it. Without a Console capability they go nowhere.
 */
#ifndef LIBS_LOG_LOG_H
#define LIBS_LOG_LOG_H

#include "libs/rt/rt.h"

#define LOG_LINE 256 /* longest line, the newline included */

/* slot: a Console capability with RIGHT_WRITE; 0 = none. */
void log_init(uint32_t slot);
/* The newline is added. */
void log_print(const char *format, ...) PRINTF(1);

#endif
