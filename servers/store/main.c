/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The store: rings mapped, channels handled, the lifeboat opened. Each client has
 * a bounded piece of work done, then the next one; what one causes for another
 * (an event to send) makes that one's turn come.
 */
#include "libs/cap/cap.h"
#include "libs/control/control.h"
#include "libs/event/event.h"
#include "libs/grant/grant.h"
#include "libs/lifeboat/lifeboat.h"
#include "libs/log/log.h"
#include "libs/rt/package.h"
#include "proto/system.h"
#include "store.h"

PACKAGE_SERVER(SYSTEM_CONN_STORE, 1, 1);
PACKAGE_SERVER(SYSTEM_CONN_XENBUS, 1, 1);
PACKAGE_MAY_HAVE_LIFEBOAT(BOAT_LAYOUT, BOAT_LAYOUT);

/* By the connection's number in the start page; ring NULL: not one of the store's, or absent. */
static struct connection connections[NATIVE_MAX_CONNECTIONS];
static struct grant_mapping mappings[NATIVE_MAX_CONNECTIONS];
static bool was_broken[NATIVE_MAX_CONNECTIONS];
static uint32_t breaks[NATIVE_MAX_CONNECTIONS];

static const struct native_connection *described(unsigned n) {
	return &rt_start_page->connections[n];
}

static bool is_client(unsigned n) {
	const struct native_connection *c = described(n);

	return c->protocol == SYSTEM_CONN_STORE || c->protocol == SYSTEM_CONN_XENBUS;
}

/* A client may begin anew and do it again: the log hears of it ever less often. */
static void complain(unsigned n) {
	uint32_t count = ++breaks[n];

	if (count & (count - 1)) return;
	log_print("%s broke the store's protocol (error %u, %u times so far): not served any more",
		  described(n)->peer, connections[n].client->error, count);
}

static void serve(void *context) {
	unsigned n = (unsigned)(uintptr_t)context;
	struct connection *c = &connections[n];
	bool broken;

	if (connection_serve(c)) event_again(described(n)->port);
	if (c->notify) event_send(described(n)->port);
	c->notify = false;
	broken = c->client->state == CLIENT_BROKEN;
	if (broken && !was_broken[n]) complain(n);
	was_broken[n] = broken;
	for (unsigned i = 0; i < rt_start_page->connection_count; i++)
		if (i != n && connection_is_due(&connections[i])) event_again(described(i)->port);
}

static void attach(unsigned n, uint32_t incarnation, const struct guest_facts *facts) {
	const struct native_connection *c = described(n);
	int error = grant_map(&mappings[n], c->ring_domid, c->ring_ref, 1);

	if (error) {
		log_print("the store ring of %s cannot be mapped (%d)", c->peer, error);
		return;
	}
	connection_attach(&connections[n], mappings[n].at, incarnation, facts);
	serve((void *)(uintptr_t)n);
}

static void get_facts(const struct native_connection *c, struct guest_facts *facts) {
	struct domain_info info;
	int error = cap_domain_info(c->peer_slot, &info);

	if (error) {
		log_print("nothing is known of the memory of %s (%d)", c->peer, error);
		info.pages = info.spare_pages = 0;
	}
	/* flags: how many vCPUs it has */
	facts->vcpus = MIN(MAX(c->flags, 1U), 32U);
	facts->memory_kib = (uint64_t)info.pages * (PAGE_SIZE / 1024);
	facts->maximum_kib = ((uint64_t)info.pages + info.spare_pages) * (PAGE_SIZE / 1024);
}

static bool peer_changed(unsigned n, bool present, uint32_t incarnation) {
	const struct native_connection *c = described(n);
	struct guest_facts facts;

	if (c->protocol != SYSTEM_CONN_STORE) return true;
	connections[n].ring = NULL;
	grant_unmap(&mappings[n]);
	if (present) {
		get_facts(c, &facts);
		attach(n, incarnation, &facts);
	} else {
		connection_detach(&connections[n]);
		/* Others may have been told. */
		for (unsigned i = 0; i < rt_start_page->connection_count; i++)
			if (connection_is_due(&connections[i])) event_again(described(i)->port);
	}
	return true;
}

/* What root has us write into guests' homes. Of one that is not there it asks nothing. */
static void serve_asks(void) {
	uint32_t value;

	for (unsigned n = 0; n < rt_start_page->connection_count; n++) {
		if (described(n)->protocol != SYSTEM_CONN_STORE) continue;
		for (unsigned what = 0; what < CONTROL_ASKS; what++) {
			if (!control_asked(n, what, &value)) continue;
			guest_ask(connections[n].client, what, value);
			control_answer(n, what);
		}
	}
	for (unsigned i = 0; i < rt_start_page->connection_count; i++)
		if (connection_is_due(&connections[i])) event_again(described(i)->port);
}

/* The memory that all of the store's knowledge lies in; true: a predecessor's lies there. */
static bool find_memory(struct lifeboat *lifeboat, void **memory, uint32_t *size) {
	const struct native_connection *lent = rt_connection(SYSTEM_CONN_LIFEBOAT, 0);
	int error;

	if (!lent) {
		*memory = (void *)(uintptr_t)rt_start_page->free_first;
		*size = (uint32_t)MIN(rt_start_page->free_end - rt_start_page->free_first,
				      1UL << 30);
		return false;
	}
	error = lifeboat_open(lifeboat, BOAT_LAYOUT,
			      (uint32_t)(lent->ring_pages * PAGE_SIZE) - LIFEBOAT_DATA);
	if (error) rt_panic("its lifeboat cannot be opened (%d)", error);
	*memory = lifeboat->data;
	*size = lifeboat->size;
	return lifeboat->adopted;
}

static void open_boat(const struct boat_peer *peers, uint32_t count) {
	struct lifeboat lifeboat;
	uint32_t size, needed;
	const char *wrong;
	void *memory;

	if (find_memory(&lifeboat, &memory, &size)) {
		wrong = boat_adopt(memory, size, peers, count);
		if (!wrong) return;
		log_print("its lifeboat is of no use: %s; the store begins anew", wrong);
		lifeboat_reject(&lifeboat);
	}
	if (!boat_build(memory, size, peers, count, &needed))
		rt_panic("its lifeboat or memory is too small for %u clients: %u KiB, needed are "
			 "%u KiB",
			 count, size / 1024, needed / 1024 + 1);
	guest_make_tree();
	boat_commit();
	boat_store(&boat->built, 1);
}

void native_main(void) {
	struct boat_peer peers[NATIVE_MAX_CONNECTIONS] = {0};
	uint32_t count = 0;

	for (unsigned n = 0; n < rt_start_page->connection_count; n++) {
		const struct native_connection *c = described(n);

		if (!is_client(n)) continue;
		memcpy(peers[count].name, c->peer, sizeof(peers[count].name));
		peers[count].domid = c->peer_domid;
		peers[count].is_guest = c->protocol == SYSTEM_CONN_STORE;
		peers[count++].flags = c->protocol == SYSTEM_CONN_XENBUS ? c->flags : 0;
	}
	open_boat(peers, count);
	count = 0;
	for (unsigned n = 0; n < rt_start_page->connection_count; n++) {
		if (!is_client(n)) continue;
		connections[n].client = boat_client(count++);
		event_handle(described(n)->port, serve, (void *)(uintptr_t)n);
	}
	for (unsigned n = 0; n < rt_start_page->connection_count; n++)
		if (described(n)->protocol == SYSTEM_CONN_XENBUS) attach(n, 0, NULL);
	control_init(peer_changed, serve_asks);
	event_loop();
}
