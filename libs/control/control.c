/* SPDX-License-Identifier: BSD-2-Clause */
#include "libs/control/control.h"
#include "libs/event/event.h"
#include "libs/grant/grant.h"
#include "proto/system.h"

static struct control_page *page;
static uint32_t control_port;
static uint32_t pages, plan_version;
static control_peer_handler peer_handler;
static void (*kick_handler)(void);

void control_scan(void) {
	for (unsigned i = 0; i < rt_start_page->connection_count && peer_handler; i++) {
		struct control_peer *peer = &page->peer[i];
		uint32_t wanted = __atomic_load_n(&peer->wanted, __ATOMIC_ACQUIRE);
		bool present = wanted & CONTROL_PEER_STATE_MASK;

		if (wanted == peer->done || !peer_handler(i, present, wanted >> CONTROL_PEER_SHIFT))
			continue;
		__atomic_store_n(&peer->done, wanted, __ATOMIC_RELEASE);
		event_send(control_port);
	}
}

static void control_event(void *context) {
	uint32_t asked = __atomic_load_n(&page->beat_asked, __ATOMIC_RELAXED);

	(void)context;
	/* The loop turns: that is what root asks. */
	if (asked != page->beat) {
		__atomic_store_n(&page->beat, asked, __ATOMIC_RELEASE);
		event_send(control_port);
	}
	control_scan();
	if (kick_handler) kick_handler();
}

void control_init(control_peer_handler handler, void (*kick)(void)) {
	const struct native_connection *connection = rt_connection(SYSTEM_CONN_CONTROL, 0);
	void *at;
	int error;

	rt_assert(connection, "root makes a control page for every native domain");
	pages = connection->ring_pages;
	error = grant_map_for_life(&at, connection->ring_domid, connection->ring_ref, pages);
	if (error) rt_panic("control page: error %d", -error);
	page = at;
	if (page->version != CONTROL_VERSION)
		rt_panic("control page: version %u, not %u", page->version, CONTROL_VERSION);

	control_port = connection->port;
	peer_handler = handler;
	kick_handler = kick;
	event_handle(control_port, control_event, NULL);

	/* A predecessor's 'done' says nothing about this incarnation. */
	for (unsigned i = 0; i < NATIVE_MAX_CONNECTIONS; i++) page->peer[i].done = 0;
	control_event(NULL);
}

uint32_t control_device(unsigned n) {
	return __atomic_load_n(&page->device[n].wanted, __ATOMIC_ACQUIRE);
}

bool control_device_settled(unsigned n) {
	const struct control_device *device = &page->device[n];

	return (device->done ^ device->wanted) >> CONTROL_DEVICE_SHIFT == 0;
}

void control_device_done(unsigned n, uint32_t wanted, uint32_t flags) {
	__atomic_store_n(&page->device[n].done, wanted | flags, __ATOMIC_RELEASE);
	event_send(control_port);
}

bool control_asked(unsigned index, unsigned kind, uint32_t *value) {
	const struct control_ask *ask = &page->ask[index][kind];
	bool open = __atomic_load_n(&ask->asked, __ATOMIC_ACQUIRE) != ask->done;

	*value = ask->value;
	return open;
}

void control_answer(unsigned index, unsigned kind) {
	struct control_ask *ask = &page->ask[index][kind];

	__atomic_store_n(&ask->done, ask->asked, __ATOMIC_RELEASE);
}

uint32_t control_plan(struct control_vcpu *entries, uint32_t max) {
	const struct control_vcpu *shared = (const void *)(page + 1);
	uint32_t room = (pages - CONTROL_PAGES) * CONTROL_VCPUS_PER_PAGE;
	uint32_t version, count;

	do {
		version = __atomic_load_n(&page->plan_version, __ATOMIC_ACQUIRE);
		count = MIN(page->plan_count, MIN(room, max));
		memcpy(entries, shared, count * sizeof(*entries));
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		/* Odd: root is rewriting it, and cannot run before we give up the CPU. */
		if (version & 1 || version == plan_version) return 0;
	} while (version != page->plan_version);
	plan_version = version;
	return count;
}

void control_plan_done(void) { __atomic_store_n(&page->plan_done, plan_version, __ATOMIC_RELEASE); }
