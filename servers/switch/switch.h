/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The virtual firewall-router. VIFs of guests on one side, cards behind drivers on the
 * other; README.md tells how a frame goes through. Who does what:
 *
 *   config.c   the configuration blob          main.c     start, guests come and go
 *   state.c    VIFs as guests' devices         node.c     a VIF's nodes in the store
 *   front.c    a frontend's nodes              link.c     rings mapped, ports bound
 *   tx.c       requests become frames          rx.c       frames go into posted buffers
 *   answer.c   answers, so that each is given once     boat.c   what survives us
 *   frame.c    frames and pages of the pool    copy.c     grant copies, in batches
 *   forward.c  who gets a frame                address.c  addresses that were learned
 *   uplink.c   sessions with drivers           offload.c  what a receiver cannot do itself
 *   share.c    whose turn it is                pump.c     the order of one wake-up
 *   pause.c    when guests are to ring         kick.c     guests that ring for nothing
 *   memory.c   what lies in the lifeboat       drop.c     names of reasons
 *   fw*.c      the firewall                    ctl.c      proto/netctl.h
 *   say.c      packets in words                tap.c      what is captured
 *   merge.c    segments into large frames      group.c    multicast groups
 *
 * States of the VIFs, and VIFs that come and go: libs/xenbus/backend.h.
 *
 * Ports, queues and frames are static arrays and name each other by index. There is one
 * thread and no locks.
 */
#ifndef SERVERS_SWITCH_SWITCH_H
#define SERVERS_SWITCH_SWITCH_H

#include "boat.h"
#include "copy.h"
#include "drop.h"
#include "frame.h"
#include "fw.h"
#include "libs/bucket/bucket.h"
#include "libs/grant/grant.h"
#include "libs/net/server.h"
#include "libs/rt/rt.h"
#include "libs/xenbus/backend.h"
#include "proto/switch.h"
#include "proto/system.h"
#include "proto/xen/netif.h"

#define SW_PORTS   SWITCH_MAX_PORTS
#define SW_QUEUES  BOAT_QUEUES
#define SW_UPLINKS SWITCH_MAX_UPLINKS
#define VLAN_TAG   4U

#define SW_ROUND   64U /* frames taken from VIFs in one round */
#define SW_ROUNDS  4U  /* before other events are looked at */
#define SW_QUANTUM 16384U
/* A frame costs as much as one of this many bytes at least: most work is per frame. */
#define SW_COST    512U
/*
 * Shorter frames are small, and a VIF may send so many in a second. Beyond that each wants an
 * income of SW_ANSWER bytes, where a frame that the VIF has received counts SW_COST at least: one
 * acknowledgement for two segments, one question for two answers.
 */
#define SW_SMALL   SW_COST
#define SW_ANSWER  1024U
#define SW_INCOME  (256U * SW_ANSWER) /* most that is saved up */
#define SW_PAUSE   1000000U /* ns: a VIF that is held back is not looked at for each frame */
#define SW_WAITING 64U      /* frames that wait for one VIF's buffers; */
#define SW_PAGES   48U      /* and pages of the pool that these hold */

/* One ring of a guest's; index `next` is the next request, and the next answer's. */
struct ring {
	struct netif_sring *shared; /* the guest's page */
	uint32_t next;              /* requests taken, answers staged */
	uint32_t published;         /* rsp_prod, as the guest knows it */
	uint32_t available;         /* req_prod, as last seen; */
	uint32_t rung_for;          /* and when the guest rang */
	uint32_t port;
	struct grant_mapping mapping;
	uint64_t answer[NETIF_SLOTS]; /* staged: of published..next-1 */
};

/* Packets that are looked at without being told of: pause.c. */
struct pause {
	uint32_t packets;      /* taken since the queue was last empty */
	uint32_t taken;        /* in this pause */
	uint64_t began, until; /* 0: there is none */
	uint64_t last;         /* when packets were found */
	uint16_t skip, backoff;
};

struct queue {
	uint16_t port;   /* whose */
	uint16_t number; /* among those of its VIF */
	uint16_t guess;  /* uplink where the last frame went; SW_NONE: to guests */
	struct ring tx, rx;
	uint16_t condemned; /* requests that have killed the switch twice */
	/* frames that wait for buffers: a ring */
	uint16_t waiting[SW_WAITING];
	uint32_t waiting_first, waiting_count, waiting_pages;
	struct pause pause;
};

/* What a frontend writes into the store, as far as it was read. */
#define FRONT_COPY      1U
#define FRONT_NOTIFY    2U
#define FRONT_SG        4U
#define FRONT_GSO4      8U
#define FRONT_GSO6      16U
#define FRONT_CSUM6     32U
#define FRONT_NO_CSUM   64U
#define FRONT_MULTICAST 128U
struct front {
	uint32_t queues, flags;
	uint32_t tx_ref[SWITCH_MAX_QUEUES], rx_ref[SWITCH_MAX_QUEUES];
	uint32_t tx_port[SWITCH_MAX_QUEUES], rx_port[SWITCH_MAX_QUEUES];
};

struct vif {
	struct backend_device end;
	uint16_t first_queue, queue_count, offered;
	struct front front;
	struct bucket out_bytes, out_packets, in_bytes, in_packets;
	struct bucket small; /* frames that it sends */
	uint32_t income;     /* bytes, for small frames beyond that */
	bool nonsense; /* the last packet was none: what the next says of its size is not believed
			*/
	int64_t deficit;
	uint64_t kicks_paid, kicks_told, deaf_until; /* kick.c; 0: it is listened to */
	uint16_t turn;                               /* queue that is next */
};

struct pending {
	uint16_t frame;
	bool tagged;
};

struct uplink {
	const struct native_connection *connection;
	uint32_t port;
	struct net_server net;
	uint32_t window; /* capability; 0: none, and it is not served */
	uint32_t first, slots;
	bool up, changed;    /* mapped and in session; something is to be published */
	uint64_t down_since; /* 0: it is up */
	uint64_t waiting;    /* VIFs that wait for room */
	uint64_t rest;       /* rest.c: no new buffers until then */
	uint32_t lost;       /* its frames, since the last wake-up, for which guests had no room */
	uint32_t words;      /* of the ring, by what is in the card */
	uint32_t pending_count, pending_words;
	struct pending pending[NET_TX_TAGS]; /* until the round's copies are done */
	uint16_t frame[NET_TX_TAGS];         /* in the card; SW_NONE: this tag is free */
	uint16_t buffer[NET_RX_TAGS];
	uint64_t address[POOL_PAGES]; /* of the pool's pages, for the card */
};

struct port {
	const struct switch_port *config;
	const char *name;
	uint8_t kind; /* SWITCH_PORT_* */
	uint8_t network;
	uint16_t uplink; /* index, with SWITCH_PORT_UPLINK */
	uint32_t learned;
	struct boat_port *count; /* in the lifeboat */
	uint64_t member[64];     /* VLANs with tags, a bit each */
	struct vif vif;
};

struct network {
	const char *name;
	uint32_t mtu;
	uint64_t ports; /* one bit each */
	uint32_t uplinks;
};

struct switch_server {
	uint64_t now;
	const struct switch_config *config;
	struct boat *boat;
	uint32_t port_count, network_count, uplink_count, queue_count;
	struct network network[SWITCH_MAX_NETWORKS];
	struct port port[SW_PORTS];
	struct queue queue[SW_QUEUES];
	struct uplink uplink[SW_UPLINKS];
	struct fw fw;
	uint64_t limited; /* VIFs that are to be looked at next time */
	uint32_t asked;   /* of this wake-up: as event_asked() has it */
	uint32_t held;    /* uplinks that use a predecessor's pages: one bit each */
	uint64_t ready;   /* VIFs whose transmit rings are to be looked at: one bit each */
	uint64_t starved; /* VIFs for which frames wait that have posted buffers since */
	uint64_t dirty;   /* VIFs with staged answers */
	uint64_t deaf;    /* VIFs that are not listened to for a while */
	uint32_t turn;
	uint32_t waiting_pages; /* of the pool, held by frames that wait for buffers */
	uint64_t deadline;
};
extern struct switch_server sw;

/* Whose end it is. */
static inline struct port *port_of(const struct backend_device *end) {
	return &sw.port[end->number];
}
static inline uint32_t port_index(const struct port *port) { return (uint32_t)(port - sw.port); }
static inline struct port *queue_port(const struct queue *queue) { return &sw.port[queue->port]; }
/* An address as a number: what keys are made of. */
static inline uint64_t mac_number(const uint8_t mac[6]) {
	uint32_t first;
	uint16_t last;

	__builtin_memcpy(&first, mac, sizeof(first));
	__builtin_memcpy(&last, mac + sizeof(first), sizeof(last));
	return (uint64_t)__builtin_bswap32(first) << 16 | __builtin_bswap16(last);
}
/* Look again at this time, at the latest. 0: no need. */
static inline void sw_wake_at(uint64_t time) {
	if (time && (!sw.deadline || time < sw.deadline)) sw.deadline = time;
}

/*
 * The tap: ctl.c sets it. Called for each frame once per port it passes or ends at; direction:
 * NETCTL_OUT from the port, NETCTL_IN to it; reason: DROP_NONE or why it ends here. The frame
 * is as inside the network, without a tag (frame->vlan); its first frame->head_length
 * bytes are at frame->head, and more may not be reachable.
 */
typedef void (*tap_function)(uint32_t port, uint32_t direction, uint32_t reason,
			     const struct frame *frame);
extern tap_function sw_tap;
static inline void tap(uint32_t port, uint32_t direction, uint32_t reason,
		       const struct frame *frame) {
	if (__builtin_expect(sw_tap != NULL, 0)) sw_tap(port, direction, reason, frame);
}

static inline void port_drop(uint32_t port, uint32_t direction, uint32_t reason,
			     const struct frame *frame) {
	sw.port[port].count->dropped[reason]++;
	tap(port, direction, reason, frame);
}

/* --- config.c --- */

/* NULL: every offset, count and string of the blob is good; else what is not. */
const char *config_check(const void *blob, uint32_t size);
static inline const char *config_string(uint32_t offset) {
	return offset ? (const char *)sw.config + offset : "";
}
/* Fills networks, ports and queues. */
void config_apply(const struct switch_config *config);

/* --- memory.c --- */

/* Bytes of the lifeboat that records and firewall take; after config_apply(). */
uint64_t memory_size(void);
/* Opens both on that memory: zero, or what a predecessor left. The pool is there already. */
void memory_open(void *memory);

/* --- tx.c --- */

enum tx_taken {
	TX_EMPTY,   /* the guest will tell when there is more */
	TX_BLOCKED, /* something has to happen first */
	TX_TAKEN    /* a packet; *taken NULL: it ends here */
};
/* Takes one packet; its head is there after copy_flush(). */
enum tx_taken tx_take(struct queue *queue, struct frame **taken, uint32_t *cost);
/* The frame could not be read: so says the answer. */
void tx_fail(const struct frame *frame);

/* --- rx.c --- */

/* To the guest's buffers, or into the queue of those that wait, or dropped and counted. */
void rx_give(struct port *port, struct frame *frame);
/* Its buffer could not be written. */
void rx_refuse(struct queue *queue, uint32_t index);
/* Frames that wait get their buffers, as far as there are some. */
void rx_feed(struct port *port);
/* None of them will. */
void rx_forget(struct queue *queue);

/* --- answer.c --- */

/* Requests that can be taken now. With impossible indices the VIF is taken away. */
uint32_t queue_available(struct queue *queue, struct ring *ring);
/* The guest may tell when there are `count` new requests. True: there are already. */
bool queue_sleep(struct ring *ring, uint32_t count);
/* Shows guests all staged answers; one event for each ring. */
void answer_all(void);
/* A VIF's rings are mapped: goes on where a predecessor stood (adopt), or begins. */
void answer_connect(struct port *port, bool adopt);
/* What a predecessor left for it is void. */
void answer_forget(uint32_t port);
/* A round takes so many requests more from this queue; ends for all. */
void round_begin(struct queue *queue, uint32_t slots);
void round_end(void);

/* --- forward.c --- */

/* Judges a frame that came from a port, and gives it to whom it is for. */
void forward(struct frame *frame);

/* --- address.c --- */

void address_open(void);
void address_learn(uint32_t port, const uint8_t mac[6], uint16_t vlan);
/* SW_NONE: unknown. */
uint32_t address_find(uint32_t network, const uint8_t mac[6], uint16_t vlan);
/* The port is gone. */
void address_forget(uint32_t port);

/* --- group.c --- */

/* A VIF is connected: what its guest had asked a predecessor for (adopt), or none yet. */
void group_connect(struct port *port, bool adopt);
/* Its guest wants to hear this group, or does not any more. */
void group_change(struct port *port, const uint8_t mac[6], bool wanted);
bool group_wanted(const struct port *port, const uint8_t mac[6]);

/* --- uplink.c --- */

/* NULL: it serves, or its device is not there; else what is wrong. */
const char *uplink_open(struct uplink *uplink);
/* There is room for a frame of this length; false: the VIF will be ready when there is. */
bool uplink_room(struct uplink *uplink, uint32_t bytes, uint32_t port);
/* The frame is sent when its pages are in the pool. */
void uplink_give(struct port *port, struct frame *frame);
/* After the round's copies: to the cards. */
void uplink_flush(void);
/* Frames that cards have received since; at most `count`. */
uint32_t uplink_take(struct frame **taken, uint32_t count);
/*
 * A predecessor's cards may still read and write its pages: until all have begun a new
 * session, or cannot any more, nobody uses the pool.
 */
void uplink_hold(void);
bool uplink_held(void);
/* At the end of a wake-up: buffers, news for drivers, who waits for one that is away. */
void uplink_publish(void);
/* What the cards of a network let in. */
void uplink_filter(uint32_t network);

/* --- offload.c --- */

/* The frame asks for more than a receiver with these features (NET_TX_*) can do. */
bool offload_wants(const struct frame *frame, uint32_t features);
/* It is done in software when all of the frame is in the pool; then it is given again. */
void offload_later(struct port *port, struct frame *frame);
/* After the round's copies. True: frames were given, and there are copies again. */
bool offload_run(void);

/* --- merge.c --- */

/*
 * Merges what it can of frames that a card has received; the others stay, in their order. How
 * many.
 */
uint32_t merge_received(struct frame **round, uint32_t count);

/* --- pause.c --- */

/*
 * The queue is empty: with how many requests its guest is to ring. If that is not one,
 * it is looked at before that.
 */
uint32_t pause_requests(struct queue *queue);
/* A wake-up in which there were packets has taken so long. */
void pause_cost(uint64_t ns);

/* --- rest.c --- */

/* There was no room for it at the one it is for. */
void rest_lost(const struct frame *frame);
/* After a wake-up in which so many frames were taken, and uplink_publish(): what it lost counts for
 * the next, so that there are buffers now and then whatever is lost. */
void rest_after(uint32_t taken);
/* The card may have new buffers. */
bool rest_is_over(const struct uplink *uplink);

/* --- kick.c --- */

/* An event of the queue's transmit ring, receive ring, or of both. */
void kick_heard(struct queue *queue, bool tx, bool rx, uint64_t now);
/* Its rings are let go: the next frontend begins with nothing against it. */
void kick_forget(struct port *port);
/* Whose time is over is listened to again. Those others are looked at as we are awake anyway. */
void kick_listen(void);

/* --- share.c --- */

/* Takes a round's frames, VIF by VIF, at most `most`. How many. */
uint32_t share_take(struct frame **round, uint32_t most);
/* 0: the VIF may send a frame of this length; else when to ask again. */
uint64_t share_wait(struct vif *vif, uint32_t length);
/* It has sent one; NULL: something that is none. */
void share_sent(struct vif *vif, const struct frame *frame);
/* It was given one. */
void share_received(struct vif *vif, const struct frame *frame);

/* --- state.c --- */

/* First of all: the devices of guests are VIFs. */
void vif_begin(void);
/* Nothing of the guest is left here. */
bool vif_gone(uint16_t guest);

/* --- node.c, front.c: for backend_class --- */

#define NODE_COUNT 26U
extern const struct backend_node node_table[NODE_COUNT];
void node_value(const struct backend_device *end, uint32_t value, char to[BACKEND_PATH]);
extern const struct backend_round front_rounds[BACKEND_ROUNDS];

/* --- link.c --- */

/* NULL: all rings of vif.front are mapped and bound; else what failed. */
const char *link_connect(struct port *port);
void link_disconnect(struct port *port);
void link_notify(uint32_t port);
/* Whether its events wake us. */
void link_listen(struct port *port, bool listen);
/* These pages of the pool can be reached from now on. */
void link_pool(uint32_t first, uint32_t count);
/* Grant copies; each has its status then. */
struct gnttab_copy;
void link_copy(struct gnttab_copy *copies, uint32_t count);

/* --- pump.c --- */

void pump(void *context);
/* The pump will run before the domain sleeps. */
void pump_soon(void);

/* --- ctl.c --- */

/* Serves all SYSTEM_CONN_NETCTL connections; after configuration and lifeboat. */
void ctl_open(void);

#endif
