/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * TCP segments of one flow that a card has received one after the other become one large
 * frame, as if a guest had sent it: the headers of the first, and all payloads. Most of what a
 * segment costs, here and even more in the guest, is by frame, and guests take frames
 * of 64 KiB from each other anyway. Who cannot gets it cut again (offload.c).
 *
 * Only what cutting gives back bit for bit is merged: headers that are equal but for length,
 * checksum, sequence number and IPv4's identification, payloads of one size, the last perhaps
 * smaller, checksums that are right, or were never made. Frames of a flow keep their order:
 * one that does not fit ends what was begun. Nothing waits: what is merged has come together.
 * What a card gives us is large already if its peer has offloads; such frames are merged as
 * the segments that they stand for.
 */
#include "libs/packet/checksum.h"
#include "switch.h"

#define OPEN     8U /* flows that are merged at a time */
#define ETHERNET 14U
#define IPV4     (ETHERNET + 20U) /* where TCP begins */
#define IPV6     (ETHERNET + 40U)
#define TCP      20U
#define TCP_SUM  16U
#define ACK      0x10U
#define PUSH     0x08U

struct segment {
	uint32_t l4, header, payload; /* bytes before TCP, before its payload, of it */
};

struct flow {
	struct frame *frame; /* the first; NULL: none */
	struct segment first;
	uint32_t size; /* payload of each segment but the last */
	uint32_t next; /* sequence number */
};

static struct flow flows[OPEN];
static uint32_t victim; /* the flow that makes room */

static uint32_t word_at(const uint8_t *at) { return (uint32_t)at[0] << 8 | at[1]; }
static uint32_t long_at(const uint8_t *at) { return word_at(at) << 16 | word_at(at + 2); }
static void put_word(uint8_t *at, uint32_t value) {
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

/* TCP behind a plain IP header, not in fragments; in one piece, or to be cut. */
static bool find_tcp(const struct frame *frame, struct segment *segment) {
	const uint8_t *head = frame->head;
	uint32_t type, end;

	if ((frame->pieces != 1 && !frame->gso) || frame->head_length < IPV4 + TCP) return false;
	type = word_at(head + 12);
	if (type == 0x0800) {
		if (head[14] != 0x45 || word_at(head + 20) & 0x3fff || head[23] != PACKET_TCP)
			return false;
		segment->l4 = IPV4;
		end = ETHERNET + word_at(head + 16);
	} else {
		if (type != 0x86dd || frame->head_length < IPV6 + TCP || head[20] != PACKET_TCP)
			return false;
		segment->l4 = IPV6;
		end = IPV6 + word_at(head + 18);
	}
	segment->header = segment->l4 + (head[segment->l4 + 12] >> 4) * 4U;
	if (segment->header < segment->l4 + TCP || segment->header > end || end > frame->length ||
	    segment->header > frame->head_length)
		return false;
	segment->payload = end - segment->header;
	return true;
}

static uint64_t pseudo(const struct frame *frame, const struct segment *segment) {
	uint32_t length = frame->length - segment->l4;

	if (segment->l4 == IPV4)
		return checksum_pseudo4(frame->head + 26, frame->head + 30, PACKET_TCP, length);
	return checksum_pseudo6(frame->head + 22, frame->head + 38, PACKET_TCP, length);
}

/* Its checksum is right, or will be made. */
static bool is_sound(struct frame *frame, const struct segment *segment) {
	uint64_t sum;

	if (frame->flags & FRAME_BLANK)
		return frame->csum_start == segment->l4 && frame->csum_offset == TCP_SUM;
	if (frame->flags & FRAME_VALID) return true;
	if (frame->pieces > 1) return false;
	sum = checksum_add(pseudo(frame, segment), frame->head + segment->l4,
			   frame->length - segment->l4);
	if (checksum_fold(sum)) return false;
	frame->flags |= FRAME_VALID;
	return true;
}

/* May begin or go on with a merged frame. */
static bool is_plain(struct frame *frame, const struct segment *segment) {
	const uint8_t *tcp = frame->head + segment->l4;

	return segment->header < frame->head_length &&
	       segment->header + segment->payload == frame->length &&
	       (!frame->gso || (frame->gso == NET_GSO_TCP4) == (segment->l4 == IPV4)) &&
	       (tcp[13] & ~PUSH) == ACK &&
	       (segment->l4 == IPV6 || !checksum_fold(checksum_add(0, frame->head + 14, 20))) &&
	       is_sound(frame, segment);
}

/* With a length that the compiler knows these are a few instructions. */
static inline bool same(const struct frame *a, const struct frame *b, uint32_t from,
			uint32_t length) {
	return !__builtin_memcmp(a->head + from, b->head + from, length);
}

/* Options are whole words. */
static bool same_options(const struct frame *a, const struct frame *b, uint32_t from,
			 uint32_t end) {
	while (from < end && same(a, b, from, 4)) from += 4;
	return from == end;
}

/* Addresses, which end where TCP begins, and ports. */
static bool same_ends(const struct frame *a, const struct frame *b, uint32_t l4) {
	return l4 == IPV4 ? same(a, b, IPV4 - 8, 8 + 4) : same(a, b, IPV6 - 32, 32 + 4);
}

/* All before the addresses but IPv4's length, identification and checksum, and IPv6's length. */
static bool same_network(const struct frame *a, const struct frame *b, uint32_t l4) {
	if (l4 == IPV4) return same(a, b, 0, 16) && same(a, b, 20, 3);
	return same(a, b, 0, 18) && same(a, b, 20, 2);
}

static struct flow *find_flow(const struct frame *frame, const struct segment *segment) {
	for (uint32_t i = 0; i < OPEN; i++) {
		const struct frame *first = flows[i].frame;

		if (!first || first->port != frame->port || flows[i].first.l4 != segment->l4)
			continue;
		if (same_ends(first, frame, segment->l4)) return &flows[i];
	}
	return NULL;
}

static uint32_t size_of(const struct frame *frame, const struct segment *segment) {
	return frame->gso ? frame->gso_size : segment->payload;
}

/* Headers as cutting would make them. */
static bool continues(const struct flow *flow, const struct frame *frame,
		      const struct segment *segment) {
	const struct frame *first = flow->frame;
	uint32_t l4 = segment->l4;

	if (segment->header != flow->first.header || size_of(frame, segment) > flow->size ||
	    (frame->gso && frame->gso_size != flow->size) ||
	    first->pieces + frame->pieces > NET_MAX_SEGMENTS ||
	    first->length + segment->payload > UINT16_MAX ||
	    long_at(frame->head + l4 + 4) != flow->next)
		return false;
	/* What it acknowledges, and how long the header is; the window; the urgent pointer. */
	return same_network(first, frame, l4) && same(first, frame, l4 + 8, 5) &&
	       same(first, frame, l4 + 14, 2) && same(first, frame, l4 + 18, 2) &&
	       same_options(first, frame, l4 + TCP, segment->header);
}

static void begin(struct flow *flow, struct frame *frame, const struct segment *segment) {
	flow->frame = frame;
	flow->first = *segment;
	flow->size = size_of(frame, segment);
	flow->next = long_at(frame->head + segment->l4 + 4) + segment->payload;
}

/* Lengths and checksums of a frame that has become larger. */
static void finish(struct flow *flow) {
	struct frame *frame = flow->frame;
	uint8_t *head = frame->head;
	uint16_t sum;

	flow->frame = NULL;
	if (!frame->merged) return;
	if (flow->first.l4 == IPV4) {
		put_word(head + 16, frame->length - ETHERNET);
		put_word(head + 24, 0);
		sum = checksum_fold(checksum_add(0, head + ETHERNET, IPV4 - ETHERNET));
		memcpy(head + 24, &sum, sizeof(sum));
	} else {
		put_word(head + 18, frame->length - IPV6);
	}
	sum = checksum_partial(pseudo(frame, &flow->first));
	memcpy(head + flow->first.l4 + TCP_SUM, &sum, sizeof(sum));
	frame->gso = flow->first.l4 == IPV4 ? NET_GSO_TCP4 : NET_GSO_TCP6;
	frame->gso_size = (uint16_t)flow->size;
	frame->flags = (uint8_t)((frame->flags & ~FRAME_VALID) | FRAME_BLANK);
	frame->csum_start = (uint16_t)flow->first.l4;
	frame->csum_offset = TCP_SUM;
}

/* Of those that are not complete no more comes. */
static void finish_all(void) {
	for (uint32_t i = 0; i < OPEN; i++)
		if (flows[i].frame) finish(&flows[i]);
}

static void append(struct flow *flow, struct frame *frame, const struct segment *segment) {
	struct frame *first = flow->frame;
	struct piece *piece = &first->piece[first->pieces];
	uint8_t push = frame->head[segment->l4 + 13] & PUSH;

	memcpy(piece, frame->piece, frame->pieces * sizeof(*piece));
	piece->offset = (uint16_t)(piece->offset + segment->header);
	piece->length = (uint16_t)(piece->length - segment->header);
	first->pieces = (uint16_t)(first->pieces + frame->pieces);
	first->length += segment->payload;
	first->merged++;
	first->head[segment->l4 + 13] |= push;
	flow->next += segment->payload;
	frame->pieces = 0;
	if (push || segment->payload % flow->size) finish(flow);
}

/* True: its bytes belong to another frame now. */
static bool merge(struct frame *frame) {
	struct segment segment;
	struct flow *flow;
	bool plain;

	if (!find_tcp(frame, &segment)) {
		/* Perhaps of one of them, in a form that is not looked at. */
		if (frame->length >= 24 && frame->head[23] != PACKET_UDP) finish_all();
		return false;
	}
	plain = is_plain(frame, &segment);
	flow = find_flow(frame, &segment);
	if (flow && plain && continues(flow, frame, &segment)) {
		append(flow, frame, &segment);
		return true;
	}
	if (flow) finish(flow);
	if (!plain || frame->head[segment.l4 + 13] & PUSH || !size_of(frame, &segment) ||
	    segment.payload % size_of(frame, &segment))
		return false;
	if (!flow) flow = &flows[victim++ % OPEN];
	if (flow->frame) finish(flow);
	begin(flow, frame, &segment);
	return false;
}

uint32_t merge_received(struct frame **round, uint32_t count) {
	uint32_t left = 0;

	for (uint32_t i = 0; i < count; i++) {
		if (merge(round[i]))
			frame_drop(round[i]);
		else
			round[left++] = round[i];
	}
	finish_all();
	return left;
}
