/* SPDX-License-Identifier: BSD-2-Clause */
#include "io.h"

#include "libs/log/log.h"
#include "libs/rt/package.h"
#include "libs/rt/time.h"
#include "proto/system.h"
#include "tests/drivers/peer.h"

PACKAGE_SERVER(SYSTEM_CONN_NET, NET_OLDEST, NET_VERSION);

#define RX_BUFFERS 128U
#define PAGES      (IO_FRAMES + RX_BUFFERS)
#define NO_TAG     0xffffU

struct net_server io;
uint64_t io_up_time;

static uint8_t pages[PAGES][PAGE_SIZE] __attribute__((aligned(4096)));
static struct dma_map maps[PAGES];
static struct {
	bool busy;
	uint32_t status;
} frame[IO_FRAMES];
static uint32_t frame_of_tag[NET_TX_TAGS];
static uint32_t buffer_of_tag[NET_RX_TAGS];
static void (*handler)(const struct io_packet *packet);

uint8_t *io_frame(uint32_t n) { return pages[n]; }
bool io_is_busy(uint32_t n) { return frame[n].busy; }
uint32_t io_status(uint32_t n) { return frame[n].status; }
void io_publish(void) { net_server_publish(&io); }
void io_handler(void (*received)(const struct io_packet *packet)) { handler = received; }

static uint64_t address_of(uint32_t page) {
	return io.machine ? maps[page].machine : maps[page].address;
}

struct net_segment io_segment(uint32_t n, uint32_t offset, uint32_t length) {
	return (struct net_segment){.address = address_of(n) + offset, .length = length};
}

/* --- what the library calls --- */

static void post(uint32_t buffer) {
	int tag = net_server_post(&io, address_of(IO_FRAMES + buffer));

	if (tag >= 0) buffer_of_tag[tag] = buffer;
}

static void on_up(void *context) {
	(void)context;
	io_up_time = time_now();
	peer_map(io.driver, pages, maps, PAGES);
	for (uint32_t i = 0; i < IO_FRAMES; i++) frame[i].busy = false;
	for (uint32_t i = 0; i < RX_BUFFERS; i++) post(i);
}

static void on_sent(void *context, uint16_t tag, uint32_t status) {
	(void)context;
	frame[frame_of_tag[tag]].busy = false;
	frame[frame_of_tag[tag]].status = status;
}

static void on_received(void *context, const struct net_rx *entries, uint32_t count) {
	static struct io_packet packet;
	uint32_t buffer[NET_SERVER_ENTRIES];

	(void)context;
	packet = (struct io_packet){.flags = entries[0].flags};
	for (uint32_t i = 0; i < count; i++) {
		const uint8_t *at;
		uint32_t length = MIN(entries[i].length, IO_MOST - packet.length);

		buffer[i] = buffer_of_tag[entries[i].tag];
		at = pages[IO_FRAMES + buffer[i]] + (i ? 0 : io.skip);
		memcpy(packet.bytes + packet.length, at, length);
		packet.length += length;
	}
	/* All tags are free already: whichever comes first would take the place of another. */
	for (uint32_t i = 0; i < count; i++) post(buffer[i]);
	if (handler && !(packet.flags & NET_RX_BAD)) handler(&packet);
}

static void on_header(void *context, uint16_t tag, struct net_header *header) {
	(void)context;
	memcpy(header, pages[IO_FRAMES + buffer_of_tag[tag]], sizeof(*header));
}

static void nothing(void *context) { (void)context; }

static const struct net_server_ops ops = {
	.up = on_up,
	.down = nothing, /* places stay busy until the next session */
	.sent = on_sent,
	.received = on_received,
	.header = on_header,
	.batch = nothing,
	.room = nothing,
	.link = nothing,
};

/* --- waiting --- */

void io_pump(uint64_t deadline) {
	peer_sleep(io.port, deadline);
	net_server_work(&io);
}

bool io_wait_up(uint64_t nanoseconds) {
	uint64_t end = time_now() + nanoseconds;

	while ((!net_server_is_up(&io) || !io.link) && time_now() < end) io_pump(end);
	return net_server_is_up(&io) && io.link;
}

/* --- sending --- */

bool io_send(uint32_t n, struct net_tx *packet, const struct net_segment *segments) {
	int tag = net_server_transmit(&io, packet, segments);

	if (tag < 0) return false;
	frame_of_tag[tag] = n;
	frame[n].busy = true;
	return true;
}

bool io_send_bytes(uint32_t n, uint32_t length) {
	struct net_segment segment = io_segment(n, 0, length);
	struct net_tx packet = {.segments = 1, .queue = (uint8_t)n};

	return io_send(n, &packet, &segment);
}

/* --- start --- */

void io_start(void) {
	const struct native_connection *connection = rt_connection(SYSTEM_CONN_NET, 0);
	int error;

	if (!connection || connection->role != NATIVE_SERVER || !connection->dma_slot)
		rt_panic("it is not the server of a network card");
	error = net_server_attach(&io, connection, &ops, NULL);
	if (error) rt_panic("the connection cannot be mapped (%d)", error);
	peer_find_window(connection->dma_slot, PAGES);
	net_server_work(&io);
}
