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
#include "libs/rt/time.h"
#include "manage.h"
#include "memory.h"
#include "pages.h"
#include "plug.h"
#include "proto/xen/xen.h"
#include "root.h"
#include "trace.h"
#include "upgrade.h"

#define FIRST_CONTROL_PORT 16U /* root's own ports below: VIRQs */

struct link links[SYSTEM_MAX_CONNECTIONS];
struct pci_bus *bus_page;
static uint32_t last_port; /* of root's own, taken so far */

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
	domain->object_frames = create.frames;
	if (!extent) return "no memory";
	if (cap_memory_create_domain(extent->slot, domain->slot, &create))
		return "the core refuses its parameters";
	extent->place = MEMORY_USED;
	return NULL;
}

static uint32_t control_page_count(const struct domain *domain) {
	uint64_t vcpus = 0;

	if (!(domain->d->flags & SYSTEM_DOMAIN_F_POLICY)) return CONTROL_PAGES;
	for (uint32_t i = 0; i < description.domain_count; i++)
		vcpus += description.domains[i].vcpus;
	vcpus += canary_domain() != NULL;
	return CONTROL_PAGES + (uint32_t)DIV_UP(vcpus, CONTROL_VCPUS_PER_PAGE);
}

static void control_event(void *context) {
	upgrade_look(context);
	plug_look(context);
	supervise_check_exit();
}

static void make_control(struct domain *domain) {
	domain->control_pages = control_page_count(domain);
	domain->control_mfn = pages_take(domain->control_pages);
	domain->control_ref =
		pages_grant(domain->d->domid, domain->control_mfn, domain->control_pages, false);
	domain->control = pages_map(domain->control_mfn, domain->control_pages);
	domain->control->version = CONTROL_VERSION;
	event_handle(domain->control_port, control_event, domain);
}

/* root is the server: it keeps the pages mapped, and has a port for each. */
static void make_control_link(uint32_t index) {
	const struct system_connection *c = &description.connections[index];
	struct domain *client = &domains[c->client];
	struct link *link = &links[index];

	client->connections[client->connection_count++] = (uint16_t)index;
	link->mfn = pages_take(c->pages);
	link->ref[1] = pages_grant(client->d->domid, link->mfn, c->pages, false);
	link->port = ++last_port;
	manage_attach(client, c->flags, link->port, link->mfn);
}

static void make_link(uint32_t index) {
	const struct system_connection *c = &description.connections[index];
	struct domain *server = &domains[c->server], *client = &domains[c->client];
	struct link *link = &links[index];

	if (c->protocol == SYSTEM_CONN_CONTROL) {
		make_control_link(index);
		return;
	}
	server->connections[server->connection_count++] = (uint16_t)index;
	if (client->index) client->connections[client->connection_count++] = (uint16_t)index;
	if (!c->pages) return;
	link->mfn = pages_take(c->pages);
	link->ref[0] = pages_grant(server->d->domid, link->mfn, c->pages, false);
	if (client->index)
		link->ref[1] = pages_grant(client->d->domid, link->mfn, c->pages, false);
	else
		bus_page = pages_map(link->mfn, c->pages);
}

static void make_lifeboat(struct domain *domain) {
	uint32_t pages = domain->d->lifeboat_pages;

	if (!pages) return;
	domain->lifeboat_mfn = pages_take(pages);
	domain->lifeboat_ref = pages_grant(domain->d->domid, domain->lifeboat_mfn, pages, false);
}

/* A copy: the domain sees its own part of the description and nothing else. */
static void make_config(const struct system_blob *blob) {
	struct domain *domain = &domains[blob->domain];
	uint32_t pages = DIV_UP(blob->size, (uint32_t)PAGE_SIZE);
	uint64_t mfn;
	void *at;

	if (!blob->size || !blob->domain) return;
	mfn = pages_take(pages);
	at = pages_map(mfn, pages);
	memcpy(at, (const uint8_t *)description.header + blob->offset, blob->size);
	pages_unmap(at, pages);
	domain->config_size = blob->size;
	domain->config_ref = pages_grant(domain->d->domid, mfn, pages, true);
}

static uint32_t count_grants(void) {
	uint32_t grants =
		description.device_count + trace_grants() + CONTROL_PAGES; /* the canary's */

	for (uint32_t i = 1; i < description.domain_count; i++)
		if (is_native(&domains[i]))
			grants += control_page_count(&domains[i]) + domains[i].d->lifeboat_pages;
	for (uint32_t i = 0; i < description.connection_count; i++)
		grants += 2 * description.connections[i].pages;
	for (uint32_t i = 0; i < description.blob_count; i++)
		grants += DIV_UP(description.blobs[i].size, (uint32_t)PAGE_SIZE);
	return grants;
}

void wiring_init(void) {
	struct domain *canary;
	uint32_t natives = 0;

	canary_describe();
	canary = canary_domain();
	for (uint32_t i = 1; i < description.domain_count; i++) {
		struct domain *domain = &domains[i];
		uint64_t begin = time_now();
		const char *why = create(domain);

		if (why) rt_panic("%s: cannot be created: %s", domain->name, why);
		domain->object_ns = time_now() - begin;
		if (!is_native(domain)) continue;
		domain->control_port = FIRST_CONTROL_PORT + natives++;
		domain->connection_count = 1;
	}
	domains[0].control_port = last_port = FIRST_CONTROL_PORT + natives;
	pages_init(count_grants());
	if (canary) {
		const char *why = create(canary);

		if (why) rt_panic("the canary cannot be created: %s", why);
		canary->control_port = ++last_port;
		make_control(canary);
	}
	for (uint32_t i = 1; i < description.domain_count; i++) {
		if (!is_native(&domains[i])) continue;
		make_control(&domains[i]);
		make_lifeboat(&domains[i]);
	}
	trace_init();
	for (uint32_t i = 0; i < description.connection_count; i++) make_link(i);
	for (uint32_t i = 0; i < description.blob_count; i++) make_config(&description.blobs[i]);
	plug_init();
}

/* --- channels --- */

/* Which of its connections this is. */
static uint32_t place_of(const struct domain *domain, uint32_t index) {
	for (uint32_t i = is_native(domain); i < domain->connection_count; i++)
		if (domain->connections[i] == index) return i;
	rt_panic("connection %u is not one of %s", index, domain->name);
}

uint32_t wiring_port(const struct domain *domain, uint32_t index) {
	const struct system_connection *c = &description.connections[index];

	if (link_is_backend(c)) return 0;
	if (!domain->index) return links[index].port ? links[index].port : domain->control_port;
	if (is_guest(domain))
		return c->protocol == SYSTEM_CONN_STORE ? SYSTEM_GUEST_STORE_PORT
							: SYSTEM_GUEST_CONSOLE_PORT;
	return 1 + place_of(domain, index);
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

		if (!links[index].connected && wiring_port(server, index))
			error = cap_domain_connect(server->slot, wiring_port(server, index),
						   client->slot, wiring_port(client, index));
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

	return &server->control->peer[place_of(server, index)];
}

/* What was asked of a guest that has ended, and was not said yet, is not said to the next one. */
static void forget_asks(struct domain *guest, uint32_t i) {
	uint32_t index = guest->connections[i];
	const struct system_connection *c = &description.connections[index];
	struct domain *store = &domains[c->server];

	if (c->protocol != SYSTEM_CONN_STORE) return;
	for (uint32_t kind = 0; kind < CONTROL_ASKS; kind++) {
		struct control_ask *ask = &store->control->ask[place_of(store, index)][kind];

		__atomic_store_n(&ask->asked, ask->done, __ATOMIC_RELEASE);
	}
}

void wiring_announce(struct domain *guest, bool present) {
	uint32_t wanted = guest->incarnation << CONTROL_PEER_SHIFT |
			  (present ? CONTROL_PEER_PRESENT : CONTROL_PEER_ABSENT);

	for (uint32_t i = 0; i < guest->connection_count; i++) {
		if (!present) forget_asks(guest, i);
		__atomic_store_n(&peer_entry(guest, i)->wanted, wanted, __ATOMIC_RELEASE);
		wiring_kick(&domains[description.connections[guest->connections[i]].server]);
	}
}

bool wiring_ask(struct domain *guest, uint32_t what, uint32_t value) {
	struct domain *store = wiring_server(guest, SYSTEM_CONN_STORE);
	struct control_ask *ask;

	for (uint32_t i = 0; i < guest->connection_count && store; i++) {
		uint32_t index = guest->connections[i];

		if (description.connections[index].protocol != SYSTEM_CONN_STORE) continue;
		ask = &store->control->ask[place_of(store, index)][what];
		ask->value = value;
		__atomic_store_n(&ask->asked, (uint16_t)(ask->asked + 1), __ATOMIC_RELEASE);
		wiring_kick(store);
		return true;
	}
	return false;
}

bool wiring_let_go(const struct domain *guest, uint32_t i) {
	const struct domain *server =
		&domains[description.connections[guest->connections[i]].server];
	struct control_peer *peer = peer_entry(guest, i);

	/* What a server that is down had mapped went with it, unless it will be back. */
	return server->stage != STAGE_RUNNING ||
	       __atomic_load_n(&peer->done, __ATOMIC_ACQUIRE) == peer->wanted;
}

/* One that is on its way is waited for; one that is not there at all is not. */
static bool is_ready(const struct domain *guest, uint32_t i) {
	const struct domain *server =
		&domains[description.connections[guest->connections[i]].server];

	switch (server->stage) {
	case STAGE_RUNNING: return wiring_let_go(guest, i);
	case STAGE_IDLE:
	case STAGE_STOPPED:
	case STAGE_GIVEN_UP: return true;
	default: return false;
	}
}

bool wiring_ready(const struct domain *guest) {
	for (uint32_t i = 0; i < guest->connection_count; i++)
		if (!is_ready(guest, i)) return false;
	return true;
}

bool wiring_settled(const struct domain *guest) {
	for (uint32_t i = 0; i < guest->connection_count; i++)
		if (!wiring_let_go(guest, i)) return false;
	return true;
}
