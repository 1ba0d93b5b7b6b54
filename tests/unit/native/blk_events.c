/* SPDX-License-Identifier: BSD-2-Clause */
#include "blk_events.h"

#include "libs/rt/time.h"

bool blk_pending[3];
uint32_t blk_sent[3];
_Alignas(4096) uint8_t blk_pages[BLK_PAGES * 4096];
uint64_t blk_time = 1;

uint64_t time_now(void) { return blk_time; }

void event_timer_arm(struct event_timer *timer, uint64_t deadline) { timer->deadline = deadline; }

void event_handle(uint32_t port, event_handler handler, void *context) {
	(void)port, (void)handler, (void)context;
}

void event_again(uint32_t port) { blk_pending[port] = true; }

void event_send(uint32_t port) {
	blk_sent[port]++;
	blk_pending[port == SERVER_PORT ? DRIVER_PORT : SERVER_PORT] = true;
}

void event_send_last(uint32_t port) { event_send(port); }
