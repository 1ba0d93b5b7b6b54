/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where connections are linked, and which one must go when there is no room.
 *
 * Each open port may have `share` connections whatever the others do: the table divided by
 * the ports. It may have more while records are free. When none is free, a port below its
 * share takes one from the port that is furthest above its own (there is one, since all
 * shares together are no more than the table); a port at or above its share takes
 * from itself. So a flood costs nobody else anything that is his.
 *
 * Of one port's connections those without answer go first, the least recently used one of
 * them first, as a flood is made of these. But a seventh of its connections may be such:
 * else a port full of lasting ones could not begin another. Then brief, then lasting ones.
 */
#include "fw_state.h"

/* 64x64 -> 128 bits, folded: each bit of the result depends on all bits of both. */
static uint64_t mix(uint64_t a, uint64_t b) {
	__uint128_t product = (__uint128_t)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint32_t fw_bucket(const struct fw *fw, const struct fw_key *key) {
	uint64_t ports = (uint64_t)key->lport << 48 | (uint64_t)key->rport << 32 |
			 (uint32_t)key->port << 16 | key->vlan;
	uint64_t hash = mix(key->local.half[0] ^ fw->seed[0], key->remote.half[0] ^ fw->seed[1]);

	if (key->family == 6)
		hash ^= mix(key->local.half[1] ^ fw->seed[1] ^ hash,
			    key->remote.half[1] ^ ~fw->seed[0]);
	hash = mix(hash ^ fw->seed[0], ports ^ (uint64_t)key->protocol << 24 ^ fw->seed[1]);
	return (uint32_t)hash & fw->bucket_mask;
}

bool fw_same(const struct fw_key *a, const struct fw_key *b) {
	const uint64_t *x = (const uint64_t *)(const void *)a,
		       *y = (const uint64_t *)(const void *)b;

	return !((x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2]) | (x[3] ^ y[3]) | (x[4] ^ y[4]) |
		 (x[5] ^ y[5]));
}

void fw_lists_open(struct fw *fw) {
	for (uint32_t i = 0; i <= fw->bucket_mask; i++) fw->buckets[i] = FW_NONE;
	for (uint32_t i = 0; i < SWITCH_MAX_PORTS; i++) {
		for (uint32_t class = 0; class < FW_CLASSES; class ++) {
			fw->port[i].newest[class] = fw->port[i].oldest[class] = FW_NONE;
			fw->port[i].in_class[class] = 0;
		}
	}
	fw->free = FW_NONE;
}

static void list_add(struct fw *fw, struct fw_state *entry, uint32_t class) {
	struct fw_port *port = &fw->port[entry->key.port];
	uint32_t index = (uint32_t)(entry - fw->states), next = port->newest[class];

	entry->class = (uint8_t) class;
	entry->newer = FW_NONE;
	entry->older = next;
	if (next == FW_NONE)
		port->oldest[class] = index;
	else
		fw->states[next].newer = index;
	port->newest[class] = index;
	port->in_class[class]++;
}

static void list_take(struct fw *fw, struct fw_state *entry) {
	struct fw_port *port = &fw->port[entry->key.port];

	if (entry->newer == FW_NONE)
		port->newest[entry->class] = entry->older;
	else
		fw->states[entry->newer].older = entry->older;
	if (entry->older == FW_NONE)
		port->oldest[entry->class] = entry->newer;
	else
		fw->states[entry->older].newer = entry->newer;
	port->in_class[entry->class]--;
}

bool fw_link(struct fw *fw, struct fw_state *entry, uint32_t class) {
	uint32_t *bucket = &fw->buckets[fw_bucket(fw, &entry->key)], length = 0;

	for (uint32_t i = *bucket; i != FW_NONE; i = fw->states[i].chain)
		if (++length == FW_MAX_CHAIN) return false;
	entry->chain = *bucket;
	*bucket = (uint32_t)(entry - fw->states);
	list_add(fw, entry, class);
	return true;
}

void fw_touch(struct fw *fw, struct fw_state *entry, uint32_t class) {
	list_take(fw, entry);
	list_add(fw, entry, class);
}

void fw_remove(struct fw *fw, struct fw_state *entry) {
	uint32_t *link = &fw->buckets[fw_bucket(fw, &entry->key)];
	uint32_t index = (uint32_t)(entry - fw->states);

	while (*link != index) link = &fw->states[*link].chain;
	*link = entry->chain;
	list_take(fw, entry);
	fw_publish(&entry->state, FW_FREE);
	entry->chain = fw->free;
	fw->free = index;
}

uint32_t fw_port_states(const struct fw *fw, uint32_t port) {
	const struct fw_port *p = &fw->port[port];

	return p->in_class[FW_UNANSWERED] + p->in_class[FW_BRIEF] + p->in_class[FW_LASTING];
}

static void evict(struct fw *fw, uint32_t number) {
	struct fw_port *port = &fw->port[number];
	uint32_t all = fw_port_states(fw, number), class = FW_UNANSWERED;

	if (port->in_class[FW_UNANSWERED] <= all / 7) {
		if (port->in_class[FW_BRIEF])
			class = FW_BRIEF;
		else if (port->in_class[FW_LASTING])
			class = FW_LASTING;
	}
	fw_remove(fw, &fw->states[port->oldest[class]]);
	port->evicted++;
}

static uint32_t greediest(const struct fw *fw) {
	uint32_t found = 0, most = 0;

	for (uint32_t i = 0; i < fw->limits.ports; i++) {
		uint32_t states = fw_port_states(fw, i);

		if (states <= most) continue;
		most = states;
		found = i;
	}
	return found;
}

struct fw_state *fw_allocate(struct fw *fw, uint32_t port) {
	struct fw_state *entry;

	if (fw->free == FW_NONE) {
		uint32_t mine = fw_port_states(fw, port);
		uint32_t victim = mine < fw->share ? greediest(fw) : port;

		if (!fw_port_states(fw, victim)) return NULL;
		evict(fw, victim);
	}
	entry = &fw->states[fw->free];
	fw->free = entry->chain;
	return entry;
}
