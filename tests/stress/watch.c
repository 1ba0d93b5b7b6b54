/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest that looks for lost wake-ups. Its vCPUs hand a token round: each sleeps until its event
 * comes, sleeps once more for a millisecond by its timer, and wakes the next one. Nobody sleeps
 * without a limit. One that has been asleep, and not kept waiting for a CPU, for a long
 * time after its event was sent has lost it; if the token stands still for long while everybody
 * sleeps, a timer was. Both end the guest as a crash, with the reason on its console.
 *
 *     until=SECONDS     since it began (default 5)
 *     patience=MS       asleep for so long is lost (default 20000)
 *     lose=N            no event is sent from round N on: to see that it is found
 */
#include "tests/pv/pv.h"

#define MS    1000000UL
#define VCPUS 8U

static uint8_t stacks[VCPUS][PV_PAGE] __attribute__((aligned(16)));
static uint32_t ports[VCPUS];
static uint32_t vcpus = 1;
static volatile uint64_t round_number; /* whose turn it is: this modulo vcpus */
static volatile uint64_t given;        /* system time when the token was handed over */
static uint64_t until, patience, lose;
static uint64_t longest; /* from an event to the one that waited for it, ns */

static uint64_t asleep(uint64_t vcpu) {
	struct vcpu_runstate_info info;

	PV_MUST(!vcpu_op(VCPUOP_get_runstate_info, vcpu, &info));
	return info.time[RUNSTATE_blocked];
}

static bool mine(uint64_t vcpu) { return round_number % vcpus == vcpu; }

/* Until it is this vCPU's turn. */
static void wait_for_turn(uint64_t vcpu) {
	while (!mine(vcpu)) {
		uint64_t began = pv_time_ns(), slept = asleep(vcpu), seen = round_number;
		struct sched_poll poll = {
			.ports = va(&ports[vcpu]), .nr_ports = 1, .timeout = began + 2 * patience};

		PV_MUST(!sched_op(SCHEDOP_poll, &poll));
		pv_event_clear(ports[vcpu]);
		slept = asleep(vcpu) - slept;
		if (slept < patience) continue;
		if (mine(vcpu) && pv_time_ns() - given >= patience && given >= began)
			pv_panic("vCPU %lu slept %lu ms, %lu of them behind its event in round %lu",
				 vcpu, slept / MS, (pv_time_ns() - given) / MS, round_number);
		if (seen == round_number)
			pv_panic("round %lu has not ended for %lu ms", seen, slept / MS);
	}
}

static void sleep_a_little(void) {
	struct sched_poll poll = {.timeout = pv_time_ns() + MS};

	PV_MUST(!sched_op(SCHEDOP_poll, &poll));
	if (pv_time_ns() < poll.timeout) pv_panic("a timer came early");
}

static void hand_on(void) {
	uint64_t next = round_number + 1;
	struct evtchn_send send = {.port = ports[next % vcpus]};

	given = pv_time_ns();
	round_number = next;
	if (!lose || next < lose) PV_MUST(!event_channel_op(EVTCHNOP_send, &send));
}

static void take_part(uint64_t vcpu) {
	for (;;) {
		uint64_t late;

		wait_for_turn(vcpu);
		late = pv_time_ns() - given;
		if (late > longest && given) longest = late; /* nobody gave the first round */
		if (vcpu == 0 && pv_time_ns() >= until) return;
		sleep_a_little();
		hand_on();
	}
}

static void other(uint64_t vcpu) { take_part(vcpu); }

int pv_main(void) {
	until = pv_time_ns() + pv_option_number("until", 5) * 1000 * MS;
	patience = pv_option_number("patience", 20000) * MS;
	lose = pv_option_number("lose", 0);
	while (vcpus < VCPUS && vcpu_op(VCPUOP_is_up, vcpus, NULL) >= 0) vcpus++;
	for (uint32_t i = 0; i < vcpus; i++) {
		struct evtchn_bind_ipi bind = {.vcpu = i};

		PV_MUST(!event_channel_op(EVTCHNOP_bind_ipi, &bind));
		ports[i] = bind.port;
		pv_event_mask(bind.port, true);
	}
	for (uint32_t i = 1; i < vcpus; i++) pv_vcpu_start(i, other, stacks[i], pv_kernel_l4_mfn);
	take_part(0);
	pv_printf("watch: %lu rounds of %u vCPUs, longest wait %lu us\n", round_number, vcpus,
		  longest / 1000);
	return SHUTDOWN_poweroff;
}
