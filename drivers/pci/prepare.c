/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * PREPARE and QUIESCE. Both may come again, in any state: a bus domain that died
 * over one gets it again. What a function was doing ends with QUIESCE: bus master
 * off, messages and line off, reset; and it begins again only with PREPARE, bus
 * master last.
 */
#include "bus.h"

#include "proto/xen/errno.h"

#define MSI_CONTROL     2U
#define MSI_ENABLE      1U
#define MSI_MULTIPLE    (7U << 4)
#define MSI_64          (1U << 7)
#define MSI_MASKING     (1U << 8)
#define MSIX_CONTROL    2U
#define MSIX_MASK_ALL   (1U << 14)
#define MSIX_ENABLE     (1U << 15)
#define MSIX_ENTRY      16U
#define MSIX_MASKED     1U
#define PENDING_STEPS   1000U
#define PENDING_STEP_US 100U

static uint8_t find(const struct bus_entry *e, uint8_t id, uint32_t size) {
	return pci_capability(e->f.config, id, 0, size);
}

void bus_note(struct bus *bus, uint32_t source, uint32_t at, uint64_t value, unsigned bytes) {
	bus->note->source = source;
	bus->note->bytes = (uint16_t)bytes;
	bus->note->value = value;
	bus->note->at = (uint16_t)at; /* last: now it counts */
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

void bus_written(struct bus *bus) {
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	bus->note->at = 0;
}

void bus_write_bar(struct bus *bus, const struct bus_entry *e, unsigned n) {
	const struct pci_bar *bar = &e->f.bar[n];
	uint32_t at = PCI_BAR0 + n * 4;

	bus_note(bus, e->f.source, at, bar->address, bar->flags & PCI_BAR_64 ? 8 : 4);
	bus_write(bus, e->f.source, at, 4, (uint32_t)bar->address);
	if (bar->flags & PCI_BAR_64)
		bus_write(bus, e->f.source, at + 4, 4, (uint32_t)(bar->address >> 32));
	bus_written(bus);
}

void bus_restore(struct bus *bus, const struct bus_entry *e) {
	for (unsigned n = 0; n < e->bars; n++)
		if (e->f.bar[n].flags) bus_write_bar(bus, e, n);
	bus_write(bus, e->f.source, PCI_INTERRUPT_LINE, 1, e->f.config[PCI_INTERRUPT_LINE]);
}

static void set_command(struct bus *bus, const struct bus_entry *e, uint32_t value) {
	bus_write(bus, e->f.source, PCI_COMMAND, 2, value);
}

/*
 * MSI-X is masked, and stays enabled: a device whose own timer is about to send one
 * need not expect to have it taken away (QEMU's 82574 ends the machine then).
 */
static void messages_off(struct bus *bus, const struct bus_entry *e) {
	uint8_t at = find(e, PCI_CAP_MSI, 14);
	uint32_t control;

	if (at) {
		control = bus_read(bus, e->f.source, at + MSI_CONTROL, 2);
		bus_write(bus, e->f.source, at + MSI_CONTROL, 2,
			  control & ~(MSI_ENABLE | MSI_MULTIPLE));
	}
	at = find(e, PCI_CAP_MSIX, 12);
	if (at) {
		control = bus_read(bus, e->f.source, at + MSIX_CONTROL, 2);
		bus_write(bus, e->f.source, at + MSIX_CONTROL, 2, control | MSIX_MASK_ALL);
	}
}

static void wait_for_silence(struct bus *bus, const struct bus_entry *e) {
	uint8_t at = find(e, PCI_CAP_EXPRESS, 12);

	if (!at) return;
	for (uint32_t step = 0; step < PENDING_STEPS; step++) {
		if (!(bus_read(bus, e->f.source, at + 10U, 2) & 1U << 5)) return;
		bus->ops.wait(bus->ops.context, PENDING_STEP_US);
	}
}

int bus_quiesce(struct bus *bus, struct bus_entry *e) {
	uint32_t command = bus_read(bus, e->f.source, PCI_COMMAND, 2);
	int status;

	set_command(bus, e, (command & ~PCI_COMMAND_MASTER) | PCI_COMMAND_NO_INTX);
	messages_off(bus, e);
	wait_for_silence(bus, e);
	set_command(bus, e, PCI_COMMAND_NO_INTX);
	bus_power_on(bus, e);
	bus_restore(bus, e); /* D3 may have lost them, and a reset may need a register */
	status = bus_reset(bus, e);
	set_command(bus, e, PCI_COMMAND_NO_INTX);
	bus_restore(bus, e);
	e->f.state = PCI_STATE_IDLE;
	e->adopted = false;
	e->clean = status != -XEN_ETIMEDOUT;
	return e->clean ? 0 : status;
}

/* One message; decoding is off. */
static int msi_on(struct bus *bus, struct bus_entry *e, const struct pci_command *c) {
	uint32_t source = e->f.source, control, data;
	uint8_t at = find(e, PCI_CAP_MSI, 14);

	if (!at || c->irq_count != 1 || c->message[0].data >> 16) return -XEN_EINVAL;
	control = bus_read(bus, source, at + MSI_CONTROL, 2);
	data = control & MSI_64 ? 12 : 8;
	if (!(control & MSI_64) && c->message[0].address >> 32) return -XEN_EINVAL;
	if (control & MSI_MASKING && find(e, PCI_CAP_MSI, data + 8) != at) return -XEN_EINVAL;
	bus_write(bus, source, at + 4U, 4, (uint32_t)c->message[0].address);
	if (control & MSI_64)
		bus_write(bus, source, at + 8U, 4, (uint32_t)(c->message[0].address >> 32));
	bus_write(bus, source, at + data, 2, c->message[0].data);
	if (control & MSI_MASKING) bus_write(bus, source, at + data + 4, 4, 0);
	bus_write(bus, source, at + MSI_CONTROL, 2, (control & ~MSI_MULTIPLE) | MSI_ENABLE);
	return 0;
}

/* The table is written through device memory; memory decoding is on meanwhile. */
static int msix_on(struct bus *bus, struct bus_entry *e, const struct pci_command *c) {
	const struct pci_function *f = &e->f;
	struct bus_ops *ops = &bus->ops;
	uint8_t at = find(e, PCI_CAP_MSIX, 12);
	uint64_t table = f->bar[f->msix_bar].address + f->msix_offset;
	uint32_t control;

	if (!at || !(f->flags & PCI_F_MSIX) || !c->irq_count || c->irq_count > PCI_MAX_MESSAGES ||
	    c->irq_count > f->msix_count)
		return -XEN_EINVAL;
	control = bus_read(bus, f->source, at + MSIX_CONTROL, 2) | MSIX_ENABLE | MSIX_MASK_ALL;
	bus_write(bus, f->source, at + MSIX_CONTROL, 2, control);
	set_command(bus, e, PCI_COMMAND_MEMORY | PCI_COMMAND_NO_INTX);
	for (uint32_t n = 0; n < f->msix_count; n++, table += MSIX_ENTRY) {
		bool used = n < c->irq_count;

		ops->memory_write(ops->context, table + 12, 4, MSIX_MASKED);
		if (!used) continue;
		ops->memory_write(ops->context, table, 4, (uint32_t)c->message[n].address);
		ops->memory_write(ops->context, table + 4, 4,
				  (uint32_t)(c->message[n].address >> 32));
		ops->memory_write(ops->context, table + 8, 4, c->message[n].data);
		ops->memory_write(ops->context, table + 12, 4, 0);
	}
	bus_write(bus, f->source, at + MSIX_CONTROL, 2, control & ~MSIX_MASK_ALL);
	return 0;
}

/* Another kind of interrupt: it would keep a line from working. */
static void msix_off(struct bus *bus, const struct bus_entry *e) {
	uint8_t at = find(e, PCI_CAP_MSIX, 12);

	if (at) bus_write(bus, e->f.source, at + MSIX_CONTROL, 2, 0);
}

static int interrupts_on(struct bus *bus, struct bus_entry *e, const struct pci_command *c) {
	if (c->irq_kind != PCI_IRQ_MSIX) msix_off(bus, e);
	switch (c->irq_kind) {
	case PCI_IRQ_NONE: return 0;
	case PCI_IRQ_LINE: return e->f.line == 0xff ? -XEN_EINVAL : 0;
	case PCI_IRQ_MSI: return msi_on(bus, e, c);
	case PCI_IRQ_MSIX: return msix_on(bus, e, c);
	default: return -XEN_EINVAL;
	}
}

/* Everything between bus 0 and the function passes accesses on: a reset may need them already. */
static void open_path(struct bus *bus, const struct bus_entry *e) {
	uint32_t need = PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;

	for (uint8_t p = e->parent; p != BUS_NO_PARENT; p = bus->entry[p].parent) {
		const struct bus_entry *bridge = &bus->entry[p];
		uint32_t command = bus_read(bus, bridge->f.source, PCI_COMMAND, 2);

		if ((command & need) != need) set_command(bus, bridge, command | need);
	}
}

int bus_prepare(struct bus *bus, struct bus_entry *e, const struct pci_command *c) {
	uint32_t command = c->irq_kind == PCI_IRQ_LINE ? 0 : PCI_COMMAND_NO_INTX;
	int status = 0;

	if (e->f.flags & PCI_F_BROKEN) return -XEN_EIO;
	open_path(bus, e);
	if (!e->clean) status = bus_quiesce(bus, e);
	if (status) return status;
	e->clean = false;
	status = interrupts_on(bus, e, c);
	if (status) {
		bus_quiesce(bus, e);
		return status;
	}
	for (unsigned n = 0; n < PCI_BARS; n++) {
		if (e->f.bar[n].flags & PCI_BAR_MEMORY) command |= PCI_COMMAND_MEMORY;
		if (e->f.bar[n].flags & PCI_BAR_IO) command |= PCI_COMMAND_IO;
	}
	set_command(bus, e, command);
	e->f.state = PCI_STATE_ACTIVE;
	set_command(bus, e, command | PCI_COMMAND_MASTER);
	return 0;
}
