/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One byte for each page of the window, first fit. A server maps a few dozen
 * rings, and its lifeboat before all of them, so nothing cleverer is wanted.
 */
#include "libs/rt/hypercall.h"
#include "libs/rt/window.h"
#include "proto/lifeboat.h"
#include "proto/xen/xen.h"

static uint64_t window_base;
static size_t window_pages;
static uint8_t taken[NATIVE_WINDOW_PAGES + LIFEBOAT_MAX_PAGES];

void window_init(uint64_t first, uint64_t end) {
	window_base = first;
	window_pages = end > first ? MIN((end - first) / PAGE_SIZE, sizeof(taken)) : 0;
}

void *window_take(size_t pages) {
	size_t run = 0;

	if (!pages) return NULL;
	for (size_t i = 0; i < window_pages; i++) {
		run = taken[i] ? 0 : run + 1;
		if (run == pages) {
			size_t first = i + 1 - pages;

			memset(&taken[first], 1, pages);
			return (void *)(uintptr_t)(window_base + first * PAGE_SIZE);
		}
	}
	return NULL;
}

void window_give_back(void *at, size_t pages) {
	size_t first = ((uintptr_t)at - window_base) / PAGE_SIZE;

	rt_assert(first + pages <= window_pages, "pages of the window");
	memset(&taken[first], 0, pages);
}

static int64_t set_entry(void *at, uint64_t entry) {
	return hypercall4(__HYPERVISOR_update_va_mapping, (uintptr_t)at, entry,
			  UVMF_INVLPG | UVMF_LOCAL, 0);
}

int window_map_frame(void *at, uint64_t mfn, bool writable) {
	uint64_t entry = mfn << PAGE_SHIFT | XEN_PTE_PRESENT | XEN_PTE_USER | XEN_PTE_ACCESSED |
			 XEN_PTE_NX | (writable ? XEN_PTE_RW | XEN_PTE_DIRTY : 0);

	return (int)set_entry(at, entry);
}

void window_unmap(void *at) {
	int64_t result = set_entry(at, 0);

	rt_assert(!result, "an empty entry is always accepted");
	(void)result;
}
