/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The one place where the core takes interrupts: nothing to run, nothing held.
 * STI takes effect after the following instruction, so an interrupt that is
 * already due ends the HLT instead of coming before it.
 */
#include "sched/plan.h"

void plan_wait_interrupt(void) { __asm__ volatile("sti\n\thlt\n\tcli" ::: "memory"); }
