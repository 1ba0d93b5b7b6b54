/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The CPU of a host program is a variable, not where the stack lies. Found
 * before kernel/cpu/percpu.h.
 */
#ifndef TESTS_HOST_PERCPU_H
#define TESTS_HOST_PERCPU_H

#define this_cpu     this_cpu_by_stack
#define current_vcpu current_vcpu_by_stack
#include "kernel/cpu/percpu.h"
#undef this_cpu
#undef current_vcpu

extern struct cpu *host_cpu;

static inline struct cpu *this_cpu(void) { return host_cpu; }

static inline struct vcpu *current_vcpu(void) { return host_cpu->current; }

#endif
