/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The backend's half of the xenbus states, for each VIF of a guest that is there.
 *
 *   ABSENT -> WAITING -> ASKING -+-> OPEN -> READING -> LIVE -> ENDING -> CLOSED
 *                                |    ^-------------------------------|-------|
 *                                +-> READING (adopting) -> LIVE
 *
 * ASKING finds out what a predecessor has left: backend and frontend connected means that
 * the guest goes on using its rings, so they are taken over and no state is written.
 * Otherwise the nodes are made, and the frontend is waited for.
 *
 * Handlers never let go of rings that a round may be using: they say ENDING, and the
 * pump's end does it.
 */
#include "libs/control/control.h"
#include "libs/log/log.h"
#include "libs/xenbus/xenbus.h"
#include "switch.h"

static void open_anew(struct port *port, uint32_t backend) {
	struct vif *vif = &port->vif;

	vif->state = backend == XENBUS_CLOSED ? VIF_CLOSED : VIF_OPEN;
	vif->backend_state = backend;
	vif->was_connected = false;
	node_publish(port);
	node_watch(port);
}

/* --- before the frontend --- */

void vif_settle(void) {
	for (uint32_t i = 0; i < sw.port_count && node_ready(); i++) {
		struct vif *vif = &sw.port[i].vif;

		if (vif->state == VIF_WAITING)
			vif->state = VIF_ASKING;
		else if (!vif->make_again)
			continue;
		node_ask(&sw.port[i]);
	}
}

void vif_present(uint16_t guest, uint32_t incarnation) {
	sw.guest[guest] = (struct guest){.present = true, .incarnation = incarnation};
	for (uint32_t i = 0; i < sw.port_count; i++) {
		struct vif *vif = &sw.port[i].vif;

		if (sw.port[i].kind != SWITCH_PORT_VIF || vif->guest != guest) continue;
		vif->incarnation = incarnation;
		vif->broken = vif->make_again = false;
		vif->state = VIF_WAITING;
	}
	vif_settle();
}

void vif_homeless(struct port *port) {
	if (port->vif.state == VIF_ASKING) port->vif.state = VIF_WAITING;
}

void vif_asked(struct port *port, uint32_t backend, uint32_t front) {
	struct vif *vif = &port->vif;

	vif->make_front = front == XENBUS_UNKNOWN;
	if (vif->make_again) {
		vif->make_again = false;
		node_publish(port);
		node_watch(port);
		return;
	}
	if (vif->state != VIF_ASKING) return;
	vif->front_state = front;
	vif->backend_state = backend;
	if (backend == XENBUS_CONNECTED && front == XENBUS_CONNECTED) {
		vif->state = VIF_READING;
		vif->adopting = vif->was_connected = true;
		node_read_front(port);
		return;
	}
	/* Whatever a predecessor had, this frontend begins anew. */
	answer_forget(port_index(port));
	if (vif->make_front) vif->front_state = XENBUS_INITIALISING;
	open_anew(port, vif->front_state >= XENBUS_CONNECTED ? XENBUS_CLOSED : XENBUS_INIT_WAIT);
}

/* --- the frontend --- */

static void read_front(struct port *port) {
	port->vif.state = VIF_READING;
	port->vif.adopting = false;
	node_read_front(port);
}

static void end(struct port *port) {
	port->vif.state = VIF_ENDING;
	sw.endings = true;
	pump_soon();
}

/* What follows from the frontend's state when there are no rings. */
static void reconsider(struct port *port) {
	struct vif *vif = &port->vif;
	uint32_t backend = XENBUS_CLOSED;

	if (vif->front_state == XENBUS_CLOSING)
		backend = XENBUS_CLOSING; /* a guest that shuts down waits for this one */
	else if (!vif->broken && (vif->front_state == XENBUS_INITIALISING ||
				  vif->front_state == XENBUS_INITIALISED))
		backend = XENBUS_INIT_WAIT;
	vif->state = backend == XENBUS_INIT_WAIT ? VIF_OPEN : VIF_CLOSED;
	vif->was_connected = false;
	if (vif->backend_state != backend) node_state(port, backend);
	if (backend == XENBUS_INIT_WAIT && vif->front_state == XENBUS_INITIALISED) read_front(port);
}

void vif_front_changed(struct port *port, uint32_t state) {
	struct vif *vif = &port->vif;
	bool again = state == XENBUS_INITIALISING || state == XENBUS_INITIALISED;

	vif->front_state = state;
	vif->make_front = false;
	switch (vif->state) {
	case VIF_OPEN:
		/* A netfront goes to Connected at once. */
		if (state == XENBUS_INITIALISED || state == XENBUS_CONNECTED)
			read_front(port);
		else if (state != XENBUS_INITIALISING)
			reconsider(port);
		break;
	case VIF_LIVE:
		if (state == XENBUS_CONNECTED)
			vif->was_connected = true;
		else if (!again || vif->was_connected)
			end(port);
		break;
	case VIF_CLOSED: reconsider(port); break;
	default: break;
	}
}

static void refuse(struct port *port, const char *why) {
	log_print("%s: the frontend in %s is refused: %s", port->name,
		  config_string(port->config->peer), why);
	port->vif.state = VIF_CLOSED;
	answer_forget(port_index(port));
	node_state(port, XENBUS_CLOSED);
	node_watch(port);
}

void vif_front_read(struct port *port, const char *failure) {
	struct vif *vif = &port->vif;

	if (vif->state != VIF_READING) return;
	if (!failure) {
		vif->queue_count = (uint16_t)vif->front.queues;
		vif->turn = 0;
		vif->deficit = 0;
		vif->group_count = 0;
		failure = link_connect(port);
	}
	if (failure) {
		refuse(port, failure);
		return;
	}
	vif->state = VIF_LIVE;
	/* Groups that a predecessor was told of are not known: all are let through. */
	if (vif->adopting) vif->front.flags &= ~FRONT_MULTICAST;
	answer_connect(port, vif->adopting);
	if (vif->adopting) {
		/* A predecessor may have answered without having said so. */
		for (uint32_t i = 0; i < vif->queue_count; i++) {
			link_notify(sw.queue[vif->first_queue + i].tx.port);
			link_notify(sw.queue[vif->first_queue + i].rx.port);
		}
		node_watch(port);
	} else {
		node_state(port, XENBUS_CONNECTED);
	}
	sw.ready |= 1ULL << port_index(port);
	pump_soon();
}

/* --- the end --- */

static bool is_ending(const struct port *port) {
	return port->vif.guest != SW_NONE && sw.guest[port->vif.guest].ending;
}

static void let_go(struct port *port) {
	struct vif *vif = &port->vif;
	uint64_t bit = 1ULL << port_index(port);

	for (uint32_t i = 0; i < vif->queue_count; i++) rx_forget(&sw.queue[vif->first_queue + i]);
	link_disconnect(port);
	sw.ready &= ~bit;
	sw.starved &= ~bit;
	sw.dirty &= ~bit;
	sw.limited &= ~bit;
	address_forget(port_index(port));
	if (!is_ending(port)) {
		reconsider(port);
		return;
	}
	vif->state = VIF_ABSENT;
	vif->make_again = false;
	node_remove(port);
}

void vif_endings(void) {
	sw.endings = false;
	for (uint32_t i = 0; i < sw.port_count; i++)
		if (sw.port[i].vif.state == VIF_ENDING) let_go(&sw.port[i]);
	control_scan();
}

void vif_break(struct port *port, const char *why) {
	struct vif *vif = &port->vif;

	if (vif->broken || vif->state != VIF_LIVE) return;
	log_print("%s of %s is taken away: %s", port->name, config_string(port->config->peer), why);
	vif->broken = true;
	end(port);
}

void vif_leave(uint16_t guest) {
	sw.guest[guest].ending = sw.endings = true;
	for (uint32_t i = 0; i < sw.port_count; i++) {
		struct port *port = &sw.port[i];

		if (port->kind != SWITCH_PORT_VIF || port->vif.guest != guest) continue;
		switch (port->vif.state) {
		case VIF_ABSENT:
		case VIF_ENDING: break;
		case VIF_LIVE: end(port); break;
		default:
			answer_forget(i);
			port->vif.state = VIF_ABSENT;
			node_remove(port);
			break;
		}
	}
	pump_soon();
}

bool vif_gone(uint16_t guest) {
	for (uint32_t i = 0; i < sw.port_count; i++)
		if (sw.port[i].kind == SWITCH_PORT_VIF && sw.port[i].vif.guest == guest &&
		    sw.port[i].vif.state != VIF_ABSENT)
			return false;
	for (uint32_t i = 0; i < sw.port_count; i++)
		if (sw.port[i].kind == SWITCH_PORT_VIF && sw.port[i].vif.guest == guest)
			fw_port_reset(&sw.fw, i);
	sw.guest[guest].present = sw.guest[guest].ending = false;
	return true;
}

/* --- the store --- */

/*
 * The first connection, or a new one. What has no rings begins as if it were new. A VIF in
 * use goes on; its nodes are made again, in case the store has lost them.
 */
void vif_store_ready(void) {
	for (uint32_t i = 0; i < sw.port_count; i++) {
		struct vif *vif = &sw.port[i].vif;

		switch (vif->state) {
		case VIF_ASKING:
		case VIF_READING:
		case VIF_OPEN:
		case VIF_CLOSED:
			if (!vif->broken) vif->state = VIF_WAITING;
			break;
		case VIF_LIVE:
		case VIF_ENDING: vif->make_again = true; break;
		default: break;
		}
	}
	vif_settle();
}
