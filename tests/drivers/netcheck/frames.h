/* SPDX-License-Identifier: BSD-2-Clause */
/* Making and judging the frames that netcheck sends and gets. */
#ifndef TESTS_NETCHECK_FRAMES_H
#define TESTS_NETCHECK_FRAMES_H

#include <stdbool.h>
#include <stdint.h>

#define FRAME_HEADER 14U
#define FRAME_LEAST  60U

#define TYPE_IPV4    0x0800U
#define TYPE_ARP     0x0806U
#define TYPE_IPV6    0x86ddU
#define TYPE_ECHO    0x88b5U /* the peer sends it back; that is true of all others too */
#define TYPE_REQUEST 0x88b6U /* the peer sends one to the address in the payload */
#define TYPE_VERDICT 0x88b7U /* from the peer: what it got in pieces was right (1) or not */

#define UDP_HEADER 8U
#define TCP_HEADER 20U

extern const uint8_t frame_peer[6];

/* An Ethernet header; what comes behind it. */
uint8_t *frame_header(uint8_t *at, const uint8_t to[6], const uint8_t from[6], uint16_t type);
uint16_t frame_type(const uint8_t *at);

/* A frame of `length` bytes whose contents follow from its number. */
void frame_echo(uint8_t *at, const uint8_t from[6], uint32_t number, uint32_t length);
/* The number of such a frame that is whole; false: it is none, or not as it was made. */
bool frame_is_echo(const uint8_t *at, uint32_t length, uint32_t *number);

/* A sum of big-endian words that go on from `sum`, not folded. */
uint32_t frame_sum(const uint8_t *at, uint32_t length, uint32_t sum);
uint16_t frame_fold(uint32_t sum);

/*
 * An IP header (version 4 or 6) for `length` bytes of the protocol; where those begin.
 * *pseudo: the sum of the pseudo header without the length.
 */
uint8_t *frame_ip(uint8_t *at, unsigned version, uint8_t protocol, uint32_t length,
		  uint32_t *pseudo);
void frame_put16(uint8_t *at, uint32_t value);
uint16_t frame_get16(const uint8_t *at);

#endif
