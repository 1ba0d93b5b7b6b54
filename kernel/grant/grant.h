/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Grant tables, version 1.
 *
 * What a grant holds while it is in use, and who keeps the account:
 *   - the entry's READING and WRITING flags, by grant_pins[ref] of the granter:
 *     one pin for each mapping record and each copy under way;
 *   - the granted frame: a reference, and for writing a type reference. That of
 *     a mapping belongs to the page-table entry and goes with it, however it
 *     goes; that of a device mapping belongs to the mapping record.
 */
#ifndef KERNEL_GRANT_GRANT_H
#define KERNEL_GRANT_GRANT_H

#include "domain/domain.h"
#include "proto/xen/grant.h"

/* A mapping of somebody's grant, or a free handle. */
struct grant_map {
	struct domain *granter; /* NULL = free */
	u32 ref;                /* free: how far on from its neighbour the next free one is */
	u16 flags;              /* GNTMAP_*: what is mapped */
	u64 host;               /* virtual address, or machine address of the entry */
	mfn_t mfn;
};

void grant_init(struct domain *d);
/* Builder: fills an entry of a domain that is being built. */
int grant_set(struct domain *d, u32 ref, u16 domid, bool readonly, mfn_t mfn);
/* Reset: gives up all mappings that d made. -ERESTART: call again. */
MUST_CHECK int grant_reset(struct domain *d);

/* --- Within grant/: the operations on arrays, results as the hypercall's --- */

long grant_map(struct vcpu *v, u64 array, u64 count);
long grant_unmap(struct vcpu *v, u64 array, u64 count, bool replace);
long grant_copy(struct vcpu *v, u64 array, u64 count);

#endif
