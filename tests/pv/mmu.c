/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Frames and page tables of the test kernels. Tables are read through the
 * kernel's own mapping of all its frames (machine-to-physical table, then
 * PV_VIRT_BASE) and written by hypercalls only.
 */
#include "pv.h"

#define POOL_PAGES 768

static uint8_t pool[POOL_PAGES][PV_PAGE] __attribute__((section(".bss.page"), aligned(4096)));
static unsigned pool_used;

void *pv_page(void) {
	PV_MUST(pool_used < POOL_PAGES);
	return memset(pool[pool_used++], 0, PV_PAGE);
}

uint64_t *pv_p2m(void) { return (uint64_t *)pv_start->mfn_list; }

const volatile uint64_t *pv_m2p(void) { return (const volatile uint64_t *)MACH2PHYS_VIRT_START; }

uint64_t pv_pfn(const void *address) { return (va(address) - PV_VIRT_BASE) / PV_PAGE; }

uint64_t pv_mfn(const void *address) { return pv_p2m()[pv_pfn(address)]; }

void *pv_pfn_va(uint64_t pfn) { return (void *)(PV_VIRT_BASE + pfn * PV_PAGE); }

void *pv_mfn_va(uint64_t mfn) { return pv_pfn_va(pv_m2p()[mfn]); }

static uint64_t entry_mfn(uint64_t entry) { return (entry & XEN_PTE_MFN_MASK) / PV_PAGE; }

static unsigned slot_of(uint64_t address, int level) {
	return (unsigned)(address >> (3 + 9 * level)) & 511;
}

volatile uint64_t *pv_entry(uint64_t address, int level) {
	volatile uint64_t *table = (uint64_t *)pv_start->pt_base;

	for (int l = 4;; l--) {
		volatile uint64_t *entry = &table[slot_of(address, l)];

		if (l == level) return entry;
		if (!(*entry & XEN_PTE_PRESENT)) return NULL;
		table = pv_mfn_va(entry_mfn(*entry));
	}
}

uint64_t pv_entry_ma(const volatile uint64_t *entry) {
	return pv_mfn((const void *)va(entry)) * PV_PAGE + va(entry) % PV_PAGE;
}

int64_t pv_set_entry(const volatile uint64_t *entry, uint64_t value) {
	struct mmu_update update = {pv_entry_ma(entry) | MMU_NORMAL_PT_UPDATE, value};

	return mmu_update(&update, 1, NULL);
}

int64_t pv_protect(void *page, uint64_t flags) {
	return update_va_mapping(va(page), flags ? pv_mfn(page) * PV_PAGE | flags : 0, UVMF_INVLPG);
}

void pv_map(uint64_t *l4, uint64_t address, uint64_t pte) {
	volatile uint64_t *table = l4;

	for (int level = 4; level > 1; level--) {
		volatile uint64_t *entry = &table[slot_of(address, level)];

		if (!(*entry & XEN_PTE_PRESENT)) {
			void *page = pv_page();

			PV_MUST(pv_protect(page, PV_RO) == 0);
			PV_MUST(pv_set_entry(entry, pv_mfn(page) * PV_PAGE | PV_TABLE) == 0);
		}
		table = pv_mfn_va(entry_mfn(*entry));
	}
	PV_MUST(pv_set_entry(&table[slot_of(address, 1)], pte) == 0);
}

void *memset(void *to, int byte, size_t size) {
	char *p = to;

	while (size-- > 0) *p++ = (char)byte;
	return to;
}

void *memcpy(void *to, const void *from, size_t size) {
	const char *source = from;
	char *p = to;

	while (size-- > 0) *p++ = *source++;
	return to;
}

int memcmp(const void *a, const void *b, size_t size) {
	const uint8_t *x = a, *y = b;

	for (; size > 0; size--, x++, y++)
		if (*x != *y) return *x - *y;
	return 0;
}

size_t strlen(const char *text) {
	size_t n = 0;

	while (text[n]) n++;
	return n;
}
