/* SPDX-License-Identifier: BSD-2-Clause */
#include "libs/control/control.h"
#include "libs/event/event.h"
#include "libs/grant/grant.h"
#include "libs/ring/ring.h"
#include "proto/system.h"

static struct grant_mapping mapping;
static struct control_page *page;
static uint32_t control_port;
static struct ring command, reply;
static uint32_t plan_version;
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
	(void)context;
	control_scan();
	if (kick_handler) kick_handler();
}

void control_init(control_peer_handler handler, void (*kick)(void)) {
	const struct native_connection *connection = rt_connection(SYSTEM_CONN_CONTROL, 0);
	int error;

	rt_assert(connection, "root makes a control page for every native domain");
	error = grant_map(&mapping, connection->ring_domid, connection->ring_ref,
			  connection->ring_pages);
	if (error) rt_panic("control page: error %d", -error);
	page = mapping.at;
	if (page->version != CONTROL_VERSION)
		rt_panic("control page: version %u, not %u", page->version, CONTROL_VERSION);

	control_port = connection->port;
	peer_handler = handler;
	kick_handler = kick;
	ring_attach_producer(&command, &page->command, page->command_data, CONTROL_COMMANDS,
			     CONTROL_COMMAND_SIZE);
	ring_attach_consumer(&reply, &page->reply, page->reply_data, CONTROL_REPLY_SIZE, 1);
	ring_want_data(&reply);
	event_handle(control_port, control_event, NULL);

	/* A predecessor's 'done' says nothing about this incarnation. */
	for (unsigned i = 0; i < NATIVE_MAX_CONNECTIONS; i++) page->peer[i].done = 0;
	control_event(NULL);
}

uint32_t control_plan(struct control_vcpu *entries, uint32_t max) {
	const struct control_vcpu *shared = (const void *)(page + 1);
	uint32_t room = (mapping.pages - 1) * CONTROL_VCPUS_PER_PAGE;
	uint32_t version, count;

	do {
		version = __atomic_load_n(&page->plan_version, __ATOMIC_ACQUIRE);
		count = MIN(page->plan_count, MIN(room, max));
		memcpy(entries, shared, count * sizeof(*entries));
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		/* Odd: root is rewriting it, and cannot run before we give up the CPU. */
		if (version & 1) return 0;
	} while (version != page->plan_version);
	plan_version = version;
	return count;
}

void control_plan_done(void) { __atomic_store_n(&page->plan_done, plan_version, __ATOMIC_RELEASE); }

bool control_command(const char *line) {
	char text[CONTROL_COMMAND_SIZE] = {0};

	if (!(page->flags & CONTROL_F_MAY_COMMAND) || !rt_strcopy(text, line, sizeof(text)) ||
	    !ring_put(&command, text, 1))
		return false;
	ring_publish(&command);
	event_send(control_port);
	return true;
}

uint32_t control_reply(void *to, uint32_t size) {
	uint32_t got = ring_get(&reply, to, size);

	if (ring_release(&reply)) event_send(control_port);
	ring_want_data(&reply);
	return got;
}
