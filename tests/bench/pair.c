/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rows that need two domains. The system that primitives.py describes for them
 * has a native domain that answers events, and a second guest with this kernel
 * that does nothing but yield. On Xen (pair/dom0.sh) both are domUs and nobody answers.
 */
#include "bench.h"

#define WAIT_NS  2000000000ULL  /* for the other domain to appear */
#define YIELD_NS 400000000ULL   /* how long the second guest goes on; */
#define XEN_NS   20000000000ULL /* a toolstack takes its time with the first */

static uint64_t runnable_ns(void) {
	struct vcpu_runstate_info info;

	PV_MUST(vcpu_op(VCPUOP_get_runstate_info, 0, &info) == 0);
	return info.time[RUNSTATE_runnable];
}

/* There and back by an event each; nothing but the pending bit is looked at. */
static void event_round_trip(void) {
	uint32_t port = pv_start->store_evtchn;
	struct evtchn_send send = {.port = port};
	uint64_t best = UINT64_MAX, empty = UINT64_MAX;

	PV_MUST(port > 0 && port < 64);
	pv_event_mask(port, true);
	for (int i = 0; i < ROUNDS; i++) {
		uint64_t end = pv_time_ns() + WAIT_NS, start;

		start = now();
		if (now() - start < empty) empty = now() - start;
		pv_event_clear(port);
		start = now();
		event_channel_op(EVTCHNOP_send, &send);
		while (!pv_event_pending(port)) {
			sched_op(SCHEDOP_yield, NULL);
			PV_MUST(pv_time_ns() < end);
		}
		start = now() - start;
		if (start < best) best = start;
	}
	report("event_domain_round_trip", best - empty);
}

/*
 * Half of what passes between two yields, while the other guest only yields. A
 * yield during which this vCPU was never kept waiting switched to nobody.
 */
static void vcpu_switch(void) {
	uint64_t best = UINT64_MAX, end = pv_time_ns() + WAIT_NS;

	for (int i = 0; i < ROUNDS;) {
		uint64_t waited = runnable_ns(), start = now();

		sched_op(SCHEDOP_yield, NULL);
		start = now() - start;
		PV_MUST(pv_time_ns() < end);
		if (runnable_ns() == waited) continue;
		i++;
		if (start < best) best = start;
	}
	report("vcpu_switch", best / 2);
}

void pair_measure(void) {
	if (pv_is_tessera()) event_round_trip();
	vcpu_switch();
}

void pair_yield(void) {
	uint64_t end = pv_time_ns() + (pv_is_tessera() ? YIELD_NS : XEN_NS);

	while (pv_time_ns() < end)
		for (int i = 0; i < 100; i++) sched_op(SCHEDOP_yield, NULL);
}
