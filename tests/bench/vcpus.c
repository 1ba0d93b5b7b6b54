/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rows that need two vCPUs of this kernel on one CPU: what it takes until the other one
 * runs. They have page tables of their own, so the root is loaded as between two domains.
 *
 * The one that gives the CPU away notes the time, the other one reads it first thing;
 * half of the way there and back is a switch. Of the rounds the average is taken besides
 * the least: a policy outside the hypervisor, or a scheduler's own accounts, may
 * cost something in some of them only.
 */
#include "bench.h"

#define TURNS   2000U
#define WAIT_NS 2000000000ULL

static uint8_t stack[PV_PAGE] __attribute__((aligned(16)));
static volatile uint64_t turns; /* odd: it is the second vCPU's turn */
static volatile enum { YIELD, EVENT } way;
static struct evtchn_send wake[2]; /* the port of each */
static uint64_t least, sum;

static bool mine(unsigned vcpu) { return turns % 2 == vcpu; }

/* Asleep until one's own port is pending. */
static void sleep_for(unsigned vcpu) {
	uint32_t port = wake[vcpu].port;
	struct sched_poll poll = {.ports = va(&port), .nr_ports = 1};

	sched_op(SCHEDOP_poll, &poll);
	pv_event_clear(port);
}

static void hand_over(unsigned vcpu) {
	turns = turns + 1;
	if (way == EVENT) event_channel_op(EVTCHNOP_send, &wake[!vcpu]);
	while (!mine(vcpu))
		if (way == EVENT)
			sleep_for(vcpu);
		else
			sched_op(SCHEDOP_yield, NULL);
}

static void second(uint64_t vcpu) {
	(void)vcpu;
	for (;;) {
		while (!mine(1)) sched_op(SCHEDOP_yield, NULL);
		hand_over(1);
	}
}

static uint32_t port_of(uint32_t vcpu) {
	struct evtchn_bind_ipi bind = {.vcpu = vcpu};

	PV_MUST(!event_channel_op(EVTCHNOP_bind_ipi, &bind));
	pv_event_mask(bind.port, true); /* looked at, not delivered */
	return bind.port;
}

static void rounds(void) {
	least = UINT64_MAX;
	sum = 0;
	for (unsigned i = 0; i < TURNS; i++) {
		uint64_t start = now();

		hand_over(0);
		start = now() - start;
		sum += start;
		if (start < least) least = start;
	}
}

static void measure_way(int how, const char *name, const char *average) {
	way = how;
	rounds(); /* warms up */
	rounds();
	report(name, least / 2);
	report(average, sum / TURNS / 2);
}

void vcpus_measure(void) {
	wake[0].port = port_of(0);
	wake[1].port = port_of(1);
	pv_vcpu_start(1, second, stack, pv_mfn(copied_root((void *)pv_start->pt_base)));
	measure_way(YIELD, "vcpu_switch_yield", "vcpu_switch_yield_average");
	measure_way(EVENT, "vcpu_switch_event", "vcpu_switch_event_average");
}
