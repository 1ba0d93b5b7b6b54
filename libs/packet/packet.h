/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A parsed view of a frame. The bytes are a private copy that nobody else can change:
 * the first `have` bytes of a frame of `total` bytes. packet_parse() reads the
 * headers once, through a cursor that knows its length (cursor.h), and leaves
 * fields and offsets; what only some packets have (ARP, neighbour discovery,
 * DHCP, the packet inside an ICMP error) is read by functions of its own, when
 * somebody asks.
 *
 * Parsing either ends well or with one reason. Well means: each header that is
 * there lies within `have`, lengths agree with each other, and what IP says
 * is not more than the frame has. Padding behind IP is no part of the packet.
 *
 * Facts: RFC 791, 8200 (IPv6), 7112 (first fragments), 1858 and 3128 (tiny fragments),
 * 5095 (routing header 0), 826 (ARP), 4861 (neighbours), 2131 (DHCP), 9293 (TCP).
 */
#ifndef LIBS_PACKET_PACKET_H
#define LIBS_PACKET_PACKET_H

#include <stdbool.h>
#include <stdint.h>

/* Bytes of a frame that are enough for all that is looked at, DHCP included. */
#define PACKET_HEADER 512U

/* Why a frame is malformed. Counted: the numbers stay. */
#define PACKET_OK         0U
#define PACKET_SHORT      1U /* no complete Ethernet header or tag */
#define PACKET_LONG       2U /* its headers go on beyond `have` */
#define PACKET_TAGS       3U /* more than two VLAN tags */
#define PACKET_SENDER     4U /* the source MAC address is a group's */
#define PACKET_BAD_ARP    5U /* not Ethernet and IPv4, or cut off */
#define PACKET_BAD_IPV4   6U /* header or lengths */
#define PACKET_BAD_IPV6   7U
#define PACKET_EXTENSIONS 8U  /* IPv6 headers: too many, out of place, cut off, routing type 0 */
#define PACKET_FRAGMENT   9U  /* cannot be: a length that is no multiple of 8, beyond 64 KiB */
#define PACKET_TINY       10U /* a first fragment lacks its transport header, or a later is on it */
#define PACKET_TRANSPORT  11U /* TCP, UDP or ICMP: cut off, or lengths that disagree */
#define PACKET_ADDRESS    12U /* source a multicast, broadcast or loopback address */
#define PACKET_REASONS    13U

#define PACKET_MAX_EXTENSIONS 8U /* IPv6 headers before the transport */

#define PACKET_ETHERTYPE_IPV4 0x0800U
#define PACKET_ETHERTYPE_ARP  0x0806U
#define PACKET_ETHERTYPE_IPV6 0x86ddU

#define PACKET_ICMP   1U
#define PACKET_TCP    6U
#define PACKET_UDP    17U
#define PACKET_ICMPV6 58U

/* packet.flags */
#define PACKET_F_PORTS    1U  /* sport, dport */
#define PACKET_F_ICMP     2U  /* icmp (type << 8 | code): ICMP or ICMPv6 */
#define PACKET_F_TCP      4U  /* the tcp fields */
#define PACKET_F_FRAGMENT 8U  /* one of several: not an IPv6 atomic fragment */
#define PACKET_F_LATER    16U /* a fragment without transport header */
#define PACKET_F_ECHO     32U /* ICMP query: icmp_id */
#define PACKET_F_ERROR    64U /* ICMP error: packet_inner() */

/* tcp_flags */
#define PACKET_FIN 1U
#define PACKET_SYN 2U
#define PACKET_RST 4U
#define PACKET_PSH 8U
#define PACKET_ACK 16U
#define PACKET_URG 32U

#define PACKET_NO_SCALE 255U

/* Network byte order; IPv4 in the first four bytes, the others 0. */
union packet_address {
	uint8_t byte[16];
	uint32_t word[4];
	uint64_t half[2];
};

struct packet {
	const uint8_t *data;
	uint32_t have, total;
	uint16_t ethertype; /* behind the tags; below 0x600: a length (802.3) */
	uint8_t tags;       /* 0..2 */
	uint8_t family;     /* 4, 6; 0 for anything else, ARP included */
	/*
	 * Of the outer tag, 0 without one. The switch overwrites it with the number that
	 * the frame has inside its network (proto/switch.h): that is what rules see.
	 */
	uint16_t vlan;
	uint16_t inner_vlan;
	uint8_t protocol; /* behind all extension headers */
	uint8_t flags;
	uint16_t l3, l4;    /* offsets; l4 of a later fragment: its payload */
	uint16_t l4_length; /* bytes from l4 to the end of the IP packet */
	/* IP; for ARP: sender and target */
	union packet_address src, dst;
	uint16_t sport, dport; /* this and what follows in the host's byte order */
	uint16_t icmp, icmp_id;
	uint32_t fragment_id;
	uint16_t fragment_offset; /* bytes; so is the next */
	uint16_t fragment_length; /* of what was divided, in this one: IPv6 headers may be a part */
	bool fragment_more;
	uint8_t tcp_flags;
	uint32_t tcp_seq, tcp_ack;
	uint16_t tcp_window;
	uint16_t tcp_length; /* payload bytes */
	uint8_t tcp_scale;   /* option of a SYN, at most 14, or PACKET_NO_SCALE */
};

/* PACKET_OK or the reason; then only data, have and total are of use. */
uint32_t packet_parse(struct packet *packet, const uint8_t *data, uint32_t have, uint32_t total);
/* For counters and logs: a short text for a reason. */
const char *packet_reason(uint32_t reason);

/* ARP: sender and target protocol address are packet.src and dst. */
struct packet_arp {
	uint16_t operation; /* 1 request, 2 reply */
	uint8_t sender[6], target[6];
};
/* False: it is no ARP. */
bool packet_arp(const struct packet *packet, struct packet_arp *arp);

/* Neighbour discovery, ICMPv6 types 133 to 137. */
struct packet_nd {
	uint8_t type;
	bool has_target; /* types 135 to 137 */
	bool has_link;   /* a link-layer address option: the sender's, or the target's */
	union packet_address target;
	uint8_t link[6];
};
/* 1: nd is filled in; 0: not neighbour discovery; -1: it is, and malformed. */
int packet_nd(const struct packet *packet, struct packet_nd *nd);

/* DHCP over IPv4. */
struct packet_dhcp {
	uint8_t operation; /* 1 from a client, 2 from a server */
	uint8_t type;      /* option 53: 3 request, 5 acknowledgement, 7 release; 0: none */
	uint32_t transaction;
	uint32_t yours, client; /* addresses, network byte order */
	uint8_t mac[6];
	uint32_t lease; /* seconds; 0: none given */
};
/* False: not DHCP, or malformed, or longer than `have`. */
bool packet_dhcp(const struct packet *packet, struct packet_dhcp *dhcp);

/* What an ICMP error says of the packet that it is about. */
struct packet_inner {
	uint8_t protocol;
	bool has_ports; /* or an ICMP query: sport is its number, dport its type */
	union packet_address src, dst;
	uint16_t sport, dport;
};
/* False: not with PACKET_F_ERROR, or there is too little of it. */
bool packet_inner(const struct packet *packet, struct packet_inner *inner);

#endif
