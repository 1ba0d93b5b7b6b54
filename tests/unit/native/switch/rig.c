/* SPDX-License-Identifier: BSD-2-Clause */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */

#include "rig.h"

#include "libs/cap/cap.h"
#include "libs/control/control.h"
#include "libs/event/event.h"
#include "libs/lifeboat/lifeboat.h"
#include "libs/rt/time.h"
#include "proto/xen/grant.h"

#include <sys/mman.h>

struct switch_server sw;
tap_function sw_tap;
struct world *world;
uint64_t rig_time = 1000000;
struct rig_blob rig_blob;
struct net_driver rig_driver;
struct wire rig_wire[WIRE];
uint32_t rig_left, rig_features;
bool rig_stuck, rig_deaf[SW_PORTS];
static struct native_start start;
const struct native_start *rt_start_page = &start;
static uint32_t strings_end;

/* --- the runtime --- */

void event_handle(uint32_t port, event_handler handler, void *context) {
	(void)port, (void)handler, (void)context;
}
void event_again(uint32_t port) { (void)port; }
void event_send(uint32_t port) { (void)port; }
uint32_t rig_asked;
void event_asked(uint32_t most, uint64_t since) {
	CHECK(since <= rig_time);
	rig_asked = most;
}
void event_timer_arm(struct event_timer *timer, uint64_t deadline) { timer->deadline = deadline; }
void control_scan(void) {}
uint32_t rig_wanted[CONTROL_DEVICES], rig_done[CONTROL_DEVICES];
uint32_t control_device(unsigned n) { return rig_wanted[n]; }
bool control_device_settled(unsigned n) {
	return (rig_wanted[n] ^ rig_done[n]) >> CONTROL_DEVICE_SHIFT == 0;
}
void control_device_done(unsigned n, uint32_t wanted, uint32_t flags) {
	rig_done[n] = wanted | flags;
}
uint64_t rig_takes;
uint64_t time_now(void) {
	rig_time += rig_takes;
	return rig_time;
}
int grant_map(struct grant_mapping *mapping, uint16_t domid, uint32_t ref, uint32_t pages) {
	(void)domid, (void)ref, (void)pages;
	mapping->at = world->net;
	return 0;
}
const struct native_connection *rt_connection(uint16_t protocol, unsigned n) {
	(void)protocol, (void)n;
	return NULL;
}

/* --- the core --- */

int cap_inspect(uint32_t slot, struct cap_info *info) {
	(void)slot;
	*info = (struct cap_info){.type = CAP_DMASPACE, .first = 100, .count = POOL + 10};
	return 0;
}

int cap_dma_map(uint32_t slot, struct dma_map *maps, uint32_t count) {
	(void)slot;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t n = maps[i].slot - 100;

		CHECK(n < POOL && !world->mapped[n]);
		CHECK(maps[i].domid == 0 && maps[i].what == POOL_REF + n);
		world->mapped[n] = true;
		maps[i].address = (uint64_t)(n + 1) << 12;
		maps[i].status = 0;
	}
	return (int)count;
}

int cap_dma_unmap(uint32_t slot, const uint32_t *slots, uint32_t count) {
	(void)slot;
	for (uint32_t i = 0; i < count; i++) {
		CHECK(slots[i] - 100 < POOL);
		world->mapped[slots[i] - 100] = false;
	}
	return 0;
}

int cap_dma_read(uint32_t slot, uint32_t first, struct dma_map *maps, uint32_t count) {
	(void)slot;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t n = first - 100 + i;

		CHECK(n < POOL);
		maps[i] = (struct dma_map){
			.what = POOL_REF + n,
			.address = (uint64_t)(n + 1) << 12,
			.status = world->mapped[n] ? 0 : -XEN_ENOENT,
		};
	}
	return (int)count;
}

static bool opened[POOL]; /* of the pool: that the server has mapped */

static uint8_t *reach(const struct gnttab_copy_ptr *p) {
	struct world_guest *guest;

	if (p->domid == 0) {
		CHECK(p->u.ref - POOL_REF < POOL && opened[p->u.ref - POOL_REF]);
		return world->pool[p->u.ref - POOL_REF] + p->offset;
	}
	CHECK(p->domid - FIRST_DOMID < GUESTS);
	guest = &world->guest[p->domid - FIRST_DOMID];
	return p->u.ref < PAGES && guest->granted[p->u.ref] ? guest->page[p->u.ref] + p->offset
							    : NULL;
}

void link_pool(uint32_t first, uint32_t count) {
	CHECK(first + count <= POOL);
	for (uint32_t i = first; i < first + count; i++) {
		CHECK(!opened[i]);
		opened[i] = true;
	}
}

void link_copy(struct gnttab_copy *copies, uint32_t count) {
	for (uint32_t i = 0; i < count; i++) {
		struct gnttab_copy *c = &copies[i];
		const uint8_t *from = reach(&c->source);
		uint8_t *to = reach(&c->dest);

		CHECK(c->len && c->source.offset + c->len <= PAGE_SIZE);
		CHECK(c->dest.offset + c->len <= PAGE_SIZE);
		CHECK(c->flags == (GNTCOPY_source_gref | GNTCOPY_dest_gref));
		c->status = from && to ? 0 : GNTST_bad_gntref;
		if (from && to) memcpy(to, from, c->len);
	}
}

const char *link_connect(struct port *port) {
	uint32_t guest = port->vif.end.domid - FIRST_DOMID;

	for (uint32_t i = 0; i < port->vif.queue_count; i++) {
		struct queue *queue = &sw.queue[port->vif.first_queue + i];
		uint32_t n = (guest * QUEUES + i) * 2;

		queue->tx.shared = (void *)world->guest[guest].ring[i][BOAT_TX];
		queue->rx.shared = (void *)world->guest[guest].ring[i][BOAT_RX];
		queue->tx.port = 1 + n;
		queue->rx.port = 2 + n;
	}
	return NULL;
}

void link_disconnect(struct port *port) {
	rig_deaf[port_index(port)] = false;
	port->vif.queue_count = 0;
}
void link_notify(uint32_t port) { world->notified[port - 1]++; }
void link_listen(struct port *port, bool listen) { rig_deaf[port_index(port)] = !listen; }

/* --- the card --- */

static struct {
	struct net_rx_buffer buffer[NET_RX_TAGS];
	uint32_t count;
	uint16_t sent[NET_TX_TAGS];
	uint32_t sent_count;
} card;

static uint8_t *card_reach(uint64_t address) {
	uint64_t n = (address >> 12) - 1;

	CHECK(n < POOL && world->mapped[n]);
	return world->pool[n] + address % PAGE_SIZE;
}

static bool card_transmit(void *device, const struct net_tx *packet,
			  const struct net_segment *segments) {
	struct wire *wire = &rig_wire[rig_left % WIRE];

	(void)device;
	if (rig_stuck) return false;
	wire->length = 0;
	wire->pieces = packet->segments;
	wire->packet = *packet;
	for (uint32_t i = 0; i < packet->segments; i++) {
		CHECK(wire->length + segments[i].length <= sizeof(wire->bytes));
		memcpy(wire->bytes + wire->length, card_reach(segments[i].address),
		       segments[i].length);
		wire->length += segments[i].length;
	}
	rig_left++;
	card.sent[card.sent_count++] = packet->tag;
	return true;
}

static bool card_post(void *device, uint16_t tag, uint64_t address) {
	(void)device;
	card.buffer[card.count++] = (struct net_rx_buffer){.tag = tag, .address = address};
	return true;
}

static bool card_quiesce(void *device) {
	(void)device;
	memset(&card, 0, sizeof(card));
	return true;
}

static void card_filter(void *device, const struct net_filter *filter) {
	(void)device, (void)filter;
}

static const struct net_driver_ops card_ops = {
	.transmit = card_transmit,
	.post = card_post,
	.quiesce = card_quiesce,
	.filter = card_filter,
};

void rig_driver_start(void) {
	static uint32_t incarnation;
	const struct net_card what = {.features = rig_features, .mtu = 9000, .queues = 1};

	memset(&card, 0, sizeof(card));
	net_driver_start(&rig_driver, world->net, 2, ++incarnation, &card_ops, NULL);
	net_driver_online(&rig_driver, &what);
	net_driver_link(&rig_driver, true, 0);
}

static void card_used(const struct net_rx_buffer *buffer, const void *bytes, uint32_t length,
		      uint16_t flags) {
	const struct net_rx entry = {
		.tag = buffer->tag, .length = (uint16_t)length, .flags = flags};

	memcpy(card_reach(buffer->address), bytes, length);
	CHECK(net_driver_received(&rig_driver, &entry));
}

bool rig_receive(const uint8_t *bytes, uint32_t length, uint16_t flags) {
	uint32_t count = DIV_UP(length, NET_BUFFER);

	if (card.count < count) return false;
	for (uint32_t at = 0; at < length; at += NET_BUFFER)
		card_used(&card.buffer[--card.count], bytes + at, MIN(length - at, NET_BUFFER),
			  flags | (length - at > NET_BUFFER ? NET_RX_MORE : 0));
	net_driver_work(&rig_driver);
	return true;
}

bool rig_receive_large(const struct net_header *header, const uint8_t *bytes, uint32_t length) {
	static uint8_t all[sizeof(*header) + 0x20000];
	uint32_t count = DIV_UP(length + sizeof(*header), NET_BUFFER);

	CHECK(rig_driver.features & NET_RX_HEADERS && length <= sizeof(all) - sizeof(*header));
	if (card.count < count) return false;
	memcpy(all, header, sizeof(*header));
	memcpy(all + sizeof(*header), bytes, length);
	length += (uint32_t)sizeof(*header);
	for (uint32_t at = 0; at < length; at += NET_BUFFER)
		card_used(&card.buffer[--card.count], all + at, MIN(length - at, NET_BUFFER), 0);
	net_driver_work(&rig_driver);
	return true;
}

void rig_driver_serve(void) {
	net_driver_work(&rig_driver);
	for (uint32_t i = 0; i < card.sent_count; i++)
		net_driver_sent(&rig_driver, card.sent[i], NET_STATUS_OK);
	card.sent_count = 0;
	net_driver_work(&rig_driver);
}

/* --- start --- */

static uint32_t string(const char *text) {
	uint32_t at = strings_end;

	strings_end += (uint32_t)strlen(text) + 1;
	CHECK(strings_end <= sizeof(rig_blob.strings));
	strcpy(rig_blob.strings + at, text);
	return (uint32_t)offsetof(struct rig_blob, strings) + at;
}

void rig_describe(uint32_t queues) {
	struct rig_blob *b = &rig_blob;
	char name[16];

	memset(b, 0, sizeof(*b));
	strings_end = 1;
	b->config = (struct switch_config){
		.magic = SWITCH_CONFIG_MAGIC,
		.version = SWITCH_CONFIG_VERSION,
		.total_size = sizeof(*b),
		.networks = offsetof(struct rig_blob, network),
		.network_count = 2,
		.ports = offsetof(struct rig_blob, port),
		.port_count = GUESTS + 1,
		.rulesets = offsetof(struct rig_blob, ruleset),
		.ruleset_count = 1,
		.strings = offsetof(struct rig_blob, strings),
		.strings_size = sizeof(b->strings),
		.states = 1024,
	};
	b->network[0] = (struct switch_network){.name = string("net"), .mtu = 9000};
	b->network[1] = (struct switch_network){.name = string("other"), .mtu = 1500};
	for (uint32_t i = 0; i < GUESTS; i++) {
		snprintf(name, sizeof(name), "guest%u", i);
		b->port[i] = (struct switch_port){
			.name = string(name),
			.kind = SWITCH_PORT_VIF,
			.peer = string(name),
			.queues = queues,
			.flags = SWITCH_ANY_ADDRESS,
		};
		rig_mac(i, b->port[i].mac);
		world->rings[i] = (struct front){
			.queues = queues,
			.flags = FRONT_COPY | FRONT_NOTIFY | FRONT_SG | FRONT_GSO4 | FRONT_GSO6 |
				 FRONT_CSUM6,
		};
	}
	b->port[CARD] = (struct switch_port){.name = string("card"),
					     .kind = SWITCH_PORT_UPLINK,
					     .peer = string("driver"),
					     .rules_out = SWITCH_NO_RULES,
					     .rules_in = SWITCH_NO_RULES};
	b->ruleset[0] = (struct switch_ruleset){
		.name = string("all"),
		.offset = offsetof(struct rig_blob, rules),
		.size = sizeof(b->rules) + sizeof(b->rule),
	};
	b->rules = (struct rules_header){
		.magic = RULES_MAGIC,
		.version = RULES_VERSION,
		.total_size = b->ruleset[0].size,
		.rules = sizeof(b->rules),
		.rule_count = 1,
		.ranges = b->ruleset[0].size,
		.prefixes = b->ruleset[0].size,
		.macs = b->ruleset[0].size,
		.ports = b->ruleset[0].size,
	};
	b->rule[0] = (struct rules_rule){.action = RULES_ACCEPT, .line = 1};
}

void rig_world(void) {
	if (!world)
		world = mmap(NULL, sizeof(*world), PROT_READ | PROT_WRITE,
			     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(world != MAP_FAILED);
	memset(world, 0, sizeof(*world));
	for (uint32_t g = 0; g < GUESTS; g++) {
		for (uint32_t i = 0; i < PAGES; i++) world->guest[g].granted[i] = true;
		for (uint32_t q = 0; q < QUEUES * 2; q++) {
			struct netif_sring *ring = (void *)world->guest[g].ring[q / 2][q % 2];

			ring->req_event = ring->rsp_event = 1;
		}
	}
	memset(&start, 0, sizeof(start));
	start.domid = 3;
	start.connection_count = GUESTS + 1;
	for (uint32_t g = 0; g < GUESTS; g++) {
		struct native_connection *c = &start.connections[g];

		snprintf(c->peer, sizeof(c->peer), "guest%u", g);
		c->protocol = SYSTEM_CONN_VIF;
		c->peer_domid = (uint16_t)(FIRST_DOMID + g);
	}
	strcpy(start.connections[GUESTS].peer, "driver");
	start.connections[GUESTS].protocol = SYSTEM_CONN_NET;
	start.connections[GUESTS].dma_slot = 7;
	start.connections[GUESTS].ring_pages = NET_PAGES;
	start.connections[GUESTS].port = 1;
	rig_left = 0;
	rig_stuck = false;
	rig_features = NET_TX_CSUM4 | NET_TX_CSUM6 | NET_TX_TSO4 | NET_TX_TSO6;
}

void rig_server(void) {
	struct lifeboat boat;

	CHECK(!config_check(&rig_blob, sizeof(rig_blob)));
	memset(&sw, 0, sizeof(sw));
	rig_store_forget();
	sw.now = rig_time;
	vif_begin();
	config_apply(&rig_blob.config);
	CHECK(memory_size() <= sizeof(world->lifeboat) - LIFEBOAT_DATA);
	CHECK(!lifeboat_take(&boat, world->lifeboat, sizeof(world->lifeboat), "switch", BOAT_LAYOUT,
			     (uint32_t)memory_size()));
	memset(opened, 0, sizeof(opened));
	pool_init(world->pool, POOL, 0, POOL_REF);
	memory_open(boat.data);
	for (uint32_t i = 0; i < sw.uplink_count; i++) CHECK(!uplink_open(&sw.uplink[i]));
	if (boat.adopted) uplink_hold();
	for (uint16_t g = 0; g < GUESTS; g++) backend_guest_came(g, 0);
}

void rig_serve(void) {
	rig_driver_serve();
	for (uint32_t i = 0; i < sw.uplink_count; i++) net_server_work(&sw.uplink[i].net);
	rig_store();
	for (uint32_t i = 0; i < sw.port_count; i++)
		if (sw.port[i].vif.end.state == BACKEND_LIVE) sw.ready |= 1ULL << i;
	pump(NULL);
}

uint64_t rig_dropped(uint32_t port, uint32_t reason) {
	return sw.port[port].count->dropped[reason];
}
