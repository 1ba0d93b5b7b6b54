/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A policy as a native domain: root's list of vCPUs in the control page, the core's
 * notifications at one port for all CPUs, a timer. Whatever has happened, the
 * handlers only note it; plan() runs once afterwards.
 */
#include "libs/cap/cap.h"
#include "libs/control/control.h"
#include "libs/event/event.h"
#include "libs/rt/package.h"
#include "libs/rt/time.h"
#include "libs/sched/sched.h"

PACKAGE_CAPABILITY(CAP_CPU);

static uint32_t cpu_slot[SCHED_CPUS];
static struct event_timer timer;
static uint64_t now;

uint64_t sched_back_now(void) { return time_now(); }
uint64_t sched_now(void) { return now; }

int sched_back_commit(uint32_t cpu, const struct plan_commit *commit) {
	return cap_plan_commit(cpu_slot[cpu], commit);
}

int sched_back_read(uint32_t cpu, struct plan_report *report, struct plan_account *accounts,
		    uint32_t count) {
	return cap_plan_read(cpu_slot[cpu], report, accounts, count);
}

uint64_t sched_argument(const char *name, uint64_t value) {
	char text[24];

	if (!rt_argument(name, text, sizeof(text))) return value;
	if (!rt_number(text, &value)) rt_panic("%s=%s: expected a number", name, text);
	return value;
}

static void plan(void *context) {
	(void)context;
	now = time_now();
	sched_policy.plan();
	if (sched_changed) control_plan_done();
	sched_changed = false;
}

void sched_wake_at(uint64_t time) {
	event_timer_cancel(&timer);
	if (time) event_timer_arm(&timer, time);
}

static void set_changed(void) {
	static struct control_vcpu vcpus[SCHED_MAX];
	uint32_t count = control_plan(vcpus, SCHED_MAX);

	if (!count) return;
	sched_read(); /* while the positions of the old set are still true */
	sched_set(vcpus, count);
	plan(NULL);
}

void native_main(void) {
	int port;

	timer.handler = plan;
	while (sched_cpu_count < SCHED_CPUS) {
		uint32_t slot = rt_capability(CAP_CPU, sched_cpu_count);

		if (!slot) break;
		for (uint32_t i = 0; i < rt_start_page->cap_count; i++)
			if (rt_start_page->caps[i].slot == slot)
				sched_cpu_number[sched_cpu_count] =
					rt_start_page->caps[i].first_low;
		cpu_slot[sched_cpu_count++] = slot;
	}
	if (!sched_cpu_count) rt_panic("it has no CPU to plan for");
	port = event_bind_virq(VIRQ_PLAN, plan, NULL);
	if (port < 0) rt_panic("the core's notifications: error %d", port);
	sched_port = (uint32_t)port;
	if (sched_policy.start) sched_policy.start();
	control_init(NULL, set_changed);
	event_loop();
}
