/* SPDX-License-Identifier: BSD-2-Clause */
#include "frames.h"

#include "libs/rt/rt.h"

#define MAGIC      0x7e55e7a1U
#define STAMP      12U /* magic, number, length */
#define IPV4_BYTES 20U
#define IPV6_BYTES 40U

const uint8_t frame_peer[6] = {2, 0, 0, 0, 0, 1};

void frame_put16(uint8_t *at, uint32_t value) {
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

uint16_t frame_get16(const uint8_t *at) { return (uint16_t)(at[0] << 8 | at[1]); }

uint16_t frame_type(const uint8_t *at) { return frame_get16(at + 12); }

uint8_t *frame_header(uint8_t *at, const uint8_t to[6], const uint8_t from[6], uint16_t type) {
	memcpy(at, to, 6);
	memcpy(at + 6, from, 6);
	frame_put16(at + 12, type);
	return at + FRAME_HEADER;
}

/* --- frames that say what they are --- */

static uint8_t pattern(uint32_t number, uint32_t i) {
	return (uint8_t)(number * 31 + i * 7 + (i >> 8));
}

void frame_echo(uint8_t *at, const uint8_t from[6], uint32_t number, uint32_t length) {
	uint32_t stamp[STAMP / 4] = {MAGIC, number, length};

	memcpy(frame_header(at, frame_peer, from, TYPE_ECHO), stamp, STAMP);
	for (uint32_t i = FRAME_HEADER + STAMP; i < length; i++) at[i] = pattern(number, i);
}

bool frame_is_echo(const uint8_t *at, uint32_t length, uint32_t *number) {
	uint32_t stamp[STAMP / 4];

	if (length < FRAME_HEADER + STAMP || frame_type(at) != TYPE_ECHO) return false;
	memcpy(stamp, at + FRAME_HEADER, STAMP);
	/* A short one may have been filled up, and nothing else may have changed. */
	if (stamp[0] != MAGIC || stamp[2] > length) return false;
	if (stamp[2] != length && length != FRAME_LEAST) return false;
	for (uint32_t i = FRAME_HEADER + STAMP; i < stamp[2]; i++)
		if (at[i] != pattern(stamp[1], i)) return false;
	*number = stamp[1];
	return true;
}

/* --- IP --- */

uint32_t frame_sum(const uint8_t *at, uint32_t length, uint32_t sum) {
	for (uint32_t i = 0; i + 1 < length; i += 2) sum += frame_get16(at + i);
	return length % 2 ? sum + ((uint32_t)at[length - 1] << 8) : sum;
}

uint16_t frame_fold(uint32_t sum) {
	while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

static uint8_t *ipv4(uint8_t *at, uint8_t protocol, uint32_t length, uint32_t *pseudo) {
	static const uint8_t addresses[8] = {192, 0, 2, 1, 192, 0, 2, 2};

	memset(at, 0, IPV4_BYTES);
	at[0] = 0x45;
	frame_put16(at + 2, IPV4_BYTES + length);
	frame_put16(at + 4, 1);
	at[8] = 64;
	at[9] = protocol;
	memcpy(at + 12, addresses, sizeof(addresses));
	frame_put16(at + 10, (uint16_t)~frame_fold(frame_sum(at, IPV4_BYTES, 0)));
	*pseudo = frame_sum(addresses, sizeof(addresses), protocol);
	return at + IPV4_BYTES;
}

static uint8_t *ipv6(uint8_t *at, uint8_t protocol, uint32_t length, uint32_t *pseudo) {
	memset(at, 0, IPV6_BYTES);
	at[0] = 0x60;
	frame_put16(at + 4, length);
	at[6] = protocol;
	at[7] = 64;
	at[8] = at[24] = 0xfd;
	at[23] = 1;
	at[39] = 2;
	*pseudo = frame_sum(at + 8, 32, protocol);
	return at + IPV6_BYTES;
}

uint8_t *frame_ip(uint8_t *at, unsigned version, uint8_t protocol, uint32_t length,
		  uint32_t *pseudo) {
	return version == 4 ? ipv4(at, protocol, length, pseudo)
			    : ipv6(at, protocol, length, pseudo);
}
