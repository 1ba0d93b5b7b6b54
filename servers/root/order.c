/* SPDX-License-Identifier: BSD-2-Clause */
#include "order.h"

uint32_t order_make(const struct description *d, uint16_t order[]) {
	static bool placed[SYSTEM_MAX_DOMAINS], waits[SYSTEM_MAX_DOMAINS];
	uint32_t count = 0, before;

	for (uint32_t i = 0; i < d->domain_count; i++) placed[i] = !i;
	do {
		before = count;
		for (uint32_t i = 1; i < d->domain_count; i++) waits[i] = false;
		for (uint32_t i = 0; i < d->connection_count; i++)
			if (!placed[d->connections[i].server])
				waits[d->connections[i].client] = true;
		for (uint32_t i = 1; i < d->domain_count; i++) {
			if (placed[i] || waits[i]) continue;
			placed[i] = true;
			order[count++] = (uint16_t)i;
		}
	} while (count != before);
	for (uint32_t i = 1; i < d->domain_count; i++)
		if (!placed[i]) order[count++] = (uint16_t)i;
	return count;
}
