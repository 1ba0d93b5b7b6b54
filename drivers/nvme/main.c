/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The domain around the controller: its PCI function, its pages, the connection to
 * the disk server, and one timer. It keeps nothing that a successor needs: the
 * server asks again for what it has no answer to.
 *
 * Argument: timeout=SECONDS (default 15), after which a command that is not
 * answered costs the controller a reset.
 */
#include "libs/blk/engine.h"
#include "libs/control/control.h"
#include "libs/event/event.h"
#include "libs/log/log.h"
#include "libs/pci/pci.h"
#include "libs/rt/time.h"
#include "nvme.h"

#define DEFAULT_TIMEOUT 15U /* seconds */
#define MAX_TIMEOUT     600U
#define REGISTERS       0x2000U

static struct nvme nvme;
static struct pci pci;
static struct blk_engine engine;
static volatile uint8_t *registers;
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
	blk_driver_complete(&engine.blk, tag, status, device_status);
}

static void describe(void *device, struct blk_driver *blk) {
	(void)device;
	for (uint32_t i = 0; i < nvme.namespace_count; i++) {
		const struct nvme_namespace *space = &nvme.namespaces[i];

		if (!blk_driver_disk(blk, i, &space->disk)) continue;
		log_print("disk %u: namespace %u, %lu MiB, blocks of %u, %u queues%s", i, space->id,
			  space->disk.sectors / 2048, space->disk.block, nvme.queue_count,
			  space->disk.flags & BLK_DISK_READONLY ? ", read-only" : "");
	}
	if (!nvme.namespace_count) log_print("the controller has no namespace to use");
}

static void view(void *device, struct blk_engine_view *view) {
	const struct nvme *nvme = device;

	*view = (struct blk_engine_view){
		.known = nvme->known,
		.dead = nvme->state == NVME_DEAD,
		.running = nvme->running,
		.why = nvme->why,
		.wake = nvme->wake,
	};
}

static bool on_interrupt(void *context) {
	bool all = nvme_interrupt(&nvme, (uint32_t)(uintptr_t)context, time_now());

	blk_engine_settle(&engine);
	return all;
}

static void timer(void *device, uint64_t now) {
	nvme_timer(device, now);
	if (nvme.lies != lies_told)
		log_print("completions that nobody waits for: %u so far", nvme.lies);
	lies_told = nvme.lies;
}

static void submit(void *device, const struct blk_request *request,
		   const struct blk_segment *segments, uint64_t now) {
	nvme_submit(device, request, segments, now);
}

static void kick(void *device) { nvme_kick(device); }
static void drop(void *device) { nvme_drop(device); }
static bool is_idle(void *device) { return nvme_idle(device); }
static void reset(void *device, const char *why, uint64_t now) { nvme_reset(device, why, now); }

static const struct blk_engine_ops ops = {
	.what = "the controller",
	.view = view,
	.describe = describe,
	.submit = submit,
	.kick = kick,
	.timer = timer,
	.drop = drop,
	.is_idle = is_idle,
	.reset = reset,
};

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

void native_main(void) {
	nvme.timeout =
		blk_engine_number("timeout", DEFAULT_TIMEOUT, MAX_TIMEOUT) * 1000 * MILLISECONDS(1);
	control_init(NULL, NULL);
	blk_engine_attach(&engine, &ops, &nvme);
	pci_open(&pci, 0);
	nvme.registers = (uint32_t)MIN(pci.device->function.bar[0].size, REGISTERS);
	registers = pci_map_bar(&pci, 0, 0, nvme.registers);
	if (!registers) rt_panic("the function has no memory for registers");
	take_memory();
	nvme.vectors = pci_irq_count(&pci);
	if (!nvme.vectors) rt_panic("the function has no interrupt");
	nvme.host = (struct nvme_host){.read = reg_read, .write = reg_write, .answer = answer};
	for (uint32_t i = 0; i < nvme.vectors; i++)
		pci_irq(&pci, i, on_interrupt, (void *)(uintptr_t)i);
	nvme_start(&nvme, time_now());
	blk_engine_settle(&engine);
	event_loop();
}
