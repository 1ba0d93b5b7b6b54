/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Blocks of a pcapng capture (the IETF opsawg draft), written to memory: a section
 * header, an interface description for each port, enhanced packets with their direction
 * as epb_flags and why they were dropped as opt_comment. Time stamps are nanoseconds.
 *
 * Each function returns the length of its block, a multiple of 4, and writes
 * nothing and returns 0 if it does not fit into `room`. So a ring that passes on whole
 * blocks only is a valid capture wherever it ends.
 */
#ifndef LIBS_PACKET_PCAPNG_H
#define LIBS_PACKET_PCAPNG_H

#include "libs/packet/checksum.h"

#define PCAPNG_SNAP_ALL 0x40000U /* more than any packet has */

#define PCAPNG_NONE 0U /* the direction is not known */
#define PCAPNG_IN   1U /* the port received it: a guest sent it, or it came from the wire */
#define PCAPNG_OUT  2U

struct pcapng_packet {
	uint32_t interface; /* number of its description, in order, from 0 */
	uint32_t direction; /* PCAPNG_* */
	uint64_t time;      /* nanoseconds since 1970, or since boot where nothing is known */
	uint32_t length;    /* on the wire */
	uint32_t kept;      /* of them here, at most what the pieces hold */
	const struct packet_piece *pieces;
	uint32_t count;
	const char *comment; /* NULL: none; at most 255 bytes are kept */
};

/* application: who made it; NULL: nothing is said. */
uint32_t pcapng_section(uint8_t *to, uint32_t room, const char *application);
uint32_t pcapng_interface(uint8_t *to, uint32_t room, const char *name, uint32_t snap);
uint32_t pcapng_packet(uint8_t *to, uint32_t room, const struct pcapng_packet *packet);

#endif
