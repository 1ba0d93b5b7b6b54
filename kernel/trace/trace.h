/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Trace points: what happens at a place of the core is written into the CPU's buffer
 * (proto/trace.h) while that point is on. Off, a point is one test of a word
 * that hardly ever changes; hypercalls cost nothing, for what traces them is another
 * way in (syscall_traced).
 */
#ifndef KERNEL_TRACE_TRACE_H
#define KERNEL_TRACE_TRACE_H

#include "lib/types.h"
#include "proto/trace.h"

extern u32 trace_points; /* bit n: point n is on */

void trace_record(u32 point, u64 a, u64 b);

/* Not a call for the compiler: one would cost every caller the saving of registers. */
static ALWAYS_INLINE void trace(u32 point, u64 a, u64 b) {
	if (unlikely(trace_points & 1U << point))
		__asm__ volatile("push %0\n\tpush %1\n\tpush %2\n\tcall trace_enter"
				 :
				 : "re"(b), "re"(a), "i"(point)
				 : "memory", "cc");
}

/* entry/hypercall.c: from now on hypercalls come in by the way that has points, or not. */
void hypercall_set_traced(bool traced);

#endif
