/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fragments. The first one of a packet has the transport header (packet.c sees to that), and
 * is judged as any frame. The later ones have the same verdict, so the firewall remembers
 * for a while the first ones that passed, a few for each port and direction.
 *
 *   - A later fragment whose first one did not come before it is dropped: nothing is
 *     kept to wait for it. Senders send them in order.
 *   - One that begins within the first one would change what was judged: it is dropped, and
 *     all that follow. Later ones that overlap each other are the receiver's
 *     business: they change nothing that rules look at.
 *   - All later ones together have at most as many bytes as a packet, so that the
 *     number of one packet does not serve for a stream.
 */
#include "fw_state.h"

#define LIFETIME (30 * FW_SECOND)
#define BUDGET   65535U

static bool is_of(const struct fw_fragment *fragment, const struct packet *packet) {
	/* RFC 8200: of IPv6 the number counts with the addresses, whatever the protocol. */
	return fragment->at && fragment->id == packet->fragment_id &&
	       fragment->family == packet->family && fragment->vlan == packet->vlan &&
	       (packet->family == 6 || fragment->protocol == packet->protocol) &&
	       fragment->src.half[0] == packet->src.half[0] &&
	       fragment->src.half[1] == packet->src.half[1] &&
	       fragment->dst.half[0] == packet->dst.half[0] &&
	       fragment->dst.half[1] == packet->dst.half[1];
}

static struct fw_fragment *find(struct fw_fragment *fragments, const struct packet *packet) {
	for (uint32_t i = 0; i < FW_FRAGMENTS; i++)
		if (is_of(&fragments[i], packet)) return &fragments[i];
	return NULL;
}

void fw_later(struct fw *fw, uint32_t port, uint32_t direction, const struct packet *packet,
	      uint64_t now, struct fw_verdict *verdict) {
	struct fw_fragment *found = find(fw->records[port].fragment[direction], packet);
	struct fw_set *set = fw->port[port].set[direction];

	verdict->reason = FW_FRAGMENT_EARLY;
	if (!found || now - found->at > LIFETIME) return;
	if (packet->fragment_offset < found->end || packet->fragment_length > found->budget) {
		found->at = 0;
		verdict->reason = FW_FRAGMENT_OVERLAP;
		return;
	}
	found->budget -= packet->fragment_length;
	verdict->action = RULES_ACCEPT;
	verdict->reason = 0;
	verdict->mirror = found->mirror;
	/* The rules may be others by now. */
	if (found->rule >= set->rule_count) return;
	verdict->rule = found->rule;
	fw_count(set, found->rule, packet->total);
}

void fw_first(struct fw *fw, uint32_t port, uint32_t direction, const struct packet *packet,
	      uint64_t now, const struct fw_verdict *verdict) {
	struct fw_fragment *fragments = fw->records[port].fragment[direction];
	struct fw_fragment *place = find(fragments, packet);

	if (verdict->action != RULES_ACCEPT) {
		if (place) place->at = 0;
		return;
	}
	if (!place) place = &fragments[fw->port[port].next_fragment[direction]++ % FW_FRAGMENTS];
	*place = (struct fw_fragment){
		.src = packet->src,
		.dst = packet->dst,
		.at = now ? now : 1,
		.mirror = verdict->mirror,
		.id = packet->fragment_id,
		.rule = verdict->rule,
		.budget = BUDGET,
		.end = packet->fragment_length,
		.vlan = packet->vlan,
		.family = packet->family,
		.protocol = packet->protocol,
	};
}
