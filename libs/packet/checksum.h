/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The Internet checksum (RFC 1071): sums over bytes in any number of pieces, pseudo
 * headers of IPv4 and IPv6, incremental update (RFC 1624), and filling in a checksum
 * that a sender left to the card.
 *
 * A sum is kept in 64 bits, unfolded, in the machine's byte order: adding is then one
 * instruction with its carry, and checksum_fold() gives the 16 bits as they lie in
 * memory. The pieces of one sum may have any length: a piece that begins at an odd
 * offset is added with its bytes swapped (RFC 1071, 2.B).
 */
#ifndef LIBS_PACKET_CHECKSUM_H
#define LIBS_PACKET_CHECKSUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A part of a frame. All pieces together are the frame, in order. */
struct packet_piece {
	uint8_t *at;
	uint32_t length;
};

/* sum + the bytes at an even offset of what is summed up. */
uint64_t checksum_add(uint64_t sum, const void *bytes, size_t length);
/* The same where `offset` bytes came before. */
uint64_t checksum_add_at(uint64_t sum, size_t offset, const void *bytes, size_t length);
/* The checksum: the complement of the sum, as it lies in memory. */
uint16_t checksum_fold(uint64_t sum);
/* What a partial checksum's field holds: the folded sum, not complemented. */
uint16_t checksum_partial(uint64_t sum);

/* Pseudo headers; addresses as in the packet, length is that of the transport's header and data. */
uint64_t checksum_pseudo4(const void *source, const void *destination, uint8_t protocol,
			  uint32_t length);
uint64_t checksum_pseudo6(const void *source, const void *destination, uint8_t protocol,
			  uint32_t length);

/* The checksum after a 16-bit word of what it covers was changed; all as in memory. */
uint16_t checksum_update(uint16_t checksum, uint16_t before, uint16_t after);
/* The same for several bytes, an even number, at an even offset. */
uint16_t checksum_update_bytes(uint16_t checksum, const void *before, const void *after,
			       size_t length);

/* The sum of `length` bytes from offset `start` on; the pieces must hold them. */
uint64_t checksum_pieces(const struct packet_piece *pieces, uint32_t count, uint32_t start,
			 uint32_t length);
/*
 * Fills in a partial checksum: the field at start + offset holds the pseudo header's
 * sum; it covers all from `start` to the end. `zero_is_none`: UDP, where 0 says that there is
 * none, and so is written as 0xffff. False: the field does not lie within the pieces.
 */
bool checksum_fill(const struct packet_piece *pieces, uint32_t count, uint32_t start,
		   uint32_t offset, bool zero_is_none);

#endif
