/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The domain around the adapter: its PCI function, its pages, the connection to
 * the disk server, and one timer. It keeps nothing that a successor needs: the
 * server asks again for what it has no answer to.
 *
 * Arguments: timeout=SECONDS (default 15), after which a command that is not
 * answered costs the port a reset; ports=MASK (default all), the ports that are
 * used: one that is known to be empty need not be waited for.
 */
#include "libs/blk/driver.h"
#include "libs/control/control.h"
#include "libs/event/event.h"
#include "libs/log/log.h"
#include "libs/pci/pci.h"
#include "libs/rt/time.h"
#include "ahci.h"

#define DEFAULT_TIMEOUT 15U /* seconds */
#define MAX_TIMEOUT     600U
#define REGISTERS       0x1100U
#define BAR             5U
#define QUIESCE_TIME    MILLISECONDS(50)

static struct ahci ahci;
static struct pci pci;
static struct blk_driver blk;
static volatile uint8_t *registers;
static struct event_timer timer, quiesce_timer;
static bool online, quiescing, mourned;
static uint8_t pages[AHCI_PAGES][PAGE_SIZE] __attribute__((aligned(4096)));

static uint32_t reg_read(void *context, uint32_t offset) {
	(void)context;
	return mmio_read32(registers + offset);
}

static void reg_write(void *context, uint32_t offset, uint32_t value) {
	(void)context;
	mmio_write32(registers + offset, value);
}

static void answer(void *context, uint16_t tag, uint32_t status, uint32_t device_status) {
	(void)context;
	blk_driver_complete(&blk, tag, status, device_status);
}

static void go_online(void) {
	online = true;
	for (uint32_t i = 0; i < ahci.disk_count; i++) {
		const struct ahci_identity *identity = &ahci.port[ahci.disk_port[i]].identity;
		struct blk_disk disk;

		ahci_describe(&ahci, i, &disk);
		if (!blk_driver_disk(&blk, i, &disk)) continue;
		log_print("disk %u: port %u, %lu MiB, blocks of %u, %u commands at once", i,
			  ahci.disk_port[i], disk.sectors / 2048, disk.block,
			  MAX(identity->depth, 1U));
	}
	if (!ahci.disk_count) log_print("no port has a disk");
	blk_driver_online(&blk, 0);
}

static void mourn(void) {
	if (!online || ahci.running) rt_panic("the adapter: %s", ahci.why);
	if (!mourned) log_print("the adapter is given up: %s", ahci.why);
	mourned = true;
}

/* After whatever has moved the adapter on. */
static void settle(void) {
	if (ahci.state == AHCI_DEAD) mourn();
	if (ahci.known && !online) go_online();
	if (quiescing && ahci_idle(&ahci)) {
		quiescing = false;
		event_timer_cancel(&quiesce_timer);
		blk_driver_quiesced(&blk);
	}
	if (online) blk_driver_work(&blk);
	ahci_kick(&ahci);
	if (ahci.wake == timer.deadline) return;
	if (ahci.wake)
		event_timer_arm(&timer, ahci.wake);
	else
		event_timer_cancel(&timer);
}

static bool on_interrupt(void *context) {
	(void)context;
	ahci_interrupt(&ahci, time_now());
	settle();
	return true;
}

static void on_timer(void *context) {
	(void)context;
	ahci_timer(&ahci, time_now());
	settle();
}

static void on_quiesce_timer(void *context) {
	(void)context;
	ahci_reset(&ahci, "commands of the old session do not end", time_now());
	settle();
}

static bool submit(void *device, const struct blk_request *request,
		   const struct blk_segment *segments) {
	(void)device;
	ahci_submit(&ahci, request, segments, time_now());
	return true;
}

static void kick(void *device) {
	(void)device;
	ahci_kick(&ahci);
	if (ahci.wake && !timer.deadline) event_timer_arm(&timer, ahci.wake);
}

static bool quiesce(void *device) {
	(void)device;
	ahci_drop(&ahci);
	quiescing = !ahci_idle(&ahci);
	if (quiescing) event_timer_arm(&quiesce_timer, time_now() + QUIESCE_TIME);
	return !quiescing;
}

static const struct blk_driver_ops ops = {.submit = submit, .kick = kick, .quiesce = quiesce};

/* For as many ports as the window has room for. */
static void take_memory(void) {
	uint32_t count = 0;
	int error = 0;

	while (!error && count < AHCI_PAGES) {
		error = pci_dma_map(&pci, pages + count, AHCI_PORT_PAGES, 0,
				    ahci.memory.address + count);
		if (!error) count += AHCI_PORT_PAGES;
	}
	if (!count) rt_panic("the device cannot reach enough of the driver's pages (%d)", error);
	ahci.memory.at = pages[0];
	ahci.memory.pages = count;
}

static uint64_t number(const char *name, uint64_t otherwise, uint64_t most) {
	uint64_t value = otherwise;
	char text[16];

	if (rt_argument(name, text, sizeof(text)) &&
	    (!rt_number(text, &value) || !value || value > most))
		rt_panic("%s=%s is not a number from 1 to %lu", name, text, most);
	return value;
}

void native_main(void) {
	int error;

	ahci.timeout = number("timeout", DEFAULT_TIMEOUT, MAX_TIMEOUT) * 1000 * MILLISECONDS(1);
	ahci.use = (uint32_t)number("ports", UINT32_MAX, UINT32_MAX);
	control_init(NULL, NULL);
	error = blk_driver_attach(&blk, 0, &ops, NULL);
	if (error) rt_panic("it has no connection to a disk server (%d)", error);
	ahci.expected = blk.page->disk_count; /* root's page: what is left of a predecessor */
	pci_open(&pci, 0);
	ahci.registers = (uint32_t)MIN(pci.device->function.bar[BAR].size, REGISTERS);
	registers = pci_map_bar(&pci, BAR, 0, ahci.registers);
	if (!registers) rt_panic("the function has no memory for registers");
	take_memory();
	if (!pci_irq_count(&pci)) rt_panic("the function has no interrupt");
	ahci.host = (struct ahci_host){.read = reg_read, .write = reg_write, .answer = answer};
	timer.handler = on_timer;
	quiesce_timer.handler = on_quiesce_timer;
	pci_irq(&pci, 0, on_interrupt, NULL);
	ahci_start(&ahci, time_now());
	settle();
	event_loop();
}
