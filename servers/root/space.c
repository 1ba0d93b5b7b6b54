/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * All addresses of root lie in the first GiB, under one L2 table. From the first
 * 2 MiB boundary behind the window on, root hangs L1 tables of its own into that
 * L2: one for the chunk, then as many as the largest module needed so far. The
 * tables are frames that root owns and never maps, so entries are written by
 * mmu_update, which takes them in batches.
 *
 * The MFN of the L2 comes from the tables themselves: the root's MFN from CR3,
 * its address from the M2P, then down. That needs no promise about where the
 * builder put them.
 */
#include "space.h"

#include "libs/log/log.h"
#include "libs/rt/hypercall.h"
#include "memory.h"
#include "proto/xen/xen.h"

#define TABLE_ENTRIES 512U
#define BATCH         256U

#define TABLE_FLAGS (XEN_PTE_PRESENT | XEN_PTE_RW | XEN_PTE_USER | XEN_PTE_ACCESSED | XEN_PTE_DIRTY)

static uint64_t base; /* virtual address of page 0 of this space */
static uint64_t l2_mfn;
static uint64_t l1_mfn[TABLE_ENTRIES];
static uint32_t tables; /* L1 tables so far; the first one is the chunk's */
static uint32_t max_tables;
static uint32_t chunk_pages;
static uint64_t module_pages; /* highest page mapped so far */

static struct mmu_update batch[BATCH];
static uint32_t batched;

static const uint64_t *table_at(uint64_t mfn) {
	const uint64_t *m2p = (const uint64_t *)(uintptr_t)MACH2PHYS_VIRT_START;

	return (const uint64_t *)(uintptr_t)(rt_start_page->virt_base + m2p[mfn] * PAGE_SIZE);
}

static uint64_t entry_mfn(uint64_t entry) { return (entry & XEN_PTE_MFN_MASK) >> PAGE_SHIFT; }

void space_init(void) {
	uint64_t cr3, l3;

	__asm__ volatile("mov %%cr3, %0" : "=r"(cr3));
	l3 = entry_mfn(table_at(entry_mfn(cr3))[0]);
	l2_mfn = entry_mfn(table_at(l3)[0]);

	base = ROUND_UP(rt_start_page->window_end, TABLE_ENTRIES * PAGE_SIZE);
	max_tables = TABLE_ENTRIES - (uint32_t)(base / (TABLE_ENTRIES * PAGE_SIZE));
}

static int flush_batch(void) {
	int64_t result = batched ? hypercall4(__HYPERVISOR_mmu_update, (uintptr_t)batch, batched, 0,
					      DOMID_SELF)
				 : 0;

	batched = 0;
	return (int)result;
}

static int write_entry(uint64_t table, uint64_t index, uint64_t entry) {
	batch[batched++] = (struct mmu_update){
		.ptr = (table << PAGE_SHIFT) + index * 8,
		.val = entry,
	};
	return batched == BATCH ? flush_batch() : 0;
}

static int write_page(uint64_t page, uint64_t entry) {
	return write_entry(l1_mfn[page / TABLE_ENTRIES], page % TABLE_ENTRIES, entry);
}

/* Makes sure that pages [0, pages) have their L1 tables. */
static bool grow(uint64_t pages) {
	uint64_t wanted = DIV_UP(pages, TABLE_ENTRIES);
	uint64_t first = base / (TABLE_ENTRIES * PAGE_SIZE);
	struct extent *extent;

	if (wanted <= tables) return true;
	if (wanted > max_tables) return false;
	extent = memory_take_one(MEMORY_ROOT, 0, wanted - tables);
	if (!extent || memory_give_self(extent)) return false;
	for (uint64_t mfn = extent->mfn; tables < wanted; tables++, mfn++) {
		l1_mfn[tables] = mfn;
		if (write_entry(l2_mfn, first + tables, mfn << PAGE_SHIFT | TABLE_FLAGS))
			return false;
	}
	return !flush_batch();
}

static void *address(uint64_t page) { return (void *)(uintptr_t)(base + page * PAGE_SIZE); }

static void unmap(uint64_t first, uint64_t pages) {
	struct mmuext_op flush = {.cmd = MMUEXT_TLB_FLUSH_LOCAL};
	int error = 0;

	for (uint64_t i = 0; i < pages && !error; i++) error = write_page(first + i, 0);
	if (!error) error = flush_batch();
	hypercall4(__HYPERVISOR_mmuext_op, (uintptr_t)&flush, 1, 0, DOMID_SELF);
	if (error) rt_panic("an empty page-table entry is refused (%d)", error);
}

int space_map_chunk(const uint64_t *mfns, uint32_t pages) {
	const uint64_t flags = TABLE_FLAGS | XEN_PTE_NX;
	int error = 0;

	rt_assert(pages <= SPACE_CHUNK_PAGES && !chunk_pages, "one chunk at a time");
	if (!grow(SPACE_CHUNK_PAGES)) return -XEN_ENOMEM;
	chunk_pages = pages;
	for (uint32_t i = 0; i < pages && !error; i++)
		error = write_page(i, mfns[i] << PAGE_SHIFT | flags);
	if (!error) error = flush_batch();
	if (error) space_unmap_chunk();
	return error;
}

void *space_chunk(void) { return address(0); }

void space_unmap_chunk(void) {
	unmap(0, chunk_pages);
	chunk_pages = 0;
}

const void *space_map_module(uint64_t first, uint64_t mfn, uint64_t pages) {
	const uint64_t flags = XEN_PTE_PRESENT | XEN_PTE_USER | XEN_PTE_ACCESSED | XEN_PTE_NX;
	uint64_t page = SPACE_CHUNK_PAGES + first;
	int error = 0;

	if (pages > (uint64_t)max_tables * TABLE_ENTRIES || !grow(page + pages)) return NULL;
	module_pages = MAX(module_pages, first + pages);
	for (uint64_t i = 0; i < pages && !error; i++)
		error = write_page(page + i, (mfn + i) << PAGE_SHIFT | flags);
	if (!error) error = flush_batch();
	return error ? NULL : address(page);
}

void space_unmap_modules(void) {
	unmap(SPACE_CHUNK_PAGES, module_pages);
	module_pages = 0;
}
