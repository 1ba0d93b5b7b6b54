/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The vCPUs of a policy and its plans in the making. The core names accounts by
 * position, so of each CPU's plan the order in which vCPUs were added is kept.
 */
#include "libs/sched/sched.h"

#include "libs/log/log.h"
#include "proto/xen/vcpu.h"

struct sched_vcpu sched_vcpus[SCHED_MAX];
uint32_t sched_count, sched_cpu_count, sched_port;
uint32_t sched_cpu_number[SCHED_CPUS];
bool sched_changed;

static struct {
	uint32_t count;
	uint16_t vcpu[SCHED_MAX]; /* of entry i */
	uint64_t rounds;
} plans[SCHED_CPUS];

static struct plan_entry entries[SCHED_MAX];
static uint64_t frames[PLAN_MAX_FRAMES];
static struct plan_commit next;
static uint32_t next_cpu;
static uint16_t next_vcpu[SCHED_MAX];

bool sched_may_run_on(const struct sched_vcpu *v, uint32_t cpu) {
	return !v->given.cpus || v->given.cpus >> sched_cpu_number[cpu] & 1;
}

uint32_t sched_home(const struct sched_vcpu *v, uint32_t *spread) {
	uint32_t n = sched_is_guest(v) ? (*spread)++ : 0;

	for (uint32_t i = 0; i < sched_cpu_count; i++)
		if (sched_may_run_on(v, (n + i) % sched_cpu_count))
			return (n + i) % sched_cpu_count;
	return SCHED_NOWHERE;
}

/* --- The set --- */

#define SLOTS 4096U

/* vCPUs of one domain lie together: where those of each slot began. */
static struct sched_vcpu *known(const struct sched_vcpu *old, uint32_t old_count,
				const uint16_t *first, const struct control_vcpu *wanted) {
	if (wanted->slot >= SLOTS || !first[wanted->slot]) return NULL;
	for (uint32_t i = first[wanted->slot] - 1U;
	     i < old_count && old[i].given.slot == wanted->slot; i++)
		if (old[i].given.vcpu == wanted->vcpu) return (struct sched_vcpu *)&old[i];
	return NULL;
}

void sched_set(const struct control_vcpu *vcpus, uint32_t count) {
	static struct sched_vcpu old[SCHED_MAX];
	static uint16_t first[SLOTS];
	uint32_t old_count = sched_count;

	memcpy(old, sched_vcpus, old_count * sizeof(*old));
	memset(first, 0, sizeof(first));
	for (uint32_t i = old_count; i-- > 0;)
		if (old[i].given.slot < SLOTS) first[old[i].given.slot] = (uint16_t)(i + 1);
	sched_count = MIN(count, SCHED_MAX);
	for (uint32_t i = 0; i < sched_count; i++) {
		struct sched_vcpu *before = known(old, old_count, first, &vcpus[i]);

		sched_vcpus[i] = before ? *before : (struct sched_vcpu){.cpu = SCHED_NOWHERE};
		sched_vcpus[i].given = vcpus[i];
	}
	/* Positions in the plans that run are of no use with other vCPUs. */
	for (uint32_t cpu = 0; cpu < sched_cpu_count; cpu++) plans[cpu].count = 0;
	sched_changed = true;
}

/* --- What they did --- */

static uint64_t advanced(const struct plan_account *a, uint32_t state, uint64_t now) {
	uint64_t time = a->time[state];

	return a->state == state && now > a->since ? time + (now - a->since) : time;
}

static uint64_t more(uint64_t total, uint64_t before) {
	return total > before ? total - before : 0;
}

/*
 * What it did before this policy had it is not held against it: a policy that has been
 * restarted begins with everybody level. Totals that go back are a new incarnation's: v->ran
 * and v->wanted never do.
 */
static void take_account(struct sched_vcpu *v, const struct plan_account *a, uint64_t now) {
	uint64_t ran = advanced(a, RUNSTATE_running, now);
	uint64_t wanted = ran + advanced(a, RUNSTATE_runnable, now);

	v->account = *a;
	if (v->seen) {
		v->ran += more(ran, v->ran_before);
		v->wanted += more(wanted, v->wanted_before);
	}
	v->seen = true;
	v->ran_before = ran;
	v->wanted_before = wanted;
}

static void read_cpu(uint32_t cpu) {
	static struct plan_account accounts[SCHED_MAX];
	struct plan_report report;
	uint32_t count = plans[cpu].count;
	int got = sched_back_read(cpu, &report, accounts, count);

	if (got < 0) return;
	plans[cpu].rounds = report.rounds;
	for (uint32_t i = 0; i < MIN(count, (uint32_t)got); i++) {
		struct sched_vcpu *v = &sched_vcpus[plans[cpu].vcpu[i]];

		if (v->cpu == cpu && accounts[i].since) take_account(v, &accounts[i], report.now);
	}
}

void sched_read(void) {
	for (uint32_t cpu = 0; cpu < sched_cpu_count; cpu++) read_cpu(cpu);
}

uint64_t sched_rounds(uint32_t cpu) { return plans[cpu].rounds; }

/* --- Plans --- */

void sched_begin(uint32_t cpu) {
	next = (struct plan_commit){.entries = (uintptr_t)entries, .frames = (uintptr_t)frames};
	next_cpu = cpu;
}

void sched_frames(const uint64_t *ns, uint32_t count, uint64_t epoch) {
	next.frame_count = MIN(count, (uint32_t)PLAN_MAX_FRAMES);
	next.epoch = epoch;
	for (uint32_t i = 0; i < next.frame_count; i++)
		frames[i] = MIN(MAX(ns[i], PLAN_FRAME_MIN), PLAN_FRAME_MAX);
}

void sched_add(struct sched_vcpu *v, uint64_t budget, uint64_t mask, uint32_t flags) {
	if (next.count == SCHED_MAX) return;
	next_vcpu[next.count] = (uint16_t)(v - sched_vcpus);
	entries[next.count++] = (struct plan_entry){
		.domain = v->given.slot,
		.vcpu = v->given.vcpu,
		.budget = MIN(MAX(budget, PLAN_BUDGET_MIN), PLAN_BUDGET_MAX),
		.frames = mask,
		.flags = flags,
	};
	v->cpu = next_cpu;
}

void sched_add_slice(struct sched_vcpu *v, uint64_t slice, uint64_t frame, uint64_t mask) {
	if (v->given.cap)
		sched_add(v, frame / 1000 * v->given.cap, mask, PLAN_ONCE);
	else
		sched_add(v, slice, mask, 0);
}

bool sched_commit(uint32_t notify) {
	bool unseen = false;
	int error;

	if (!next.count) return true;
	next.port = notify ? sched_port : 0;
	next.flags = notify;
	error = sched_back_commit(next_cpu, &next);
	if (error) {
		struct plan_report report = {0};

		(void)!sched_back_read(next_cpu, &report, NULL, 0);
		log_print("CPU %u: the core refuses a plan of %u vCPUs (%d), the refusal number "
			  "%lu",
			  sched_cpu_number[next_cpu], next.count, error, report.refused);
		return false;
	}
	plans[next_cpu].count = next.count;
	memcpy(plans[next_cpu].vcpu, next_vcpu, next.count * sizeof(next_vcpu[0]));
	for (uint32_t i = 0; i < next.count; i++) unseen |= !sched_vcpus[next_vcpu[i]].seen;
	if (unseen) read_cpu(next_cpu);
	return true;
}
