/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The core's printf under a name that leaves the C library's alone. Found before
 * kernel/lib/printf.h.
 */
#ifndef TESTS_HOST_PRINTF_H
#define TESTS_HOST_PRINTF_H

#include <stdarg.h>

#include "lib/types.h"

void core_printf(const char *format, ...) PRINTF(1);
size_t core_snprintf(char *to, size_t size, const char *format, ...);
size_t core_vsnprintf(char *to, size_t size, const char *format, va_list args);

/* Only files of the core include this one. */
#define printf    core_printf
#define snprintf  core_snprintf
#define vsnprintf core_vsnprintf

#endif
