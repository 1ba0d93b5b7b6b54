/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The host machine with the real event channels, grants and plans, and some
 * guests on it: for the tests of what domains do with each other.
 */
#ifndef TESTS_UNIT_GUESTS_H
#define TESTS_UNIT_GUESTS_H

#include "machine.h"

#include "entry/hypercall.h"
#include "event/channel.h"
#include "grant/grant.h"
#include "sched/plan.h"

#define GUEST_PAGES 16U /* PFN n of a guest has MFN guest_mfn(d, n) */
#define GUEST_SPARE 8U  /* in its reserve */
#define GUEST_PORTS 128U

/* The Domain capability to guest `domid` is in root's slot 10 * domid. */
#define SLOT(domid) (10U * (domid))
/* A guest's own table: slot n names guest n, once guests_introduce gave it. */

extern u64 host_now;            /* what time_now() says */
extern u64 host_timer;          /* the APIC's deadline, ~0 = none */
extern void (*host_wait)(void); /* what happens while the CPU idles */
extern unsigned host_switches;  /* calls of vcpu_switch */
extern unsigned host_flushes;   /* of TLBs */
extern bool host_masked[32];    /* interrupt lines */
extern unsigned host_restarts;  /* of the last run() */

/* A machine with root and `count` guests, domids 1 .. count; they are runnable. */
struct domain *guests_start(unsigned count);
struct domain *guest(u16 domid);
mfn_t guest_mfn(const struct domain *d, u64 pfn);
void *guest_page(const struct domain *d, u64 pfn);
/* `who` gets a capability to `whom` with these rights. */
void guests_introduce(const struct domain *who, const struct domain *whom, u32 rights);

/* Hypercalls as vCPU `vcpu` of d, restarted until they are done. */
long event_op(struct domain *d, u64 command, void *argument);
long grant_op(struct domain *d, u64 command, void *array, u64 count);
long run_as(struct domain *d, u32 vcpu, long (*call)(u64, u64, u64), u64 a1, u64 a2, u64 a3);

/* Runs them all, one TAP line each. */
struct guest_test {
	const char *name;
	void (*run)(void);
};
#define TEST(function) \
	{ #function, function }
int guests_run(const struct guest_test *tests, unsigned count);

#endif
