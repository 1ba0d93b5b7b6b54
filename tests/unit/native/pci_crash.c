/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The bus domain dies at each of its writes to configuration space; its successor finds every BAR
 * where it was, by the note and the table that outlive it (struct pci_bus), which may lie.
 */
#include "pci_rig.h"

/* Of each kind of BAR, all that there is at addresses which nothing else tells; a bridge's too. */
static void few_devices(void) {
	struct fake_function *f;

	begin();
	f = fake_bridge(FAKE_ROOT, 1);
	fake_bar(f, 0, 0x1000, 0xfeb00000, 0);
	fake_bridge_buses(f, 0, 1, 1);
	fake_put(f, 0x20, 4, 0xfc00fc00);
	f = fake_add(0, 0, 0, 0x10411af4, 0x020000);
	fake_bar(f, 0, 0x4000, 0xfc000000, 0);
	f = whole_device();
	fake_bar(f, 0, 0x4000, 0x8fe000000, 4);
	fake_bar(f, 2, 0x40, 0xc000, 1);
}

/* All that few_devices() made has the address that it had. */
static void check_addresses(void) {
	CHECK(!bus.broken && table_count == 2);
	CHECK(function(0x20)->bar[0].address == 0x8fe000000 &&
	      function(0x20)->bar[0].size == 0x4000);
	CHECK(function(0x20)->bar[2].address == 0xc000 && function(0x20)->bar[2].size == 0x40);
	CHECK(function(0x20)->bar[4].address == 0xfd001000);
	CHECK(function(0x100)->bar[0].address == 0xfc000000);
	CHECK(fake_get(&fake.function[0], PCI_BAR0, 4) == 0xfeb00000);
	CHECK(fake_get(&fake.function[2], PCI_BAR0, 4) == 0xfe000004);
	CHECK(fake_get(&fake.function[2], PCI_BAR0 + 4, 4) == 8);
	CHECK(!fake_note.at);
}

/* What the bus domain does, up to its n-th write. False: it lives. */
static bool dies(void (*what)(void), uint32_t n) {
	jmp_buf death;
	bool died = true;

	fake.death = &death;
	fake.life = n;
	if (!setjmp(death)) {
		what();
		died = false;
	}
	fake.life = 0;
	fake.death = NULL;
	return died;
}

/* In its first life nothing but the note tells a successor what a BAR said. */
static void dies_at_the_start(void) {
	bool died = true;

	for (uint32_t n = 1; died; n++) {
		few_devices();
		died = dies(start, n);
		CHECK(died || n > 30);
		if (died) start();
		check_addresses();
	}
}

static void use_and_quiesce(void) {
	const struct pci_command command = {.irq_kind = PCI_IRQ_LINE, .irq_count = 1};

	CHECK(bus_prepare(&bus, bus_find(&bus, 0x20), &command) == 0);
	CHECK(bus_quiesce(&bus, bus_find(&bus, 0x20)) == 0);
}

static void dies_over_a_command(void) {
	bool died = true;

	for (uint32_t n = 1; died; n++) {
		few_devices();
		start();
		died = dies(use_and_quiesce, n);
		CHECK(died || n > 30);
		if (died) start();
		check_addresses();
		use_and_quiesce();
	}
}

/* A note, or an address in the table, that cannot be. */
static void notes_that_lie(void) {
	static const struct pci_note notes[] = {
		{.source = 0x20, .at = PCI_COMMAND, .bytes = 4, .value = 7},
		{.source = 0x20, .at = PCI_BAR0 + 1, .bytes = 4, .value = 7},
		{.source = 0x99, .at = PCI_BAR0, .bytes = 8, .value = 7},
		{.source = 8, .at = PCI_BAR0 + 8, .bytes = 4, .value = 0x123456},
		{.source = 8, .at = PCI_BAR0 + 4, .bytes = 8, .value = 0x123456ULL << 32},
	};
	static const struct {
		unsigned bar;
		uint64_t address;
	} wrong[] = {{4, 0xfe000}, {4, 0x1fd001000}, {4, 0xfd000800}, {2, 0x1c000}};

	for (uint32_t i = 0; i < ARRAY_SIZE(notes); i++) {
		few_devices();
		start();
		fake_note = notes[i];
		start();
		check_addresses();
		CHECK(!bus.numbered);
	}
	for (uint32_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		few_devices();
		fake.ram_end = 0xe0000000;
		start();
		fake_put(&fake.function[2], PCI_BAR0 + 4 * wrong[i].bar, 4, wrong[i].bar == 2);
		function(0x20)->bar[wrong[i].bar].address = wrong[i].address;
		start();
		CHECK(function(0x20)->bar[wrong[i].bar].address != wrong[i].address);
	}
}

/* A reset by device memory reaches a function only behind bridges that pass it on. */
static void reset_behind_a_bridge(void) {
	const struct pci_command command = {.irq_kind = PCI_IRQ_NONE};
	struct fake_function *f;

	few_devices();
	fake_put(&fake.function[0], PCI_COMMAND, 2, 0); /* as one dies who was sizing its BARs */
	f = &fake.function[1];
	fake_put(f, PCI_VENDOR, 4, 0x10041af4);
	fake_capability(f, PCI_CAP_VENDOR, 0x40);
	f->config[0x43] = 1;
	start();
	CHECK(bus_prepare(&bus, bus_find(&bus, 0x100), &command) == 0);
	CHECK(fake.memory_writes == 1 && fake.memory[0].address == 0xfc000014 &&
	      fake.memory[0].command & PCI_COMMAND_MEMORY);
}

static const struct test tests[] = {
	{"killed at each write of its start", dies_at_the_start},
	{"killed at each write of a command", dies_over_a_command},
	{"notes and tables that lie", notes_that_lie},
	{"a reset behind a bridge that was closed", reset_behind_a_bridge},
};

int main(void) { return RUN("pci_crash", tests); }
