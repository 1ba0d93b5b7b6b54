/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What only some packets have, read when somebody asks: ARP's hardware addresses, the
 * claims of neighbour discovery, DHCP, and the packet that an ICMP error is about.
 */
#include "packet.h"

#include "cursor.h"

#define ND_FIRST        133U
#define ND_SOLICITATION 135U
#define ND_LAST         137U
#define ND_SOURCE_LINK  1U
#define ND_TARGET_LINK  2U
#define ND_MAX_OPTIONS  16U

#define DHCP_SERVER      67U
#define DHCP_CLIENT      68U
#define DHCP_FIXED       236U
#define DHCP_COOKIE      0x63825363U
#define DHCP_TYPE        53U
#define DHCP_LEASE       51U
#define DHCP_PAD         0U
#define DHCP_END         255U
#define DHCP_MAX_OPTIONS 64U

/* The packet's bytes from `offset` on, as far as they were copied and belong to it. */
static struct cursor from(const struct packet *packet, uint32_t offset) {
	uint32_t end = (uint32_t)packet->l4 + packet->l4_length;

	if (end > packet->have) end = packet->have;
	if (offset > end) offset = end;
	return (struct cursor){packet->data + offset, end - offset};
}

bool packet_arp(const struct packet *packet, struct packet_arp *arp) {
	const uint8_t *at = packet->data + packet->l3;

	if (packet->ethertype != PACKET_ETHERTYPE_ARP) return false;
	arp->operation = cursor_u16(at + 6);
	__builtin_memcpy(arp->sender, at + 8, 6);
	__builtin_memcpy(arp->target, at + 18, 6);
	return true;
}

/* Options of 8-byte units; false: malformed. */
static bool nd_options(struct cursor *options, struct packet_nd *nd) {
	for (uint32_t n = 0; options->left; n++) {
		const uint8_t *at = cursor_take(options, 8);

		if (!at || !at[1] || n == ND_MAX_OPTIONS) return false;
		if (!cursor_take(options, (at[1] - 1U) * 8)) return false;
		if (at[0] == ND_SOURCE_LINK || at[0] == ND_TARGET_LINK) {
			/* Two of them: a check of the first would not see the second. */
			if (nd->has_link || at[1] != 1) return false;
			nd->has_link = true;
			__builtin_memcpy(nd->link, at + 2, 6);
		}
	}
	return true;
}

int packet_nd(const struct packet *packet, struct packet_nd *nd) {
	uint8_t type = (uint8_t)(packet->icmp >> 8);
	struct cursor c = from(packet, packet->l4 + 8U);
	const uint8_t *at;

	if (packet->protocol != PACKET_ICMPV6 || !(packet->flags & PACKET_F_ICMP)) return 0;
	if (type < ND_FIRST || type > ND_LAST) return 0;
	__builtin_memset(nd, 0, sizeof(*nd));
	nd->type = type;
	/* RFC 4861 and 6980: whole, code 0, hop limit 255: it comes from this network. */
	if (packet->flags & PACKET_F_FRAGMENT || packet->icmp & 0xff ||
	    packet->data[packet->l3 + 7] != 255)
		return -1;
	if (packet->l4_length - 8U != c.left) return -1;
	if (type >= ND_SOLICITATION) {
		at = cursor_take(&c, 16);
		if (!at) return -1;
		nd->has_target = true;
		__builtin_memcpy(&nd->target, at, 16);
	}
	if (type == ND_LAST && !cursor_take(&c, 16)) return -1;
	if (type == ND_FIRST + 1 && !cursor_take(&c, 8)) return -1;
	return nd_options(&c, nd) ? 1 : -1;
}

static bool dhcp_options(struct cursor *options, struct packet_dhcp *dhcp) {
	for (uint32_t n = 0; n < DHCP_MAX_OPTIONS; n++) {
		const uint8_t *code = cursor_take(options, 1), *length, *value;

		if (!code) return false;
		if (*code == DHCP_PAD) continue;
		if (*code == DHCP_END) return true;
		length = cursor_take(options, 1);
		value = length ? cursor_take(options, *length) : NULL;
		if (!value) return false;
		if (*code == DHCP_TYPE && *length == 1) dhcp->type = *value;
		if (*code == DHCP_LEASE && *length == 4) dhcp->lease = cursor_u32(value);
	}
	return false;
}

bool packet_dhcp(const struct packet *packet, struct packet_dhcp *dhcp) {
	struct cursor c = from(packet, packet->l4 + 8U);
	const uint8_t *at;

	if (packet->family != 4 || packet->protocol != PACKET_UDP ||
	    !(packet->flags & PACKET_F_PORTS) || packet->flags & PACKET_F_FRAGMENT)
		return false;
	if (!(packet->sport == DHCP_CLIENT && packet->dport == DHCP_SERVER) &&
	    !(packet->sport == DHCP_SERVER && packet->dport == DHCP_CLIENT))
		return false;
	at = cursor_take(&c, DHCP_FIXED + 4);
	if (!at || at[1] != 1 || at[2] != 6 || cursor_u32(at + DHCP_FIXED) != DHCP_COOKIE)
		return false;
	__builtin_memset(dhcp, 0, sizeof(*dhcp));
	dhcp->operation = at[0];
	dhcp->transaction = cursor_u32(at + 4);
	__builtin_memcpy(&dhcp->client, at + 12, 4);
	__builtin_memcpy(&dhcp->yours, at + 16, 4);
	__builtin_memcpy(dhcp->mac, at + 28, 6);
	return dhcp_options(&c, dhcp);
}

/* The transport of the inner packet: eight bytes of it are all that an error must bring. */
static bool inner_transport(struct cursor *c, struct packet_inner *inner, uint8_t family) {
	const uint8_t *at;

	switch (inner->protocol) {
	case PACKET_TCP:
	case PACKET_UDP:
		at = cursor_take(c, 8);
		if (!at) return false;
		inner->sport = cursor_u16(at);
		inner->dport = cursor_u16(at + 2);
		inner->has_ports = true;
		return true;
	case PACKET_ICMP:
	case PACKET_ICMPV6:
		at = cursor_take(c, 8);
		if (!at || (inner->protocol == PACKET_ICMP) != (family == 4)) return false;
		/* Of queries only; an error about an answer or an error is none. */
		if (at[0] != (family == 4 ? 8 : 128) && !(family == 4 && at[0] == 13)) return false;
		inner->sport = cursor_u16(at + 4);
		inner->dport = at[0];
		inner->has_ports = true;
		return true;
	default: return true;
	}
}

bool packet_inner(const struct packet *packet, struct packet_inner *inner) {
	struct cursor c = from(packet, packet->l4 + 8U);
	const uint8_t *at;

	if (!(packet->flags & PACKET_F_ERROR) || packet->flags & PACKET_F_FRAGMENT) return false;
	__builtin_memset(inner, 0, sizeof(*inner));
	if (packet->family == 4) {
		at = cursor_take(&c, 20);
		if (!at || at[0] >> 4 != 4 || (at[0] & 15) < 5) return false;
		if (cursor_u16(at + 6) & 0x1fff || !cursor_take(&c, (at[0] & 15) * 4U - 20))
			return false;
		inner->protocol = at[9];
		__builtin_memcpy(&inner->src, at + 12, 4);
		__builtin_memcpy(&inner->dst, at + 16, 4);
	} else {
		/* Extension headers inside an error are rare, and not followed. */
		at = cursor_take(&c, 40);
		if (!at || at[0] >> 4 != 6) return false;
		inner->protocol = at[6];
		__builtin_memcpy(&inner->src, at + 8, 16);
		__builtin_memcpy(&inner->dst, at + 24, 16);
	}
	return inner_transport(&c, inner, packet->family);
}
