/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where everything lies in a new guest: arithmetic only, no memory is touched,
 * so it is tested on the host. In PFNs, all page aligned:
 *
 *     0            kernel image (PFN = (VA - VIRT_BASE) / 4096)
 *     .            initrd           unless the kernel takes it unmapped
 *     .            p2m list         unless the kernel has an address for it
 *     .            start_info, xenstore, console
 *     .            page tables      L4, L3s, L2s, L1s of [VIRT_BASE, +mapped_pages)
 *     .            boot stack, slack up to a 4 MiB boundary
 *     mapped_pages ---- what follows is not mapped at VIRT_BASE
 *     .            initrd           if the kernel takes it anywhere, and it does not fit below
 *                                   the image, behind the first MiB
 *     .            p2m list and the tables that map it at INIT_P2M
 *     fill_pages   ---- what follows is empty RAM
 *
 * The order of the first part is an ABI of its own: Mini-OS takes everything
 * behind the page tables for free memory, and GRUB wants all of it mapped.
 */
#ifndef SERVERS_ROOT_LAYOUT_H
#define SERVERS_ROOT_LAYOUT_H

#include "libs/elf/elf.h"
#include "libs/rt/rt.h"

/* The tables of one mapped range; the L4 is apart, for both ranges share it. */
struct layout_tables {
	uint64_t va, pages;              /* what they map */
	uint64_t first_pfn;              /* [first_pfn, +pages) appears at va */
	uint64_t l3_pfn, l2_pfn, l1_pfn; /* the tables, adjacent, in this order */
	uint64_t l3_count, l2_count, l1_count;
};

struct layout {
	uint64_t nr_pages;
	uint64_t initrd_pfn, initrd_pages;
	uint64_t p2m_pfn, p2m_pages;
	uint64_t p2m_va;
	uint64_t start_info_pfn, store_pfn, console_pfn;
	uint64_t l4_pfn, pt_pages; /* L4 and the tables of `kernel` */
	uint64_t stack_pfn;
	uint64_t mapped_pages;
	uint64_t fill_pages;
	uint64_t needed_pages; /* smallest nr_pages that would do; set on failure too */
	struct layout_tables kernel;
	struct layout_tables p2m; /* pages = 0: the list is part of the kernel's mapping */
};

/* NULL, or why it cannot be; needed_pages then says how much memory would do, 0 = none. */
const char *layout_make(const struct pv_kernel *kernel, uint64_t nr_pages, uint64_t initrd_size,
			struct layout *layout);
/*
 * Writes the page-table page `pfn` (within the tables of the layout) to `table`,
 * 512 entries, which must be zero. mfn: the frame of a PFN below nr_pages.
 */
void layout_table(const struct layout *layout, uint64_t pfn, uint64_t *table,
		  uint64_t (*mfn)(void *context, uint64_t pfn), void *context);
/* Whether this PFN is a page table. */
bool layout_is_table(const struct layout *layout, uint64_t pfn);

#endif
