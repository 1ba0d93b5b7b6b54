/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Page tables and descriptor tables: what entries may say, and what they hold.
 */
#ifndef KERNEL_MEM_VALIDATE_H
#define KERNEL_MEM_VALIDATE_H

#include "mem/frame.h"

/* The core's root table; its entries for the core's slots go into every guest L4. */
extern u64 *core_root;
/* A non-present entry must not name a frame below this (L1TF); 0 where the CPU is not affected. */
extern mfn_t l1tf_limit;
/* Device registers that are the core's own: nobody maps them. Filled at boot. */
#define CORE_DEVICES_MAX 64
extern mfn_t core_devices[CORE_DEVICES_MAX];
extern u32 core_device_count;

/* frame.c calls these at the first and last type reference; -ERESTART keeps f->progress. */
MUST_CHECK int table_validate(struct frame *f, struct domain *d, enum frame_type type);
MUST_CHECK int table_invalidate(struct frame *f, enum frame_type type);

/*
 * Replaces one entry of a table whose type reference the caller holds (level =
 * its type). preserve_ad keeps A and D of the old entry. 0, -EINVAL, -ERESTART.
 */
MUST_CHECK int table_update(struct vcpu *v, struct frame *table, unsigned index, u64 pte,
			    bool preserve_ad);

/* Replaces an L1 entry whose table is referenced: 0, -EINVAL. As table_update. */
MUST_CHECK int l1_update(struct domain *d, u64 *entry, u64 pte, bool preserve_ad);
/* The same without a look at the old entry, which is handed back. */
MUST_CHECK int l1_replace(struct domain *d, u64 *entry, u64 pte, u64 *old);
/*
 * One compare-and-swap of an L1 entry whose table is referenced: *old must be
 * what it holds. -EAGAIN: it held something else, which *old is now. -EINVAL.
 */
MUST_CHECK int l1_entry_swap(struct domain *d, u64 *entry, u64 *old, u64 pte);

/*
 * What v's kernel root says of va at this moment; 0: nothing. No reference is
 * held, so it is a hint: whoever acts on it checks what it names.
 */
u64 table_peek(const struct vcpu *v, gva_t va);
/* The L1 entry that maps va in v's kernel root; NULL: none. *table gets its frame,
 * with a type reference (drop with frame_put_type). */
u64 *table_walk_l1(struct vcpu *v, gva_t va, struct frame **table);

/*
 * For grant/: puts an entry that carries its own references (foreign frames).
 * host: a virtual address, or with contains_pte the machine address of an entry.
 * 0, or -EINVAL. The old entry's references are dropped.
 */
MUST_CHECK int pte_install(struct vcpu *v, u64 host, bool contains_pte, u64 pte);
/*
 * Takes the entry away if it still maps mfn with this writability; -EINVAL
 * otherwise. The caller flushes, then drops the entry's references.
 */
MUST_CHECK int pte_withdraw(struct vcpu *v, u64 host, bool contains_pte, mfn_t mfn, bool writable);

/* Descriptors: 0 and *descriptor normalised (DPL 3), or -EINVAL. */
MUST_CHECK int descriptor_check(u64 *descriptor);

#endif
