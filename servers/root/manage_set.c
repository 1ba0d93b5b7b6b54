/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What can be changed of a domain while it is there. It stays until it is changed
 * again, also over restarts; nothing outlives root, whose description says how the
 * system begins.
 */
#include "manage.h"

#define WEIGHT_MAX    65535U
#define HEARTBEAT_MAX 86400000U
#define MEMORY_LEAST  4U /* MiB: what the description takes for a guest as well */

static uint32_t refuse_range(struct manage_call *call, const char *what, uint64_t least,
			     uint64_t most) {
	return manage_refuse(call, MANAGE_LIMIT, "%s: expected %lu to %lu, found %lu", what, least,
			     most, call->number);
}

/* What the guest itself has to do, told by the store. */
static uint32_t ask_guest(struct manage_call *call, uint32_t what, uint32_t unit) {
	struct domain *domain = call->domain;
	bool memory = what == CONTROL_ASK_MEMORY;
	uint64_t least = memory ? MEMORY_LEAST : 1;
	uint64_t most = memory ? domain->d->maximum_pages / 256 : domain->d->vcpus;

	if (!is_guest(domain))
		return manage_refuse(call, MANAGE_UNSUPPORTED,
				     "only a guest's memory and vCPUs change while it runs");
	if (domain->stage != STAGE_RUNNING)
		return manage_refuse(call, MANAGE_STATE, "it is %s, and changes nothing",
				     stage_name(domain));
	if (call->number < least || call->number > most)
		return refuse_range(call,
				    memory ? "memory in MiB, up to its max_memory"
					   : "vCPUs, up to those of its description",
				    least, most);
	if (!wiring_ask(domain, what, (uint32_t)call->number * unit))
		return manage_refuse(call, MANAGE_UNSUPPORTED, "it has no store to be told by");
	return MANAGE_OK;
}

static uint32_t set_heartbeat(struct manage_call *call) {
	if (!is_native(call->domain))
		return manage_refuse(call, MANAGE_UNSUPPORTED, "only natives have a heartbeat");
	if (call->number > HEARTBEAT_MAX || (call->number && call->number < 100))
		return refuse_range(call, "heartbeat in ms, or 0", 100, HEARTBEAT_MAX);
	call->domain->heartbeat_ms = (uint32_t)call->number;
	call->domain->beat_due = 0;
	heartbeat_changed();
	return MANAGE_OK;
}

uint32_t manage_set(struct manage_call *call) {
	struct domain *domain = call->domain;
	uint64_t cap_most = 1000ULL * domain->d->vcpus;

	if (!domain->index) return manage_refuse(call, MANAGE_UNSUPPORTED, "root is as it is");
	switch (call->argument) {
	case MANAGE_SET_MEMORY: return ask_guest(call, CONTROL_ASK_MEMORY, 1024);
	case MANAGE_SET_VCPUS: return ask_guest(call, CONTROL_ASK_VCPUS, 1);
	case MANAGE_SET_HEARTBEAT: return set_heartbeat(call);
	case MANAGE_SET_WEIGHT:
		if (!call->number || call->number > WEIGHT_MAX)
			return refuse_range(call, "weight", 1, WEIGHT_MAX);
		domain->weight = (uint32_t)call->number;
		break;
	case MANAGE_SET_CAP:
		if (call->number > cap_most)
			return refuse_range(call, "cap in thousandths of a CPU", 0, cap_most);
		domain->cap = (uint32_t)call->number;
		break;
	default:
		return manage_refuse(call, MANAGE_UNKNOWN, "there is nothing %u to set",
				     call->argument);
	}
	plan_update();
	return MANAGE_OK;
}
