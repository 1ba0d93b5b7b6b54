/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Formatted text: %c %s %u %x and %%; numbers with l and a width, which is
 * filled with zeros.
 */
#ifndef KERNEL_LIB_PRINTF_H
#define KERNEL_LIB_PRINTF_H

#include <stdarg.h>

#include "lib/types.h"

/* Into the core's log. */
void printf(const char *format, ...) PRINTF(1);
void vprintf(const char *format, va_list args);
/* Always NUL-terminated (size > 0); the result is the length without a limit. */
size_t vsnprintf(char *to, size_t size, const char *format, va_list args);

#endif
