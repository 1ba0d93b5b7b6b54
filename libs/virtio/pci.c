/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Virtio's registers in the BARs of a PCI function (Virtio 1.1, 4.1.4): each
 * region is named by a vendor capability. The capabilities are the device's words:
 * pci_map_bar() checks them against the BAR.
 */
#include "libs/rt/time.h"
#include "libs/virtio/virtio.h"

#define CAP_TYPE       3U
#define CAP_BAR        4U
#define CAP_OFFSET     8U
#define CAP_LENGTH     12U
#define CAP_MULTIPLIER 16U
#define CAP_SIZE       16U
#define TYPE_COMMON    1U
#define TYPE_NOTIFY    2U
#define TYPE_ISR       3U
#define TYPE_DEVICE    4U

#define COMMON_SIZE      56U
#define MOST_OF_A_REGION 0x10000U

static uint32_t io_read(void *context, unsigned region, uint32_t at, unsigned width) {
	const struct virtio *virtio = context;
	const uint8_t *reg = virtio->region[region] + at;

	if (width == 1) return mmio_read8(reg);
	return width == 2 ? mmio_read16(reg) : mmio_read32(reg);
}

static void io_write(void *context, unsigned region, uint32_t at, unsigned width, uint32_t value) {
	const struct virtio *virtio = context;
	uint8_t *reg = virtio->region[region] + at;

	if (width == 1)
		mmio_write8(reg, (uint8_t)value);
	else if (width == 2)
		mmio_write16(reg, (uint16_t)value);
	else
		mmio_write32(reg, value);
}

static volatile uint16_t *io_doorbell(void *context, uint32_t offset) {
	const struct virtio *virtio = context;
	uint64_t at = (uint64_t)offset * virtio->notify_multiplier;

	if (virtio->notify_size < 2 || at > virtio->notify_size - 2 || at % 2) return NULL;
	return (volatile uint16_t *)(virtio->notify + at);
}

static void io_wait(void *context, uint32_t microseconds) {
	(void)context;
	time_sleep(microseconds * 1000ULL);
}

/* The registers of one type: the first capability that can be mapped. */
static uint8_t *find_region(const struct pci *pci, uint8_t type, uint32_t least, uint64_t *size,
			    uint8_t *where) {
	const uint8_t *config = pci->device->function.config;
	uint8_t at = 0;

	while ((at = pci_capability(config, PCI_CAP_VENDOR, at, CAP_SIZE))) {
		uint64_t length = pci_config32(config, at + CAP_LENGTH);
		uint8_t *found;

		if (config[at + CAP_TYPE] != type || length < least) continue;
		*size = MIN(length, MOST_OF_A_REGION);
		found = pci_map_bar(pci, config[at + CAP_BAR],
				    pci_config32(config, at + CAP_OFFSET), *size);
		*where = at;
		if (found) return found;
	}
	*size = 0;
	return NULL;
}

const char *virtio_open(struct virtio *virtio, struct pci *pci) {
	const struct pci_function *f = &pci->device->function;
	uint64_t size;
	uint8_t at;

	*virtio = (struct virtio){
		.io = {.context = virtio,
		       .read = io_read,
		       .write = io_write,
		       .doorbell = io_doorbell,
		       .wait = io_wait},
	};
	if (f->vendor != VIRTIO_VENDOR) return "the device is not a virtio device";
	virtio->region[VIRTIO_COMMON] = find_region(pci, TYPE_COMMON, COMMON_SIZE, &size, &at);
	if (!virtio->region[VIRTIO_COMMON])
		return "the device is from before Virtio 1.0 (legacy), which is not driven; with "
		       "QEMU, disable-modern=off";
	virtio->region[VIRTIO_ISR] = find_region(pci, TYPE_ISR, 1, &size, &at);
	virtio->region[VIRTIO_DEVICE] = find_region(pci, TYPE_DEVICE, 1, &size, &at);
	virtio->device_size = (uint32_t)size;
	virtio->notify = find_region(pci, TYPE_NOTIFY, 2, &virtio->notify_size, &at);
	if (!virtio->region[VIRTIO_ISR] || !virtio->region[VIRTIO_DEVICE] || !virtio->notify)
		return "the device lacks some of the registers of Virtio 1.0";
	virtio->notify_multiplier = pci_config32(f->config, at + CAP_MULTIPLIER);
	return NULL;
}
