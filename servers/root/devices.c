/* SPDX-License-Identifier: BSD-2-Clause */
#include "devices.h"

#include "bus.h"
#include "functions.h"
#include "handover.h"
#include "libs/cap/cap.h"
#include "libs/log/log.h"
#include "libs/rt/time.h"
#include "memory.h"
#include "pages.h"
#include "proto/xen/xen.h"

#define ADDRESS_TEXT 16
#define DEVICE_CAPS  (PCI_BARS * FUNCTION_PIECES)

enum device_state { DEVICE_UNKNOWN, DEVICE_PRESENT, DEVICE_MISSING };

struct device {
	const struct system_device *d;
	struct domain *domain;
	uint8_t state;  /* enum device_state */
	bool prepared;  /* its driver may be started */
	bool active;    /* since it was prepared, it has not been quiesced */
	bool preparing; /* which of the two `job` is */
	struct pci_function function;
	struct bus_job job;
	uint64_t faults; /* accesses that were blocked and reported */

	uint32_t dma_slot, own_slot, server_slot; /* all of it, the driver's part, the server's */
	bool enforced;
	uint32_t irq_kind, irq_first, irq_count, irq_slot;
	uint32_t cap_count;
	struct native_cap cap[DEVICE_CAPS]; /* slot: root's, narrowed */

	struct pci_device *page;
	uint32_t page_ref;
};

static struct device devices[SYSTEM_MAX_DEVICES];
static struct bus bus;
static struct domain *bus_domain;
static struct event_timer bus_timer;
static bool resolved;
static uint32_t messages_used, messages_end; /* of the Irqs at msi_slot, numbers */

static void address_text(uint32_t source, char text[ADDRESS_TEXT]) {
	rt_format(text, ADDRESS_TEXT, "%02x:%02x.%x", source >> 8 & 0xff, source >> 3 & 0x1f,
		  source & 7);
}

/* --- what each gets, once --- */

/* A DmaSpace is made of Memory, like a domain: the first try says how much. */
static const char *make_dmaspace(struct device *device) {
	uint16_t owner = MEMORY_DEVICE(device - devices);
	struct dmaspace_create create = {
		.source = device->function.source,
		.slots = device->d->dma_slots,
	};
	struct extent *extent = memory_take_one(owner, 0, 1);
	int error = -XEN_ENOMEM;

	rt_strcopy(create.name, device->domain->name, sizeof(create.name));
	device->dma_slot = slot_take();
	if (!extent || !device->dma_slot) return "there is no memory for its DMA window";
	error = cap_memory_create_dmaspace(extent->slot, device->dma_slot, &create);
	if (error == -XEN_ENOMEM) {
		memory_release(owner);
		extent = memory_take_one(owner, 0, create.frames);
		if (!extent) return "there is no memory for its DMA window";
		error = cap_memory_create_dmaspace(extent->slot, device->dma_slot, &create);
	}
	if (error) return "the core refuses its DMA window";
	extent->place = MEMORY_USED;
	device->enforced = create.flags & DMASPACE_ENFORCED;
	if (device->d->own_slots)
		device->own_slot =
			handover_narrow(device->dma_slot, RIGHT_DMA_MAP, 0, device->d->own_slots);
	if (device->d->own_slots < device->d->dma_slots)
		device->server_slot =
			handover_narrow(device->dma_slot, RIGHT_DMA_MAP, device->d->own_slots,
					device->d->dma_slots - device->d->own_slots);
	return NULL;
}

static const char *make_interrupts(struct device *device) {
	uint32_t left = messages_end - messages_used, count;

	device->irq_kind = functions_irq(&device->function, MIN(device->d->interrupts, left),
					 left > 0, &count);
	device->irq_count = count;
	if (device->irq_kind == PCI_IRQ_NONE) return NULL;
	if (device->irq_kind == PCI_IRQ_LINE) {
		device->irq_first = device->function.line;
		device->irq_slot =
			handover_narrow(boot_info->irq_slot, RIGHT_USE, device->irq_first, 1);
	} else {
		device->irq_first = messages_used;
		messages_used += count;
		device->irq_slot = handover_narrow(boot_info->msi_slot, RIGHT_USE | RIGHT_ROUTE,
						   device->irq_first, count);
	}
	return device->irq_slot ? NULL : "it cannot get its interrupts";
}

static bool add_cap(struct device *device, uint32_t type, uint64_t first, uint64_t count) {
	uint32_t from = type == CAP_MMIO ? boot_info->mmio_slot : boot_info->ioports_slot;
	uint32_t slot = handover_narrow(from, RIGHT_USE, first, count);

	if (!slot) return false;
	device->cap[device->cap_count++] = (struct native_cap){
		.slot = slot,
		.type = type,
		.first_low = (uint32_t)first,
		.count = (uint32_t)count,
	};
	return true;
}

static const char *make_bars(struct device *device, uint32_t index) {
	const struct pci_function *f = &device->function;
	struct function_pages pieces[FUNCTION_PIECES];

	for (uint32_t bar = 0; bar < PCI_BARS; bar++) {
		uint32_t count = functions_pages(f, bar, pieces);

		if (f->bar[bar].flags & PCI_BAR_IO && f->bar[bar].size &&
		    !add_cap(device, CAP_IOPORTS, f->bar[bar].address, f->bar[bar].size))
			return "it cannot get its I/O ports";
		if (count && functions_share(bus.page->function, bus_count(&bus), index, bar))
			return "a page of its registers holds another function's, too";
		for (uint32_t i = 0; i < count; i++)
			if (!add_cap(device, CAP_MMIO, pieces[i].first, pieces[i].count))
				return "it cannot get its registers";
	}
	return NULL;
}

static const char *make_device(struct device *device, uint32_t index) {
	const char *why = NULL;

	device->function = bus.page->function[index];
	if (device->function.flags & PCI_F_BROKEN)
		return "its registers could not be placed, or it describes itself wrongly";
	why = make_dmaspace(device);
	if (!why && !device->enforced && description.header->flags & SYSTEM_F_REQUIRE_IOMMU)
		why = "no IOMMU enforces what it reaches, and the description requires one";
	if (!why) why = make_interrupts(device);
	if (!why) why = make_bars(device, index);
	return why;
}

/* --- which function each is --- */

static void number_text(uint32_t number, const char *format, char text[ADDRESS_TEXT]) {
	if (number == SYSTEM_ANY)
		rt_strcopy(text, "any", ADDRESS_TEXT);
	else
		rt_format(text, ADDRESS_TEXT, format, number);
}

static void report_missing(const struct device *device, const char *why) {
	const struct system_device *d = device->d;
	char vendor[ADDRESS_TEXT], number[ADDRESS_TEXT], address[ADDRESS_TEXT] = "any",
							 index[ADDRESS_TEXT];

	number_text(d->vendor, "%04x", vendor);
	number_text(d->device, "%04x", number);
	number_text(d->index, "%u", index);
	if (d->address != SYSTEM_ANY) address_text(d->address, address);
	log_print("%s: its device (line %u of the description) %s; it is not started",
		  device->domain->name, d->line, why);
	log_print("%s: looked for class %06x/%06x, vendor %s, device %s, address %s, index %s",
		  device->domain->name, d->class_code, d->class_mask, vendor, number, address,
		  index);
}

static void list_functions(void) {
	for (uint32_t i = 0; i < bus_count(&bus); i++) {
		const struct pci_function *f = &bus.page->function[i];
		char address[ADDRESS_TEXT];

		address_text(f->source, address);
		log_print("there is %s: class %06x, vendor %04x, device %04x", address,
			  f->class_code, f->vendor, f->device);
	}
	if (!bus_count(&bus)) log_print("there is no PCI function");
}

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
			why = make_device(device, (uint32_t)found);
			if (why) log_print("%s: %s", device->domain->name, why);
			if (why) why = "cannot be used";
		}
		if (why) report_missing(device, why);
		missing |= why != NULL;
		if (!why) device->state = DEVICE_PRESENT;
	}
	if (missing) list_functions();
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
	char address[ADDRESS_TEXT];

	address_text(device->function.source, address);
	if (status)
		log_print("%s: the device %s cannot be %s (%d)", device->domain->name, address,
			  device->preparing ? "prepared" : "quiesced", status);
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

/* A disk server finds its DMA windows at start; a guest finds the server of its disks. */
enum device_wait devices_before(struct domain *domain) {
	if (domain->device) return before_driver(domain->device);
	for (uint32_t i = is_native(domain); i < domain->connection_count; i++) {
		const struct system_connection *c =
			&description.connections[domain->connections[i]];

		if (c->protocol == SYSTEM_CONN_DISK && c->server == domain->index &&
		    domains[c->client].device && domains[c->client].device->state == DEVICE_UNKNOWN)
			return DEVICES_LATER;
		if (c->protocol == SYSTEM_CONN_BLOCK && c->client == domain->index &&
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
		report_missing(&devices[i], "is not known: the bus domain is given up");
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

/* --- faults, lists --- */

void devices_check_faults(void) {
	for (uint32_t i = 0; i < description.device_count; i++) {
		struct device *device = &devices[i];
		struct dma_info info;
		char address[ADDRESS_TEXT], why[128];

		if (device->state != DEVICE_PRESENT || cap_dma_info(device->dma_slot, &info) ||
		    info.faults == device->faults)
			continue;
		address_text(device->function.source, address);
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

void devices_text(const struct domain *domain, char *text, size_t size) {
	static const char *const kinds[] = {
		[PCI_IRQ_NONE] = "no interrupt",
		[PCI_IRQ_LINE] = "line",
		[PCI_IRQ_MSI] = "msi",
		[PCI_IRQ_MSIX] = "msi-x",
	};
	const struct device *device = domain->device;
	char address[ADDRESS_TEXT];

	text[0] = '\0';
	if (!device) return;
	if (device->state != DEVICE_PRESENT) {
		rt_strcopy(text, device->state == DEVICE_MISSING ? "no device" : "?", size);
		return;
	}
	address_text(device->function.source, address);
	rt_format(text, size, "%s %04x:%04x %s", address, device->function.vendor,
		  device->function.device, kinds[device->irq_kind]);
}

const char *devices_trust(void) {
	uint32_t present = 0, enforced = 0;

	for (uint32_t i = 0; i < description.device_count; i++) {
		present += devices[i].state == DEVICE_PRESENT;
		enforced += devices[i].state == DEVICE_PRESENT && devices[i].enforced;
	}
	if (!present) return NULL;
	if (enforced < present)
		return "no IOMMU guards DMA: the drivers and their devices are trusted with all "
		       "memory";
	return boot_info->flags & BOOT_F_INTREMAP
		       ? "the IOMMU enforces DMA and interrupts: a device reaches only what its "
			 "driver was given"
		       : "the IOMMU enforces DMA: a device reaches only what its driver was given; "
			 "interrupts are not guarded";
}

void devices_init(void) {
	struct cap_info info;

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
	if (!boot_info->msi_slot || cap_inspect(boot_info->msi_slot, &info)) return;
	messages_used = (uint32_t)info.first;
	messages_end = (uint32_t)(info.first + info.count);
}
