/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Time: nanoseconds since boot from the TSC, the one-shot timer of the local
 * APIC, a heap of timers per CPU, and the pvclock pages of guests.
 */
#ifndef KERNEL_CPU_TIME_H
#define KERNEL_CPU_TIME_H

#include "domain/domain.h"

extern u64 tsc_khz;
extern bool tsc_stable; /* invariant and, as far as one can tell, the same on all CPUs */

void time_init(void); /* calibrates; reads the RTC */
void time_init_cpu(struct cpu *cpu);
/*
 * Run at the same time on the first CPU (true) and on one that has just started:
 * if either sees the other's clock behind its own, TSCs are not `stable`.
 */
void time_compare(bool first);
u64 time_now(void); /* ns since boot */
/* The scale and origin that turn a TSC value into time_now(), as pvclock has them. */
void time_scale(struct vcpu_time_info *info);

/* timer.fire runs with interrupts off on the CPU whose heap holds it. Re-arming moves it. */
void timer_arm(struct timer *timer, u64 deadline);
void timer_cancel(struct timer *timer);
/* From the timer interrupt: fires what is due, programs the APIC for the next. */
void timer_interrupt(void);
/* The APIC of this CPU is to fire at `deadline` or before: only if it is not so already. */
void timer_program(struct cpu *cpu, u64 deadline);
/* Ends the running slice at this time (sched/): ~0 = never. Part of the same APIC deadline. */
static inline void timer_set_slice_end(struct cpu *cpu, u64 deadline) {
	cpu->slice_end = deadline;
	if (unlikely(deadline < cpu->timer_armed)) timer_program(cpu, deadline);
}

/* xen/vcpu_op.c: VIRQ_TIMER at `deadline`; at once if that is not after `now`. */
void timer_singleshot(struct vcpu *v, u64 deadline, u64 now);

/* Fills v->info->time (and marks time areas for writing). */
void time_publish(struct vcpu *v);
/* Wall clock of a new or reset domain's shared_info. */
void time_publish_wallclock(struct domain *d);

#endif
