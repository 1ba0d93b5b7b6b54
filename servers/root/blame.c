/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Somebody keeps its memory mapped, and patience is over. First those are at
 * fault that have not let go of a guest, and the windows of servers that are down;
 * then the server of its disks, who said that it has, and its windows; then all.
 */
#include "root.h"

static void blame(struct domain *server, const struct domain *owner) {
	char why[96];

	if (server->stage != STAGE_RUNNING) return;
	rt_format(why, sizeof(why), "it does not let go of the memory of %s", owner->name);
	supervise_crash(server, why);
}

/* The drivers of a disk server: with them go the DMA windows that it has filled. */
static void blame_drivers(const struct domain *server, const struct domain *owner) {
	for (uint32_t i = 0; i < description.connection_count; i++) {
		const struct system_connection *c = &description.connections[i];

		if (c->protocol == SYSTEM_CONN_DISK && c->server == server->index)
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
		bool disks = c->protocol == SYSTEM_CONN_BLOCK;

		if (disks && (round || server->stage != STAGE_RUNNING))
			blame_drivers(server, domain);
		if (!wiring_let_go(domain, i) || (disks && round) || round > 1)
			blame(server, domain);
	}
}
