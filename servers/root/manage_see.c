/* SPDX-License-Identifier: BSD-2-Clause */
/* Requests that change nothing: the system, its domains, what has failed. */
#include "death.h"
#include "define.h"
#include "devices.h"
#include "libs/cap/cap.h"
#include "libs/rt/time.h"
#include "manage.h"
#include "memory.h"
#include "program.h"
#include "story.h"

uint32_t manage_system(struct manage_call *call) {
	struct manage_system system = {
		.now_ns = time_now(),
		.total_frames = boot_info->total_frames,
		.free_frames = memory_free_frames(),
		.tsc_khz = boot_info->tsc_khz,
		.cpus = boot_info->cpus,
		.domains = description.domain_count,
		.flags = devices_enforced() ? MANAGE_SYSTEM_IOMMU : 0,
	};

	if (description.key) system.flags |= MANAGE_SYSTEM_SIGNED;
	if (boot_info->flags & BOOT_F_INTREMAP) system.flags |= MANAGE_SYSTEM_INTREMAP;
	rt_strcopy(system.name, description_string(&description, description.header->name),
		   sizeof(system.name));
	memcpy(call->payload, &system, sizeof(system));
	call->answer_length = sizeof(system);
	return MANAGE_OK;
}

static uint8_t kind_of(const struct domain *domain) {
	return !domain->index     ? MANAGE_KIND_ROOT
	       : is_guest(domain) ? MANAGE_KIND_GUEST
				  : MANAGE_KIND_NATIVE;
}

static void describe(const struct domain *domain, struct manage_domain *to) {
	const struct system_domain *d = domain->d;
	struct domain_info info = {0};

	*to = (struct manage_domain){
		.domid = d->domid,
		.kind = kind_of(domain),
		.state = (uint8_t)manage_state(domain),
		.index = domain->index,
		.line = d->line,
		.vcpus = d->vcpus,
		.weight = domain->weight,
		.cap = domain->cap,
		.heartbeat_ms = domain->heartbeat_ms,
		.maximum_pages = d->maximum_pages,
		.started_ns = domain->started,
		.incarnation = domain->incarnation,
		.restarts = domain->restarts,
		.restarts_left = d->restart_limit - MIN(domain->restarts, d->restart_limit),
		.stories = domain->stories,
		.previous = domain->previous != NULL,
	};
	rt_strcopy(to->name, domain->name, sizeof(to->name));
	rt_strcopy(to->program, description_string(&description, d->module), sizeof(to->program));
	if (domain->brought) rt_strcopy(to->program, domain->brought->label, sizeof(to->program));
	devices_text(domain, to->device, sizeof(to->device));
	if (domain->program) {
		const struct package *package = &domain->program->package;

		rt_strcopy(to->program, package->name, sizeof(to->program));
		rt_strcopy(to->version, package->release, sizeof(to->version));
		memcpy(to->build_id, package->build_id, sizeof(to->build_id));
	}
	if (cap_domain_info(domain->slot, &info)) return;
	to->pages = info.pages;
	to->run_ns = info.run_ns;
}

uint32_t manage_list(struct manage_call *call) {
	const uint32_t most = MANAGE_PAYLOAD / sizeof(struct manage_domain);
	uint32_t first = call->argument, count;

	if (first >= description.domain_count)
		return manage_refuse(call, MANAGE_INVALID, "there are %u domains, and no number %u",
				     description.domain_count, first);
	count = MIN(description.domain_count - first, most);
	for (uint32_t i = 0; i < count; i++) {
		struct manage_domain domain;

		describe(&domains[first + i], &domain);
		memcpy(call->payload + i * sizeof(domain), &domain, sizeof(domain));
	}
	call->answer_length = count * (uint32_t)sizeof(struct manage_domain);
	call->more = first + count < description.domain_count ? first + count : 0;
	return MANAGE_OK;
}

uint32_t manage_why(struct manage_call *call) {
	struct manage_story story;

	story_read(call->domain, &story);
	memcpy(call->payload, &story, sizeof(story));
	call->answer_length = sizeof(story);
	return MANAGE_OK;
}

uint32_t manage_postmortem(struct manage_call *call) {
	call->answer_length = death_read(call->domain, call->payload);
	if (!call->answer_length)
		return manage_refuse(call, MANAGE_UNKNOWN,
				     "%s has not died, as far as is remembered",
				     call->domain->name);
	return MANAGE_OK;
}
