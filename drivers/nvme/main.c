/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The domain around the controller: its PCI function, its pages, the connection to
 * the disk server, and one timer. It keeps nothing that a successor needs: the
 * server asks again for what it has no answer to.
 *
 * Argument: timeout=SECONDS (default 15), after which a command that is not
 * answered costs the controller a reset.
 */
#include "libs/blk/driver.h"
#include "libs/control/control.h"
#include "libs/event/event.h"
#include "libs/log/log.h"
#include "libs/pci/pci.h"
#include "libs/rt/time.h"
#include "nvme.h"

#define DEFAULT_TIMEOUT 15U /* seconds */
#define MAX_TIMEOUT     600U
#define REGISTERS       0x2000U
#define QUIESCE_TIME    MILLISECONDS(50)

static struct nvme nvme;
static struct pci pci;
static struct blk_driver blk;
static volatile uint8_t *registers;
static struct event_timer timer, quiesce_timer;
static bool online, quiescing, mourned;
static uint32_t lies_told;
static uint8_t pages[NVME_PAGES][PAGE_SIZE] __attribute__((aligned(4096)));

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
	for (uint32_t i = 0; i < nvme.namespace_count; i++) {
		const struct nvme_namespace *space = &nvme.namespaces[i];

		if (!blk_driver_disk(&blk, i, &space->disk)) continue;
		log_print("disk %u: namespace %u, %lu MiB, blocks of %u, %u queues%s", i, space->id,
			  space->disk.sectors / 2048, space->disk.block, nvme.queue_count,
			  space->disk.flags & BLK_DISK_READONLY ? ", read-only" : "");
	}
	if (!nvme.namespace_count) log_print("the controller has no namespace to use");
	blk_driver_online(&blk, 0);
}

static void mourn(void) {
	if (!online || nvme.running) rt_panic("the controller: %s", nvme.why);
	if (!mourned) log_print("the controller is given up: %s", nvme.why);
	mourned = true;
}

/* After whatever has moved the controller on. */
static void settle(void) {
	if (nvme.state == NVME_DEAD) mourn();
	if (nvme.known && !online) go_online();
	if (quiescing && nvme_idle(&nvme)) {
		quiescing = false;
		event_timer_cancel(&quiesce_timer);
		blk_driver_quiesced(&blk);
	}
	if (online) blk_driver_work(&blk);
	nvme_kick(&nvme);
	if (nvme.wake == timer.deadline) return;
	if (nvme.wake)
		event_timer_arm(&timer, nvme.wake);
	else
		event_timer_cancel(&timer);
}

static bool on_interrupt(void *context) {
	bool all = nvme_interrupt(&nvme, (uint32_t)(uintptr_t)context, time_now());

	settle();
	return all;
}

static void on_timer(void *context) {
	(void)context;
	nvme_timer(&nvme, time_now());
	if (nvme.lies != lies_told)
		log_print("completions that nobody waits for: %u so far", nvme.lies);
	lies_told = nvme.lies;
	settle();
}

static void on_quiesce_timer(void *context) {
	(void)context;
	nvme_reset(&nvme, "commands of the old session do not end", time_now());
	settle();
}

static bool submit(void *device, const struct blk_request *request,
		   const struct blk_segment *segments) {
	(void)device;
	nvme_submit(&nvme, request, segments, time_now());
	return true;
}

static void kick(void *device) {
	(void)device;
	nvme_kick(&nvme);
	if (nvme.wake && !timer.deadline) event_timer_arm(&timer, nvme.wake);
}

static bool quiesce(void *device) {
	(void)device;
	nvme_drop(&nvme);
	quiescing = !nvme_idle(&nvme);
	if (quiescing) event_timer_arm(&quiesce_timer, time_now() + QUIESCE_TIME);
	return !quiescing;
}

static const struct blk_driver_ops ops = {.submit = submit, .kick = kick, .quiesce = quiesce};

/* As many queues as the window has room for. */
static void take_memory(void) {
	uint32_t count = NVME_ADMIN_PAGES;
	int error;

	error = pci_dma_map(&pci, pages, count, 0, nvme.memory.address);
	for (uint32_t i = 0; !error && i < NVME_MAX_QUEUES; i++) {
		error = pci_dma_map(&pci, pages + count, NVME_QUEUE_PAGES, 0,
				    nvme.memory.address + count);
		if (!error) count += NVME_QUEUE_PAGES;
	}
	if (error && count == NVME_ADMIN_PAGES)
		rt_panic("the device cannot reach enough of the driver's pages (%d)", error);
	nvme.memory.at = pages[0];
	nvme.memory.pages = count;
}

static uint64_t timeout(void) {
	uint64_t seconds = DEFAULT_TIMEOUT;
	char text[16];

	if (rt_argument("timeout", text, sizeof(text)) &&
	    (!rt_number(text, &seconds) || !seconds || seconds > MAX_TIMEOUT))
		rt_panic("timeout=%s is not a number of seconds up to %u", text, MAX_TIMEOUT);
	return seconds * 1000 * MILLISECONDS(1);
}

void native_main(void) {
	int error;

	nvme.timeout = timeout();
	control_init(NULL, NULL);
	error = blk_driver_attach(&blk, 0, &ops, NULL);
	if (error) rt_panic("it has no connection to a disk server (%d)", error);
	pci_open(&pci, 0);
	nvme.registers = (uint32_t)MIN(pci.device->function.bar[0].size, REGISTERS);
	registers = pci_map_bar(&pci, 0, 0, nvme.registers);
	if (!registers) rt_panic("the function has no memory for registers");
	take_memory();
	nvme.vectors = pci_irq_count(&pci);
	if (!nvme.vectors) rt_panic("the function has no interrupt");
	nvme.host = (struct nvme_host){.read = reg_read, .write = reg_write, .answer = answer};
	timer.handler = on_timer;
	quiesce_timer.handler = on_quiesce_timer;
	for (uint32_t i = 0; i < nvme.vectors; i++)
		pci_irq(&pci, i, on_interrupt, (void *)(uintptr_t)i);
	nvme_start(&nvme, time_now());
	settle();
	event_loop();
}
