/* SPDX-License-Identifier: BSD-2-Clause */
#include "trace.h"

#include "handover.h"
#include "libs/cap/cap.h"
#include "libs/trace/trace.h"
#include "pages.h"
#include "root.h"

#define LAST_LOOK 1024ULL /* records of each CPU */

static struct trace_header *buffers; /* one behind the other */
static uint64_t first_mfn;
static uint32_t cpus, frames;               /* of one buffer */
static uint32_t refs[SYSTEM_MAX_RESOURCES]; /* by resource: the first grant of its domain */

uint32_t trace_grants(void) {
	uint32_t grants = 0;

	for (uint32_t i = 0; i < description.resource_count; i++)
		if (description.resources[i].kind == SYSTEM_RES_TRACE)
			grants += boot_info->cpus * trace_buffer_frames(boot_info->cpus);
	return grants;
}

void trace_init(void) {
	frames = trace_buffer_frames(boot_info->cpus);
	first_mfn = pages_take((uint64_t)boot_info->cpus * frames);
	buffers = pages_map(first_mfn, boot_info->cpus * frames);
	for (cpus = 0; cpus < boot_info->cpus; cpus++)
		if (cap_trace_buffer(boot_info->trace_slot, cpus,
				     first_mfn + (uint64_t)cpus * frames, frames))
			rt_panic("the core does not take its buffer for traces of CPU %u", cpus);
	for (uint32_t i = 0; i < description.resource_count; i++) {
		const struct system_resource *r = &description.resources[i];

		if (r->kind == SYSTEM_RES_TRACE)
			refs[i] = pages_grant(domains[r->domain].d->domid, first_mfn, cpus * frames,
					      true);
	}
}

void trace_give(const struct domain *domain, struct native_start *start) {
	for (uint32_t i = 0; i < description.resource_count; i++)
		if (refs[i] && description.resources[i].domain == domain->index)
			handover_pages(start, SYSTEM_CONN_TRACE, "trace", refs[i], cpus * frames,
				       cpus);
}

bool trace_set(uint64_t points) {
	return points <= TRACE_ALL && !cap_trace_set(boot_info->trace_slot, (uint32_t)points, 0);
}

static void read(uint32_t cpu, uint64_t from, struct trace_record *to, uint32_t count,
		 struct trace_piece *piece) {
	const uint8_t *buffer = (const uint8_t *)buffers + (uint64_t)cpu * frames * PAGE_SIZE;

	trace_copy((const void *)buffer, frames, from, to, count, piece);
}

bool trace_read(uint32_t cpu, uint64_t from, struct trace_record *to, uint32_t count,
		struct trace_piece *piece) {
	if (cpu >= cpus) return false;
	read(cpu, from, to, count, piece);
	return true;
}

/* Puts it where its time says, among `have` sorted ones; the oldest makes room. */
static uint32_t keep(struct trace_record *to, uint32_t have, uint32_t count,
		     const struct trace_record *record) {
	uint32_t at = have;

	while (at && to[at - 1].time > record->time) at--;
	if (have == count && !at) return have;
	if (have == count) {
		memmove(to, to + 1, (at - 1) * sizeof(*to));
		to[at - 1] = *record;
		return have;
	}
	memmove(to + at + 1, to + at, (have - at) * sizeof(*to));
	to[at] = *record;
	return have + 1;
}

uint32_t trace_last(uint16_t domid, struct trace_record *to, uint32_t count) {
	static struct trace_record look[LAST_LOOK];
	uint32_t have = 0;

	for (uint32_t cpu = 0; cpu < cpus; cpu++) {
		struct trace_piece piece;

		/* Where it stands, then what is before that. */
		read(cpu, UINT64_MAX, look, 0, &piece);
		read(cpu, piece.first - MIN(piece.first, LAST_LOOK), look, LAST_LOOK, &piece);
		for (uint32_t n = 0; n < piece.records; n++)
			if (look[n].domain == domid) have = keep(to, have, count, &look[n]);
	}
	return have;
}
