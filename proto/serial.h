/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SYSTEM_CONN_SERIAL: the console server and the driver of a serial line share
 * one page of root's, with a byte ring in each direction.
 *
 *     tx   console -> driver -> line. The driver consumes a byte when the device
 *          has taken it, not before: what lies in the ring survives the driver.
 *     rx   line -> driver -> console. When it is full the driver leaves bytes in
 *          the device.
 *
 * `state` is the console server's lifeboat: it moves bytes from guests' rings to tx and
 * from rx to guests' rings, each move changes two indices in two pages, and the
 * record there lets a successor finish or forget the move that was under way.
 * The driver never reads it. Its layout is the server's own business.
 */
#ifndef PROTO_SERIAL_H
#define PROTO_SERIAL_H

#include "ring.h"

#define SERIAL_TX_SIZE 2048U
#define SERIAL_RX_SIZE 512U

struct serial_page {
	struct ring_header tx, rx;
	uint8_t state[1280];
	uint8_t rx_data[SERIAL_RX_SIZE];
	uint8_t tx_data[SERIAL_TX_SIZE];
};

_Static_assert(sizeof(struct serial_page) == 4096, "serial_page fills a page");
_Static_assert(offsetof(struct serial_page, tx_data) == 2048, "serial_page layout");

#endif
