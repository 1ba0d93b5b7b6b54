/* SPDX-License-Identifier: BSD-2-Clause */
#include "devices.h"

#include "bus.h"
#include "device.h"
#include "functions.h"
#include "handover.h"
#include "libs/cap/cap.h"
#include "libs/log/log.h"
#include "libs/rt/time.h"
#include "memory.h"
#include "pages.h"
#include "proto/xen/errno.h"
#include "proto/xen/xen.h"

struct device devices[SYSTEM_MAX_DEVICES];

static struct bus bus;
static struct domain *bus_domain;
static struct event_timer bus_timer;
static bool resolved;

/* --- which function each is --- */

static void resolve(void) {
	static const void *owner[PCI_MAX_FUNCTIONS];
	bool missing = false;

	for (uint32_t i = 0; i < description.device_count; i++) {
		struct device *device = &devices[i];
		int found = functions_find(device->d, bus.page->function, bus_count(&bus), owner);
		const char *why = found == FUNCTION_NONE    ? "is not there"
				  : found == FUNCTION_TAKEN ? "belongs to another driver"
							    : NULL;

		device->state = DEVICE_MISSING;
		if (!why) {
			owner[found] = device;
			why = device_make(device, bus.page->function, bus_count(&bus),
					  (uint32_t)found);
			if (why) log_print("%s: %s", device->domain->name, why);
			if (why) why = "cannot be used";
		}
		if (why) device_report_missing(device, why);
		missing |= why != NULL;
		if (!why) device->state = DEVICE_PRESENT;
	}
	if (missing) device_report_table(bus.page->function, bus_count(&bus));
	resolved = true;
	if (devices_trust()) log_print("%s", devices_trust());
}

/* --- the bus domain --- */

static void pump(void) {
	enum bus_need need = bus_step(&bus, time_now());

	if (need == BUS_KICK) event_send(domains[0].control_port);
	if (need == BUS_LATE && bus_domain->stage == STAGE_RUNNING) {
		bus_ended(&bus);
		supervise_crash(bus_domain, "it does not answer");
	}
	if (bus.deadline)
		event_timer_arm(&bus_timer, bus.deadline);
	else
		event_timer_cancel(&bus_timer);
	if (!bus_ready(&bus) || resolved) return;
	resolve();
	supervise_continue();
}

static void bus_event(void *context) {
	(void)context;
	pump();
}

static void job_done(void *context, int status) {
	struct device *device = context;
	char address[DEVICE_ADDRESS_TEXT];

	device_address(device->function.source, address);
	if (status)
		log_print("%s: the device %s cannot be %s%s (%d)", device->domain->name, address,
			  device->preparing ? "prepared" : "quiesced",
			  status == -XEN_ETIMEDOUT ? ": its reset does not come to an end" : "",
			  status);
	if (device->preparing) {
		device->prepared = !status;
		if (status)
			supervise_not_prepared(device->domain);
		else
			supervise_continue();
		return;
	}
	if (!status || device->enforced) {
		int error = cap_dma_empty(device->dma_slot);

		if (error) rt_panic("the DMA window of %s cannot be emptied (%d)", address, error);
		device->active = false;
	}
	supervise_quiesced(device->domain, !device->active);
}

static void submit(struct device *device, uint32_t op) {
	struct pci_command *command = &device->job.command;

	device->preparing = op == PCI_OP_PREPARE;
	*command = (struct pci_command){
		.op = op,
		.source = device->function.source,
		.irq_kind = device->irq_kind,
		.irq_count = device->irq_count,
	};
	for (uint32_t i = 0; i < device->irq_count && device->irq_kind > PCI_IRQ_LINE; i++)
		if (cap_irq_message(device->irq_slot, device->irq_first + i, command->source,
				    &command->message[i]))
			log_print("%s: there is no message for its interrupt %u",
				  device->domain->name, i);
	bus_submit(&bus, &device->job);
	pump();
}

/* --- drivers, and who waits for them --- */

static enum device_wait before_driver(struct device *device) {
	if (device->state == DEVICE_UNKNOWN) return DEVICES_LATER;
	if (device->state == DEVICE_MISSING) return DEVICES_NEVER;
	if (device->prepared) return DEVICES_THERE;
	if (!device->job.queued) {
		device->active = true;
		submit(device, PCI_OP_PREPARE);
	}
	return device->prepared ? DEVICES_THERE : DEVICES_LATER;
}

/* A server finds its drivers' DMA windows at start; a guest finds its devices' servers. */
enum device_wait devices_before(struct domain *domain) {
	if (domain->device) return before_driver(domain->device);
	for (uint32_t i = is_native(domain); i < domain->connection_count; i++) {
		const struct system_connection *c =
			&description.connections[domain->connections[i]];

		if (link_is_driver(c) && c->server == domain->index && domains[c->client].device &&
		    domains[c->client].device->state == DEVICE_UNKNOWN)
			return DEVICES_LATER;
		if (link_is_backend(c) && c->client == domain->index &&
		    domains[c->server].stage == STAGE_HELD)
			return DEVICES_LATER;
	}
	return DEVICES_THERE;
}

void devices_starting(struct domain *domain) {
	if (domain->device) domain->device->prepared = false;
	if (domain != bus_domain) return;
	bus_started(&bus, (uint16_t)domain->incarnation, time_now());
	event_timer_arm(&bus_timer, bus.deadline);
}

bool devices_ended(struct domain *domain) {
	if (domain == bus_domain) {
		bus_ended(&bus);
		event_timer_cancel(&bus_timer);
	}
	if (!domain->device || !domain->device->active) return false;
	domain->device->prepared = false;
	if (!domain->device->job.queued) submit(domain->device, PCI_OP_QUIESCE);
	return true;
}

void devices_given_up(struct domain *domain) {
	if (domain != bus_domain || resolved) return;
	for (uint32_t i = 0; i < description.device_count; i++) {
		devices[i].state = DEVICE_MISSING;
		device_report_missing(&devices[i], "is not known: the bus domain is given up");
	}
	resolved = true;
	supervise_continue();
}

/* --- what is handed over --- */

const char *devices_give(struct domain *domain, struct native_start *start) {
	struct device *device = domain->device;
	static const struct native_cap all = {.type = CAP_MMIO, .count = UINT32_MAX};

	if (domain == bus_domain)
		return handover_cap(domain, start, boot_info->mmio_slot, RIGHT_USE, &all)
			       ? NULL
			       : "it cannot get the device memory";
	if (!device) return NULL;
	for (uint32_t i = 0; i < device->cap_count; i++)
		if (!handover_cap(domain, start, device->cap[i].slot, RIGHT_USE, &device->cap[i]))
			return "it cannot get its device's registers";
	*device->page = (struct pci_device){
		.version = PCI_BUS_VERSION,
		.irq_kind = device->irq_kind,
		.irq_first = device->irq_first,
		.irq_count = device->irq_count,
		.dma_count = device->d->own_slots,
		.flags = device->enforced ? PCI_DEVICE_IOMMU : 0,
		.function = device->function,
	};
	if (device->irq_slot) {
		struct native_cap cap = {0, CAP_IRQ, device->irq_first, device->irq_count};

		device->page->irq_slot =
			handover_cap(domain, start, device->irq_slot, RIGHT_USE, &cap);
		if (!device->page->irq_slot) return "it cannot get its interrupts";
	}
	if (device->own_slot) {
		struct native_cap cap = {0, CAP_DMASPACE, 0, device->d->own_slots};

		device->page->dma_slot =
			handover_cap(domain, start, device->own_slot, RIGHT_DMA_MAP, &cap);
		if (!device->page->dma_slot) return "it cannot get its DMA window";
	}
	return NULL;
}

void devices_give_page(struct domain *domain, struct native_start *start) {
	if (domain->device)
		handover_pages(start, SYSTEM_CONN_PCI, "device", domain->device->page_ref, 1, 0);
}

const char *devices_give_server(struct domain *server, struct native_start *start,
				struct native_connection *connection, const struct domain *driver) {
	const struct device *device = driver->device;
	struct native_cap cap = {.type = CAP_DMASPACE};

	if (!device || device->state != DEVICE_PRESENT || !device->server_slot) return NULL;
	cap.first_low = device->d->own_slots;
	cap.count = device->d->dma_slots - device->d->own_slots;
	connection->dma_slot =
		handover_cap(server, start, device->server_slot, RIGHT_DMA_MAP, &cap);
	return connection->dma_slot ? NULL : "it cannot get the DMA window of a driver";
}

/* --- faults --- */

void devices_check_faults(void) {
	for (uint32_t i = 0; i < description.device_count; i++) {
		struct device *device = &devices[i];
		struct dma_info info;
		char address[DEVICE_ADDRESS_TEXT], why[128];

		if (device->state != DEVICE_PRESENT || cap_dma_info(device->dma_slot, &info) ||
		    info.faults == device->faults)
			continue;
		device_address(device->function.source, address);
		rt_format(why, sizeof(why),
			  "its device %s tried to %s 0x%lx, which is not its own (%lu blocked)",
			  address, info.last_reason >> 31 ? "write" : "read", info.last_address,
			  info.faults - device->faults);
		device->faults = info.faults;
		/* One that is being quiesced anyway may do as it likes. */
		if (device->domain->stage == STAGE_RUNNING)
			supervise_crash(device->domain, why);
		else
			log_print("%s: %s", device->domain->name, why);
	}
}

void devices_init(void) {
	for (uint32_t i = 0; i < description.device_count; i++) {
		struct device *device = &devices[i];
		uint64_t mfn = pages_take(1);

		device->d = &description.devices[i];
		device->domain = &domains[device->d->domain];
		device->domain->device = device;
		device->job.done = job_done;
		device->job.context = device;
		device->page = pages_map(mfn, 1);
		device->page_ref = pages_grant(device->domain->d->domid, mfn, 1, true);
	}
	for (uint32_t i = 0; i < description.connection_count; i++)
		if (description.connections[i].protocol == SYSTEM_CONN_BUS)
			bus_domain = &domains[description.connections[i].server];
	if (!bus_domain) return;
	bus_init(&bus, bus_page);
	bus_timer.handler = bus_event;
	event_handle(domains[0].control_port, bus_event, NULL);
}
