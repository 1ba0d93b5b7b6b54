/* SPDX-License-Identifier: BSD-2-Clause */
/* The bus domain's code on a bus of fake_pci.h's, started as main.c starts it. */
#ifndef TESTS_UNIT_PCI_RIG_H
#define TESTS_UNIT_PCI_RIG_H

#include "fake_pci.h"

static struct bus bus;
static struct pci_function table[PCI_MAX_FUNCTIONS];
static uint32_t table_count;

static inline void begin(void) {
	memset(&fake, 0, sizeof(fake));
	memset(&fake_note, 0, sizeof(fake_note));
	memset(table, 0, sizeof(table));
	table_count = 0;
}

/* What a bus domain does when it starts. */
static inline void start(void) {
	bus.ops = fake_ops;
	bus.note = &fake_note;
	bus_enumerate(&bus, table, table_count);
	bus_assign(&bus);
	table_count = bus_export(&bus, table, PCI_MAX_FUNCTIONS);
}

static inline struct pci_function *function(uint32_t source) {
	for (uint32_t i = 0; i < table_count; i++)
		if (table[i].source == source) return &table[i];
	CHECK(!"the function is in the table");
	return NULL;
}

/* MSI-X in BAR 1, MSI, power management, Express with a reset. */
static inline struct fake_function *whole_device(void) {
	struct fake_function *f = fake_add(FAKE_ROOT, 4, 0, 0x00108086, 0x010802);

	fake_bar(f, 0, 0x4000, 0xfe000000, 4);
	fake_bar(f, 4, 0x1000, 0xfd001000, 0);
	fake_capability(f, PCI_CAP_MSIX, 0x40);
	fake_put(f, 0x42, 2, 7);
	fake_put(f, 0x44, 4, 0x800 | 4);
	fake_allow(f, 0x42, 2, 0xc000);
	fake_capability(f, PCI_CAP_MSI, 0x50);
	fake_put(f, 0x52, 2, 0x0184); /* 64 bits, masking, 4 messages */
	fake_allow(f, 0x52, 2, 0x71);
	memset(f->writable + 0x54, 0xff, 16);
	fake_capability(f, PCI_CAP_PM, 0x70);
	fake_allow(f, 0x74, 2, 3);
	fake_put(f, 0x74, 2, 3); /* asleep */
	fake_capability(f, PCI_CAP_EXPRESS, 0x80);
	fake_put(f, 0x84, 4, 1U << 28);
	fake_allow(f, 0x88, 2, 0x7fff);
	fake_put(f, 0x88, 2, 0x2810);
	f->flr_at = 0x89;
	f->flr_mask = 0x80;
	return f;
}

#endif
