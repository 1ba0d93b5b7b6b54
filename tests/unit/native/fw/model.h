/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A second firewall, slow and simple, that the real one is compared with. It knows
 * nothing of bytes: a frame is what its maker says it is, a rule a list of conditions with
 * all their values spelled out. Connections are the list of all frames that passed, from
 * which everything is worked out anew each time, in 64 bits and without wrapping.
 */
#ifndef TESTS_UNIT_FW_MODEL_H
#define TESTS_UNIT_FW_MODEL_H

#include <stdbool.h>
#include <stdint.h>

struct said { /* a frame */
	bool outward;
	uint16_t ethertype, vlan;
	uint8_t smac[6], dmac[6];
	int family; /* 4, 6, 0 */
	bool arp, fragment;
	uint8_t src[16], dst[16];
	uint8_t protocol;
	uint16_t sport, dport; /* tcp, udp */
	uint8_t type, code;
	uint16_t id;
	uint8_t flags;
	int64_t seq, ack;
	uint32_t window, length;
	int scale;   /* of a SYN; -1: none */
	bool quotes; /* an ICMP error: about a frame from its destination, as follows */
	uint8_t about_protocol;
	uint8_t about_src[4], about_dst[4];
	uint16_t about_sport, about_dport;
	uint32_t total; /* bytes of the frame */
};

#define MODEL_VALUES 4

struct said_condition {
	uint32_t bit; /* RULES_* */
	bool negate;
	int count;
	/* numbers: from first to last; addresses: the bits that count */
	uint16_t first[MODEL_VALUES], last[MODEL_VALUES];
	uint8_t bytes[MODEL_VALUES][16];
	uint8_t family[MODEL_VALUES], bits[MODEL_VALUES];
	uint8_t mask, value;  /* TCP flags; states: mask */
	uint64_t rate, burst; /* tokens per second */
	bool in_bytes;
};

struct said_rule {
	uint32_t action, flags;
	int count;
	struct said_condition condition[4];
	/* the limit's bucket */
	__int128 tokens; /* in 1/10^9 */
	uint64_t filled;
};

#define MODEL_RULES 8
struct said_rules {
	int count;
	struct said_rule rule[MODEL_RULES];
};

struct said_verdict {
	uint32_t action, state, rule;
	bool spoofed, log;
};

void model_reset(void);
/* check: the VIF's source is looked at. */
void model_judge(struct said_rules *rules, const struct said *frame, uint64_t now, bool check,
		 struct said_verdict *verdict);

#endif
