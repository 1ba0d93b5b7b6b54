/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The I/O APICs: a line (GSI) is routed to a vector of this CPU once and then
 * only masked and unmasked. The old PICs are masked for good; no pin by which
 * they could interrupt is open.
 */
#include "boot/boot.h"
#include "cpu/asm.h"
#include "cpu/cpu.h"
#include "iommu/vtd.h"

#define SELECT          0x00
#define WINDOW          0x10
#define REG_VERSION     0x01
#define REG_TABLE       0x10
#define ENTRY_LOW       0x2000
#define ENTRY_LEVEL     0x8000
#define ENTRY_MASKED    0x10000
#define PIC_MASTER_MASK 0x21
#define PIC_SLAVE_MASK  0xa1

u32 ioapic_lines;

static struct {
	volatile char *registers;
	u32 first, lines;
} ioapics[ACPI_MAX_IOAPICS];

static struct lock ioapic_lock; /* SELECT and WINDOW go together; innermost */

static u32 ioapic_read(u32 n, u32 reg) {
	mmio_write32(ioapics[n].registers + SELECT, reg);
	return mmio_read32(ioapics[n].registers + WINDOW);
}

static void ioapic_write(u32 n, u32 reg, u32 value) {
	mmio_write32(ioapics[n].registers + SELECT, reg);
	mmio_write32(ioapics[n].registers + WINDOW, value);
}

/* Which one has the line, and its register there; false: none has. */
static bool find(u32 gsi, u32 *n, u32 *reg) {
	for (*n = 0; *n < acpi.ioapics; ++*n) {
		*reg = REG_TABLE + 2 * (gsi - ioapics[*n].first);
		if (gsi - ioapics[*n].first < ioapics[*n].lines) return true;
	}
	return false;
}

void ioapic_init(void) {
	out8(PIC_MASTER_MASK, 0xff);
	out8(PIC_SLAVE_MASK, 0xff);
	for (u32 n = 0; n < acpi.ioapics; n++) {
		ioapics[n].registers = map_device(acpi.ioapic[n].address);
		ioapics[n].first = acpi.ioapic[n].gsi_base;
		ioapics[n].lines = (ioapic_read(n, REG_VERSION) >> 16 & 0xff) + 1;
		ioapic_lines = MAX(ioapic_lines, ioapics[n].first + ioapics[n].lines);
		for (u32 i = 0; i < ioapics[n].lines; i++)
			ioapic_write(n, REG_TABLE + 2 * i, ENTRY_MASKED);
	}
}

int ioapic_route(u32 gsi, u8 vector, bool level, bool low) {
	u32 n, reg;

	if (!find(gsi, &n, &reg)) return -EINVAL;
	lock_take(&ioapic_lock);
	ioapic_write(n, reg, ENTRY_MASKED);
	ioapic_write(n, reg + 1, remap_ioapic(vector, acpi.ioapic[n].source, level));
	ioapic_write(n, reg,
		     ENTRY_MASKED | vector | (level ? ENTRY_LEVEL : 0) | (low ? ENTRY_LOW : 0));
	lock_drop(&ioapic_lock);
	return 0;
}

void ioapic_mask(u32 gsi, bool masked) {
	u32 n, reg, entry;

	if (!find(gsi, &n, &reg)) return;
	lock_take(&ioapic_lock);
	entry = ioapic_read(n, reg) & ~ENTRY_MASKED;
	ioapic_write(n, reg, entry | (masked ? ENTRY_MASKED : 0));
	lock_drop(&ioapic_lock);
}

u32 ioapic_isa_to_gsi(u32 isa, bool *level, bool *low) {
	if (isa >= ISA_IRQS) return isa;
	*level = acpi.isa[isa].level;
	*low = acpi.isa[isa].low;
	return acpi.isa[isa].gsi;
}
