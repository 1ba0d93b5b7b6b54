/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a scheduling policy is written on: the vCPUs that it may place, what they did, and the plans
 * that it makes of them. The protocol with root (proto/control.h) and with the core
 * (PLAN_COMMIT, PLAN_READ) is behind it, so a policy is a function that looks at the
 * vCPUs and adds entries. tests/unit/sched puts the real plan mechanism and a clock
 * of its own behind the same functions.
 *
 * A policy defines sched_policy. plan() is called when the set of vCPUs has changed, when one of
 * the CPUs asked for (notify conditions), and when the time of sched_wake_at() has come; it
 * runs to completion. Between two calls the core goes on with the last plans.
 */
#ifndef LIBS_SCHED_SCHED_H
#define LIBS_SCHED_SCHED_H

#include "libs/rt/rt.h"
#include "proto/cap/cap.h"
#include "proto/control.h"

#define SCHED_MAX     2048U
#define SCHED_CPUS    64U
#define SCHED_NOWHERE 0xffffffffU
#define SCHED_OWN     10

struct sched_vcpu {
	struct control_vcpu given;   /* what the description wants of it */
	struct plan_account account; /* as of the last sched_read() */
	uint64_t ran;                /* ns since the policy has it, up to then */
	uint64_t wanted;             /* ns that it ran or could have run, likewise */
	bool seen;                   /* its account was read, and these are where it stood: */
	uint64_t ran_before, wanted_before;
	uint32_t cpu;           /* in whose plan it stands (index), or SCHED_NOWHERE */
	int64_t own[SCHED_OWN]; /* the policy's; zero when the vCPU is new */
};

struct sched_policy {
	void (*start)(void); /* reads its arguments; may be NULL */
	void (*plan)(void);
};
extern const struct sched_policy sched_policy;

/* The vCPUs, most important first (order of the description's priorities). */
extern struct sched_vcpu sched_vcpus[SCHED_MAX];
extern uint32_t sched_count;
extern uint32_t sched_cpu_count; /* CPUs of this policy; 0 .. sched_cpu_count - 1 are indices */
/* The set differs from that of the last call of plan(). */
extern bool sched_changed;

/* System time in ns, as of the call of plan(). */
uint64_t sched_now(void);
/* Brings the accounts of all vCPUs up to now. */
void sched_read(void);
/* Rounds that this CPU's plan has been through. */
uint64_t sched_rounds(uint32_t cpu);
/* May v run on this CPU, as the description says? */
bool sched_may_run_on(const struct sched_vcpu *v, uint32_t cpu);
static inline bool sched_is_guest(const struct sched_vcpu *v) {
	return v->given.flags & CONTROL_VCPU_GUEST;
}
/* It runs, or only lacks a CPU. */
static inline bool sched_is_runnable(const struct sched_vcpu *v) { return v->account.state <= 1; }

/* A slice in ns: the description's, or this one. */
static inline uint64_t sched_slice(const struct sched_vcpu *v, uint64_t usual) {
	return v->given.slice_us ? v->given.slice_us * 1000UL : usual;
}

/*
 * Two frames for what must not be in the first any more: the next plan is due at the first's end,
 * so the second is reached only without the policy.
 */
#define SCHED_BOTH_FRAMES 3U
#define SCHED_NEXT_FRAME  2U

/* A plan: begin, add in order of precedence, commit. Budgets are cut to what the core takes. */
void sched_begin(uint32_t cpu);
/* Frames from epoch on, which is not in the future; their number is at most PLAN_MAX_FRAMES. */
void sched_frames(const uint64_t *ns, uint32_t count, uint64_t epoch);
void sched_add(struct sched_vcpu *v, uint64_t budget, uint64_t frames, uint32_t flags);
/* With a slice in each round; or, if it has a cap, with that part of a frame of this length, once.
 */
void sched_add_slice(struct sched_vcpu *v, uint64_t slice, uint64_t frame, uint64_t frames);
/* notify: PLAN_NOTIFY_*. An empty plan leaves the old one. False: the core refuses it, which is
 * logged, and goes on with the old one. */
bool sched_commit(uint32_t notify);

/* plan() is called at this time at the latest; 0: not for a time. */
void sched_wake_at(uint64_t time);

/* Puts numbers of vCPUs into order: `before` says whether a stands before b, and no two are each
 * before the other. */
typedef bool sched_order(const struct sched_vcpu *a, const struct sched_vcpu *b);
void sched_sort(uint16_t *order, uint32_t n, sched_order *before);

/* For spreading guests' vCPUs one by one over the CPUs; others are at home on the first. spread
 * counts, from 0. SCHED_NOWHERE: none that it may run on. */
uint32_t sched_home(const struct sched_vcpu *v, uint32_t *spread);

/* A number among the arguments ("name=value"), or the default. */
uint64_t sched_argument(const char *name, uint64_t value);

/* --- For the two that stand behind it: native.c and the simulator --- */

/* The set is now these; what is known of those that stay is kept. */
void sched_set(const struct control_vcpu *vcpus, uint32_t count);
int sched_back_commit(uint32_t cpu, const struct plan_commit *commit);
int sched_back_read(uint32_t cpu, struct plan_report *report, struct plan_account *accounts,
		    uint32_t count);
uint64_t sched_back_now(void);
extern uint32_t sched_port;                   /* for notifications */
extern uint32_t sched_cpu_number[SCHED_CPUS]; /* the machine's number of each of its CPUs */

#endif
