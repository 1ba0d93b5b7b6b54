/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Per-CPU state: struct cpu, at CPU_AREA_STRUCT of the CPU's area. Only its own
 * CPU touches it, but for what says otherwise.
 *
 * There is no swapgs in the core. GS belongs to the guest, both bases of it; a
 * CPU finds its own struct from its stack pointer, because every stack of a CPU
 * lies in its area. docs/decisions/0001 has the reasons.
 */
#ifndef KERNEL_CPU_PERCPU_H
#define KERNEL_CPU_PERCPU_H

#include "lib/atomic.h"
#include "cpu/layout.h"
#include "trace/trace.h" /* what a CPU does is traced wherever it does it */

struct vcpu;
struct plan;
struct timer;

struct cpu {
	/* entry.S: reached RIP-relative from the SYSCALL entry's alias in page 0. */
	u64 scratch;          /* guest rsp on its way into the vCPU */
	struct vcpu *current; /* whose registers are live; the idle vCPU never leaves ring 0 */
	u64 syscall_handler;  /* absolute address behind the alias: syscall_common */
	u64 syscall32_handler, sysenter_handler;

	u32 id; /* 0 .. cpu_count-1 */
	u32 apic_id;

	/*
	 * What is left of the current hypercall's allowance, in units of about one
	 * page table entry. Below 0 it is to be restarted (entry/hypercall.h).
	 */
	s32 budget;

	/* TLB (mem/tlb.c). */
	u32 tlb_clock;     /* time of the last full flush of this CPU; others read it */
	u32 flush_request; /* counts what other CPUs ask for... */
	u32 flush_done;    /* ...and how far this one has done it */

	u32 interrupts; /* counts them: at each of them it was outside the core. Others read it */

	/* cpu/fpu.c */
	struct vcpu *fpu_owner; /* whose state the FPU registers hold */
	u64 xcr0;               /* as loaded */
	bool ts;                /* CR0.TS as loaded */

	/* cpu/descriptors.c: what the windows show. */
	struct vcpu *gdt_owner;
	u32 gdt_pages;              /* of the guest; behind them the zero page */
	u32 ldt_pages;              /* window pages that may be mapped: those below */
	u64 *window;                /* the entries of this area's page table */
	struct domain *iomap_owner; /* whose ports the TSS bitmap allows */

	/* sched/plan.c */
	struct plan *plan;      /* points into boot memory: fixed */
	u64 slice_start;        /* ns: since when `current` runs */
	struct vcpu *evictions; /* to be let go of here: list through vcpu.next_eviction */

	/* cpu/time.c */
	struct lock timers_lock; /* protects the heap and its timers' links; innermost */
	struct timer *timers;    /* root of the heap */
	u64 timer_armed;         /* deadline programmed into the APIC, ns; ~0 = none */
	u64 slice_end;           /* of the running slice, ns; ~0 = none */
};

_Static_assert(sizeof(struct cpu) <= 2 * PAGE_SIZE, "struct cpu has two pages in the CPU area");

static inline struct cpu *this_cpu(void) {
	u64 sp;

	__asm__("mov %%rsp, %0" : "=r"(sp));
	return (struct cpu *)((sp & ~(u64)(CPU_AREA_SIZE - 1)) + CPU_AREA_STRUCT);
}

static inline struct vcpu *current_vcpu(void) { return this_cpu()->current; }

static inline struct cpu *cpu_by_id(u32 id) {
	return (struct cpu *)(CPU_AREAS + (u64)id * CPU_AREA_SIZE + CPU_AREA_STRUCT);
}

extern u32 cpu_count;

#endif
