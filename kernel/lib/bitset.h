/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A set of small numbers in two levels: words of 64 members, and a summary with a bit for
 * each word that is not 0. So its first member is found by two bit scans, however many
 * there are; a third level would be for more than BITSET_MAX. Whoever has a set locks it.
 */
#ifndef KERNEL_LIB_BITSET_H
#define KERNEL_LIB_BITSET_H

#include "lib/types.h"

#define BITSET_MAX 4096U

struct bitset {
	u64 summary; /* bit n: words[n] is not 0; 0: the set is empty */
	u64 words[BITSET_MAX / 64];
};

static ALWAYS_INLINE void bitset_add(struct bitset *s, u32 i) {
	s->words[i / 64] |= 1UL << i % 64;
	s->summary |= 1UL << i / 64;
}

static ALWAYS_INLINE void bitset_remove(struct bitset *s, u32 i) {
	s->words[i / 64] &= ~(1UL << i % 64);
	if (!s->words[i / 64]) s->summary &= ~(1UL << i / 64);
}

/* Of a set that is not empty. */
static inline u32 bitset_first(const struct bitset *s) {
	u32 word = (u32)__builtin_ctzl(s->summary);

	return word * 64 + (u32)__builtin_ctzl(s->words[word]);
}

#endif
