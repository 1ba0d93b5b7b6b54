/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The bus domain: the only one that reaches PCI configuration space (mechanism 1,
 * PCI Local Bus 3.0, 3.2.2.3.2). It fills the bus page when it starts and then
 * carries out one command of root's after the other. What it knows it can find
 * out again, but for which functions are in use: that stands in the page.
 */
#include "bus.h"

#include "libs/cap/cap.h"
#include "libs/control/control.h"
#include "libs/event/event.h"
#include "libs/grant/grant.h"
#include "libs/log/log.h"
#include "libs/pci/mmio.h"
#include "libs/rt/package.h"
#include "libs/rt/time.h"
#include "libs/rt/window.h"
#include "proto/system.h"

PACKAGE_SERVER(SYSTEM_CONN_BUS, PCI_BUS_VERSION, PCI_BUS_VERSION);

#define CONFIG_ADDRESS 0xcf8U
#define CONFIG_DATA    0xcfcU
#define CONFIG_ENABLE  0x80000000U
#define NO_FRAME       UINT64_MAX
#define USABLE_PROBES  16U

static struct bus bus;
static struct pci_bus *page; /* shared with root */
static uint32_t root_port;
static struct pci_function table[PCI_MAX_FUNCTIONS]; /* as root sees it */
static uint32_t table_count;
static void *memory_window;
static uint64_t memory_frame = NO_FRAME; /* mapped there */

static void select_register(uint32_t source, uint32_t at) {
	uint32_t value = CONFIG_ENABLE | (source & 0xffff) << 8 | (at & 0xfc);

	__asm__ volatile("outl %0, %1" : : "a"(value), "Nd"((uint16_t)CONFIG_ADDRESS));
}

static uint32_t config_read(void *context, uint32_t source, uint32_t at, unsigned width) {
	uint16_t port = (uint16_t)(CONFIG_DATA + (at & 3));
	uint32_t value = 0;

	(void)context;
	select_register(source, at);
	if (width == 1)
		__asm__ volatile("inb %1, %b0" : "+a"(value) : "Nd"(port));
	else if (width == 2)
		__asm__ volatile("inw %1, %w0" : "+a"(value) : "Nd"(port));
	else
		__asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static void config_write(void *context, uint32_t source, uint32_t at, unsigned width,
			 uint32_t value) {
	uint16_t port = (uint16_t)(CONFIG_DATA + (at & 3));

	(void)context;
	select_register(source, at);
	if (width == 1)
		__asm__ volatile("outb %b0, %1" : : "a"(value), "Nd"(port));
	else if (width == 2)
		__asm__ volatile("outw %w0, %1" : : "a"(value), "Nd"(port));
	else
		__asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port));
}

/* Device memory through one page of the window. NULL: nobody may map this. */
static void *memory_at(uint64_t address) {
	uint64_t frame = address / PAGE_SIZE;

	if (frame != memory_frame) {
		if (memory_frame != NO_FRAME) window_unmap(memory_window);
		memory_frame = NO_FRAME;
		if (window_map_frame(memory_window, frame, true)) return NULL;
		memory_frame = frame;
	}
	return (uint8_t *)memory_window + address % PAGE_SIZE;
}

static uint32_t memory_read(void *context, uint64_t address, unsigned width) {
	const void *at = memory_at(address);

	(void)context;
	if (!at) return UINT32_MAX;
	return width == 1 ? mmio_read8(at) : mmio_read32(at);
}

static void memory_write(void *context, uint64_t address, unsigned width, uint32_t value) {
	void *at = memory_at(address);

	(void)context;
	if (!at)
		return;
	else if (width == 1)
		mmio_write8(at, (uint8_t)value);
	else
		mmio_write32(at, value);
}

/* The core maps no RAM and none of its own devices as device memory: so it is asked. */
static bool usable(void *context, uint64_t address, uint64_t size) {
	uint64_t step = MAX(size / USABLE_PROBES, PAGE_SIZE);

	(void)context;
	for (uint64_t at = 0; at < size; at += step)
		if (!memory_at(address + at)) return false;
	return memory_at(address + size - 1) != NULL;
}

static void wait(void *context, uint32_t microseconds) {
	(void)context;
	time_sleep(microseconds * 1000ULL);
}

/* What happened to the entry is seen before `done` says so. */
static void show_entry(const struct bus_entry *entry) {
	for (uint32_t i = 0; i < table_count; i++)
		if (table[i].source == entry->f.source) {
			table[i] = entry->f;
			page->function[i] = entry->f;
		}
}

static int carry_out(const struct pci_command *command) {
	struct bus_entry *entry;
	int status;

	if (command->function >= table_count || table[command->function].source != command->source)
		return -XEN_ENODEV;
	entry = bus_find(&bus, command->source);
	if (!entry) return -XEN_ENODEV;
	switch (command->op) {
	case PCI_OP_PREPARE: status = bus_prepare(&bus, entry, command); break;
	case PCI_OP_QUIESCE: status = bus_quiesce(&bus, entry); break;
	default: return -XEN_EINVAL;
	}
	show_entry(entry);
	return status;
}

static void on_root(void *context) {
	uint32_t seq = __atomic_load_n(&page->command.seq, __ATOMIC_ACQUIRE);
	struct pci_command command;

	(void)context;
	page->heartbeat++;
	if (!seq || seq == page->done) return;
	memcpy(&command, &page->command, sizeof(command));
	page->status = carry_out(&command);
	__atomic_store_n(&page->done, seq, __ATOMIC_RELEASE);
	event_send(root_port);
}

static void log_function(const struct pci_function *f) {
	char bars[120] = "";
	size_t used = 0;

	for (unsigned n = 0; n < PCI_BARS; n++) {
		const struct pci_bar *bar = &f->bar[n];

		if (!(bar->flags & (PCI_BAR_MEMORY | PCI_BAR_IO)) || used >= sizeof(bars)) continue;
		used += rt_format(bars + used, sizeof(bars) - used, " %s%lx+%lx",
				  bar->flags & PCI_BAR_IO ? "io " : "", bar->address, bar->size);
	}
	log_print("%02x:%02x.%x %04x:%04x class %06x, messages %u/%u, line %u,%s%s%s",
		  f->source >> 8 & 0xff, f->source >> 3 & 0x1f, f->source & 7, f->vendor, f->device,
		  f->class_code, f->msi_count, f->msix_count, f->line, *bars ? bars : " no BARs",
		  f->state == PCI_STATE_ACTIVE ? ", in use" : "",
		  f->flags & PCI_F_BROKEN ? ", BROKEN: its BARs make no sense or have no room"
					  : "");
}

static void find_functions(void) {
	memcpy(table, page->function, sizeof(table));
	bus.note = &page->note;
	bus_enumerate(&bus, table, MIN(page->count, PCI_MAX_FUNCTIONS));
	bus_assign(&bus);
	table_count = bus_export(&bus, table, PCI_MAX_FUNCTIONS);
	memcpy(page->function, table, sizeof(table[0]) * table_count);
	page->count = table_count;
	for (uint32_t i = 0; i < table_count; i++) log_function(&table[i]);
	if (bus.numbered) log_print("%u bridges were given bus numbers", bus.numbered);
	if (bus.placed) log_print("%u BARs were given addresses", bus.placed);
	if (bus.left_out) log_print("%u functions too many: left out", bus.left_out);
}

static void attach(void) {
	const struct native_connection *connection = rt_connection(SYSTEM_CONN_BUS, 0);
	static struct grant_mapping mapping;
	int error;

	if (!connection) rt_panic("it has no connection to root: the description lacks it");
	error = grant_map(&mapping, connection->ring_domid, connection->ring_ref, PCI_BUS_PAGES);
	if (error) rt_panic("the bus pages cannot be mapped (%d)", error);
	page = mapping.at;
	if (page->version != PCI_BUS_VERSION)
		rt_panic("the bus page is of version %u", page->version);
	root_port = connection->port;
	event_handle(root_port, on_root, NULL);
}

static void take_ports(void) {
	uint32_t slot;
	int error;

	for (uint32_t i = 0; i < rt_start_page->cap_count; i++) {
		const struct native_cap *cap = &rt_start_page->caps[i];

		slot = cap->slot;
		if (cap->type != CAP_IOPORTS || cap->first_low > CONFIG_ADDRESS ||
		    cap->count < CONFIG_DATA + 4 - cap->first_low)
			continue;
		error = cap_ioports_enable(slot);
		if (error) rt_panic("ports 0xcf8-0xcff cannot be used (%d)", error);
		return;
	}
	rt_panic("it lacks the I/O ports 0xcf8-0xcff");
}

void native_main(void) {
	control_init(NULL, NULL);
	attach();
	take_ports();
	memory_window = window_take(1);
	if (!memory_window) rt_panic("no room to map device memory");
	bus.ops = (struct bus_ops){
		.read = config_read,
		.write = config_write,
		.memory_read = memory_read,
		.memory_write = memory_write,
		.usable = usable,
		.wait = wait,
	};
	find_functions();
	__atomic_store_n(&page->ready, rt_start_page->incarnation + 1U, __ATOMIC_RELEASE);
	event_send(root_port);
	on_root(NULL);
	event_loop();
}
