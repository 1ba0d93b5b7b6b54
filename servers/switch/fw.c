/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The firewall as a whole: its memory, and the way of a frame through its parts.
 */
#include "fw_state.h"

#define MAX_STATES (1U << 20)

static uint32_t bucket_count(const struct fw_limits *limits) {
	uint32_t count = 64;

	while (count < limits->states) count *= 2;
	return count;
}

uint64_t fw_size(const struct fw_limits *limits) {
	if (!limits->ports || limits->ports > SWITCH_MAX_PORTS) return 0;
	if (limits->sets > 4 * SWITCH_MAX_PORTS || limits->set_bytes % 64) return 0;
	if (limits->set_bytes > fw_set_bytes(RULES_MAX_SIZE, RULES_MAX)) return 0;
	if (limits->set_bytes < sizeof(struct fw_set)) return 0;
	if (limits->states > MAX_STATES || limits->states < limits->ports) return 0;
	return sizeof(struct fw_boat) + (uint64_t)limits->ports * sizeof(struct fw_record) +
	       (uint64_t)limits->sets * limits->set_bytes +
	       (uint64_t)bucket_count(limits) * sizeof(uint32_t) +
	       (uint64_t)limits->states * sizeof(struct fw_state);
}

/* The sets first: they are multiples of 64 bytes, and the others multiples of 8. */
static void lay_out(struct fw *fw, void *memory) {
	uint8_t *at = memory;

	fw->boat = memory;
	at += sizeof(*fw->boat);
	fw->sets = at;
	at += (uint64_t)fw->limits.sets * fw->limits.set_bytes;
	fw->records = (struct fw_record *)(void *)at;
	at += fw->limits.ports * sizeof(struct fw_record);
	fw->states = (struct fw_state *)(void *)at;
	at += (uint64_t)fw->limits.states * sizeof(struct fw_state);
	fw->buckets = (uint32_t *)(void *)at;
	fw->bucket_mask = bucket_count(&fw->limits) - 1;
}

bool fw_open(struct fw *fw, void *memory, const struct fw_limits *limits, const char *const *names,
	     const uint64_t seed[2], uint64_t now, struct fw_adopted *adopted) {
	uint64_t size = fw_size(limits);

	if (!size) return false;
	memset(fw, 0, sizeof(*fw));
	memset(adopted, 0, sizeof(*adopted));
	fw->limits = *limits;
	fw->names = names;
	fw->seed[0] = seed[0];
	fw->seed[1] = seed[1];
	lay_out(fw, memory);
	if (fw->boat->magic != FW_BOAT_MAGIC ||
	    memcmp(&fw->boat->limits, limits, sizeof(*limits)) != 0) {
		memset(memory, 0, size);
		fw->boat->limits = *limits;
		__atomic_store_n(&fw->boat->magic, FW_BOAT_MAGIC, __ATOMIC_RELEASE);
	}
	fw->share = limits->states / limits->ports;
	for (uint32_t i = 0; i < limits->ports; i++)
		memset(fw->records[i].fragment, 0, sizeof(fw->records[i].fragment));
	fw_sets_open(fw, now, adopted);
	fw_states_open(fw, now, adopted);
	fw_leases_open(fw, adopted);
	return true;
}

void fw_port_open(struct fw *fw, uint32_t port, const struct switch_port *config,
		  const struct switch_prefix *prefixes) {
	if (!fw->port[port].config) fw->open++;
	fw->port[port].config = config;
	fw->port[port].prefixes = prefixes;
	fw->share = fw->limits.states / fw->open;
}

void fw_port_reset(struct fw *fw, uint32_t port) {
	struct fw_record *record = &fw->records[port];

	fw_states_reset(fw, port);
	for (uint32_t n = 0; n < FW_LEASES; n++) fw_publish(&record->lease[n].valid, 0);
	fw_publish(&record->asked, 0);
	memset(record->fragment, 0, sizeof(record->fragment));
}

static bool is_dhcp(const struct packet *packet) {
	return packet->protocol == PACKET_UDP && packet->family == 4 &&
	       (packet->dport == 67 || packet->dport == 68);
}

/* By rules and connections: all but later fragments. */
static void judge(struct fw *fw, uint32_t port, uint32_t direction, const struct packet *packet,
		  uint64_t now, struct fw_verdict *verdict) {
	struct fw_track track;
	struct fw_frame frame = {packet, 0, now};

	fw_find(fw, port, direction, packet, now, &track);
	frame.state = verdict->state = track.class;
	fw_evaluate(fw->port[port].set[direction], &frame, verdict);
	if (verdict->action != RULES_ACCEPT) return;
	if (fw_commit(fw, &track, packet, now, direction)) return;
	verdict->action = RULES_DROP;
	verdict->reason = FW_STATE_FULL;
}

void fw_judge(struct fw *fw, uint32_t port, uint32_t direction, uint32_t from,
	      const struct packet *packet, uint64_t now, struct fw_verdict *verdict) {
	*verdict = (struct fw_verdict){
		.action = RULES_DROP, .rule = FW_NO_RULE, .log_rule = FW_NO_RULE};
	verdict->reason = FW_NO_RULES;
	if (!fw->port[port].config || !fw->port[port].set[direction]) return;
	if (direction == NETCTL_OUT) {
		verdict->reason = (uint8_t)fw_source(fw, port, packet, now);
		if (verdict->reason) return;
	}
	if (packet->flags & PACKET_F_LATER) {
		fw_later(fw, port, direction, packet, now, verdict);
		return;
	}
	judge(fw, port, direction, packet, now, verdict);
	if (packet->flags & PACKET_F_FRAGMENT) fw_first(fw, port, direction, packet, now, verdict);
	if (verdict->action == RULES_ACCEPT && is_dhcp(packet))
		fw_snoop(fw, port, direction, from, packet, now);
}

const char *fw_reason(uint32_t reason) {
	static const char *const names[FW_REASONS - FW_NO_RULES] = {
		"no rules",
		"no rule accepts it",
		"a rule drops it",
		"a rule rejects it",
		"not its MAC address",
		"not its IP address",
		"not its address (ARP)",
		"not its address (neighbours)",
		"plays a router or DHCP server",
		"its first fragment did not pass",
		"overlapping fragment",
		"too many connections",
	};

	if (reason < FW_NO_RULES) return packet_reason(reason);
	return reason < FW_REASONS ? names[reason - FW_NO_RULES] : "unknown";
}
