/* SPDX-License-Identifier: BSD-2-Clause */
/* Mapping what another domain granted, into the window (libs/rt/window.h). */
#ifndef LIBS_GRANT_GRANT_H
#define LIBS_GRANT_GRANT_H

#include "libs/rt/rt.h"

#define GRANT_MAPPING_PAGES 16

struct grant_mapping {
	void *at; /* NULL: nothing mapped */
	uint32_t pages;
	uint32_t handles[GRANT_MAPPING_PAGES];
};

/*
 * Maps `pages` grants from ref on, readable and writable, at adjacent pages.
 * 0, -ENOMEM: no room in the window, or the (negated) errno that is nearest to
 * the GNTST_* of the first one refused; then nothing stays mapped.
 */
MUST_CHECK int grant_map(struct grant_mapping *mapping, uint16_t domid, uint32_t ref,
			 uint32_t pages);
/* The same for grants that may only be read. */
MUST_CHECK int grant_map_readonly(struct grant_mapping *mapping, uint16_t domid, uint32_t ref,
				  uint32_t pages);
/* The same for grants that are not in a row: a guest's ring of several pages. */
MUST_CHECK int grant_map_refs(struct grant_mapping *mapping, uint16_t domid, const uint32_t *refs,
			      uint32_t pages);
/*
 * As grant_map(), of any number of pages that the window has room for, and for as
 * long as the domain lives: what was mapped before one was refused stays mapped.
 */
MUST_CHECK int grant_map_for_life(void **at, uint16_t domid, uint32_t ref, uint32_t pages);
MUST_CHECK int grant_map_for_life_readonly(void **at, uint16_t domid, uint32_t ref, uint32_t pages);
/* The same into pages of the window that the caller has taken (libs/rt/window.h). */
MUST_CHECK int grant_map_at(void *at, uint16_t domid, uint32_t ref, uint32_t pages);
/* Unmaps, if anything is mapped. */
void grant_unmap(struct grant_mapping *mapping);

#endif
