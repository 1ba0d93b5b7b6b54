/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Waiting is a loop of its own here, not the event loop: a test reads best from
 * top to bottom, and nothing else happens in this domain.
 */
#include "io.h"

#include "libs/cap/cap.h"
#include "libs/log/log.h"
#include "libs/rt/hypercall.h"
#include "libs/rt/package.h"
#include "libs/rt/time.h"
#include "proto/system.h"
#include "proto/xen/event.h"
#include "proto/xen/sched.h"
#include "proto/xen/xen.h"

PACKAGE_SERVER(SYSTEM_CONN_NET, NET_VERSION, NET_VERSION);

#define LOOK_AGAIN MILLISECONDS(100)
#define RX_BUFFERS 256U
#define RX_PAGES   (RX_BUFFERS / 2)
#define PAGES      (IO_FRAMES + RX_PAGES)
#define NO_TAG     0xffffU

struct net_server io;
uint64_t io_up_time;

static uint8_t pages[PAGES][PAGE_SIZE] __attribute__((aligned(4096)));
static struct dma_map maps[PAGES];
static uint32_t window_slot, window_first;
static uint32_t mapped_for; /* incarnation + 1 of the driver that reaches our pages */
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

/* The window of a driver that was started again has been emptied: then once more. */
static void map_pages(void) {
	if (mapped_for == io.driver) return;
	mapped_for = io.driver;
	for (uint32_t i = 0; i < PAGES; i++) {
		maps[i] = (struct dma_map){
			.slot = window_first + i,
			.domid = DOMID_SELF,
			.what = (uintptr_t)pages[i],
		};
		if (cap_dma_map(window_slot, &maps[i], 1) != 1)
			rt_panic("page %u cannot be mapped for DMA (%d)", i, maps[i].status);
	}
}

static void post(uint32_t buffer) {
	int tag =
		net_server_post(&io, address_of(IO_FRAMES + buffer / 2) + buffer % 2 * NET_BUFFER);

	if (tag >= 0) buffer_of_tag[tag] = buffer;
}

static void on_up(void *context) {
	(void)context;
	io_up_time = time_now();
	map_pages();
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

	(void)context;
	packet = (struct io_packet){.flags = entries[0].flags};
	for (uint32_t i = 0; i < count; i++) {
		uint32_t buffer = buffer_of_tag[entries[i].tag];
		const uint8_t *at = pages[IO_FRAMES + buffer / 2] + buffer % 2 * NET_BUFFER;
		uint32_t length = MIN(entries[i].length, NET_BUFFER - packet.length);

		memcpy(packet.bytes + packet.length, at, length);
		packet.length += length;
		post(buffer);
	}
	if (handler && !(packet.flags & NET_RX_BAD)) handler(&packet);
}

static void nothing(void *context) { (void)context; }

static const struct net_server_ops ops = {
	.up = on_up,
	.down = nothing, /* places stay busy until the next session */
	.sent = on_sent,
	.received = on_received,
	.batch = nothing,
	.room = nothing,
	.link = nothing,
};

/* --- waiting --- */

void io_pump(uint64_t deadline) {
	struct shared_info *shared = (struct shared_info *)(uintptr_t)rt_start_page->shared_info;
	struct sched_poll poll = {
		.ports = (uintptr_t)&io.port,
		.nr_ports = 1,
		.timeout = MIN(deadline, time_now() + LOOK_AGAIN),
	};

	hypercall2(__HYPERVISOR_sched_op, SCHEDOP_poll, (uintptr_t)&poll);
	__atomic_store_n(&shared->vcpu_info[0].evtchn_upcall_pending, 0, __ATOMIC_SEQ_CST);
	__atomic_and_fetch(&shared->evtchn_pending[io.port / 64], ~(1ULL << io.port % 64),
			   __ATOMIC_SEQ_CST);
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

static void find_window(uint32_t slot) {
	uint32_t count = 0;

	window_slot = slot;
	for (uint32_t i = 0; i < rt_start_page->cap_count; i++)
		if (rt_start_page->caps[i].slot == slot) {
			window_first = rt_start_page->caps[i].first_low;
			count = rt_start_page->caps[i].count;
		}
	if (count < PAGES) rt_panic("the DMA window has %u slots, not %u", count, PAGES);
}

void io_start(void) {
	const struct native_connection *connection = rt_connection(SYSTEM_CONN_NET, 0);
	int error;

	if (!connection || connection->role != NATIVE_SERVER || !connection->dma_slot)
		rt_panic("it is not the server of a network card");
	error = net_server_attach(&io, connection, &ops, NULL);
	if (error) rt_panic("the connection cannot be mapped (%d)", error);
	find_window(connection->dma_slot);
	net_server_work(&io);
}
