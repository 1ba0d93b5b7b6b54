/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Finding what is there. Bus 0 is scanned, then what lies behind its bridges:
 * first behind those that firmware numbered in a way that makes sense, then the
 * others get numbers that are left. `owner` says for every bus number which
 * bridge passes it on, so two bridges never claim one number, and a bus is
 * scanned once.
 *
 * A BAR is sized by writing ones with decoding off. For a function that a driver
 * has at this moment (adopted from the predecessor's table) that would be fatal,
 * so what the table says is taken, if the registers still agree with it.
 *
 * Who dies while a BAR is all ones, or half written, has noted what it should say; who
 * dies between a reset and what restores the BARs has left their addresses in the table.
 */
#include "bus.h"

#define HEADER_NORMAL      0U
#define HEADER_BRIDGE      1U
#define HEADER_MULTI       0x80U
#define CLASS_BRIDGES      0x06U
#define BRIDGE_BUSES       0x18U /* primary, secondary, subordinate, latency */
#define EXPRESS_ROOT_PORT  4U
#define EXPRESS_DOWNSTREAM 6U
#define SPARE_BUSES        3U /* behind a bridge that we number, for bridges behind it */
#define BAR_IO             1U
#define BAR_TYPE(value)    ((value) >> 1 & 3)
#define BAR_PREFETCH       8U
/* A bridge's BAR of unknown size, while the bridge is in use, counts as this. */
#define UNKNOWN_SIZE       0x100000U

static void read_config(struct bus *bus, struct bus_entry *e) {
	for (uint32_t at = 0; at < PCI_CONFIG_SIZE; at += 4) {
		uint32_t value = bus_read(bus, e->f.source, at, 4);

		for (unsigned i = 0; i < 4; i++) e->f.config[at + i] = (uint8_t)(value >> i * 8);
	}
}

/* What a predecessor died over. The note is input: only BARs are written. */
static void finish_note(struct bus *bus) {
	const struct pci_note note = *bus->note;
	uint32_t header = bus_read(bus, note.source & 0xffff, PCI_HEADER_TYPE, 1) & ~HEADER_MULTI;
	uint32_t bars = header == HEADER_NORMAL ? PCI_BARS : header == HEADER_BRIDGE ? 2 : 0;
	uint32_t end = PCI_BAR0 + bars * 4;

	if (note.at >= PCI_BAR0 && note.at % 4 == 0 && note.at < end) {
		bus_write(bus, note.source & 0xffff, note.at, 4, (uint32_t)note.value);
		if (note.bytes == 8 && note.at + 4U < end)
			bus_write(bus, note.source & 0xffff, note.at + 4U, 4,
				  (uint32_t)(note.value >> 32));
	}
	bus_written(bus);
}

/* Writes ones to one BAR register and reads what sticks. */
static uint32_t probe(struct bus *bus, uint32_t source, unsigned bar, uint32_t *old) {
	uint32_t at = PCI_BAR0 + bar * 4, mask;

	*old = bus_read(bus, source, at, 4);
	bus_note(bus, source, at, *old, 4);
	bus_write(bus, source, at, 4, UINT32_MAX);
	mask = bus_read(bus, source, at, 4);
	bus_write(bus, source, at, 4, *old);
	bus_written(bus);
	return mask;
}

static void break_entry(struct bus *bus, struct bus_entry *e) {
	if (!(e->f.flags & PCI_F_BROKEN)) bus->broken++;
	e->f.flags |= PCI_F_BROKEN;
}

/* The size that a mask means; 0: it is none. */
static uint64_t mask_size(uint64_t mask, uint64_t all) {
	uint64_t size = mask & -mask;

	return mask == (all & ~(size - 1)) ? size : 0;
}

/* One BAR; true: it is 64 bits wide. */
static bool size_bar(struct bus *bus, struct bus_entry *e, unsigned n) {
	struct pci_bar *bar = &e->f.bar[n];
	uint32_t old, mask = probe(bus, e->f.source, n, &old), old_high;
	uint64_t wide;

	if (mask & BAR_IO) {
		if (!(mask & 0xfffc)) return false;
		bar->size = mask_size(mask & 0xfffc, 0xfffc);
		bar->address = old & 0xfffc;
		bar->flags = PCI_BAR_IO;
		if (!bar->size) break_entry(bus, e);
		return false;
	}
	if (!(mask & ~0xfU) && BAR_TYPE(mask) != 2) return false;
	bar->flags = PCI_BAR_MEMORY | (mask & BAR_PREFETCH ? PCI_BAR_PREFETCH : 0);
	if (BAR_TYPE(mask) != 2) {
		bar->size = mask_size(mask & ~0xfU, UINT32_MAX);
		bar->address = old & ~0xfU;
		if (!bar->size || BAR_TYPE(mask) == 3) break_entry(bus, e);
		return false;
	}
	if (n + 1 >= e->bars) {
		break_entry(bus, e);
		return false;
	}
	wide = probe(bus, e->f.source, n + 1, &old_high);
	bar->flags |= PCI_BAR_64;
	bar->size = mask_size(wide << 32 | (mask & ~0xfU), UINT64_MAX);
	bar->address = (uint64_t)old_high << 32 | (old & ~0xfU);
	if (!bar->size || bar->size >> 46) break_entry(bus, e);
	return true;
}

static void size_bars(struct bus *bus, struct bus_entry *e) {
	uint32_t command = bus_read(bus, e->f.source, PCI_COMMAND, 2);
	uint32_t decode = PCI_COMMAND_IO | PCI_COMMAND_MEMORY;

	/* Firmware is gone: nothing does DMA that no driver has asked for. */
	if (!e->bridge) command &= ~PCI_COMMAND_MASTER;
	bus_write(bus, e->f.source, PCI_COMMAND, 2, command & ~decode);
	for (unsigned n = 0; n < e->bars; n++)
		if (size_bar(bus, e, n)) n++;
	bus_write(bus, e->f.source, PCI_COMMAND, 2, command);
}

/* The addresses alone, from the registers, decoding untouched. */
static void guess_bridge_bars(struct bus_entry *e) {
	for (unsigned n = 0; n < e->bars; n++) {
		uint32_t value = pci_config32(e->f.config, PCI_BAR0 + n * 4);
		struct pci_bar *bar = &e->f.bar[n];

		if (!value || value & BAR_IO) continue;
		*bar = (struct pci_bar){
			.address = value & ~(UNKNOWN_SIZE - 1),
			.size = UNKNOWN_SIZE,
			.flags = PCI_BAR_MEMORY,
		};
		if (BAR_TYPE(value) != 2 || n + 1 >= e->bars) continue;
		bar->flags |= PCI_BAR_64;
		bar->address |= (uint64_t)pci_config32(e->f.config, PCI_BAR0 + n * 4 + 4) << 32;
		n++;
	}
}

static void read_msix(struct bus_entry *e) {
	struct pci_function *f = &e->f;
	uint8_t at = pci_capability(f->config, PCI_CAP_MSIX, 0, 12);
	uint32_t table, count, bar;

	if (!at) return;
	count = (pci_config16(f->config, at + 2U) & 0x7ffU) + 1;
	table = pci_config32(f->config, at + 4U);
	bar = table & 7;
	table &= ~7U;
	if (bar >= e->bars || !(f->bar[bar].flags & PCI_BAR_MEMORY) || table > f->bar[bar].size ||
	    count * 16 > f->bar[bar].size - table)
		return;
	f->flags |= PCI_F_MSIX;
	f->msix_count = (uint16_t)count;
	f->msix_bar = bar;
	f->msix_offset = table;
}

static void read_capabilities(struct bus_entry *e) {
	struct pci_function *f = &e->f;
	uint8_t at = pci_capability(f->config, PCI_CAP_MSI, 0, 14);

	if (at) {
		uint32_t log = pci_config16(f->config, at + 2U) >> 1 & 7;

		f->flags |= PCI_F_MSI;
		f->msi_count = (uint16_t)(1U << (log > 5 ? 0 : log));
	}
	at = pci_capability(f->config, PCI_CAP_EXPRESS, 0, 12);
	if (at) {
		f->flags |= PCI_F_EXPRESS;
		if (pci_config32(f->config, at + 4U) & 1U << 28) f->flags |= PCI_F_FLR;
	}
	at = pci_capability(f->config, PCI_CAP_AF, 0, 6);
	if (at && (f->config[at + 3] & 3) == 3) f->flags |= PCI_F_FLR;
	if (pci_capability(f->config, PCI_CAP_PM, 0, 8)) f->flags |= PCI_F_PM;
	read_msix(e);
}

/* What the predecessor found out about a BAR agrees with the registers. */
static bool same_bar(const struct pci_function *f, const struct pci_function *o, unsigned n) {
	const struct pci_bar *bar = &o->bar[n];
	uint64_t value = pci_config32(f->config, PCI_BAR0 + n * 4);

	if (!(bar->flags & (PCI_BAR_MEMORY | PCI_BAR_IO))) return true;
	value &= bar->flags & PCI_BAR_IO ? ~3ULL : ~0xfULL;
	if (bar->flags & PCI_BAR_64)
		value |= (uint64_t)pci_config32(f->config, PCI_BAR0 + n * 4 + 4) << 32;
	return value == bar->address && bar->size && !(bar->size & (bar->size - 1)) &&
	       !(bar->size >> 46) && !(bar->address & (bar->size - 1));
}

/* The predecessor's entry of a function. */
static const struct pci_function *find_old(const struct pci_function *f,
					   const struct pci_function *old, uint32_t count) {
	for (uint32_t i = 0; i < count; i++)
		if (old[i].source == f->source && old[i].vendor == f->vendor &&
		    old[i].device == f->device)
			return &old[i];
	return NULL;
}

/* It is in use and has not changed. */
static bool is_in_use(const struct pci_function *f, const struct pci_function *old) {
	bool same = old && old->state == PCI_STATE_ACTIVE;

	for (unsigned n = 0; n < PCI_BARS; n++) same = same && same_bar(f, old, n);
	return same;
}

/* The table is input, too. */
static bool may_lie_at(struct bus *bus, const struct pci_bar *bar, uint64_t address) {
	uint64_t end = bar->flags & PCI_BAR_IO   ? 1ULL << 16
		       : bar->flags & PCI_BAR_64 ? 1ULL << 46
						 : 1ULL << 32;

	return address < end &&
	       (bar->flags & PCI_BAR_IO || bus->ops.usable(bus->ops.context, address, bar->size));
}

/* BARs that lost their addresses in a reset get them back. */
static void keep_addresses(struct bus *bus, struct bus_entry *e, const struct pci_function *old) {
	for (unsigned n = 0; n < PCI_BARS; n++) {
		const struct pci_bar *was = &old->bar[n];
		struct pci_bar *bar = &e->f.bar[n];

		if (bar->address || !bar->size || was->size != bar->size ||
		    was->flags != bar->flags || !may_lie_at(bus, bar, was->address))
			continue;
		bar->address = was->address;
		bus_write_bar(bus, e, n);
	}
}

static uint64_t window(uint64_t base, uint64_t limit, uint64_t unit, uint64_t *size) {
	*size = base <= limit ? limit - base + unit : 0;
	return base;
}

static void read_windows(struct bus_entry *e) {
	const uint8_t *c = e->f.config;
	struct bus_range *memory = &e->window[BUS_WINDOW_MEMORY];
	struct bus_range *prefetch = &e->window[BUS_WINDOW_PREFETCH];
	struct bus_range *io = &e->window[BUS_WINDOW_IO];
	uint64_t base = pci_config16(c, 0x24), limit = pci_config16(c, 0x26);
	bool wide = (base & 0xf) == 1;

	memory->first = window((pci_config16(c, 0x20) & 0xfff0ULL) << 16,
			       (pci_config16(c, 0x22) & 0xfff0ULL) << 16, 0x100000, &memory->size);
	base = (base & 0xfff0) << 16 | (wide ? (uint64_t)pci_config32(c, 0x28) << 32 : 0);
	limit = (limit & 0xfff0) << 16 | (wide ? (uint64_t)pci_config32(c, 0x2c) << 32 : 0);
	prefetch->first = window(base, limit, 0x100000, &prefetch->size);
	io->first = window((c[0x1c] & 0xf0ULL) << 8, (c[0x1d] & 0xf0ULL) << 8, 0x1000, &io->size);
	/* Firmware says "none" in many ways; nothing is passed on at address 0. */
	for (unsigned i = 0; i < BUS_WINDOWS; i++)
		if (!e->window[i].first) e->window[i].size = 0;
}

/* PCI Express Base 3.0, 7.8.2: root, upstream and downstream ports leave addresses alone. */
static bool is_conventional(const struct bus_entry *e) {
	uint8_t at = pci_capability(e->f.config, PCI_CAP_EXPRESS, 0, 4);
	uint32_t type = at ? pci_config16(e->f.config, at + 2U) >> 4 & 0xf : 0;

	return type < EXPRESS_ROOT_PORT || type > EXPRESS_DOWNSTREAM;
}

static void fill_entry(struct bus *bus, struct bus_entry *e, const struct pci_function *old,
		       uint32_t old_count) {
	struct pci_function *f = &e->f;
	const struct pci_function *was;

	read_config(bus, e);
	f->vendor = pci_config16(f->config, PCI_VENDOR);
	f->device = pci_config16(f->config, PCI_DEVICE);
	f->revision = f->config[PCI_REVISION];
	f->class_code = pci_config32(f->config, PCI_REVISION) >> 8;
	f->line = 0xff;
	if (e->bridge) {
		if (bus->in_use)
			guess_bridge_bars(e);
		else
			size_bars(bus, e);
		read_windows(e);
		e->conventional |= is_conventional(e);
		return;
	}
	f->subsystem_vendor = pci_config16(f->config, PCI_SUBSYSTEM_VENDOR);
	f->subsystem = pci_config16(f->config, PCI_SUBSYSTEM);
	if (f->config[PCI_INTERRUPT_PIN]) f->line = f->config[PCI_INTERRUPT_LINE];
	was = find_old(f, old, old_count);
	if (is_in_use(f, was)) {
		for (unsigned n = 0; n < PCI_BARS; n++) f->bar[n] = was->bar[n];
		f->state = PCI_STATE_ACTIVE;
		e->adopted = true;
	} else {
		size_bars(bus, e);
		if (was) keep_addresses(bus, e, was);
	}
	read_capabilities(e);
	if (e->conventional) f->flags |= PCI_F_SHARED;
}

/* True: function 0 says that there are more. */
static bool scan_function(struct bus *bus, uint32_t source, uint8_t parent, uint8_t depth,
			  const struct pci_function *old, uint32_t old_count) {
	uint32_t vendor = bus_read(bus, source, PCI_VENDOR, 2), header;
	struct bus_entry *e;
	bool bridge;

	if (vendor == 0xffff || !vendor) return false;
	header = bus_read(bus, source, PCI_HEADER_TYPE, 1);
	bridge = (header & ~HEADER_MULTI) == HEADER_BRIDGE;
	/* Host and ISA bridges belong to the machine: no driver has them, and their
	   decoding is never turned off. */
	if (!bridge && ((header & ~HEADER_MULTI) != HEADER_NORMAL ||
			bus_read(bus, source, PCI_REVISION + 3, 1) == CLASS_BRIDGES))
		return header & HEADER_MULTI;
	if (bus->count == BUS_MAX_ENTRIES) {
		bus->left_out++;
		return header & HEADER_MULTI;
	}
	e = &bus->entry[bus->count++];
	*e = (struct bus_entry){
		.bridge = bridge,
		.bars = bridge ? 2 : PCI_BARS,
		.parent = parent,
		.depth = depth,
		.conventional = parent != BUS_NO_PARENT && bus->entry[parent].conventional,
	};
	e->f.source = source;
	fill_entry(bus, e, old, old_count);
	return header & HEADER_MULTI;
}

static bool owned_by(const struct bus *bus, uint32_t first, uint32_t last, uint8_t owner) {
	for (uint32_t n = first; n <= last; n++)
		if (bus->owner[n] != owner) return false;
	return true;
}

/* Takes the numbers for the bridge if all of them are its parent's to give. */
static bool take_buses(struct bus *bus, uint32_t index, uint32_t number, uint32_t first,
		       uint32_t last) {
	struct bus_entry *e = &bus->entry[index];

	if (first <= number || last < first || last > 255 ||
	    !owned_by(bus, first, last, bus->owner[number]))
		return false;
	for (uint32_t n = first; n <= last; n++) bus->owner[n] = (uint8_t)(index + 1);
	e->secondary = (uint8_t)first;
	e->subordinate = (uint8_t)last;
	return true;
}

/* Numbers a bridge on bus `number` from what is left. */
static bool number_bridge(struct bus *bus, uint32_t index, uint32_t number) {
	struct bus_entry *e = &bus->entry[index];
	uint32_t first = number + 1, last;

	while (first < 256 && bus->owner[first] != bus->owner[number]) first++;
	if (first == 256) return false;
	last = first;
	while (last < 255 && last - first < SPARE_BUSES &&
	       bus->owner[last + 1] == bus->owner[number])
		last++;
	if (!take_buses(bus, index, number, first, last)) return false;
	bus_write(bus, e->f.source, BRIDGE_BUSES, 1, number);
	bus_write(bus, e->f.source, BRIDGE_BUSES + 1, 1, first);
	bus_write(bus, e->f.source, BRIDGE_BUSES + 2, 1, last);
	bus->numbered++;
	return true;
}

static void scan_bus(struct bus *bus, uint32_t number, uint8_t parent, uint8_t depth,
		     const struct pci_function *old, uint32_t old_count) {
	uint32_t first = bus->count, end;

	for (uint32_t device = 0; device < 32; device++) {
		uint32_t source = number << 8 | device << 3;

		if (!scan_function(bus, source, parent, depth, old, old_count)) continue;
		for (uint32_t function = 1; function < 8; function++)
			scan_function(bus, source | function, parent, depth, old, old_count);
	}
	end = bus->count;
	for (uint32_t i = first; i < end; i++) {
		struct bus_entry *e = &bus->entry[i];

		if (e->bridge && e->f.config[BRIDGE_BUSES] == number)
			take_buses(bus, i, number, e->f.config[BRIDGE_BUSES + 1],
				   e->f.config[BRIDGE_BUSES + 2]);
	}
	for (uint32_t i = first; i < end; i++) {
		struct bus_entry *e = &bus->entry[i];

		if (!e->bridge) continue;
		if (depth == BUS_MAX_DEPTH || (!e->secondary && !number_bridge(bus, i, number)))
			break_entry(bus, e);
		else
			scan_bus(bus, e->secondary, (uint8_t)i, depth + 1, old, old_count);
	}
}

void bus_enumerate(struct bus *bus, const struct pci_function *old, uint32_t old_count) {
	struct bus_ops ops = bus->ops;
	volatile struct pci_note *note = bus->note;

	*bus = (struct bus){.ops = ops, .note = note};
	finish_note(bus);
	for (uint32_t i = 0; i < old_count; i++) bus->in_use |= old[i].state == PCI_STATE_ACTIVE;
	scan_bus(bus, 0, BUS_NO_PARENT, 0, old, old_count);
}

struct bus_entry *bus_find(struct bus *bus, uint32_t source) {
	for (uint32_t i = 0; i < bus->count; i++)
		if (bus->entry[i].f.source == source && !bus->entry[i].bridge)
			return &bus->entry[i];
	return NULL;
}

uint32_t bus_export(const struct bus *bus, struct pci_function *to, uint32_t max) {
	uint32_t count = 0;

	for (uint32_t i = 0; i < bus->count && count < max; i++) {
		const struct pci_function *f = &bus->entry[i].f;
		uint32_t at = count;

		if (bus->entry[i].bridge) continue;
		for (; at && to[at - 1].source > f->source; at--) to[at] = to[at - 1];
		to[at] = *f;
		count++;
	}
	return count;
}
