/* SPDX-License-Identifier: BSD-2-Clause */
#include "libs/pci/config.h"

#include <stdbool.h>

#include "proto/pci.h"

#define FIRST_CAPABILITY 0x40U
/* The list lies in dwords between the header and the end: no honest one is longer. */
#define MAX_STEPS        ((PCI_CONFIG_SIZE - FIRST_CAPABILITY) / 4)

uint8_t pci_config8(const uint8_t *config, uint32_t at) {
	return at < PCI_CONFIG_SIZE ? config[at] : 0xff;
}

uint16_t pci_config16(const uint8_t *config, uint32_t at) {
	return (uint16_t)(pci_config8(config, at) | pci_config8(config, at + 1) << 8);
}

uint32_t pci_config32(const uint8_t *config, uint32_t at) {
	return pci_config16(config, at) | (uint32_t)pci_config16(config, at + 2) << 16;
}

uint8_t pci_capability(const uint8_t *config, uint8_t id, uint8_t after, uint32_t size) {
	uint8_t at = config[PCI_CAPABILITY_LIST] & 0xfc;
	bool passed = !after;

	if (!(pci_config16(config, PCI_STATUS) & PCI_STATUS_CAPABILITIES)) return 0;
	for (uint32_t step = 0; step < MAX_STEPS && at >= FIRST_CAPABILITY; step++) {
		if (passed && config[at] == id && size <= PCI_CONFIG_SIZE - at) return at;
		passed |= at == after;
		at = config[at + 1] & 0xfc;
	}
	return 0;
}
