/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Round robin: a plan for each CPU with the vCPUs that are at home there, most
 * important domain first, each with its slice. Guests' vCPUs are spread over the CPUs one by
 * one, all else is at home on the first. The core does the rest: it runs the first one that
 * is runnable and has budget left, and refills all budgets when they are spent.
 * A new plan is needed only when root says that the set has changed.
 *
 * Argument: slice=MICROSECONDS, for domains whose description names none.
 */
#include "libs/cap/cap.h"
#include "libs/control/control.h"
#include "libs/event/event.h"
#include "libs/log/log.h"

#define DEFAULT_SLICE_US 10000U

static uint64_t slice_us = DEFAULT_SLICE_US;

static struct control_vcpu vcpus[PLAN_MAX];
static uint32_t cpus;

static int commit_cpu(uint32_t cpu, uint32_t count) {
	static struct plan_entry plan[PLAN_MAX];
	uint32_t n = 0, spread = 0;

	for (uint32_t i = 0; i < count; i++) {
		uint64_t slice = vcpus[i].slice_us ? vcpus[i].slice_us : slice_us;
		uint32_t home = vcpus[i].flags & CONTROL_VCPU_GUEST ? spread++ % cpus : 0;

		if (home == cpu)
			plan[n++] = (struct plan_entry){
				.domain = vcpus[i].slot,
				.vcpu = vcpus[i].vcpu,
				.budget = MIN(MAX(slice * 1000, PLAN_BUDGET_MIN), PLAN_BUDGET_MAX),
			};
	}
	return n ? cap_plan_commit(rt_capability(CAP_CPU, cpu), plan, n, 0, 0) : 0;
}

static void commit(void) {
	uint32_t count = control_plan(vcpus, PLAN_MAX);
	int error = 0;

	if (!count) return;
	for (uint32_t cpu = 0; cpu < cpus && !error; cpu++) error = commit_cpu(cpu, count);
	if (error)
		log_print("the core refuses a plan for %u vCPUs (%d)", count, error);
	else
		control_plan_done();
}

void native_main(void) {
	char text[24];

	if (rt_argument("slice", text, sizeof(text)) && !rt_number(text, &slice_us))
		log_print("slice=%s is not a number of microseconds", text);
	while (rt_capability(CAP_CPU, cpus)) cpus++;
	if (!cpus) rt_panic("it has no CPU to plan for");
	control_init(NULL, commit);
	event_loop();
}
