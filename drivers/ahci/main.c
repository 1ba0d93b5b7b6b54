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
#include "libs/blk/engine.h"
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

static struct ahci ahci;
static struct pci pci;
static struct blk_engine engine;
static volatile uint8_t *registers;
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
	blk_driver_complete(&engine.blk, tag, status, device_status);
}

static void describe(void *device, struct blk_driver *blk) {
	(void)device;
	for (uint32_t i = 0; i < ahci.disk_count; i++) {
		const struct ahci_identity *identity = &ahci.port[ahci.disk_port[i]].identity;
		struct blk_disk disk;

		ahci_describe(&ahci, i, &disk);
		if (!blk_driver_disk(blk, i, &disk)) continue;
		log_print("disk %u: port %u, %lu MiB, blocks of %u, %u commands at once", i,
			  ahci.disk_port[i], disk.sectors / 2048, disk.block,
			  MAX(identity->depth, 1U));
	}
	if (!ahci.disk_count) log_print("no port has a disk");
}

static void view(void *device, struct blk_engine_view *view) {
	const struct ahci *ahci = device;

	*view = (struct blk_engine_view){
		.known = ahci->known,
		.dead = ahci->state == AHCI_DEAD,
		.running = ahci->running,
		.why = ahci->why,
		.wake = ahci->wake,
	};
}

static bool on_interrupt(void *context) {
	(void)context;
	ahci_interrupt(&ahci, time_now());
	blk_engine_settle(&engine);
	return true;
}

static void timer(void *device, uint64_t now) { ahci_timer(device, now); }

static void submit(void *device, const struct blk_request *request,
		   const struct blk_segment *segments, uint64_t now) {
	ahci_submit(device, request, segments, now);
}

static void kick(void *device) { ahci_kick(device); }
static void drop(void *device) { ahci_drop(device); }
static bool is_idle(void *device) { return ahci_idle(device); }
static void reset(void *device, const char *why, uint64_t now) { ahci_reset(device, why, now); }

static const struct blk_engine_ops ops = {
	.what = "the adapter",
	.view = view,
	.describe = describe,
	.submit = submit,
	.kick = kick,
	.timer = timer,
	.drop = drop,
	.is_idle = is_idle,
	.reset = reset,
};

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

void native_main(void) {
	ahci.timeout =
		blk_engine_number("timeout", DEFAULT_TIMEOUT, MAX_TIMEOUT) * 1000 * MILLISECONDS(1);
	ahci.use = (uint32_t)blk_engine_number("ports", UINT32_MAX, UINT32_MAX);
	control_init(NULL, NULL);
	blk_engine_attach(&engine, &ops, &ahci);
	ahci.expected =
		engine.blk.page->disk_count; /* root's page: what is left of a predecessor */
	pci_open(&pci, 0);
	ahci.registers = (uint32_t)MIN(pci.device->function.bar[BAR].size, REGISTERS);
	registers = pci_map_bar(&pci, BAR, 0, ahci.registers);
	if (!registers) rt_panic("the function has no memory for registers");
	take_memory();
	if (!pci_irq_count(&pci)) rt_panic("the function has no interrupt");
	ahci.host = (struct ahci_host){.read = reg_read, .write = reg_write, .answer = answer};
	pci_irq(&pci, 0, on_interrupt, NULL);
	ahci_start(&ahci, time_now());
	blk_engine_settle(&engine);
	event_loop();
}
