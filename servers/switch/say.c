/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A packet in words, for the log: protocol, addresses as RFC 5952 writes them, ports. It has
 * been parsed, and nothing of it is printed as text.
 */
#include "fw.h"
#include "libs/rt/rt.h"

#define GROUPS  8U
#define ADDRESS 48U /* bytes of text, more than any has */

static uint32_t group(const union packet_address *a, uint32_t n) {
	return (uint32_t)a->byte[2 * n] << 8 | a->byte[2 * n + 1];
}

/* Groups from `at` on that are zero. */
static uint32_t zeroes(const union packet_address *a, uint32_t at) {
	uint32_t n = 0;

	while (at + n < GROUPS && !group(a, at + n)) n++;
	return n;
}

static void ipv6(char *to, const union packet_address *a) {
	uint32_t from = 0, length = 0;
	size_t at = 0;

	/* The first of the longest ones is left out, if it is longer than one group. */
	for (uint32_t n = 0; n < GROUPS; n++) {
		uint32_t run = zeroes(a, n);

		if (run < 2 || run <= length) continue;
		from = n;
		length = run;
	}
	at += rt_format(to, ADDRESS, "[");
	for (uint32_t n = 0; n < GROUPS; n++) {
		bool colon = n && !(length && n == from + length);

		if (length && n == from) {
			at += rt_format(to + at, ADDRESS - at, "::");
			n += length - 1;
			continue;
		}
		at += rt_format(to + at, ADDRESS - at, colon ? ":%x" : "%x", group(a, n));
	}
	rt_format(to + at, ADDRESS - at, "]");
}

static void address(char *to, const struct packet *packet, const union packet_address *a) {
	if (packet->family == 6)
		ipv6(to, a);
	else
		rt_format(to, ADDRESS, "%u.%u.%u.%u", a->byte[0], a->byte[1], a->byte[2],
			  a->byte[3]);
}

void fw_say(const struct packet *packet, char *to, uint32_t size) {
	char from[ADDRESS], dest[ADDRESS];

	if (!packet->family && packet->ethertype != PACKET_ETHERTYPE_ARP) {
		rt_format(to, size, "ethertype %x, %u bytes", packet->ethertype, packet->total);
		return;
	}
	address(from, packet, &packet->src);
	address(dest, packet, &packet->dst);
	if (!packet->family)
		rt_format(to, size, "ARP, %s to %s, %u bytes", from, dest, packet->total);
	else
		rt_format(to, size, "protocol %u, %s:%u to %s:%u, %u bytes", packet->protocol, from,
			  packet->sport, dest, packet->dport, packet->total);
}
