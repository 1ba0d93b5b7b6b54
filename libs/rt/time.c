/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads the pvclock of vCPU 0: again while its version is odd or changes. */
#include "libs/rt/hypercall.h"
#include "libs/rt/rt.h"
#include "libs/rt/time.h"
#include "proto/xen/sched.h"
#include "proto/xen/xen.h"

__extension__ typedef unsigned __int128 uint128_t;

static uint64_t read_tsc(void) {
	uint32_t low, high;

	__asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high) : : "memory");
	return (uint64_t)high << 32 | low;
}

uint64_t time_now(void) {
	const struct shared_info *shared =
		(const struct shared_info *)(uintptr_t)rt_start_page->shared_info;
	const volatile struct vcpu_time_info *info = &shared->vcpu_info[0].time;
	uint64_t now, ticks;
	uint32_t version;

	do {
		version = __atomic_load_n(&info->version, __ATOMIC_ACQUIRE);
		ticks = read_tsc() - info->tsc_timestamp;
		ticks = info->tsc_shift >= 0 ? ticks << info->tsc_shift : ticks >> -info->tsc_shift;
		now = info->system_time +
		      (uint64_t)((uint128_t)ticks * info->tsc_to_system_mul >> 32);
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
	} while ((version & 1) || version != info->version);
	return now;
}

void time_sleep(uint64_t nanoseconds) {
	uint64_t end = time_now() + nanoseconds;
	struct sched_poll poll = {.timeout = end};

	while (time_now() < end) hypercall2(__HYPERVISOR_sched_op, SCHEDOP_poll, (uintptr_t)&poll);
}
