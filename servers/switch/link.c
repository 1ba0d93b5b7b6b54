/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What ties a VIF to its guest: ring pages in our address space, event channels, and grant
 * copies. Rings and channels are the guest's offers; a successor takes up the very same.
 */
#include "libs/event/event.h"
#include "libs/rt/hypercall.h"
#include "libs/rt/time.h"
#include "proto/xen/event.h"
#include "proto/xen/grant.h"
#include "proto/xen/xen.h"
#include "switch.h"

/* A queue's channels: of both its rings, or one for each. */
static void both_ring(void *queue) { kick_heard(queue, true, true, time_now()); }
static void tx_rings(void *queue) { kick_heard(queue, true, false, time_now()); }
static void rx_rings(void *queue) { kick_heard(queue, false, true, time_now()); }

static void unbind(struct ring *ring) {
	struct evtchn_close close = {.port = ring->port};

	if (!ring->port) return;
	event_handle(ring->port, NULL, NULL);
	hypercall2(__HYPERVISOR_event_channel_op, EVTCHNOP_close, (uintptr_t)&close);
	ring->port = 0;
}

static const char *map(struct port *port, struct ring *ring, uint32_t ref) {
	if (grant_map(&ring->mapping, port->vif.end.domid, ref, 1)) return "a ring can't be mapped";
	ring->shared = ring->mapping.at;
	ring->rung_for = 0;
	return NULL;
}

static const char *bind(struct queue *queue, struct ring *ring, uint32_t remote,
			event_handler handler) {
	struct evtchn_bind_interdomain bind = {
		.remote_dom = queue_port(queue)->vif.end.domid,
		.remote_port = remote,
	};

	if (hypercall2(__HYPERVISOR_event_channel_op, EVTCHNOP_bind_interdomain, (uintptr_t)&bind))
		return "an event channel can't be bound";
	ring->port = bind.local_port;
	if (ring->port >= EVENT_PORTS) return "there are too many event channels";
	event_handle(ring->port, handler, queue);
	return NULL;
}

static const char *connect(struct port *port, uint32_t n) {
	struct queue *queue = &sw.queue[port->vif.first_queue + n];
	const struct front *front = &port->vif.front;
	bool split = front->tx_port[n] != front->rx_port[n];
	const char *failure = map(port, &queue->tx, front->tx_ref[n]);

	if (!failure) failure = map(port, &queue->rx, front->rx_ref[n]);
	if (!failure)
		failure = bind(queue, &queue->tx, front->tx_port[n], split ? tx_rings : both_ring);
	if (failure) return failure;
	if (split) return bind(queue, &queue->rx, front->rx_port[n], rx_rings);
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

void link_listen(struct port *port, bool listen) {
	for (uint32_t i = 0; i < port->vif.queue_count; i++) {
		const struct queue *queue = &sw.queue[port->vif.first_queue + i];

		(listen ? event_listen : event_ignore)(queue->tx.port);
		(listen ? event_listen : event_ignore)(queue->rx.port);
	}
}

void link_pool(uint32_t first, uint32_t count) {
	if (grant_map_at(pool.memory[first], pool.domid, pool.ref + first, count))
		rt_panic("its pool of packets can't be mapped");
}

void link_copy(struct gnttab_copy *copies, uint32_t count) {
	int64_t result =
		hypercall4(__HYPERVISOR_grant_table_op, GNTTABOP_copy, (uintptr_t)copies, count, 0);

	rt_assert(!result, "our own memory holds the copies");
	(void)result;
}
