/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a guest may expect of its clocks (docs/core/time.md): system time never goes
 * back, whichever vCPU reads it; the wall clock is that of the machine; a timer comes
 * soon after its time and never before; the time that the domain has run goes on only while it
 * runs. The limits hold where instructions are counted; the figures are printed.
 */
#include "tests/pv/cases.h"

#define MS    1000000ULL
#define READS 20000U
#define VCPUS 8U
#define LATE_MAX \
	30000ULL /* ns: from a timer's time until its handler runs, with nobody else there */

static uint8_t stacks[VCPUS][PV_PAGE] __attribute__((aligned(16)));
static uint64_t latest;
static uint32_t finished, backwards;
static volatile uint64_t fired;

/* Reads what others have read, then the clock: that must not be earlier. */
static void read_clock(void) {
	for (unsigned i = 0; i < READS; i++) {
		uint64_t seen = __atomic_load_n(&latest, __ATOMIC_SEQ_CST), now = pv_time_ns();

		if (now < seen) __atomic_add_fetch(&backwards, 1, __ATOMIC_SEQ_CST);
		while (now > seen &&
		       !__atomic_compare_exchange_n(&latest, &seen, now, false, __ATOMIC_SEQ_CST,
						    __ATOMIC_SEQ_CST))
			;
		if (i % 64 == 0) sched_op(SCHEDOP_yield, NULL);
	}
	__atomic_add_fetch(&finished, 1, __ATOMIC_SEQ_CST);
}

static void other_vcpu(uint64_t id) {
	read_clock();
	vcpu_op(VCPUOP_down, id, NULL);
}

static const char *test_monotonic(void) {
	uint32_t vcpus = 1;

	for (; vcpus < VCPUS && vcpu_op(VCPUOP_is_up, vcpus, NULL) >= 0; vcpus++)
		pv_vcpu_start(vcpus, other_vcpu, stacks[vcpus], pv_kernel_l4_mfn);
	read_clock();
	while (__atomic_load_n(&finished, __ATOMIC_SEQ_CST) < vcpus) sched_op(SCHEDOP_yield, NULL);
	CHECK_EQ(backwards, 0);
	for (uint32_t i = 1; i < vcpus; i++) {
		const struct vcpu_time_info *first = &pv_shared->vcpu_info[0].time;
		const struct vcpu_time_info *time = &pv_shared->vcpu_info[i].time;

		CHECK_EQ(time->system_time, first->system_time);
		CHECK_EQ(time->tsc_timestamp, first->tsc_timestamp);
		CHECK_EQ(time->tsc_to_system_mul, first->tsc_to_system_mul);
		CHECK_EQ(time->flags, first->flags);
	}
	pv_printf("clock: %u vCPUs, flags %u\n", vcpus, pv_shared->vcpu_info[0].time.flags);
	return NULL;
}

static const char *test_wall(void) {
	uint64_t seconds = pv_shared->wc_sec + (uint64_t)pv_shared->wc_sec_hi * (1ULL << 32);

	CHECK_EQ(pv_shared->wc_version % 2, 0);
	CHECK(pv_shared->wc_nsec < 1000000000);
	pv_printf("clock: wall %lu\n", seconds + pv_time_ns() / 1000000000);
	return NULL;
}

static void timer_event(uint32_t port) {
	(void)port;
	fired = pv_time_ns();
}

/* At distances from 10 us to 10 ms, asleep until it comes. */
static const char *test_singleshot(void) {
	uint64_t most = 0, sum = 0;
	uint32_t port = pv_bind_virq(VIRQ_TIMER);

	pv_event_handler(port, timer_event);
	for (unsigned i = 0; i < 100; i++) {
		struct vcpu_set_singleshot_timer timer = {.timeout_abs_ns = pv_time_ns() + 10000 +
									    i * i * 1000ULL};

		fired = 0;
		pv_events_off();
		CHECK_EQ(vcpu_op(VCPUOP_set_singleshot_timer, 0, &timer), 0);
		while (!fired) sched_op(SCHEDOP_block, NULL);
		CHECK(fired >= timer.timeout_abs_ns);
		most = fired - timer.timeout_abs_ns > most ? fired - timer.timeout_abs_ns : most;
		sum += fired - timer.timeout_abs_ns;
	}
	pv_event_handler(port, NULL);
	pv_close_ports();
	pv_printf("clock: timers are late by %lu ns, at most %lu\n", sum / 100, most);
	if (pv_option("counted")) CHECK(most <= LATE_MAX);
	return NULL;
}

static uint64_t has_run(void) {
	struct vcpu_runstate_info info;

	PV_MUST(!vcpu_op(VCPUOP_get_runstate_info, 0, &info));
	return info.time[RUNSTATE_running];
}

static const char *test_virtual_time(void) {
	uint64_t begin = has_run(), end = pv_time_ns() + 20 * MS, busy;
	struct sched_poll poll = {.timeout = end + 40 * MS};

	while (pv_time_ns() < end)
		;
	busy = has_run() - begin;
	begin = has_run();
	CHECK_EQ(sched_op(SCHEDOP_poll, &poll), 0);
	CHECK(pv_time_ns() >= poll.timeout);
	pv_printf("clock: ran %lu us of 20000, %lu us asleep\n", busy / 1000,
		  (has_run() - begin) / 1000);
	if (pv_option("counted")) CHECK(busy > 18 * MS && has_run() - begin < MS);
	return NULL;
}

int pv_main(void) {
	static const struct pv_case cases[] = {
		{"monotonic", test_monotonic, 0},
		{"wall", test_wall, 0},
		{"singleshot", test_singleshot, 0},
		{"virtual_time", test_virtual_time, 0},
	};

	return pv_run_cases("clock", CASES(cases));
}
