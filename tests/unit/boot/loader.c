/* SPDX-License-Identifier: BSD-2-Clause */
/* kernel/boot: what the loader says, by both protocols; ACPI tables; range lists. */
#include "stubs.h"

#include "iommu/vtd.h"

#define BASE 0x1000

static struct boot_params params;

static void start(void) {
	free(memory);
	memory_base = BASE;
	memory_size = 0x100000;
	memory = calloc(1, memory_size);
	CHECK(memory);
	memset(&params, 0, sizeof(params));
}

static void put(u64 address, u64 value, unsigned size) {
	memcpy(memory + address - BASE, &value, size);
}

static void put_string(u64 address, const char *text) {
	strcpy((char *)memory + address - BASE, text);
}

/* --- ranges --- */

static void expect(const struct range_list *list, size_t count, const u64 *pairs) {
	CHECK(list->count == count);
	for (size_t i = 0; i < count; i++)
		CHECK(list->range[i].start == pairs[2 * i] &&
		      list->range[i].end == pairs[2 * i + 1]);
}

static void test_ranges(void) {
	struct range_list list = {0};

	CHECK(range_add(&list, 50, 60) && range_add(&list, 10, 20) && range_add(&list, 30, 40));
	CHECK(range_add(&list, 5, 5));
	expect(&list, 3, (u64[]){10, 20, 30, 40, 50, 60});
	CHECK(range_add(&list, 20, 30)); /* touches both */
	expect(&list, 2, (u64[]){10, 40, 50, 60});
	CHECK(range_add(&list, 0, 100));
	expect(&list, 1, (u64[]){0, 100});
	CHECK(range_remove(&list, 40, 50) && range_remove(&list, 90, 200) &&
	      range_remove(&list, 0, 1));
	expect(&list, 2, (u64[]){1, 40, 50, 90});
	CHECK(range_remove(&list, 30, 60) && range_remove(&list, 29, 30));
	expect(&list, 2, (u64[]){1, 29, 60, 90});
	CHECK(range_remove(&list, 0, ~0UL));
	expect(&list, 0, NULL);
	for (u64 i = 0; i < BOOT_MAX_RANGES; i++) CHECK(range_add(&list, i * 10, i * 10 + 5));
	CHECK(!range_add(&list, 7, 8) && !range_remove(&list, 1, 2) &&
	      list.count == BOOT_MAX_RANGES);
}

/* Random operations against a bitmap. */
static void test_ranges_random(void) {
	struct range_list list = {0};
	bool map[64] = {false};

	srand(2);
	for (int step = 0; step < 100000; step++) {
		u64 start = (u64)rand() % 64, end = (u64)rand() % 65;
		bool add = rand() & 1;
		u32 at = 0;

		CHECK(add ? range_add(&list, start, end) : range_remove(&list, start, end));
		for (u64 i = start; i < end; i++) map[i] = add;
		for (u64 i = 0; i < 64; i++) {
			while (at < list.count && list.range[at].end <= i) at++;
			CHECK(map[i] == (at < list.count && list.range[at].start <= i));
		}
		for (u32 i = 0; i + 1 < list.count; i++)
			CHECK(list.range[i].end < list.range[i + 1].start);
	}
}

/* --- multiboot --- */

/* An entry of the first protocol; the address behind it. */
static u64 entry1(u64 at, u64 address, u64 length, u32 type) {
	put(at, 20, 4);
	put(at + 4, address, 8);
	put(at + 12, length, 8);
	put(at + 20, type, 4);
	return at + 24;
}

static void build1(void) {
	u64 map = 0x2000, end = map;

	start();
	end = entry1(end, 0x100000, 0x1ff00000, 1);
	end = entry1(end, 0, 0x9fc01, 1);
	end = entry1(end, 0x5000800, 0x1000, 2); /* reserved, inside of RAM */
	end = entry1(end, 0x100000000, 0x40000000, 1);
	put(BASE, 0x4c, 4);
	put(BASE + 16, 0x3000, 4);
	put(BASE + 20, 2, 4);
	put(BASE + 24, 0x4000, 4);
	put(BASE + 44, end - map, 4);
	put(BASE + 48, map, 4);
	put_string(0x3000, "core.elf log=com2");
	put(0x4000, 0x200000, 4);
	put(0x4004, 0x200123, 4);
	put(0x4008, 0x3100, 4);
	put(0x4010, 0x201000, 4);
	put(0x4014, 0x203000, 4);
	put(0x4018, 0x3200, 4);
	put_string(0x3100, "/tmp/x.y/root.bin root");
	put_string(0x3200, "/tmp/out/system");
}

static const char *parse1(void) {
	memset(&params, 0, sizeof(params));
	return multiboot_parse(&params, MULTIBOOT1_LOADED, BASE);
}

static void test_multiboot1(void) {
	build1();
	CHECK(!parse1());
	expect(&params.ram, 4,
	       (u64[]){0, 0x9f000, 0x100000, 0x5000000, 0x5002000, 0x20000000, 0x100000000,
		       0x140000000});
	CHECK(strcmp(params.command_line, "core.elf log=com2") == 0);
	CHECK(params.module_count == 2 && strcmp(params.module[0].name, "root") == 0);
	CHECK(params.module[0].start == 0x200000 && params.module[0].size == 0x123);
	CHECK(strcmp(params.module[1].name, "system") == 0 && params.module[1].size == 0x2000);
	CHECK(!params.has_rsdp);
}

static void test_multiboot1_bad(void) {
	build1();
	put(BASE, 0xc, 4); /* no map */
	CHECK(parse1());
	build1();
	put(0x2000, 19, 4); /* an entry too short */
	CHECK(parse1());
	build1();
	put(0x2000, 0xfffffffc, 4);
	CHECK(parse1());
	build1();
	put(BASE + 48, 0xfffffff0, 4); /* a map that is not there */
	CHECK(parse1());
	build1();
	put(BASE + 20, 0xffffffff, 4); /* modules without end */
	CHECK(parse1());
	build1();
	put(0x4010, 0x200000, 4); /* two modules in one frame */
	CHECK(parse1());
	build1();
	put(0x4000, 0x200010, 4); /* not on a page */
	CHECK(parse1());
	build1();
	put(0x4004, 0x100, 4); /* ends before it starts */
	CHECK(parse1());
	build1();
	put(0x4010, 0x5000000, 4); /* in reserved memory */
	put(0x4014, 0x5003000, 4);
	CHECK(parse1());
	build1();
	put(0x2004, ~0UL - 5000, 8); /* RAM that wraps around */
	CHECK(parse1());
	CHECK(multiboot_parse(&params, 0x12345678, BASE));
}

/* Tags of the second protocol. */
static u64 tag_end;

static u64 tag(u32 type, u32 size) {
	u64 body = tag_end + 8;

	put(tag_end, type, 4);
	put(tag_end + 4, size + 8, 4);
	tag_end = ROUND_UP(body + size, 8UL);
	return body;
}

static void build2(void) {
	u64 body;

	start();
	tag_end = BASE + 8;
	put_string(tag(1, 9), "log=none");
	body = tag(3, 8 + 5);
	put(body, 0x200000, 4);
	put(body + 4, 0x201000, 4);
	put_string(body + 8, "root");
	body = tag(6, 8 + 2 * 24);
	put(body, 24, 4);
	put(body + 8, 0x100000, 8);
	put(body + 16, 0x700000, 8);
	put(body + 24, 1, 4);
	put(body + 32, 0x300000, 8);
	put(body + 40, 0x1000, 8);
	put(body + 48, 3, 4);
	put_string(tag(15, 36), "RSD PTR ");
	tag(0, 0);
	put(BASE, tag_end - BASE, 4);
}

static const char *parse2(void) {
	memset(&params, 0, sizeof(params));
	return multiboot_parse(&params, MULTIBOOT2_LOADED, BASE);
}

static void test_multiboot2(void) {
	build2();
	CHECK(!parse2());
	expect(&params.ram, 2, (u64[]){0x100000, 0x300000, 0x301000, 0x800000});
	CHECK(strcmp(params.command_line, "log=none") == 0 && params.has_rsdp);
	CHECK(params.module_count == 1 && strcmp(params.module[0].name, "root") == 0);
	CHECK(params.module[0].size == 0x1000 && memcmp(params.rsdp, "RSD PTR ", 8) == 0);
}

/* Cut off at each length: never an access outside, never a wrong success. */
static void test_multiboot2_bad(void) {
	u64 whole;

	build2();
	whole = tag_end - BASE;
	for (u64 size = 0; size < whole - 8; size++) {
		unsigned char *all = memory;

		memory = malloc(size ? size : 1);
		memcpy(memory, all, size);
		free(all);
		memory_size = size;
		CHECK(parse2());
		build2();
	}
	put(BASE + 12, 7, 4); /* a tag shorter than its head */
	CHECK(parse2());
	build2();
	put(BASE + 12, 0xffffffff, 4);
	CHECK(parse2());
}

/* --- ACPI --- */

static void sum(u64 address, u64 size, u64 at) {
	u8 total = 0;

	put(at, 0, 1);
	for (u64 i = 0; i < size; i++) total = (u8)(total + memory[address - BASE + i]);
	put(at, (u8)-total, 1);
}

static void build_acpi(void) {
	start();
	put_string(0x5000, "APIC"); /* MADT: LAPIC, one I/O APIC, an override */
	put(0x5004, 44 + 8 + 12 + 10, 4);
	put(0x5024, 0xfee00000, 4);
	put(0x502c, 0x0800, 2);
	put(0x5034, 0x0c01, 2);
	put(0x5038, 0xfec01000, 4);
	put(0x503c, 8, 4);
	put(0x5040, 0x0a02, 2);
	put(0x5043, 9, 1);
	put(0x5044, 20, 4);
	put(0x5048, 0xf, 2);
	sum(0x5000, 74, 0x5009);
	put_string(0x6000, "XSDT");
	put(0x6004, 36 + 16, 4);
	put(0x6024, 0x123456789000, 8); /* a table that is not there */
	put(0x602c, 0x5000, 8);
	sum(0x6000, 52, 0x6009);
	memcpy(params.rsdp, "RSD PTR ", 8);
	params.rsdp[15] = 2;
	params.rsdp[25] = 0x60; /* xsdt = 0x6000 */
	params.has_rsdp = true;
	for (unsigned i = 0; i < 20; i++)
		params.rsdp[8] = (u8)(params.rsdp[8] - (i == 8 ? 0 : params.rsdp[i]));
}

static void test_acpi(void) {
	build_acpi();
	acpi_parse(&params);
	CHECK(acpi.found && acpi.lapic == 0xfee00000 && acpi.ioapics == 1);
	CHECK(acpi.ioapic[0].address == 0xfec01000 && acpi.ioapic[0].gsi_base == 8);
	CHECK(acpi.isa[9].gsi == 20 && acpi.isa[9].level && acpi.isa[9].low);
	CHECK(acpi.isa[4].gsi == 4 && !acpi.isa[4].level && !acpi.isa[4].low);
}

static void expect_default(void) {
	acpi_parse(&params);
	CHECK(!acpi.found && acpi.lapic == 0xfee00000 && acpi.ioapics == 1);
	CHECK(acpi.ioapic[0].address == 0xfec00000 && acpi.isa[0].gsi == 2);
}

static void test_acpi_bad(void) {
	build_acpi();
	put(0x5030, 1, 1); /* checksum */
	expect_default();
	build_acpi();
	put(0x6004, 0xffffffff, 4);
	expect_default();
	build_acpi();
	put(0x6004, 5, 4);
	expect_default();
	build_acpi();
	params.rsdp[0] = 'X';
	expect_default();
	/* An entry of length 0 ends the list instead of the boot. */
	build_acpi();
	put(0x5035, 0, 1);
	sum(0x5000, 74, 0x5009);
	acpi_parse(&params);
	CHECK(acpi.found && acpi.isa[9].gsi == 9 && acpi.ioapic[0].address == 0xfec00000);
	/* Too long for the table. */
	build_acpi();
	put(0x5041, 11, 1);
	sum(0x5000, 74, 0x5009);
	acpi_parse(&params);
	CHECK(acpi.found && acpi.ioapics == 1 && acpi.isa[9].gsi == 9);
}

/* Two units, the second of another segment and with two scopes, and a reserved region. */
static void build_dmar(void) {
	build_acpi();
	put(0x5032, 0, 1);
	put(0x5036, 2, 1); /* the I/O APIC's id */
	sum(0x5000, 74, 0x5009);
	put_string(0x5400, "DMAR");
	put(0x5404, 48 + 16 + 24 + 32, 4);
	put(0x5425, 1, 1); /* interrupts may be remapped */
	put(0x5430, 16UL << 16, 4);
	put(0x5438, 0xfed90000, 8);
	put(0x5440, 24UL << 16 | 1, 4);
	put(0x5458, 32UL << 16, 4);
	put(0x545e, 1, 2);
	put(0x5460, 0xfed91000, 8);
	put(0x5468, 0x0801, 2); /* a function */
	put(0x546c, 2, 1);
	put(0x5470, 0x0803, 2); /* the I/O APIC with id 2, at f0:1f.7 */
	put(0x5474, 0x071ff002, 4);
	sum(0x5400, 120, 0x5409);
	put(0x6024, 0x5400, 8);
	sum(0x6000, 52, 0x6009);
}

static void test_dmar(void) {
	build_dmar();
	acpi_parse(&params);
	CHECK(acpi.iommus == 2 && acpi.intremap && acpi.rmrrs == 1);
	CHECK(acpi.iommu[0].address == 0xfed90000 && acpi.iommu[0].segment == 0);
	CHECK(acpi.iommu[1].address == 0xfed91000 && acpi.iommu[1].segment == 1);
	CHECK(acpi.ioapics == 1 && acpi.ioapic[0].source == 0xf0ff);
	build_acpi();
	acpi_parse(&params);
	CHECK(!acpi.iommus && !acpi.intremap && acpi.ioapic[0].source == SOURCE_ANY);
}

static void test_dmar_bad(void) {
	build_dmar();
	put(0x5402, 'X', 1);
	acpi_parse(&params);
	CHECK(!acpi.iommus);
	/* A structure that is too short ends the list, one that is too long too. */
	build_dmar();
	put(0x5442, 3, 2);
	sum(0x5400, 120, 0x5409);
	acpi_parse(&params);
	CHECK(acpi.iommus == 1 && !acpi.rmrrs);
	build_dmar();
	put(0x545a, 33, 2);
	sum(0x5400, 120, 0x5409);
	acpi_parse(&params);
	CHECK(acpi.iommus == 1 && acpi.rmrrs == 1);
	/* A path behind a bridge, and a scope longer than what is left: not said. */
	build_dmar();
	put(0x5471, 10, 1);
	sum(0x5400, 120, 0x5409);
	acpi_parse(&params);
	CHECK(acpi.iommus == 2 && acpi.ioapic[0].source == SOURCE_ANY);
	/* More units than there is room for are still counted. */
	build_dmar();
	put(0x5404, 48 + 16 * 20, 4);
	for (u64 at = 0x5430; at < 0x5430 + 16 * 20; at += 16) {
		put(at, 16UL << 16, 8);
		put(at + 8, 0xfed90000, 8);
	}
	sum(0x5400, 48 + 16 * 20, 0x5409);
	acpi_parse(&params);
	CHECK(acpi.iommus == 20);
}

int main(void) {
	static const struct test tests[] = {
		{"range lists", test_ranges},
		{"range lists against a bitmap", test_ranges_random},
		{"multiboot 1", test_multiboot1},
		{"multiboot 1 that lies", test_multiboot1_bad},
		{"multiboot 2", test_multiboot2},
		{"multiboot 2 cut off anywhere", test_multiboot2_bad},
		{"ACPI's MADT", test_acpi},
		{"ACPI tables that lie", test_acpi_bad},
		{"ACPI's DMAR", test_dmar},
		{"a DMAR that lies", test_dmar_bad},
	};

	return run_tests(tests, ARRAY_SIZE(tests));
}
