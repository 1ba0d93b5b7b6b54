/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * root's own address space beyond its window: a place to map boot modules whole
 * and the memory of a domain under construction, 2 MiB at a time. Frames mapped
 * here are root's at that moment (memory_give_self).
 */
#ifndef SERVERS_ROOT_SPACE_H
#define SERVERS_ROOT_SPACE_H

#include "libs/rt/rt.h"

#define SPACE_CHUNK_PAGES 512

/* Needs memory.h to be ready: page tables are made from it. */
void space_init(void);

/* Maps up to SPACE_CHUNK_PAGES frames, writable, in the one place that there is. */
MUST_CHECK int space_map_chunk(const uint64_t *mfns, uint32_t pages);
void *space_chunk(void);
void space_unmap_chunk(void);

/* Maps adjacent frames read-only at page `first` of the place for modules; NULL: no room. */
const void *space_map_module(uint64_t first, uint64_t mfn, uint64_t pages);
/* Takes all of that place's mappings away. */
void space_unmap_modules(void);

#endif
