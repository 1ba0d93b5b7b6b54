/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A PCI bus for the bus domain's code: functions with a configuration space each,
 * of which some bits can be written, and bridges that pass on what their registers
 * say at that moment. Device memory is a list of registers that were written.
 */
#ifndef TESTS_UNIT_FAKE_PCI_H
#define TESTS_UNIT_FAKE_PCI_H

#include <setjmp.h>

#include "native.h"

#include "drivers/pci/bus.h"

#define FAKE_FUNCTIONS 160U
#define FAKE_REGISTERS 4096U
#define FAKE_ROOT      -1

struct fake_function {
	uint8_t devfn;
	int parent; /* index of a bridge, FAKE_ROOT */
	uint8_t config[PCI_CONFIG_SIZE], writable[PCI_CONFIG_SIZE];
	uint32_t writes;
	uint32_t resets;
	uint32_t silent; /* reads that are not answered, after a reset */
	bool never_back; /* does not come back from a reset */
	uint8_t flr_at;  /* register that starts a reset, 0: none */
	uint8_t flr_byte, flr_mask;
};

static struct {
	struct fake_function function[FAKE_FUNCTIONS];
	int count;
	struct {
		uint64_t address;
		uint32_t value;
		uint32_t command; /* of function 0 at that moment */
	} memory[FAKE_REGISTERS];
	uint32_t memory_writes, waited;
	uint32_t life;    /* writes to configuration space until the bus domain dies; 0: it lives */
	jmp_buf *death;   /* there */
	uint64_t ram_end; /* not usable below */
	uint8_t status;   /* what device memory reads as */
} fake;

static uint32_t fake_get(const struct fake_function *f, uint32_t at, unsigned width) {
	uint32_t value = 0;

	for (unsigned i = 0; i < width; i++) value |= (uint32_t)f->config[at + i] << i * 8;
	return value;
}

static void fake_put(struct fake_function *f, uint32_t at, unsigned width, uint32_t value) {
	for (unsigned i = 0; i < width; i++) f->config[at + i] = (uint8_t)(value >> i * 8);
}

static void fake_allow(struct fake_function *f, uint32_t at, unsigned width, uint32_t mask) {
	for (unsigned i = 0; i < width; i++) f->writable[at + i] = (uint8_t)(mask >> i * 8);
}

/* The bus that a function is on now; -1: no bridge passes it on. */
static int fake_bus(const struct fake_function *f) {
	int bus = f->parent == FAKE_ROOT ? 0 : fake.function[f->parent].config[0x19];

	if (f->parent != FAKE_ROOT && !bus) return -1;
	for (int p = f->parent; p != FAKE_ROOT; p = fake.function[p].parent)
		if (bus < fake.function[p].config[0x19] || bus > fake.function[p].config[0x1a])
			return -1;
	return bus;
}

static struct fake_function *fake_find(uint32_t source) {
	CHECK(source < 0x10000);
	for (int i = 0; i < fake.count; i++)
		if (fake.function[i].devfn == (source & 0xff) &&
		    fake_bus(&fake.function[i]) == (int)(source >> 8))
			return &fake.function[i];
	return NULL;
}

static uint32_t fake_read(void *context, uint32_t source, uint32_t at, unsigned width) {
	struct fake_function *f = fake_find(source);

	(void)context;
	CHECK((width == 1 || width == 2 || width == 4) && at % width == 0 &&
	      at + width <= PCI_CONFIG_SIZE);
	if (f && f->silent) f->silent--;
	if (!f || f->silent || (f->never_back && f->resets))
		return width == 4 ? UINT32_MAX : (1U << width * 8) - 1;
	return fake_get(f, at, width);
}

static void fake_reset(struct fake_function *f) {
	f->resets++;
	fake_put(f, PCI_COMMAND, 2, 0);
	for (uint32_t at = PCI_BAR0; at < PCI_BAR0 + 24; at++) f->config[at] &= ~f->writable[at];
}

static void fake_write(void *context, uint32_t source, uint32_t at, unsigned width,
		       uint32_t value) {
	struct fake_function *f = fake_find(source);

	(void)context;
	CHECK((width == 1 || width == 2 || width == 4) && at % width == 0 &&
	      at + width <= PCI_CONFIG_SIZE);
	if (fake.life && !--fake.life) longjmp(*fake.death, 1);
	if (!f) return;
	f->writes++;
	for (unsigned i = 0; i < width; i++) {
		uint8_t mask = f->writable[at + i], byte = (uint8_t)(value >> i * 8);

		f->config[at + i] = (f->config[at + i] & ~mask) | (byte & mask);
		if (f->flr_at && at + i == f->flr_at && byte & f->flr_mask) fake_reset(f);
	}
}

static uint32_t fake_memory_read(void *context, uint64_t address, unsigned width) {
	(void)context;
	(void)address;
	CHECK(width == 1 || width == 4);
	return fake.status;
}

static void fake_memory_write(void *context, uint64_t address, unsigned width, uint32_t value) {
	(void)context;
	CHECK(width == 1 || (width == 4 && address % 4 == 0));
	fake.memory[fake.memory_writes % FAKE_REGISTERS].address = address;
	fake.memory[fake.memory_writes % FAKE_REGISTERS].command =
		fake_get(&fake.function[0], PCI_COMMAND, 2);
	fake.memory[fake.memory_writes++ % FAKE_REGISTERS].value = value;
}

static bool fake_usable(void *context, uint64_t address, uint64_t size) {
	(void)context;
	CHECK(address + size > address);
	return address >= fake.ram_end;
}

static void fake_wait(void *context, uint32_t microseconds) {
	(void)context;
	fake.waited += microseconds;
}

static struct pci_note fake_note;

static const struct bus_ops fake_ops = {
	.read = fake_read,
	.write = fake_write,
	.memory_read = fake_memory_read,
	.memory_write = fake_memory_write,
	.usable = fake_usable,
	.wait = fake_wait,
};

/* --- building one --- */

static inline struct fake_function *fake_add(int parent, unsigned device, unsigned function,
					     uint32_t id, uint32_t class_code) {
	struct fake_function *f = &fake.function[fake.count++];

	CHECK(fake.count <= (int)FAKE_FUNCTIONS);
	*f = (struct fake_function){.parent = parent, .devfn = (uint8_t)(device << 3 | function)};
	fake_put(f, PCI_VENDOR, 4, id);
	fake_put(f, PCI_REVISION, 4, class_code << 8 | 3);
	fake_put(f, PCI_COMMAND, 2, 7);
	fake_allow(f, PCI_COMMAND, 2, 0x547);
	fake_allow(f, PCI_INTERRUPT_LINE, 1, 0xff);
	fake_put(f, PCI_INTERRUPT_LINE, 2, 0x010b);
	return f;
}

/* flags: the low bits of the register. */
static inline void fake_bar(struct fake_function *f, unsigned n, uint64_t size, uint64_t address,
			    uint32_t flags) {
	uint64_t mask = ~(size - 1);

	fake_put(f, PCI_BAR0 + n * 4, 4, (uint32_t)address | flags);
	fake_allow(f, PCI_BAR0 + n * 4, 4, (uint32_t)mask);
	if ((flags & 7) != 4) return;
	fake_put(f, PCI_BAR0 + n * 4 + 4, 4, (uint32_t)(address >> 32));
	fake_allow(f, PCI_BAR0 + n * 4 + 4, 4, (uint32_t)(mask >> 32));
}

static inline void fake_capability(struct fake_function *f, uint8_t id, uint8_t at) {
	f->config[at] = id;
	f->config[at + 1] = f->config[PCI_CAPABILITY_LIST];
	f->config[PCI_CAPABILITY_LIST] = at;
	f->config[PCI_STATUS] |= PCI_STATUS_CAPABILITIES;
}

static inline void fake_bridge_buses(struct fake_function *f, unsigned primary, unsigned secondary,
				     unsigned subordinate) {
	fake_put(f, 0x18, 4, primary | secondary << 8 | subordinate << 16);
}

static inline struct fake_function *fake_bridge(int parent, unsigned device) {
	struct fake_function *f = fake_add(parent, device, 0, 0x000c1b36, 0x060400);

	f->config[PCI_HEADER_TYPE] = 1;
	memset(f->writable + 0x18, 0xff, 3);
	fake_allow(f, 0x1c, 2, 0xf0f0);
	fake_allow(f, 0x20, 4, 0xfff0fff0);
	fake_allow(f, 0x24, 4, 0xfff0fff0);
	memset(f->writable + 0x28, 0xff, 10);
	fake_put(f, 0x20, 4, 0x0000fff0); /* closed: the base is above the limit */
	fake_put(f, 0x24, 4, 0x0000fff0);
	fake_put(f, 0x1c, 2, 0x00f0);
	return f;
}

#endif
