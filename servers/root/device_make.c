/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a device gets, once and for good: its DmaSpace, its interrupts, and root's
 * capabilities narrowed to its registers, from which every incarnation of its
 * driver is given its own.
 */
#include "device.h"
#include "handover.h"
#include "libs/cap/cap.h"
#include "memory.h"
#include "proto/xen/xen.h"

static uint32_t messages_used, messages_end; /* of the Irqs at msi_slot, numbers */

/* A DmaSpace is made of Memory, like a domain: the first try says how much. */
static const char *make_dmaspace(struct device *device) {
	uint16_t owner = MEMORY_DEVICE(device - devices);
	struct dmaspace_create create = {
		.source = device->function.source,
		.slots = device->d->dma_slots,
	};
	struct extent *extent = memory_take_one(owner, 0, 1);
	int error = -XEN_ENOMEM;

	rt_strcopy(create.name, device->domain->name, sizeof(create.name));
	device->dma_slot = slot_take();
	if (!extent || !device->dma_slot) return "there is no memory for its DMA window";
	error = cap_memory_create_dmaspace(extent->slot, device->dma_slot, &create);
	if (error == -XEN_ENOMEM) {
		memory_release(owner);
		extent = memory_take_one(owner, 0, create.frames);
		if (!extent) return "there is no memory for its DMA window";
		error = cap_memory_create_dmaspace(extent->slot, device->dma_slot, &create);
	}
	if (error) return "the core refuses its DMA window";
	extent->place = MEMORY_USED;
	device->enforced = create.flags & DMASPACE_ENFORCED;
	if (device->d->own_slots)
		device->own_slot =
			handover_narrow(device->dma_slot, RIGHT_DMA_MAP, 0, device->d->own_slots);
	if (device->d->own_slots < device->d->dma_slots)
		device->server_slot =
			handover_narrow(device->dma_slot, RIGHT_DMA_MAP, device->d->own_slots,
					device->d->dma_slots - device->d->own_slots);
	return NULL;
}

/* Message-signalled interrupts are given out in order, and stay with their device. */
static uint32_t messages_left(void) {
	struct cap_info info;

	if (messages_end || !boot_info->msi_slot || cap_inspect(boot_info->msi_slot, &info))
		return messages_end - messages_used;
	messages_used = (uint32_t)info.first;
	messages_end = (uint32_t)(info.first + info.count);
	return messages_end - messages_used;
}

static const char *make_interrupts(struct device *device) {
	uint32_t later = description.device_count - (uint32_t)(device - devices) - 1;
	uint32_t left = messages_left(), count;

	/* Each gets one before anybody gets a second. */
	left = left > later ? left - later : MIN(left, 1U);
	device->irq_kind = functions_irq(&device->function, MIN(device->d->interrupts, left),
					 left > 0, &count);
	device->irq_count = count;
	if (device->irq_kind == PCI_IRQ_NONE) return NULL;
	if (device->irq_kind == PCI_IRQ_LINE) {
		device->irq_first = device->function.line;
		device->irq_slot =
			handover_narrow(boot_info->irq_slot, RIGHT_USE, device->irq_first, 1);
	} else {
		device->irq_first = messages_used;
		messages_used += count;
		device->irq_slot = handover_narrow(boot_info->msi_slot, RIGHT_USE | RIGHT_ROUTE,
						   device->irq_first, count);
	}
	return device->irq_slot ? NULL : "it cannot get its interrupts";
}

static bool add_cap(struct device *device, uint32_t type, uint64_t first, uint64_t count) {
	uint32_t from = type == CAP_MMIO ? boot_info->mmio_slot : boot_info->ioports_slot;
	uint32_t slot = handover_narrow(from, RIGHT_USE, first, count);

	if (!slot) return false;
	device->cap[device->cap_count++] = (struct native_cap){
		.slot = slot,
		.type = type,
		.first_low = (uint32_t)first,
		.count = (uint32_t)count,
	};
	return true;
}

static const char *make_bars(struct device *device, const struct pci_function *table,
			     uint32_t functions, uint32_t index) {
	const struct pci_function *f = &device->function;
	struct function_pages pieces[FUNCTION_PIECES];

	for (uint32_t bar = 0; bar < PCI_BARS; bar++) {
		uint32_t count = functions_pages(f, bar, pieces);

		if (f->bar[bar].flags & PCI_BAR_IO && f->bar[bar].size &&
		    !add_cap(device, CAP_IOPORTS, f->bar[bar].address, f->bar[bar].size))
			return "it cannot get its I/O ports";
		if (count && functions_share(table, functions, index, bar))
			return "a page of its registers holds another function's, too";
		for (uint32_t i = 0; i < count; i++)
			if (!add_cap(device, CAP_MMIO, pieces[i].first, pieces[i].count))
				return "it cannot get its registers";
	}
	return NULL;
}

const char *device_make(struct device *device, const struct pci_function *table, uint32_t count,
			uint32_t index) {
	const char *why = NULL;

	device->function = table[index];
	if (device->function.flags & PCI_F_BROKEN)
		return "its registers could not be placed, or it describes itself wrongly";
	why = make_dmaspace(device);
	if (!why && !device->enforced && description.header->flags & SYSTEM_F_REQUIRE_IOMMU)
		why = "no IOMMU enforces what it reaches, and the description requires one";
	if (!why && device->enforced && device->function.flags & PCI_F_SHARED)
		why = "it lies behind a conventional bridge, where an IOMMU cannot tell it from "
		      "its neighbours";
	if (!why) why = make_interrupts(device);
	if (!why) why = make_bars(device, table, count, index);
	return why;
}
