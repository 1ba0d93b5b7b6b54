/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The switch in a world of its own: guests with rings and pages, a store of two states per
 * VIF, and the real driver's end of libs/net over a card that keeps what leaves and gives
 * what the test puts on the wire. All of the world is one structure, which may be
 * shared with a child process: then the switch can die and the world goes on.
 *
 * Frames carry their own truth: who sent them, a number, their length, and bytes that follow
 * from these. The card and the guests refuse any other.
 */
#ifndef TESTS_UNIT_NATIVE_SWITCH_RIG_H
#define TESTS_UNIT_NATIVE_SWITCH_RIG_H

#include "../native.h"
#include "libs/net/driver.h"
#include "servers/switch/switch.h"

#define GUESTS      3U
#define QUEUES      2U
#define PAGES       1024U /* of a guest; grant reference n is page n */
#define RX_PAGES    512U  /* the first of them are buffers: a queue has 256 */
#define FIRST_DOMID 5U
#define BOAT_PAGES  512U /* of the lifeboat, for records and firewall */
#define POOL        480U
#define POOL_REF    5000U
#define WIRE        256U
#define ETHERTYPE   0x88b5U /* for experiments */

struct world_guest {
	uint8_t ring[QUEUES][2][PAGE_SIZE]; /* BOAT_TX, BOAT_RX */
	uint8_t page[PAGES][PAGE_SIZE];
	bool granted[PAGES];
};

struct wire {
	uint32_t length, pieces;
	struct net_tx packet;
	uint8_t bytes[65600];
};

struct world {
	uint8_t net[NET_PAGES][PAGE_SIZE];
	uint8_t lifeboat[BOAT_PAGES][PAGE_SIZE];
	uint8_t pool[POOL][PAGE_SIZE];
	bool mapped[POOL];
	struct world_guest guest[GUESTS];
	uint32_t backend[SW_PORTS], front[SW_PORTS];
	struct front rings[SW_PORTS];
	uint32_t notified[GUESTS * QUEUES * 2];
};
extern struct world *world;
extern bool rig_deaf[SW_PORTS]; /* ports that are not listened to */
extern uint64_t rig_time;
extern uint64_t rig_takes;                /* ns that pass with each look at the clock */
extern uint32_t rig_asked;                /* event_asked(), at the last wake-up */
extern uint32_t rig_wanted[], rig_done[]; /* control_device(): root's word, and the answer */

/* What the tests describe: filled by rig_describe(), changed before rig_server(). */
struct rig_blob {
	struct switch_config config;
	struct switch_network network[2];
	struct switch_port port[GUESTS + 2];
	struct switch_ruleset ruleset[1];
	uint16_t vlan[8];
	struct rules_header rules;
	struct rules_rule rule[1];
	char strings[256];
};
extern struct rig_blob rig_blob;
/* Port n of guest n, with `queues` queues; behind them the card. Everything is accepted. */
void rig_describe(uint32_t queues);
#define CARD GUESTS /* its port */

void rig_world(void);  /* fresh; first of all */
void rig_server(void); /* a new incarnation of the switch, in this process */
void rig_serve(void);  /* one wake-up, whatever happened */
void rig_store(void);
void rig_store_forget(void);
uint64_t rig_dropped(uint32_t port, uint32_t reason);

/* --- the card --- */

extern struct net_driver rig_driver;
extern struct wire rig_wire[WIRE]; /* what has left; rig_left counts on */
extern uint32_t rig_left;
extern uint32_t rig_features; /* of the card, before rig_driver_start() */
extern bool rig_stuck;        /* it sends nothing */
void rig_driver_start(void);
void rig_driver_serve(void);
/* A frame from the wire. False: no buffers. */
bool rig_receive(const uint8_t *bytes, uint32_t length, uint16_t flags);
/* The same from a card with NET_RX_HEADERS, which says this of it. */
bool rig_receive_large(const struct net_header *header, const uint8_t *bytes, uint32_t length);

/* --- frames --- */

void rig_mac(uint32_t n, uint8_t mac[6]); /* of guest n; higher ones are behind the card */
#define EVERYBODY 0xffU
/* length: at least 26. */
void frame_write(uint8_t *to, uint32_t from_n, uint32_t to_n, uint32_t number, uint32_t length);
/* Fails unless it is such a frame, whole. Returns its number. */
uint32_t frame_check(const uint8_t *bytes, uint32_t length, uint32_t *from_n, uint32_t *to_n);

/* --- a guest's netfront: one queue --- */

struct netfront {
	uint32_t guest, queue;
	uint32_t tx_prod, tx_cons, rx_prod, rx_cons;
	uint32_t number; /* of the frame that is next */
	uint64_t answered, errors, came, bytes;
	uint32_t last_number; /* of the last frame that came */
	uint16_t last_flags;  /* of its first response */
	uint32_t last_length;
	uint64_t last_extra;
	uint8_t last[65600];
	uint8_t used[NETIF_SLOTS]; /* transmit ids: 0 free, 1 a request, 2 an extra info */
	bool raw;                  /* frames that come are not checked */
};

void front_init(struct netfront *front, uint32_t guest, uint32_t queue);
/* Posts buffers as far as there are slots. */
void front_post(struct netfront *front, uint32_t most);
uint32_t front_room(const struct netfront *front); /* free transmit slots */
/* A raw request into the next slot. */
void front_put(struct netfront *front, const struct netif_tx_request *request);
void front_put_extra(struct netfront *front, const struct netif_extra_info *extra);
void front_push(struct netfront *front);
/* These bytes in `slots` slots of random sizes. flags: of the first. */
void front_send(struct netfront *front, const uint8_t *bytes, uint32_t length, uint32_t slots,
		uint16_t flags, const struct netif_extra_info *extra);
/* Such a frame of random length, pieces, receiver. */
void front_random(struct netfront *front, uint32_t most);
/* Takes answers and frames; each must be right. */
void front_collect(struct netfront *front);

#endif
