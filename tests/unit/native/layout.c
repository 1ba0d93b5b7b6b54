/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest's first address space: the tables that layout.c makes are walked as
 * the hardware would, for every page that is to be mapped and around it.
 */
#include "native.h"

#include "proto/xen/arch.h"
#include "servers/root/layout.h"

#define ENTRIES 512U

static struct layout layout;
static struct pv_kernel kernel;

/* Frames are far from PFNs, and backwards, so that nothing fits by accident. */
static uint64_t frame_of(void *context, uint64_t pfn) {
	(void)context;
	CHECK(pfn < layout.nr_pages);
	return (1U << 24) - pfn;
}

static uint64_t pfn_of(uint64_t entry) {
	return (1U << 24) - ((entry & XEN_PTE_MFN_MASK) >> PAGE_SHIFT);
}

static const uint64_t *table(uint64_t pfn) {
	static uint64_t entries[ENTRIES];

	CHECK(layout_is_table(&layout, pfn));
	memset(entries, 0, sizeof(entries));
	layout_table(&layout, pfn, entries, frame_of, NULL);
	return entries;
}

/* The leaf entry that maps va; 0: none does. */
static uint64_t walk(uint64_t va) {
	uint64_t entry = table(layout.l4_pfn)[va >> 39 & 511];

	for (int shift = 30; shift >= 12 && entry; shift -= 9)
		entry = table(pfn_of(entry))[va >> shift & 511];
	return entry;
}

static void check_range(uint64_t va, uint64_t first_pfn, uint64_t pages) {
	for (uint64_t i = 0; i < pages; i += i < 40 || i + 40 > pages ? 1 : 97) {
		uint64_t entry = walk(va + i * PAGE_SIZE), pfn = first_pfn + i;

		if (pfn >= layout.nr_pages) {
			CHECK(!entry);
			continue;
		}
		CHECK(entry & XEN_PTE_PRESENT && pfn_of(entry) == pfn);
		CHECK(!(entry & XEN_PTE_RW) == layout_is_table(&layout, pfn));
	}
	CHECK(!walk(va + pages * PAGE_SIZE) && !walk(va - PAGE_SIZE));
}

static void check_tables_read_only(void) {
	for (uint64_t pfn = layout.l4_pfn; pfn < layout.l4_pfn + layout.pt_pages; pfn++) {
		uint64_t entry = walk(kernel.virt_base + pfn * PAGE_SIZE);

		CHECK(layout_is_table(&layout, pfn) && pfn_of(entry) == pfn);
		CHECK(!(entry & XEN_PTE_RW));
	}
}

/* Everything that is placed is apart from everything else. */
static void check_apart(void) {
	const uint64_t start = (kernel.start - kernel.virt_base) / PAGE_SIZE;
	const uint64_t areas[][2] = {
		{start, DIV_UP(kernel.end - kernel.virt_base, PAGE_SIZE) - start},
		{layout.initrd_pfn, layout.initrd_pages},
		{layout.p2m_pfn, layout.p2m_pages},
		{layout.start_info_pfn, 1},
		{layout.store_pfn, 1},
		{layout.console_pfn, 1},
		{layout.l4_pfn, layout.pt_pages},
		{layout.stack_pfn, 1},
		{layout.p2m.l3_pfn,
		 layout.p2m.pages ? layout.p2m.l3_count + layout.p2m.l2_count + layout.p2m.l1_count
				  : 0},
	};

	for (size_t a = 0; a < ARRAY_SIZE(areas); a++) {
		CHECK(areas[a][0] + areas[a][1] <= layout.fill_pages);
		for (size_t b = 0; b < a; b++)
			CHECK(!areas[a][1] || !areas[b][1] ||
			      areas[a][0] + areas[a][1] <= areas[b][0] ||
			      areas[b][0] + areas[b][1] <= areas[a][0]);
	}
	CHECK(layout.fill_pages <= layout.nr_pages);
}

static void linux_kernel(uint64_t size) {
	kernel = (struct pv_kernel){
		.virt_base = 0xffffffff80000000,
		.start = 0xffffffff81000000,
		.end = 0xffffffff81000000 + size,
		.has_init_p2m = true,
		.init_p2m = 0x8000000000,
		.mod_start_pfn = true,
	};
}

static void low_kernel(uint64_t size) { kernel = (struct pv_kernel){.end = size}; }

static void check_all(uint64_t nr_pages, uint64_t initrd) {
	CHECK(!layout_make(&kernel, nr_pages, initrd, &layout));
	check_apart();
	check_range(kernel.virt_base, 0, layout.mapped_pages);
	check_tables_read_only();
	if (layout.p2m.pages) check_range(layout.p2m_va, layout.p2m_pfn, layout.p2m_pages);
}

static void test_linux(void) {
	const uint64_t mib[] = {64, 128, 256, 1024, 4096};

	for (size_t i = 0; i < ARRAY_SIZE(mib); i++) {
		linux_kernel(0x1e00000);
		check_all(mib[i] * 256, 3000000);
		CHECK((kernel.virt_base / PAGE_SIZE + layout.mapped_pages) % 1024 == 0);
		CHECK(layout.mapped_pages - layout.stack_pfn - 1 >= 128);
		/* Below the image if it fits there. */
		CHECK(layout.initrd_pfn == 256);
		check_all(mib[i] * 256, 15 << 20);
		CHECK(layout.initrd_pfn == 256);
		if (mib[i] < 128) continue;
		check_all(mib[i] * 256, (15 << 20) + 1);
		CHECK(layout.initrd_pfn >= layout.mapped_pages);
	}
}

static void test_low(void) {
	const uint64_t mib[] = {16, 64, 1024, 4096};

	for (size_t i = 0; i < ARRAY_SIZE(mib); i++) {
		low_kernel(0x613db8);
		check_all(mib[i] * 256, i % 2 ? 12345 : 0);
		/* Mini-OS: what is behind the tables and the stack is free. */
		CHECK(layout.start_info_pfn < layout.l4_pfn && layout.p2m_pfn < layout.l4_pfn);
		CHECK(layout.store_pfn < layout.l4_pfn && layout.console_pfn < layout.l4_pfn);
		CHECK(layout.initrd_pfn < layout.l4_pfn);
	}
}

static void test_tight(void) {
	const char *why;

	/* 62 MiB of kernel in 64 MiB: no room for the rounding. */
	linux_kernel(0x2e00000);
	check_all(64 * 256, 1000000);

	linux_kernel(0x3a00000);
	why = layout_make(&kernel, 64 * 256, 0, &layout);
	CHECK(why && layout.needed_pages > 64 * 256);
	CHECK(!layout_make(&kernel, layout.needed_pages, 0, &layout));
	CHECK(layout_make(&kernel, layout.nr_pages - 1, 0, &layout));
}

static void test_impossible(void) {
	low_kernel(0x100000);
	kernel.virt_base = kernel.start = 0xffff7ffffff00000;
	kernel.end = kernel.start + 0x100000;
	CHECK(layout_make(&kernel, 16384, 0, &layout) && !layout.needed_pages);

	linux_kernel(0x100000);
	kernel.init_p2m = 0xffffffff00000000;
	CHECK(layout_make(&kernel, 16384, 0, &layout) && !layout.needed_pages);

	linux_kernel(0x100000);
	kernel.init_p2m = 0xffff800000000000;
	CHECK(layout_make(&kernel, 16384, 0, &layout) && !layout.needed_pages);

	linux_kernel(0x100000);
	kernel.start = 0xffffffff7fff0000;
	CHECK(layout_make(&kernel, 16384, 0, &layout));
}

int main(void) {
	static const struct test tests[] = {
		{"guests like Linux, 64 MiB to 4 GiB", test_linux},
		{"guests from address 0 on", test_low},
		{"hardly enough memory, and too little", test_tight},
		{"addresses that cannot be", test_impossible},
	};

	return RUN("layout", tests);
}
