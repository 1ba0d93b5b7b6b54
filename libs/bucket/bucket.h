/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A token bucket: `rate` units flow in each second. What is asked for may be
 * larger than the bucket, so it is allowed as long as anything is in it, and the
 * bucket then owes. Over time exactly `rate` passes, whatever the sizes are.
 */
#ifndef LIBS_BUCKET_BUCKET_H
#define LIBS_BUCKET_BUCKET_H

#include <stdbool.h>
#include <stdint.h>

#define BUCKET_BURST_MS 50U              /* what an idle time may save up */
#define BUCKET_RATE_MAX 1000000000000ULL /* units per second */

struct bucket {
	uint64_t rate; /* 0 = no limit */
	int64_t level;
	uint64_t filled; /* the time, in ns, up to which `level` is true */
};

void bucket_init(struct bucket *bucket, uint64_t rate, uint64_t now);
/* 0: go on; else the time at which to ask again. */
uint64_t bucket_wait(struct bucket *bucket, uint64_t now);

static inline void bucket_charge(struct bucket *bucket, uint64_t units) {
	if (bucket->rate) bucket->level -= (int64_t)units;
}

#endif
