/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fixed time partitions: the cycle is cut into windows of fixed lengths, and a vCPU
 * runs only in the windows that its description names, whatever the others do or leave undone. Time
 * that nobody in a window uses is nobody's. Windows are frames of the core's plan, so the table
 * goes on by the clock even while this domain is dead; all CPUs have the same windows at the same
 * time.
 *
 * Servers and drivers name no window and run in all of them, first. Within a window it is round
 * robin, with slice_us or a tenth of the window.
 *
 * Arguments: windows=MICROSECONDS[,MICROSECONDS...], at most 64; the cycle is their sum.
 */
#include "libs/log/log.h"
#include "libs/sched/sched.h"

static uint64_t windows[PLAN_MAX_FRAMES], shortest, epoch;
static uint32_t window_count;

/* The numbers of a list with commas. False: not such a list. */
static bool parse(const char *text) {
	uint64_t value = 0;
	bool digits = false;

	for (;; text++) {
		if (*text >= '0' && *text <= '9' && value < 1000000000) {
			value = value * 10 + (uint64_t)(*text - '0');
			digits = true;
			continue;
		}
		if (!digits || (*text && *text != ',') || window_count == PLAN_MAX_FRAMES)
			return false;
		windows[window_count++] = value * 1000;
		if (!*text) return true;
		value = 0;
		digits = false;
	}
}

static void start(void) {
	char text[200];

	window_count = 0;
	epoch = sched_back_now();
	if (!rt_argument("windows", text, sizeof(text)) || !parse(text))
		rt_panic("windows=: expected lengths in microseconds, with commas between them");
	shortest = windows[0];
	for (uint32_t i = 0; i < window_count; i++) {
		if (windows[i] < PLAN_FRAME_MIN || windows[i] > PLAN_FRAME_MAX)
			rt_panic("windows=: number %u is %lu us, expected %llu us to %llu s", i,
				 windows[i] / 1000, PLAN_FRAME_MIN / 1000,
				 PLAN_FRAME_MAX / 1000000000);
		shortest = MIN(shortest, windows[i]);
	}
}

static uint64_t mask_of(const struct sched_vcpu *v) {
	uint64_t all = ~0ULL >> (64 - window_count);

	return v->given.windows ? v->given.windows & all : all;
}

static void plan_cpu(uint32_t cpu) {
	uint32_t spread = 0;

	sched_begin(cpu);
	sched_frames(windows, window_count, epoch);
	for (uint32_t i = 0; i < sched_count; i++) {
		struct sched_vcpu *v = &sched_vcpus[i];
		uint64_t mask = mask_of(v);

		if (sched_home(v, &spread) != cpu) continue;
		if (!mask)
			log_print("vCPU %u of domain %u: its windows are none of the %u",
				  v->given.vcpu, v->given.slot, window_count);
		else
			sched_add_slice(v, sched_slice(v, shortest / 10), shortest, mask);
	}
	sched_commit(0);
}

static void plan(void) {
	for (uint32_t cpu = 0; sched_changed && cpu < sched_cpu_count; cpu++) plan_cpu(cpu);
}

const struct sched_policy sched_policy = {start, plan};
