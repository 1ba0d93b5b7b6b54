/* SPDX-License-Identifier: BSD-2-Clause */
#include "blk_events.h"

bool blk_pending[3];
uint32_t blk_sent[3];
_Alignas(4096) uint8_t blk_pages[BLK_PAGES * 4096];

void event_handle(uint32_t port, event_handler handler, void *context) {
	(void)port, (void)handler, (void)context;
}

void event_again(uint32_t port) { blk_pending[port] = true; }

void event_send(uint32_t port) {
	blk_sent[port]++;
	blk_pending[port == SERVER_PORT ? DRIVER_PORT : SERVER_PORT] = true;
}

void event_send_last(uint32_t port) { event_send(port); }
