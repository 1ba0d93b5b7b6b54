/* SPDX-License-Identifier: BSD-2-Clause */
/* Which function a driver means, and which of its pages it may have. */
#include "native.h"

#include "servers/root/functions.h"

#define ALL                                            \
	((struct system_device){.vendor = SYSTEM_ANY,  \
				.device = SYSTEM_ANY,  \
				.address = SYSTEM_ANY, \
				.index = SYSTEM_ANY})

/* Two NVMe controllers, a virtio disk by either of its numbers, a network card. */
static struct pci_function table[] = {
	{.source = 0x08, .vendor = 0x1b36, .device = 0x0010, .class_code = 0x010802},
	{.source = 0x10, .vendor = 0x1af4, .device = 0x1001, .class_code = 0x010000},
	{.source = 0x18, .vendor = 0x1b36, .device = 0x0010, .class_code = 0x010802},
	{.source = 0x100, .vendor = 0x8086, .device = 0x10d3, .class_code = 0x020000},
	{.source = 0x108, .vendor = 0x1af4, .device = 0x1042, .class_code = 0x010000},
};
static const void *owner[ARRAY_SIZE(table)];

static int find(const struct system_device *record) {
	return functions_find(record, table, ARRAY_SIZE(table), owner);
}

static void test_find(void) {
	struct system_device nvme = ALL, virtio = ALL, address = ALL, storage = ALL;

	nvme.class_code = 0x010802;
	nvme.class_mask = 0xffffff;
	CHECK(find(&nvme) == 0);
	owner[0] = table;
	CHECK(find(&nvme) == 2);
	owner[2] = table;
	CHECK(find(&nvme) == FUNCTION_TAKEN);
	owner[0] = owner[2] = NULL;

	virtio.vendor = 0x1af4;
	virtio.device = 0x1042;
	CHECK(find(&virtio) == 4);
	virtio.device_or = 0x1001;
	CHECK(find(&virtio) == 1);
	virtio.device = 0x1000;
	virtio.device_or = 0;
	CHECK(find(&virtio) == FUNCTION_NONE);

	address.address = 0x100;
	CHECK(find(&address) == 3);
	address.class_mask = 0xff0000;
	address.class_code = 0x010000;
	CHECK(find(&address) == FUNCTION_NONE);

	storage.class_mask = 0xff0000;
	storage.class_code = 0x010000;
	CHECK(find(&storage) == 0);
	storage.vendor = 0x1af4;
	CHECK(find(&storage) == 1);
	CHECK(functions_find(&storage, table, 0, owner) == FUNCTION_NONE);
}

/* An index counts what matches, taken or not: two drivers never mean the same. */
static void test_index(void) {
	struct system_device nvme = ALL;

	nvme.class_code = 0x010802;
	nvme.class_mask = 0xffffff;
	nvme.index = 1;
	CHECK(find(&nvme) == 2);
	owner[0] = table;
	CHECK(find(&nvme) == 2);
	owner[0] = NULL;
	owner[2] = table;
	CHECK(find(&nvme) == FUNCTION_TAKEN);
	owner[2] = NULL;
	nvme.index = 2;
	CHECK(find(&nvme) == FUNCTION_NONE);
}

static struct pci_function msix(uint64_t size, uint32_t offset, uint16_t count) {
	return (struct pci_function){
		.flags = PCI_F_MSIX,
		.msix_count = count,
		.msix_offset = offset,
		.bar[0] = {.address = 0xfe000000, .size = size, .flags = PCI_BAR_MEMORY},
	};
}

static void test_pages(void) {
	struct function_pages p[FUNCTION_PIECES];
	struct pci_function f = msix(0x4000, 0x2000, 65);

	CHECK(functions_pages(&f, 0, p) == 2);
	CHECK(p[0].first == 0xfe000 && p[0].count == 2 && p[1].first == 0xfe003 && p[1].count == 1);
	f = msix(0x4000, 0x2000, 257); /* one entry more than a page holds */
	CHECK(functions_pages(&f, 0, p) == 1 && p[0].first == 0xfe000 && p[0].count == 2);
	f = msix(0x4000, 0, 1);
	CHECK(functions_pages(&f, 0, p) == 1 && p[0].first == 0xfe001 && p[0].count == 3);
	f = msix(0x4000, 0x3800, 8);
	CHECK(functions_pages(&f, 0, p) == 1 && p[0].first == 0xfe000 && p[0].count == 3);
	f = msix(0x1000, 0, 2);
	CHECK(functions_pages(&f, 0, p) == 0);
	f.msix_bar = 1;
	CHECK(functions_pages(&f, 0, p) == 1 && p[0].count == 1);
	f.msix_bar = 0;
	f.flags = 0;
	CHECK(functions_pages(&f, 0, p) == 1 && p[0].count == 1);
}

static void test_impossible_pages(void) {
	struct function_pages p[FUNCTION_PIECES];
	struct pci_function f = msix(0x1000, 0xfffffff0, 0xffff);

	CHECK(functions_pages(&f, 0, p) == 1 && p[0].count == 1); /* a table beyond the BAR */
	CHECK(functions_pages(&f, 1, p) == 0);
	CHECK(functions_pages(&f, PCI_BARS, p) == 0);
	f.bar[0].flags = PCI_BAR_IO;
	CHECK(functions_pages(&f, 0, p) == 0);
	f = msix(UINT64_MAX, 0, 1);
	CHECK(functions_pages(&f, 0, p) == 0);
	f = msix(0x1000, 0, 1);
	f.bar[0].address = UINT64_MAX - 0xfff;
	CHECK(functions_pages(&f, 0, p) == 0);
	f.bar[0].address = 0;
	CHECK(functions_pages(&f, 0, p) == 0);
	f = msix(0x100, 0, 0); /* smaller than a page, in the middle of one */
	f.bar[0].address += 0xf80;
	CHECK(functions_pages(&f, 0, p) == 1 && p[0].first == 0xfe000 && p[0].count == 2);
	for (unsigned i = 0; i < 100000; i++) {
		for (size_t n = 0; n < sizeof(f); n++) ((uint8_t *)&f)[n] = (uint8_t)noise();
		if (i % 2) f.msix_bar = i % PCI_BARS;
		for (uint32_t bar = 0; bar < PCI_BARS; bar++) {
			uint32_t count = functions_pages(&f, bar, p);

			CHECK(count <= FUNCTION_PIECES);
			for (uint32_t n = 0; n < count; n++)
				CHECK(p[n].count && p[n].first >= f.bar[bar].address / PAGE_SIZE &&
				      p[n].first + p[n].count <=
					      DIV_UP(f.bar[bar].address + f.bar[bar].size,
						     PAGE_SIZE));
		}
	}
}

static void test_share(void) {
	struct pci_function f[2] = {msix(0x100, 0, 0), msix(0x100, 0, 0)};

	f[1].bar[0].address += 0x100;
	CHECK(functions_share(f, 2, 0, 0) && functions_share(f, 2, 1, 0));
	f[1].bar[0].address += 0x1000;
	CHECK(!functions_share(f, 2, 0, 0) && !functions_share(f, 2, 0, 1));
	f[0].bar[1] = f[0].bar[0]; /* one function's own may lie together */
	CHECK(!functions_share(f, 2, 0, 0));
}

static void test_irq(void) {
	struct pci_function f = {
		.flags = PCI_F_MSI | PCI_F_MSIX, .msi_count = 4, .msix_count = 3, .line = 11};
	uint32_t count;

	CHECK(functions_irq(&f, 2, true, &count) == PCI_IRQ_MSIX && count == 2);
	CHECK(functions_irq(&f, 16, true, &count) == PCI_IRQ_MSIX && count == 3);
	f.msix_count = 0xffff;
	CHECK(functions_irq(&f, UINT32_MAX, true, &count) == PCI_IRQ_MSIX &&
	      count == PCI_MAX_MESSAGES);
	CHECK(functions_irq(&f, 2, false, &count) == PCI_IRQ_LINE && count == 1);
	f.flags = PCI_F_MSI;
	CHECK(functions_irq(&f, 4, true, &count) == PCI_IRQ_MSI && count == 1);
	f.flags = 0;
	CHECK(functions_irq(&f, 4, true, &count) == PCI_IRQ_LINE && count == 1);
	f.line = 0xff;
	CHECK(functions_irq(&f, 4, true, &count) == PCI_IRQ_NONE && count == 0);
}

int main(void) {
	static const struct test tests[] = {
		{"what a record means", test_find},
		{"an index", test_index},
		{"pages without the MSI-X table", test_pages},
		{"pages of impossible functions", test_impossible_pages},
		{"pages of two functions", test_share},
		{"kinds of interrupts", test_irq},
	};

	return RUN("functions", tests);
}
