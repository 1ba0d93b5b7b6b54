/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a frontend writes into the store, read in two rounds: what it can do and how many
 * queues it has, then their rings and channels. All of it is the guest's: numbers are
 * bounded, and what does not fit has a reason.
 */
#include "node.h"

static const struct {
	const char *name;
	uint32_t flag;
} keys[] = {
	{"request-rx-copy", FRONT_COPY},
	{"feature-rx-notify", FRONT_NOTIFY},
	{"feature-sg", FRONT_SG},
	{"feature-gso-tcpv4", FRONT_GSO4},
	{"feature-gso-tcpv6", FRONT_GSO6},
	{"feature-ipv6-csum-offload", FRONT_CSUM6},
	{"feature-no-csum-offload", FRONT_NO_CSUM},
	{"request-multicast-control", FRONT_MULTICAST},
};

enum ring_key { TX_REF, RX_REF, PORT, TX_PORT, RX_PORT, RING_KEYS };
static const char *const ring_keys[RING_KEYS] = {
	"tx-ring-ref", "rx-ring-ref", "event-channel", "event-channel-tx", "event-channel-rx",
};

static void rings_read(struct port *port) {
	const struct front *front = &port->vif.front;

	for (uint32_t i = 0; i < front->queues; i++) {
		if (front->tx_ref[i] == UINT32_MAX || front->rx_ref[i] == UINT32_MAX) {
			vif_front_read(port, "it names no ring");
			return;
		}
		if (!front->tx_port[i] || !front->rx_port[i]) {
			vif_front_read(port, "it names no event channel");
			return;
		}
	}
	vif_front_read(port, NULL);
}

static void ring_read(void *context, const struct xenbus_answer *answer) {
	struct port *port = node_addressee(context, answer);
	uint32_t detail = (uint32_t)((uintptr_t)context >> 16 & 0xffff), queue = detail >> 8;
	struct front *front;
	uint64_t number;

	if (!port) return;
	front = &port->vif.front;
	if (xenbus_number(answer, UINT32_MAX - 1, &number))
		switch ((enum ring_key)(detail & 0xff)) {
		case TX_REF: front->tx_ref[queue] = (uint32_t)number; break;
		case RX_REF: front->rx_ref[queue] = (uint32_t)number; break;
		case PORT: front->tx_port[queue] = front->rx_port[queue] = (uint32_t)number; break;
		case TX_PORT: front->tx_port[queue] = (uint32_t)number; break;
		default: front->rx_port[queue] = (uint32_t)number; break;
		}
	if (!--port->vif.awaited) rings_read(port);
}

int front_ask_rings(struct port *port) {
	struct front *front = &port->vif.front;
	char node[40], path[PATH];
	int error = 0;

	port->vif.awaited = front->queues * RING_KEYS;
	memset(front->tx_ref, 0xff, sizeof(front->tx_ref));
	memset(front->rx_ref, 0xff, sizeof(front->rx_ref));
	memset(front->tx_port, 0, sizeof(front->tx_port));
	memset(front->rx_port, 0, sizeof(front->rx_port));
	for (uint32_t i = 0; i < front->queues * RING_KEYS && !error; i++) {
		uint32_t queue = i / RING_KEYS, key = i % RING_KEYS;

		if (front->queues > 1)
			rt_format(node, sizeof(node), "queue-%u/%s", queue, ring_keys[key]);
		else
			rt_strcopy(node, ring_keys[key], sizeof(node));
		node_front_path(port, node, path);
		error = xenbus_read(&node_bus, 0, path, ring_read,
				    node_context(port, RING, queue << 8 | key));
	}
	return error;
}

static void front_read(void *context, const struct xenbus_answer *answer) {
	struct port *port = node_addressee(context, answer);
	uint32_t detail = (uint32_t)((uintptr_t)context >> 16 & 0xffff);
	struct front *front;
	uint64_t number;

	if (!port) return;
	front = &port->vif.front;
	if ((enum what)((uintptr_t)context >> 8 & 0xff) == KEY) {
		if (xenbus_number(answer, UINT32_MAX, &number) && number)
			front->flags |= keys[detail].flag;
	} else {
		front->queues = answer->error ? 1 : 0;
		if (xenbus_number(answer, port->vif.offered, &number))
			front->queues = (uint32_t)number;
	}
	if (--port->vif.awaited) return;
	if (!(front->flags & FRONT_COPY))
		vif_front_read(port, "it does not ask for copies (request-rx-copy)");
	else if (!front->queues)
		vif_front_read(port, "it has no queues, or more than were offered");
	else
		node_question(port, ASK_RINGS);
}

int front_ask(struct port *port) {
	char path[PATH];
	int error;

	port->vif.front.flags = 0;
	port->vif.awaited = ARRAY_SIZE(keys) + 1;
	node_front_path(port, "multi-queue-num-queues", path);
	error = xenbus_read(&node_bus, 0, path, front_read, node_context(port, QUEUES, 0));
	for (uint32_t i = 0; i < ARRAY_SIZE(keys) && !error; i++) {
		node_front_path(port, keys[i].name, path);
		error = xenbus_read(&node_bus, 0, path, front_read, node_context(port, KEY, i));
	}
	return error;
}
