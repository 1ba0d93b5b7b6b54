/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Requests that look into the system: the capability table of a domain, as the core
 * has it at this moment, and the core's traces.
 */
#include "libs/cap/cap.h"
#include "manage.h"
#include "trace.h"

static const struct domain *by_domid(uint64_t domid) {
	for (uint32_t i = 0; i < description.domain_count; i++)
		if (domains[i].d->domid == domid) return &domains[i];
	return NULL;
}

/* What the numbers of a capability stand for, if root knows. */
static void describe(const struct cap_info *info, char *text, size_t size) {
	const struct domain *domain = NULL;

	text[0] = '\0';
	if (info->type == CAP_DOMAIN) domain = by_domid(info->first);
	if (info->type == CAP_MEMORY && info->object != CAP_NO_OBJECT)
		domain = by_domid(info->object);
	if (domain) rt_format(text, size, "%s", domain->name);
	if (info->type == CAP_DMASPACE)
		rt_format(text, size, "device %02x:%02x.%x", info->object >> 8,
			  info->object >> 3 & 31, info->object & 7);
}

uint32_t manage_read_caps(const struct domain *domain, uint32_t first, struct manage_cap to[],
			  int *next) {
	struct cap_info info[CAPS_BATCH];
	int on = cap_domain_caps(domain->slot, first, info);
	uint32_t i;

	if (next) *next = on;
	if (on < 0) return 0;
	for (i = 0; i < CAPS_BATCH && info[i].type != CAP_NONE; i++) {
		const struct domain *parent =
			info[i].parent_slot ? by_domid(info[i].parent_domain) : NULL;

		to[i] = (struct manage_cap){
			.slot = info[i].slot,
			.type = info[i].type,
			.rights = info[i].rights,
			.parent = parent ? parent->index : MANAGE_NO_PARENT,
			.first = info[i].first,
			.count = info[i].count,
		};
		describe(&info[i], to[i].what, sizeof(to[i].what));
	}
	return i;
}

uint32_t manage_caps(struct manage_call *call) {
	struct manage_cap caps[CAPS_BATCH];
	int next;
	uint32_t count = manage_read_caps(call->domain, call->argument, caps, &next);

	if (next < 0)
		return manage_refuse(call, MANAGE_FAILED, "the core does not show its table (%d)",
				     next);
	memcpy(call->payload, caps, count * sizeof(caps[0]));
	call->answer_length = count * (uint32_t)sizeof(caps[0]);
	call->more = (uint32_t)next;
	return MANAGE_OK;
}

uint32_t manage_trace_set(struct manage_call *call) {
	if (trace_set(call->number)) return MANAGE_OK;
	return manage_refuse(call, MANAGE_INVALID, "there are no trace points 0x%lx; all are 0x%x",
			     call->number, TRACE_ALL);
}

/* The answer is a piece of a stream: a trace_piece, then its records (proto/trace.h). */
uint32_t manage_trace_read(struct manage_call *call) {
	struct trace_record *to = (struct trace_record *)(void *)call->payload;
	struct trace_piece piece;

	if (!trace_read(call->argument, call->number, to + 1, MANAGE_RECORDS, &piece))
		return manage_refuse(call, MANAGE_UNKNOWN, "there is no CPU %u", call->argument);
	memcpy(to, &piece, sizeof(piece));
	call->answer_length = (piece.records + 1) * (uint32_t)sizeof(*to);
	return MANAGE_OK;
}
