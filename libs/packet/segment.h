/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * TCP segmentation in software: one large TCP frame becomes frames that fit the wire,
 * bit for bit as a card's TSO makes them. For receivers that cannot take large frames.
 *
 *   error = segment_start(&segment, pieces, count, &large);
 *   while (segment_next(&segment, header, &header_length, &from, &length))
 *           ... a frame is these headers, and `length` payload bytes from `from` on ...
 *
 * Payload is never copied here: a frame's payload is a range of the large frame. Of each
 * frame: IPv4 total length, identification (counts up by one per frame) and header
 * checksum, or the IPv6 payload length; TCP sequence number; FIN and PSH only in the
 * last, CWR only in the first; the TCP checksum over all of it.
 *
 * The headers are copied when it starts, and only the copy is looked at. They must lie in
 * piece 0. The headers are: Ethernet with at most two VLAN tags, IPv4 with options or IPv6
 * with extension headers, no fragments, TCP with options.
 */
#ifndef LIBS_PACKET_SEGMENT_H
#define LIBS_PACKET_SEGMENT_H

#include "libs/packet/checksum.h"

#define SEGMENT_MAX_HEADER 256U

struct segment_large {
	uint32_t network;   /* where the IP header begins */
	uint32_t transport; /* where the TCP header begins */
	uint32_t size;      /* payload bytes per frame, not 0 */
	bool ipv6;
};

struct segment {
	const struct packet_piece *pieces;
	uint32_t count;
	struct segment_large large;
	uint32_t header, length; /* bytes of all headers, of the frame */
	uint32_t at;             /* payload bytes that are dealt with */
	uint32_t frames;         /* made so far */
	uint32_t sequence;
	uint16_t id;
	uint64_t fixed; /* sum of what no frame changes: pseudo header addresses, TCP header */
	uint8_t bytes[SEGMENT_MAX_HEADER];
};

#define SEGMENT_OK     0
#define SEGMENT_BAD    1 /* the headers are not what `large` says, or not all in piece 0 */
#define SEGMENT_LENGTH 2 /* there is no payload, or lengths do not fit */

int segment_start(struct segment *segment, const struct packet_piece *pieces, uint32_t count,
		  const struct segment_large *large);
/*
 * The next frame: its headers (segment->header bytes) go to `header`, its payload is
 * *length bytes of the large frame from *from on. False: there are no more.
 */
bool segment_next(struct segment *segment, uint8_t *header, uint32_t *from, uint32_t *length);
/* Frames that it makes altogether. */
uint32_t segment_frames(const struct segment *segment);

#endif
