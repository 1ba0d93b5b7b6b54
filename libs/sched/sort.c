/* SPDX-License-Identifier: BSD-2-Clause */
/* Heap sort of vCPU numbers: in place, and never more than n log n steps. */
#include "libs/sched/sched.h"

static void sift(uint16_t *order, uint32_t root, uint32_t n, sched_order *before) {
	for (;;) {
		uint32_t child = 2 * root + 1;
		uint16_t swap;

		if (child >= n) return;
		if (child + 1 < n &&
		    before(&sched_vcpus[order[child]], &sched_vcpus[order[child + 1]]))
			child++;
		if (!before(&sched_vcpus[order[root]], &sched_vcpus[order[child]])) return;
		swap = order[root];
		order[root] = order[child];
		order[child] = swap;
		root = child;
	}
}

void sched_sort(uint16_t *order, uint32_t n, sched_order *before) {
	for (uint32_t i = n / 2; i-- > 0;) sift(order, i, n, before);
	for (uint32_t end = n; end-- > 1;) {
		uint16_t last = order[end];

		order[end] = order[0];
		order[0] = last;
		sift(order, 0, end, before);
	}
}
