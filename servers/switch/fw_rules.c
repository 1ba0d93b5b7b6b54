/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One frame against the rules of one port and direction, in order. The set was checked
 * (fw_check.c), so its indices are good.
 *
 * A limit's bucket is one word: the time up to which tokens are used up, which each
 * token moves on by 1/rate. It is never further back than burst/rate, and tokens are there as
 * long as it is not after now. That is a token bucket with one store, so nobody
 * who dies leaves half of it. Times there begin at EPOCH, so that the first
 * bucket is full as well.
 */
#include "fw_state.h"

#define EPOCH (1ULL << 61)
#define HOUR  (3600 * FW_SECOND) /* rates are per hour */

static bool in_ranges(const struct rules_header *header, struct rules_list list, uint32_t value) {
	const struct rules_range *range =
		(const struct rules_range *)((uintptr_t)header + header->ranges) + list.first;

	for (uint32_t i = 0; i < list.count; i++)
		if (value >= range[i].first && value <= range[i].last) return true;
	return false;
}

/* Big-endian words; bits above `bits` of them count. */
static bool same_bits(const uint8_t *a, const uint8_t *b, uint32_t bits) {
	uint32_t bytes = bits / 8, rest = bits % 8;

	for (uint32_t i = 0; i < bytes; i++)
		if (a[i] != b[i]) return false;
	return !rest || !((a[bytes] ^ b[bytes]) >> (8 - rest));
}

static bool in_prefixes(const struct rules_header *header, struct rules_list list, uint8_t family,
			const uint8_t *address) {
	const struct rules_prefix *prefix =
		(const struct rules_prefix *)((uintptr_t)header + header->prefixes) + list.first;

	for (uint32_t i = 0; i < list.count; i++)
		if (prefix[i].family == family &&
		    same_bits(address, prefix[i].address, prefix[i].bits))
			return true;
	return false;
}

static bool in_macs(const struct rules_header *header, struct rules_list list,
		    const uint8_t *address) {
	const struct rules_mac *mac =
		(const struct rules_mac *)((uintptr_t)header + header->macs) + list.first;

	for (uint32_t i = 0; i < list.count; i++)
		if (same_bits(address, mac[i].address, mac[i].bits)) return true;
	return false;
}

static uint64_t depth(const struct rules_rule *rule) { return rule->burst * HOUR / rule->rate; }

uint64_t fw_bucket_full(const struct rules_rule *rule, uint64_t now) {
	return rule->match & RULES_LIMIT ? EPOCH + now - depth(rule) : 0;
}

uint64_t fw_bucket_check(const struct rules_rule *rule, uint64_t spent, uint64_t now) {
	return spent > EPOCH + now ? fw_bucket_full(rule, now) : spent;
}

/* Takes what the frame costs if it is there. */
static bool within_limit(const struct rules_rule *rule, struct fw_live *live,
			 const struct fw_frame *frame) {
	uint64_t full = fw_bucket_full(rule, frame->now);
	uint64_t tokens = rule->flags & RULES_BYTES ? frame->packet->total : 1;
	uint64_t spent = live->spent > full ? live->spent : full;

	spent += tokens * HOUR / rule->rate;
	if (spent > EPOCH + frame->now) return false;
	live->spent = spent;
	return true;
}

#define HOLDS  1
#define FAILS  0
#define ABSENT (-1) /* the frame has no such field */

static int among(bool has, const struct rules_header *header, struct rules_list list,
		 uint32_t value) {
	return has ? in_ranges(header, list, value) : ABSENT;
}

static int address_condition(const struct rules_header *header, struct rules_list list,
			     const struct packet *packet, const union packet_address *address) {
	uint8_t family = packet->ethertype == PACKET_ETHERTYPE_ARP ? 4 : packet->family;

	return family ? in_prefixes(header, list, family, address->byte) : ABSENT;
}

static int condition(const struct rules_header *header, const struct rules_rule *rule,
		     struct fw_live *live, const struct fw_frame *frame, uint32_t bit) {
	const struct packet *p = frame->packet;
	struct rules_list list = bit < RULES_LISTS ? rule->list[bit] : (struct rules_list){0, 0};
	bool ports = p->flags & PACKET_F_PORTS;

	switch (1U << bit) {
	case RULES_SMAC: return in_macs(header, list, p->data + 6);
	case RULES_DMAC: return in_macs(header, list, p->data);
	case RULES_ETHERTYPE: return in_ranges(header, list, p->ethertype);
	case RULES_VLAN: return in_ranges(header, list, p->vlan);
	case RULES_SRC: return address_condition(header, list, p, &p->src);
	case RULES_DST: return address_condition(header, list, p, &p->dst);
	case RULES_PROTOCOL: return among(p->family, header, list, p->protocol);
	case RULES_SPORT: return among(ports, header, list, p->sport);
	case RULES_DPORT: return among(ports, header, list, p->dport);
	case RULES_ICMP: return among(p->flags & PACKET_F_ICMP, header, list, p->icmp);
	case RULES_TCP_FLAGS:
		if (!(p->flags & PACKET_F_TCP)) return ABSENT;
		return (p->tcp_flags & rule->tcp_mask) == rule->tcp_value;
	case RULES_FRAGMENT: return p->family ? !!(p->flags & PACKET_F_FRAGMENT) : ABSENT;
	default: return within_limit(rule, live, frame);
	}
}

static bool applies(const struct rules_header *header, const struct rules_rule *rule,
		    struct fw_live *live, const struct fw_frame *frame) {
	uint32_t left = rule->match;

	/* First what rules most often ask for, and is quick. */
	if (left & RULES_STATE) {
		if (!(rule->states & frame->state) == !(rule->negate & RULES_STATE)) return false;
		left &= ~RULES_STATE;
	}
	for (; left; left &= left - 1) {
		uint32_t bit = (uint32_t)__builtin_ctz(left);
		int holds = condition(header, rule, live, frame, bit);

		if (holds == ABSENT || (bool)holds == !!(rule->negate & 1U << bit)) return false;
	}
	return true;
}

void fw_count(struct fw_set *set, uint32_t rule, uint32_t bytes) {
	struct fw_live *live = fw_set_live(set) + rule;

	live->packets++;
	live->bytes += bytes;
}

void fw_evaluate(struct fw_set *set, const struct fw_frame *frame, struct fw_verdict *verdict) {
	const struct rules_header *header = fw_set_header(set);
	const struct rules_rule *rules =
		(const struct rules_rule *)((uintptr_t)header + header->rules);
	struct fw_live *live = fw_set_live(set);

	verdict->action = RULES_DROP;
	verdict->reason = FW_NO_MATCH;
	for (uint32_t i = 0; i < set->rule_count; i++) {
		const struct rules_rule *rule = &rules[i];

		if (!applies(header, rule, &live[i], frame)) continue;
		fw_count(set, i, frame->packet->total);
		verdict->mirror |= live[i].mirror;
		if (rule->flags & RULES_LOG) {
			verdict->log = 1;
			verdict->log_rule = i;
		}
		if (rule->action == RULES_CONTINUE) continue;
		verdict->rule = i;
		verdict->action = rule->action;
		verdict->reason = rule->action == RULES_ACCEPT ? 0
				  : rule->action == RULES_DROP ? FW_RULE_DROP
							       : FW_RULE_REJECT;
		return;
	}
}
