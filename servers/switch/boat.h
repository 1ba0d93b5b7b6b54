/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What survives the switch. Nothing is written when a request is taken: between two
 * rounds every request that was taken is answered, and a successor begins where the
 * shared page says that answers end (rsp_prod). Frames of a round that
 * was cut short are done again, which a network may do.
 *
 * Only answering needs a record, because an answer overwrites the request whose slot
 * it uses. All answers of a ring's round are first written here, then
 *
 *   state = BUSY  ->  slots are overwritten  ->  rsp_prod moves over all  ->  state = FREE
 *
 * A successor that finds BUSY and rsp_prod where it was overwrites them once more
 * from here; if rsp_prod has moved, the guest has them. One record per VIF is enough: its
 * rings are answered one after the other.
 *
 * A frame that kills the switch would kill each successor too. So a round notes from which
 * index it takes (struct boat_round). A successor that finds a round begun twice at the same
 * index answers what is there, and drops the frames.
 *
 * Counters, multicast groups, learned addresses, rules that were changed and connections that are
 * tracked lie here as well, behind one another. The lifeboat's last pages are the pool of packets.
 */
#ifndef SERVERS_SWITCH_BOAT_H
#define SERVERS_SWITCH_BOAT_H

#include "drop.h"
#include "libs/rt/rt.h"
#include "proto/switch.h"
#include "proto/xen/netif.h"

#define BOAT_LAYOUT    2U
#define BOAT_QUEUES    96U
#define BOAT_ADDRESSES 1024U
#define BOAT_GROUPS    32U /* multicast addresses of one VIF */

#define BOAT_FREE 0U
#define BOAT_BUSY 1U

#define BOAT_TX 0U
#define BOAT_RX 1U

struct boat_answers {
	uint32_t state; /* BOAT_* */
	uint32_t incarnation;
	uint16_t queue; /* of the VIF */
	uint16_t ring;  /* BOAT_TX, BOAT_RX */
	uint32_t base;  /* index of the first */
	uint32_t count;
	uint32_t pad[3];
	uint64_t answer[NETIF_SLOTS]; /* as they lie in the slots */
};

struct boat_round {
	uint32_t base;  /* index of the first request that it takes */
	uint32_t count; /* 0: none is under way; else how many requests, at least */
	uint32_t times; /* that it began here */
	uint32_t incarnation;
};

struct boat_port {
	uint64_t in_packets, in_bytes, out_packets, out_bytes;
	uint64_t dropped[NETCTL_DROP_REASONS];
};

/* An address that was learned. Complete before `key` is set; 0 is none. */
struct boat_address {
	uint64_t key;  /* MAC << 16 | network << 12 | VLAN */
	uint32_t port; /* it is behind */
	uint32_t seen; /* seconds since boot */
};

/*
 * What a VIF has asked for by multicast control. A request is done once more if we die before it
 * is answered, and leaves the same then.
 */
struct boat_groups {
	uint32_t listed; /* it hears these only; 0: all of them */
	uint32_t incarnation;
	uint64_t group[BOAT_GROUPS]; /* MAC << 16 | 1; 0: none */
};

struct boat {
	struct boat_port port[SWITCH_MAX_PORTS];
	struct boat_groups groups[SWITCH_MAX_PORTS];
	struct boat_round round[BOAT_QUEUES];
	struct boat_address address[BOAT_ADDRESSES];
	struct boat_answers answers[SWITCH_MAX_PORTS];
};

static inline void boat_set(struct boat_answers *record, uint32_t state) {
	__atomic_store_n(&record->state, state, __ATOMIC_RELEASE);
}

/* Records that cannot be are made free; how many there were. */
uint32_t boat_check(struct boat *boat, uint32_t ports);

_Static_assert(sizeof(struct boat_answers) == 32 + 8 * NETIF_SLOTS, "boat_answers layout");
_Static_assert(sizeof(struct boat_round) == 16, "boat_round layout");
_Static_assert(sizeof(struct boat_address) == 16, "boat_address layout");
_Static_assert(sizeof(struct boat_groups) == 8 + 8 * BOAT_GROUPS, "boat_groups layout");

#endif
