/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kernel/boot on boot information and ACPI tables that say anything: nothing is
 * read outside of the memory there is, nothing hangs, and what is accepted keeps
 * the promises of boot.h.
 *
 * The first byte chooses the protocol and how far the tables are led to; the others
 * are memory from 0x400 on, which is where the pointer to the EBDA, and so the search
 * for the RSDP, lies too.
 */
#include "stubs.h"

#include "iommu/vtd.h"

#define BASE 0x400
#define INFO 0x440

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A checksum is no obstacle: the first table of the input gets the right one. */
static void mend(size_t at) {
	u8 total = 0;
	u32 length;

	if (memory_size < at + 36) return;
	memcpy(&length, memory + at + 4, 4);
	if (length < 36 || length > memory_size - at) return;
	memory[at + 9] = 0;
	for (u32 i = 0; i < length; i++) total = (u8)(total + memory[at + i]);
	memory[at + 9] = (u8)-total;
}

static void check(const struct boot_params *p) {
	for (u32 i = 0; i < p->ram.count; i++) {
		const struct range *r = &p->ram.range[i];

		CHECK(r->start < r->end && !((r->start | r->end) & ~PAGE_MASK));
		CHECK(i == 0 || p->ram.range[i - 1].end < r->start);
	}
	for (u32 i = 0; i < p->module_count; i++)
		for (u32 j = 0; j < i; j++)
			CHECK(!p->module[i].size || !p->module[j].size ||
			      p->module[i].start >= p->module[j].start + p->module[j].size ||
			      p->module[j].start >= p->module[i].start + p->module[i].size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	static struct boot_params params;

	if (size < 1) return 0;
	memory_base = BASE;
	memory_size = size - 1;
	memory = malloc(size);
	memcpy(memory, data + 1, memory_size);
	if (data[0] & 4 && memory_size >= 0x190) {
		/* The second table is the first one's only entry, looked for, and all the rest. */
		memcpy(memory + 0x104, (u32[]){36 + 8}, 4);
		memcpy(memory + 0x100 + 36, (u64[]){BASE + 0x180}, 8);
		memcpy(memory + 0x180, data[0] & 8 ? "APIC" : "DMAR", 4);
		memcpy(memory + 0x184, (u32[]){(u32)memory_size - 0x180}, 4);
	}
	mend(0x180);
	mend(0x100);
	memset(&params, 0, sizeof(params));
	if (!multiboot_parse(&params, data[0] & 1 ? MULTIBOOT1_LOADED : MULTIBOOT2_LOADED, INFO))
		check(&params);
	/* An RSDP that leads to the tables that were mended. */
	if (data[0] & 2) {
		static const u8 rsdp[36] = {'R', 'S', 'D',      ' ',         'P',        'T',
					    'R', ' ', [15] = 2, [24] = 0x00, [25] = 0x05};

		memcpy(params.rsdp, rsdp, sizeof(rsdp));
		for (unsigned i = 0; i < 20; i++)
			params.rsdp[8] = (u8)(params.rsdp[8] - (i == 8 ? 0 : params.rsdp[i]));
		params.has_rsdp = true;
	}
	acpi_parse(&params);
	CHECK(acpi.ioapics && acpi.ioapics <= ACPI_MAX_IOAPICS);
	for (u32 i = 0; i < acpi.ioapics; i++)
		CHECK(acpi.ioapic[i].source == SOURCE_ANY || acpi.ioapic[i].source <= 0xffff);
	free(memory);
	return 0;
}
