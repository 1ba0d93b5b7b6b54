/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The pages of a packet connection and the event channel between its ends, for
 * tests: what each has been told and has not looked at yet. The server has port
 * NET_SERVER_PORT, the driver NET_DRIVER_PORT; a send at one is pending at the other.
 */
#ifndef TESTS_UNIT_NATIVE_NET_EVENTS_H
#define TESTS_UNIT_NATIVE_NET_EVENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "libs/event/event.h"
#include "libs/net/index.h"

#define NET_SERVER_PORT 1U
#define NET_DRIVER_PORT 2U

extern bool net_pending[3];  /* by port: an event is there, or it wants to be called again */
extern uint32_t net_sent[3]; /* events sent from this port */
extern uint8_t net_pages[NET_PAGES * 4096];

static inline struct net_page *net_page(void) { return (struct net_page *)(void *)net_pages; }
static inline void *net_word(uint32_t index) {
	return net_pages + NET_AT_WORDS + (index & (NET_TX_WORDS - 1)) * 16UL;
}
static inline struct net_tx_done *net_done(uint32_t index) {
	return (struct net_tx_done *)(void *)(net_pages + NET_AT_DONE) +
	       (index & (NET_TX_TAGS - 1));
}
static inline struct net_rx_buffer *net_post(uint32_t index) {
	return (struct net_rx_buffer *)(void *)(net_pages + NET_AT_POSTS) +
	       (index & (NET_RX_TAGS - 1));
}
static inline struct net_rx *net_entry(uint32_t index) {
	return (struct net_rx *)(void *)(net_pages + NET_AT_RX) + (index & (NET_RX_TAGS - 1));
}

#endif
