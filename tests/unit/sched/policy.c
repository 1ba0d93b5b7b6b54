/* SPDX-License-Identifier: BSD-2-Clause */
/* The policy's side of the simulator, in the place of libs/sched/native.c. */
#include "libs/log/log.h"
#include "libs/sched/sched.h"
#include "proto/xen/vcpu.h"
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

unsigned sim_lines, sim_commits, sim_looks, sim_refuse;
uint64_t sim_mixed;

static const char *arguments;
static uint64_t wake;

void rt_panic(const char *format, ...) {
	printf("not ok - panic of the policy: %s\n", format);
	exit(1);
}

void log_print(const char *format, ...) {
	va_list list;

	printf("# ");
	va_start(list, format);
	vprintf(format, list);
	va_end(list);
	printf("\n");
	sim_lines++;
}

uint64_t sched_back_now(void) { return sim_now(); }
uint64_t sched_now(void) { return sim_now(); }

int sched_back_commit(uint32_t cpu, const struct plan_commit *commit) {
	(void)cpu;
	sim_commits++;
	if (sim_refuse) {
		sim_refuse--;
		return -1;
	}
	return (int)sim_invoke(PLAN_COMMIT, (uintptr_t)commit, 0, 0);
}

int sched_back_read(uint32_t cpu, struct plan_report *report, struct plan_account *accounts,
		    uint32_t count) {
	int got = (int)sim_invoke(PLAN_READ, (uintptr_t)report, (uintptr_t)accounts, count);

	(void)cpu;
	if (got > 0 && count) {
		accounts[0].time[RUNSTATE_running] += sim_mixed;
		sim_mixed = 0;
	}
	return got;
}

void sched_wake_at(uint64_t time) { wake = time; }

bool rt_argument(const char *name, char *value, size_t size) {
	const char *found = strstr(arguments, name);
	size_t length;

	if (!found || found[strlen(name)] != '=') return false;
	found += strlen(name) + 1;
	length = strcspn(found, " ");
	if (length >= size) return false;
	memcpy(value, found, length);
	value[length] = '\0';
	return true;
}

uint64_t sched_argument(const char *name, uint64_t value) {
	char text[24];

	return rt_argument(name, text, sizeof(text)) ? strtoull(text, NULL, 10) : value;
}

static void plan(void) {
	sim_looks++;
	sched_policy.plan();
	sched_changed = false;
}

void sim_policy_set(const struct sim_parameters *domains, unsigned count) {
	static struct control_vcpu vcpus[SIM_DOMAINS];

	for (unsigned i = 0; i < count; i++) {
		const struct sim_parameters *p = &domains[i];

		vcpus[i] = (struct control_vcpu){
			.slot = sim_slot(i + 1),
			.slice_us = p->slice_us,
			.flags = p->server ? 0 : CONTROL_VCPU_GUEST,
			.weight = p->weight ? p->weight : CONTROL_WEIGHT,
			.cap = p->cap,
			.warp_us = p->warp_us,
			.warp_limit_us = p->warp_limit_us,
			.unwarp_us = p->unwarp_us,
			.period_us = p->period_us,
			.budget_us = p->budget_us,
			.windows = p->windows,
		};
	}
	sched_read();
	sched_set(vcpus, count);
	plan();
}

void sim_policy_start(const char *text, const struct sim_parameters *domains, unsigned count) {
	arguments = text;
	sim_lines = sim_commits = sim_looks = 0;
	sched_count = 0;
	sched_cpu_count = 1;
	sched_port = sim_port();
	if (sched_policy.start) sched_policy.start();
	sim_policy_set(domains, count);
}

void sim_policy_run(uint64_t ns) { sim_run(ns, plan, &wake); }
