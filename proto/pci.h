/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * PCI: what the bus domain, root and the drivers say to each other.
 *
 * The bus domain alone reaches configuration space. It finds the functions, gives
 * addresses to BARs that have none, and writes what it found into the bus page,
 * which it shares with root (SYSTEM_CONN_BUS). root matches the functions with
 * the description, makes DmaSpaces and interrupts, and asks the bus domain to
 * prepare a function for its driver, or to quiesce it. A driver never writes
 * configuration space: it finds a copy of its function's, its BARs as Mmio
 * capabilities, and its interrupts, in its device page (SYSTEM_CONN_PCI).
 *
 *   root                        bus domain                 function
 *     command: seq, QUIESCE ---->  bus master off, messages off, reset
 *     DMA_EMPTY, domain reset <--  done = seq
 *     command: seq, PREPARE ---->  reset, power, BARs, messages or line, bus master on
 *     start the driver       <---  done = seq
 *
 * Both sides are restartable: commands are idempotent, the page is root's, and a
 * bus domain that is started again enumerates without touching a function that
 * is in use (state ACTIVE in the page that it finds).
 */
#ifndef PROTO_PCI_H
#define PROTO_PCI_H

#include "cap/cap.h"

#define PCI_BARS          6U
#define PCI_CONFIG_SIZE   256U
#define PCI_MAX_FUNCTIONS 64U
#define PCI_MAX_MESSAGES  16U

#define PCI_BAR_NONE     0U
#define PCI_BAR_MEMORY   1U
#define PCI_BAR_IO       2U
#define PCI_BAR_64       4U /* and the next one is its upper half: NONE */
#define PCI_BAR_PREFETCH 8U

struct pci_bar {
	uint64_t address; /* machine address, or port */
	uint64_t size;    /* bytes, a power of two */
	uint32_t flags;   /* PCI_BAR_* */
	uint32_t pad;
};

#define PCI_F_MSI     (1U << 0)
#define PCI_F_MSIX    (1U << 1)
#define PCI_F_EXPRESS (1U << 2)
#define PCI_F_FLR     (1U << 3) /* function-level reset, by Express or by Advanced Features */
#define PCI_F_PM      (1U << 4) /* power management: D3hot and back is a reset if no FLR */
#define PCI_F_BROKEN  (1U << 5) /* a BAR could not be placed, or the header makes no sense */
#define PCI_F_SHARED                                                             \
	(1U << 6) /* behind a conventional bridge, which puts its own address on \
		    what passes: an IOMMU cannot tell it from its neighbours */

#define PCI_STATE_IDLE   0U /* quiesced, or never used by us */
#define PCI_STATE_ACTIVE 1U /* prepared: a driver has it */

struct pci_function {
	uint32_t source; /* segment << 16 | bus << 8 | device << 3 | function */
	uint16_t vendor, device;
	uint16_t subsystem_vendor, subsystem;
	uint32_t class_code; /* base class << 16 | subclass << 8 | interface */
	uint8_t revision;
	uint8_t line;                   /* GSI of its interrupt pin; 0xff: none, or not known */
	uint16_t flags;                 /* PCI_F_* */
	uint16_t msi_count, msix_count; /* messages it can send */
	uint32_t msix_bar, msix_offset; /* of the table, 16 bytes an entry */
	uint32_t state;                 /* PCI_STATE_*, the bus domain's */
	uint32_t pad;
	struct pci_bar bar[PCI_BARS];
	uint8_t config[PCI_CONFIG_SIZE]; /* as enumerated, BARs placed */
};

/* --- SYSTEM_CONN_BUS: pages of root's, mapped by the bus domain --- */

#define PCI_OP_PREPARE 1U
#define PCI_OP_QUIESCE 2U

#define PCI_IRQ_NONE 0U
#define PCI_IRQ_LINE 1U /* level, low */
#define PCI_IRQ_MSI  2U
#define PCI_IRQ_MSIX 3U

/* root writes all of it and then seq; the bus domain reads a copy, acts, writes pci_bus.done. */
struct pci_command {
	uint32_t seq;      /* counts commands, never 0 */
	uint32_t op;       /* PCI_OP_* */
	uint32_t function; /* index in the table */
	uint32_t source;   /* of it, to be sure */
	uint32_t irq_kind; /* PREPARE: PCI_IRQ_* */
	uint32_t irq_count;
	struct irq_message message[PCI_MAX_MESSAGES];
};

#define PCI_BUS_VERSION 1U

/*
 * The bus domain's own: a BAR register that it is writing to. Who dies over it leaves here what
 * the register is to say, and a successor writes that before it reads any.
 */
struct pci_note {
	uint32_t source; /* of the function or bridge */
	uint16_t at;     /* the register; 0: none */
	uint16_t bytes;  /* 4 or 8 */
	uint64_t value;
};

struct pci_bus {
	uint32_t version; /* root: PCI_BUS_VERSION */
	uint32_t ready;   /* bus domain: its incarnation + 1 when the table is complete; root
			     zeroes it before it starts one */
	uint32_t count;   /* functions in the table */
	uint32_t done;    /* seq of the last command that was carried out */
	int32_t status;   /* of that: 0 or a negative errno */
	uint32_t heartbeat;
	struct pci_note note;
	uint32_t pad[6];
	struct pci_command command;
	uint8_t pad1[4096 - 64 - 24 - 16 * PCI_MAX_MESSAGES];
	struct pci_function function[PCI_MAX_FUNCTIONS]; /* from the second page on, by source */
};

/* --- SYSTEM_CONN_PCI: one page of root's, read-only to the driver --- */

struct pci_device {
	uint32_t version;  /* PCI_BUS_VERSION */
	uint32_t irq_kind; /* PCI_IRQ_* */
	uint32_t irq_first,
		irq_count; /* Irq numbers, bound by irq_slot (LINE: IRQ_LEVEL | IRQ_LOW) */
	uint32_t irq_slot; /* Irq capability, 0 = none */
	uint32_t dma_slot; /* DmaSpace capability: the driver's own slots */
	uint32_t dma_first, dma_count; /* they are */
	uint32_t flags;                /* PCI_DEVICE_* */
	uint32_t pad[7];
	struct pci_function function; /* BARs: Mmio and IoPorts capabilities cover them, but for
					 the pages of the MSI-X table where nothing else is there */
};
#define PCI_DEVICE_IOMMU                                                      \
	1U /* DMA is enforced: say dma_map.address; a device that is known to \
	      go past the IOMMU (virtio without ACCESS_PLATFORM) needs .machine */

_Static_assert(sizeof(struct pci_bar) == 24, "pci_bar layout");
_Static_assert(sizeof(struct pci_function) == 440, "pci_function layout");
_Static_assert(sizeof(struct pci_command) == 280, "pci_command layout");
_Static_assert(__builtin_offsetof(struct pci_bus, command) == 64, "pci_bus layout");
_Static_assert(__builtin_offsetof(struct pci_bus, function) == 4096, "pci_bus layout");
_Static_assert(sizeof(struct pci_bus) <= 8 * 4096, "pci_bus fits eight pages");
_Static_assert(sizeof(struct pci_device) == 64 + 440, "pci_device layout");

#define PCI_BUS_PAGES 8U

#endif
