/* SPDX-License-Identifier: BSD-2-Clause */
/* What is said about devices: in the log, and in lists. */
#include "device.h"
#include "devices.h"
#include "libs/log/log.h"

void device_address(uint32_t source, char text[DEVICE_ADDRESS_TEXT]) {
	rt_format(text, DEVICE_ADDRESS_TEXT, "%02x:%02x.%x", source >> 8 & 0xff, source >> 3 & 0x1f,
		  source & 7);
}

static void number_text(uint32_t number, const char *format, char text[DEVICE_ADDRESS_TEXT]) {
	if (number == SYSTEM_ANY)
		rt_strcopy(text, "any", DEVICE_ADDRESS_TEXT);
	else
		rt_format(text, DEVICE_ADDRESS_TEXT, format, number);
}

void device_report_missing(const struct device *device, const char *why) {
	const struct system_device *d = device->d;
	char vendor[DEVICE_ADDRESS_TEXT], number[DEVICE_ADDRESS_TEXT],
		address[DEVICE_ADDRESS_TEXT] = "any", index[DEVICE_ADDRESS_TEXT];

	number_text(d->vendor, "%04x", vendor);
	number_text(d->device, "%04x", number);
	number_text(d->index, "%u", index);
	if (d->address != SYSTEM_ANY) device_address(d->address, address);
	log_print("%s: its device (line %u of the description) %s; it is not started",
		  device->domain->name, d->line, why);
	log_print("%s: looked for class %06x/%06x, vendor %s, device %s, address %s, index %s",
		  device->domain->name, d->class_code, d->class_mask, vendor, number, address,
		  index);
}

void device_report_table(const struct pci_function *table, uint32_t count) {
	for (uint32_t i = 0; i < count; i++) {
		const struct pci_function *f = &table[i];
		char address[DEVICE_ADDRESS_TEXT];

		device_address(f->source, address);
		log_print("there is %s: class %06x, vendor %04x, device %04x", address,
			  f->class_code, f->vendor, f->device);
	}
	if (!count) log_print("there is no PCI function");
}

void devices_text(const struct domain *domain, char *text, size_t size) {
	static const char *const kinds[] = {
		[PCI_IRQ_NONE] = "no interrupt",
		[PCI_IRQ_LINE] = "line",
		[PCI_IRQ_MSI] = "msi",
		[PCI_IRQ_MSIX] = "msi-x",
	};
	const struct device *device = domain->device;
	char address[DEVICE_ADDRESS_TEXT];

	text[0] = '\0';
	if (!device) return;
	if (device->state != DEVICE_PRESENT) {
		rt_strcopy(text, device->state == DEVICE_MISSING ? "no device" : "?", size);
		return;
	}
	device_address(device->function.source, address);
	rt_format(text, size, "%s %04x:%04x %s", address, device->function.vendor,
		  device->function.device, kinds[device->irq_kind]);
}

const char *devices_trust(void) {
	uint32_t present = 0, enforced = 0;

	for (uint32_t i = 0; i < description.device_count; i++) {
		present += devices[i].state == DEVICE_PRESENT;
		enforced += devices[i].state == DEVICE_PRESENT && devices[i].enforced;
	}
	if (!present) return NULL;
	if (enforced < present)
		return "no IOMMU guards DMA: the drivers and their devices are trusted with all "
		       "memory";
	return boot_info->flags & BOOT_F_INTREMAP
		       ? "the IOMMU enforces DMA and interrupts: a device reaches only what its "
			 "driver was given"
		       : "the IOMMU enforces DMA: a device reaches only what its driver was given; "
			 "interrupts are not guarded";
}

bool devices_enforced(void) {
	for (uint32_t i = 0; i < description.device_count; i++)
		if (devices[i].state == DEVICE_PRESENT && !devices[i].enforced) return false;
	return boot_info->flags & BOOT_F_IOMMU;
}
