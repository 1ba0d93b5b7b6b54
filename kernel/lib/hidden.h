/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Included before everything else of the core (kernel/meson.build). All names
 * are the core's own: -fvisibility=hidden says so of definitions, this line of
 * declarations too, so that no address is fetched from a global offset table.
 */
#ifndef __ASSEMBLER__
#pragma GCC visibility push(hidden)
#endif
