/* SPDX-License-Identifier: BSD-2-Clause */
#include "trace.h"

#include "handover.h"
#include "libs/cap/cap.h"
#include "libs/trace/trace.h"
#include "pages.h"
#include "root.h"

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
	return points <= TRACE_ALL && !cap_trace_set(boot_info->trace_slot, (uint32_t)points);
}

bool trace_read(uint32_t cpu, uint64_t from, struct trace_record *to, uint32_t count,
		struct trace_piece *piece) {
	const uint8_t *buffer = (const uint8_t *)buffers + (uint64_t)cpu * frames * PAGE_SIZE;

	if (cpu >= cpus) return false;
	trace_copy((const void *)buffer, frames, from, to, count, piece);
	return true;
}
