/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What ties a VIF to its guest: ring pages in our address space, event channels, and grant
 * copies. Rings and channels are the guest's offers; a successor takes up the very same.
 */
#include "libs/event/event.h"
#include "libs/rt/hypercall.h"
#include "proto/xen/event.h"
#include "proto/xen/grant.h"
#include "proto/xen/xen.h"
#include "switch.h"

static void sends(void *context) {
	sw.ready |= 1ULL << port_index(context);
	pump_soon();
}

/* New buffers are only of interest while frames wait, and the pump looks at those. */
static void posts(void *context) {
	if (sw.starved >> port_index(context) & 1) pump_soon();
}

static void unbind(struct ring *ring) {
	struct evtchn_close close = {.port = ring->port};

	if (!ring->port) return;
	event_handle(ring->port, NULL, NULL);
	hypercall2(__HYPERVISOR_event_channel_op, EVTCHNOP_close, (uintptr_t)&close);
	ring->port = 0;
}

static const char *map(struct port *port, struct ring *ring, uint32_t ref) {
	if (grant_map(&ring->mapping, port->vif.domid, ref, 1)) return "a ring can't be mapped";
	ring->shared = ring->mapping.at;
	return NULL;
}

static const char *bind(struct port *port, struct ring *ring, uint32_t remote,
			event_handler handler) {
	struct evtchn_bind_interdomain bind = {
		.remote_dom = port->vif.domid,
		.remote_port = remote,
	};

	if (hypercall2(__HYPERVISOR_event_channel_op, EVTCHNOP_bind_interdomain, (uintptr_t)&bind))
		return "an event channel can't be bound";
	ring->port = bind.local_port;
	if (ring->port >= EVENT_PORTS) return "there are too many event channels";
	event_handle(ring->port, handler, port);
	return NULL;
}

static const char *connect(struct port *port, uint32_t n) {
	struct queue *queue = &sw.queue[port->vif.first_queue + n];
	const struct front *front = &port->vif.front;
	bool split = front->tx_port[n] != front->rx_port[n];
	const char *failure = map(port, &queue->tx, front->tx_ref[n]);

	if (!failure) failure = map(port, &queue->rx, front->rx_ref[n]);
	if (!failure) failure = bind(port, &queue->tx, front->tx_port[n], sends);
	if (failure) return failure;
	if (split) return bind(port, &queue->rx, front->rx_port[n], posts);
	queue->rx.port = queue->tx.port;
	return NULL;
}

const char *link_connect(struct port *port) {
	for (uint32_t i = 0; i < port->vif.queue_count; i++) {
		const char *failure = connect(port, i);

		if (!failure) continue;
		link_disconnect(port);
		return failure;
	}
	return NULL;
}

static void let_go(struct ring *ring) {
	unbind(ring);
	grant_unmap(&ring->mapping);
	ring->shared = NULL;
}

void link_disconnect(struct port *port) {
	for (uint32_t i = 0; i < port->vif.queue_count; i++) {
		struct queue *queue = &sw.queue[port->vif.first_queue + i];

		if (queue->rx.port == queue->tx.port) queue->rx.port = 0;
		let_go(&queue->tx);
		let_go(&queue->rx);
	}
	port->vif.queue_count = 0;
}

void link_notify(uint32_t port) { event_send(port); }

void link_copy(struct gnttab_copy *copies, uint32_t count) {
	int64_t result =
		hypercall4(__HYPERVISOR_grant_table_op, GNTTABOP_copy, (uintptr_t)copies, count, 0);

	rt_assert(!result, "our own memory holds the copies");
	(void)result;
}
