/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The Intel VT-d units of the machine. All of them share one set of tables, so a
 * function's DmaSpace holds whichever unit it is behind. Without a unit that will do,
 * iommu.levels is 0, and nothing else of this is called.
 */
#ifndef KERNEL_IOMMU_VTD_H
#define KERNEL_IOMMU_VTD_H

#include "lib/types.h"
#include "proto/cap/cap.h"

struct iommu {
	u32 levels;      /* of second-level tables; 0: DMA is not translated */
	u32 domains;     /* ids 1 .. domains - 1 may be used */
	bool incoherent; /* the units read memory behind the caches' back */
	bool flush_new;  /* even an entry that was not present must be flushed */
	bool remap;      /* interrupts are remapped */
};
extern struct iommu iommu;

/* Translation on, with nothing reachable; says in the log what protects what. */
void vtd_init(void);
/* What the function reaches from now on: `root`, a table of iommu.levels; 0: nothing. */
void vtd_attach(u32 source, u32 id, paddr_t root);
/* Returns when no request goes by what the units remembered of this DmaSpace. */
void vtd_flush(u32 id);
void vtd_flush_interrupts(void);
/* Memory that the units read has been written. */
void vtd_wrote(const void *p, size_t size);
/* From the interrupt entry. */
void vtd_fault_interrupt(void);

/* --- iommu/remap.c --- */

#define SOURCE_ANY (~0U)       /* firmware did not say whose it is */
#define MESSAGE    0xfee00000U /* where devices write to raise one */

/* The table of interrupts, one entry for each vector of devices; empty. */
paddr_t remap_init(void);
/* The upper half of an I/O APIC's entry for this vector. */
u32 remap_ioapic(u8 vector, u32 source, bool level);
/* What the function must write to raise this vector. */
void remap_message(u8 vector, u32 source, struct irq_message *message);

#endif
