/* SPDX-License-Identifier: BSD-2-Clause */
#include "layout.h"

#include "proto/xen/arch.h"

#define L1_SHIFT 21 /* what one L1 table maps */
#define L2_SHIFT 30
#define L3_SHIFT 39
#define ENTRIES  512U

#define SLACK_PAGES 128U  /* 512 KiB behind the boot stack */
#define LOW_PAGES   256U  /* the first MiB, which PCs do not use as other memory */
#define ROUND_PAGES 1024U /* the mapped part ends on 4 MiB */

#define TABLE_FLAGS (XEN_PTE_PRESENT | XEN_PTE_RW | XEN_PTE_USER | XEN_PTE_ACCESSED | XEN_PTE_DIRTY)
#define PAGE_FLAGS  (XEN_PTE_PRESENT | XEN_PTE_ACCESSED)

/* Tables that cover [va, va + pages) when each maps 1 << shift bytes. */
static uint64_t tables_needed(uint64_t va, uint64_t pages, unsigned shift) {
	uint64_t last = va + (pages * PAGE_SIZE - 1);

	return (last >> shift) - (va >> shift) + 1;
}

/* Sets the range and counts its tables; how many. */
static uint64_t tables_plan(struct layout_tables *t, uint64_t va, uint64_t first_pfn,
			    uint64_t pages) {
	t->va = va;
	t->first_pfn = first_pfn;
	t->pages = pages;
	t->l3_count = tables_needed(va, pages, L3_SHIFT);
	t->l2_count = tables_needed(va, pages, L2_SHIFT);
	t->l1_count = tables_needed(va, pages, L1_SHIFT);
	return t->l3_count + t->l2_count + t->l1_count;
}

static void tables_place(struct layout_tables *t, uint64_t pfn) {
	t->l3_pfn = pfn;
	t->l2_pfn = t->l3_pfn + t->l3_count;
	t->l1_pfn = t->l2_pfn + t->l2_count;
}

static uint64_t take(uint64_t *next, uint64_t pages) {
	uint64_t pfn = *next;

	*next += pages;
	return pfn;
}

static bool is_canonical(uint64_t va, uint64_t pages) {
	uint64_t last = va + (pages * PAGE_SIZE - 1);

	if (last < va) return false;
	return last < GUEST_LOW_END || va >= HYPERVISOR_VIRT_END;
}

/*
 * Page tables, stack and slack, whose size depends on how much they map, which
 * depends on their size: grows until it fits itself. `tight` leaves the rounding
 * away, for guests that have hardly more memory than their kernel needs.
 */
static void place_tables(struct layout *l, uint64_t virt_base, uint64_t *next, bool tight) {
	uint64_t tables = 0, needed;

	for (;;) {
		uint64_t mapped = *next + 1 + tables + 1 + SLACK_PAGES;

		if (!tight)
			mapped = ROUND_UP(mapped + virt_base / PAGE_SIZE, ROUND_PAGES) -
				 virt_base / PAGE_SIZE;
		needed = tables_plan(&l->kernel, virt_base, 0, mapped);
		l->mapped_pages = mapped;
		if (needed <= tables) break;
		tables = needed;
	}
	l->l4_pfn = take(next, 1);
	l->pt_pages = 1 + tables;
	tables_place(&l->kernel, take(next, tables));
	l->stack_pfn = take(next, 1);
}

/* Kernels are linked some MiB above their first page; what lies below them would be of no use until
 * they are up. */
static bool fits_below(const struct pv_kernel *kernel, uint64_t pages) {
	uint64_t below = (kernel->start - kernel->virt_base) / PAGE_SIZE;

	return below >= LOW_PAGES && below - LOW_PAGES >= pages;
}

/* What lies behind the mapped part. */
static void place_unmapped(const struct pv_kernel *kernel, struct layout *l, uint64_t *next,
			   bool tight) {
	if (!tight) *next = MAX(*next, l->mapped_pages);
	if (kernel->mod_start_pfn && l->initrd_pages)
		l->initrd_pfn = fits_below(kernel, l->initrd_pages) ? LOW_PAGES
								    : take(next, l->initrd_pages);
	if (kernel->has_init_p2m) {
		l->p2m_pfn = take(next, l->p2m_pages);
		l->p2m_va = kernel->init_p2m;
		tables_place(&l->p2m, take(next, tables_plan(&l->p2m, kernel->init_p2m, l->p2m_pfn,
							     l->p2m_pages)));
	}
}

static void place_all(const struct pv_kernel *kernel, struct layout *l, bool tight) {
	uint64_t next = DIV_UP(kernel->end - kernel->virt_base, PAGE_SIZE);

	l->p2m = (struct layout_tables){.pages = 0};
	if (!kernel->mod_start_pfn && l->initrd_pages) l->initrd_pfn = take(&next, l->initrd_pages);
	if (!kernel->has_init_p2m) {
		l->p2m_pfn = take(&next, l->p2m_pages);
		l->p2m_va = kernel->virt_base + l->p2m_pfn * PAGE_SIZE;
	}
	l->start_info_pfn = take(&next, 1);
	l->store_pfn = take(&next, 1);
	l->console_pfn = take(&next, 1);
	place_tables(l, kernel->virt_base, &next, tight);
	place_unmapped(kernel, l, &next, tight);
	l->fill_pages = next;
}

/* Places everything for a guest of this size, without the rounding if it does not fit with it. */
static bool place_within(const struct pv_kernel *kernel, struct layout *l, uint64_t nr_pages) {
	l->nr_pages = nr_pages;
	l->p2m_pages = DIV_UP(nr_pages, PAGE_SIZE / 8);
	place_all(kernel, l, false);
	if (l->fill_pages > nr_pages) place_all(kernel, l, true);
	return l->fill_pages <= nr_pages;
}

const char *layout_make(const struct pv_kernel *kernel, uint64_t nr_pages, uint64_t initrd_size,
			struct layout *l) {
	*l = (struct layout){.initrd_pages = DIV_UP(initrd_size, PAGE_SIZE)};
	if (kernel->start < kernel->virt_base) return "its image begins below its VIRT_BASE";
	if (!place_within(kernel, l, nr_pages)) {
		/* More memory has a longer p2m list, which needs memory. */
		while (!place_within(kernel, l, l->fill_pages)) continue;
		l->needed_pages = l->nr_pages;
		return "it needs more memory than the domain has";
	}
	if (!is_canonical(kernel->virt_base, l->mapped_pages))
		return "its addresses reach into the hypervisor's";
	if (l->p2m.pages && !is_canonical(l->p2m_va, l->p2m_pages))
		return "the addresses of its p2m list reach into the hypervisor's";
	if (l->p2m.pages &&
	    (l->p2m_va + l->p2m_pages * PAGE_SIZE - 1) >> L3_SHIFT >= kernel->virt_base >> L3_SHIFT)
		return "its p2m list lies in the same 512 GiB as the kernel";
	return NULL;
}

static bool within(uint64_t pfn, uint64_t first, uint64_t count) {
	return pfn >= first && pfn - first < count;
}

static bool in_tables(const struct layout_tables *t, uint64_t pfn) {
	return t->pages && within(pfn, t->l3_pfn, t->l3_count + t->l2_count + t->l1_count);
}

bool layout_is_table(const struct layout *l, uint64_t pfn) {
	return pfn == l->l4_pfn || in_tables(&l->kernel, pfn) || in_tables(&l->p2m, pfn);
}

struct writer {
	const struct layout *layout;
	uint64_t (*mfn)(void *context, uint64_t pfn);
	void *context;
};

/*
 * Entries of a table that point to lower tables: the table covers addresses from
 * `block` on in units of 1 << shift; the lower tables, `count` from `pfn` on,
 * cover those from va on.
 */
static void write_pointers(const struct writer *w, uint64_t *table, uint64_t block, unsigned shift,
			   uint64_t va, uint64_t pfn, uint64_t count) {
	for (uint64_t i = 0; i < ENTRIES; i++) {
		uint64_t n = block + i - (va >> shift);

		if (n < count) table[i] = w->mfn(w->context, pfn + n) << PAGE_SHIFT | TABLE_FLAGS;
	}
}

/* An L1 table: every page of its part of the range that exists; tables read-only. */
static void write_leaves(const struct writer *w, const struct layout_tables *t, uint64_t *table,
			 uint64_t n) {
	uint64_t va = ((t->va >> L1_SHIFT) + n) << L1_SHIFT;

	for (uint64_t i = 0; i < ENTRIES; i++, va += PAGE_SIZE) {
		uint64_t page = (va - t->va) / PAGE_SIZE, pfn = t->first_pfn + page;

		if (va < t->va || page >= t->pages || pfn >= w->layout->nr_pages) continue;
		table[i] = w->mfn(w->context, pfn) << PAGE_SHIFT | PAGE_FLAGS |
			   (layout_is_table(w->layout, pfn) ? 0 : XEN_PTE_RW | XEN_PTE_DIRTY);
	}
}

static void write_one(const struct writer *w, const struct layout_tables *t, uint64_t pfn,
		      uint64_t *table) {
	if (within(pfn, t->l1_pfn, t->l1_count))
		write_leaves(w, t, table, pfn - t->l1_pfn);
	else if (within(pfn, t->l2_pfn, t->l2_count))
		write_pointers(w, table, ((t->va >> L2_SHIFT) + (pfn - t->l2_pfn)) * ENTRIES,
			       L1_SHIFT, t->va, t->l1_pfn, t->l1_count);
	else
		write_pointers(w, table, ((t->va >> L3_SHIFT) + (pfn - t->l3_pfn)) * ENTRIES,
			       L2_SHIFT, t->va, t->l2_pfn, t->l2_count);
}

void layout_table(const struct layout *l, uint64_t pfn, uint64_t *table,
		  uint64_t (*mfn)(void *context, uint64_t pfn), void *context) {
	const struct writer w = {.layout = l, .mfn = mfn, .context = context};
	const struct layout_tables *ranges[] = {&l->kernel, &l->p2m};

	if (pfn != l->l4_pfn) {
		write_one(&w, in_tables(&l->kernel, pfn) ? &l->kernel : &l->p2m, pfn, table);
		return;
	}
	for (size_t r = 0; r < ARRAY_SIZE(ranges); r++) {
		const struct layout_tables *t = ranges[r];

		for (uint64_t i = 0; t->pages && i < t->l3_count; i++)
			table[((t->va >> L3_SHIFT) + i) % ENTRIES] =
				mfn(context, t->l3_pfn + i) << PAGE_SHIFT | TABLE_FLAGS;
	}
}
