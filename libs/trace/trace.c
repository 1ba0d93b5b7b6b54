/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One piece of a buffer. `written` is read before and after the copy: what was there
 * before is copied, and what may have changed in between is thrown away.
 */
#include "libs/trace/trace.h"

#include <stdbool.h>
#include <stddef.h>

#define PER_PAGE (4096U / sizeof(struct trace_record))

/* Of [from, written), the first that cannot have been overwritten, nor is being so. */
static uint64_t oldest(uint64_t written, uint64_t records) {
	return written < records ? 0 : written - records + 1;
}

void trace_copy(const struct trace_header *buffer, uint32_t frames, uint64_t from,
		struct trace_record *to, uint32_t count, struct trace_piece *piece) {
	const volatile struct trace_record *records =
		(const volatile struct trace_record *)(buffer + 1);
	uint64_t written = __atomic_load_n(&buffer->written, __ATOMIC_ACQUIRE);
	uint64_t size = (uint64_t)(frames - 1) * PER_PAGE, first, keep, n;

	if (from > written) from = written;
	first = oldest(written, size);
	if (first < from) first = from;
	n = written - first < count ? written - first : count;
	for (uint64_t i = 0; i < n; i++) to[i] = records[(first + i) % size];
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	keep = oldest(__atomic_load_n(&buffer->written, __ATOMIC_RELAXED), size);
	keep = keep <= first ? 0 : keep - first < n ? keep - first : n;
	for (uint64_t i = keep; keep && i < n; i++) to[i - keep] = to[i];
	*piece = (struct trace_piece){
		.magic = TRACE_MAGIC,
		.cpu = buffer->cpu,
		.records = (uint32_t)(n - keep),
		.first = first + keep,
		.lost = first + keep - from,
	};
}
