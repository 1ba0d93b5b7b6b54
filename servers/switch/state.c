/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * VIFs as devices of guests. The states of both ends are libs/xenbus/backend.h's; here is
 * what is a VIF's own: its rings, what the data path knows of it, and what the firewall
 * forgets with it.
 */
#include "switch.h"

static const char *connect(struct backend_device *end) {
	struct port *port = port_of(end);
	struct vif *vif = &port->vif;

	vif->queue_count = (uint16_t)vif->front.queues;
	vif->turn = 0;
	vif->deficit = 0;
	return link_connect(port);
}

static void begin(struct backend_device *end, bool adopting) {
	struct port *port = port_of(end);
	struct vif *vif = &port->vif;

	group_connect(port, adopting);
	answer_connect(port, adopting);
	/* A predecessor may have answered without having said so. */
	for (uint32_t i = 0; adopting && i < vif->queue_count; i++) {
		link_notify(sw.queue[vif->first_queue + i].tx.port);
		link_notify(sw.queue[vif->first_queue + i].rx.port);
	}
	sw.ready |= 1ULL << end->number;
	pump_soon();
}

static void disconnect(struct backend_device *end) {
	struct port *port = port_of(end);
	struct vif *vif = &port->vif;
	uint64_t bit = 1ULL << end->number;

	for (uint32_t i = 0; i < vif->queue_count; i++) rx_forget(&sw.queue[vif->first_queue + i]);
	link_disconnect(port);
	kick_forget(port);
	sw.ready &= ~bit;
	sw.starved &= ~bit;
	sw.dirty &= ~bit;
	sw.limited &= ~bit;
	address_forget(end->number);
}

static void forget(struct backend_device *end) { answer_forget(end->number); }

/* Whatever comes in its place is new to the firewall. */
static void vanish(struct backend_device *end) { fw_port_reset(&sw.fw, end->number); }

static const struct backend_class class = {
	.type = "vif",
	.label = "",
	.nodes = node_table,
	.node_count = NODE_COUNT,
	.rounds = front_rounds,
	.value = node_value,
	.connect = connect,
	.begin = begin,
	.disconnect = disconnect,
	.forget = forget,
	.vanish = vanish,
	.soon = pump_soon,
	.wake_at = sw_wake_at,
};

void vif_begin(void) { backend_begin(&class); }

bool vif_gone(uint16_t guest) {
	if (!backend_guest_has_left(guest)) return false;
	for (uint32_t i = 0; i < sw.port_count; i++)
		if (sw.port[i].kind == SWITCH_PORT_VIF && sw.port[i].vif.end.guest == guest)
			fw_port_reset(&sw.fw, i);
	backend_guest_gone(guest);
	return true;
}
