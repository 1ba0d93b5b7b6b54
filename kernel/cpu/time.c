/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Time from the TSC. Its rate is measured against the PIT once. Nanoseconds are
 *     ((ticks since boot << shift) * mul) >> 32
 * which is the very formula of pvclock, with the same numbers: guests and the
 * core compute the same time from the same TSC, and a guest's time page, once
 * published, stays right for ever.
 */
#include "cpu/time.h"
#include "cpu/asm.h"
#include "cpu/cpu.h"

#define PIT_HZ         1193182
#define PIT_COUNTER    0x42
#define PIT_COMMAND    0x43
#define PIT_GATE       0x61
#define PIT_WINDOW     (PIT_HZ / 50) /* 20 ms */
#define PIT_LATCH_2    0x80
#define PIT_ONE_SHOT_2 0xb0  /* both bytes, mode 0 */
#define PIT_PATIENCE   10000 /* samples without a change */
#define PIT_RAN_OUT    0x20

#define RTC_INDEX 0x70
#define RTC_DATA  0x71

#define COMPARISONS 1000U

u64 tsc_khz;
bool tsc_stable;

static u64 boot_tsc;
static u32 scale_mul;
static u8 scale_shift;
static u64 boot_seconds; /* wall clock at time_now() == 0 */

struct sample {
	u64 tsc, error;
	u32 count;
};

/* What TSC and PIT show at the same moment: of some tries, the one least disturbed. */
static struct sample take_sample(void) {
	struct sample best = {.error = ~0UL};

	for (unsigned i = 0; i < 8; i++) {
		struct sample s = {.tsc = rdtsc()};

		out8(PIT_COMMAND, PIT_LATCH_2);
		s.error = rdtsc() - s.tsc;
		s.count = in8(PIT_COUNTER);
		s.count |= (u32)in8(PIT_COUNTER) << 8;
		if (s.error < best.error) best = s;
	}
	return best;
}

/* kHz, or 0 if the PIT ran out under our hands. */
static u64 measure(void) {
	struct sample first, last, before;
	u8 gate = in8(PIT_GATE) & 0xfc;
	u32 stuck = 0;

	out8(PIT_GATE, gate);
	out8(PIT_COMMAND, PIT_ONE_SHOT_2);
	out8(PIT_COUNTER, 0xff);
	out8(PIT_COUNTER, 0xff);
	out8(PIT_GATE, gate | 1);
	first = last = take_sample();
	do {
		before = last;
		last = take_sample();
		stuck = last.count == before.count ? stuck + 1 : 0;
	} while (first.count - last.count < PIT_WINDOW && stuck < PIT_PATIENCE);
	if (stuck == PIT_PATIENCE)
		boot_refuse("the clock of this machine cannot be measured: its PIT does not count");
	if (in8(PIT_GATE) & PIT_RAN_OUT) return 0;
	return (last.tsc - first.tsc) * PIT_HZ / (first.count - last.count) / 1000;
}

static void calibrate(void) {
	/* A busy host takes the CPU away for longer than the PIT runs, many times in a row. */
	for (unsigned i = 0; i < 100 && !tsc_khz; i++) tsc_khz = measure();
	if (tsc_khz < 1000)
		boot_refuse("the clock of this machine cannot be measured: it is too disturbed");
}

/* ns per tick, 32 bits behind the point; halved until it fits, which the shift makes good. */
static void set_scale(void) {
	u64 mul = (1000000UL << 32) / tsc_khz;

	for (; mul > 0xffffffff; mul /= 2) scale_shift++;
	scale_mul = (u32)mul;
}

static u8 rtc_read(u8 index) {
	out8(RTC_INDEX, index);
	return in8(RTC_DATA);
}

static u32 from_bcd(u32 value) { return (value >> 4) * 10 + (value & 15); }

/* Days from 1970-01-01 to a date from 2000 on. */
static u64 days_since_1970(u64 year, u64 month, u64 day) {
	/* The year starts in March here: then the leap day is its last. */
	u64 y = month > 2 ? year : year - 1, m = month > 2 ? month - 3 : month + 9;

	return y * 365 + y / 4 - y / 100 + y / 400 + (m * 153 + 2) / 5 + day - 1 - 719468;
}

static u64 rtc_seconds(void) {
	static const u8 registers[6] = {0, 2, 4, 7, 8, 9}; /* second .. year */
	u8 mode = rtc_read(11);
	u32 v[6];
	unsigned patience = 10000;

	while (rtc_read(10) & 0x80 && --patience)
		; /* an update is under way; the next one is some time away */
	for (unsigned i = 0; i < 6; i++) {
		v[i] = rtc_read(registers[i]);
		if (!(mode & 4)) v[i] = from_bcd(v[i]);
	}
	return (days_since_1970(2000 + v[5], v[4], v[3]) * 24 + v[2]) * 3600 + v[1] * 60 + v[0];
}

u64 time_now(void) {
	u64 ticks = (rdtsc() - boot_tsc) << scale_shift;

	return (u64)((u128)ticks * scale_mul >> 32);
}

void time_init(void) {
	calibrate();
	set_scale();
	boot_tsc = rdtsc();
	boot_seconds = rtc_seconds();
	tsc_stable = true; /* on one CPU nothing can disagree with its TSC */
}

/* Each in turn reads its TSC and must find it later than what the other has read. */
void time_compare(bool first) {
	static u64 last;
	static u32 turn; /* even: the first CPU's */
	static bool disagree;
	u32 mine = !first;

	for (unsigned i = 0; i < COMPARISONS; i++, mine += 2) {
		u64 tsc;

		while (atomic_load(&turn) != mine) cpu_relax();
		tsc = rdtsc();
		if (tsc < last) disagree = true;
		last = tsc;
		atomic_store(&turn, mine + 1);
	}
	if (!first) return;
	while (atomic_load(&turn) != mine) cpu_relax();
	tsc_stable &= !disagree && (features.invariant_tsc || features.tcg);
	last = 0;
	atomic_store(&turn, 0);
}

void time_init_cpu(struct cpu *cpu) {
	cpu->timers = NULL;
	cpu->slice_end = ~0UL;
	cpu->timer_armed = ~0UL;
}

void time_scale(struct vcpu_time_info *info) {
	info->tsc_timestamp = boot_tsc;
	info->system_time = 0;
	info->tsc_to_system_mul = scale_mul;
	info->tsc_shift = (int8_t)scale_shift;
	info->flags = tsc_stable ? XEN_PVCLOCK_TSC_STABLE_BIT : 0;
}

/* While the version is odd, the rest changes. The even one that comes next. */
static u32 begin_change(volatile u32 *version) {
	u32 odd = *version | 1;

	atomic_store(version, odd);
	atomic_fence();
	return odd + 1;
}

void time_publish(struct vcpu *v) {
	u32 even = begin_change(&v->info->time.version);

	time_scale(&v->info->time);
	atomic_store(&v->info->time.version, even);
	if (v->time_area) atomic_or(&v->work, WORK_AREAS);
}

void time_publish_wallclock(struct domain *d) {
	u32 even = begin_change(&d->shared->wc_version);

	d->shared->wc_sec = (u32)boot_seconds;
	d->shared->wc_sec_hi = (u32)(boot_seconds >> 32);
	d->shared->wc_nsec = 0;
	atomic_store(&d->shared->wc_version, even);
}
