/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the bus domain knows of the bus, and what it does to it, apart from the
 * machine: everything goes through struct bus_ops, so that host tests run it on
 * configuration spaces of their own.
 *
 *   enumerate.c   finds functions, numbers bridges, sizes BARs, reads capabilities
 *   assign.c      gives addresses to BARs that have none or a wrong one
 *   reset.c       resets a function by the best way that it has
 *   prepare.c     PREPARE and QUIESCE of proto/pci.h
 *
 * Nothing a device says is believed: loops are bounded by our own numbers, sizes
 * are checked, and a function that makes no sense is PCI_F_BROKEN, which costs
 * its driver the device and nobody else anything.
 */
#ifndef DRIVERS_PCI_BUS_H
#define DRIVERS_PCI_BUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "libs/pci/config.h"
#include "proto/pci.h"

#define BUS_MAX_ENTRIES (PCI_MAX_FUNCTIONS + 32U) /* functions and bridges */
#define BUS_NO_PARENT   0xffU                     /* on bus 0 */
#define BUS_MAX_DEPTH   8U                        /* bridges behind bridges */

struct bus_ops {
	void *context;
	/* Configuration space; width is 1, 2 or 4 and `at` a multiple of it. */
	uint32_t (*read)(void *context, uint32_t source, uint32_t at, unsigned width);
	void (*write)(void *context, uint32_t source, uint32_t at, unsigned width, uint32_t value);
	/* Device memory, 32 or 8 bits at a time. */
	uint32_t (*memory_read)(void *context, uint64_t address, unsigned width);
	void (*memory_write)(void *context, uint64_t address, unsigned width, uint32_t value);
	/* False: something that is no device memory lies there. */
	bool (*usable)(void *context, uint64_t address, uint64_t size);
	void (*wait)(void *context, uint32_t microseconds);
};

/* What a bridge passes on; size 0: nothing. */
#define BUS_WINDOW_MEMORY   0U
#define BUS_WINDOW_PREFETCH 1U
#define BUS_WINDOW_IO       2U
#define BUS_WINDOWS         3U

struct bus_range {
	uint64_t first, size;
};

struct bus_entry {
	struct pci_function f;
	bool bridge;
	uint8_t bars;   /* 6, or 2 of a bridge */
	uint8_t parent; /* index of the bridge that it lies behind, BUS_NO_PARENT */
	bool clean;     /* reset, and not used since */
	bool adopted;   /* ACTIVE since before this incarnation: hands off */
	uint8_t secondary, subordinate;
	uint8_t depth;
	bool conventional; /* it is, or lies behind, a bridge that puts its own address on things */
	struct bus_range window[BUS_WINDOWS];
};

struct bus {
	struct bus_ops ops;
	volatile struct pci_note *note; /* outlives this incarnation */
	uint32_t count;
	uint32_t left_out;  /* functions there was no entry for */
	uint32_t broken;    /* functions that make no sense */
	uint32_t placed;    /* BARs that were given an address */
	uint32_t numbered;  /* bridges that were given bus numbers */
	bool in_use;        /* something was adopted: bridges are left alone */
	uint8_t owner[256]; /* bus number -> entry of the bridge + 1 that passes it on; 0 none */
	struct bus_entry entry[BUS_MAX_ENTRIES];
};

/*
 * Fills in the bus; ops and note are set. old: the table of a predecessor (count entries, any
 * content); its ACTIVE functions that are still what they were are adopted untouched, and
 * others get back the addresses that they had and lost.
 */
void bus_enumerate(struct bus *bus, const struct pci_function *old, uint32_t old_count);
/* Places what has no address; the BARs' registers are written. */
void bus_assign(struct bus *bus);
/* Copies the functions that a driver may have, by source; how many. */
uint32_t bus_export(const struct bus *bus, struct pci_function *to, uint32_t max);
/* NULL: there is none. */
struct bus_entry *bus_find(struct bus *bus, uint32_t source);

/*
 * 0 or -errno; the command has been copied out of shared memory. -XEN_ETIMEDOUT: the
 * function's reset does not come to its end.
 */
int bus_prepare(struct bus *bus, struct bus_entry *entry, const struct pci_command *command);
int bus_quiesce(struct bus *bus, struct bus_entry *entry);

/*
 * reset.c. Decoding and bus master are off before and after; BARs are lost. 0;
 * -XEN_EOPNOTSUPP: it has no reset; -XEN_ETIMEDOUT: it has, and no end of it is seen.
 */
int bus_reset(struct bus *bus, struct bus_entry *entry);
/* Back to full power. */
void bus_power_on(struct bus *bus, struct bus_entry *entry);
/* prepare.c: writes what a reset forgot. */
void bus_restore(struct bus *bus, const struct bus_entry *entry);
void bus_write_bar(struct bus *bus, const struct bus_entry *entry, unsigned bar);
/* From here on until bus_written() a successor would write this value: 4 or 8 bytes. */
void bus_note(struct bus *bus, uint32_t source, uint32_t at, uint64_t value, unsigned bytes);
void bus_written(struct bus *bus);

static inline uint32_t bus_read(struct bus *bus, uint32_t source, uint32_t at, unsigned width) {
	return bus->ops.read(bus->ops.context, source, at, width);
}

static inline void bus_write(struct bus *bus, uint32_t source, uint32_t at, unsigned width,
			     uint32_t value) {
	bus->ops.write(bus->ops.context, source, at, width, value);
}

#endif
