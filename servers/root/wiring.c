/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who can reach whom. All Domain objects are made first, so that every
 * connection has two ends from the beginning; they stay for as long as the
 * system runs, and a restart finds its names, capabilities and rings where they
 * were.
 *
 * Pages of native rings and control pages are root's own, granted to the ends:
 * what is in a ring when an end dies is still there for its successor.
 */
#include "libs/cap/cap.h"
#include "libs/log/log.h"
#include "libs/rt/hypercall.h"
#include "libs/rt/window.h"
#include "memory.h"
#include "proto/serial.h"
#include "proto/xen/grant.h"
#include "proto/xen/xen.h"
#include "root.h"

#define FIRST_CONTROL_PORT 16U /* root's own ports below: VIRQs */
#define FIRST_DOMAIN_SLOT  64U /* in a policy's table: capabilities to all domains */

struct link links[SYSTEM_MAX_CONNECTIONS];

static uint32_t resource_slot[SYSTEM_MAX_RESOURCES]; /* narrowed to what is given */
static struct grant_entry_v1 *grants;
static uint32_t next_ref = GNTTAB_NR_RESERVED_ENTRIES, grant_entries;

/* --- root's grant table and pages --- */

static void grants_map(uint32_t entries) {
	uint32_t frames = DIV_UP(entries, GRANT_ENTRIES_PER_FRAME);
	uint64_t list[64] = {0};
	struct gnttab_setup_table setup = {
		.dom = DOMID_SELF,
		.nr_frames = frames,
		.frame_list = (uintptr_t)list,
	};
	uint8_t *at = window_take(frames);

	if (frames > ARRAY_SIZE(list) || !at ||
	    hypercall4(__HYPERVISOR_grant_table_op, GNTTABOP_setup_table, (uintptr_t)&setup, 1,
		       0) ||
	    setup.status)
		rt_panic("no grant table of %u frames", frames);
	for (uint32_t i = 0; i < frames; i++)
		if (window_map_frame(at + i * PAGE_SIZE, list[i], true))
			rt_panic("its grant table cannot be mapped");
	grants = (struct grant_entry_v1 *)(void *)at;
	grant_entries = frames * GRANT_ENTRIES_PER_FRAME;
}

/* Grants adjacent frames of root's to a domain; the first reference. */
static uint32_t grant_frames(uint16_t domid, uint64_t mfn, uint32_t frames) {
	uint32_t first = next_ref;

	if (frames > grant_entries - next_ref) rt_panic("too many connections for the grant table");
	for (uint32_t i = 0; i < frames; i++) {
		struct grant_entry_v1 *entry = &grants[next_ref++];

		entry->domid = domid;
		entry->frame = (uint32_t)(mfn + i);
		__atomic_store_n(&entry->flags, GTF_permit_access, __ATOMIC_RELEASE);
	}
	return first;
}

/* Zeroed frames of root's own. */
static uint64_t own_frames(uint64_t frames) {
	struct extent *extent = memory_take_one(MEMORY_ROOT, 0, frames);

	if (!extent || memory_give_self(extent)) rt_panic("no memory for connections");
	return extent->mfn;
}

/* --- objects --- */

static const char *create(struct domain *domain) {
	const struct system_domain *d = domain->d;
	struct domain_create create = {
		.domid = d->domid,
		.flags = is_native(domain) ? DOMAIN_NATIVE : 0,
		.vcpus = (uint16_t)d->vcpus,
		.grant_frames = (uint16_t)d->grant_frames,
		.event_ports = d->event_ports,
		.cap_slots = d->cap_slots,
		.map_handles = d->map_handles,
		.maximum_pages = (uint32_t)d->maximum_pages,
	};
	uint16_t owner = MEMORY_OBJECT(domain->index);
	struct extent *extent = memory_take_one(owner, 0, 1);

	rt_strcopy(create.name, domain->name, sizeof(create.name));
	domain->slot = slot_take();
	if (!extent || !domain->slot) return "no memory";
	/* One frame is never enough: the answer says how many are. */
	if (cap_memory_create_domain(extent->slot, domain->slot, &create) != -XEN_ENOMEM)
		return "the core refuses its parameters";
	memory_release(owner);
	extent = memory_take_one(owner, 0, create.frames);
	if (!extent) return "no memory";
	if (cap_memory_create_domain(extent->slot, domain->slot, &create))
		return "the core refuses its parameters";
	extent->place = MEMORY_USED;
	return NULL;
}

static uint32_t control_page_count(const struct domain *domain) {
	uint64_t vcpus = 0;

	if (!(domain->d->flags & SYSTEM_DOMAIN_F_POLICY)) return 1;
	for (uint32_t i = 0; i < description.domain_count; i++)
		vcpus += description.domains[i].vcpus;
	return 1 + (uint32_t)DIV_UP(vcpus, CONTROL_VCPUS_PER_PAGE);
}

static void control_event(void *context) {
	struct domain *domain = context;

	if (domain->may_command) command_serve(domain);
	supervise_check_exit();
}

static void make_control(struct domain *domain) {
	uint8_t *at;

	domain->control_pages = control_page_count(domain);
	domain->control_mfn = own_frames(domain->control_pages);
	domain->control_ref =
		grant_frames(domain->d->domid, domain->control_mfn, domain->control_pages);
	at = window_take(domain->control_pages);
	for (uint32_t i = 0; i < domain->control_pages; i++)
		if (!at || window_map_frame(at + i * PAGE_SIZE, domain->control_mfn + i, true))
			rt_panic("the control page of %s cannot be mapped", domain->name);
	domain->control = (struct control_page *)(void *)at;
	domain->control->version = CONTROL_VERSION;
	ring_attach_consumer(&domain->command, &domain->control->command,
			     domain->control->command_data, CONTROL_COMMANDS, CONTROL_COMMAND_SIZE);
	ring_attach_producer(&domain->reply, &domain->control->reply, domain->control->reply_data,
			     CONTROL_REPLY_SIZE, 1);
	ring_want_data(&domain->command);
	event_handle(domain->control_port, control_event, domain);
}

static void make_link(uint32_t index) {
	const struct system_connection *c = &description.connections[index];
	struct domain *server = &domains[c->server], *client = &domains[c->client];
	struct link *link = &links[index];

	if (c->protocol == SYSTEM_CONN_CONTROL) {
		client->may_command = true;
		client->control->flags |= CONTROL_F_MAY_COMMAND;
		return;
	}
	server->connections[server->connection_count++] = (uint16_t)index;
	client->connections[client->connection_count++] = (uint16_t)index;
	if (!is_native(client)) return;
	link->mfn = own_frames(c->pages);
	link->ref[0] = grant_frames(server->d->domid, link->mfn, c->pages);
	link->ref[1] = grant_frames(client->d->domid, link->mfn, c->pages);
}

void wiring_init(void) {
	uint32_t natives = 0, entries = GNTTAB_NR_RESERVED_ENTRIES;

	for (uint32_t i = 1; i < description.domain_count; i++) {
		struct domain *domain = &domains[i];
		const char *why = create(domain);

		if (why) rt_panic("%s: cannot be created: %s", domain->name, why);
		if (!is_native(domain)) continue;
		domain->control_port = FIRST_CONTROL_PORT + natives++;
		domain->connection_count = 1;
		entries += control_page_count(domain);
	}
	for (uint32_t i = 0; i < description.connection_count; i++)
		entries += 2 * description.connections[i].pages;
	grants_map(entries);
	for (uint32_t i = 1; i < description.domain_count; i++)
		if (is_native(&domains[i])) make_control(&domains[i]);
	for (uint32_t i = 0; i < description.connection_count; i++) make_link(i);
}

/* --- what a native domain finds --- */

/* root's own capability that a resource is given from, narrowed once. */
static uint32_t resource_source(uint32_t index) {
	const struct system_resource *r = &description.resources[index];
	uint64_t unit = r->kind == SYSTEM_RES_MMIO ? PAGE_SIZE : 1;
	uint32_t from;

	switch (r->kind) {
	case SYSTEM_RES_LOG: return boot_info->console_slot;
	case SYSTEM_RES_CPU:
		return r->first < boot_info->cpus ? boot_info->cpu_slot + (uint32_t)r->first : 0;
	case SYSTEM_RES_IOPORTS: from = boot_info->ioports_slot; break;
	case SYSTEM_RES_IRQ: from = boot_info->irq_slot; break;
	default: from = boot_info->mmio_slot; break;
	}
	if (!resource_slot[index] && from) {
		uint32_t slot = slot_take();

		if (slot &&
		    !cap_copy(from, slot, RIGHT_USE | RIGHT_COPY, r->first / unit, r->count / unit))
			resource_slot[index] = slot;
	}
	return resource_slot[index];
}

static const struct {
	uint32_t type, rights;
} resource_kinds[] = {
	[SYSTEM_RES_IOPORTS] = {CAP_IOPORTS, RIGHT_USE},
	[SYSTEM_RES_IRQ] = {CAP_IRQ, RIGHT_USE},
	[SYSTEM_RES_MMIO] = {CAP_MMIO, RIGHT_USE},
	[SYSTEM_RES_LOG] = {CAP_CONSOLE, 0},
	[SYSTEM_RES_CPU] = {CAP_CPU, RIGHT_PLAN | RIGHT_ACCOUNT},
};

/* Puts a capability into the domain's next slot and its start page. */
static bool give(struct domain *domain, struct native_start *start, uint32_t from, uint32_t rights,
		 const struct native_cap *cap) {
	uint32_t slot = start->cap_count + 1;
	int error = -XEN_ENOENT;

	if (start->cap_count == NATIVE_MAX_CAPS)
		error = -XEN_ENOSPC;
	else if (from)
		error = cap_domain_cap(domain->slot, from, slot, rights);
	if (error) {
		log_print("%s: no capability of type %u, from 0x%x (%d)", domain->name, cap->type,
			  cap->first_low, error);
		return false;
	}
	start->caps[start->cap_count] = *cap;
	start->caps[start->cap_count++].slot = slot;
	return true;
}

static bool give_resources(struct domain *domain, struct native_start *start) {
	for (uint32_t i = 0; i < description.resource_count; i++) {
		const struct system_resource *r = &description.resources[i];
		struct native_cap cap = {
			.type = resource_kinds[r->kind].type,
			.first_low = (uint32_t)r->first,
			.count = (uint32_t)r->count,
		};
		uint32_t rights =
			r->kind == SYSTEM_RES_LOG ? r->flags : resource_kinds[r->kind].rights;

		if (r->domain == domain->index &&
		    !give(domain, start, resource_source(i), rights, &cap))
			return false;
	}
	return true;
}

static bool give_domain(struct domain *domain, struct native_start *start,
			const struct domain *peer, uint32_t rights) {
	struct native_cap cap = {.type = CAP_DOMAIN, .first_low = peer->d->domid, .count = 1};

	return give(domain, start, peer->slot, rights, &cap);
}

static bool make_connection(struct domain *domain, struct native_start *start, uint32_t i) {
	uint32_t index = domain->connections[i];
	const struct system_connection *c = &description.connections[index];
	bool serves = c->server == domain->index;
	const struct domain *peer = &domains[serves ? c->client : c->server];
	struct native_connection *n = &start->connections[i];

	*n = (struct native_connection){
		.protocol = (uint16_t)c->protocol,
		.role = serves ? NATIVE_SERVER : NATIVE_CLIENT,
		.peer_domid = peer->d->domid,
		.port = 1 + i,
		.ring_pages = is_guest(peer) ? 1 : c->pages,
		.ring_ref = links[index].ref[serves ? 0 : 1],
	};
	rt_strcopy(n->name, description_string(&description, c->name), sizeof(n->name));
	rt_strcopy(n->peer, peer->name, sizeof(n->peer));
	if (!is_guest(peer)) return true;
	n->ring_domid = peer->d->domid;
	n->ring_ref = c->protocol == SYSTEM_CONN_STORE ? GNTTAB_RESERVED_XENSTORE
						       : GNTTAB_RESERVED_CONSOLE;
	if (!give_domain(domain, start, peer, RIGHT_GRANT | RIGHT_EVENT | RIGHT_INSPECT))
		return false;
	n->peer_slot = start->cap_count;
	return true;
}

/* A policy may place every domain; they lie apart from what the start page lists. */
static bool give_policy(struct domain *domain) {
	if (domain->d->cap_slots < FIRST_DOMAIN_SLOT + description.domain_count) return false;
	for (uint32_t i = 0; i < description.domain_count; i++)
		if (cap_domain_cap(domain->slot, domains[i].slot, FIRST_DOMAIN_SLOT + i,
				   RIGHT_SCHED | RIGHT_INSPECT))
			return false;
	return true;
}

const char *wiring_give(struct domain *domain, struct native_start *start) {
	struct native_connection *control = &start->connections[0];

	*control = (struct native_connection){
		.name = "control",
		.peer = "root",
		.protocol = SYSTEM_CONN_CONTROL,
		.role = NATIVE_CLIENT,
		.port = 1,
		.ring_ref = domain->control_ref,
		.ring_pages = domain->control_pages,
	};
	start->connection_count = domain->connection_count;
	/* Slots from 1 on; whoever maps a page of root's must be able to name root. */
	if (!give_domain(domain, start, &domains[0], RIGHT_GRANT | RIGHT_EVENT) ||
	    !give_resources(domain, start))
		return "it cannot get its devices";
	for (uint32_t i = 1; i < domain->connection_count; i++)
		if (!make_connection(domain, start, i))
			return "it cannot get the capabilities for its connections";
	if (domain->d->flags & SYSTEM_DOMAIN_F_POLICY && !give_policy(domain))
		return "its capability table is too small for a policy: 64 slots and one per "
		       "domain";
	return NULL;
}

/* --- channels --- */

/* The port of a connection at one of its ends. */
static uint32_t port_of(const struct domain *domain, uint32_t index) {
	if (is_guest(domain))
		return description.connections[index].protocol == SYSTEM_CONN_STORE
			       ? GUEST_STORE_PORT
			       : GUEST_CONSOLE_PORT;
	for (uint32_t i = 1; i < domain->connection_count; i++)
		if (domain->connections[i] == index) return 1 + i;
	rt_panic("connection %u is not one of %s", index, domain->name);
}

void wiring_connect(struct domain *domain) {
	if (is_native(domain) &&
	    cap_domain_connect(boot_info->self_slot, domain->control_port, domain->slot, 1))
		log_print("%s: its control channel cannot be connected", domain->name);
	for (uint32_t i = is_native(domain); i < domain->connection_count; i++) {
		uint32_t index = domain->connections[i];
		const struct system_connection *c = &description.connections[index];
		struct domain *server = &domains[c->server], *client = &domains[c->client];
		int error = 0;

		if (!links[index].connected)
			error = cap_domain_connect(server->slot, port_of(server, index),
						   client->slot, port_of(client, index));
		links[index].connected = !error;
		if (error)
			log_print("%s: its connection with %s cannot be restored (%d)",
				  server->name, client->name, error);
	}
}

void wiring_disconnected(struct domain *domain) {
	for (uint32_t i = is_native(domain); i < domain->connection_count; i++)
		links[domain->connections[i]].connected = false;
}

void wiring_kick(struct domain *domain) {
	if (domain->stage == STAGE_RUNNING) event_send(domain->control_port);
}

/* --- guests and their servers --- */

struct domain *wiring_server(const struct domain *guest, uint32_t protocol) {
	for (uint32_t i = 0; i < guest->connection_count; i++) {
		const struct system_connection *c = &description.connections[guest->connections[i]];

		if (c->protocol == protocol) return &domains[c->server];
	}
	return NULL;
}

static struct control_peer *peer_entry(const struct domain *guest, uint32_t i) {
	uint32_t index = guest->connections[i];
	const struct domain *server = &domains[description.connections[index].server];

	return &server->control->peer[port_of(server, index) - 1];
}

void wiring_announce(struct domain *guest, bool present) {
	uint32_t wanted = guest->incarnation << CONTROL_PEER_SHIFT |
			  (present ? CONTROL_PEER_PRESENT : CONTROL_PEER_ABSENT);

	for (uint32_t i = 0; i < guest->connection_count; i++) {
		__atomic_store_n(&peer_entry(guest, i)->wanted, wanted, __ATOMIC_RELEASE);
		wiring_kick(&domains[description.connections[guest->connections[i]].server]);
	}
}

bool wiring_settled(const struct domain *guest) {
	for (uint32_t i = 0; i < guest->connection_count; i++) {
		uint32_t index = guest->connections[i];
		const struct domain *server = &domains[description.connections[index].server];
		struct control_peer *peer = peer_entry(guest, i);

		/* What a server that is down had mapped went with it, unless it will be back. */
		if (server->stage == STAGE_RUNNING &&
		    __atomic_load_n(&peer->done, __ATOMIC_ACQUIRE) != peer->wanted)
			return false;
	}
	return true;
}
