/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * When a guest that sends is to ring. One that is asked to ring for its next packet does so for
 * each, where we go before it or have a CPU of our own: it sends, we take one packet, the driver
 * takes one packet, it sends again. All that surrounds a packet then costs more than the packet.
 *
 * On one CPU event_asked() lets it finish. But only where it does not give way at once, and not on
 * another CPU; so a queue from which packets come quickly is looked at after a pause instead.
 * Whether that pays is tried: a pause in which some more come than the one packet that would have
 * rung is followed by another; after one that brought less, packets ring again, and the next trial
 * is twice as far away. So what waits for its answers, as a ping does, seldom waits for us as well.
 * The length follows from how fast packets came, and from what a wake-up costs here, whatever
 * machine that is: a pause is worth so many of them at most. Whatever wakes us meanwhile, such as
 * acknowledgements, looks as well.
 */
#include "libs/rt/time.h"
#include "switch.h"

#define REQUESTS   32U    /* ring anyway when there are so many */
#define GAPS       12U    /* a pause is as long as so many packets took; */
#define COSTS      8U     /* and at most as so many wake-ups */
#define WORTH      3U     /* packets without which it has brought nothing */
#define SHORTEST   20000U /* ns */
#define LONGEST    1000000U
#define MOST_TIMES 255U

static uint64_t cost = SHORTEST / COSTS; /* ns: of a wake-up with packets, the middle of many */

static uint64_t longest(void) { return MIN(MAX(cost * COSTS, SHORTEST), LONGEST); }
static uint64_t length(uint64_t gap) { return MIN(MAX(gap * GAPS, SHORTEST), longest()); }

void pause_cost(uint64_t ns) { time_learn(&cost, ns); }

static uint32_t begin(struct queue *queue, uint64_t gap) {
	struct pause *pause = &queue->pause;

	pause->began = sw.now;
	pause->until = sw.now + length(gap);
	pause->taken = 0;
	return REQUESTS;
}

/* It is over, or never began. */
static uint32_t next(struct queue *queue, uint32_t taken) {
	struct pause *pause = &queue->pause;
	uint64_t gap = sw.now - pause->last;

	if (taken) pause->last = sw.now;
	if (!pause->until) {
		if (!taken || gap > longest()) return 1;
		if (pause->skip) {
			pause->skip--;
			return 1;
		}
		return begin(queue, gap);
	}
	pause->until = 0;
	if (pause->taken >= WORTH) {
		pause->backoff = 0;
		return begin(queue, (sw.now - pause->began) / pause->taken);
	}
	pause->backoff = (uint16_t)MIN(pause->backoff * 2U + 1, MOST_TIMES);
	pause->skip = pause->backoff;
	return 1;
}

uint32_t pause_requests(struct queue *queue) {
	struct pause *pause = &queue->pause;
	uint32_t taken = pause->packets, requests = REQUESTS;

	pause->packets = 0;
	pause->taken += taken;
	sw.asked = MAX(sw.asked, taken);
	if (!pause->until || sw.now >= pause->until) requests = next(queue, taken);
	if (pause->until) {
		sw_wake_at(pause->until);
		sw.limited |= 1ULL << queue->port;
	}
	return requests;
}
