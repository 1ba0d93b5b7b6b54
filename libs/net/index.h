/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What both ends of libs/net share: where the rings lie in the pages, and how an
 * index in shared memory is read, written and compared (proto/ring.h).
 */
#ifndef LIBS_NET_INDEX_H
#define LIBS_NET_INDEX_H

#include <stdbool.h>

#include "proto/net.h"

#define NET_AT_WORDS 4096U
#define NET_AT_DONE  (5U * 4096)
#define NET_AT_POSTS (6U * 4096)
#define NET_AT_RX    (8U * 4096)

static inline uint32_t net_load(const uint32_t *index) {
	return __atomic_load_n(index, __ATOMIC_ACQUIRE);
}

static inline void net_store(uint32_t *index, uint32_t value) {
	__atomic_store_n(index, value, __ATOMIC_RELEASE);
}

/* Did an index that went from `before` to `now` pass the threshold? One that is `before` never. */
static inline bool net_passed(uint32_t now, uint32_t before, uint32_t event) {
	return now - event < now - before;
}

/* An entry of 16 bytes. It may change meanwhile, so each half is read exactly once. */
static inline void net_copy(void *to, const void *shared) {
	const uint64_t *from = shared;
	uint64_t copy[2] = {__atomic_load_n(&from[0], __ATOMIC_RELAXED),
			    __atomic_load_n(&from[1], __ATOMIC_RELAXED)};

	__builtin_memcpy(to, copy, sizeof(copy));
}

#endif
