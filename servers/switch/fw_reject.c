/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The answer to a frame that a rule rejects. TCP: the reset that RFC 9293 (3.5.2) gives for a
 * connection that does not exist; else an ICMP error, for UDP that nobody is at the
 * port, else that it is prohibited. No answer to what RFC 1122 (3.2.2) and RFC 4443 (2.4)
 * forbid to answer: errors, groups, fragments but the first, unclear senders.
 */
#include "fw_state.h"

#include "libs/packet/checksum.h"
#include "libs/packet/cursor.h"

#define ETHERNET 14U
#define IPV4     20U
#define IPV6     40U
#define TCP      20U
#define ICMP     8U
#define HOPS     64U
#define QUOTE4   (576U - IPV4 - ICMP)
#define QUOTE6   (1280U - IPV6 - ICMP)

static void put16(uint8_t *at, uint32_t value) {
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static void put32(uint8_t *at, uint32_t value) {
	put16(at, value >> 16);
	put16(at + 2, value);
}

static bool answerable(const struct packet *packet) {
	const uint8_t *src = packet->src.byte, *dst = packet->dst.byte;

	if (!packet->family || packet->data[0] & 1 || packet->flags & PACKET_F_LATER) return false;
	if (packet->family == 4 && (dst[0] >= 224 || src[0] == 0)) return false;
	if (packet->family == 6 && (dst[0] == 0xff || !(packet->src.half[0] | packet->src.half[1])))
		return false;
	/* Of ICMP only queries: no error about an error, nor about what is not known. */
	if (packet->flags & PACKET_F_ICMP) return packet->flags & PACKET_F_ECHO;
	return !(packet->flags & PACKET_F_TCP) || !(packet->tcp_flags & PACKET_RST);
}

/* Ethernet and IP: the frame's own, turned around. Returns where the rest goes. */
static uint8_t *headers(const struct packet *packet, uint8_t *answer, uint8_t protocol,
			uint32_t length) {
	uint8_t *ip = answer + ETHERNET;
	uint16_t sum;

	memcpy(answer, packet->data + 6, 6);
	memcpy(answer + 6, packet->data, 6);
	put16(answer + 12, packet->ethertype);
	if (packet->family == 6) {
		memset(ip, 0, 8);
		ip[0] = 0x60;
		put16(ip + 4, length);
		ip[6] = protocol;
		ip[7] = HOPS;
		memcpy(ip + 8, packet->dst.byte, 16);
		memcpy(ip + 24, packet->src.byte, 16);
		return ip + IPV6;
	}
	memset(ip, 0, 12);
	ip[0] = 0x45;
	put16(ip + 2, IPV4 + length);
	put16(ip + 6, 0x4000);
	ip[8] = HOPS;
	ip[9] = protocol;
	memcpy(ip + 12, packet->dst.byte, 4);
	memcpy(ip + 16, packet->src.byte, 4);
	sum = checksum_fold(checksum_add(0, ip, IPV4));
	memcpy(ip + 10, &sum, 2);
	return ip + IPV4;
}

static uint32_t finish(const struct packet *packet, uint8_t *answer, uint8_t *at, uint8_t protocol,
		       uint32_t field, uint32_t length) {
	uint64_t pseudo = 0;
	uint16_t sum;

	if (packet->family == 6)
		pseudo = checksum_pseudo6(packet->dst.byte, packet->src.byte, protocol, length);
	else if (protocol == PACKET_TCP)
		pseudo = checksum_pseudo4(packet->dst.byte, packet->src.byte, protocol, length);
	sum = checksum_fold(checksum_add(pseudo, at, length));
	memcpy(at + field, &sum, 2);
	return (uint32_t)(at - answer) + length;
}

static uint32_t reset(const struct packet *packet, uint8_t *answer) {
	uint8_t *at = headers(packet, answer, PACKET_TCP, TCP);
	uint32_t length = packet->tcp_length + !!(packet->tcp_flags & PACKET_SYN) +
			  !!(packet->tcp_flags & PACKET_FIN);

	memset(at, 0, TCP);
	put16(at, packet->dport);
	put16(at + 2, packet->sport);
	at[12] = TCP / 4 << 4;
	if (packet->tcp_flags & PACKET_ACK) {
		put32(at + 4, packet->tcp_ack);
		at[13] = PACKET_RST;
	} else {
		put32(at + 8, packet->tcp_seq + length);
		at[13] = PACKET_RST | PACKET_ACK;
	}
	return finish(packet, answer, at, PACKET_TCP, 16, TCP);
}

static uint32_t unreachable(const struct packet *packet, uint8_t *answer) {
	uint32_t end = (uint32_t)packet->l4 + packet->l4_length, quote;
	bool v6 = packet->family == 6, udp = packet->protocol == PACKET_UDP;
	uint8_t protocol = v6 ? PACKET_ICMPV6 : PACKET_ICMP, *at;

	if (end > packet->have) end = packet->have;
	quote = MIN(end - packet->l3, v6 ? QUOTE6 : QUOTE4);
	at = headers(packet, answer, protocol, ICMP + quote);
	memset(at, 0, ICMP);
	at[0] = v6 ? 1 : 3;
	if (v6)
		at[1] = udp ? 4 : 1;
	else
		at[1] = udp ? 3 : 13;
	memcpy(at + ICMP, packet->data + packet->l3, quote);
	return finish(packet, answer, at, protocol, 2, ICMP + quote);
}

uint32_t fw_reject(const struct packet *packet, uint8_t answer[FW_ANSWER]) {
	if (!answerable(packet)) return 0;
	if (packet->flags & PACKET_F_TCP) return reset(packet, answer);
	return unreachable(packet, answer);
}
