/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A VIF's nodes in the store: which there are, and what they say of it. Writing them is
 * libs/xenbus/backend.h's.
 */
#include "switch.h"

enum value { V_MAC = BACKEND_VALUES, V_MTU, V_NETWORK, V_QUEUES };

const struct backend_node node_table[NODE_COUNT] = {
	{"", false, BACKEND_DIRECTORY},
	{"", false, BACKEND_PERMISSIONS},
	{"frontend", false, BACKEND_FRONTEND},
	{"frontend-id", false, BACKEND_GUEST},
	{"online", false, BACKEND_ONE},
	{"handle", false, BACKEND_HANDLE},
	{"mac", false, V_MAC},
	{"bridge", false, V_NETWORK},
	{"feature-rx-copy", false, BACKEND_ONE},
	{"feature-rx-flip", false, BACKEND_ZERO},
	{"feature-sg", false, BACKEND_ONE},
	{"feature-gso-tcpv4", false, BACKEND_ONE},
	{"feature-gso-tcpv6", false, BACKEND_ONE},
	{"feature-ipv6-csum-offload", false, BACKEND_ONE},
	{"feature-multicast-control", false, BACKEND_ONE},
	{"feature-split-event-channels", false, BACKEND_ONE},
	{"multi-queue-max-queues", false, V_QUEUES},
	{"state", false, BACKEND_STATE},
	{"", true, BACKEND_DIRECTORY},
	{"", true, BACKEND_PERMISSIONS},
	{"backend", true, BACKEND_BACKEND},
	{"backend-id", true, BACKEND_SELF},
	{"handle", true, BACKEND_HANDLE},
	{"mac", true, V_MAC},
	{"mtu", true, V_MTU},
	{"state", true, BACKEND_FRONT_STATE},
};

void node_value(const struct backend_device *end, uint32_t value, char to[BACKEND_PATH]) {
	const struct port *port = port_of(end);
	const uint8_t *mac = port->config->mac;

	switch ((enum value)value) {
	case V_MAC:
		rt_format(to, BACKEND_PATH, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
			  mac[3], mac[4], mac[5]);
		break;
	case V_MTU: rt_format(to, BACKEND_PATH, "%u", sw.network[port->network].mtu); break;
	case V_NETWORK: rt_strcopy(to, sw.network[port->network].name, BACKEND_PATH); break;
	case V_QUEUES: rt_format(to, BACKEND_PATH, "%u", port->vif.offered); break;
	}
}
