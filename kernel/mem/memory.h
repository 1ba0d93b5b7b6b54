/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory objects: what can be done with an extent of frames, and the reserve
 * of frames behind a domain's balloon.
 */
#ifndef KERNEL_MEM_MEMORY_H
#define KERNEL_MEM_MEMORY_H

#include "cap/cap.h"
#include "mem/frame.h"

/* Free frames become the core's, for an object made of them; and the way back. */
void frames_claim(mfn_t mfn, u64 count);
void frames_disclaim(mfn_t mfn, u64 count);

/* One frame out of the reserve, zeroed, owned, M2P set; NULL: the reserve is empty. */
struct frame *reserve_take(struct domain *d, u64 pfn);
/* A frame whose only reference is the allocation's goes into the reserve, scrubbed.
 * False: still in use. */
MUST_CHECK bool reserve_put(struct domain *d, struct frame *f);

#endif
