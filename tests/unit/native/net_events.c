/* SPDX-License-Identifier: BSD-2-Clause */
#include "net_events.h"

bool net_pending[3];
uint32_t net_sent[3];
_Alignas(4096) uint8_t net_pages[NET_PAGES * 4096];

void event_handle(uint32_t port, event_handler handler, void *context) {
	(void)port, (void)handler, (void)context;
}

void event_again(uint32_t port) { net_pending[port] = true; }

void event_send(uint32_t port) {
	net_sent[port]++;
	net_pending[port == NET_SERVER_PORT ? NET_DRIVER_PORT : NET_SERVER_PORT] = true;
}
