/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading a copy of a function's configuration space (the first 256 bytes). The
 * device chose what stands there, so the list of capabilities is walked a bounded
 * number of steps, and no offset leaves the copy. Offsets and bits are those of
 * the PCI Local Bus Specification 3.0 and PCI Express Base 3.0, chapter 7.
 */
#ifndef LIBS_PCI_CONFIG_H
#define LIBS_PCI_CONFIG_H

#include <stdint.h>

/* Header, type 0 and 1 */
#define PCI_VENDOR           0x00U
#define PCI_DEVICE           0x02U
#define PCI_COMMAND          0x04U
#define PCI_STATUS           0x06U
#define PCI_REVISION         0x08U
#define PCI_HEADER_TYPE      0x0eU
#define PCI_BAR0             0x10U
#define PCI_SUBSYSTEM_VENDOR 0x2cU
#define PCI_SUBSYSTEM        0x2eU
#define PCI_CAPABILITY_LIST  0x34U
#define PCI_INTERRUPT_LINE   0x3cU
#define PCI_INTERRUPT_PIN    0x3dU

#define PCI_COMMAND_IO          (1U << 0)
#define PCI_COMMAND_MEMORY      (1U << 1)
#define PCI_COMMAND_MASTER      (1U << 2)
#define PCI_COMMAND_NO_INTX     (1U << 10)
#define PCI_STATUS_CAPABILITIES (1U << 4)

#define PCI_CAP_PM      0x01U
#define PCI_CAP_MSI     0x05U
#define PCI_CAP_VENDOR  0x09U
#define PCI_CAP_EXPRESS 0x10U
#define PCI_CAP_MSIX    0x11U
#define PCI_CAP_AF      0x13U /* advanced features */

/* at: any; beyond the copy it reads as all ones, as an absent register does. */
uint8_t pci_config8(const uint8_t *config, uint32_t at);
uint16_t pci_config16(const uint8_t *config, uint32_t at);
uint32_t pci_config32(const uint8_t *config, uint32_t at);

/*
 * Offset of a capability with this id, of which at least `size` bytes lie in the
 * copy; behind the one at `after`, or the first if that is 0. 0: there is none.
 */
uint8_t pci_capability(const uint8_t *config, uint8_t id, uint8_t after, uint32_t size);

#endif
