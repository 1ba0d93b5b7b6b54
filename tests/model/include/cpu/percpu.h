/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Each coroutine is a CPU. Found before kernel/cpu/percpu.h.
 */
#ifndef TESTS_MODEL_PERCPU_H
#define TESTS_MODEL_PERCPU_H

#define this_cpu     this_cpu_by_stack
#define current_vcpu current_vcpu_by_stack
#include "kernel/cpu/percpu.h"
#undef this_cpu
#undef current_vcpu

extern struct cpu model_cpus[];
unsigned explore_cpu(void);

static inline struct cpu *this_cpu(void) { return &model_cpus[explore_cpu()]; }

static inline struct vcpu *current_vcpu(void) { return this_cpu()->current; }

#endif
