/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Both ends of a packet connection against each other, in random order, with deaths
 * of either at any step. Around them: a switch with a pool of slots whose state
 * survives it, as root's pages would, and a card that works when it likes.
 *
 * What must hold: the card touches only slots that are its own (a slot belongs to it
 * until the packet is done, and if the session ends, until the next one is up); packets
 * leave in order and at most once; what is received is what the wire brought, in order,
 * and at most once; and when nobody dies any more nothing is lost, filter and link
 * are known at the other end, and both ends sleep with nothing left to do. Drivers speak either
 * version, and those of the newer one have cards with headers of their own, or without.
 */
#include "native.h"
#include "net_events.h"

#include "libs/net/driver.h"
#include "libs/net/server.h"

#define SLOTS    700U /* more than all tags */
#define DEPTH    24U  /* packets in the card */
#define SPLIT    3U   /* most entries of a packet here */
#define FEATURES (NET_TX_CSUM4 | NET_RX_CSUM)

static struct net_server server;
static struct net_driver driver;

/* --- the pool --- */

enum { FREE, TRANSMIT, POSTED, VOID };

static struct slot {
	uint32_t state;
	uint64_t value;
	struct net_header header; /* the card's, in a packet's first buffer */
} slots[SLOTS];

static uint32_t tx_slot[NET_TX_TAGS], rx_slot[NET_RX_TAGS];
static uint64_t next_out, last_out, next_in, last_in; /* numbers of packets */
static uint64_t given, left, brought, taken;          /* how many */
static bool accept_new, wire_talks;

static uint32_t find_free(void) {
	uint32_t at = noise() % SLOTS;

	for (uint32_t i = 0; i < SLOTS; i++)
		if (slots[(at + i) % SLOTS].state == FREE) return (at + i) % SLOTS;
	CHECK(!"the pool is larger than what is out");
	return 0;
}

static uint64_t address_of(uint32_t slot) { return slot * (uint64_t)NET_BUFFER; }

/* --- the card --- */

static struct command {
	uint16_t tag;
	uint32_t slot, session;
} commands[DEPTH];
static uint32_t command_count;
static struct buffer {
	uint16_t tag;
	uint32_t slot, session;
} buffers[NET_RX_TAGS];
static uint32_t buffer_count, buffer_depth;
static bool quiesce_later, link_is_up, card_speaks, card_has_headers;
static struct net_filter card_filter;

static bool card_transmit(void *card, const struct net_tx *packet,
			  const struct net_segment *segments) {
	(void)card;
	if (command_count == DEPTH) return false;
	commands[command_count++] = (struct command){
		packet->tag, (uint32_t)(segments[0].address / NET_BUFFER), driver.session};
	return true;
}

static bool card_post(void *card, uint16_t tag, uint64_t address) {
	(void)card;
	if (buffer_count == buffer_depth) return false;
	buffers[buffer_count++] =
		(struct buffer){tag, (uint32_t)(address / NET_BUFFER), driver.session};
	return true;
}

static void card_forget(void) { command_count = buffer_count = 0; }

static bool card_quiesce(void *card) {
	(void)card;
	if (noise() % 2 == 0) {
		card_forget();
		return true;
	}
	quiesce_later = true;
	return false;
}

static void card_set_filter(void *card, const struct net_filter *filter) {
	(void)card;
	card_filter = *filter;
}

static void card_kick(void *card) { (void)card; }

static const struct net_driver_ops driver_ops = {card_transmit, card_post, card_kick, card_quiesce,
						 card_set_filter};

/* What the card touches, it may touch. */
static struct slot *reach(uint32_t slot, uint32_t session, uint32_t state) {
	CHECK(slots[slot].state == state || slots[slot].state == VOID);
	CHECK(server.state != NET_SERVER_UP || session == server.wanted);
	return &slots[slot];
}

static void card_send(void) {
	struct command command = commands[0];
	uint64_t number = reach(command.slot, command.session, TRANSMIT)->value;

	CHECK(number > last_out);
	last_out = number;
	left++;
	memmove(commands, commands + 1, --command_count * sizeof(commands[0]));
	if (driver.state == NET_DRIVER_QUIESCING) return;
	CHECK(net_driver_sent(&driver, command.tag, noise() % 50 ? NET_STATUS_OK : NET_STATUS_IO));
}

/* A packet of several buffers comes: its number, and how many there are to follow. */
static void card_receive(void) {
	uint32_t count = 1 + noise() % SPLIT;
	bool headers = driver.features & NET_RX_HEADERS;
	struct net_header header = {.flags = NET_HEADER_VALID, .buffers = (uint16_t)count};

	if (count > buffer_count || driver.state != NET_DRIVER_UP) return;
	next_in++;
	brought++;
	while (count--) {
		uint32_t n = noise() % buffer_count;
		struct buffer buffer = buffers[n];
		struct slot *slot = reach(buffer.slot, buffer.session, POSTED);
		struct net_rx entry = {.tag = buffer.tag, .length = (uint16_t)(count + 1)};

		if (!headers && count) entry.flags = NET_RX_MORE;
		if (headers && header.buffers == count + 1) entry.length += sizeof(header);
		slot->value = next_in;
		slot->header = header;
		header.flags = 99; /* what begins in the middle of a packet is no header */
		if (headers && header.buffers != count + 1) slot->header.buffers = 0xffff;
		buffers[n] = buffers[--buffer_count];
		CHECK(net_driver_received(&driver, &entry));
	}
}

static void card_step(void) {
	if (noise() % 2 && command_count) card_send();
	if (noise() % 2 && wire_talks) card_receive();
	net_pending[NET_DRIVER_PORT] = true; /* its interrupt */
}

/* --- the switch --- */

static void post_all(void) {
	uint32_t limit = accept_new ? noise() % NET_RX_TAGS : 1;

	while (net_server_posted(&server) < limit) {
		uint32_t slot = find_free();
		int tag = net_server_post(&server, address_of(slot));

		CHECK(tag >= 0);
		slots[slot].state = POSTED;
		rx_slot[tag] = slot;
	}
}

static bool transmit(void) {
	struct net_segment segments[NET_MAX_SEGMENTS];
	struct net_tx packet = {.segments = (uint8_t)(1 + noise() % NET_MAX_SEGMENTS)};
	uint32_t slot = find_free();
	int tag;

	for (uint32_t i = 0; i < packet.segments; i++)
		segments[i] = (struct net_segment){.address = address_of(slot), .length = 64};
	tag = net_server_transmit(&server, &packet, segments);
	if (tag < 0) return false;
	slots[slot] = (struct slot){.state = TRANSMIT, .value = ++next_out};
	tx_slot[tag] = slot;
	given++;
	return true;
}

static void on_up(void *context) {
	(void)context;
	for (uint32_t i = 0; i < command_count; i++) CHECK(commands[i].session == server.wanted);
	for (uint32_t i = 0; i < buffer_count; i++) CHECK(buffers[i].session == server.wanted);
	for (uint32_t i = 0; i < SLOTS; i++) slots[i].state = FREE;
	CHECK(server.mtu == 1500 && server.mac[5] == 5);
	CHECK(server.version == (card_speaks ? 2 : 1) && server.version == driver.version);
	CHECK(driver.buffer_bytes == (card_speaks ? NET_BUFFER : NET_BUFFER_1));
	CHECK(server.features == (FEATURES | (server.skip ? NET_RX_HEADERS : 0)));
	CHECK(!server.skip == !(card_speaks && card_has_headers));
	post_all();
}

static void on_down(void *context) {
	(void)context;
	for (uint32_t i = 0; i < SLOTS; i++)
		if (slots[i].state != FREE) slots[i].state = VOID;
}

static void on_sent(void *context, uint16_t tag, uint32_t status) {
	(void)context, (void)status;
	CHECK(slots[tx_slot[tag]].state == TRANSMIT);
	slots[tx_slot[tag]].state = FREE;
}

static void on_received(void *context, const struct net_rx *entries, uint32_t count) {
	uint64_t number = slots[rx_slot[entries[0].tag]].value;

	(void)context;
	CHECK(count && count <= SPLIT && !(entries[0].flags & NET_RX_BAD));
	CHECK(!!(entries[0].flags & NET_RX_CSUM_OK) == !!server.skip);
	CHECK(number > last_in);
	last_in = number;
	taken++;
	for (uint32_t i = 0; i < count; i++) {
		struct slot *slot = &slots[rx_slot[entries[i].tag]];

		CHECK(slot->state == POSTED && slot->value == number);
		CHECK(entries[i].length == count - i);
		slot->state = FREE;
	}
}

static void on_header(void *context, uint16_t tag, struct net_header *header) {
	(void)context;
	CHECK(server.skip && slots[rx_slot[tag]].state == POSTED);
	*header = slots[rx_slot[tag]].header;
}

static void on_batch(void *context) {
	(void)context;
	post_all();
}

static void on_room(void *context) {
	(void)context;
	if (accept_new) transmit();
}

static void on_link(void *context) { (void)context; }

static const struct net_server_ops server_ops = {on_up,     on_down,  on_sent, on_received,
						 on_header, on_batch, on_room, on_link};

static uint32_t filters;

static void new_filter(void) {
	struct net_filter filter = {.flags = NET_FILTER_PROMISCUOUS};

	filter.moderation_us = ++filters;
	filter.count = filters % 9;
	for (uint32_t i = 0; i < filter.count; i++) filter.address[i].mac[0] = (uint8_t)filters;
	net_server_filter(&server, &filter);
}

/* --- lives and deaths --- */

static uint32_t driver_incarnation, coming_up;
static bool server_alive, driver_alive;

static void start_server(void) {
	net_server_start(&server, net_pages, NET_SERVER_PORT, &server_ops, NULL);
	net_server_lazy(&server, noise() % 3 * 60);
	on_down(NULL); /* nothing is known of what is in the card */
	new_filter();
	server_alive = true;
	net_pending[NET_SERVER_PORT] = true;
}

static void start_driver(void) {
	net_driver_start(&driver, net_pages, NET_DRIVER_PORT, ++driver_incarnation, &driver_ops,
			 NULL);
	buffer_depth = noise() % 2 ? NET_RX_TAGS : 40;
	card_speaks = noise() % 2;
	card_has_headers = noise() % 2;
	if (!card_speaks) net_page()->speaks = NET_SPEAKS(NET_VERSION, driver_incarnation - 1);
	driver_alive = true;
	coming_up = 1 + noise() % 20;
}

static void kill_driver(void) {
	driver_alive = false;
	quiesce_later = false;
	card_forget(); /* root quiesces the device before the successor starts */
}

static void driver_online(void) {
	struct net_card card = {.features = FEATURES | (card_has_headers ? NET_RX_HEADERS : 0),
				.mtu = 1500,
				.mac = {2, 1, 2, 3, 4, 5}};

	net_driver_online(&driver, &card);
	net_driver_link(&driver, link_is_up, 1000);
}

static void driver_step(void) {
	if (coming_up) {
		if (!--coming_up) driver_online();
		return;
	}
	if (noise() % 500 == 0) net_driver_link(&driver, link_is_up = !link_is_up, 1000);
	if (noise() % 500 == 0 && accept_new && driver.state == NET_DRIVER_UP) {
		card_forget();
		quiesce_later = false;
		net_driver_lost(&driver);
	}
	if (quiesce_later && (noise() % 4 == 0 || !command_count)) {
		quiesce_later = false;
		card_forget();
		net_driver_quiesced(&driver);
	}
	if (!net_pending[NET_DRIVER_PORT]) return;
	net_pending[NET_DRIVER_PORT] = false;
	net_driver_work(&driver);
}

static void server_step(void) {
	if (accept_new) {
		for (uint32_t i = noise() % 60; i && transmit();) i--;
		if (noise() % 200 == 0) new_filter();
		if (noise() % 2000 == 0) net_server_renew(&server);
		net_server_publish(&server);
	}
	if (!net_pending[NET_SERVER_PORT]) return;
	net_pending[NET_SERVER_PORT] = false;
	net_server_work(&server);
}

static void step(void) {
	uint32_t dice = noise() % 100;

	if (dice < 30 && server_alive)
		server_step();
	else if (dice < 60 && driver_alive)
		driver_step();
	else if (driver_alive && !coming_up && (command_count || wire_talks))
		card_step();
	if (!server_alive && noise() % 10 == 0) start_server();
	if (!driver_alive && noise() % 10 == 0) start_driver();
}

static void start(void) {
	memset(net_pages, 0, sizeof(net_pages));
	memset(net_pending, 0, sizeof(net_pending));
	memset(slots, 0, sizeof(slots));
	card_forget();
	quiesce_later = false;
	next_out = last_out = next_in = last_in = 0;
	given = left = brought = taken = 0;
	driver_incarnation = 0;
	accept_new = wire_talks = true;
	start_server();
	start_driver();
}

static bool at_rest(void) {
	return net_server_is_up(&server) && !net_server_in_flight(&server) &&
	       !net_pending[NET_SERVER_PORT] && !net_pending[NET_DRIVER_PORT];
}

/* Nobody dies any more, nothing new is sent: all is done, by events alone. */
static void finish(void) {
	accept_new = false;
	net_server_lazy(&server, 0);
	net_server_publish(&server);
	for (uint32_t i = 0; i < 100; i++) step();
	wire_talks = false;
	for (uint32_t i = 0; i < 200000 && !at_rest(); i++) step();
	CHECK(at_rest() && server_alive && driver_alive);
	CHECK(!command_count && net_server_filter_done(&server));
	CHECK(card_filter.moderation_us == filters && card_filter.count == filters % 9);
	CHECK(!card_filter.count || card_filter.address[0].mac[0] == (uint8_t)filters);
	CHECK(server.link == link_is_up && net_server_posted(&server) >= buffer_count);
	CHECK(net_page()->rx.prod == server.received && driver.received == server.received);
	CHECK(driver.in_card == buffer_count + driver.post_stalled);
	CHECK(driver.in_card >= NET_DRIVER_LOW || driver.post_stalled ||
	      driver.posted == server.posted);
	CHECK(last_in <= next_in && last_out <= next_out);
	CHECK(!server.bad_tags && !server.broken && !server.bad_entries && !server.bad_status);
	CHECK(!driver.broken && !driver.dropped && !driver.counters.tx_refused && !driver.stray);
}

static void run(uint32_t rounds, uint32_t steps, uint32_t deaths) {
	uint64_t sent = 0, got = 0;

	for (uint32_t round = 0; round < rounds; round++) {
		start();
		for (uint32_t i = 0; i < steps; i++) {
			uint32_t dice = deaths ? noise() % deaths : 2;

			if (dice == 0) server_alive = false;
			if (dice == 1) kill_driver();
			step();
			/* Now and then everything comes to rest, and must be woken again. */
			if (!deaths && i % 200 == 0) finish();
			accept_new = wire_talks = true;
		}
		finish();
		/* Only a session's end loses anything. */
		if (server.sessions == 1 && driver.sessions == 1 && driver_incarnation == 1)
			CHECK(given == left && brought == taken);
		sent += left, got += taken;
	}
	CHECK(sent > rounds * 10 && got > rounds * 10);
}

static void test_no_deaths(void) { run(10, 20000, 0); }
static void test_one_session(void) { run(300, 400, 0); }
static void test_rare_deaths(void) { run(60, 5000, 500); }
static void test_frequent_deaths(void) { run(200, 1000, 40); }

static const struct test tests[] = {
	{"both ends live", test_no_deaths},
	{"both ends live shortly", test_one_session},
	{"one dies now and then", test_rare_deaths},
	{"one dies all the time", test_frequent_deaths},
};

int main(void) { return RUN("net_pair", tests); }
