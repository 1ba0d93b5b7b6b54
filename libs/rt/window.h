/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The window: virtual addresses behind a native domain's own memory whose page
 * tables exist and are empty. Pages are taken for as long as something is mapped
 * there and given back afterwards.
 */
#ifndef LIBS_RT_WINDOW_H
#define LIBS_RT_WINDOW_H

#include "libs/rt/rt.h"

void window_init(uint64_t first, uint64_t end);
/* `pages` adjacent pages; NULL: none left. */
void *window_take(size_t pages);
void window_give_back(void *at, size_t pages);

/* Maps one frame that the domain owns or shares with the core. 0 or -errno. */
MUST_CHECK int window_map_frame(void *at, uint64_t mfn, bool writable);
/* Takes the mapping away; the page of the window stays taken. */
void window_unmap(void *at);

#endif
