/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The check of the system description. The compiler on the host has said all of
 * this with file and line already; root says it again because it believes only
 * what it has seen itself, and because whatever is not refused here is built.
 *
 * Everything behind this file may rely on: every offset, count and index is in
 * range, every string ends, every enumeration has a known value, domids and
 * names are unique, no device range is given twice.
 */
#include "description.h"

#include "proto/blk.h"
#include "proto/cap/cap.h"
#include "proto/control.h"
#include "proto/lifeboat.h"
#include "proto/manage.h"
#include "proto/net.h"
#include "proto/blkctl.h"
#include "proto/consctl.h"
#include "proto/netctl.h"
#include "proto/pci.h"

#define IO_PORTS  65536U
#define MAX_GSI   1024U
#define MAX_CPU   4096U
#define MAX_PAGES (1ULL << 35) /* what the M2P can number */

#define DMA_UNIT 512U   /* slots */
#define DMA_MAX  65536U /* slots */

static uint32_t crc32(const uint8_t *data, uint64_t size) {
	uint32_t crc = ~0U;

	for (uint64_t i = 0; i < size; i++) {
		crc ^= data[i];
		for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (0xedb88320U & (0U - (crc & 1)));
	}
	return ~crc;
}

static bool array_fits(const struct system_header *header, uint32_t offset, uint32_t count,
		       uint32_t max, size_t element) {
	return count <= max && offset % 8 == 0 && offset >= sizeof(*header) &&
	       offset <= header->total_size && count <= (header->total_size - offset) / element;
}

static const char *check_header(const uint8_t *data, uint64_t size,
				const struct system_header *header) {
	if (size < sizeof(*header) || header->magic != SYSTEM_MAGIC)
		return "it is not a system description";
	if (header->version != SYSTEM_VERSION)
		return "its version is not the one that this root reads";
	if (header->total_size > size || header->total_size < sizeof(*header))
		return "it is truncated";
	if (crc32(data + sizeof(*header), header->total_size - sizeof(*header)) != header->crc32)
		return "its checksum is wrong";
	if (!array_fits(header, header->domains, header->domain_count, SYSTEM_MAX_DOMAINS,
			sizeof(struct system_domain)) ||
	    !array_fits(header, header->resources, header->resource_count, SYSTEM_MAX_RESOURCES,
			sizeof(struct system_resource)) ||
	    !array_fits(header, header->connections, header->connection_count,
			SYSTEM_MAX_CONNECTIONS, sizeof(struct system_connection)) ||
	    !array_fits(header, header->devices, header->device_count, SYSTEM_MAX_DEVICES,
			sizeof(struct system_device)) ||
	    !array_fits(header, header->blobs, header->blob_count, SYSTEM_MAX_BLOBS,
			sizeof(struct system_blob)) ||
	    !array_fits(header, header->plugs, header->plug_count, SYSTEM_MAX_PLUGS,
			sizeof(struct system_plug)))
		return "one of its arrays lies outside of it";
	if (header->strings > header->total_size || !header->strings_size ||
	    header->strings_size > header->total_size - header->strings || data[header->strings] ||
	    data[header->strings + header->strings_size - 1])
		return "its strings lie outside of it or do not end";
	if (header->flags & ~(SYSTEM_F_EXIT_WITH_GUESTS | SYSTEM_F_REQUIRE_IOMMU) ||
	    header->exit_port >= IO_PORTS)
		return "its flags or its exit port are unknown";
	if (header->name >= header->strings_size) return "its name lies outside of its strings";
	return NULL;
}

static bool name_is_valid(const char *name) {
	size_t length = rt_strnlen(name, 32);

	if (!length || length > 31 || name[0] < 'a' || name[0] > 'z') return false;
	for (const char *p = name; *p; p++)
		if (!((*p >= 'a' && *p <= 'z') || (*p >= '0' && *p <= '9') || *p == '_' ||
		      *p == '-'))
			return false;
	return true;
}

static const char *check_domain_numbers(const struct system_domain *domain) {
	bool native = domain->kind == SYSTEM_KIND_NATIVE;

	if (domain->vcpus < 1 || domain->vcpus > 128 || (native && domain->vcpus != 1))
		return "a domain has an impossible number of vCPUs";
	if (!domain->memory_pages || domain->memory_pages > MAX_PAGES ||
	    domain->maximum_pages < domain->memory_pages || domain->maximum_pages > UINT32_MAX)
		return "a domain has an impossible amount of memory";
	if (domain->event_ports < 64 || domain->event_ports > 4096 || domain->event_ports % 64)
		return "a domain has an impossible number of event ports";
	if (!domain->grant_frames || domain->grant_frames > 64 || domain->cap_slots < 2 ||
	    domain->cap_slots > 65536 || domain->map_handles > 65536)
		return "a domain's tables have an impossible size";
	if (domain->on_poweroff > SYSTEM_ON_RESTART || domain->on_reboot > SYSTEM_ON_RESTART ||
	    domain->on_crash > SYSTEM_ON_RESTART)
		return "a domain's reaction to its end is unknown";
	if (domain->flags &
		    ~(SYSTEM_DOMAIN_F_AUTOSTART | SYSTEM_DOMAIN_F_POLICY | SYSTEM_DOMAIN_F_PLACE) ||
	    (domain->flags & SYSTEM_DOMAIN_F_PLACE &&
	     domain->flags & (SYSTEM_DOMAIN_F_AUTOSTART | SYSTEM_DOMAIN_F_POLICY)))
		return "a domain's flags are unknown";
	if (domain->sched.weight < 1 || domain->sched.weight > 65535 ||
	    domain->sched.budget_us > domain->sched.period_us)
		return "a domain's wishes to the scheduling policy are impossible";
	if (domain->lifeboat_pages > LIFEBOAT_MAX_PAGES || (domain->lifeboat_pages && !native))
		return "a domain's lifeboat has an impossible size";
	return NULL;
}

static const char *check_domain(const struct description *d, uint32_t index) {
	const struct system_domain *domain = &d->domains[index];
	uint32_t strings = d->header->strings_size;

	if (domain->name >= strings || domain->module >= strings || domain->initrd >= strings ||
	    domain->cmdline >= strings)
		return "a domain's string lies outside of the strings";
	if (!name_is_valid(description_string(d, domain->name)))
		return "a domain's name is not a name";
	if (index == 0)
		return domain->kind == SYSTEM_KIND_ROOT && domain->domid == 0
			       ? NULL
			       : "the first domain is not root";
	if (domain->kind != SYSTEM_KIND_NATIVE && domain->kind != SYSTEM_KIND_GUEST)
		return "a domain's kind is unknown";
	if (!domain->domid || domain->domid > 0x7fef) return "a domain's domid is out of range";
	if (!description_string(d, domain->module)[0] != !!(domain->flags & SYSTEM_DOMAIN_F_PLACE))
		return "a domain has no image, or a place has one";
	if (domain->kind == SYSTEM_KIND_GUEST && domain->flags & SYSTEM_DOMAIN_F_POLICY)
		return "a guest cannot be a scheduling policy";
	if (domain->sched.policy >= d->domain_count ||
	    (domain->sched.policy &&
	     !(d->domains[domain->sched.policy].flags & SYSTEM_DOMAIN_F_POLICY)))
		return "a domain's scheduling policy is none";
	for (uint32_t i = 0; i < index; i++) {
		if (d->domains[i].domid == domain->domid) return "two domains have the same domid";
		if (!strcmp(description_string(d, d->domains[i].name),
			    description_string(d, domain->name)))
			return "two domains have the same name";
	}
	return check_domain_numbers(domain);
}

static bool ranges_overlap(const struct system_resource *a, const struct system_resource *b) {
	return a->kind == b->kind && a->first < b->first + b->count &&
	       b->first < a->first + a->count;
}

static const char *check_resource(const struct description *d, uint32_t index) {
	const struct system_resource *r = &d->resources[index];

	if (r->domain >= d->domain_count || d->domains[r->domain].kind != SYSTEM_KIND_NATIVE)
		return "a resource is for a domain that cannot have it";
	switch (r->kind) {
	case SYSTEM_RES_IOPORTS:
		if (!r->count || r->first >= IO_PORTS || r->count > IO_PORTS - r->first)
			return "a range of I/O ports is impossible";
		break;
	case SYSTEM_RES_IRQ:
		if (r->count != 1 || r->first >= MAX_GSI) return "an interrupt is impossible";
		break;
	case SYSTEM_RES_MMIO:
		if (!r->count || (r->first | r->count) % PAGE_SIZE ||
		    r->first >= MAX_PAGES * PAGE_SIZE ||
		    r->count > MAX_PAGES * PAGE_SIZE - r->first)
			return "a range of device memory is impossible";
		break;
	case SYSTEM_RES_LOG:
		return r->flags & ~(RIGHT_READ | RIGHT_WRITE) ? "a right on the log is unknown"
							      : NULL;
	case SYSTEM_RES_CPU:
		if (r->first >= MAX_CPU || r->count > MAX_CPU) return "a CPU is impossible";
		break;
	case SYSTEM_RES_TRACE: return NULL;
	default: return "a resource's kind is unknown";
	}
	for (uint32_t i = 0; i < index; i++)
		if (ranges_overlap(&d->resources[i], r)) return "a device or a CPU is given twice";
	return NULL;
}

static bool is_kind(const struct description *d, uint32_t domain, uint8_t kind) {
	return d->domains[domain].kind == kind;
}

static const struct {
	uint8_t server, client; /* SYSTEM_KIND_* */
	uint8_t pages;          /* of root's own that the two share */
	uint32_t flags;         /* that it may have */
	bool one;               /* a client has one at most */
	const char *refusal;
} protocols[] = {
	[SYSTEM_CONN_CONSOLE] = {SYSTEM_KIND_NATIVE, SYSTEM_KIND_GUEST, 0, 0, true,
				 "a console connection does not join a server and a guest"},
	[SYSTEM_CONN_SERIAL] = {SYSTEM_KIND_NATIVE, SYSTEM_KIND_NATIVE, 1, 0, false,
				"a serial connection does not join two native domains"},
	[SYSTEM_CONN_STORE] = {SYSTEM_KIND_NATIVE, SYSTEM_KIND_GUEST, 0, 0, true,
			       "a store connection does not join a server and a guest"},
	[SYSTEM_CONN_CONTROL] = {SYSTEM_KIND_ROOT, SYSTEM_KIND_NATIVE, MANAGE_PAGES, MANAGE_F_ALL,
				 true,
				 "a control connection does not join root and a native domain"},
	[SYSTEM_CONN_BUS] = {SYSTEM_KIND_NATIVE, SYSTEM_KIND_ROOT, PCI_BUS_PAGES, 0, true,
			     "a bus connection does not join a native domain and root"},
	[SYSTEM_CONN_XENBUS] = {SYSTEM_KIND_NATIVE, SYSTEM_KIND_NATIVE, 1,
				SYSTEM_XENBUS_VBD | SYSTEM_XENBUS_VIF, true,
				"a xenbus connection does not join two native domains"},
	[SYSTEM_CONN_BLOCK] = {SYSTEM_KIND_NATIVE, SYSTEM_KIND_GUEST, 0, 0, false,
			       "a block connection does not join a server and a guest"},
	[SYSTEM_CONN_DISK] = {SYSTEM_KIND_NATIVE, SYSTEM_KIND_NATIVE, BLK_PAGES, 0, true,
			      "a disk connection does not join two native domains"},
	[SYSTEM_CONN_VIF] = {SYSTEM_KIND_NATIVE, SYSTEM_KIND_GUEST, 0, 0, false,
			     "a vif connection does not join a server and a guest"},
	[SYSTEM_CONN_NET] = {SYSTEM_KIND_NATIVE, SYSTEM_KIND_NATIVE, NET_PAGES, 0, true,
			     "a net connection does not join two native domains"},
	[SYSTEM_CONN_NETCTL] = {SYSTEM_KIND_NATIVE, SYSTEM_KIND_NATIVE, NETCTL_PAGES,
				NETCTL_F_WATCH | NETCTL_F_RULES | NETCTL_F_TAP | NETCTL_F_LIMITS,
				false, "a netctl connection does not join two native domains"},
	[SYSTEM_CONN_BLKCTL] = {SYSTEM_KIND_NATIVE, SYSTEM_KIND_NATIVE, BLKCTL_PAGES,
				BLKCTL_F_WATCH | BLKCTL_F_LIMITS, false,
				"a blkctl connection does not join two native domains"},
	[SYSTEM_CONN_CONSCTL] = {SYSTEM_KIND_NATIVE, SYSTEM_KIND_NATIVE, CONSCTL_PAGES,
				 CONSCTL_F_WATCH | CONSCTL_F_TYPE, false,
				 "a consctl connection does not join two native domains"},
};

static const char *check_connection_ends(const struct description *d,
					 const struct system_connection *c) {
	if (c->protocol >= ARRAY_SIZE(protocols) || !protocols[c->protocol].refusal)
		return "a connection's protocol is unknown";
	if (d->domains[c->server].kind != protocols[c->protocol].server ||
	    d->domains[c->client].kind != protocols[c->protocol].client)
		return protocols[c->protocol].refusal;
	if (c->pages != protocols[c->protocol].pages)
		return "a connection has an impossible number of pages";
	return c->flags & ~protocols[c->protocol].flags ? "a connection's flags are unknown" : NULL;
}

static bool touches(const struct system_connection *c, uint32_t domain) {
	return c->server == domain || c->client == domain;
}

static const char *check_connection(const struct description *d, uint32_t index) {
	const struct system_connection *c = &d->connections[index];
	uint32_t at_server = 0, at_client = 0;
	const char *why;

	if (c->server >= d->domain_count || c->client >= d->domain_count || c->server == c->client)
		return "a connection's end does not exist";
	if (c->name >= d->header->strings_size) return "a connection's name is impossible";
	why = check_connection_ends(d, c);
	if (why) return why;
	for (uint32_t i = 0; i < index; i++) {
		const struct system_connection *other = &d->connections[i];

		if (other->client == c->client && other->protocol == c->protocol &&
		    (protocols[c->protocol].one || other->server == c->server))
			return "a domain has two connections of a kind that it can have one of";
		at_server += touches(other, c->server);
		at_client += touches(other, c->client);
	}
	/* At a native domain's start, root adds four: control page, configuration, lifeboat,
	 * device. */
	if ((is_kind(d, c->server, SYSTEM_KIND_NATIVE) && at_server > NATIVE_MAX_CONNECTIONS - 5) ||
	    (!is_kind(d, c->client, SYSTEM_KIND_ROOT) && at_client > NATIVE_MAX_CONNECTIONS - 5))
		return "a domain has too many connections";
	return NULL;
}

static bool number_fits(uint32_t number, uint32_t end) {
	return number < end || number == SYSTEM_ANY;
}

static const char *check_device(const struct description *d, uint32_t index) {
	const struct system_device *device = &d->devices[index];

	if (device->domain >= d->domain_count || !is_kind(d, device->domain, SYSTEM_KIND_NATIVE))
		return "a PCI device is for a domain that cannot have it";
	if (!number_fits(device->vendor, 0xffff) || !number_fits(device->device, 0xffff) ||
	    device->device_or >= 0xffff || device->class_code & ~device->class_mask ||
	    device->class_mask > 0xffffff || !number_fits(device->address, 0x10000) ||
	    !number_fits(device->index, PCI_MAX_FUNCTIONS))
		return "what a PCI device is known by is impossible";
	if (!device->interrupts || device->interrupts > PCI_MAX_MESSAGES)
		return "a PCI device has an impossible number of interrupts";
	if (!device->dma_slots || device->dma_slots > DMA_MAX || device->dma_slots % DMA_UNIT ||
	    device->own_slots > device->dma_slots)
		return "a PCI device has a DMA window of an impossible size";
	for (uint32_t i = 0; i < index; i++)
		if (d->devices[i].domain == device->domain) return "a domain has two PCI devices";
	return NULL;
}

static const char *check_blob(const struct description *d, uint32_t index) {
	const struct system_blob *blob = &d->blobs[index];
	uint32_t total = d->header->total_size;

	if (blob->domain >= d->domain_count || is_kind(d, blob->domain, SYSTEM_KIND_GUEST) ||
	    (!blob->domain && blob->size != SYSTEM_KEY_SIZE))
		return "a configuration is for a domain that cannot have it";
	if (blob->offset % 8 || blob->offset < sizeof(*d->header) || blob->offset > total ||
	    blob->size > total - blob->offset || blob->size > SYSTEM_MAX_BLOB_SIZE)
		return "a configuration lies outside of the description, or is too large";
	for (uint32_t i = 0; i < index; i++)
		if (d->blobs[i].domain == blob->domain) return "a domain has two configurations";
	return NULL;
}

static const char *check_plug(const struct description *d, uint32_t index) {
	const struct system_plug *plug = &d->plugs[index];
	bool joined = false;

	if (plug->guest >= d->domain_count || !is_kind(d, plug->guest, SYSTEM_KIND_GUEST) ||
	    plug->server >= d->domain_count || !is_kind(d, plug->server, SYSTEM_KIND_NATIVE) ||
	    plug->name >= d->header->strings_size || plug->number >= CONTROL_DEVICES ||
	    plug->flags & ~SYSTEM_PLUG_OUT)
		return "a guest's device is impossible";
	for (uint32_t i = 0; i < d->connection_count; i++)
		joined |= d->connections[i].protocol == plug->protocol &&
			  d->connections[i].client == plug->guest &&
			  d->connections[i].server == plug->server;
	if (!joined || (plug->protocol != SYSTEM_CONN_BLOCK && plug->protocol != SYSTEM_CONN_VIF))
		return "a guest's device has no server";
	for (uint32_t i = 0; i < index; i++)
		if (d->plugs[i].server == plug->server && d->plugs[i].number == plug->number)
			return "two devices of guests have the same number";
	return NULL;
}

/* There is one bus, so one domain that finds devices. */
static const char *check_buses(const struct description *d, uint32_t *line) {
	uint32_t buses = 0;

	for (uint32_t i = 0; i < d->connection_count; i++) {
		if (d->connections[i].protocol != SYSTEM_CONN_BUS) continue;
		*line = d->connections[i].line;
		if (++buses > 1) return "two domains serve the PCI bus";
	}
	if (!d->device_count || buses) return NULL;
	*line = d->devices[0].line;
	return "there are PCI devices, and no domain that finds them";
}

static const char *check_places(const struct description *d, uint32_t *line) {
	uint32_t places = 0;

	for (uint32_t i = 0; i < d->domain_count; i++) {
		*line = d->domains[i].line;
		places += !!(d->domains[i].flags & SYSTEM_DOMAIN_F_PLACE);
		if (places > SYSTEM_MAX_PLACES) return "there are too many places";
	}
	return NULL;
}

const char *description_check(const void *data, uint64_t size, struct description *description,
			      uint32_t *line) {
	const uint8_t *bytes = data;
	const struct system_header *header = data;
	const char *why = check_header(bytes, size, header);

	*line = 0;
	if (why) return why;
	*description = (struct description){
		.header = header,
		.domains = (const void *)(bytes + header->domains),
		.resources = (const void *)(bytes + header->resources),
		.connections = (const void *)(bytes + header->connections),
		.devices = (const void *)(bytes + header->devices),
		.blobs = (const void *)(bytes + header->blobs),
		.plugs = (const void *)(bytes + header->plugs),
		.strings = (const char *)bytes + header->strings,
		.domain_count = header->domain_count,
		.resource_count = header->resource_count,
		.connection_count = header->connection_count,
		.device_count = header->device_count,
		.blob_count = header->blob_count,
		.plug_count = header->plug_count,
	};
	if (!header->domain_count) return "it describes no domain";
	for (uint32_t i = 0; i < header->domain_count && !why; i++) {
		*line = description->domains[i].line;
		why = check_domain(description, i);
	}
	for (uint32_t i = 0; i < header->resource_count && !why; i++) {
		*line = description->resources[i].line;
		why = check_resource(description, i);
	}
	for (uint32_t i = 0; i < header->connection_count && !why; i++) {
		*line = description->connections[i].line;
		why = check_connection(description, i);
	}
	for (uint32_t i = 0; i < header->device_count && !why; i++) {
		*line = description->devices[i].line;
		why = check_device(description, i);
	}
	for (uint32_t i = 0; i < header->blob_count && !why; i++) {
		why = check_blob(description, i);
		if (!why && !description->blobs[i].domain)
			description->key = bytes + description->blobs[i].offset;
	}
	for (uint32_t i = 0; i < header->plug_count && !why; i++) {
		*line = description->plugs[i].line;
		why = check_plug(description, i);
	}
	if (!why) why = check_places(description, line);
	return why ? why : check_buses(description, line);
}
