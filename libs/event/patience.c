/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * For how long: as some wake-ups take, whatever machine that is. Under emulation, where all takes
 * several times as long, the clients' asking does so too.
 */
#include "libs/event/event.h"
#include "libs/rt/rt.h"
#include "libs/rt/time.h"
#include "proto/cap/cap.h"

#define TRY   32U /* single things, then patience once */
#define WORTH 64U /* wake-ups */

uint64_t event_patience;
static uint32_t singles; /* wake-ups since one at which a client had asked several things */
static uint64_t cost;    /* ns: of a wake-up at which clients had asked, the middle of many */

void event_asked(uint32_t most, uint64_t since) {
	if (!most) return;
	time_learn(&cost, time_now() - since);
	singles = most > 1 ? 0 : singles + 1;
	event_patience =
		singles % TRY ? 0 : MIN(MAX(cost * WORTH, EVENT_PATIENCE), PLAN_PATIENCE_MAX);
}
