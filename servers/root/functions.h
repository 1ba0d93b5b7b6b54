/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * PCI functions and the description: which function a record means, and which
 * parts of it its driver may have. Arithmetic on what the bus domain found; no
 * capability is touched, so it is tested on the host.
 */
#ifndef SERVERS_ROOT_FUNCTIONS_H
#define SERVERS_ROOT_FUNCTIONS_H

#include "libs/rt/rt.h"
#include "proto/pci.h"
#include "proto/system.h"

#define FUNCTION_NONE  (-1) /* no function matches */
#define FUNCTION_TAKEN (-2) /* those that match belong to earlier records */

/*
 * Which of `count` functions, sorted by address, the record means: its index or
 * FUNCTION_*. owner[i] is not NULL if an earlier record has taken function i.
 */
int functions_find(const struct system_device *record, const struct pci_function *functions,
		   uint32_t count, const void *const *owner);

/* Pages of device memory, [first, first + count) as frame numbers. */
struct function_pages {
	uint64_t first, count;
};
#define FUNCTION_PIECES 2U

/*
 * The pages of a memory BAR that its driver may map: all that it touches but those
 * of the MSI-X table, by which a device could be made to raise what is not its
 * own. (PCI 3.0, 6.8.2: nothing else that a driver needs lies in these.) How many
 * pieces; 0: none, or the BAR is impossible.
 */
uint32_t functions_pages(const struct pci_function *function, uint32_t bar,
			 struct function_pages pieces[FUNCTION_PIECES]);
/* Whether a page of this BAR holds something of another function. */
bool functions_share(const struct pci_function *functions, uint32_t count, uint32_t index,
		     uint32_t bar);

/* How it interrupts: PCI_IRQ_*, and how many of the `wanted` messages it can send. */
uint32_t functions_irq(const struct pci_function *function, uint32_t wanted, bool messages,
		       uint32_t *count);

#endif
