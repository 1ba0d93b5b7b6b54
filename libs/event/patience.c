/* SPDX-License-Identifier: BSD-2-Clause */
#include "libs/event/event.h"

#define TRY 32U /* single things, then patience once */

uint64_t event_patience;
static uint32_t singles; /* wake-ups since one at which a client had asked several things */

void event_asked(uint32_t most) {
	if (!most) return;
	singles = most > 1 ? 0 : singles + 1;
	event_patience = singles % TRY ? 0 : EVENT_PATIENCE;
}
