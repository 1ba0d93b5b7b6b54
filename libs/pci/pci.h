/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A driver's own PCI function: its device page (proto/pci.h), BARs, interrupts,
 * and memory for DMA. The bus domain has prepared the function: BARs placed and
 * decoded, messages or the line set up, bus master on. The driver cannot reach
 * configuration space; it reads the copy in the page (libs/pci/config.h).
 *
 *     static struct pci pci;
 *     pci_open(&pci, 0);
 *     registers = pci_map_bar(&pci, 0, 0, 0x1000);
 *     pci_irq(&pci, 0, on_interrupt, NULL);
 *     pci_dma_map(&pci, queue, QUEUE_PAGES, 0, queue_address);
 *
 * What goes wrong here is a wrong description or a broken machine: the functions
 * that do not return an error end the driver with a message (rt_panic).
 */
#ifndef LIBS_PCI_PCI_H
#define LIBS_PCI_PCI_H

#include "libs/pci/config.h"
#include "libs/pci/mmio.h"
#include "libs/rt/rt.h"
#include "proto/pci.h"

/*
 * A bounded part of the work that an interrupt means. True: all is done, the
 * interrupt is acknowledged. False: called again before the loop sleeps; until
 * then it stays unacknowledged, so it cannot storm.
 */
typedef bool (*pci_irq_handler)(void *context);

struct pci {
	const struct pci_device *device; /* root's page, read-only */
	uint32_t dma_used;               /* of the driver's own slots, from the first on */
	bool machine; /* the device goes past the IOMMU: set before the first pci_dma_map() */
	struct pci_irq {
		struct pci *pci;
		pci_irq_handler handler;
		void *context;
		uint32_t irq, port;
	} irq[PCI_MAX_MESSAGES];
};

/* Maps the page of the domain's n-th device (from 0). Panics if there is none. */
void pci_open(struct pci *pci, unsigned n);

/*
 * Maps [offset, offset + size) of a memory BAR uncached; any offset, the result
 * points at it. Stays mapped. NULL: no such BAR, beyond its end, or no room.
 */
void *pci_map_bar(const struct pci *pci, unsigned bar, uint64_t offset, uint64_t size);

/* Interrupts that can be handled: messages, or 1 for a line, or 0. */
unsigned pci_irq_count(const struct pci *pci);
/*
 * Binds interrupt n (below pci_irq_count) to the handler, which is called once
 * before the loop sleeps: a predecessor may have died with the interrupt pending,
 * and a line that was raised before it was bound may be seen by nobody. A line may
 * be shared: the handler asks the device whether it is meant.
 */
void pci_irq(struct pci *pci, unsigned n, pci_irq_handler handler, void *context);

#define PCI_DMA_READONLY 1U /* the device only reads these pages */

/*
 * Lets the device reach `pages` pages of the driver's own from the page-aligned
 * address `at` on; address[i] is what to tell the device for page i. Pages that
 * are adjacent here need not be so for the device. They stay mapped as long as
 * the driver lives. 0, or -errno of the page that was refused (-ENOSPC: the
 * driver's own slots are used up, see own_slots of the description).
 */
MUST_CHECK int pci_dma_map(struct pci *pci, void *at, uint32_t pages, uint32_t flags,
			   uint64_t *address);

#endif
