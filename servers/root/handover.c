/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a domain finds in its tables when it starts: its capabilities, in slots
 * from 1 on, and for a native domain the two arrays of its start page that say
 * what they are. The order is always the same: root, resources, the bus or the
 * device, then the connections.
 */
#include "handover.h"

#include "devices.h"
#include "libs/cap/cap.h"
#include "libs/log/log.h"
#include "memory.h"
#include "proto/xen/grant.h"
#include "proto/xen/xen.h"
#include "trace.h"
#include "upgrade.h"

#define FIRST_DOMAIN_SLOT 64U /* in a policy's table: capabilities to all domains */

static uint32_t resource_slot[SYSTEM_MAX_RESOURCES]; /* narrowed to what is given */

/* root's own capability that a resource is given from, narrowed once. */
static uint32_t resource_source(uint32_t index) {
	const struct system_resource *r = &description.resources[index];
	uint64_t unit = r->kind == SYSTEM_RES_MMIO ? PAGE_SIZE : 1;
	uint32_t from;

	switch (r->kind) {
	case SYSTEM_RES_LOG: return boot_info->console_slot;
	case SYSTEM_RES_TRACE: return boot_info->trace_slot;
	case SYSTEM_RES_IOPORTS: from = boot_info->ioports_slot; break;
	case SYSTEM_RES_IRQ: from = boot_info->irq_slot; break;
	default: from = boot_info->mmio_slot; break;
	}
	if (!resource_slot[index])
		resource_slot[index] =
			handover_narrow(from, RIGHT_USE, r->first / unit, r->count / unit);
	return resource_slot[index];
}

uint32_t handover_narrow(uint32_t from, uint32_t rights, uint64_t first, uint64_t count) {
	uint32_t slot = from ? slot_take() : 0;

	if (!slot || !cap_copy(from, slot, rights | RIGHT_COPY, first, count)) return slot;
	slot_give_back(slot);
	return 0;
}

static const struct {
	uint32_t type, rights;
} resource_kinds[] = {
	[SYSTEM_RES_IOPORTS] = {CAP_IOPORTS, RIGHT_USE},
	[SYSTEM_RES_IRQ] = {CAP_IRQ, RIGHT_USE},
	[SYSTEM_RES_MMIO] = {CAP_MMIO, RIGHT_USE},
	[SYSTEM_RES_LOG] = {CAP_CONSOLE, 0},
	[SYSTEM_RES_TRACE] = {CAP_TRACE, RIGHT_READ | RIGHT_WRITE},
};

uint32_t handover_cap(struct domain *domain, struct native_start *start, uint32_t from,
		      uint32_t rights, const struct native_cap *cap) {
	uint32_t slot = start->cap_count + 1;
	int error = -XEN_ENOENT;

	if (start->cap_count == NATIVE_MAX_CAPS)
		error = -XEN_ENOSPC;
	else if (from)
		error = cap_domain_cap(domain->slot, from, slot, rights);
	if (error) {
		log_print("%s: no capability of type %u, from 0x%x (%d)", domain->name, cap->type,
			  cap->first_low, error);
		return 0;
	}
	start->caps[start->cap_count] = *cap;
	start->caps[start->cap_count++].slot = slot;
	return slot;
}

/* As many of them as this machine has. */
static bool give_cpus(struct domain *domain, struct native_start *start,
		      const struct system_resource *r) {
	for (uint64_t n = r->first; n < boot_info->cpus && n - r->first < r->count; n++) {
		struct native_cap cap = {.type = CAP_CPU, .first_low = (uint32_t)n, .count = 1};

		if (!handover_cap(domain, start, boot_info->cpu_slot + (uint32_t)n,
				  RIGHT_PLAN | RIGHT_ACCOUNT, &cap))
			return false;
	}
	return true;
}

static bool give_resource(struct domain *domain, struct native_start *start, uint32_t index) {
	const struct system_resource *r = &description.resources[index];
	struct native_cap cap = {
		.type = resource_kinds[r->kind].type,
		.first_low = (uint32_t)r->first,
		.count = (uint32_t)r->count,
	};
	uint32_t rights = r->kind == SYSTEM_RES_LOG ? r->flags : resource_kinds[r->kind].rights;

	return handover_cap(domain, start, resource_source(index), rights, &cap);
}

static bool give_resources(struct domain *domain, struct native_start *start) {
	for (uint32_t i = 0; i < description.resource_count; i++) {
		const struct system_resource *r = &description.resources[i];

		if (r->domain != domain->index) continue;
		if (!(r->kind == SYSTEM_RES_CPU ? give_cpus(domain, start, r)
						: give_resource(domain, start, i)))
			return false;
	}
	return true;
}

static uint32_t give_domain(struct domain *domain, struct native_start *start,
			    const struct domain *peer, uint32_t rights) {
	struct native_cap cap = {.type = CAP_DOMAIN, .first_low = peer->d->domid, .count = 1};

	return handover_cap(domain, start, peer->slot, rights, &cap);
}

/* --- connections --- */

static const char *make_connection(struct domain *domain, struct native_start *start, uint32_t i) {
	uint32_t index = domain->connections[i];
	const struct system_connection *c = &description.connections[index];
	bool serves = c->server == domain->index;
	const struct domain *peer = &domains[serves ? c->client : c->server];
	struct native_connection *n = &start->connections[i];

	*n = (struct native_connection){
		.protocol = (uint16_t)c->protocol,
		.role = serves ? NATIVE_SERVER : NATIVE_CLIENT,
		.peer_domid = peer->d->domid,
		.port = wiring_port(domain, index),
		.ring_pages = c->pages,
		.ring_ref = links[index].ref[serves ? 0 : 1],
		.flags = c->flags,
	};
	rt_strcopy(n->name, description_string(&description, c->name), sizeof(n->name));
	rt_strcopy(n->peer, peer->name, sizeof(n->peer));
	if (link_is_driver(c) && serves) return devices_give_server(domain, start, n, peer);
	if (!is_guest(peer)) return NULL;
	n->peer_slot = give_domain(domain, start, peer, RIGHT_GRANT | RIGHT_EVENT | RIGHT_INSPECT);
	if (!n->peer_slot) return "it cannot get the capabilities for its connections";
	n->ring_domid = peer->d->domid;
	if (link_is_backend(c)) return NULL;
	n->ring_pages = 1;
	if (c->protocol == SYSTEM_CONN_STORE) n->flags = peer->d->vcpus;
	n->ring_ref = c->protocol == SYSTEM_CONN_STORE ? GNTTAB_RESERVED_XENSTORE
						       : GNTTAB_RESERVED_CONSOLE;
	return NULL;
}

void handover_pages(struct native_start *start, uint32_t protocol, const char *name, uint32_t ref,
		    uint32_t pages, uint32_t flags) {
	struct native_connection *n = &start->connections[start->connection_count++];

	*n = (struct native_connection){
		.peer = "root",
		.protocol = (uint16_t)protocol,
		.role = NATIVE_CLIENT,
		.ring_ref = ref,
		.ring_pages = pages,
		.flags = flags,
	};
	rt_strcopy(n->name, name, sizeof(n->name));
}

/* A policy may place the domains that are its own; they lie apart from what the start page lists.
 */
static bool give_policy(struct domain *domain) {
	uint32_t count = description.domain_count + (canary_domain() != NULL);

	if (domain->d->cap_slots < FIRST_DOMAIN_SLOT + count) return false;
	for (uint32_t i = 1; i < count; i++)
		if (plan_policy(&domains[i]) == domain->index &&
		    cap_domain_cap(domain->slot, domains[i].slot, FIRST_DOMAIN_SLOT + i,
				   RIGHT_SCHED | RIGHT_INSPECT))
			return false;
	return true;
}

const char *handover_native(struct domain *domain, struct native_start *start) {
	const char *why;

	handover_pages(start, SYSTEM_CONN_CONTROL, "control", domain->control_ref,
		       domain->control_pages, 0);
	start->connections[0].port = 1;
	/* Slots from 1 on; whoever maps a page of root's must be able to name root. */
	if (!give_domain(domain, start, &domains[0], RIGHT_GRANT | RIGHT_EVENT) ||
	    !give_resources(domain, start))
		return "it cannot get its devices";
	why = devices_give(domain, start);
	for (uint32_t i = 1; i < domain->connection_count && !why; i++)
		why = make_connection(domain, start, i);
	if (why) return why;
	start->connection_count = domain->connection_count;
	if (domain->config_size)
		handover_pages(start, SYSTEM_CONN_CONFIG, "config", domain->config_ref,
			       DIV_UP(domain->config_size, (uint32_t)PAGE_SIZE),
			       domain->config_size);
	if (domain->d->lifeboat_pages)
		handover_pages(start, SYSTEM_CONN_LIFEBOAT, "lifeboat", domain->lifeboat_ref,
			       domain->d->lifeboat_pages, 0);
	devices_give_page(domain, start);
	trace_give(domain, start);
	if (domain->d->flags & SYSTEM_DOMAIN_F_POLICY && !give_policy(domain))
		return "its capability table is too small for a policy: 64 slots and one per "
		       "domain";
	return NULL;
}

const char *handover_guest(struct domain *guest) {
	uint32_t slot = 1;

	for (uint32_t i = 0; i < guest->connection_count; i++) {
		const struct system_connection *c = &description.connections[guest->connections[i]];

		if (link_is_backend(c) &&
		    cap_domain_cap(guest->slot, domains[c->server].slot, slot++, RIGHT_EVENT))
			return "it cannot get a capability to the server of its devices";
	}
	return NULL;
}
