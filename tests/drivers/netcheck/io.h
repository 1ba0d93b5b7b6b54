/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * netcheck's end of the connection with a network card: packets that are sent from
 * pages of its own, and what comes in, one packet at a time. It stands where the
 * switch stands. Packets may be lost: who needs an answer asks again.
 */
#ifndef TESTS_NETCHECK_IO_H
#define TESTS_NETCHECK_IO_H

#include "libs/net/server.h"

#define IO_FRAME  1514U /* without a VLAN tag and the check sequence */
#define IO_MOST   9018U /* bytes of a packet that are kept */
#define IO_FRAMES 96U   /* places for packets, a page each */

extern struct net_server io; /* of the card under test */
extern uint64_t io_up_time;  /* when the driver last came, ns */

/* A packet that came in. */
struct io_packet {
	uint8_t bytes[IO_MOST];
	uint32_t length;
	uint32_t flags; /* NET_RX_* */
};

/* The connection and the DMA window; ends the domain if there is none. */
void io_start(void);
/* True: a session is up, and the link, within this time. */
bool io_wait_up(uint64_t nanoseconds);
/* Handles what the driver sends, until something came or the time is over. */
void io_pump(uint64_t deadline);

/* The memory of place n. It must not be written while io_is_busy(). */
uint8_t *io_frame(uint32_t n);
bool io_is_busy(uint32_t n);
/* `length` bytes of place n from `offset` on. */
struct net_segment io_segment(uint32_t n, uint32_t offset, uint32_t length);
/*
 * Sends `packet`, whose segments lie in place n. False: not up, or no room. What became
 * of it: io_status(), once the place is not busy.
 */
bool io_send(uint32_t n, struct net_tx *packet, const struct net_segment *segments);
/* The same with all in one segment and nothing to do for the card. */
bool io_send_bytes(uint32_t n, uint32_t length);
void io_publish(void);
uint32_t io_status(uint32_t n);

/* Called for each packet that comes in. */
void io_handler(void (*received)(const struct io_packet *packet));

/* long.c. NULL, or what is wrong. */
const char *long_frames(void);

#endif
