/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Round robin: a plan for each CPU with the vCPUs that are at home there, most
 * important domain first, each with its slice. Guests' vCPUs are spread over the CPUs one by
 * one, all else is at home on the first. The core does the rest: it runs the first one that
 * is runnable and has budget left, and refills all budgets when they are spent.
 * A new plan is needed only when the set has changed.
 *
 * A cap is a budget that comes once in a frame of a fixed length.
 *
 * Arguments: slice=MICROSECONDS, for domains whose description names none.
 */
#include "libs/rt/time.h"
#include "libs/sched/sched.h"

#define FRAME MILLISECONDS(50)

static uint64_t slice; /* ns */

static void start(void) { slice = sched_argument("slice", 10000) * 1000; }

static void plan_cpu(uint32_t cpu) {
	static const uint64_t frame = FRAME;
	uint32_t spread = 0;
	bool capped = false;

	sched_begin(cpu);
	for (uint32_t i = 0; i < sched_count; i++) {
		struct sched_vcpu *v = &sched_vcpus[i];

		if (sched_home(v, &spread) != cpu) continue;
		capped |= v->given.cap != 0;
		sched_add_slice(v, sched_slice(v, slice), FRAME, 1);
	}
	if (capped) sched_frames(&frame, 1, sched_now());
	sched_commit(0);
}

static void plan(void) {
	for (uint32_t cpu = 0; sched_changed && cpu < sched_cpu_count; cpu++) plan_cpu(cpu);
}

const struct sched_policy sched_policy = {start, plan};
