/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bytes and strings. The compiler may also call the first three by itself.
 */
#ifndef KERNEL_LIB_STRING_H
#define KERNEL_LIB_STRING_H

#include "lib/types.h"

void *memcpy(void *to, const void *from, size_t size);
void *memset(void *to, int byte, size_t size);
int memcmp(const void *a, const void *b, size_t size);
size_t strlen(const char *s);
/* Always NUL-terminated, the rest of `size` filled with NUL: nothing old stays behind. */
void string_copy(char *to, const char *from, size_t size);

#endif
