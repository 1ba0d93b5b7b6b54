/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Somebody keeps its memory mapped, and patience is over. First those are at
 * fault that have not let go of a guest, and the windows of servers that are down;
 * then the servers of its devices, who said that they have, and their windows; then all.
 */
#include "root.h"

static void blame(struct domain *server, const struct domain *owner) {
	char why[96];

	if (server->stage != STAGE_RUNNING) return;
	rt_format(why, sizeof(why), "it does not let go of the memory of %s", owner->name);
	supervise_crash(server, why);
}

/* The drivers of a server: with them go the DMA windows that it has filled. */
static void blame_drivers(const struct domain *server, const struct domain *owner) {
	for (uint32_t i = 0; i < description.connection_count; i++) {
		const struct system_connection *c = &description.connections[i];

		if (link_is_driver(c) && c->server == server->index)
			blame(&domains[c->client], owner);
	}
}

void supervise_blame(struct domain *domain) {
	uint8_t round = domain->blamed++;

	if (is_native(domain)) blame_drivers(domain, domain);
	for (uint32_t i = 0; i < domain->connection_count && is_guest(domain); i++) {
		const struct system_connection *c =
			&description.connections[domain->connections[i]];
		struct domain *server = &domains[c->server];
		bool backend = link_is_backend(c);

		if (backend && (round || server->stage != STAGE_RUNNING))
			blame_drivers(server, domain);
		if (!wiring_let_go(domain, i) || (backend && round) || round > 1)
			blame(server, domain);
	}
}
