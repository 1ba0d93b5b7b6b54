/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sorted lists of page ranges: the memory map of the machine, and what is left
 * of it. Firmware's maps overlap, touch, and come in any order; a list never.
 */
#include "boot/boot.h"

static void erase(struct range_list *list, u32 at, u32 n) {
	list->count -= n;
	for (; at < list->count; at++) list->range[at] = list->range[at + n];
}

static bool insert(struct range_list *list, u32 at, paddr_t start, paddr_t end) {
	if (list->count == BOOT_MAX_RANGES) return false;
	for (u32 i = list->count++; i > at; i--) list->range[i] = list->range[i - 1];
	list->range[at] = (struct range){start, end};
	return true;
}

bool range_add(struct range_list *list, paddr_t start, paddr_t end) {
	u32 first = 0, behind;

	if (start >= end) return true;
	while (first < list->count && list->range[first].end < start) first++;
	for (behind = first; behind < list->count && list->range[behind].start <= end; behind++) {
		start = MIN(start, list->range[behind].start);
		end = MAX(end, list->range[behind].end);
	}
	erase(list, first, behind - first);
	return insert(list, first, start, end);
}

bool range_remove(struct range_list *list, paddr_t start, paddr_t end) {
	for (u32 i = 0; i < list->count && start < end; i++) {
		struct range *r = &list->range[i];
		paddr_t old_end = r->end;

		if (r->end <= start || r->start >= end) continue;
		if (r->start >= start && r->end <= end) {
			erase(list, i--, 1);
		} else if (r->start >= start) {
			r->start = end;
		} else {
			r->end = start;
			if (old_end > end) return insert(list, i + 1, end, old_end);
		}
	}
	return true;
}
