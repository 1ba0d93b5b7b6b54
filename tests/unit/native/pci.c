/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The bus domain on buses of our own: what it finds, where it puts BARs, how it
 * prepares and quiesces, and that hostile devices harm only themselves.
 */
#include "pci_rig.h"

#include "proto/xen/errno.h"

static bool disjoint(const struct pci_bar *a, const struct pci_bar *b) {
	return a->address + a->size <= b->address || b->address + b->size <= a->address;
}

/* Every BAR of a function that is not broken is placed, aligned, and alone. */
static void check_placement(void) {
	for (uint32_t i = 0; i < table_count * PCI_BARS; i++) {
		const struct pci_bar *a = &table[i / PCI_BARS].bar[i % PCI_BARS];

		if (!a->size || table[i / PCI_BARS].flags & PCI_F_BROKEN) continue;
		CHECK(a->address && !(a->address & (a->size - 1)));
		for (uint32_t j = 0; j < i; j++) {
			const struct pci_bar *b = &table[j / PCI_BARS].bar[j % PCI_BARS];

			if (!b->size || table[j / PCI_BARS].flags & PCI_F_BROKEN ||
			    (a->flags ^ b->flags) & PCI_BAR_IO)
				continue;
			CHECK(disjoint(a, b));
		}
	}
}

static void finds_functions(void) {
	struct fake_function *f;

	begin();
	fake_add(FAKE_ROOT, 0, 0, 0x12378086, 0x060000);
	f = fake_add(FAKE_ROOT, 3, 0, 0x10011af4, 0x010000);
	fake_put(f, PCI_SUBSYSTEM_VENDOR, 4, 0x00021af4);
	fake_bar(f, 0, 0x80, 0xc000, 1);
	fake_bar(f, 1, 0x1000, 0xfebf1000, 0);
	fake_bar(f, 4, 0x4000, 0xfe000000, 0xc);
	f->config[PCI_HEADER_TYPE] = 0x80;
	fake_add(FAKE_ROOT, 3, 2, 0x29228086, 0x010601);
	start();
	CHECK(table_count == 2 && table[0].source == 0x18 && table[1].source == 0x1a);
	CHECK(table[0].vendor == 0x1af4 && table[0].device == 0x1001 && table[0].subsystem == 2);
	CHECK(table[0].class_code == 0x010000 && table[0].revision == 3 && table[0].line == 11);
	CHECK(table[0].bar[0].flags == PCI_BAR_IO && table[0].bar[0].address == 0xc000 &&
	      table[0].bar[0].size == 0x80);
	CHECK(table[0].bar[1].flags == PCI_BAR_MEMORY && table[0].bar[1].size == 0x1000);
	CHECK(table[0].bar[4].flags == (PCI_BAR_MEMORY | PCI_BAR_64 | PCI_BAR_PREFETCH) &&
	      table[0].bar[4].address == 0xfe000000 && table[0].bar[4].size == 0x4000);
	CHECK(!table[0].bar[5].flags && !table[0].bar[2].flags && !table[0].bar[3].flags);
	/* decoding is as it was, bus master is off, the host bridge was not written */
	CHECK(fake_get(f, PCI_COMMAND, 2) == 3 && !fake.function[0].writes);
	CHECK(!bus.placed && !bus.broken);
}

static void places_bars(void) {
	struct fake_function *f;

	begin();
	fake.ram_end = 0xe0000000;
	f = fake_add(FAKE_ROOT, 2, 0, 0x1, 0x020000);
	fake_put(f, PCI_VENDOR, 4, 0x10008086);
	fake_bar(f, 0, 0x1000, 0xe0000000, 0);
	fake_bar(f, 1, 0x20, 0xc000, 1);
	f = fake_add(FAKE_ROOT, 3, 0, 0x10008086, 0x020000);
	fake_bar(f, 0, 0x100000, 0, 0);
	fake_bar(f, 1, 0x40, 0, 1);
	fake_bar(f, 2, 0x4000, 0, 4);
	f = fake_add(FAKE_ROOT, 4, 0, 0x10008086, 0x020000);
	fake_bar(f, 0, 0x2000, 0xe0000000, 0); /* on top of the first */
	start();
	CHECK(!bus.broken && bus.placed == 4);
	check_placement();
	/* one of the two that lay on one another stayed */
	CHECK((function(0x10)->bar[0].address == 0xe0000000) !=
	      (function(0x20)->bar[0].address == 0xe0000000));
	/* the registers say so, and so does the copy */
	f = &fake.function[1];
	CHECK(fake_get(f, 0x10, 4) == function(0x18)->bar[0].address);
	CHECK(pci_config32(function(0x18)->config, 0x18) == (fake_get(f, 0x18, 4)));
	CHECK(function(0x18)->bar[1].address >= 0x1000 && function(0x18)->bar[1].address < 0x10000);
}

/* Nothing to conclude from: broken, and never an address out of thin air. */
static void no_room(void) {
	struct fake_function *f;

	begin();
	f = fake_add(FAKE_ROOT, 2, 0, 0x10008086, 0x020000);
	fake_bar(f, 0, 0x1000, 0, 0);
	start();
	CHECK(table[0].flags & PCI_F_BROKEN && !table[0].bar[0].address);
	begin();
	f = fake_add(FAKE_ROOT, 2, 0, 0x10008086, 0x020000);
	fake_bar(f, 0, 0x1000, 0xfe000000, 0);
	f = fake_add(FAKE_ROOT, 3, 0, 0x10008086, 0x020000);
	fake_bar(f, 0, 0x10000000, 0, 0); /* 256 MiB do not fit into 12 */
	start();
	CHECK(function(0x18)->flags & PCI_F_BROKEN && !(function(0x10)->flags & PCI_F_BROKEN));
	CHECK(bus_prepare(&bus, bus_find(&bus, 0x18), &(struct pci_command){0}) == -XEN_EIO);
}

static void behind_bridges(void) {
	struct fake_function *bridge, *f;

	begin();
	bridge = fake_bridge(FAKE_ROOT, 1);
	fake_bridge_buses(bridge, 0, 1, 2);
	fake_put(bridge, 0x20, 4, 0xfdf0fd00); /* 0xfd000000 .. 0xfdffffff */
	f = fake_add(0, 0, 0, 0x10411af4, 0x020000);
	fake_bar(f, 0, 0x1000, 0xfd000000, 0);
	f = fake_add(0, 1, 0, 0x10411af4, 0x020000);
	fake_bar(f, 0, 0x1000, 0, 0);
	f = fake_add(0, 2, 0, 0x10411af4, 0x020000);
	fake_bar(f, 0, 0x1000, 0xf0000000, 0); /* the bridge does not pass that on */
	start();
	CHECK(table_count == 3 && table[0].source == 0x100 && table[1].source == 0x108);
	check_placement();
	for (uint32_t i = 0; i < 3; i++)
		CHECK(table[i].bar[0].address >= 0xfd000000 &&
		      table[i].bar[0].address < 0xfe000000);
	CHECK(bus.numbered == 0 && bus.placed == 2);
	CHECK(table[0].flags & PCI_F_SHARED);
	/* a root port leaves addresses alone, a bridge behind it does not */
	begin();
	bridge = fake_bridge(FAKE_ROOT, 1);
	fake_bridge_buses(bridge, 0, 1, 3);
	fake_capability(bridge, PCI_CAP_EXPRESS, 0x40);
	fake_put(bridge, 0x42, 2, 0x42);
	fake_add(0, 0, 0, 0x10411af4, 0x020000);
	bridge = fake_bridge(0, 1);
	fake_bridge_buses(bridge, 1, 2, 2);
	fake_capability(bridge, PCI_CAP_EXPRESS, 0x40);
	fake_put(bridge, 0x42, 2, 0x72);
	fake_add(2, 0, 0, 0x10411af4, 0x020000);
	start();
	CHECK(table_count == 2 && !(table[0].flags & PCI_F_SHARED) && table[1].source == 0x200 &&
	      table[1].flags & PCI_F_SHARED);
}

static void numbers_bridges(void) {
	struct fake_function *f;

	begin();
	f = fake_add(FAKE_ROOT, 2, 0, 0x10008086, 0x020000);
	fake_bar(f, 0, 0x1000, 0xe0000000, 0);
	fake_bar(f, 1, 0x20, 0x4000, 1);
	fake_bridge(FAKE_ROOT, 3); /* 1 */
	fake_bridge(1, 0);         /* 2, behind it */
	f = fake_add(2, 5, 0, 0x10421af4, 0x010000);
	fake_bar(f, 0, 0x4000, 0, 0);
	fake_bar(f, 1, 0x100, 0, 1);
	f = fake_add(1, 7, 0, 0x10421af4, 0x010000);
	fake_bar(f, 0, 0x200000, 0, 0);
	fake_bridge_buses(fake_bridge(FAKE_ROOT, 4), 0, 1, 1); /* 5: numbered by firmware */
	fake_add(5, 0, 0, 0x10421af4, 0x010000);
	start();
	CHECK(table_count == 4 && bus.numbered == 2 && !bus.broken);
	check_placement();
	for (int i = 1; i <= 2; i++) {
		const uint8_t *c = fake.function[i].config;

		CHECK(c[0x19] > 1 && c[0x19] > c[0x18] && c[0x1a] >= c[0x19]);
	}
	CHECK(fake.function[2].config[0x19] > fake.function[1].config[0x19] &&
	      fake.function[2].config[0x1a] <= fake.function[1].config[0x1a]);
	CHECK(bus.entry[1].window[BUS_WINDOW_MEMORY].size >= 0x300000);
	/* the inner window lies in the outer one, and the registers say what was meant */
	for (uint32_t i = 0; i < bus.count; i++) {
		const struct bus_entry *e = &bus.entry[i];
		const struct bus_range *w = &e->window[BUS_WINDOW_MEMORY];

		if (!e->bridge || !w->size || e->parent == BUS_NO_PARENT) continue;
		CHECK(w->first >= bus.entry[e->parent].window[BUS_WINDOW_MEMORY].first);
		CHECK(bus_read(&bus, e->f.source, 0x20, 2) == w->first >> 16);
		CHECK((bus_read(&bus, e->f.source, 0x22, 2) << 16 | 0xfffff) ==
		      w->first + w->size - 1);
	}
}

static void hostile_bridges(void) {
	begin();
	fake_bridge_buses(fake_bridge(FAKE_ROOT, 1), 0, 1, 255);
	fake_bridge_buses(fake_bridge(FAKE_ROOT, 2), 0, 1, 1);      /* the number is taken */
	fake_bridge_buses(fake_bridge(FAKE_ROOT, 3), 0, 0, 0);      /* none are left */
	fake_bridge_buses(fake_bridge(FAKE_ROOT, 4), 0, 9, 3);      /* backwards */
	for (int i = 0; i < 20; i++) fake_bridge(i ? 3 + i : 0, 0); /* deep */
	start();
	CHECK(bus.broken >= 3 && table_count == 0);
	begin();
	for (int i = 0; i < 32; i++) {
		struct fake_function *f = fake_bridge(FAKE_ROOT, (unsigned)i);

		fake_bridge_buses(f, 0, (unsigned)i + 1, (unsigned)i + 1);
	}
	for (int i = 0; i < 120; i++) fake_add(i % 32, (unsigned)i / 32, 0, 0x10421af4, 0x010000);
	start();
	CHECK(table_count == PCI_MAX_FUNCTIONS && bus.left_out == 120 + 32 - BUS_MAX_ENTRIES);
	for (uint32_t i = 1; i < table_count; i++) CHECK(table[i - 1].source < table[i].source);
}

static void hostile_functions(void) {
	struct fake_function *f;

	begin();
	f = fake_add(FAKE_ROOT, 1, 0, 0x10008086, 0x020000);
	fake_allow(f, PCI_BAR0, 4, 0x55555550); /* a mask with holes */
	f = fake_add(FAKE_ROOT, 2, 0, 0x10008086, 0x020000);
	fake_bar(f, 5, 0x1000, 0, 4); /* 64 bits where there are 32 */
	fake_put(f, 0x28, 4, 0);
	f = fake_add(FAKE_ROOT, 3, 0, 0x10008086, 0x020000);
	fake_bar(f, 0, 1ULL << 50, 0, 4);
	f = fake_add(FAKE_ROOT, 4, 0, 0x10008086, 0x020000);
	memset(f->writable, 0xff, sizeof(f->writable)); /* everything can be written */
	f = fake_add(FAKE_ROOT, 5, 0, 0x10008086, 0x020000);
	f->config[PCI_HEADER_TYPE] = 0x7f;
	f = fake_add(FAKE_ROOT, 6, 0, 0x10008086, 0x020000);
	memset(f->config, 0x40, sizeof(f->config)); /* capabilities that go round */
	f->config[PCI_STATUS] = PCI_STATUS_CAPABILITIES;
	f->config[PCI_HEADER_TYPE] = 0;
	start();
	CHECK(function(1 << 3)->flags & PCI_F_BROKEN);
	CHECK(function(2 << 3)->flags & PCI_F_BROKEN);
	CHECK(function(3 << 3)->flags & PCI_F_BROKEN);
	CHECK(table_count == 5);
	for (uint32_t i = 0; i < table_count; i++) {
		struct bus_entry *e = bus_find(&bus, table[i].source);

		bus_quiesce(&bus, e);
		CHECK(e->f.state == PCI_STATE_IDLE);
	}
}

static void prepares(void) {
	struct pci_command command = {.irq_kind = PCI_IRQ_MSIX, .irq_count = 2};
	struct fake_function *f;
	struct bus_entry *e;

	begin();
	f = whole_device();
	start();
	e = bus_find(&bus, 0x20);
	CHECK(e->f.flags == (PCI_F_MSI | PCI_F_MSIX | PCI_F_EXPRESS | PCI_F_FLR | PCI_F_PM));
	CHECK(e->f.msix_count == 8 && e->f.msi_count == 4 && e->f.msix_bar == 4 &&
	      e->f.msix_offset == 0x800);
	command.message[0] = (struct irq_message){.address = 0x1fee00000, .data = 0x41};
	command.message[1] = (struct irq_message){.address = 0xfee01000, .data = 0x42};
	f->silent = 0;
	CHECK(bus_prepare(&bus, e, &command) == 0 && e->f.state == PCI_STATE_ACTIVE);
	CHECK(f->resets == 1 && fake.waited < 100000);
	CHECK(fake_get(f, PCI_COMMAND, 2) ==
	      (PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_NO_INTX));
	CHECK(fake_get(f, 0x10, 4) == 0xfe000004 && fake_get(f, 0x20, 4) == 0xfd001000);
	CHECK((fake_get(f, 0x42, 2) & 0xc000) == 0x8000 && !(fake_get(f, 0x52, 2) & 1));
	CHECK(!(fake_get(f, 0x74, 2) & 3) && (fake_get(f, 0x88, 2) & 0x7fff) == 0x2810);
	/* entry 1 has its message; the rest is masked; bus master was off all the time */
	CHECK(fake.memory_writes == 8 + 2 * 4);
	CHECK(fake.memory[6].address == 0xfd001810 && fake.memory[6].value == 0xfee01000);
	CHECK(fake.memory[1].value == 0xfee00000 && fake.memory[2].value == 1 &&
	      fake.memory[3].value == 0x41 && fake.memory[4].value == 0);
	for (uint32_t i = 0; i < fake.memory_writes; i++)
		CHECK((fake.memory[i].command & 7) == PCI_COMMAND_MEMORY);

	CHECK(bus_quiesce(&bus, e) == 0 && e->f.state == PCI_STATE_IDLE && f->resets == 2);
	CHECK(fake_get(f, PCI_COMMAND, 2) == PCI_COMMAND_NO_INTX);
	CHECK((fake_get(f, 0x42, 2) & 0xc000) != 0x8000); /* masked, at least */
	/* it was reset a moment ago */
	CHECK(bus_prepare(&bus, e, &command) == 0 && f->resets == 2);
}

static void prepares_msi_and_line(void) {
	struct pci_command command = {.irq_kind = PCI_IRQ_MSI, .irq_count = 1};
	struct fake_function *f;
	struct bus_entry *e;

	begin();
	f = whole_device();
	start();
	e = bus_find(&bus, 0x20);
	command.message[0] = (struct irq_message){.address = 0x1fee00000, .data = 0x43};
	CHECK(bus_prepare(&bus, e, &command) == 0);
	CHECK(fake_get(f, 0x52, 2) & 1 && fake_get(f, 0x54, 4) == 0xfee00000 &&
	      fake_get(f, 0x58, 4) == 1 && fake_get(f, 0x5c, 2) == 0x43);
	command = (struct pci_command){.irq_kind = PCI_IRQ_LINE, .irq_count = 1};
	CHECK(bus_prepare(&bus, e, &command) == 0);
	CHECK(!(fake_get(f, 0x52, 2) & 1) && !(fake_get(f, 0x42, 2) & 0x8000));
	CHECK(fake_get(f, PCI_COMMAND, 2) == (PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER));
	/* what cannot be: refused, and the function is at rest */
	command = (struct pci_command){.irq_kind = PCI_IRQ_MSIX, .irq_count = 9};
	CHECK(bus_prepare(&bus, e, &command) == -XEN_EINVAL && e->f.state == PCI_STATE_IDLE);
	CHECK(!(fake_get(f, PCI_COMMAND, 2) & 7));
	command = (struct pci_command){.irq_kind = 9, .irq_count = 1};
	CHECK(bus_prepare(&bus, e, &command) == -XEN_EINVAL);
}

/* Devices that are slow, or stay away: bounded. */
static void slow_resets(void) {
	struct pci_command command = {.irq_kind = PCI_IRQ_NONE};
	struct fake_function *f;

	begin();
	f = whole_device();
	start();
	f->silent = 50;
	CHECK(bus_quiesce(&bus, bus_find(&bus, 0x20)) == 0);
	CHECK(fake_get(f, 0x10, 4) == 0xfe000004);
	begin();
	f = whole_device();
	start();
	f->never_back = true;
	CHECK(bus_quiesce(&bus, bus_find(&bus, 0x20)) == -XEN_ETIMEDOUT);
	CHECK(fake.waited < 1000000);
	/* no driver gets it, until a reset has come to its end */
	CHECK(bus_prepare(&bus, bus_find(&bus, 0x20), &command) == -XEN_ETIMEDOUT);
	CHECK(bus_find(&bus, 0x20)->f.state == PCI_STATE_IDLE);
	CHECK(!(fake_get(f, PCI_COMMAND, 2) & PCI_COMMAND_MASTER));
	f->never_back = false;
	CHECK(bus_prepare(&bus, bus_find(&bus, 0x20), &command) == 0);
	begin();
	f = whole_device();
	fake_put(f, 0x8a, 2, 0x20); /* transactions pending for ever */
	start();
	CHECK(bus_quiesce(&bus, bus_find(&bus, 0x20)) == 0 && fake.waited < 2000000);
}

static void resets_by_class(void) {
	struct fake_function *f;
	struct bus_entry *e;

	begin();
	f = fake_add(FAKE_ROOT, 4, 0, 0x10011af4, 0x010000);
	fake_bar(f, 4, 0x4000, 0xfe000000, 4);
	fake_capability(f, PCI_CAP_VENDOR, 0x40);
	f->config[0x43] = 1;
	f->config[0x44] = 4;
	fake_put(f, 0x48, 4, 0x1000);
	start();
	e = bus_find(&bus, 0x20);
	CHECK(bus_quiesce(&bus, e) == 0);
	CHECK(fake.memory_writes == 1 && fake.memory[0].address == 0xfe001014 &&
	      !fake.memory[0].value && (fake.memory[0].command & 7) == PCI_COMMAND_MEMORY);
	CHECK(!f->resets);
	/* it points outside of its BAR: not written */
	fake_put(f, 0x48, 4, 0x3ffc);
	start();
	CHECK(bus_quiesce(&bus, bus_find(&bus, 0x20)) == 0 && fake.memory_writes == 1);
	/* it never says that it is done */
	fake_put(f, 0x48, 4, 0);
	fake.status = 4;
	start();
	CHECK(bus_quiesce(&bus, bus_find(&bus, 0x20)) == -XEN_ETIMEDOUT && fake.waited <= 600000);
}

/* Advanced Features, for functions that are not Express. */
static void resets_by_features(void) {
	struct fake_function *f;

	begin();
	f = fake_add(FAKE_ROOT, 4, 0, 0x10008086, 0x020000);
	fake_bar(f, 0, 0x1000, 0xfe000000, 0);
	fake_capability(f, PCI_CAP_AF, 0x40);
	f->config[0x42] = 6;
	f->config[0x43] = 3;
	f->flr_at = 0x44;
	f->flr_mask = 1;
	start();
	CHECK(function(0x20)->flags & PCI_F_FLR);
	CHECK(bus_quiesce(&bus, bus_find(&bus, 0x20)) == 0 && f->resets == 1);
	CHECK(fake_get(f, PCI_BAR0, 4) == 0xfe000000);
}

/* A bus domain that was started again leaves alone what is in use. */
static void restarts(void) {
	struct pci_command command = {.irq_kind = PCI_IRQ_LINE, .irq_count = 1};
	struct fake_function *f, *bridge, *idle;
	struct pci_function before;

	begin();
	f = whole_device();
	bridge = fake_bridge(FAKE_ROOT, 6);
	fake_bar(bridge, 0, 0x1000, 0xfd000000, 0);
	idle = fake_add(FAKE_ROOT, 7, 0, 0x10421af4, 0x010000);
	fake_bar(idle, 0, 0x1000, 0, 0);
	start();
	CHECK(bus_prepare(&bus, bus_find(&bus, 0x20), &command) == 0);
	table_count = bus_export(&bus, table, PCI_MAX_FUNCTIONS);
	before = *function(0x20);
	f->writes = bridge->writes = 0;
	start();
	CHECK(!f->writes && !bridge->writes && idle->writes);
	CHECK(function(0x20)->state == PCI_STATE_ACTIVE &&
	      !memcmp(before.bar, function(0x20)->bar, sizeof(before.bar)));
	CHECK(function(0x20)->msix_count == 8);
	check_placement();
	/* it can be quiesced all the same */
	CHECK(bus_quiesce(&bus, bus_find(&bus, 0x20)) == 0 && f->resets == 2);

	/* what the table says does not fit the registers: it is not believed */
	CHECK(bus_prepare(&bus, bus_find(&bus, 0x20), &command) == 0);
	table_count = bus_export(&bus, table, PCI_MAX_FUNCTIONS);
	function(0x20)->bar[0].size = 0x3000;
	f->writes = 0;
	start();
	CHECK(f->writes && function(0x20)->state == PCI_STATE_IDLE);
	CHECK(function(0x20)->bar[0].size == 0x4000);
}

static const struct test tests[] = {
	{"functions are found and BARs sized", finds_functions},
	{"BARs without an address, or on top of another, are placed", places_bars},
	{"no room is no address", no_room},
	{"functions behind bridges, in their windows", behind_bridges},
	{"bridges without numbers and windows get them", numbers_bridges},
	{"bridges that lie", hostile_bridges},
	{"functions that lie", hostile_functions},
	{"PREPARE and QUIESCE with MSI-X", prepares},
	{"PREPARE with MSI and with a line", prepares_msi_and_line},
	{"resets that take long, or for ever", slow_resets},
	{"resets as the class defines them", resets_by_class},
	{"resets by Advanced Features", resets_by_features},
	{"a restart leaves alone what is in use", restarts},
};

int main(void) { return RUN("pci", tests); }
