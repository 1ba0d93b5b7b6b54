/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whether a program fits where another one runs: its needs are within what the
 * description gave the domain, it speaks all of the domain's connections in a version
 * that the peer's program knows, and it can work in the layout in which the lifeboat
 * is laid out. images/package/needs.py says the same of a description, on the host.
 */
#include "libs/cap/cap.h"
#include "proto/lifeboat.h"
#include "proto/manage.h"
#include "space.h"
#include "upgrade.h"

static const char *const protocols[] = {
	[SYSTEM_CONN_CONSOLE] = "console", [SYSTEM_CONN_SERIAL] = "serial",
	[SYSTEM_CONN_STORE] = "store",     [SYSTEM_CONN_CONTROL] = "control",
	[SYSTEM_CONN_PCI] = "device",      [SYSTEM_CONN_BUS] = "pci",
	[SYSTEM_CONN_XENBUS] = "xenbus",   [SYSTEM_CONN_BLOCK] = "block",
	[SYSTEM_CONN_DISK] = "disk",       [SYSTEM_CONN_VIF] = "vif",
	[SYSTEM_CONN_NET] = "net",         [SYSTEM_CONN_NETCTL] = "netctl",
	[SYSTEM_CONN_BLKCTL] = "blkctl",   [SYSTEM_CONN_CONSCTL] = "consctl",
};

static char text[256];

static const char *protocol_word(uint32_t protocol) {
	return protocol < ARRAY_SIZE(protocols) && protocols[protocol] ? protocols[protocol]
								       : "unknown";
}

static const char *role_word(uint32_t role) { return role == NATIVE_SERVER ? "server" : "client"; }

/* --- what it needs --- */

static bool has_connection(const struct domain *domain, uint16_t protocol, uint16_t role) {
	if (protocol == SYSTEM_CONN_PCI) return domain->device != NULL;
	for (uint32_t i = 0; i < description.connection_count; i++) {
		const struct system_connection *c = &description.connections[i];
		uint32_t end = role == NATIVE_SERVER ? c->server : c->client;

		if (c->protocol == protocol && end == domain->index) return true;
	}
	return false;
}

static bool has_resource(const struct domain *domain, uint32_t kind) {
	for (uint32_t i = 0; i < description.resource_count; i++)
		if (description.resources[i].domain == domain->index &&
		    description.resources[i].kind == kind)
			return true;
	return false;
}

static bool has_capability(const struct domain *domain, uint16_t type) {
	switch (type) {
	case CAP_DOMAIN: return true; /* root's: its pages are mapped by it */
	case CAP_CPU: return has_resource(domain, SYSTEM_RES_CPU);
	case CAP_IRQ: return domain->device || has_resource(domain, SYSTEM_RES_IRQ);
	case CAP_IOPORTS: return has_resource(domain, SYSTEM_RES_IOPORTS);
	case CAP_MMIO:
		return domain->device || has_resource(domain, SYSTEM_RES_MMIO) ||
		       has_connection(domain, SYSTEM_CONN_BUS, NATIVE_SERVER);
	case CAP_DMASPACE: return domain->device != NULL;
	case CAP_CONSOLE: return has_resource(domain, SYSTEM_RES_LOG);
	default: return false;
	}
}

static const char *check_need(const struct domain *domain, const struct package_need *need) {
	if (need->kind == PACKAGE_NEED_RUNTIME &&
	    (need->oldest > PACKAGE_RUNTIME || need->newest < PACKAGE_RUNTIME)) {
		rt_format(text, sizeof(text), "it runs on versions %u to %u of root, this is %u",
			  need->oldest, need->newest, PACKAGE_RUNTIME);
		return text;
	}
	if (need->flags & PACKAGE_F_OPTIONAL) return NULL;
	if (need->kind == PACKAGE_NEED_CONNECTION &&
	    !has_connection(domain, need->what, need->role)) {
		rt_format(text, sizeof(text),
			  "it needs a \"%s\" connection as the %s, which the description does not "
			  "give",
			  protocol_word(need->what), role_word(need->role));
		return text;
	}
	if (need->kind == PACKAGE_NEED_CAPABILITY && !has_capability(domain, need->what)) {
		rt_format(text, sizeof(text),
			  "it needs a capability of type %u, which the description does not give",
			  need->what);
		return text;
	}
	if (need->kind == PACKAGE_NEED_LIFEBOAT && !domain->d->lifeboat_pages)
		return "it needs a lifeboat, which the description does not give";
	return NULL;
}

/* --- what it speaks --- */

static const char *check_end(const struct package *package, const struct system_connection *c,
			     bool serves) {
	uint16_t role = serves ? NATIVE_SERVER : NATIVE_CLIENT;
	const struct domain *peer = &domains[serves ? c->client : c->server];
	const struct package_need *own, *other;

	own = package_find(package, PACKAGE_NEED_CONNECTION, (uint16_t)c->protocol, role);
	if (!own) {
		rt_format(text, sizeof(text), "it does not speak \"%s\" as the %s, as %s does",
			  protocol_word(c->protocol), role_word(role),
			  domains[serves ? c->server : c->client].name);
		return text;
	}
	if (!peer->program) return NULL; /* root, a guest, or one that never started */
	other = package_find(&peer->program->package, PACKAGE_NEED_CONNECTION,
			     (uint16_t)c->protocol, serves ? NATIVE_CLIENT : NATIVE_SERVER);
	if (!other || package_common(own, other)) return NULL;
	rt_format(text, sizeof(text), "it speaks \"%s\" %u to %u, and %s speaks %u to %u",
		  protocol_word(c->protocol), own->oldest, own->newest, peer->name, other->oldest,
		  other->newest);
	return text;
}

static const char *check_connections(const struct domain *domain, const struct package *package) {
	const char *why = NULL;

	for (uint32_t i = 0; i < description.connection_count && !why; i++) {
		const struct system_connection *c = &description.connections[i];

		if (c->protocol == SYSTEM_CONN_CONTROL) continue; /* of every native */
		if (c->server == domain->index) why = check_end(package, c, true);
		if (!why && c->client == domain->index) why = check_end(package, c, false);
	}
	return why;
}

/* --- the lifeboat as it is --- */

static const char *check_lifeboat(const struct domain *domain, const struct package *package) {
	const struct package_need *own = package_find(package, PACKAGE_NEED_LIFEBOAT, 0, 0);
	struct lifeboat_header header;
	const void *at;

	if (!domain->d->lifeboat_pages) return NULL;
	if (!own)
		return "it knows nothing of the lifeboat in which the work of its predecessor lies";
	at = space_map_module(0, domain->lifeboat_mfn, 1);
	if (at) memcpy(&header, at, sizeof(header));
	space_unmap_modules();
	if (!at) return "the lifeboat cannot be read";
	if (header.magic != LIFEBOAT_MAGIC ||
	    (header.layout >= own->oldest && header.layout <= own->newest))
		return NULL;
	rt_format(text, sizeof(text),
		  "it knows layouts %u to %u of the lifeboat, which is of layout %u", own->oldest,
		  own->newest, header.layout);
	return text;
}

const char *fit_check(const struct domain *domain, const struct package *package,
		      uint32_t *status) {
	const char *why = NULL;

	*status = MANAGE_MISMATCH;
	for (uint32_t i = 0; i < package->need_count && !why; i++)
		why = check_need(domain, &package->need[i]);
	if (!why) why = check_connections(domain, package);
	if (!why) why = check_lifeboat(domain, package);
	if (!why) *status = MANAGE_OK;
	return why;
}
