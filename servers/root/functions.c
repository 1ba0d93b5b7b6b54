/* SPDX-License-Identifier: BSD-2-Clause */
#include "functions.h"

#define MSIX_ENTRY 16U
#define ADDRESSES  (1ULL << 46) /* beyond what any processor has */

static bool matches(const struct system_device *r, const struct pci_function *f) {
	bool device = r->device == SYSTEM_ANY || f->device == r->device ||
		      (r->device_or && f->device == r->device_or);

	return device && (r->vendor == SYSTEM_ANY || f->vendor == r->vendor) &&
	       (f->class_code & r->class_mask) == r->class_code &&
	       (r->address == SYSTEM_ANY || f->source == r->address);
}

int functions_find(const struct system_device *record, const struct pci_function *functions,
		   uint32_t count, const void *const *owner) {
	uint32_t seen = 0;
	int result = FUNCTION_NONE;

	for (uint32_t i = 0; i < count; i++) {
		if (!matches(record, &functions[i])) continue;
		if (record->index != SYSTEM_ANY && seen++ != record->index) continue;
		if (!owner[i]) return (int)i;
		result = FUNCTION_TAKEN;
	}
	return result;
}

/* The pages that a memory BAR touches. */
static bool bar_pages(const struct pci_bar *bar, struct function_pages *pages) {
	if (!(bar->flags & PCI_BAR_MEMORY) || !bar->size || bar->size > ADDRESSES ||
	    !bar->address || bar->address > ADDRESSES)
		return false;
	pages->first = bar->address / PAGE_SIZE;
	pages->count = DIV_UP(bar->address + bar->size, PAGE_SIZE) - pages->first;
	return true;
}

uint32_t functions_pages(const struct pci_function *function, uint32_t bar,
			 struct function_pages pieces[FUNCTION_PIECES]) {
	struct function_pages all;
	uint64_t first, end, last;
	uint32_t count = 0;

	if (bar >= PCI_BARS || !bar_pages(&function->bar[bar], &all)) return 0;
	end = all.first + all.count;
	first = last = end; /* of the table: [first, last) */
	if (function->flags & PCI_F_MSIX && function->msix_bar == bar && function->msix_count) {
		uint64_t table = function->bar[bar].address + function->msix_offset;

		first = MIN(table / PAGE_SIZE, end);
		last = MIN(DIV_UP(table + function->msix_count * MSIX_ENTRY, PAGE_SIZE), end);
	}
	if (first > all.first)
		pieces[count++] = (struct function_pages){all.first, first - all.first};
	if (last < end) pieces[count++] = (struct function_pages){last, end - last};
	return count;
}

bool functions_share(const struct pci_function *functions, uint32_t count, uint32_t index,
		     uint32_t bar) {
	struct function_pages mine, theirs;

	if (!bar_pages(&functions[index].bar[bar], &mine)) return false;
	for (uint32_t i = 0; i < count; i++)
		for (uint32_t n = 0; n < PCI_BARS; n++)
			if (i != index && bar_pages(&functions[i].bar[n], &theirs) &&
			    mine.first < theirs.first + theirs.count &&
			    theirs.first < mine.first + mine.count)
				return true;
	return false;
}

uint32_t functions_irq(const struct pci_function *function, uint32_t wanted, bool messages,
		       uint32_t *count) {
	if (messages && function->flags & PCI_F_MSIX && function->msix_count) {
		*count = MIN(MIN(wanted, (uint32_t)function->msix_count), PCI_MAX_MESSAGES);
		return PCI_IRQ_MSIX;
	}
	/* More than one plain message would need vectors in a row. */
	*count = 1;
	if (messages && function->flags & PCI_F_MSI && function->msi_count) return PCI_IRQ_MSI;
	if (function->line != 0xff) return PCI_IRQ_LINE;
	*count = 0;
	return PCI_IRQ_NONE;
}
