/* SPDX-License-Identifier: BSD-2-Clause */
#include "boat.h"

uint32_t boat_check(struct boat *boat, uint32_t devices, uint32_t queues) {
	uint32_t wrong = 0;

	for (uint32_t i = 0; i < BOAT_RECORDS; i++) {
		struct boat_record *r = &boat->record[i];
		uint32_t state = (uint32_t)r->state;

		if (r->state == BOAT_FREE) continue;
		if ((r->state == BOAT_OUTSTANDING || state == BOAT_ANSWERED) &&
		    r->device < devices && r->queue < queues)
			continue;
		boat_set(r, BOAT_FREE);
		wrong++;
	}
	return wrong;
}

uint32_t boat_adopt(struct boat *boat, const struct boat_ring *ring, uint32_t rsp_prod,
		    uint16_t numbers[BOAT_RECORDS]) {
	uint32_t count = 0;

	for (uint16_t i = 0; i < BOAT_RECORDS; i++) {
		struct boat_record *r = &boat->record[i];
		uint32_t index = (uint32_t)(r->state >> 32);

		if (r->state == BOAT_FREE || r->device != ring->device || r->queue != ring->queue)
			continue;
		if (r->incarnation != ring->incarnation ||
		    ((uint32_t)r->state == BOAT_ANSWERED && (int32_t)(index - rsp_prod) < 0)) {
			boat_set(r, BOAT_FREE);
			continue;
		}
		if ((uint32_t)r->state == BOAT_ANSWERED) boat_set(r, BOAT_OUTSTANDING);
		numbers[count++] = i;
	}
	return count;
}
