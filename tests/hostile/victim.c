/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guest beside a hostile one. For half a second it watches what is its own:
 * memory, FPU and other registers, timers, and its share of the CPU. Whatever
 * the neighbour does, none of it may suffer.
 */
#include "cases.h"

#define WATCH_NS     500000000ULL
#define LATE_NS      50000000ULL /* a timer may be late by some slices of others */
#define LEAST_SHARE  25          /* percent of the CPU while it wants all of it; 50 is due */
#define SECRET_PAGES 64
#define SECRET       0x5ec4e75ec4e75ec4ULL

static uint64_t *secrets[SECRET_PAGES];

static void set_registers(void) {
	uint64_t secret = SECRET;

	__asm__ volatile("movq %0, %%xmm0; movq %0, %%xmm7; movq %0, %%xmm15; fninit; fldpi"
			 :
			 : "r"(secret));
	set_segment_base(SEGBASE_FS, va(secrets[0]));
	set_segment_base(SEGBASE_GS_USER, va(secrets[1]));
	hypercall(__HYPERVISOR_set_debugreg, 0, va(secrets[2]), 0, 0);
}

static const char *check_registers(void) {
	uint64_t first, middle, last, fs, dr0;
	uint16_t status;

	__asm__ volatile("movq %%xmm0, %0; movq %%xmm7, %1; movq %%xmm15, %2"
			 : "=r"(first), "=r"(middle), "=r"(last));
	__asm__ volatile("fnstsw %0; movq %%fs:0, %1" : "=m"(status), "=r"(fs));
	dr0 = (uint64_t)hypercall(__HYPERVISOR_get_debugreg, 0, 0, 0, 0);
	CHECK_EQ(first, SECRET);
	CHECK_EQ(middle, SECRET);
	CHECK_EQ(last, SECRET);
	CHECK_EQ(status >> 11 & 7, 7); /* one value on the x87 stack */
	CHECK_EQ(fs, SECRET);
	CHECK_EQ(dr0, va(secrets[2]));
	return NULL;
}

static const char *check_memory(void) {
	for (uint64_t p = 0; p < SECRET_PAGES; p++)
		for (uint64_t i = 0; i < 512; i++) CHECK_EQ(secrets[p][i], SECRET + p * i);
	return NULL;
}

static const char *test_data(void) {
	uint64_t end = pv_time_ns() + WATCH_NS;
	const char *failure = NULL;

	for (uint64_t p = 0; p < SECRET_PAGES; p++) {
		secrets[p] = pv_page();
		for (uint64_t i = 0; i < 512; i++) secrets[p][i] = SECRET + p * i;
	}
	set_registers();
	while (!failure && pv_time_ns() < end) {
		struct sched_poll poll = {.timeout = pv_time_ns() + 1000000};

		sched_op(SCHEDOP_poll, &poll);
		CHECK(pv_time_ns() < poll.timeout + LATE_NS);
		failure = check_registers();
		if (!failure) failure = check_memory();
	}
	return failure;
}

static const char *test_share(void) {
	struct vcpu_runstate_info before, after;
	uint64_t end = pv_time_ns() + WATCH_NS / 3, run, wait;

	CHECK_EQ(vcpu_op(VCPUOP_get_runstate_info, 0, &before), 0);
	while (pv_time_ns() < end)
		;
	CHECK_EQ(vcpu_op(VCPUOP_get_runstate_info, 0, &after), 0);
	run = after.time[RUNSTATE_running] - before.time[RUNSTATE_running];
	wait = after.time[RUNSTATE_runnable] - before.time[RUNSTATE_runnable];
	if (run * 100 < (run + wait) * LEAST_SHARE)
		return pv_differs("share in percent", __LINE__, run * 100 / (run + wait), 50);
	return NULL;
}

int pv_main(void) {
	static const struct pv_case cases[] = {{"data", test_data, 0}, {"share", test_share, 0}};

	pv_printf("victim: ready\n");
	return pv_run_cases("victim", CASES(cases));
}
