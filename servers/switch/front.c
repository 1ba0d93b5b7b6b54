/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a frontend writes into the store, read in two rounds: what it can do and how many
 * queues it has, then their rings and channels. All of it is the guest's: numbers are
 * bounded, and what does not fit has a reason.
 */
#include "switch.h"

/* --- what it can do: the key is the place in the table; behind that the number of queues --- */

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

#define QUEUES ARRAY_SIZE(keys)

static int ask_keys(struct backend_device *end) {
	int error;

	port_of(end)->vif.front.flags = 0;
	error = backend_ask(end, "multi-queue-num-queues", QUEUES);
	for (uint16_t i = 0; i < ARRAY_SIZE(keys) && !error; i++)
		error = backend_ask(end, keys[i].name, i);
	return error;
}

static void read_key(struct backend_device *end, uint32_t key, const struct xenbus_answer *answer) {
	struct vif *vif = &port_of(end)->vif;
	uint64_t number;

	if (key != QUEUES) {
		if (xenbus_number(answer, UINT32_MAX, &number) && number)
			vif->front.flags |= keys[key].flag;
		return;
	}
	vif->front.queues = answer->error ? 1 : 0;
	if (xenbus_number(answer, vif->offered, &number)) vif->front.queues = (uint32_t)number;
}

static const char *judge_keys(struct backend_device *end) {
	const struct front *front = &port_of(end)->vif.front;

	if (!(front->flags & FRONT_COPY)) return "it does not ask for copies (request-rx-copy)";
	if (!front->queues) return "it has no queues, or more than were offered";
	return NULL;
}

/* --- where its rings are --- */

enum ring_key { TX_REF, RX_REF, PORT, TX_PORT, RX_PORT, RING_KEYS };
static const char *const ring_keys[RING_KEYS] = {
	"tx-ring-ref", "rx-ring-ref", "event-channel", "event-channel-tx", "event-channel-rx",
};

static int ask_rings(struct backend_device *end) {
	struct front *front = &port_of(end)->vif.front;
	char node[40];
	int error = 0;

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
		error = backend_ask(end, node, (uint16_t)(queue << 8 | key));
	}
	return error;
}

static void read_ring(struct backend_device *end, uint32_t key,
		      const struct xenbus_answer *answer) {
	struct front *front = &port_of(end)->vif.front;
	uint32_t queue = key >> 8, value;
	uint64_t number;

	if (!xenbus_number(answer, UINT32_MAX - 1, &number)) return;
	value = (uint32_t)number;
	switch ((enum ring_key)(key & 0xff)) {
	case TX_REF: front->tx_ref[queue] = value; break;
	case RX_REF: front->rx_ref[queue] = value; break;
	case PORT: front->tx_port[queue] = front->rx_port[queue] = value; break;
	case TX_PORT: front->tx_port[queue] = value; break;
	default: front->rx_port[queue] = value; break;
	}
}

static const char *judge_rings(struct backend_device *end) {
	const struct front *front = &port_of(end)->vif.front;

	for (uint32_t i = 0; i < front->queues; i++) {
		if (front->tx_ref[i] == UINT32_MAX || front->rx_ref[i] == UINT32_MAX)
			return "it names no ring";
		if (!front->tx_port[i] || !front->rx_port[i]) return "it names no event channel";
	}
	return NULL;
}

const struct backend_round front_rounds[BACKEND_ROUNDS] = {
	{ask_keys, read_key, judge_keys},
	{ask_rings, read_ring, judge_rings},
};
