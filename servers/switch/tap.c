/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The tap: what the switch sees, as a pcapng stream in each client's ring. Blocks are
 * written whole or not at all, and counted if they are lost: a client that is slow loses
 * packets and holds up nobody. The client hears of them once per wake-up, by ctl_work().
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

/* Nanoseconds since 1970. */
static uint64_t wall_clock(void) {
	const struct shared_info *shared =
		(const struct shared_info *)(uintptr_t)rt_start_page->shared_info;
	uint64_t seconds = (uint64_t)shared->wc_sec_hi << 32 | shared->wc_sec;

	return seconds * 1000000000U + shared->wc_nsec + sw.now;
}

/* The block of `length` bytes in `block`, all of it or nothing. */
static bool put_block(struct ctl_client *client, uint32_t length) {
	uint32_t used = client->put - net_load(&client->page->tap.cons);
	uint32_t at = client->put % NETCTL_TAP, first = MIN(length, NETCTL_TAP - at);

	/* A client that lies about its index has a ring that is full. */
	if (!length || used > NETCTL_TAP || NETCTL_TAP - used < length) return false;
	memcpy(client->tap + at, block, first);
	memcpy(client->tap, block + first, length - first);
	client->put += length;
	return true;
}

bool tap_show(struct ctl_client *client) {
	uint32_t before = client->shown;

	if (client->put == before) return false;
	net_store(&client->page->tap.prod, client->put);
	client->shown = client->put;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return net_passed(client->put, before, net_load(&client->page->tap.prod_event));
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

static void show(struct ctl_client *client, struct pcapng_packet *packet) {
	packet->kept = client->keep;
	if (put_block(client, pcapng_packet(block, sizeof(block), packet)))
		event_again(client->port);
	else
		client->page->tap_lost++;
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
	for (uint32_t i = 0; i < ctl_clients; i++) {
		struct ctl_client *client = &ctl_client[i];

		if (client->tapping && (client->tapped == NETCTL_ALL || client->tapped == port))
			show(client, &packet);
	}
}

/* A section, and what the interfaces are. */
static bool put_headers(struct ctl_client *client) {
	if (!put_block(client, pcapng_section(block, sizeof(block), "Tessera"))) return false;
	for (uint32_t n = 0; n < sw.port_count; n++)
		if (!put_block(client, pcapng_interface(block, sizeof(block), sw.port[n].name,
							client->keep)))
			return false;
	return true;
}

uint32_t tap_start(struct ctl_client *client, uint32_t port, uint32_t keep) {
	uint32_t before = client->put;

	if (port != NETCTL_ALL && port >= sw.port_count) return NETCTL_UNKNOWN;
	client->tapped = port;
	client->keep = keep && keep < TAP_KEEP ? keep : TAP_KEEP;
	if (!put_headers(client)) {
		client->put = before;
		tap_stop(client);
		return NETCTL_INVALID;
	}
	client->tapping = true;
	client->page->tap_on = 1;
	sw_tap = on_frame;
	/* Shown when the request has been answered. */
	event_again(client->port);
	return NETCTL_OK;
}

void tap_stop(struct ctl_client *client) {
	bool any = false;

	client->tapping = false;
	client->page->tap_on = 0;
	for (uint32_t i = 0; i < ctl_clients; i++) any |= ctl_client[i].tapping;
	if (!any) sw_tap = NULL;
}
