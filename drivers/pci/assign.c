/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Addresses for BARs that firmware left without one, or gave one that cannot be
 * used: beyond what the bridge passes on, or on top of another.
 *
 * Where may a BAR lie? That the machine's own tables say only in a language that
 * needs an interpreter, so it is concluded: behind a bridge, in its window; on
 * bus 0, between the lowest address that firmware gave out and the end of what
 * is for devices by convention (0xfec00000, where the interrupt controllers
 * begin; 0xffff for ports), and above 4 GiB as far as firmware went there itself,
 * plus as much again. `usable` then refuses what is RAM after all. A machine whose
 * firmware placed nothing leaves nothing to conclude from: such BARs stay
 * without, and their functions are PCI_F_BROKEN.
 *
 * Bridges without windows get them, from the bottom up in need and from the top
 * down in placing. Of BARs the largest is placed first, so none wastes space.
 */
#include "bus.h"

#define MEMORY_END  0xfec00000ULL
#define IO_FIRST    0x1000ULL
#define IO_END      0x10000ULL
#define FOUR_GIB    0x100000000ULL
#define WINDOW_UNIT 0x100000ULL
#define WINDOW_IO   0x1000ULL
#define NO_ADDRESS  UINT64_MAX

static bool inside(const struct bus_range *outer, uint64_t first, uint64_t size) {
	return outer->size && first >= outer->first && first - outer->first <= outer->size &&
	       size <= outer->size - (first - outer->first);
}

static bool overlap(uint64_t a, uint64_t a_size, uint64_t b, uint64_t b_size) {
	return a < b ? b - a < a_size : a - b < b_size;
}

static bool is_io(const struct pci_bar *bar) { return bar->flags & PCI_BAR_IO; }

static bool is_used(const struct pci_bar *bar) {
	return bar->flags & (PCI_BAR_IO | PCI_BAR_MEMORY) && bar->size;
}

static bool is_ancestor(const struct bus *bus, uint32_t bridge, uint8_t parent) {
	while (parent != BUS_NO_PARENT) {
		if (parent == bridge) return true;
		parent = bus->entry[parent].parent;
	}
	return false;
}

/*
 * The end of something that lies in [first, first + size), 0 if nothing does.
 * What is asked for would lie on the bus behind `parent`, and is not `self`.
 */
static uint64_t collision(const struct bus *bus, bool io, uint8_t parent,
			  const struct pci_bar *self, uint64_t first, uint64_t size) {
	for (uint32_t i = 0; i < bus->count; i++) {
		const struct bus_entry *e = &bus->entry[i];

		for (unsigned n = 0; n < PCI_BARS; n++) {
			const struct pci_bar *bar = &e->f.bar[n];

			if (bar != self && is_used(bar) && bar->address && is_io(bar) == io &&
			    overlap(first, size, bar->address, bar->size))
				return bar->address + bar->size;
		}
		for (unsigned w = 0; w < BUS_WINDOWS; w++) {
			const struct bus_range *window = &e->window[w];

			if (window->size && (w == BUS_WINDOW_IO) == io &&
			    !is_ancestor(bus, i, parent) &&
			    overlap(first, size, window->first, window->size))
				return window->first + window->size;
		}
	}
	return 0;
}

/* The first fit in a range; every step passes something that is in the way. */
static uint64_t fit(struct bus *bus, const struct bus_range *range, bool io, uint8_t parent,
		    uint64_t size, uint64_t align) {
	uint64_t at = range->first;

	for (uint32_t step = 0; range->size && step < BUS_MAX_ENTRIES * 16; step++) {
		uint64_t end;

		at = (at + align - 1) & ~(align - 1);
		if (!inside(range, at, size)) return NO_ADDRESS;
		end = collision(bus, io, parent, NULL, at, size);
		if (!end) {
			if (io || bus->ops.usable(bus->ops.context, at, size)) return at;
			end = at + size;
		}
		at = end;
	}
	return NO_ADDRESS;
}

/* On bus 0: what can be concluded from what lies there already. */
static struct bus_range root_range(const struct bus *bus, bool io, bool high) {
	uint64_t lowest = NO_ADDRESS, end = 0;

	for (uint32_t i = 0; i < bus->count; i++) {
		const struct bus_entry *e = &bus->entry[i];
		struct bus_range found[PCI_BARS + BUS_WINDOWS] = {0};

		if (e->parent != BUS_NO_PARENT) continue;
		for (unsigned n = 0; n < PCI_BARS; n++)
			if (is_used(&e->f.bar[n]) && is_io(&e->f.bar[n]) == io)
				found[n] =
					(struct bus_range){e->f.bar[n].address, e->f.bar[n].size};
		for (unsigned w = 0; w < BUS_WINDOWS; w++)
			if ((w == BUS_WINDOW_IO) == io) found[PCI_BARS + w] = e->window[w];
		for (unsigned n = 0; n < PCI_BARS + BUS_WINDOWS; n++) {
			uint64_t first = found[n].first;

			if (!first || !found[n].size || (first >= FOUR_GIB) != high) continue;
			if (first < lowest) lowest = first;
			if (first + found[n].size > end) end = first + found[n].size;
		}
	}
	if (lowest == NO_ADDRESS) return (struct bus_range){0};
	if (io) {
		lowest = lowest < IO_FIRST ? IO_FIRST : lowest;
		end = IO_END;
	} else if (high) {
		end += end - lowest;
	} else {
		end = MEMORY_END;
	}
	return (struct bus_range){lowest, lowest < end ? end - lowest : 0};
}

/* The ranges that a BAR (or a window) on the bus behind `parent` may lie in. */
static unsigned ranges(const struct bus *bus, uint8_t parent, uint32_t flags,
		       struct bus_range to[2]) {
	const struct bus_range *windows;
	bool wide = flags & PCI_BAR_64;

	if (flags & PCI_BAR_IO) {
		to[0] = parent == BUS_NO_PARENT ? root_range(bus, true, false)
						: bus->entry[parent].window[BUS_WINDOW_IO];
		return 1;
	}
	if (parent == BUS_NO_PARENT) {
		to[0] = root_range(bus, false, false);
		to[1] = root_range(bus, false, true);
		return wide ? 2 : 1;
	}
	windows = bus->entry[parent].window;
	to[0] = windows[BUS_WINDOW_MEMORY];
	to[1] = windows[BUS_WINDOW_PREFETCH];
	/* Only what may be prefetched may lie there, and only 64 bits reach it for sure. */
	if (!(flags & PCI_BAR_PREFETCH) || (!wide && to[1].first + to[1].size > FOUR_GIB)) return 1;
	return 2;
}

/* May stay where it is. */
static bool well_placed(const struct bus *bus, const struct bus_entry *e,
			const struct pci_bar *bar) {
	struct bus_range allowed[2];
	bool found = false;
	unsigned count;

	if (!bar->address || bar->address & (bar->size - 1) ||
	    collision(bus, is_io(bar), e->parent, bar, bar->address, bar->size))
		return false;
	if (e->parent == BUS_NO_PARENT) return true; /* firmware knew better than we do */
	count = ranges(bus, e->parent, bar->flags, allowed);
	for (unsigned i = 0; i < count; i++) found |= inside(&allowed[i], bar->address, bar->size);
	return found;
}

static void forget_misplaced(struct bus *bus) {
	for (uint32_t i = bus->count; i-- > 0;) {
		struct bus_entry *e = &bus->entry[i];

		if (e->adopted || (e->bridge && bus->in_use)) continue;
		for (unsigned n = 0; n < PCI_BARS; n++) {
			struct pci_bar *bar = &e->f.bar[n];

			if (is_used(bar) && !well_placed(bus, e, bar)) bar->address = 0;
		}
	}
}

/* What a bridge lacks, for the BARs right behind it and the windows of bridges there. */
struct need {
	uint64_t size, align;
};

static struct need need_of(const struct bus *bus, uint32_t bridge, bool io,
			   const struct need *needs) {
	uint64_t unit = io ? WINDOW_IO : WINDOW_UNIT;
	struct need need = {.align = unit};

	for (uint32_t i = bridge + 1; i < bus->count; i++) {
		const struct bus_entry *e = &bus->entry[i];

		if (e->parent != bridge) continue;
		need.size += needs[i].size;
		if (needs[i].align > need.align) need.align = needs[i].align;
		for (unsigned n = 0; n < PCI_BARS; n++) {
			const struct pci_bar *bar = &e->f.bar[n];

			if (!is_used(bar) || bar->address || is_io(bar) != io || bar->size >> 32)
				continue;
			need.size += bar->size;
			if (bar->size > need.align) need.align = bar->size;
		}
	}
	need.size = need.size ? (need.size + need.align - 1) & ~(need.align - 1) : 0;
	return need;
}

static void write_window(struct bus *bus, const struct bus_entry *e, bool io) {
	const struct bus_range *w = &e->window[io ? BUS_WINDOW_IO : BUS_WINDOW_MEMORY];
	uint64_t last = w->first + w->size - 1;

	if (io) {
		bus_write(bus, e->f.source, 0x1c, 2, (w->first >> 8 & 0xf0) | (last & 0xf000));
		bus_write(bus, e->f.source, 0x30, 4, 0);
	} else {
		bus_write(bus, e->f.source, 0x20, 4,
			  (uint32_t)((w->first >> 16 & 0xfff0) | (last & 0xfff00000)));
	}
}

/* Windows for bridges that have none and need one. Parents come before children. */
static void open_windows(struct bus *bus, bool io) {
	static struct need needs[BUS_MAX_ENTRIES];
	unsigned kind = io ? BUS_WINDOW_IO : BUS_WINDOW_MEMORY;

	for (uint32_t i = bus->count; i-- > 0;) {
		const struct bus_entry *e = &bus->entry[i];
		bool lacks = e->bridge && !e->window[kind].size && e->secondary;

		needs[i] = lacks ? need_of(bus, i, io, needs) : (struct need){0};
	}
	for (uint32_t i = 0; i < bus->count; i++) {
		struct bus_entry *e = &bus->entry[i];
		struct bus_range allowed[2];
		uint64_t at;

		if (!needs[i].size || needs[i].size >> 32) continue;
		ranges(bus, e->parent, io ? PCI_BAR_IO : PCI_BAR_MEMORY, allowed);
		at = fit(bus, &allowed[0], io, e->parent, needs[i].size, needs[i].align);
		if (at == NO_ADDRESS) continue;
		e->window[kind] = (struct bus_range){at, needs[i].size};
		write_window(bus, e, io);
	}
}

static struct pci_bar *largest_unplaced(struct bus *bus, struct bus_entry **entry) {
	struct pci_bar *best = NULL;

	for (uint32_t i = 0; i < bus->count; i++) {
		struct bus_entry *e = &bus->entry[i];

		if (e->f.flags & PCI_F_BROKEN) continue;
		for (unsigned n = 0; n < PCI_BARS; n++) {
			struct pci_bar *bar = &e->f.bar[n];

			if (!is_used(bar) || bar->address || (best && bar->size <= best->size))
				continue;
			best = bar;
			*entry = e;
		}
	}
	return best;
}

static void place(struct bus *bus, struct bus_entry *e, struct pci_bar *bar) {
	struct bus_range allowed[2];
	unsigned count = ranges(bus, e->parent, bar->flags, allowed);

	for (unsigned i = 0; i < count; i++) {
		uint64_t at = fit(bus, &allowed[i], is_io(bar), e->parent, bar->size, bar->size);

		if (at == NO_ADDRESS) continue;
		bar->address = at;
		bus_write_bar(bus, e, (unsigned)(bar - e->f.bar));
		bus->placed++;
		return;
	}
	e->f.flags |= PCI_F_BROKEN;
	bus->broken++;
}

/* The copy of the configuration shows BARs as they are now. */
static void show_bars(struct bus_entry *e) {
	for (unsigned n = 0; n < e->bars; n++) {
		const struct pci_bar *bar = &e->f.bar[n];
		unsigned bytes = bar->flags & PCI_BAR_64 ? 8 : 4;
		uint32_t low = pci_config32(e->f.config, PCI_BAR0 + n * 4);

		if (!is_used(bar) || n * 4 + bytes > e->bars * 4U) continue;
		for (unsigned i = 0; i < bytes; i++)
			e->f.config[PCI_BAR0 + n * 4 + i] = (uint8_t)(bar->address >> i * 8);
		e->f.config[PCI_BAR0 + n * 4] |= low & (is_io(bar) ? 3 : 0xf);
	}
}

void bus_assign(struct bus *bus) {
	struct bus_entry *e = NULL;
	struct pci_bar *bar;

	forget_misplaced(bus);
	open_windows(bus, false);
	open_windows(bus, true);
	while ((bar = largest_unplaced(bus, &e))) place(bus, e, bar);
	for (uint32_t i = 0; i < bus->count; i++) show_bars(&bus->entry[i]);
}
