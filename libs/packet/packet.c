/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads a frame's headers from the outside in. Two lengths matter at each step: what
 * the packet says of itself (bounded by the frame's total), and what was copied
 * (`have`). A header that the packet has and the copy has not is PACKET_LONG; one
 * that the packet itself is too short for is malformed.
 */
#include "packet.h"

#include "cursor.h"

#define ETHERNET   14U
#define TAG        4U
#define TYPE_TAG   0x8100U
#define TYPE_STAG  0x88a8U
#define ARP_LENGTH 28U
#define IPV6       40U

/* IPv6 next headers that are read on the way to the transport */
#define HOP_BY_HOP  0U
#define ROUTING     43U
#define FRAGMENT    44U
#define AH          51U
#define DESTINATION 60U

#define SCTP     132U
#define UDP_LITE 136U

struct parse {
	struct packet *packet;
	struct cursor cursor; /* over what was copied */
	uint32_t left;        /* bytes from the cursor to the end of the packet */
};

static uint16_t offset(const struct parse *p) { return (uint16_t)(p->cursor.at - p->packet->data); }

/* The next n bytes of the packet; NULL: *reason is set, to `malformed` if it has fewer. */
static inline __attribute__((always_inline)) const uint8_t *
take(struct parse *p, uint32_t n, uint32_t malformed, uint32_t *reason) {
	const uint8_t *at;

	if (n > p->left) {
		*reason = malformed;
		return NULL;
	}
	at = cursor_take(&p->cursor, n);
	if (at)
		p->left -= n;
	else
		*reason = PACKET_LONG;
	return at;
}

static union packet_address address4(const uint8_t *at) {
	union packet_address address = {.half = {0, 0}};

	__builtin_memcpy(&address.word[0], at, 4);
	return address;
}

static union packet_address address6(const uint8_t *at) {
	union packet_address address;

	__builtin_memcpy(&address, at, 16);
	return address;
}

static uint32_t ethernet(struct parse *p) {
	struct packet *packet = p->packet;
	uint32_t reason;
	const uint8_t *at = take(p, ETHERNET, PACKET_SHORT, &reason);

	if (!at) return reason;
	if (at[6] & 1) return PACKET_SENDER;
	packet->ethertype = cursor_u16(at + 12);
	while (packet->ethertype == TYPE_TAG || packet->ethertype == TYPE_STAG) {
		if (packet->tags == 2) return PACKET_TAGS;
		at = take(p, TAG, PACKET_SHORT, &reason);
		if (!at) return reason;
		if (packet->tags++)
			packet->inner_vlan = cursor_u16(at) & 0xfff;
		else
			packet->vlan = cursor_u16(at) & 0xfff;
		packet->ethertype = cursor_u16(at + 2);
	}
	packet->l3 = offset(p);
	return PACKET_OK;
}

static uint32_t arp(struct parse *p) {
	uint32_t reason;
	const uint8_t *at = take(p, ARP_LENGTH, PACKET_BAD_ARP, &reason);

	if (!at) return reason;
	if (cursor_u16(at) != 1 || cursor_u16(at + 2) != PACKET_ETHERTYPE_IPV4 || at[4] != 6 ||
	    at[5] != 4)
		return PACKET_BAD_ARP;
	p->packet->src = address4(at + 14);
	p->packet->dst = address4(at + 24);
	return PACKET_OK;
}

/* The option of a SYN that scales windows; malformed options end the search. */
static uint8_t window_scale(struct cursor options) {
	const uint8_t *at;

	while ((at = cursor_take(&options, 1)) != NULL && *at != 0) {
		const uint8_t *length;

		if (*at == 1) continue;
		length = cursor_take(&options, 1);
		if (!length || *length < 2 || !cursor_peek(&options, *length - 2U)) break;
		if (*at == 3 && *length == 3) return options.at[0] < 14 ? options.at[0] : 14;
		(void)cursor_take(&options, *length - 2U);
	}
	return PACKET_NO_SCALE;
}

static uint32_t tcp(struct parse *p) {
	struct packet *packet = p->packet;
	uint32_t reason, header;
	const uint8_t *at = take(p, 20, PACKET_TRANSPORT, &reason), *options;

	if (!at) return reason;
	header = (at[12] >> 4) * 4U;
	if (header < 20) return PACKET_TRANSPORT;
	options = take(p, header - 20, PACKET_TRANSPORT, &reason);
	if (!options) return reason;
	packet->sport = cursor_u16(at);
	packet->dport = cursor_u16(at + 2);
	packet->tcp_seq = cursor_u32(at + 4);
	packet->tcp_ack = cursor_u32(at + 8);
	packet->tcp_flags = at[13] & 0x3f;
	packet->tcp_window = cursor_u16(at + 14);
	packet->tcp_length = (uint16_t)p->left;
	packet->tcp_scale = PACKET_NO_SCALE;
	if (packet->tcp_flags & PACKET_SYN)
		packet->tcp_scale = window_scale((struct cursor){options, header - 20});
	packet->flags |= PACKET_F_PORTS | PACKET_F_TCP;
	return PACKET_OK;
}

/* A first fragment's UDP length is that of the whole. */
static uint32_t udp(struct parse *p) {
	struct packet *packet = p->packet;
	uint32_t reason, length, available = p->left;
	const uint8_t *at = take(p, 8, PACKET_TRANSPORT, &reason);

	if (!at) return reason;
	length = cursor_u16(at + 4);
	if (packet->protocol == PACKET_UDP &&
	    (length < 8 || (length > available && !(packet->flags & PACKET_F_FRAGMENT))))
		return PACKET_TRANSPORT;
	packet->sport = cursor_u16(at);
	packet->dport = cursor_u16(at + 2);
	packet->flags |= PACKET_F_PORTS;
	return PACKET_OK;
}

static void icmp_kind(struct packet *packet, const uint8_t *at) {
	uint8_t type = at[0];
	bool query, error;

	if (packet->protocol == PACKET_ICMP) {
		query = type == 0 || type == 8 || type == 13 || type == 14;
		error = type == 3 || type == 4 || type == 11 || type == 12;
	} else {
		query = type == 128 || type == 129;
		error = type >= 1 && type <= 4;
	}
	packet->flags |= PACKET_F_ICMP | (query ? PACKET_F_ECHO : 0) | (error ? PACKET_F_ERROR : 0);
	packet->icmp = cursor_u16(at);
	if (query) packet->icmp_id = cursor_u16(at + 4);
}

static uint32_t transport(struct parse *p) {
	struct packet *packet = p->packet;
	uint32_t reason;
	const uint8_t *at;

	packet->l4 = offset(p);
	packet->l4_length = (uint16_t)p->left;
	if (packet->flags & PACKET_F_LATER) return PACKET_OK;
	switch (packet->protocol) {
	case PACKET_TCP: return tcp(p);
	case PACKET_UDP:
	case UDP_LITE: return udp(p);
	case SCTP:
		at = take(p, 12, PACKET_TRANSPORT, &reason);
		if (!at) return reason;
		packet->sport = cursor_u16(at);
		packet->dport = cursor_u16(at + 2);
		packet->flags |= PACKET_F_PORTS;
		return PACKET_OK;
	case PACKET_ICMP:
		if (packet->family != 4) return PACKET_OK;
		break;
	case PACKET_ICMPV6:
		if (packet->family != 6) return PACKET_OK;
		break;
	default: return PACKET_OK;
	}
	at = take(p, 8, PACKET_TRANSPORT, &reason);
	if (!at) return reason;
	icmp_kind(packet, at);
	return PACKET_OK;
}

/*
 * A first fragment must have its transport header: what it lacks could come in a later
 * one, unseen. A later one must not begin where that header lies (RFC 1858, 3128).
 */
static uint32_t fragment(struct packet *packet, uint32_t at, bool more, uint32_t length) {
	packet->fragment_offset = (uint16_t)at;
	packet->fragment_length = (uint16_t)length;
	packet->fragment_more = more;
	if (!at && !more) return PACKET_OK;
	packet->flags |= PACKET_F_FRAGMENT;
	if (more && length % 8) return PACKET_FRAGMENT;
	if (!length || at + length > 65535) return PACKET_FRAGMENT;
	if (!at) return PACKET_OK;
	packet->flags |= PACKET_F_LATER;
	return at < 24 ? PACKET_TINY : PACKET_OK;
}

static uint32_t ipv4(struct parse *p) {
	struct packet *packet = p->packet;
	uint32_t reason, header, length, word;
	const uint8_t *at = take(p, 20, PACKET_BAD_IPV4, &reason);

	if (!at) return reason;
	header = (at[0] & 15) * 4U;
	length = cursor_u16(at + 2);
	if (at[0] >> 4 != 4 || header < 20 || length < header || length - 20 > p->left)
		return PACKET_BAD_IPV4;
	p->left = length - 20;
	if (!take(p, header - 20, PACKET_BAD_IPV4, &reason)) return reason;
	packet->family = 4;
	packet->protocol = at[9];
	packet->src = address4(at + 12);
	packet->dst = address4(at + 16);
	if (packet->src.byte[0] == 127 || packet->src.byte[0] >= 224) return PACKET_ADDRESS;
	word = cursor_u16(at + 6);
	packet->fragment_id = cursor_u16(at + 4);
	return fragment(packet, (word & 0x1fff) * 8, word & 0x2000, p->left);
}

/* One extension header, `at` already taken up to its first 8 bytes. */
static uint32_t extension(struct parse *p, uint8_t type, const uint8_t *at) {
	struct packet *packet = p->packet;
	uint32_t reason, length;

	if (type == FRAGMENT) {
		uint32_t word = cursor_u16(at + 2);

		if (packet->flags & PACKET_F_FRAGMENT) return PACKET_EXTENSIONS;
		packet->fragment_id = cursor_u32(at + 4);
		return fragment(packet, word & 0xfff8, word & 1, p->left);
	}
	if (type == ROUTING && at[2] == 0) return PACKET_EXTENSIONS;
	length = type == AH ? (at[1] + 2U) * 4 : (at[1] + 1U) * 8;
	if (length < 8) return PACKET_EXTENSIONS;
	return take(p, length - 8, PACKET_EXTENSIONS, &reason) ? PACKET_OK : reason;
}

static bool is_extension(uint8_t type) {
	return type == HOP_BY_HOP || type == ROUTING || type == FRAGMENT || type == AH ||
	       type == DESTINATION;
}

static uint32_t ipv6(struct parse *p) {
	struct packet *packet = p->packet;
	uint32_t reason, length;
	const uint8_t *at = take(p, IPV6, PACKET_BAD_IPV6, &reason);
	uint8_t type;

	if (!at) return reason;
	length = cursor_u16(at + 4);
	if (at[0] >> 4 != 6 || length > p->left) return PACKET_BAD_IPV6;
	p->left = length;
	packet->family = 6;
	packet->src = address6(at + 8);
	packet->dst = address6(at + 24);
	if (packet->src.byte[0] == 0xff ||
	    (!packet->src.half[0] && !packet->src.word[2] && cursor_u32(at + 20) == 1))
		return PACKET_ADDRESS;
	type = at[6];
	for (uint32_t n = 0; is_extension(type); n++) {
		uint8_t this = type;

		if (n == PACKET_MAX_EXTENSIONS || (this == HOP_BY_HOP && n))
			return PACKET_EXTENSIONS;
		at = take(p, 8, PACKET_EXTENSIONS, &reason);
		if (!at) return reason;
		type = at[0];
		reason = extension(p, this, at);
		if (reason != PACKET_OK) return reason;
		/* What follows the fragment header of a later one is payload. */
		if (packet->flags & PACKET_F_LATER) break;
	}
	packet->protocol = type;
	return PACKET_OK;
}

uint32_t packet_parse(struct packet *packet, const uint8_t *data, uint32_t have, uint32_t total) {
	struct parse p = {packet, {data, have < total ? have : total}, total};
	uint32_t reason;

	__builtin_memset(packet, 0, sizeof(*packet));
	packet->data = data;
	packet->have = p.cursor.left;
	packet->total = total;
	reason = ethernet(&p);
	if (reason != PACKET_OK) return reason;
	switch (packet->ethertype) {
	case PACKET_ETHERTYPE_ARP: return arp(&p);
	case PACKET_ETHERTYPE_IPV4: reason = ipv4(&p); break;
	case PACKET_ETHERTYPE_IPV6: reason = ipv6(&p); break;
	default: return PACKET_OK;
	}
	if (reason != PACKET_OK) return reason;
	reason = transport(&p);
	/* Cut off by fragmentation, not by its sender's mistake: whoever does that hides it. */
	if (reason == PACKET_TRANSPORT && packet->flags & PACKET_F_FRAGMENT) return PACKET_TINY;
	return reason;
}

const char *packet_reason(uint32_t reason) {
	static const char *const names[PACKET_REASONS] = {
		[PACKET_OK] = "passed",
		[PACKET_SHORT] = "no complete Ethernet header",
		[PACKET_LONG] = "headers too long",
		[PACKET_TAGS] = "too many VLAN tags",
		[PACKET_SENDER] = "sent by a group address",
		[PACKET_BAD_ARP] = "malformed ARP",
		[PACKET_BAD_IPV4] = "malformed IPv4 header",
		[PACKET_BAD_IPV6] = "malformed IPv6 header",
		[PACKET_EXTENSIONS] = "malformed IPv6 extensions",
		[PACKET_FRAGMENT] = "impossible fragment",
		[PACKET_TINY] = "tiny fragment",
		[PACKET_TRANSPORT] = "malformed transport header",
		[PACKET_ADDRESS] = "impossible source address",
	};

	return reason < PACKET_REASONS ? names[reason] : "unknown";
}
