/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Trace points of a host program: plain calls, for its stack is the compiler's. Found
 * before kernel/trace/trace.h.
 */
#ifndef TESTS_HOST_TRACE_H
#define TESTS_HOST_TRACE_H

#include "lib/types.h"
#include "proto/trace.h"

extern u32 trace_points;

void trace_record(u32 point, u64 a, u64 b);

static inline void trace(u32 point, u64 a, u64 b) {
	if (trace_points & 1U << point) trace_record(point, a, b);
}

void hypercall_set_traced(bool traced);

#endif
