/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * See segment.h. What is the same in all frames is summed up once (`fixed`); each
 * frame adds its sequence number, flags, length and payload, so that every payload byte is
 * read once and headers are never read again.
 *
 * Where the headers' own length fields disagree with the frame, the frame is right: a
 * large frame of IPv6 may be longer than its field can say, and what lies behind the
 * length of an IPv4 packet is no payload that anybody meant to send, so that
 * is refused.
 */
#include "libs/packet/segment.h"

#define IPV4_HEADER  20U
#define IPV6_HEADER  40U
#define IPV4_LENGTH  2U
#define IPV4_ID      4U
#define IPV4_FRAG    6U
#define IPV4_PROTO   9U
#define IPV4_SUM     10U
#define IPV4_SOURCE  12U
#define IPV6_LENGTH  4U
#define IPV6_SOURCE  8U
#define TCP_HEADER   20U
#define TCP_SEQUENCE 4U
#define TCP_OFFSET   12U
#define TCP_FLAGS    13U
#define TCP_SUM      16U
#define TCP          6U

#define FIN 0x01U
#define PSH 0x08U
#define CWR 0x80U

static uint32_t get16(const uint8_t *at) { return (uint32_t)at[0] << 8 | at[1]; }

static void put16(uint8_t *at, uint32_t value) {
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static uint32_t get32(const uint8_t *at) { return get16(at) << 16 | get16(at + 2); }

static void put32(uint8_t *at, uint32_t value) {
	put16(at, value >> 16);
	put16(at + 2, value);
}

static void put_sum(uint8_t *at, uint16_t sum) { __builtin_memcpy(at, &sum, sizeof(sum)); }

/* Do the headers lie as `large` says? Then segment->header is their length. */
static int check_headers(struct segment *segment, uint32_t held) {
	const struct segment_large *large = &segment->large;
	uint32_t ip = large->ipv6 ? IPV6_HEADER : IPV4_HEADER;
	const uint8_t *network;

	if (!large->size || large->network > held || large->transport > held ||
	    held - large->transport < TCP_HEADER || large->transport < large->network ||
	    large->transport - large->network < ip)
		return SEGMENT_BAD;
	network = segment->bytes + large->network;
	segment->header = large->transport +
			  (uint32_t)(segment->bytes[large->transport + TCP_OFFSET] >> 4) * 4;
	if (segment->header > held || segment->header - large->transport < TCP_HEADER)
		return SEGMENT_BAD;
	if (large->ipv6) return network[0] >> 4 == 6 ? SEGMENT_OK : SEGMENT_BAD;
	if (network[0] >> 4 != 4 || large->network + (network[0] & 15U) * 4 != large->transport ||
	    network[IPV4_PROTO] != TCP || get16(network + IPV4_FRAG) & 0x3fff)
		return SEGMENT_BAD;
	return SEGMENT_OK;
}

/* Lengths as the IP header counts them must fit each frame. */
static int check_lengths(const struct segment *segment) {
	const struct segment_large *large = &segment->large;
	const uint8_t *network = segment->bytes + large->network;
	uint32_t said = get16(network + (large->ipv6 ? IPV6_LENGTH : IPV4_LENGTH));
	uint32_t counted = large->network + (large->ipv6 ? IPV6_HEADER : 0);
	uint32_t payload = segment->length - segment->header;

	if (!payload) return SEGMENT_LENGTH;
	if (segment->header - counted + (payload < large->size ? payload : large->size) >
	    UINT16_MAX)
		return SEGMENT_LENGTH;
	/* 0: longer than the field can say, as a jumbogram without its option */
	if (said && said != segment->length - counted) return SEGMENT_LENGTH;
	return SEGMENT_OK;
}

/* The sum of what all frames have alike: addresses and the TCP header, its changing fields zero. */
static void sum_fixed(struct segment *segment) {
	uint8_t *tcp = segment->bytes + segment->large.transport;
	const uint8_t *network = segment->bytes + segment->large.network;

	put32(tcp + TCP_SEQUENCE, 0);
	put16(tcp + TCP_SUM, 0);
	segment->fixed = segment->large.ipv6 ? checksum_add(0, network + IPV6_SOURCE, 32)
					     : checksum_add(0, network + IPV4_SOURCE, 8);
	segment->fixed =
		checksum_add(segment->fixed, tcp, segment->header - segment->large.transport);
	/* Of the flags' word only what no frame clears; each adds its own. */
	segment->fixed += __builtin_bswap32(TCP);
	segment->fixed += (uint16_t)~__builtin_bswap16(tcp[TCP_FLAGS]);
}

int segment_start(struct segment *segment, const struct packet_piece *pieces, uint32_t count,
		  const struct segment_large *large) {
	uint32_t held = 0;
	int error;

	*segment = (struct segment){.pieces = pieces, .count = count, .large = *large};
	for (uint32_t i = 0; i < count; i++) segment->length += pieces[i].length;
	if (count) held = pieces[0].length;
	if (held > SEGMENT_MAX_HEADER) held = SEGMENT_MAX_HEADER;
	if (count) __builtin_memcpy(segment->bytes, pieces[0].at, held);
	error = check_headers(segment, held);
	if (!error) error = check_lengths(segment);
	if (error) return error;
	segment->sequence = get32(segment->bytes + large->transport + TCP_SEQUENCE);
	segment->id = (uint16_t)get16(segment->bytes + large->network + IPV4_ID);
	sum_fixed(segment);
	return SEGMENT_OK;
}

uint32_t segment_frames(const struct segment *segment) {
	uint32_t payload = segment->length - segment->header;

	return payload / segment->large.size + (payload % segment->large.size != 0);
}

static void make_network(const struct segment *segment, uint8_t *network, uint32_t length) {
	uint32_t header = segment->large.transport - segment->large.network;

	if (segment->large.ipv6) {
		put16(network + IPV6_LENGTH, length - IPV6_HEADER);
		return;
	}
	put16(network + IPV4_LENGTH, length);
	put16(network + IPV4_ID, segment->id + segment->frames);
	put16(network + IPV4_SUM, 0);
	put_sum(network + IPV4_SUM, checksum_fold(checksum_add(0, network, header)));
}

/* Sequence number, flags and checksum; `length` payload bytes. */
static void make_transport(const struct segment *segment, uint8_t *tcp, uint32_t length) {
	uint32_t header = segment->header - segment->large.transport;
	uint64_t sum = segment->fixed;

	put32(tcp + TCP_SEQUENCE, segment->sequence + segment->at);
	if (segment->at) tcp[TCP_FLAGS] &= (uint8_t)~CWR;
	if (segment->header + segment->at + length < segment->length)
		tcp[TCP_FLAGS] &= (uint8_t) ~(FIN | PSH);
	sum += __builtin_bswap32(segment->sequence + segment->at);
	sum += __builtin_bswap16(tcp[TCP_FLAGS]);
	sum += __builtin_bswap32(header + length);
	/* The header is a multiple of 4 bytes, so the payload begins at an even place. */
	sum += checksum_pieces(segment->pieces, segment->count, segment->header + segment->at,
			       length);
	put_sum(tcp + TCP_SUM, checksum_fold(sum));
}

bool segment_next(struct segment *segment, uint8_t *header, uint32_t *from, uint32_t *length) {
	uint32_t left = segment->length - segment->header - segment->at;
	uint32_t size = left < segment->large.size ? left : segment->large.size;

	if (!left) return false;
	__builtin_memcpy(header, segment->bytes, segment->header);
	make_network(segment, header + segment->large.network,
		     segment->header - segment->large.network + size);
	make_transport(segment, header + segment->large.transport, size);
	*from = segment->header + segment->at;
	*length = size;
	segment->at += size;
	segment->frames++;
	return true;
}
