/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Connections: which one a frame belongs to, and what it changes there if it passes. Looking
 * changes nothing but that a connection whose time is over goes; so a frame that a rule
 * drops leaves no trace.
 *
 * Tracked are TCP, UDP, ICMP queries, and any other protocol by its addresses alone.
 * ICMP errors are related to what they quote. Neighbour discovery, multicast listener
 * reports, ICMP of other types and all that is not IP is untracked. A connection
 * ends by time: nothing scans the table, an expired one goes when it is met, or is
 * the first to be evicted.
 */
#include "fw_state.h"

/* Seconds without a frame: TCP by phase; RFC 5382 wants two hours and more for an open one. */
static const uint32_t tcp_seconds[FW_PHASES] = {
	[FW_ASKED] = 60,    [FW_REPLIED] = 60, [FW_OPEN] = 86400,
	[FW_ONE_FIN] = 300, [FW_CLOSED] = 60,  [FW_RESET] = 10,
};

static uint64_t lifetime(const struct fw_state *entry) {
	bool answered = entry->phase != FW_ASKED;

	switch (entry->key.protocol) {
	case PACKET_TCP: return tcp_seconds[entry->phase] * FW_SECOND;
	case PACKET_UDP: return (answered ? 180 : 30) * FW_SECOND;
	case PACKET_ICMP:
	case PACKET_ICMPV6: return 30 * FW_SECOND;
	default: return (answered ? 600 : 60) * FW_SECOND;
	}
}

static uint32_t class_of(const struct fw_state *entry) {
	if (entry->key.protocol == PACKET_TCP) {
		if (entry->phase < FW_OPEN) return FW_UNANSWERED;
		return entry->phase == FW_OPEN ? FW_LASTING : FW_BRIEF;
	}
	return entry->phase == FW_ASKED ? FW_UNANSWERED : FW_BRIEF;
}

static struct fw_state *find(struct fw *fw, const struct fw_key *key, uint64_t now) {
	for (uint32_t i = fw->buckets[fw_bucket(fw, key)]; i != FW_NONE; i = fw->states[i].chain) {
		struct fw_state *entry = &fw->states[i];

		if (!fw_same(&entry->key, key)) continue;
		if (now < entry->seen || now - entry->seen < lifetime(entry)) return entry;
		fw_remove(fw, entry);
		return NULL;
	}
	return NULL;
}

static bool is_question(const struct packet *packet) {
	uint8_t type = (uint8_t)(packet->icmp >> 8);

	return packet->family == 6 ? type == 128 : type == 8 || type == 13;
}

static void make_key(struct fw_key *key, uint32_t port, bool outward, const struct packet *packet) {
	__builtin_memset(key, 0, sizeof(*key));
	key->local = outward ? packet->src : packet->dst;
	key->remote = outward ? packet->dst : packet->src;
	key->port = (uint16_t)port;
	key->vlan = packet->vlan;
	key->protocol = packet->protocol;
	key->family = packet->family;
	if (packet->flags & PACKET_F_ECHO) {
		key->lport = packet->icmp_id;
		/* With the same number: echo and timestamp are two, and so is who asks. */
		key->rport = packet->family == 4 && packet->icmp >> 8 >= 13;
		if (is_question(packet) != outward) key->rport |= 2;
	} else if (packet->flags & PACKET_F_PORTS) {
		key->lport = outward ? packet->sport : packet->dport;
		key->rport = outward ? packet->dport : packet->sport;
	}
}

/* An ICMP error is about a packet that went the other way. */
static uint8_t related(struct fw *fw, const struct packet *packet, uint64_t now,
		       struct fw_track *track, bool outward) {
	struct packet_inner inner;
	struct packet about = {.family = packet->family, .vlan = packet->vlan};
	struct fw_key key;

	track->passive = true;
	if (!packet_inner(packet, &inner)) return RULES_INVALID;
	about.src = inner.src;
	about.dst = inner.dst;
	about.protocol = inner.protocol;
	if (inner.protocol == PACKET_ICMP || inner.protocol == PACKET_ICMPV6) {
		about.flags = PACKET_F_ECHO;
		about.icmp_id = inner.sport;
		about.icmp = (uint16_t)(inner.dport << 8);
	} else if (inner.has_ports) {
		about.flags = PACKET_F_PORTS;
		about.sport = inner.sport;
		about.dport = inner.dport;
	}
	make_key(&key, track->key.port, !outward, &about);
	return find(fw, &key, now) ? RULES_RELATED : RULES_INVALID;
}

static bool tracked(const struct packet *packet) {
	if (!packet->family) return false;
	return !(packet->flags & PACKET_F_ICMP) || packet->flags & (PACKET_F_ECHO | PACKET_F_ERROR);
}

static uint8_t find_any(const struct packet *packet, struct fw_track *track) {
	bool echo = packet->flags & PACKET_F_ECHO;

	track->begin = !track->entry;
	if (echo && is_question(packet) != (track->side == 0)) return RULES_INVALID;
	track->phase = track->side ? FW_OPEN : track->entry ? track->entry->phase : FW_ASKED;
	return track->phase == FW_ASKED ? RULES_NEW : RULES_ESTABLISHED;
}

void fw_find(struct fw *fw, uint32_t port, uint32_t direction, const struct packet *packet,
	     uint64_t now, struct fw_track *track) {
	bool outward = direction == NETCTL_OUT;

	track->entry = NULL;
	track->begin = track->passive = false;
	track->side = 0;
	track->phase = FW_ASKED;
	if (!tracked(packet)) {
		track->passive = true;
		track->class = RULES_UNTRACKED;
		return;
	}
	if (packet->flags & PACKET_F_ERROR) {
		track->key.port = (uint16_t)port;
		track->class = related(fw, packet, now, track, outward);
		return;
	}
	make_key(&track->key, port, outward, packet);
	track->entry = find(fw, &track->key, now);
	if (track->entry) track->side = !(track->entry->flags & FW_F_INWARD) != outward;
	if (packet->flags & PACKET_F_TCP)
		fw_tcp_find(packet, track);
	else
		track->class = find_any(packet, track);
	if (track->class == RULES_INVALID) track->passive = true;
}

/* A new record, or one whose connection is over: complete before it counts. */
static bool begin(struct fw *fw, const struct fw_track *track, const struct packet *packet,
		  uint64_t now, bool outward) {
	struct fw_state *entry = track->entry;

	if (entry) fw_remove(fw, entry);
	entry = fw_allocate(fw, track->key.port);
	if (!entry) return false;
	*entry = (struct fw_state){.key = track->key, .seen = now};
	if (!outward) entry->flags = FW_F_INWARD;
	if (packet->flags & PACKET_F_TCP) fw_tcp_begin(entry, packet);
	if (!fw_link(fw, entry, class_of(entry))) {
		entry->chain = fw->free;
		fw->free = (uint32_t)(entry - fw->states);
		return false;
	}
	fw_publish(&entry->state, FW_USED);
	return true;
}

bool fw_commit(struct fw *fw, const struct fw_track *track, const struct packet *packet,
	       uint64_t now, uint32_t direction) {
	struct fw_state *entry = track->entry;
	uint32_t class, before;

	if (track->passive) return true;
	if (track->begin) return begin(fw, track, packet, now, direction == NETCTL_OUT);
	before = entry->phase;
	if (packet->flags & PACKET_F_TCP)
		fw_tcp_commit(entry, packet, track);
	else
		entry->phase = track->phase;
	class = class_of(entry);
	/* A reset one's time runs; the others' begins anew, at most once in a second. */
	if (before == FW_RESET && entry->phase == FW_RESET) return true;
	if (entry->phase != before || now - entry->seen >= FW_SECOND) {
		entry->seen = now;
		fw_touch(fw, entry, class);
	}
	return true;
}

void fw_states_reset(struct fw *fw, uint32_t port) {
	for (uint32_t class = 0; class < FW_CLASSES; class ++)
		while (fw->port[port].newest[class] != FW_NONE)
			fw_remove(fw, &fw->states[fw->port[port].newest[class]]);
}

/* What a predecessor may have left: anything. */
static bool sound(const struct fw *fw, const struct fw_state *entry) {
	const struct fw_key *key = &entry->key;

	if (key->port >= fw->limits.ports || key->vlan > 4095) return false;
	if (key->family != 4 && key->family != 6) return false;
	for (uint32_t i = 0; i < sizeof(key->pad); i++)
		if (key->pad[i]) return false;
	if (key->family == 4 && (key->local.half[1] || key->local.word[1] || key->remote.half[1] ||
				 key->remote.word[1]))
		return false;
	if (entry->phase >= FW_PHASES || entry->flags & ~FW_F_ALL) return false;
	for (uint32_t i = 0; i < 2; i++)
		if (entry->side[i].scale > 14 && entry->side[i].scale != PACKET_NO_SCALE)
			return false;
	return true;
}

/* Whether the same connection is linked already: a record torn between two of them. */
static bool twice(const struct fw *fw, const struct fw_key *key) {
	for (uint32_t i = fw->buckets[fw_bucket(fw, key)]; i != FW_NONE; i = fw->states[i].chain)
		if (fw_same(&fw->states[i].key, key)) return true;
	return false;
}

/* The n-th place of an array of record numbers, which is spread over the records. */
static uint32_t *place(const struct fw *fw, uint32_t n) { return &fw->states[n].order; }

static uint64_t age_at(const struct fw *fw, uint32_t n) { return fw->states[*place(fw, n)].seen; }

static void swap(const struct fw *fw, uint32_t a, uint32_t b) {
	uint32_t number = *place(fw, a);

	*place(fw, a) = *place(fw, b);
	*place(fw, b) = number;
}

static void sift(const struct fw *fw, uint32_t at, uint32_t count) {
	for (;;) {
		uint32_t child = 2 * at + 1;

		if (child >= count) return;
		if (child + 1 < count && age_at(fw, child + 1) > age_at(fw, child)) child++;
		if (age_at(fw, child) <= age_at(fw, at)) return;
		swap(fw, child, at);
		at = child;
	}
}

/* The least recently used first, so that lists that are made in this order are in order. */
static void sort_by_age(const struct fw *fw, uint32_t count) {
	for (uint32_t i = count / 2; i-- > 0;) sift(fw, i, count);
	for (uint32_t n = count; n > 1; n--) {
		swap(fw, 0, n - 1);
		sift(fw, 0, n - 1);
	}
}

static void make_free(struct fw *fw, uint32_t number) {
	fw_publish(&fw->states[number].state, FW_FREE);
	fw->states[number].chain = fw->free;
	fw->free = number;
}

void fw_states_open(struct fw *fw, uint64_t now, struct fw_adopted *adopted) {
	uint32_t count = 0;

	fw_lists_open(fw);
	for (uint32_t i = 0; i < fw->limits.states; i++) {
		struct fw_state *entry = &fw->states[i];

		if (entry->state == FW_USED && sound(fw, entry)) {
			if (entry->seen > now) entry->seen = now;
			*place(fw, count++) = i;
			continue;
		}
		if (entry->state != FW_FREE) adopted->rejected++;
		make_free(fw, i);
	}
	sort_by_age(fw, count);
	for (uint32_t i = 0; i < count; i++) {
		uint32_t number = *place(fw, i);
		struct fw_state *entry = &fw->states[number];

		if (!twice(fw, &entry->key) && fw_link(fw, entry, class_of(entry))) {
			adopted->states++;
			continue;
		}
		adopted->rejected++;
		make_free(fw, number);
	}
}
