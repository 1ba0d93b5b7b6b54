/* SPDX-License-Identifier: BSD-2-Clause */
/* One PCI function that has a driver: devices.c and the parts of it that have files of their own.
 */
#ifndef SERVERS_ROOT_DEVICE_H
#define SERVERS_ROOT_DEVICE_H

#include "bus.h"
#include "functions.h"
#include "root.h"

#define DEVICE_ADDRESS_TEXT 16
#define DEVICE_CAPS         (PCI_BARS * FUNCTION_PIECES)

enum device_state { DEVICE_UNKNOWN, DEVICE_PRESENT, DEVICE_MISSING };

struct device {
	const struct system_device *d;
	struct domain *domain;
	uint8_t state;  /* enum device_state */
	bool prepared;  /* its driver may be started */
	bool active;    /* since it was prepared, it has not been quiesced */
	bool preparing; /* which of the two `job` is */
	struct pci_function function;
	struct bus_job job;
	uint64_t faults; /* accesses that were blocked and reported */

	uint32_t dma_slot, own_slot, server_slot; /* all of it, the driver's part, the server's */
	bool enforced;
	uint32_t irq_kind, irq_first, irq_count, irq_slot;
	uint32_t cap_count;
	struct native_cap cap[DEVICE_CAPS]; /* slot: root's, narrowed */

	struct pci_device *page;
	uint32_t page_ref;
};

extern struct device devices[SYSTEM_MAX_DEVICES];

/* device_make.c: a function of the table gets what its driver will need; NULL, or why not. */
const char *device_make(struct device *device, const struct pci_function *table, uint32_t count,
			uint32_t index);

/* device_report.c */
void device_address(uint32_t source, char text[DEVICE_ADDRESS_TEXT]);
/* Its function is not there: what was looked for. */
void device_report_missing(const struct device *device, const char *why);
/* What there is instead. */
void device_report_table(const struct pci_function *table, uint32_t count);

#endif
