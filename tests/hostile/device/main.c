/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A program in root's place that owns one device, QEMU's `edu`, which does DMA on
 * request and sends messages: may it reach what it was given, and nothing else?
 * Where the machine has an IOMMU, what is not given must be blocked, counted and told.
 * It prints PASS or FAIL for each case, and a sum, and leaves through the exit port.
 */
#include "libs/cap/cap.h"
#include "libs/event/event.h"
#include "libs/log/log.h"
#include "libs/pci/config.h"
#include "libs/pci/mmio.h"
#include "libs/rt/hypercall.h"
#include "libs/rt/time.h"
#include "libs/rt/window.h"
#include "proto/xen/xen.h"

#define EDU_VENDOR_DEVICE 0x11e81234U
#define EDU_ID            0x00
#define EDU_LIVE          0x04
#define EDU_IRQ_STATUS    0x24
#define EDU_IRQ_RAISE     0x60
#define EDU_IRQ_ACK       0x64
#define EDU_DMA_FROM      0x80
#define EDU_DMA_TO        0x88
#define EDU_DMA_COUNT     0x90
#define EDU_DMA_COMMAND   0x98
#define EDU_BUFFER        0x40000UL
#define DMA_START         1U
#define DMA_FROM_EDU      2U

#define EXIT_PORT 0xf4
#define CONFIG    0xcf8
#define SECOND    1000000000UL
#define SLOTS     512
#define BATCH     32
#define FIRST_IRQ (IRQ_MSI + 3)

static const struct boot_info *boot;
static volatile uint8_t *edu;
static unsigned passed, failed;
static uint32_t next_slot, space;
static uint32_t source, cap_at; /* of the device */
static struct dma_map page[2];
static uint8_t memory[2][PAGE_SIZE] __attribute__((aligned(PAGE_SIZE)));

static void check(const char *name, bool ok) {
	log_print("%s %s", ok ? "PASS" : "FAIL", name);
	passed += ok;
	failed += !ok;
}

static void out32(uint16_t port, uint32_t value) {
	__asm__ volatile("outl %0, %1" ::"a"(value), "Nd"(port));
}

static uint32_t in32(uint16_t port) {
	uint32_t value;

	__asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static void enable_ports(uint16_t first, uint16_t count) {
	uint32_t slot = next_slot++;

	if (cap_copy(boot->ioports_slot, slot, RIGHT_USE, first, count) || cap_ioports_enable(slot))
		rt_panic("ports");
}

static uint32_t config_read(uint32_t at) {
	out32(CONFIG, 0x80000000U | source << 8 | (at & ~3U));
	return in32(CONFIG + 4);
}

static void config_write(uint32_t at, uint32_t value) {
	out32(CONFIG, 0x80000000U | source << 8 | at);
	out32(CONFIG + 4, value);
}

static bool wait_for(uint32_t port, uint64_t ns) {
	struct shared_info *shared = (struct shared_info *)(uintptr_t)rt_start_page->shared_info;
	uint64_t end = time_now() + ns, mask = 1UL << port % 64;

	while (time_now() < end)
		if (__atomic_fetch_and(&shared->evtchn_pending[port / 64], ~mask,
				       __ATOMIC_SEQ_CST) &
		    mask)
			return true;
	return false;
}

static void find_edu(void) {
	uint8_t config[256];
	void *at = window_take(1);

	enable_ports(CONFIG, 8);
	for (source = 0; source < 256 && config_read(0) != EDU_VENDOR_DEVICE; source++)
		;
	if (source == 256) rt_panic("there is no edu device");
	config_write(PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	for (uint32_t i = 0; i < sizeof(config); i += 4) {
		uint32_t value = config_read(i);

		memcpy(config + i, &value, 4);
	}
	cap_at = pci_capability(config, PCI_CAP_MSI, 0, 14);
	if (window_map_frame(at, config_read(PCI_BAR0) >> PAGE_SHIFT, true))
		rt_panic("its registers cannot be mapped");
	edu = at;
}

static void test_mmio(void) {
	void *at = window_take(1);

	check("registers", mmio_read32(edu + EDU_ID) == 0x010000ed);
	mmio_write32(edu + EDU_LIVE, 0x12345678);
	check("register_write", mmio_read32(edu + EDU_LIVE) == ~0x12345678U);
	check("lapic_refused", window_map_frame(at, 0xfee00, true) < 0);
	check("messages_refused", window_map_frame(at, 0xfee7f, true) < 0);
	check("ioapic_refused", window_map_frame(at, 0xfec00, false) < 0);
	check("core_ram_refused", window_map_frame(at, 0x100, false) < 0);
	check("free_ram_refused", window_map_frame(at, boot->extent[0].mfn, false) < 0);
	check("iommu_refused",
	      !(boot->flags & BOOT_F_IOMMU) || window_map_frame(at, 0xfed90, true) < 0);
	check("beyond_refused", window_map_frame(at, 1UL << 40, true) < 0);
	check("firmware_table", !window_map_frame(at, 0xf0, false)); /* no RAM for the core */
	window_unmap(at);
}

static void set_message(const struct irq_message *m) {
	config_write(cap_at + 4, (uint32_t)m->address);
	if (config_read(cap_at) & 1U << 23) {
		config_write(cap_at + 8, (uint32_t)(m->address >> 32));
		config_write(cap_at + 12, m->data);
	} else {
		config_write(cap_at + 8, m->data);
	}
	config_write(cap_at, config_read(cap_at) | 1U << 16);
}

static void raise(void) {
	mmio_write32(edu + EDU_IRQ_RAISE, 1);
	mmio_write32(edu + EDU_IRQ_ACK, 1);
}

static void test_messages(void) {
	uint32_t mine = next_slot++, port;
	struct irq_message m;
	bool remap = boot->flags & BOOT_F_INTREMAP;

	if (cap_copy(boot->msi_slot, mine, RIGHT_USE | RIGHT_ROUTE, FIRST_IRQ, 1))
		rt_panic("messages");
	check("irq_range", cap_irq_bind(mine, FIRST_IRQ + 1, 0, 0) == -XEN_EINVAL &&
				   cap_irq_message(mine, FIRST_IRQ - 1, source, &m) == -XEN_EINVAL);
	check("irq_flags", cap_irq_bind(mine, FIRST_IRQ, 0, IRQ_LEVEL) == -XEN_EINVAL);
	check("irq_source", cap_irq_message(mine, FIRST_IRQ, 1U << 16, &m) == -XEN_EINVAL);
	check("irq_line_message", cap_irq_message(boot->irq_slot, 4, source, &m) == -XEN_EINVAL);
	port = (uint32_t)cap_irq_bind(mine, FIRST_IRQ, 0, 0);
	check("irq_bind", (int)port > 0);
	check("irq_message", cap_irq_message(mine, FIRST_IRQ, source, &m) == 0);
	set_message(&m);
	raise();
	check("interrupt", wait_for(port, SECOND / 10));
	raise();
	raise();
	check("as_one", wait_for(port, SECOND / 10) && !wait_for(port, SECOND / 100));
	/* It moves to another function: this one may not raise it any more. */
	check("moved", cap_irq_message(mine, FIRST_IRQ, 0xff, &m) == 0);
	raise();
	check("not_its_own", wait_for(port, SECOND / 100) == !remap);
	/* In the old format, which anybody could write. */
	m = (struct irq_message){.address = 0xfee00000, .data = 0xef};
	set_message(&m);
	raise();
	(void)!cap_irq_message(mine, FIRST_IRQ, source, &m);
	set_message(&m);
	raise();
	check("back_again", wait_for(port, SECOND / 10));
	check("irq_released", cap_delete(mine) == 0);
	raise();
	check("no_port_left", !wait_for(port, SECOND / 100));
}

static void create_space(void) {
	struct dmaspace_create create = {.source = source, .slots = SLOTS, .name = "edu"};
	uint32_t from = 0, extent = next_slot++;
	uint64_t size = 0;

	for (uint32_t i = 0; i < boot->extents; i++) {
		if (boot->extent[i].frames <= size) continue;
		size = boot->extent[i].frames;
		from = boot->extent[i].slot;
	}
	space = next_slot++;
	if (cap_memory_split(from, size - 1, extent)) rt_panic("memory");
	check("space_too_small", cap_memory_create_dmaspace(extent, space, &create) == -XEN_ENOMEM);
	if (cap_memory_merge(from, extent) || cap_memory_split(from, size - create.frames, extent))
		rt_panic("memory");
	check("space", cap_memory_create_dmaspace(extent, space, &create) == 0);
	check("space_enforced",
	      !(create.flags & DMASPACE_ENFORCED) == !(boot->flags & BOOT_F_IOMMU));
	check("space_busy", cap_memory_create_dmaspace(extent, next_slot, &create) != 0);
}

static void transfer(uint64_t from, uint64_t to, uint32_t command) {
	mmio_write64(edu + EDU_DMA_FROM, from);
	mmio_write64(edu + EDU_DMA_TO, to);
	mmio_write64(edu + EDU_DMA_COUNT, PAGE_SIZE / 2);
	mmio_write64(edu + EDU_DMA_COMMAND, command | DMA_START);
	while (mmio_read64(edu + EDU_DMA_COMMAND) & DMA_START)
		;
}

static void fill(uint8_t *bytes, uint8_t seed) {
	for (unsigned i = 0; i < PAGE_SIZE; i++) bytes[i] = (uint8_t)(seed + i * 7);
}

static bool is_filled(const uint8_t *bytes, uint8_t seed) {
	for (unsigned i = 0; i < PAGE_SIZE / 2; i++)
		if (((const volatile uint8_t *)bytes)[i] != (uint8_t)(seed + i * 7)) return false;
	return true;
}

static void map_pages(uint16_t flags) {
	for (unsigned i = 0; i < 2; i++)
		page[i] = (struct dma_map){.slot = i,
					   .domid = DOMID_SELF,
					   .flags = i ? flags : 0,
					   .what = (uintptr_t)memory[i]};
	if (cap_dma_map(space, page, 2) != 2) rt_panic("pages cannot be mapped");
}

static void test_dma(void) {
	static const uint32_t slots[2] = {0, 1};

	map_pages(0);
	fill(memory[0], 1);
	fill(memory[1], 2);
	transfer(page[0].address, EDU_BUFFER, 0);
	transfer(EDU_BUFFER, page[1].address, DMA_FROM_EDU);
	check("transfer", is_filled(memory[1], 1));
	check("unmap", cap_dma_unmap(space, slots, 2) == 0);
}

/* What an element costs in a batch, for whoever reads the log of a run under -icount. */
static void measure(void) {
	static struct dma_map maps[BATCH];
	static uint32_t slots[BATCH];
	uint64_t start, mapped;
	int done;

	for (uint32_t i = 0; i < BATCH; i++) {
		slots[i] = i;
		maps[i] = (struct dma_map){
			.slot = i, .domid = DOMID_SELF, .what = (uintptr_t)memory[0]};
	}
	start = time_now();
	done = cap_dma_map(space, maps, BATCH);
	mapped = time_now();
	check("batch", done == BATCH && cap_dma_unmap(space, slots, BATCH) == 0);
	log_print("bench: an element of dma_map %u ns, of dma_unmap %u ns",
		  (unsigned)((mapped - start) / BATCH), (unsigned)((time_now() - mapped) / BATCH));
}

/* With an IOMMU only: what is not mapped cannot be reached. */
static void test_blocked(void) {
	static const uint32_t slots[2] = {0, 1};
	struct dma_info info;
	int port = event_bind_virq(VIRQ_DOM_EXC, NULL, NULL);

	fill(memory[1], 5);
	transfer(EDU_BUFFER, page[1].address, DMA_FROM_EDU);
	check("unmapped", is_filled(memory[1], 5));
	check("fault_told", port > 0 && wait_for((uint32_t)port, SECOND / 2));
	check("fault_counted", cap_dma_info(space, &info) == 0 && info.faults &&
				       info.last_address == page[1].address &&
				       info.last_reason >> 31);
	transfer(EDU_BUFFER, page[1].machine, DMA_FROM_EDU);
	check("machine_address", is_filled(memory[1], 5));
	map_pages(DMA_READONLY);
	transfer(EDU_BUFFER, page[1].address, DMA_FROM_EDU);
	check("readonly", is_filled(memory[1], 5));
	transfer(page[1].address, EDU_BUFFER, 0);
	transfer(EDU_BUFFER, page[0].address, DMA_FROM_EDU);
	check("readable", is_filled(memory[0], 5));
	(void)!cap_dma_unmap(space, slots, 2);
	/* What another function's DmaSpace would have there is not this one's. */
	check("fault_again", wait_for((uint32_t)port, SECOND / 2));
}

/* Closed for good: the Memory comes back, and the device has nothing. */
static void test_end(void) {
	uint32_t extent = space - 1;

	map_pages(0);
	check("reclaim_busy", cap_memory_reclaim(extent) == -XEN_EBUSY);
	check("empty", cap_dma_empty(space) == 0);
	check("reclaim", cap_memory_reclaim(extent) == 0);
	check("space_gone", cap_dma_map(space, page, 1) == -XEN_EBADF);
	fill(memory[1], 9);
	if (!(boot->flags & BOOT_F_IOMMU)) return;
	transfer(EDU_BUFFER, page[1].address, DMA_FROM_EDU);
	transfer(EDU_BUFFER, page[1].machine, DMA_FROM_EDU);
	check("nothing_reached", is_filled(memory[1], 9));
}

void native_main(void) {
	boot = (const void *)((const uint8_t *)rt_start_page + NATIVE_START_PAGES * PAGE_SIZE);
	log_init(boot->console_slot);
	next_slot = boot->free_slot;
	enable_ports(EXIT_PORT, 4);
	find_edu();
	test_mmio();
	test_messages();
	create_space();
	test_dma();
	measure();
	if (boot->flags & BOOT_F_IOMMU) test_blocked();
	test_end();
	log_print("device: %u passed, %u failed", passed, failed);
	out32(EXIT_PORT, 0x10 + !!failed);
}
