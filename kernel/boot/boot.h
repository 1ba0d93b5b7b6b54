/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the parts of the boot tell each other: what the loader said, what the
 * firmware's tables say, and the memory that the core takes for itself before
 * there are Memory objects.
 */
#ifndef KERNEL_BOOT_BOOT_H
#define KERNEL_BOOT_BOOT_H

#include "lib/types.h"
#include "proto/native.h"

/* --- A sorted list of physical ranges, in whole pages, none touching another --- */

#define BOOT_MAX_RANGES 128

struct range {
	paddr_t start, end;
};

struct range_list {
	u32 count;
	struct range range[BOOT_MAX_RANGES];
};

/* False: the list is full, and the range (or what is behind the cut) is lost. */
bool range_add(struct range_list *list, paddr_t start, paddr_t end);
bool range_remove(struct range_list *list, paddr_t start, paddr_t end);

/* --- boot/multiboot.c --- */

#define MULTIBOOT1_LOADED 0x2badb002
#define MULTIBOOT2_LOADED 0x36d76289

struct boot_module_range {
	char name[32]; /* last word of its command line, without a path */
	paddr_t start; /* on a page */
	u64 size;      /* bytes */
};

struct boot_params {
	char command_line[256];
	struct range_list ram;
	u32 module_count;
	struct boot_module_range module[BOOT_MAX_MODULES];
	u8 rsdp[36]; /* copy, if the loader gave one */
	bool has_rsdp;
};

/* NULL, or why the information cannot be used. */
const char *multiboot_parse(struct boot_params *params, u32 magic, paddr_t info);

/*
 * size bytes of physical memory below 4 GiB, NULL if not all of them are. The
 * boot's own page tables map it; host tests have a buffer instead.
 */
const void *boot_physical(paddr_t address, u64 size);

/* --- boot/acpi_tables.c --- */

#define ACPI_MAX_IOAPICS 8
#define ACPI_MAX_CPUS    64
#define ACPI_MAX_IOMMUS  16
#define ISA_IRQS         16

struct acpi_tables {
	bool found; /* an MADT; otherwise these are the addresses every PC has */
	paddr_t lapic;
	u32 cpus; /* usable ones; the first of them need not be the one that boots */
	u32 apic_id[ACPI_MAX_CPUS];
	u32 ioapics;
	struct {
		paddr_t address;
		u32 gsi_base, id;
		u32 source; /* as an IOMMU knows it; SOURCE_ANY: not said */
	} ioapic[ACPI_MAX_IOAPICS];
	struct {
		u32 gsi;
		bool level, low;
	} isa[ISA_IRQS];
	u32 iommus; /* that there are; the first ACPI_MAX_IOMMUS are listed */
	struct {
		paddr_t address;
		u32 segment;
	} iommu[ACPI_MAX_IOMMUS];
	bool intremap; /* interrupts may be remapped */
	u32 rmrrs;     /* regions that the firmware wants devices to reach at all times */
};
extern struct acpi_tables acpi;

void acpi_parse(const struct boot_params *params);

/* --- boot/memory.c --- */

/* Chooses where boot memory comes from, and checks that there is enough. */
void memory_init(const struct boot_params *params);
/* Zeroed frames, contiguous. Panics when there are none left. */
paddr_t boot_alloc(u64 frames);
/* The frame table, the M2P, the direct map, the first CPU's area: core_root. */
void memory_build(const struct boot_params *params);
/* Nothing is allocated any more: what is left becomes the first domain's Memory. */
const struct range_list *memory_finish(void);
/* Maps a page of device registers, uncached; it is the core's from then on. Boot only. */
volatile void *map_device(paddr_t address);

/* What another CPU needs of memory: its area. Boot only. */
void memory_add_cpu(u32 id);

/* --- boot/smp.c, boot/smp_boot.S --- */

/* Starts every other CPU there is; each waits for a plan from then on. */
void smp_start(const struct boot_params *params);

/* --- boot/first_domain.c --- */

struct domain;
struct domain *first_domain(const struct boot_params *params);
/* After memory_finish: tells it what it owns. */
void first_domain_equip(struct domain *d, const struct boot_params *params,
			const struct range_list *free);

#endif
