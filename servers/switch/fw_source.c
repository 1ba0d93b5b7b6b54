/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Is the source of a frame the VIF's own? Its addresses are the MAC of the description, the
 * prefixes of the description, with SWITCH_DHCP the addresses that were leased to it, and the
 * IPv6 link-local address that follows from its MAC (RFC 4291, appendix A). Others, such as
 * link-local ones of another making, must be given as prefixes.
 *
 * Without an own address a VIF may: ask for one by DHCP, look whether somebody has the
 * address it is about to use (ARP probe, RFC 5227; IPv6: only for an address of its
 * own, as the question alone keeps others from using it), ask for routers, and report groups.
 *
 * A VIF whose addresses are checked is no router and no DHCP server: their
 * messages say things about addresses that it does not have.
 */
#include "fw_state.h"

#define ND_ROUTER_QUESTION 133U
#define ND_ROUTER          134U
#define ND_QUESTION        135U
#define ND_ANSWER          136U
#define ND_REDIRECT        137U

#define DHCP_SERVER  67U
#define DHCP_CLIENT  68U
#define DHCP6_CLIENT 546U
#define DHCP6_SERVER 547U

static bool same_mac(const uint8_t *a, const uint8_t *b) { return __builtin_memcmp(a, b, 6) == 0; }

static bool in_prefix(const struct switch_prefix *prefix, const uint8_t *address) {
	uint32_t bytes = prefix->bits / 8, rest = prefix->bits % 8;

	if (memcmp(prefix->address, address, bytes) != 0) return false;
	return !rest || !((prefix->address[bytes] ^ address[bytes]) >> (8 - rest));
}

static bool in_prefixes(const struct fw_port *port, uint8_t family, const uint8_t *address) {
	for (uint32_t i = 0; i < port->config->prefix_count; i++)
		if (port->prefixes[i].family == family && in_prefix(&port->prefixes[i], address))
			return true;
	return false;
}

static bool own4(const struct fw *fw, uint32_t port, const union packet_address *address,
		 uint64_t now) {
	if (in_prefixes(&fw->port[port], 4, address->byte)) return true;
	return fw->port[port].config->flags & SWITCH_DHCP &&
	       fw_leased(fw, port, address->word[0], now);
}

static bool own6(const struct fw_port *port, const union packet_address *address) {
	const uint8_t *mac = port->config->mac;
	const uint8_t local[16] = {0xfe,       0x80,   0,      0,    0,    0,      0,      0,
				   mac[0] ^ 2, mac[1], mac[2], 0xff, 0xfe, mac[3], mac[4], mac[5]};

	return memcmp(address->byte, local, 16) == 0 || in_prefixes(port, 6, address->byte);
}

static uint32_t check_arp(const struct fw *fw, uint32_t port, const struct packet *packet,
			  uint64_t now) {
	const struct switch_port *config = fw->port[port].config;
	struct packet_arp arp;

	packet_arp(packet, &arp);
	if (!(config->flags & SWITCH_ANY_MAC) && !same_mac(arp.sender, config->mac))
		return FW_SPOOF_MAC;
	if (config->flags & SWITCH_ANY_ADDRESS || own4(fw, port, &packet->src, now)) return 0;
	return packet->src.word[0] == 0 && arp.operation == 1 ? 0 : FW_SPOOF_ARP;
}

/* A client that has none yet, or whose lease nobody here saw, asks everybody. */
static bool asks_for_lease(const struct fw_port *port, const struct packet *packet) {
	struct packet_dhcp dhcp;

	if (!(port->config->flags & SWITCH_DHCP) || packet->dst.word[0] != 0xffffffff) return false;
	return packet_dhcp(packet, &dhcp) && dhcp.operation == 1 && packet->dport == DHCP_SERVER &&
	       same_mac(dhcp.mac, port->config->mac) &&
	       (packet->src.word[0] == 0 || packet->src.word[0] == dhcp.client);
}

static uint32_t check4(const struct fw *fw, uint32_t port, const struct packet *packet,
		       uint64_t now) {
	if (!own4(fw, port, &packet->src, now) && !asks_for_lease(&fw->port[port], packet))
		return FW_SPOOF_IP;
	if (packet->protocol == PACKET_UDP && packet->flags & PACKET_F_PORTS &&
	    packet->sport == DHCP_SERVER && packet->dport == DHCP_CLIENT)
		return FW_SPOOF_ROUTER;
	return 0;
}

static uint32_t check_nd(const struct fw_port *port, const struct packet *packet,
			 bool unspecified) {
	bool any_address = port->config->flags & SWITCH_ANY_ADDRESS;
	struct packet_nd nd;
	int kind = packet_nd(packet, &nd);

	if (kind < 0) return FW_SPOOF_ND;
	if (kind == 0) return unspecified && !any_address ? FW_SPOOF_IP : 0;
	/* A redirect's option is about another one. */
	if (nd.has_link && nd.type != ND_REDIRECT && !(port->config->flags & SWITCH_ANY_MAC) &&
	    !same_mac(nd.link, port->config->mac))
		return FW_SPOOF_MAC;
	if (any_address) return 0;
	switch (nd.type) {
	case ND_ROUTER_QUESTION: return 0;
	case ND_QUESTION: return !unspecified || own6(port, &nd.target) ? 0 : FW_SPOOF_ND;
	case ND_ANSWER: return !unspecified && own6(port, &nd.target) ? 0 : FW_SPOOF_ND;
	default: return FW_SPOOF_ROUTER;
	}
}

/* Reports of multicast listeners: RFC 2710 and 3810. */
static bool is_report(const struct packet *packet) {
	uint8_t type = (uint8_t)(packet->icmp >> 8);

	return packet->protocol == PACKET_ICMPV6 && packet->flags & PACKET_F_ICMP &&
	       (type == 131 || type == 132 || type == 143);
}

static uint32_t check6(const struct fw_port *port, const struct packet *packet) {
	bool unspecified = !(packet->src.half[0] | packet->src.half[1]);

	if (!(port->config->flags & SWITCH_ANY_ADDRESS)) {
		if (!unspecified && !own6(port, &packet->src)) return FW_SPOOF_IP;
		if (unspecified && is_report(packet)) return 0;
		if (packet->protocol == PACKET_UDP && packet->flags & PACKET_F_PORTS &&
		    packet->sport == DHCP6_SERVER && packet->dport == DHCP6_CLIENT)
			return FW_SPOOF_ROUTER;
	}
	return check_nd(port, packet, unspecified);
}

uint32_t fw_source(const struct fw *fw, uint32_t port, const struct packet *packet, uint64_t now) {
	const struct switch_port *config = fw->port[port].config;

	if (!(config->flags & SWITCH_ANY_MAC) && !same_mac(packet->data + 6, config->mac))
		return FW_SPOOF_MAC;
	if (packet->ethertype == PACKET_ETHERTYPE_ARP) return check_arp(fw, port, packet, now);
	if (packet->family == 6) return check6(&fw->port[port], packet);
	if (packet->family == 4 && !(config->flags & SWITCH_ANY_ADDRESS))
		return check4(fw, port, packet, now);
	return 0;
}
