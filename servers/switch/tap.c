/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The tap: what the switch sees, as a pcapng stream in each client's ring. Blocks are
 * written whole or not at all, and counted if they are lost: a client that is slow loses
 * packets and holds up nobody. The client hears of them once per wake-up.
 *
 * Of a frame, what is certain to be here is shown: all of what a card received, and the head of
 * what a guest sent, whose rest may still be in the guest's hands. Interface n is port n. A
 * frame that passes shows twice, at the port that it comes from and at each that it goes to.
 */
#include "ctl.h"

#include "libs/event/event.h"
#include "libs/net/index.h"
#include "libs/packet/pcapng.h"
#include "proto/xen/xen.h"

#define ADDRESSES      12U /* bytes of a frame before a VLAN tag */
#define BLOCK_EXTRA    512U
#define TAP_PIECES     (FRAME_PIECES + 2U)
#define ETHERTYPE_VLAN 0x8100U

tap_function sw_tap;

static uint8_t block[TAP_KEEP + BLOCK_EXTRA];
static struct tap taps[CTL_CLIENTS];
static uint32_t count_of_taps;

static struct tap *tap_of(const struct ctl_server *server) { return &taps[server->number]; }

/* Nanoseconds since 1970. */
static uint64_t wall_clock(void) {
	const struct shared_info *shared =
		(const struct shared_info *)(uintptr_t)rt_start_page->shared_info;
	uint64_t seconds = (uint64_t)shared->wc_sec_hi << 32 | shared->wc_sec;

	return seconds * 1000000000U + shared->wc_nsec + sw.now;
}

/* The block of `length` bytes in `block`, all of it or nothing. */
static bool put_block(struct tap *tap, uint32_t length) {
	uint32_t used = tap->put - net_load(&tap->server->page->tap.cons);
	uint32_t at = tap->put % CTL_TAP, first = MIN(length, CTL_TAP - at);

	/* A client that lies about its index has a ring that is full. */
	if (!length || used > CTL_TAP || CTL_TAP - used < length) return false;
	memcpy(tap->server->behind + at, block, first);
	memcpy(tap->server->behind, block + first, length - first);
	tap->put += length;
	return true;
}

void tap_show(struct ctl_server *server) {
	struct tap *tap = tap_of(server);
	uint32_t before = tap->shown;

	if (tap->put == before) return;
	net_store(&server->page->tap.prod, tap->put);
	tap->shown = tap->put;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (net_passed(tap->put, before, net_load(&server->page->tap.prod_event)))
		event_send(server->connection->port);
}

/* What of a frame may be shown, with the tag that it has inside the network. */
static uint32_t gather(const struct frame *frame, struct packet_piece *pieces, uint8_t tag[4]) {
	bool whole =
		sw.port[frame->port].kind == SWITCH_PORT_UPLINK && !(frame->flags & FRAME_OUTSIDE);
	uint32_t head = MIN(frame->head_length, frame->length), count = 0;
	uint32_t first = frame->vlan ? MIN(head, ADDRESSES) : head;

	pieces[count++] = (struct packet_piece){frame->head, first};
	if (frame->vlan) {
		tag[0] = ETHERTYPE_VLAN >> 8;
		tag[1] = ETHERTYPE_VLAN & 0xff;
		tag[2] = (uint8_t)(frame->vlan >> 8);
		tag[3] = (uint8_t)frame->vlan;
		pieces[count++] = (struct packet_piece){tag, 4};
		pieces[count++] = (struct packet_piece){frame->head + first, head - first};
	}
	/* The first piece is the head's. */
	for (uint32_t i = 1; whole && i < frame->pieces && count < TAP_PIECES; i++) {
		const struct piece *piece = &frame->piece[i];

		if (piece->page == SW_NONE) break;
		pieces[count++] = (struct packet_piece){piece_at(piece), piece->length};
	}
	return count;
}

static void show(struct tap *tap, struct pcapng_packet *packet) {
	packet->kept = tap->keep;
	if (put_block(tap, pcapng_packet(block, sizeof(block), packet)))
		event_again(tap->server->connection->port);
	else
		tap->server->page->tap_lost++;
}

static void on_frame(uint32_t port, uint32_t direction, uint32_t reason,
		     const struct frame *frame) {
	struct packet_piece pieces[TAP_PIECES];
	uint8_t tag[4];
	struct pcapng_packet packet = {
		.interface = port,
		.direction = direction == NETCTL_OUT ? PCAPNG_IN : PCAPNG_OUT,
		.time = wall_clock(),
		.length = frame->length + (frame->vlan ? VLAN_TAG : 0),
		.pieces = pieces,
		.comment = reason ? drop_name(reason) : NULL,
	};

	packet.count = gather(frame, pieces, tag);
	for (uint32_t i = 0; i < count_of_taps; i++)
		if (taps[i].on && (taps[i].port == NETCTL_ALL || taps[i].port == port))
			show(&taps[i], &packet);
}

/* A section, and what the interfaces are. */
static bool put_headers(struct tap *tap) {
	if (!put_block(tap, pcapng_section(block, sizeof(block), "Tessera"))) return false;
	for (uint32_t n = 0; n < sw.port_count; n++)
		if (!put_block(tap,
			       pcapng_interface(block, sizeof(block), sw.port[n].name, tap->keep)))
			return false;
	return true;
}

static void turn(struct tap *tap, bool on) {
	bool any = false;

	tap->on = on;
	tap->server->page->tap_on = on;
	for (uint32_t i = 0; i < count_of_taps; i++) any |= taps[i].on;
	sw_tap = any ? on_frame : NULL;
}

void tap_begin(struct ctl_server *server) {
	struct tap *tap = &taps[count_of_taps++];

	/* What a predecessor has shown is good, and is read on from there. */
	tap->server = server;
	tap->put = tap->shown = net_load(&server->page->tap.prod);
}

uint32_t tap_start(struct ctl_server *server, struct ctl_request *request) {
	struct tap *tap = tap_of(server);
	uint32_t before = tap->put, keep = request->argument;

	if (request->port != NETCTL_ALL && request->port >= sw.port_count)
		return ctl_refuse(request, CTL_UNKNOWN, "there is no such port");
	tap->port = request->port;
	tap->keep = keep && keep < TAP_KEEP ? keep : TAP_KEEP;
	if (!put_headers(tap)) {
		tap->put = before;
		turn(tap, false);
		return ctl_refuse(request, CTL_INVALID, "the tap's ring has no room");
	}
	turn(tap, true);
	return CTL_OK;
}

uint32_t tap_stop(struct ctl_server *server, struct ctl_request *request) {
	(void)request;
	turn(tap_of(server), false);
	return CTL_OK;
}
