/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The timers of a vCPU, as two hypercalls set them.
 */
#ifndef KERNEL_XEN_TIMERS_H
#define KERNEL_XEN_TIMERS_H

#include "domain/domain.h"

/* VIRQ_TIMER at `deadline`; at once if that is not after `now`. */
void timer_singleshot(struct vcpu *v, u64 deadline, u64 now);

#endif
