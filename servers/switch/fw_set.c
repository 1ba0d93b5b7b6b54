/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rule sets in their slots. A set is copied into a free slot, checked there, and then one
 * store makes it valid; the old one is free after that. Who dies between the two leaves both,
 * and the successor takes the one of the higher generation.
 */
#include "fw_state.h"

uint32_t fw_set_bytes(uint32_t size, uint32_t rules) {
	uint64_t bytes = sizeof(struct fw_set) + ROUND_UP((uint64_t)size, 8) +
			 (uint64_t)rules * sizeof(struct fw_live);

	return bytes > UINT32_MAX ? UINT32_MAX : (uint32_t)ROUND_UP(bytes, 64);
}

static struct fw_set *slot(const struct fw *fw, uint32_t n) {
	return (struct fw_set *)(void *)(fw->sets + (uint64_t)n * fw->limits.set_bytes);
}

static const struct rules_rule *rules_of(const struct fw_set *set) {
	const struct rules_header *header = fw_set_header(set);

	return (const struct rules_rule *)((uintptr_t)header + header->rules);
}

/* Mirrors are kept as names: numbers are those of this incarnation. False: no such port. */
static bool resolve(const struct fw *fw, struct fw_set *set, struct fw_error *error) {
	const struct rules_header *header = fw_set_header(set);
	const struct rules_port *ports =
		(const struct rules_port *)((uintptr_t)header + header->ports);
	const struct rules_rule *rules = rules_of(set);

	for (uint32_t i = 0; i < set->rule_count; i++) {
		uint32_t port = 0;

		fw_set_live(set)[i].mirror = 0;
		if (!(rules[i].flags & RULES_MIRROR)) continue;
		while (port < fw->limits.ports &&
		       strcmp(fw->names[port], ports[rules[i].mirror].name) != 0)
			port++;
		if (port == fw->limits.ports) {
			error->rule = i;
			error->line = rules[i].line;
			error->text = "it mirrors to a port that does not exist";
			return false;
		}
		fw_set_live(set)[i].mirror = 1ULL << port;
	}
	return true;
}

/* Fills in a free slot; 0 or -XEN_EINVAL. `size` bytes fit. */
static int fill(struct fw *fw, struct fw_set *set, const void *rules, uint32_t size, uint64_t now,
		struct fw_error *error) {
	struct rules_header *header = (struct rules_header *)(set + 1);

	memcpy(header, rules, size);
	if (!fw_rules_check(header, size, error)) return -XEN_EINVAL;
	set->size = size;
	set->rule_count = header->rule_count;
	set->live = (uint32_t)(sizeof(*set) + ROUND_UP(size, 8));
	if (fw_set_bytes(size, set->rule_count) > fw->limits.set_bytes) return -XEN_ENOSPC;
	for (uint32_t i = 0; i < set->rule_count; i++)
		fw_set_live(set)[i] =
			(struct fw_live){.spent = fw_bucket_full(&rules_of(set)[i], now)};
	return resolve(fw, set, error) ? 0 : -XEN_EINVAL;
}

int fw_swap(struct fw *fw, uint32_t port, uint32_t direction, const void *rules, uint32_t size,
	    uint64_t now, struct fw_error *error) {
	struct fw_set *set = NULL, *old;
	int status;

	*error = (struct fw_error){FW_NO_RULE, 0, "no such port or direction"};
	if (port >= fw->limits.ports || direction > NETCTL_IN) return -XEN_EINVAL;
	for (uint32_t i = 0; i < fw->limits.sets && !set; i++)
		if (slot(fw, i)->state == FW_FREE) set = slot(fw, i);
	error->text = "there is no room for it";
	if (!set || fw_set_bytes(size, 0) > fw->limits.set_bytes) return -XEN_ENOSPC;
	status = fill(fw, set, rules, size, now, error);
	if (status == -XEN_ENOSPC) error->text = "there is no room for it";
	if (status) return status;
	old = fw->port[port].set[direction];
	set->port = port;
	set->direction = direction;
	set->generation = old ? old->generation + 1 : 1;
	fw_publish(&set->state, FW_USED);
	fw->port[port].set[direction] = set;
	if (old) fw_publish(&old->state, FW_FREE);
	return 0;
}

void fw_remove_rules(struct fw *fw, uint32_t port, uint32_t direction) {
	struct fw_set *set = fw->port[port].set[direction];

	fw->port[port].set[direction] = NULL;
	if (set) fw_publish(&set->state, FW_FREE);
}

bool fw_has_rules(const struct fw *fw, uint32_t port, uint32_t direction) {
	return fw->port[port].set[direction] != NULL;
}

uint32_t fw_rule_counters(const struct fw *fw, uint32_t port, uint32_t direction,
			  struct netctl_rule *rules, uint32_t count) {
	const struct fw_set *set = fw->port[port].set[direction];

	if (!set) return 0;
	for (uint32_t i = 0; i < count && i < set->rule_count; i++) {
		const struct fw_live *live = &fw_set_live(set)[i];

		rules[i] =
			(struct netctl_rule){live->packets, live->bytes, rules_of(set)[i].line, 0};
	}
	return set->rule_count;
}

static bool sound(const struct fw *fw, struct fw_set *set, uint64_t now) {
	struct fw_error error;

	if (set->state != FW_USED || set->port >= fw->limits.ports || set->direction > NETCTL_IN)
		return false;
	if (fw_set_bytes(set->size, 0) > fw->limits.set_bytes ||
	    !fw_rules_check(set + 1, set->size, &error))
		return false;
	if (set->rule_count != fw_set_header(set)->rule_count ||
	    set->live != sizeof(*set) + ROUND_UP(set->size, 8) ||
	    fw_set_bytes(set->size, set->rule_count) > fw->limits.set_bytes)
		return false;
	for (uint32_t i = 0; i < set->rule_count; i++) {
		struct fw_live *live = &fw_set_live(set)[i];

		live->spent = fw_bucket_check(&rules_of(set)[i], live->spent, now);
	}
	return resolve(fw, set, &error);
}

void fw_sets_open(struct fw *fw, uint64_t now, struct fw_adopted *adopted) {
	for (uint32_t i = 0; i < fw->limits.sets; i++) {
		struct fw_set *set = slot(fw, i), **place, *loser;

		if (set->state == FW_FREE) continue;
		if (!sound(fw, set, now)) {
			adopted->rejected++;
			fw_publish(&set->state, FW_FREE);
			continue;
		}
		place = &fw->port[set->port].set[set->direction];
		loser = *place;
		if (!loser || loser->generation < set->generation)
			*place = set;
		else
			loser = set;
		if (loser) fw_publish(&loser->state, FW_FREE);
	}
	for (uint32_t i = 0; i < fw->limits.ports; i++)
		adopted->sets += !!fw->port[i].set[0] + !!fw->port[i].set[1];
}
