/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The few facts that the core needs of ACPI: the interrupt controllers, out of
 * the MADT, and the IOMMUs, out of the DMAR. Tables are firmware's, so lengths and
 * checksums are verified, and what does not hold is ignored: without an MADT the core
 * goes on with the addresses that every PC has, without a DMAR there is no IOMMU.
 */
#include "boot/boot.h"
#include "iommu/vtd.h"
#include "lib/string.h"

#define EBDA_POINTER 0x40e
#define BIOS_START   0xe0000
#define BIOS_END     0x100000
#define TABLE_MAX    MIB(1)

#define MADT_LAPIC         0
#define MADT_IOAPIC        1
#define MADT_OVERRIDE      2
#define MADT_LAPIC_ADDRESS 5
#define MADT_X2APIC        9
#define MADT_ENABLED       1
#define MADT_POLARITY_LOW  3
#define MADT_TRIGGER_LEVEL 3
#define DMAR_UNIT          0
#define DMAR_REGION        1
#define DMAR_SCOPE_IOAPIC  3

struct rsdp {
	char signature[8];
	u8 checksum;
	char oem[6];
	u8 revision;
	u32 rsdt;
	u32 length;
	u64 xsdt;
} __attribute__((packed));

struct table {
	char signature[4];
	u32 length;
	u8 rest[28]; /* of the header */
} __attribute__((packed));

struct acpi_tables acpi;

static bool sums_to_zero(const void *data, size_t size) {
	const u8 *p = data;
	u8 sum = 0;

	while (size--) sum = (u8)(sum + *p++);
	return sum == 0;
}

static u64 field(const u8 *p, unsigned size) {
	u64 value = 0;

	memcpy(&value, p, size);
	return value;
}

/* The table at this address, all of it, or NULL. */
static const struct table *table_at(paddr_t address) {
	const struct table *t = boot_physical(address, sizeof(*t));

	if (!t || t->length < sizeof(*t) || t->length > TABLE_MAX ||
	    !boot_physical(address, t->length) || !sums_to_zero(t, t->length))
		return NULL;
	return t;
}

static bool rsdp_valid(const struct rsdp *r) {
	return r && memcmp(r->signature, "RSD PTR ", 8) == 0 &&
	       sums_to_zero(r, offsetof(struct rsdp, length));
}

static const struct rsdp *rsdp_scan(paddr_t start, paddr_t end) {
	for (; start < end; start += 16) {
		const struct rsdp *r = boot_physical(start, sizeof(*r));

		if (rsdp_valid(r)) return r;
	}
	return NULL;
}

static const struct rsdp *rsdp_find(const struct boot_params *params) {
	const struct rsdp *r = (const void *)params->rsdp;
	const u16 *ebda = boot_physical(EBDA_POINTER, sizeof(*ebda));

	if (params->has_rsdp && rsdp_valid(r)) return r;
	r = ebda ? rsdp_scan((paddr_t)*ebda << 4, ((paddr_t)*ebda << 4) + KIB(1)) : NULL;
	return r ? r : rsdp_scan(BIOS_START, BIOS_END);
}

/* The first table with this signature in the root table, whose entries have `width` bytes. */
static const struct table *find_in(const struct table *root, unsigned width,
				   const char *signature) {
	for (size_t at = sizeof(*root); root && root->length - at >= width; at += width) {
		const struct table *t = table_at(field((const u8 *)root + at, width));
		if (t && memcmp(t->signature, signature, 4) == 0) return t;
	}
	return NULL;
}

static const struct table *find_table(const struct rsdp *r, const char *signature) {
	const struct table *found = NULL;

	if (r && r->revision >= 2 && r->xsdt) found = find_in(table_at(r->xsdt), 8, signature);
	if (r && !found) found = find_in(table_at(r->rsdt), 4, signature);
	return found;
}

static void add_cpu(u32 apic_id, u64 flags) {
	if ((flags & MADT_ENABLED) && acpi.cpus < ACPI_MAX_CPUS)
		acpi.apic_id[acpi.cpus++] = apic_id;
}

/* e[0] is the type, e[1] the length. */
static void add_entry(const u8 *e) {
	u32 n = acpi.ioapics;
	u16 flags;

	if (e[0] == MADT_LAPIC && e[1] >= 8) add_cpu(e[3], field(e + 4, 4));
	if (e[0] == MADT_X2APIC && e[1] >= 16) add_cpu((u32)field(e + 4, 4), field(e + 8, 4));
	if (e[0] == MADT_IOAPIC && e[1] >= 12 && n < ACPI_MAX_IOAPICS) {
		acpi.ioapic[n].address = field(e + 4, 4);
		acpi.ioapic[n].gsi_base = (u32)field(e + 8, 4);
		acpi.ioapic[n].id = e[2];
		acpi.ioapic[n].source = SOURCE_ANY;
		acpi.ioapics++;
	} else if (e[0] == MADT_OVERRIDE && e[1] >= 10 && e[3] < ISA_IRQS) {
		flags = (u16)field(e + 8, 2);
		acpi.isa[e[3]].gsi = (u32)field(e + 4, 4);
		acpi.isa[e[3]].low = (flags & 3) == MADT_POLARITY_LOW;
		acpi.isa[e[3]].level = (flags >> 2 & 3) == MADT_TRIGGER_LEVEL;
	} else if (e[0] == MADT_LAPIC_ADDRESS && e[1] >= 12) {
		acpi.lapic = field(e + 4, 8);
	}
}

static void parse_madt(const struct table *madt) {
	const u8 *p = (const u8 *)(madt + 1);
	size_t left = madt->length - sizeof(*madt);

	if (left < 8) return;
	acpi.lapic = field(p, 4);
	acpi.found = true;
	for (p += 8, left -= 8; left >= 2 && p[1] >= 2 && p[1] <= left; left -= p[1], p += p[1])
		add_entry(p);
}

/* The devices in front of which a unit sits: which requests are an I/O APIC's. */
static void parse_scopes(const u8 *p, size_t left) {
	for (; left >= 8 && p[1] >= 8 && p[1] <= left; left -= p[1], p += p[1])
		for (u32 n = 0; n < acpi.ioapics; n++)
			if (p[0] == DMAR_SCOPE_IOAPIC && p[1] == 8 && p[4] == acpi.ioapic[n].id)
				acpi.ioapic[n].source =
					(u32)(p[5] << 8 | p[6] << 3 | p[7]) & 0xffff;
}

static void add_unit(const u8 *p, size_t size) {
	u32 n = acpi.iommus++;

	if (n >= ACPI_MAX_IOMMUS) return;
	acpi.iommu[n].address = field(p + 8, 8);
	acpi.iommu[n].segment = (u32)field(p + 6, 2);
	parse_scopes(p + 16, size - 16);
}

static void parse_dmar(const struct table *dmar) {
	const u8 *p = (const u8 *)(dmar + 1);
	size_t left = dmar->length - sizeof(*dmar), size;

	if (left < 12) return;
	acpi.intremap = p[1] & 1;
	for (p += 12, left -= 12; left >= 16; left -= size, p += size) {
		size = field(p + 2, 2);
		if (size < 16 || size > left) return;
		if (field(p, 2) == DMAR_UNIT) add_unit(p, size);
		acpi.rmrrs += field(p, 2) == DMAR_REGION;
	}
}

void acpi_parse(const struct boot_params *params) {
	const struct rsdp *rsdp = rsdp_find(params);
	const struct table *madt = find_table(rsdp, "APIC"), *dmar = find_table(rsdp, "DMAR");

	memset(&acpi, 0, sizeof(acpi));
	for (u32 i = 0; i < ISA_IRQS; i++) acpi.isa[i].gsi = i;
	acpi.lapic = 0xfee00000;
	if (madt) parse_madt(madt);
	if (!acpi.ioapics) {
		acpi.ioapics = 1;
		acpi.ioapic[0].address = 0xfec00000;
		acpi.ioapic[0].source = SOURCE_ANY;
		acpi.isa[0].gsi = 2;
	}
	if (dmar) parse_dmar(dmar);
}
