/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Making a function forget what it was doing. In this order, the first that it
 * has:
 *
 *   1. function-level reset, by PCI Express (Base 3.0, 6.6.2) or Advanced Features
 *   2. the reset that the standard of its class defines (virtio, AHCI, NVMe), or its
 *      datasheet (82574): it also ends requests that a device goes on with when bus
 *      master is off
 *   3. D3hot and back to D0, unless it says that this keeps its state
 *
 * A function with none of them has bus master off, and nothing more can be done. One
 * that has a reset which does not come to its end is another matter: what it still does
 * nobody knows, so it is not handed to a driver, and the memory that it could reach is
 * not reused without an IOMMU in between (prepare.c).
 *
 * A function-level reset may take up to 100 ms, and many are done in microseconds.
 * The end is seen, not waited for: a function in reset does not answer, or has a
 * command register that does not keep a bit; after the reset it does.
 */
#include "bus.h"

#include "proto/xen/errno.h"

#define FLR_LIMIT_US      100000U
#define STEP_US           100U
#define D3_US             10000U
#define CLASS_RESET_STEPS 5000U /* of STEP_US: half of what root waits for an answer */

#define EXPRESS_CONTROL 8U
#define EXPRESS_STATUS  10U
#define EXPRESS_FLR     (1U << 15)
#define EXPRESS_PENDING (1U << 5)
#define PM_CONTROL      4U
#define PM_STATE        3U
#define PM_KEEPS_STATE  (1U << 3)

#define VENDOR_VIRTIO 0x1af4U
#define VIRTIO_FIRST  0x1000U
#define VIRTIO_LAST   0x107fU
#define VIRTIO_COMMON 1U
#define VIRTIO_STATUS 20U
#define CLASS_AHCI    0x010601U
#define CLASS_NVME    0x010802U
#define VENDOR_INTEL  0x8086U
#define INTEL_82540   0x100eU
#define INTEL_82574   0x10d3U

static void wait(struct bus *bus, uint32_t us) { bus->ops.wait(bus->ops.context, us); }

/* The function answers, and keeps what is written: its reset is over. */
static bool answers(struct bus *bus, uint32_t source) {
	uint32_t vendor = bus_read(bus, source, PCI_VENDOR, 2);
	bool kept;

	if (vendor == 0xffff || vendor <= 1) return false;
	bus_write(bus, source, PCI_COMMAND, 2, PCI_COMMAND_NO_INTX);
	kept = bus_read(bus, source, PCI_COMMAND, 2) & PCI_COMMAND_NO_INTX;
	bus_write(bus, source, PCI_COMMAND, 2, 0);
	/* PCI 2.2 and older have no such bit: what counts is that the register is at rest */
	return kept || !bus_read(bus, source, PCI_COMMAND, 2);
}

static void wait_for_pending(struct bus *bus, uint32_t source, uint32_t at, unsigned width,
			     uint32_t bit) {
	for (uint32_t us = 0; us < FLR_LIMIT_US; us += STEP_US) {
		if (!(bus_read(bus, source, at, width) & bit)) return;
		wait(bus, STEP_US);
	}
}

static int wait_for_answer(struct bus *bus, uint32_t source) {
	for (uint32_t us = 0; us < FLR_LIMIT_US; us += STEP_US) {
		wait(bus, STEP_US);
		if (answers(bus, source)) return 0;
	}
	return -XEN_ETIMEDOUT;
}

/* These three: 0; -XEN_EOPNOTSUPP: it has no such reset; -XEN_ETIMEDOUT: no end of it is seen. */
static int function_level_reset(struct bus *bus, struct bus_entry *e) {
	uint32_t source = e->f.source, control;
	uint8_t at = pci_capability(e->f.config, PCI_CAP_EXPRESS, 0, 12);
	int status;

	if (!(e->f.flags & PCI_F_FLR)) return -XEN_EOPNOTSUPP;
	if (at && pci_config32(e->f.config, at + 4U) & 1U << 28) {
		control = bus_read(bus, source, at + EXPRESS_CONTROL, 2) & ~EXPRESS_FLR;
		wait_for_pending(bus, source, at + EXPRESS_STATUS, 2, EXPRESS_PENDING);
		bus_write(bus, source, at + EXPRESS_CONTROL, 2, control | EXPRESS_FLR);
		status = wait_for_answer(bus, source);
		bus_write(bus, source, at + EXPRESS_CONTROL, 2, control);
		return status;
	}
	at = pci_capability(e->f.config, PCI_CAP_AF, 0, 6);
	if (!at) return -XEN_EOPNOTSUPP;
	wait_for_pending(bus, source, at + 5U, 1, 1);
	bus_write(bus, source, at + 4U, 1, 1);
	return wait_for_answer(bus, source);
}

/* Writes a register of a BAR and waits until `mask` reads as `done`. */
static int class_write(struct bus *bus, struct bus_entry *e, unsigned bar, uint64_t offset,
		       unsigned width, uint32_t value, uint64_t status, uint32_t mask,
		       uint32_t done) {
	const struct pci_bar *b = &e->f.bar[bar < PCI_BARS ? bar : 0];
	struct bus_ops *ops = &bus->ops;
	bool reached = false;

	if (bar >= PCI_BARS || !(b->flags & PCI_BAR_MEMORY) || !b->address ||
	    offset > b->size - 4 || status > b->size - 4)
		return -XEN_EOPNOTSUPP;
	bus_write(bus, e->f.source, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_NO_INTX);
	ops->memory_write(ops->context, b->address + offset, width, value);
	for (uint32_t step = 0; step < CLASS_RESET_STEPS && !reached; step++) {
		uint32_t now = ops->memory_read(ops->context, b->address + status, width);

		reached = (now & mask) == done;
		if (!reached) wait(bus, STEP_US);
	}
	bus_write(bus, e->f.source, PCI_COMMAND, 2, PCI_COMMAND_NO_INTX);
	return reached ? 0 : -XEN_ETIMEDOUT;
}

/* Virtio 1.1, 4.1.4.3: zero to the status, which reads zero when the reset is done. */
static int reset_virtio(struct bus *bus, struct bus_entry *e) {
	const uint8_t *c = e->f.config;
	uint8_t at = 0;

	while ((at = pci_capability(c, PCI_CAP_VENDOR, at, 16))) {
		uint64_t offset = (uint64_t)pci_config32(c, at + 8U) + VIRTIO_STATUS;

		if (c[at + 3] == VIRTIO_COMMON)
			return class_write(bus, e, c[at + 4], offset, 1, 0, offset, 0xff, 0);
	}
	return -XEN_EOPNOTSUPP;
}

/*
 * 82574 datasheet, 10.2.5.1: receiving off, since not all of them forget that; CTRL.RST.
 * The 82540 has the same registers.
 */
static int reset_82574(struct bus *bus, struct bus_entry *e) {
	int status = class_write(bus, e, 0, 0x100, 4, 0, 0x100, 2, 0);

	return status ? status : class_write(bus, e, 0, 0, 4, 1U << 26, 0, 1U << 26, 0);
}

static int class_reset(struct bus *bus, struct bus_entry *e) {
	const struct pci_function *f = &e->f;

	if (f->vendor == VENDOR_VIRTIO && f->device >= VIRTIO_FIRST && f->device <= VIRTIO_LAST)
		return reset_virtio(bus, e);
	/* AHCI 1.3.1, 10.4.3: GHC.HR clears itself. NVMe 1.4, 3.1.5: CC.EN, then CSTS.RDY. */
	if (f->class_code == CLASS_AHCI) return class_write(bus, e, 5, 4, 4, 1, 4, 1, 0);
	if (f->class_code == CLASS_NVME) return class_write(bus, e, 0, 0x14, 4, 0, 0x1c, 1, 0);
	if (f->vendor == VENDOR_INTEL && (f->device == INTEL_82574 || f->device == INTEL_82540))
		return reset_82574(bus, e);
	return -XEN_EOPNOTSUPP;
}

static int power_cycle(struct bus *bus, struct bus_entry *e) {
	uint8_t at = pci_capability(e->f.config, PCI_CAP_PM, 0, 8);
	uint32_t control;

	if (!at) return -XEN_EOPNOTSUPP;
	control = bus_read(bus, e->f.source, at + PM_CONTROL, 2);
	if (control & PM_KEEPS_STATE) return -XEN_EOPNOTSUPP;
	bus_write(bus, e->f.source, at + PM_CONTROL, 2, control | PM_STATE);
	wait(bus, D3_US);
	bus_write(bus, e->f.source, at + PM_CONTROL, 2, control & ~PM_STATE);
	wait(bus, D3_US);
	control = bus_read(bus, e->f.source, at + PM_CONTROL, 2);
	return control & PM_STATE ? -XEN_ETIMEDOUT : 0;
}

int bus_reset(struct bus *bus, struct bus_entry *e) {
	static int (*const resets[])(struct bus *, struct bus_entry *) = {
		function_level_reset,
		class_reset,
		power_cycle,
	};
	int status = -XEN_EOPNOTSUPP;

	for (unsigned i = 0; status == -XEN_EOPNOTSUPP && i < sizeof(resets) / sizeof(resets[0]);
	     i++)
		status = resets[i](bus, e);
	return status;
}

void bus_power_on(struct bus *bus, struct bus_entry *e) {
	uint8_t at = pci_capability(e->f.config, PCI_CAP_PM, 0, 8);
	uint32_t control;

	if (!at) return;
	control = bus_read(bus, e->f.source, at + PM_CONTROL, 2);
	if (!(control & PM_STATE)) return;
	bus_write(bus, e->f.source, at + PM_CONTROL, 2, control & ~PM_STATE);
	wait(bus, D3_US);
}
