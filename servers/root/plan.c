/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who runs: until a policy domain is up, and whenever it is down, root commits plans
 * of its own for its CPUs, all running domains of it in order of priority. A policy gets
 * the same list in its control page. Where a machine has none of a policy's CPUs, its
 * domains are with the first CPU's. Root itself is not in it: as the guard of its CPU it
 * stands first in every plan, so that no policy can keep it from its work.
 */
#include "libs/cap/cap.h"
#include "libs/log/log.h"
#include "libs/rt/time.h"
#include "root.h"
#include "upgrade.h"

#define FIRST_DOMAIN_SLOT 64U /* as wiring.c gives them to a policy */
#define DEFAULT_SLICE_US  10000U

/* The index of the domain that plans for a CPU; 0: root does. */
static uint32_t policy_of_cpu(uint32_t cpu) {
	for (uint32_t i = 0; i < description.resource_count; i++) {
		const struct system_resource *r = &description.resources[i];

		if (r->kind == SYSTEM_RES_CPU && cpu >= r->first && cpu - r->first < r->count)
			return r->domain;
	}
	return 0;
}

uint32_t plan_policy(const struct domain *domain) {
	for (uint32_t cpu = 0; cpu < boot_info->cpus; cpu++)
		if (policy_of_cpu(cpu) == domain->d->sched.policy) return domain->d->sched.policy;
	return policy_of_cpu(0);
}

/* Indices of the domains that run, most important first; how many. */
static uint32_t running(uint16_t *order) {
	uint32_t count = 0;

	for (uint32_t i = 1; i < description.domain_count + (canary_domain() != NULL); i++) {
		uint32_t priority = domains[i].d->priority, at = count;

		if (domains[i].stage != STAGE_RUNNING) continue;
		for (; at && domains[order[at - 1]].d->priority > priority; at--)
			order[at] = order[at - 1];
		order[at] = (uint16_t)i;
		count++;
	}
	return count;
}

static void tell_policy(struct domain *to, const uint16_t *order, uint32_t count) {
	struct control_page *page = to->control;
	struct control_vcpu *entry = (struct control_vcpu *)(void *)(page + 1);
	uint32_t n = 0;

	__atomic_store_n(&page->plan_version, page->plan_version | 1, __ATOMIC_SEQ_CST);
	for (uint32_t i = 0; i < count; i++) {
		const struct system_domain *d = domains[order[i]].d;

		if (plan_policy(&domains[order[i]]) != to->index) continue;
		for (uint32_t vcpu = 0; vcpu < d->vcpus; vcpu++)
			entry[n++] = (struct control_vcpu){
				.slot = FIRST_DOMAIN_SLOT + order[i],
				.vcpu = vcpu,
				.slice_us = d->slice_us,
				.priority = (uint16_t)d->priority,
				.flags = d->kind == SYSTEM_KIND_GUEST ? CONTROL_VCPU_GUEST : 0,
				.weight = domains[order[i]].weight,
				.cap = (uint32_t)DIV_UP(domains[order[i]].cap, d->vcpus),
				.warp_us = d->sched.warp_us,
				.warp_limit_us = d->sched.warp_limit_us,
				.unwarp_us = d->sched.unwarp_us,
				.period_us = d->sched.period_us,
				.budget_us = d->sched.budget_us,
				.windows = d->sched.windows,
				.cpus = d->sched.cpus,
			};
	}
	page->plan_count = n;
	__atomic_store_n(&page->plan_version, page->plan_version + 1, __ATOMIC_SEQ_CST);
	wiring_kick(to);
}

/* The plan of one CPU of a policy's: guests' vCPUs are spread over them, everything else is at home
 * on the first. */
static void commit(const uint16_t *order, uint32_t count, uint32_t cpu) {
	static struct plan_entry plan[PLAN_MAX];
	struct plan_commit next = {.entries = (uintptr_t)plan};
	uint32_t policy = policy_of_cpu(cpu), n = 0, spread = 0, cpus = 0, mine = 0;
	int error;

	for (uint32_t other = 0; other < boot_info->cpus; other++) {
		if (policy_of_cpu(other) != policy) continue;
		if (other < cpu) mine++;
		cpus++;
	}
	for (uint32_t i = 0; i < count; i++) {
		const struct domain *domain = &domains[order[i]];
		uint64_t slice = domain->d->slice_us ? domain->d->slice_us : DEFAULT_SLICE_US;
		uint64_t budget = MIN(MAX(slice * 1000, PLAN_BUDGET_MIN), PLAN_BUDGET_MAX);

		if (plan_policy(domain) != policy) continue;
		for (uint32_t vcpu = 0; vcpu < domain->d->vcpus && n < PLAN_MAX; vcpu++)
			if (mine == (is_guest(domain) ? spread++ % cpus : 0))
				plan[n++] = (struct plan_entry){
					.domain = domain->slot,
					.vcpu = vcpu,
					.budget = budget,
					.frames = 1,
				};
	}
	next.count = n;
	error = n ? cap_plan_commit(boot_info->cpu_slot + cpu, &next) : 0;
	if (error) log_print("the first plan is refused (%d)", error);
}

void plan_start(void) {
	int error = cap_plan_guard(boot_info->cpu_slot, boot_info->self_slot, 0);

	if (error) rt_panic("root cannot guard its CPU (%d)", error);
}

static void update(void *context) {
	static uint16_t order[SYSTEM_MAX_DOMAINS + 1];
	uint32_t count = running(order);

	(void)context;
	for (uint32_t i = 1; i < description.domain_count; i++)
		if (domains[i].d->flags & SYSTEM_DOMAIN_F_POLICY)
			tell_policy(&domains[i], order, count);
	/* A policy that has just been started runs by this plan, too, until it commits its own. */
	for (uint32_t cpu = 0; cpu < boot_info->cpus; cpu++) {
		const struct domain *policy = &domains[policy_of_cpu(cpu)];

		if (!policy->index || policy->stage != STAGE_RUNNING || !policy->control->plan_done)
			commit(order, count, cpu);
	}
}

void plan_update(void) {
	static struct event_timer timer = {.handler = update};

	event_timer_arm(&timer, time_now());
}
