/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The store, as much of it as stock kernels need to boot: each guest has a part
 * of its own. Sharing between domains, quotas by configuration and surviving a
 * restart are still to come.
 */
#include "libs/control/control.h"
#include "libs/event/event.h"
#include "libs/grant/grant.h"
#include "libs/log/log.h"
#include "proto/system.h"
#include "store.h"

static struct store_client *clients[NATIVE_MAX_CONNECTIONS];
static struct grant_mapping mappings[NATIVE_MAX_CONNECTIONS];

static void serve(void *context) {
	unsigned n = (unsigned)(uintptr_t)context;
	uint32_t port = rt_start_page->connections[n].port;
	bool was_dead = clients[n]->dead;

	if (store_serve(clients[n])) event_again(port);
	if (clients[n]->notify) event_send(port);
	clients[n]->notify = false;
	if (clients[n]->dead && !was_dead)
		log_print("%s broke the store's protocol: not served any more",
			  rt_start_page->connections[n].peer);
}

static bool peer_changed(unsigned n, bool present, uint32_t incarnation) {
	const struct native_connection *c = &rt_start_page->connections[n];
	int error;

	(void)incarnation;
	if (c->protocol != SYSTEM_CONN_STORE) return true;
	clients[n]->ring = NULL;
	grant_unmap(&mappings[n]);
	if (!present) return true;
	error = grant_map(&mappings[n], c->ring_domid, c->ring_ref, 1);
	if (error) {
		log_print("the store ring of %s cannot be mapped (%d)", c->peer, error);
		return true;
	}
	store_attach(clients[n], mappings[n].at, c->peer_domid, c->peer);
	serve((void *)(uintptr_t)n);
	return true;
}

void native_main(void) {
	uint64_t spare = rt_start_page->free_first;

	for (unsigned n = 0; n < rt_start_page->connection_count; n++) {
		const struct native_connection *c = &rt_start_page->connections[n];

		if (c->protocol != SYSTEM_CONN_STORE) continue;
		if (sizeof(struct store_client) > rt_start_page->free_end - spare)
			rt_panic("its memory is too small: %lu KiB more for each guest",
				 sizeof(struct store_client) / 1024 + 1);
		clients[n] = (struct store_client *)(uintptr_t)spare;
		spare += ROUND_UP(sizeof(struct store_client), PAGE_SIZE);
		event_handle(c->port, serve, (void *)(uintptr_t)n);
	}
	control_init(peer_changed, NULL);
	event_loop();
}
