/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading a package (proto/package.h). It is input, so it is copied first: all
 * functions look at a private copy of the header.
 */
#ifndef LIBS_PACKAGE_PACKAGE_H
#define LIBS_PACKAGE_PACKAGE_H

#include "libs/rt/rt.h"
#include "proto/package.h"

/* NULL, or what is wrong with the header of a file of that many bytes. */
const char *package_check(const struct package *package, uint64_t file_size);
/* Whether header and program (image_size bytes) are as they were when it was made. */
bool package_intact(const struct package *package, const void *image);
/* NULL, or why it does not count as signed by the owner of this key. */
const char *package_signed_by(const struct package *package, const uint8_t key[32]);

/* How it speaks a protocol in a role, or its lifeboat (0, 0); NULL: it does not. */
const struct package_need *package_find(const struct package *package, uint16_t kind, uint16_t what,
					uint16_t role);
/* The newest version that both know; 0: there is none. */
uint32_t package_common(const struct package_need *one, const struct package_need *other);

#endif
