/* SPDX-License-Identifier: BSD-2-Clause */
/* What libFuzzer says, and then what follows from it: its inputs are mostly short. */
#ifndef TESTS_FUZZ_INPUT_H
#define TESTS_FUZZ_INPUT_H

#include <stddef.h>
#include <stdint.h>

#include "lib/types.h"

static const uint8_t *input, *input_end;
static u64 seed;

static inline void input_begin(const uint8_t *data, size_t size) {
	input = data;
	input_end = data + size;
	seed = size;
}

static inline u32 byte(void) {
	if (input < input_end) {
		seed = (seed ^ *input) * 0x9e3779b97f4a7c15;
		return *input++;
	}
	seed = seed * 6364136223846793005 + 1442695040888963407;
	return seed >> 56;
}

static inline u32 below(u32 n) { return byte() % n; }

#endif
