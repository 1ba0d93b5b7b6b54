/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a receiver cannot do itself: filling in a checksum that the sender has left out, or
 * cutting a large TCP frame. It needs all bytes of the frame, so it is done when the
 * round's copies have brought them into the pool, and the results are given then. Cut frames
 * have headers of their own, and share the bytes of the large one.
 */
#include "libs/packet/segment.h"
#include "switch.h"

#define LATER 128U

static struct { uint16_t port, frame; } list[LATER];
static uint32_t list_count;

bool offload_wants(const struct frame *frame, uint32_t features) {
	if (frame->gso == NET_GSO_TCP4) return !(features & NET_TX_TSO4);
	if (frame->gso == NET_GSO_TCP6) return !(features & NET_TX_TSO6);
	if (!(frame->flags & FRAME_BLANK)) return false;
	return !(features & (frame->family == 6 ? NET_TX_CSUM6 : NET_TX_CSUM4));
}

void offload_later(struct port *port, struct frame *frame) {
	if (list_count == LATER) {
		port_drop(port_index(port), NETCTL_IN, DROP_MEMORY, frame);
		return;
	}
	frame_keep(frame);
	frame->flags |= FRAME_KEEP;
	list[list_count].port = (uint16_t)port_index(port);
	list[list_count++].frame = frame_index(frame);
}

static void give(struct port *port, struct frame *frame) {
	if (port->kind == SWITCH_PORT_VIF)
		rx_give(port, frame);
	else
		uplink_give(port, frame);
}

static uint32_t pieces_of(const struct frame *frame, struct packet_piece *pieces) {
	for (uint32_t i = 0; i < frame->pieces; i++)
		pieces[i] = (struct packet_piece){
			.at = piece_at(&frame->piece[i]),
			.length = frame->piece[i].length,
		};
	return frame->pieces;
}

/* --- checksums --- */

/* All bytes of a frame to another one of the same length, whose pieces end elsewhere. */
static void copy_bytes(const struct frame *to, const struct frame *from) {
	uint32_t n = 0, done = 0;

	for (uint32_t i = 0; i < from->pieces; i++) {
		uint32_t at = 0, part;

		for (; at < from->piece[i].length; at += part) {
			if (done == to->piece[n].length) {
				n++;
				done = 0;
			}
			part = MIN(from->piece[i].length - at, to->piece[n].length - done);
			memcpy(piece_at(&to->piece[n]) + done, piece_at(&from->piece[i]) + at,
			       part);
			done += part;
		}
	}
}

/* A frame of its own: others that use it count on the sum being left out. NULL: no room. */
static struct frame *copy_of(const struct frame *frame) {
	struct frame *copy = frame_make(frame->length);

	if (!copy) return NULL;
	copy_bytes(copy, frame);
	copy->port = frame->port;
	copy->vlan = frame->vlan;
	copy->flags = frame->flags;
	copy->family = frame->family;
	copy->network = frame->network;
	copy->csum_start = frame->csum_start;
	copy->csum_offset = frame->csum_offset;
	copy->hash = frame->hash;
	return copy;
}

static uint32_t sum_up(struct port *port, struct frame *frame) {
	struct packet_piece pieces[FRAME_PIECES];
	struct frame *own = frame;

	if (frame->refs > 1 || frame->tagged.page != SW_NONE) own = copy_of(frame);
	if (!own) return DROP_MEMORY;
	if (!checksum_fill(pieces, pieces_of(own, pieces), own->csum_start, own->csum_offset,
			   own->csum_offset == 6))
		return DROP_BAD_OFFLOAD;
	own->flags = (uint8_t)((own->flags & ~FRAME_BLANK) | FRAME_VALID);
	give(port, own);
	if (own != frame) frame_drop(own);
	return DROP_NONE;
}

/* --- large frames --- */

/* `length` bytes from `from` on become pieces of another frame. False: too many. */
static bool share(struct frame *to, const struct frame *large, uint32_t from, uint32_t length) {
	for (uint32_t i = 0; i < large->pieces && length; i++) {
		const struct piece *piece = &large->piece[i];
		uint32_t part;

		if (from >= piece->length) {
			from -= piece->length;
			continue;
		}
		if (to->pieces == FRAME_PIECES) return false;
		part = MIN(piece->length - from, length);
		to->piece[to->pieces] = *piece;
		to->piece[to->pieces].offset = (uint16_t)(piece->offset + from);
		to->piece[to->pieces++].length = (uint16_t)part;
		to->length += part;
		length -= part;
		from = 0;
	}
	return !length;
}

static struct frame *one_segment(struct segment *segment, struct frame *large) {
	struct frame *frame = frame_make(segment->header);
	uint32_t from, length;

	if (!frame) return NULL;
	frame->port = large->port;
	frame->vlan = large->vlan;
	frame->hash = large->hash;
	frame->family = large->family;
	frame->network = large->network;
	frame->flags = FRAME_VALID;
	if (segment_next(segment, frame->head, &from, &length) &&
	    share(frame, large, from, length)) {
		frame->parent = frame_index(large);
		frame_keep(large);
		return frame;
	}
	/* What it shared so far is not its own. */
	frame->pieces = 1;
	frame_drop(frame);
	return NULL;
}

static uint32_t cut(struct port *port, struct frame *large) {
	struct packet_piece pieces[FRAME_PIECES];
	struct segment segment;
	const struct segment_large how = {
		.network = large->network,
		.transport = large->csum_start,
		.size = large->gso_size,
		.ipv6 = large->gso == NET_GSO_TCP6,
	};
	uint32_t count;

	if (segment_start(&segment, pieces, pieces_of(large, pieces), &how))
		return DROP_BAD_OFFLOAD;
	for (count = segment_frames(&segment); count; count--) {
		struct frame *frame = one_segment(&segment, large);

		if (!frame) return DROP_MEMORY;
		give(port, frame);
		frame_drop(frame);
	}
	return DROP_NONE;
}

bool offload_run(void) {
	uint32_t count = list_count;

	/* What is given from here on asks for nothing that its receiver cannot do. */
	for (uint32_t i = 0; i < count; i++) {
		struct port *port = &sw.port[list[i].port];
		struct frame *frame = &frames[list[i].frame];
		uint32_t reason;

		if (frame->flags & (FRAME_FAILED | FRAME_OUTSIDE)) {
			port_drop(frame->port, NETCTL_OUT, DROP_BAD_PAGE, frame);
		} else {
			reason = frame->gso ? cut(port, frame) : sum_up(port, frame);
			if (reason) port_drop(list[i].port, NETCTL_IN, reason, frame);
		}
		frame_drop(frame);
	}
	list_count = 0;
	return count;
}
