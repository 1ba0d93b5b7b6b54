/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The event channel between two ends of a disk connection, for tests: what each
 * has been told and has not looked at yet. The server has port SERVER_PORT, the
 * driver DRIVER_PORT; a send at one is pending at the other.
 */
#ifndef TESTS_UNIT_NATIVE_BLK_EVENTS_H
#define TESTS_UNIT_NATIVE_BLK_EVENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "libs/event/event.h"
#include "proto/blk.h"

#define SERVER_PORT 1U
#define DRIVER_PORT 2U

extern bool blk_pending[3];  /* by port: an event is there, or it wants to be called again */
extern uint32_t blk_sent[3]; /* events sent from this port */
extern uint64_t blk_time;    /* what time_now() says; a timer that is armed is the test's to fire */
/* The connection's pages, as root lends them. */
extern uint8_t blk_pages[BLK_PAGES * 4096];

static inline struct blk_page *blk_page(void) { return (struct blk_page *)(void *)blk_pages; }
static inline struct blk_completion *blk_completions(void) {
	return (struct blk_completion *)(void *)(blk_pages + 4096);
}
static inline void *blk_word(uint32_t index) {
	return blk_pages + 2 * 4096 + (index & (BLK_WORDS - 1)) * 16UL;
}

#endif
