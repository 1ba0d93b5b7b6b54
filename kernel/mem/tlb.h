/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * TLB maintenance. A full flush advances a clock; a frame remembers the clock
 * of the moment when its last type reference went, so that a change of type
 * flushes only where no flush has happened since.
 */
#ifndef KERNEL_MEM_TLB_H
#define KERNEL_MEM_TLB_H

#include "domain/domain.h"

extern u32 tlb_clock;

/* Everything, global entries too, on this CPU, now. */
void tlb_flush_local(void);
void tlb_flush_page_local(gva_t va);
/* Every CPU that may hold translations of d. */
void tlb_flush_domain(struct domain *d);
/* Every CPU that may hold translations to d's frames: those who map grants, too. */
void tlb_flush_frames(struct domain *d);
/*
 * The CPUs, but for this one, that run vCPUs of the current domain: bit n of the guest's bitmap =
 * vCPU n. -EFAULT: no such bitmap.
 */
#define TLB_ALL_VCPUS (~0UL) /* instead of a bitmap */
MUST_CHECK int tlb_flush_vcpus(gva_t bitmap);
/* What other CPUs have asked of this one. */
void tlb_serve(struct cpu *cpu);
/* At the latest before the current guest runs again (many updates, one flush). */
void tlb_flush_later(struct vcpu *v);
/* Flush, unless one has happened since `stamp` on every CPU that may hold entries. */
void tlb_flush_since(struct domain *d, u32 stamp);
/* v->root or v->user_root changed: recomputes the CR3 values. */
void tlb_set_roots(struct vcpu *v);
/* Loads v's kernel or user root, by its kernel_mode; nothing of the roots before it stays. */
void tlb_load_root(struct vcpu *v);

#endif
