/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A PCI bus whose functions, bridges and registers are the input: which bits of
 * configuration space read as what, and which can be written. Enumeration,
 * placing, PREPARE and QUIESCE end, within bounds, and what is not broken has
 * BARs that do not overlap.
 */
#include "../../unit/native/fake_pci.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t *input;
static size_t left;

static uint32_t take(unsigned bytes) {
	uint32_t value = 0;

	while (bytes-- && left) {
		value = value << 8 | *input++;
		left--;
	}
	return value;
}

static void make_function(int n) {
	struct fake_function *f = &fake.function[fake.count++];
	uint32_t kind = take(1);
	uint32_t edits = take(1) % 24;

	*f = (struct fake_function){.devfn = (uint8_t)take(1), .parent = FAKE_ROOT};
	if (n && kind & 1) f->parent = (int)(take(1) % (uint32_t)n);
	fake_put(f, PCI_VENDOR, 4, 0x10411af4);
	fake_put(f, PCI_REVISION, 4, take(1) ? 0x01060103 : 0x01000003);
	f->config[PCI_HEADER_TYPE] = kind & 2 ? 1 : kind & 4 ? 0x80 : 0;
	fake_allow(f, PCI_COMMAND, 2, 0x547);
	if (kind & 8) memset(f->writable + 0x10, 0xff, 0x30);
	f->flr_at = kind & 16 ? 0x49 : 0;
	f->flr_mask = 0x80;
	f->never_back = kind & 32;
	while (edits--) {
		uint32_t at = take(1) & 0xfc;

		fake_put(f, at, 4, take(4));
		fake_allow(f, at, 4, take(1) & 1 ? UINT32_MAX << (take(1) % 32) : take(4));
	}
}

static void check(const struct pci_function *table, uint32_t count) {
	for (uint32_t i = 0; i < count * PCI_BARS; i++) {
		const struct pci_bar *a = &table[i / PCI_BARS].bar[i % PCI_BARS];

		if (!a->size || table[i / PCI_BARS].flags & PCI_F_BROKEN) continue;
		if (!a->address || a->address & (a->size - 1)) abort();
		for (uint32_t j = 0; j < i; j++) {
			const struct pci_bar *b = &table[j / PCI_BARS].bar[j % PCI_BARS];

			if (!b->size || table[j / PCI_BARS].flags & PCI_F_BROKEN ||
			    (a->flags ^ b->flags) & PCI_BAR_IO)
				continue;
			if (a->address < b->address + b->size && b->address < a->address + a->size)
				abort();
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	static struct bus bus;
	static struct pci_function table[PCI_MAX_FUNCTIONS];
	struct pci_command command = {.message[0] = {.address = 0xfee00000, .data = 0x40}};
	int functions;
	uint32_t count;

	input = data;
	left = size;
	memset(&fake, 0, sizeof(fake));
	functions = (int)(take(1) % 40);
	fake.ram_end = (uint64_t)take(1) << 24;
	for (int n = 0; n < functions; n++) make_function(n);

	bus.ops = fake_ops;
	bus.note = &fake_note;
	for (uint32_t i = 0; i < sizeof(fake_note); i++)
		((uint8_t *)&fake_note)[i] = (uint8_t)take(1);
	bus_enumerate(&bus, table, 0);
	bus_assign(&bus);
	count = bus_export(&bus, table, PCI_MAX_FUNCTIONS);
	check(table, count);
	for (uint32_t i = 0; i < count; i++) {
		command.irq_kind = take(1) % 5;
		command.irq_count = take(1) % 20;
		fake.waited = 0;
		bus_prepare(&bus, bus_find(&bus, table[i].source), &command);
		if (take(1) & 1) bus_quiesce(&bus, bus_find(&bus, table[i].source));
		if (fake.waited > 10000000) abort();
	}
	/* a predecessor's table, and one that lies */
	count = bus_export(&bus, table, PCI_MAX_FUNCTIONS);
	if (count && take(1) & 1) ((uint8_t *)table)[take(2) % (count * sizeof(*table))] = 0xff;
	bus_enumerate(&bus, table, count);
	bus_assign(&bus);
	bus_export(&bus, table, PCI_MAX_FUNCTIONS);
	return 0;
}
