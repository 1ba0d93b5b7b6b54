/* SPDX-License-Identifier: BSD-2-Clause */
#include "pages.h"

#include "libs/rt/hypercall.h"
#include "libs/rt/window.h"
#include "memory.h"
#include "proto/xen/grant.h"
#include "proto/xen/xen.h"

static struct grant_entry_v1 *grants;
static uint32_t next_ref = GNTTAB_NR_RESERVED_ENTRIES, grant_entries;

void pages_init(uint32_t count) {
	uint32_t frames = DIV_UP(GNTTAB_NR_RESERVED_ENTRIES + count, GRANT_ENTRIES_PER_FRAME);
	uint64_t list[64] = {0};
	struct gnttab_setup_table setup = {
		.dom = DOMID_SELF,
		.nr_frames = frames,
		.frame_list = (uintptr_t)list,
	};
	uint8_t *at = window_take(frames);

	if (frames > ARRAY_SIZE(list) || !at ||
	    hypercall4(__HYPERVISOR_grant_table_op, GNTTABOP_setup_table, (uintptr_t)&setup, 1,
		       0) ||
	    setup.status)
		rt_panic("no grant table of %u frames", frames);
	for (uint32_t i = 0; i < frames; i++)
		if (window_map_frame(at + i * PAGE_SIZE, list[i], true))
			rt_panic("its grant table cannot be mapped");
	grants = (struct grant_entry_v1 *)(void *)at;
	grant_entries = frames * GRANT_ENTRIES_PER_FRAME;
}

uint64_t pages_take(uint64_t frames) {
	struct extent *extent = memory_take_one(MEMORY_ROOT, 0, frames);

	if (!extent || memory_give_self(extent))
		rt_panic("no memory for %lu pages that domains share", frames);
	return extent->mfn;
}

uint32_t pages_grant(uint16_t domid, uint64_t mfn, uint32_t frames, bool readonly) {
	uint16_t flags = GTF_permit_access | (readonly ? GTF_readonly : 0);
	uint32_t first = next_ref;

	if (frames > grant_entries - next_ref) rt_panic("too many connections for the grant table");
	for (uint32_t i = 0; i < frames; i++) {
		struct grant_entry_v1 *entry = &grants[next_ref++];

		entry->domid = domid;
		entry->frame = (uint32_t)(mfn + i);
		__atomic_store_n(&entry->flags, flags, __ATOMIC_RELEASE);
	}
	return first;
}

void *pages_map(uint64_t mfn, uint32_t frames) {
	uint8_t *at = window_take(frames);

	for (uint32_t i = 0; i < frames; i++)
		if (!at || window_map_frame(at + i * PAGE_SIZE, mfn + i, true))
			rt_panic("pages that domains share cannot be mapped");
	return at;
}

void pages_unmap(void *at, uint32_t frames) {
	for (uint32_t i = 0; i < frames; i++) window_unmap((uint8_t *)at + i * PAGE_SIZE);
	window_give_back(at, frames);
}
