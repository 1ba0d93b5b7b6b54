/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A native domain, as proto/native.h describes it:
 *
 *     PFN 0            image: text, read-only data, data, zero
 *     .                start page
 *     .                page tables: L4, L3, L2, L1s      read-only
 *     .                guard                              not mapped
 *     .                stack
 *     .. memory_pages  spare memory
 *     shared_info, then the window: virtual addresses only
 */
#include "builder.h"
#include "handover.h"
#include "libs/cap/cap.h"
#include "libs/log/log.h"
#include "program.h"
#include "proto/xen/xen.h"
#include "space.h"
#include "upgrade.h"

#define ENTRIES     512U
#define TABLE_FLAGS (XEN_PTE_PRESENT | XEN_PTE_RW | XEN_PTE_USER | XEN_PTE_ACCESSED | XEN_PTE_DIRTY)
#define READ        (XEN_PTE_PRESENT | XEN_PTE_USER | XEN_PTE_ACCESSED)
#define WRITE       (READ | XEN_PTE_RW | XEN_PTE_DIRTY)

/* One L2 table, from virtual address 0 on: image, memory and window lie below 1 GiB. */
#define MAX_MEMORY_PAGES (992ULL << (20 - PAGE_SHIFT))

struct native {
	struct builder builder;
	const uint8_t *file;
	uint64_t file_size;
	struct native_image image;
	uint64_t start_pfn, l4_pfn, l3_pfn, l2_pfn, l1_pfn, l1_count;
	uint64_t stack_pfn, spare_pfn, pages; /* pages: of memory, all PFNs */
	uint64_t window_pages;
	uint64_t shared_info_mfn;
	struct native_start start;
};

static uint64_t pfn_address(uint64_t pfn) { return NATIVE_VIRT_BASE + pfn * PAGE_SIZE; }

static const char *read_image(struct native *n) {
	struct native_image *image = &n->image;

	if (n->file_size < sizeof(*image)) return "its image is too short";
	memcpy(image, n->file, sizeof(*image));
	if (image->magic != NATIVE_MAGIC || image->virt_base != NATIVE_VIRT_BASE || image->flags)
		return "its image is not a native program";
	if (image->virt_base > image->text_end || image->text_end > image->rodata_end ||
	    image->rodata_end > image->data_end || image->data_end > image->memory_end ||
	    (image->text_end | image->rodata_end | image->data_end | image->memory_end) %
		    PAGE_SIZE ||
	    image->memory_end - image->virt_base > MAX_MEMORY_PAGES * PAGE_SIZE ||
	    image->data_end - image->virt_base != ROUND_UP(n->file_size, PAGE_SIZE) ||
	    image->entry < image->virt_base || image->entry >= image->text_end)
		return "its image has an impossible header";
	return NULL;
}

static const char *place(struct native *n) {
	const struct system_domain *d = n->builder.domain->d;
	uint64_t next = (n->image.memory_end - NATIVE_VIRT_BASE) / PAGE_SIZE;

	if (d->memory_pages > MAX_MEMORY_PAGES) return "a native domain can have 992 MiB at most";
	n->pages = d->memory_pages;
	n->window_pages = NATIVE_WINDOW_PAGES + d->lifeboat_pages;
	n->l1_count = DIV_UP(pfn_address(n->pages + 1 + n->window_pages), ENTRIES * PAGE_SIZE) -
		      NATIVE_VIRT_BASE / (ENTRIES * PAGE_SIZE);
	n->start_pfn = next;
	n->l4_pfn = n->start_pfn + NATIVE_START_PAGES;
	n->l3_pfn = n->l4_pfn + 1;
	n->l2_pfn = n->l3_pfn + 1;
	n->l1_pfn = n->l2_pfn + 1;
	n->stack_pfn = n->l1_pfn + n->l1_count + 1; /* behind the guard */
	n->spare_pfn = n->stack_pfn + NATIVE_STACK_PAGES;
	if (n->spare_pfn > n->pages) return "its image needs more memory than the domain has";
	return NULL;
}

/* The leaf entry of a PFN, or of the page of shared_info behind the last one. */
static uint64_t leaf(struct native *n, uint64_t pfn) {
	uint64_t address = pfn_address(pfn), mfn;

	if (pfn == n->pages) return n->shared_info_mfn << PAGE_SHIFT | WRITE | XEN_PTE_NX;
	if (pfn > n->pages || pfn == n->stack_pfn - 1) return 0;
	mfn = builder_mfn(&n->builder, pfn) << PAGE_SHIFT;
	if (address < n->image.text_end) return mfn | READ;
	if (address < n->image.rodata_end || (pfn >= n->l4_pfn && pfn < n->stack_pfn))
		return mfn | READ | XEN_PTE_NX;
	return mfn | WRITE | XEN_PTE_NX;
}

static void render_page(struct native *n, uint64_t pfn, uint64_t *entries) {
	uint64_t first_l1 = NATIVE_VIRT_BASE / (ENTRIES * PAGE_SIZE);

	if (pfn == n->l4_pfn || pfn == n->l3_pfn) {
		entries[0] = builder_mfn(&n->builder, pfn + 1) << PAGE_SHIFT | TABLE_FLAGS;
	} else if (pfn == n->l2_pfn) {
		for (uint64_t i = 0; i < n->l1_count; i++)
			entries[first_l1 + i] =
				builder_mfn(&n->builder, n->l1_pfn + i) << PAGE_SHIFT | TABLE_FLAGS;
	} else if (pfn >= n->l1_pfn && pfn < n->l1_pfn + n->l1_count) {
		uint64_t first = (pfn - n->l1_pfn) * ENTRIES;

		for (uint64_t i = 0; i < ENTRIES; i++) entries[i] = leaf(n, first + i);
	}
}

static void render(void *context, uint64_t first, uint64_t count, uint8_t *at) {
	struct native *n = context;
	uint64_t from, size, base = first * PAGE_SIZE, start = n->start_pfn * PAGE_SIZE;

	if (builder_overlap(base, count * PAGE_SIZE, 0, n->file_size, &from, &size))
		memcpy(at + (from - base), n->file + from, size);
	if (builder_overlap(base, count * PAGE_SIZE, start, sizeof(n->start), &from, &size))
		memcpy(at + (from - base), (const uint8_t *)&n->start + (from - start), size);
	for (uint64_t i = 0; i < count; i++)
		render_page(n, first + i, (uint64_t *)(void *)(at + i * PAGE_SIZE));
}

static const char *make_start(struct native *n) {
	struct domain *domain = n->builder.domain;
	struct native_start *start = &n->start;

	*start = (struct native_start){
		.magic = NATIVE_START_MAGIC,
		.version = 1,
		.domid = domain->d->domid,
		.incarnation = (uint16_t)domain->incarnation,
		.memory_pages = n->pages,
		.virt_base = NATIVE_VIRT_BASE,
		.free_first = pfn_address(n->spare_pfn),
		.free_end = pfn_address(n->pages),
		.window_first = pfn_address(n->pages + 1),
		.window_end = pfn_address(n->pages + 1 + n->window_pages),
		.shared_info = pfn_address(n->pages),
		.flags = domain == canary_domain() ? NATIVE_START_CANARY : 0,
	};
	rt_strcopy(start->name, domain->name, sizeof(start->name));
	if (!rt_strcopy(start->arguments, domain->cmdline, sizeof(start->arguments)))
		return "its arguments are too long";
	return handover_native(domain, start);
}

/* For the post-mortem: root itself may read the stack, and nobody else. */
static const char *grant_stack(struct native *n, struct domain *domain) {
	for (uint32_t i = 0; i < NATIVE_STACK_PAGES; i++)
		if (cap_domain_grant(domain->slot, NATIVE_STACK_REF + i, 0, true,
				     builder_mfn(&n->builder, n->stack_pfn + i)))
			return "its stack cannot be granted to root";
	domain->stack_first = pfn_address(n->stack_pfn);
	return NULL;
}

static const char *build(struct native *n, struct domain *domain) {
	struct domain_info info;
	const char *why = place(n);

	if (why) return why;
	if (cap_domain_info(domain->slot, &info)) return "the core does not know it";
	n->shared_info_mfn = info.shared_info_mfn;
	why = make_start(n);
	if (!why) why = builder_take(&n->builder, domain, n->spare_pfn);
	if (!why) why = builder_fill(&n->builder, render, n);
	if (!why) why = builder_give(&n->builder);
	if (!why) why = grant_stack(n, domain);
	if (!why)
		why = builder_context(&n->builder, n->image.entry, pfn_address(n->spare_pfn),
				      pfn_address(n->start_pfn), n->l4_pfn);
	return why;
}

const char *build_native(struct domain *domain) {
	static struct native native;
	struct native *n = &native;
	const char *why = NULL;

	if (!domain->program)
		domain->program =
			program_open(description_string(&description, domain->d->module), &why);
	if (!domain->program) return why;
	*n = (struct native){.builder.domain = domain};
	n->file = program_map(domain->program, &n->file_size);
	why = n->file ? read_image(n) : "its image cannot be mapped";
	if (!why) why = build(n, domain);
	space_unmap_modules();
	return why;
}
