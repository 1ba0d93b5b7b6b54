/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The firewall of the switch: what happens to one frame, at one port, in one direction.
 *
 *   packet_parse -> fw_judge(port, OUT) -> forwarding -> fw_judge(port', IN) for each receiver
 *
 * Only ports that are VIFs are judged. A frame from one VIF to another is judged twice, each
 * time with that port's rules and that port's connections. In order:
 *   1. OUT: is the source the VIF's own (fw_source.c)?
 *   2. Later fragments follow the verdict on their first one (fw_fragment.c).
 *   3. To which connection of the port does it belong (fw_state.c, fw_tcp.c)?
 *   4. The rules (fw_rules.c). No rules: nothing passes.
 *   5. Accepted: the connection is noted, IN: a DHCP lease too.
 *
 * Memory is handed in and may lie in a lifeboat: rule sets, hit counters, connections, leases. A
 * record is complete before its state word says so; fw_open() on memory of a
 * predecessor checks each record and makes all links between records anew. The rest of
 * what the firewall needs lies in struct fw, which belongs to the caller. No globals.
 *
 * Time is an argument: ns of a clock that goes on while the switch is dead.
 *
 * Work for one frame is bounded: by the size of a rule set (RULES_MAX_WORK), a hash
 * chain's greatest length, and one look at each port when a full table must evict.
 */
#ifndef SERVERS_SWITCH_FW_H
#define SERVERS_SWITCH_FW_H

#include "libs/packet/packet.h"
#include "proto/netctl.h"
#include "proto/rules.h"
#include "proto/switch.h"

/* Why a frame does not pass: 0..PACKET_REASONS-1 of packet.h, then these. Below 32. */
#define FW_NO_RULES         16U
#define FW_NO_MATCH         17U /* no rule decided */
#define FW_RULE_DROP        18U
#define FW_RULE_REJECT      19U
#define FW_SPOOF_MAC        20U /* Ethernet source, or a link-layer address in ARP or ND */
#define FW_SPOOF_IP         21U
#define FW_SPOOF_ARP        22U /* sender address of ARP */
#define FW_SPOOF_ND         23U /* claim or test of an address that is not the VIF's */
#define FW_SPOOF_ROUTER     24U /* router advertisement, redirect, DHCP answer */
#define FW_FRAGMENT_EARLY   25U /* its first fragment was not seen, or did not pass */
#define FW_FRAGMENT_OVERLAP 26U /* writes over the first fragment */
#define FW_STATE_FULL       27U /* no room for its connection, even by eviction */
#define FW_REASONS          28U

#define FW_NO_RULE 0xffffffffU

struct fw_verdict {
	uint8_t action; /* RULES_ACCEPT, RULES_DROP, RULES_REJECT */
	uint8_t log;    /* a rule wants it in the log; log_rule says which (the last) */
	uint8_t state;  /* RULES_NEW...; 0 if it was not looked for */
	uint8_t reason; /* not accepted: FW_*; else 0 */
	uint32_t rule;  /* that decided, by its place in the set; FW_NO_RULE */
	uint32_t log_rule;
	uint64_t mirror; /* bit n: a copy to port n. Also of what is dropped */
};

struct fw_limits {
	uint32_t ports;     /* 1..SWITCH_MAX_PORTS */
	uint32_t sets;      /* rule sets at once: 2 for each VIF, and one more to swap with */
	uint32_t set_bytes; /* of one: fw_set_bytes(), a multiple of 64; 16 KiB is much */
	uint32_t states;    /* connections, all VIFs together; at least one for each port */
};

struct fw_set;
struct fw_boat;
struct fw_record;
struct fw_state;

/* Of one port, made anew by each incarnation. */
struct fw_port {
	const struct switch_port *config; /* NULL: not judged, has no connections */
	const struct switch_prefix *prefixes;
	struct fw_set *set[2];     /* NETCTL_OUT, NETCTL_IN; NULL: nothing passes */
	uint32_t newest[3];        /* lists of its connections, by class (fw_state.h) */
	uint32_t oldest[3];        /* the one that was used least recently */
	uint32_t in_class[3];      /* how many */
	uint64_t evicted;          /* connections that had to go before their time */
	uint32_t next_fragment[2]; /* place that is used next, by direction */
};

struct fw {
	struct fw_limits limits;
	struct fw_boat *boat;
	struct fw_record *records; /* one for each port */
	uint8_t *sets;
	uint32_t *buckets;
	struct fw_state *states;
	uint32_t bucket_mask;
	uint32_t free;  /* list of free connections */
	uint32_t open;  /* ports that are judged */
	uint32_t share; /* connections that each of them may have, whatever others do */
	const char *const *names;
	uint64_t seed[2];
	struct fw_port port[SWITCH_MAX_PORTS];
};

/* Bytes of memory for these limits; 0 if they are impossible. */
uint64_t fw_size(const struct fw_limits *limits);
/* What a set of `size` bytes with `rules` rules needs of set_bytes. */
uint32_t fw_set_bytes(uint32_t size, uint32_t rules);

struct fw_adopted {
	uint32_t sets, states, leases; /* kept */
	uint32_t rejected;             /* records that could not be */
};

/*
 * memory: fw_size() bytes, 64-byte aligned; all zero, or what a predecessor with the same
 * limits left. names: of all ports, by number, for mirrors; they stay where they are. seed:
 * secret, so that nobody can aim at one hash chain. Then comes fw_port_open() for each port
 * that is a VIF, then fw_swap() for each set that fw_has_rules() does not know. False:
 * limits that fw_size() refuses.
 */
bool fw_open(struct fw *fw, void *memory, const struct fw_limits *limits, const char *const *names,
	     const uint64_t seed[2], uint64_t now, struct fw_adopted *adopted);
/* config, prefixes: they stay where they are. */
void fw_port_open(struct fw *fw, uint32_t port, const struct switch_port *config,
		  const struct switch_prefix *prefixes);
/* The guest is gone or starts anew: its connections, fragments and leases go, rules stay. */
void fw_port_reset(struct fw *fw, uint32_t port);

/*
 * The verdict on a frame that `port` sends (NETCTL_OUT) or would be sent (NETCTL_IN; from:
 * the port that it came from, else `port` again). packet.vlan is the number inside the network.
 */
void fw_judge(struct fw *fw, uint32_t port, uint32_t direction, uint32_t from,
	      const struct packet *packet, uint64_t now, struct fw_verdict *verdict);

/*
 * The answer to a frame that was rejected, to be sent to whom it came from, without judging:
 * a complete Ethernet frame without tags and with all checksums. Returns its length; 0: there
 * is no answer to this one (group addresses, ICMP errors, resets, later fragments, not IP).
 */
#define FW_ANSWER 1294U
uint32_t fw_reject(const struct packet *packet, uint8_t answer[FW_ANSWER]);

/* The packet in words: at most FW_TEXT bytes. */
#define FW_TEXT 160U
void fw_say(const struct packet *packet, char *to, uint32_t size);

struct fw_error {
	uint32_t rule, line; /* FW_NO_RULE: not about one rule */
	const char *text;
};

/* Whether these bytes are a rule set; nothing is believed without. */
bool fw_rules_check(const void *rules, uint32_t size, struct fw_error *error);

/*
 * Puts a new set in the place of the old one, whole or not at all; connections stay. `rules` is
 * copied before it is checked. 0; -XEN_EINVAL: error says what; -XEN_ENOSPC: too large for these
 * limits, or no set is free.
 */
int fw_swap(struct fw *fw, uint32_t port, uint32_t direction, const void *rules, uint32_t size,
	    uint64_t now, struct fw_error *error);
/* The port has none then: nothing passes. */
void fw_remove_rules(struct fw *fw, uint32_t port, uint32_t direction);
bool fw_has_rules(const struct fw *fw, uint32_t port, uint32_t direction);
/* Returns how many rules there are; fills in at most `count`. */
uint32_t fw_rule_counters(const struct fw *fw, uint32_t port, uint32_t direction,
			  struct netctl_rule *rules, uint32_t count);
/* Connections of a port. */
uint32_t fw_port_states(const struct fw *fw, uint32_t port);
const char *fw_reason(uint32_t reason);

#endif
