/* SPDX-License-Identifier: BSD-2-Clause */
#include "libs/bucket/bucket.h"

#define SECOND_US 1000000ULL

static int64_t size(const struct bucket *bucket) {
	uint64_t burst = bucket->rate * BUCKET_BURST_MS / 1000;

	return burst ? (int64_t)burst : 1;
}

void bucket_init(struct bucket *bucket, uint64_t rate, uint64_t now) {
	bucket->rate = rate < BUCKET_RATE_MAX ? rate : BUCKET_RATE_MAX;
	bucket->level = size(bucket);
	bucket->filled = now;
}

uint64_t bucket_wait(struct bucket *bucket, uint64_t now) {
	uint64_t elapsed, units;

	if (!bucket->rate) return 0;
	elapsed = (now - bucket->filled) / 1000;
	/* Ten seconds at most at once: the products below stay in 64 bits. */
	if (elapsed > 10 * SECOND_US) elapsed = 10 * SECOND_US;
	units = elapsed * bucket->rate / SECOND_US;
	if (units) {
		bucket->level += (int64_t)units;
		/* A part of a unit stays in the time that was not counted. */
		bucket->filled += units * SECOND_US / bucket->rate * 1000;
		if (bucket->level >= size(bucket)) {
			bucket->level = size(bucket);
			bucket->filled = now;
		}
	}
	if (bucket->level > 0) return 0;
	return bucket->filled +
	       ((uint64_t)(1 - bucket->level) * SECOND_US / bucket->rate + 1) * 1000;
}
