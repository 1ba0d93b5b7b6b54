/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Page table entries, and the direct map.
 */
#ifndef KERNEL_MEM_PAGING_H
#define KERNEL_MEM_PAGING_H

#include "lib/types.h"
#include "cpu/layout.h"

#define PTE_P            (1UL << 0)
#define PTE_RW           (1UL << 1)
#define PTE_US           (1UL << 2)
#define PTE_PWT          (1UL << 3)
#define PTE_PCD          (1UL << 4)
#define PTE_A            (1UL << 5)
#define PTE_D            (1UL << 6)
#define PTE_PSE          (1UL << 7) /* L2, L3 */
#define PTE_PAT          (1UL << 7) /* L1 */
#define PTE_G            (1UL << 8)
#define PTE_AVL          (7UL << 9)
#define PTE_GUEST_KERNEL (1UL << 52) /* ABI: a leaf of the guest kernel */
#define PTE_AVL_HIGH     (0x7ffUL << 52)
#define PTE_NX           (1UL << 63)
#define PTE_ADDRESS      0x000ffffffffff000UL

#define PTES_PER_TABLE 512

static inline mfn_t pte_mfn(u64 pte) { return (pte & PTE_ADDRESS) >> PAGE_SHIFT; }

static inline u64 pte_make(mfn_t mfn, u64 flags) { return mfn << PAGE_SHIFT | flags; }

static inline unsigned table_index(u64 va, unsigned level) {
	return va >> (PAGE_SHIFT + 9 * (level - 1)) & (PTES_PER_TABLE - 1);
}

static inline void *paddr_to_virt(paddr_t pa) { return (void *)(DIRECT_BASE + pa); }

static inline void *mfn_to_virt(mfn_t mfn) { return paddr_to_virt(mfn << PAGE_SHIFT); }

static inline paddr_t virt_to_paddr(const void *p) { return (u64)p - DIRECT_BASE; }

static inline mfn_t virt_to_mfn(const void *p) { return virt_to_paddr(p) >> PAGE_SHIFT; }

#endif
