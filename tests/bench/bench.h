/* SPDX-License-Identifier: BSD-2-Clause */
/* What the parts of the bench kernel share. */
#ifndef TESTS_BENCH_BENCH_H
#define TESTS_BENCH_BENCH_H

#include "pv.h"

/* Of a run, an average of the least matters: repeat so often. */
#define ROUNDS 16

static inline uint64_t now(void) {
	uint64_t low, high;

	__asm__ volatile("rdtsc; shlq $32, %1; orq %1, %0" : "=a"(low), "=d"(high) : : "memory");
	return low;
}

void report(const char *name, uint64_t count);
void *copied_root(const void *root); /* a root table of its own with the same contents */

/* pair.c: the rows that need a second domain. */
void pair_measure(void);
void pair_yield(void);

/* vcpus.c: the rows that need a second vCPU. */
void vcpus_measure(void);

#endif
