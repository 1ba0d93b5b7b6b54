/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A rule set as bytes: what the rule compiler makes of a rule file (the language:
 * docs/reference/rules.md), what a switch_ruleset holds and what NETCTL_SET_RULES
 * carries. One set is for one port and one direction.
 *
 * A header, then arrays: rules, and the lists that their conditions refer to. All
 * offsets are from the start of the header and multiples of 8.
 *
 * Rules are tried in order. A rule applies to a frame if all its conditions hold; the
 * limit is looked at last, and only then is a token taken. A condition on a
 * field that the frame does not have never holds, negated or not. The first rule
 * that applies and whose action is not RULES_CONTINUE decides; log and mirror of rules
 * that applied before it happen as well. If none decides, the frame is dropped.
 */
#ifndef PROTO_RULES_H
#define PROTO_RULES_H

#include <stdint.h>

#define RULES_MAGIC    0x31454c5552535254ULL /* "TRSRULE1" */
#define RULES_VERSION  1U
#define RULES_MAX_SIZE 65536U
#define RULES_MAX      512U
#define RULES_MAX_LIST 256U  /* entries of one condition's list */
#define RULES_MAX_WORK 4096U /* entries of all rules' lists together: what one frame may cost */
#define RULES_NAME     32U

/* rule.match and rule.negate: the conditions */
#define RULES_SMAC       (1U << 0)
#define RULES_DMAC       (1U << 1)
#define RULES_ETHERTYPE  (1U << 2) /* behind VLAN tags */
#define RULES_VLAN       (1U << 3) /* inside the network; 0: none */
#define RULES_SRC        (1U << 4) /* IPv4, IPv6; of ARP the sender */
#define RULES_DST        (1U << 5) /* of ARP the target */
#define RULES_PROTOCOL   (1U << 6)
#define RULES_SPORT      (1U << 7)
#define RULES_DPORT      (1U << 8)
#define RULES_ICMP       (1U << 9)  /* type << 8 | code */
#define RULES_TCP_FLAGS  (1U << 10) /* flags & tcp_mask == tcp_value */
#define RULES_FRAGMENT   (1U << 11) /* a fragment; negated: none. Later ones follow their first */
#define RULES_STATE      (1U << 12) /* one of rule.states */
#define RULES_LIMIT      (1U << 13) /* tokens left; negated: none left */
#define RULES_CONDITIONS 14U
#define RULES_LISTS      10U /* the first of them have a list each */

/* rule.states: what a frame is to the connections of its port */
#define RULES_NEW         1U  /* the first of one, or a repetition without an answer so far */
#define RULES_ESTABLISHED 2U  /* of a connection that was answered */
#define RULES_RELATED     4U  /* an ICMP error about one */
#define RULES_INVALID     8U  /* claims to be of a connection, and is of none */
#define RULES_UNTRACKED   16U /* ARP, neighbour discovery, all that is not IP */

#define RULES_CONTINUE 0U
#define RULES_ACCEPT   1U
#define RULES_DROP     2U
#define RULES_REJECT   3U /* TCP: a reset; else an ICMP error; not IP: as drop */

/* rule.flags */
#define RULES_LOG    1U
#define RULES_MIRROR 2U
#define RULES_BYTES  4U /* the limit's tokens are bytes, not packets */

struct rules_header {
	uint64_t magic;
	uint32_t version, total_size;
	uint32_t rules, rule_count;
	uint32_t ranges, range_count;
	uint32_t prefixes, prefix_count;
	uint32_t macs, mac_count;
	uint32_t ports, port_count; /* rules_port[] */
};

struct rules_list {
	uint16_t first, count; /* in the array of its kind; count 0 without the condition */
};

struct rules_rule {
	uint32_t match, negate;
	uint32_t line; /* of the rule file */
	uint8_t action;
	uint8_t flags;
	uint8_t states;
	uint8_t pad;
	uint8_t tcp_mask, tcp_value;
	uint16_t mirror;                     /* with RULES_MIRROR: index of rules_port */
	uint32_t burst;                      /* the bucket's size, in tokens */
	struct rules_list list[RULES_LISTS]; /* by number of the condition's bit */
	uint64_t rate;                       /* tokens per hour */
};

/* SMAC, DMAC: rules_mac. SRC, DST: rules_prefix. The others: rules_range. */
struct rules_range {
	uint16_t first, last;
};

struct rules_prefix {
	uint8_t address[16]; /* IPv4: the first four; bits behind the prefix are 0 */
	uint8_t family;      /* 4 or 6 */
	uint8_t bits;
	uint8_t pad[6];
};

struct rules_mac {
	uint8_t address[6]; /* bits behind the prefix are 0 */
	uint8_t bits;       /* 0..48 */
	uint8_t pad;
};

/* A port that frames are mirrored to, by its name in the description, NUL-padded. */
struct rules_port {
	char name[RULES_NAME];
};

_Static_assert(sizeof(struct rules_header) == 56, "rules_header layout");
_Static_assert(sizeof(struct rules_rule) == 72, "rules_rule layout");
_Static_assert(sizeof(struct rules_range) == 4, "rules_range layout");
_Static_assert(sizeof(struct rules_prefix) == 24, "rules_prefix layout");
_Static_assert(sizeof(struct rules_mac) == 8, "rules_mac layout");
_Static_assert(sizeof(struct rules_port) == 32, "rules_port layout");

#endif
