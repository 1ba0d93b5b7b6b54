/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The canary: a domain behind those of the description, in which a new program runs
 * before it gets anything that it could harm. It has memory and a control page, no
 * device, no peer, no log. The runtime sees that (NATIVE_START_CANARY) and goes into its
 * event loop without native_main(): so what is tried is that the core takes the image
 * and its page tables, that it starts, and that it and root understand each other. Its
 * own work needs its own devices and rings, of which there is one set: that is the trial.
 */
#include "libs/cap/cap.h"
#include "memory.h"
#include "proto/manage.h"
#include "upgrade.h"

#define DOMIDS 32752U /* the last one that a domain can have is one less */

static struct system_domain described;

static bool wanted;

struct domain *canary_domain(void) {
	return wanted ? &domains[description.domain_count] : NULL;
}

/* Whether anybody may bring a new program. */
static bool is_wanted(void) {
	for (uint32_t i = 0; i < description.connection_count; i++)
		if (description.connections[i].protocol == SYSTEM_CONN_CONTROL &&
		    description.connections[i].flags & MANAGE_F_UPGRADE)
			return true;
	return false;
}

static uint16_t free_domid(void) {
	uint16_t domid = DOMIDS - 1;

	for (uint32_t i = 0; i < description.domain_count; i++)
		if (description.domains[i].domid == domid) {
			domid--;
			i = UINT32_MAX;
		}
	return domid;
}

void canary_describe(void) {
	struct domain *canary = &domains[description.domain_count];

	wanted = is_wanted();
	if (!wanted) return;
	described = (struct system_domain){
		.domid = free_domid(),
		.kind = SYSTEM_KIND_NATIVE,
		.vcpus = 1,
		.cap_slots = 64,
		.event_ports = 64,
		.grant_frames = 1,
		.map_handles = 64,
		.priority = 1000,
		.sched = {.weight = SYSTEM_WEIGHT},
	};
	for (uint32_t i = 1; i < description.domain_count; i++)
		if (is_native(&domains[i]))
			described.maximum_pages =
				MAX(described.maximum_pages, description.domains[i].memory_pages);
	*canary = (struct domain){
		.d = &described,
		.name = "canary",
		.cmdline = "",
		.index = (uint16_t)description.domain_count,
		.weight = SYSTEM_WEIGHT,
		.connection_count = 1,
	};
}

const char *canary_start(const struct domain *like, struct program *program) {
	struct domain *canary = canary_domain();
	const char *why;

	described.memory_pages = described.maximum_pages = like->d->memory_pages;
	canary->program = program_hold(program);
	why = build_native(canary);
	if (why) {
		canary_end();
		return why;
	}
	heartbeat_started(canary);
	canary->control->beat_asked++;
	canary->incarnation++;
	wiring_connect(canary);
	canary->stage = STAGE_RUNNING;
	plan_update();
	if (cap_domain_unpause(canary->slot)) return "the core refuses to let it run";
	return NULL;
}

enum canary_state canary_look(char why[64]) {
	struct domain *canary = canary_domain();
	struct control_page *page = canary->control;
	struct domain_info info;

	if (cap_domain_info(canary->slot, &info) || info.state == DOMAIN_STATE_CRASHED ||
	    info.state == DOMAIN_STATE_SHUTDOWN) {
		rt_format(why, 64, "it ended before its event loop (vector 0x%x, rip 0x%lx)",
			  info.crash_vector, info.crash_rip);
		return CANARY_DEAD;
	}
	if (__atomic_load_n(&page->beat, __ATOMIC_ACQUIRE) != page->beat_asked)
		return CANARY_WAITING;
	/* Its first answer comes from its start, the second one from its loop. */
	if (canary->beats) return CANARY_WELL;
	canary->beats = true;
	page->beat_asked++;
	wiring_kick(canary);
	return CANARY_WAITING;
}

bool canary_end(void) {
	struct domain *canary = canary_domain();

	if (canary->stage == STAGE_RUNNING) {
		if (cap_domain_pause(canary->slot)) return false;
		canary->stage = STAGE_RECLAIMING;
		plan_update();
	}
	if (cap_domain_reset(canary->slot) || memory_reclaim(canary->index)) return false;
	memory_release(canary->index);
	canary->stage = STAGE_IDLE;
	program_drop(canary->program);
	canary->program = NULL;
	return true;
}
