/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Inside the firewall: what lies in the memory that is handed in, and what its files
 * ask of each other.
 *
 *   fw_boat | fw_record, one per port | sets | hash buckets | fw_state, one per connection
 *
 * A connection belongs to one port, and has a local side (the VIF) and a remote one, so that a
 * frame finds it whichever way it goes. It is linked in a hash chain and in one of its
 * port's three lists, the least recently used one last:
 *
 *   FW_UNANSWERED  nobody has answered, or TCP's handshake is not done
 *   FW_BRIEF       answered, and quick to make anew: UDP, ICMP, TCP that is closing
 *   FW_LASTING     open TCP
 *
 * Links are no part of what survives: fw_open() makes them from the records.
 */
#ifndef SERVERS_SWITCH_FW_STATE_H
#define SERVERS_SWITCH_FW_STATE_H

#include "fw.h"
#include "libs/rt/rt.h"

#define FW_NONE   0xffffffffU
#define FW_SECOND 1000000000ULL

#define FW_UNANSWERED 0U
#define FW_BRIEF      1U
#define FW_LASTING    2U
#define FW_CLASSES    3U

#define FW_MAX_CHAIN 32U /* connections in one hash chain */

#define FW_FREE 0U
#define FW_USED 1U

/* fw_state.phase of TCP; of other protocols ASKED until there is an answer, then OPEN. */
#define FW_ASKED   0U /* SYN */
#define FW_REPLIED 1U /* SYN from both */
#define FW_OPEN    2U
#define FW_ONE_FIN 3U
#define FW_CLOSED  4U /* FIN from both */
#define FW_RESET   5U
#define FW_PHASES  6U

/* fw_state.flags */
#define FW_F_INWARD 1U /* began with a frame to the VIF */
#define FW_F_LOOSE  2U /* sequence numbers are not known well: TCP in fragments was seen */
#define FW_F_FIN_0  4U /* side 0 has sent FIN; FIN_0 << 1: side 1 */
#define FW_F_ALL    15U

/* What one side of a TCP connection has sent. Side 0 is who began. */
struct fw_side {
	uint32_t end;    /* highest sequence number sent, and one */
	uint32_t limit;  /* sequence number up to which the other side takes */
	uint32_t window; /* the greatest that this side offered, 0: it has not spoken */
	uint8_t scale;   /* PACKET_NO_SCALE */
	uint8_t pad[3];
};

struct fw_key {
	union packet_address local, remote;
	uint16_t port, vlan;
	uint16_t lport, rport;
	uint8_t protocol, family;
	uint8_t pad[6];
};

struct fw_state {
	uint32_t state; /* FW_FREE, FW_USED: written last */
	uint8_t phase, flags;
	uint8_t class;
	uint8_t pad;
	uint64_t seen; /* last used, to a second */
	struct fw_key key;
	struct fw_side side[2];
	uint32_t chain, newer, older; /* made anew by each incarnation; chain: free list as well */
	uint32_t order;               /* scratch of adoption */
};

#define FW_LEASES    4U
#define FW_FRAGMENTS 16U /* packets in fragments at once, for each direction of a port */

struct fw_lease {
	uint32_t valid; /* written last */
	uint32_t address;
	uint64_t until;
};

/* Verdict on a first fragment that passed. Not kept for a successor. */
struct fw_fragment {
	union packet_address src, dst;
	uint64_t at; /* 0: none */
	uint64_t mirror;
	uint32_t id, rule;
	uint32_t budget; /* bytes that later fragments may have, all together */
	uint16_t end;    /* of the first one's payload */
	uint16_t vlan;
	uint8_t family, protocol;
	uint8_t pad[6];
};

struct fw_record {
	struct fw_lease lease[FW_LEASES];
	uint32_t transaction; /* of the DHCP request that was sent last */
	uint32_t asked;       /* there was one */
	uint64_t pad;
	struct fw_fragment fragment[2][FW_FRAGMENTS];
};

#define FW_BOAT_MAGIC 0x31574c4c41574946ULL
struct fw_boat {
	uint64_t magic; /* written when the rest is laid out */
	struct fw_limits limits;
	uint64_t pad[5];
};

/* One rule set in its slot: this, the bytes of proto/rules.h, then fw_live for each rule. */
struct fw_set {
	uint32_t state; /* FW_FREE, FW_USED: written last */
	uint32_t port, direction;
	uint32_t size, live; /* live: offset */
	uint32_t rule_count;
	uint64_t generation; /* of two for the same place the higher one counts */
	uint64_t pad[4];
};

struct fw_live {
	uint64_t packets, bytes;
	uint64_t spent; /* limit: the time that tokens are used up to; see fw_rules.c */
	uint64_t mirror;
};

static inline void fw_publish(uint32_t *word, uint32_t value) {
	__atomic_store_n(word, value, __ATOMIC_RELEASE);
}

static inline const struct rules_header *fw_set_header(const struct fw_set *set) {
	return (const struct rules_header *)(set + 1);
}

static inline struct fw_live *fw_set_live(const struct fw_set *set) {
	return (struct fw_live *)((uintptr_t)set + set->live);
}

/* What a frame is to the connections of its port. */
struct fw_track {
	struct fw_key key;
	struct fw_state *entry; /* NULL: none so far */
	uint8_t class;          /* RULES_NEW... */
	uint8_t phase;          /* after this frame, if it passes */
	uint8_t side;           /* that sent it */
	bool begin;             /* it begins a connection, in `entry` if there is one */
	bool passive;           /* nothing is learned from it */
};

/* --- fw_state.c --- */
void fw_states_open(struct fw *fw, uint64_t now, struct fw_adopted *adopted);
void fw_find(struct fw *fw, uint32_t port, uint32_t direction, const struct packet *packet,
	     uint64_t now, struct fw_track *track);
/* The frame passes. False: there is no room for its connection, so it does not. */
bool fw_commit(struct fw *fw, const struct fw_track *track, const struct packet *packet,
	       uint64_t now, uint32_t direction);
void fw_states_reset(struct fw *fw, uint32_t port);

/* --- fw_list.c: chains, lists, who must go --- */
uint32_t fw_bucket(const struct fw *fw, const struct fw_key *key);
bool fw_same(const struct fw_key *a, const struct fw_key *b);
void fw_lists_open(struct fw *fw);
/* Both lists and the chain; class is set. False: the chain is full. */
bool fw_link(struct fw *fw, struct fw_state *entry, uint32_t class);
void fw_touch(struct fw *fw, struct fw_state *entry, uint32_t class);
void fw_remove(struct fw *fw, struct fw_state *entry);
/* A free record for a port, if need be by eviction. NULL: it may not have more. */
struct fw_state *fw_allocate(struct fw *fw, uint32_t port);

/* --- fw_tcp.c --- */
/* A first frame: does it begin a connection? */
bool fw_tcp_begins(const struct packet *packet);
void fw_tcp_find(const struct packet *packet, struct fw_track *track);
void fw_tcp_begin(struct fw_state *entry, const struct packet *packet);
void fw_tcp_commit(struct fw_state *entry, const struct packet *packet,
		   const struct fw_track *track);

/* --- fw_rules.c --- */
struct fw_frame {
	const struct packet *packet;
	uint32_t state; /* RULES_NEW... */
	uint64_t now;
};
/* Fills in action, rule, log, mirror; counts. */
void fw_evaluate(struct fw_set *set, const struct fw_frame *frame, struct fw_verdict *verdict);
/* The time that an unused bucket has spent: what fw_live.spent begins with. */
uint64_t fw_bucket_full(const struct rules_rule *rule, uint64_t now);
/* A bucket as a predecessor left it, which may be anything. */
uint64_t fw_bucket_check(const struct rules_rule *rule, uint64_t spent, uint64_t now);
void fw_count(struct fw_set *set, uint32_t rule, uint32_t bytes);

/* --- fw_set.c --- */
void fw_sets_open(struct fw *fw, uint64_t now, struct fw_adopted *adopted);

/* --- fw_source.c --- */
/* 0, or why the VIF may not send this. */
uint32_t fw_source(const struct fw *fw, uint32_t port, const struct packet *packet, uint64_t now);

/* --- fw_lease.c --- */
void fw_leases_open(struct fw *fw, struct fw_adopted *adopted);
bool fw_leased(const struct fw *fw, uint32_t port, uint32_t address, uint64_t now);
/* A frame passed: from the VIF, or to it from the port `from`. */
void fw_snoop(struct fw *fw, uint32_t port, uint32_t direction, uint32_t from,
	      const struct packet *packet, uint64_t now);

/* --- fw_fragment.c --- */
/* A later fragment: the verdict on its first one. */
void fw_later(struct fw *fw, uint32_t port, uint32_t direction, const struct packet *packet,
	      uint64_t now, struct fw_verdict *verdict);
/* The verdict on a first one. */
void fw_first(struct fw *fw, uint32_t port, uint32_t direction, const struct packet *packet,
	      uint64_t now, const struct fw_verdict *verdict);

_Static_assert(sizeof(struct fw_key) == 48, "fw_key layout");
_Static_assert(sizeof(struct fw_state) == 112, "fw_state layout");
_Static_assert(sizeof(struct fw_fragment) == 72, "fw_fragment layout");
_Static_assert(sizeof(struct fw_boat) == 64, "fw_boat layout");
_Static_assert(sizeof(struct fw_set) == 64, "fw_set layout");
_Static_assert(sizeof(struct fw_live) == 32, "fw_live layout");

#endif
