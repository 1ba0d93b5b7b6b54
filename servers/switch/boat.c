/* SPDX-License-Identifier: BSD-2-Clause */
#include "boat.h"

uint32_t boat_check(struct boat *boat, uint32_t ports) {
	uint32_t wrong = 0;

	for (uint32_t i = 0; i < SWITCH_MAX_PORTS; i++) {
		struct boat_answers *r = &boat->answers[i];

		if (r->state == BOAT_FREE) continue;
		if (r->state == BOAT_BUSY && i < ports && r->queue < SWITCH_MAX_QUEUES &&
		    r->ring <= BOAT_RX && r->count && r->count <= NETIF_SLOTS)
			continue;
		boat_set(r, BOAT_FREE);
		wrong++;
	}
	for (uint32_t i = 0; i < BOAT_QUEUES; i++) {
		if (boat->round[i].count <= NETIF_SLOTS) continue;
		boat->round[i].count = 0;
		wrong++;
	}
	for (uint32_t i = 0; i < BOAT_ADDRESSES; i++) {
		if (!boat->address[i].key || boat->address[i].port < ports) continue;
		boat->address[i].key = 0;
		wrong++;
	}
	return wrong;
}
