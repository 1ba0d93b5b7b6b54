/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A domain that is upgraded: it counts its starts in its lifeboat, and says in the log
 * what it finds there. Layout 1 is one number, layout 2 the same and its complement.
 * The build says which layouts it knows, and how it behaves:
 *
 *     0  well
 *     1  dies before its event loop
 *     2  never gets there
 *     3  dies a moment after it has got there
 *     4  well, but it also asks for an interrupt, which no description here gives
 */
#include "libs/control/control.h"
#include "libs/event/event.h"
#include "libs/lifeboat/lifeboat.h"
#include "libs/log/log.h"
#include "libs/rt/package.h"
#include "libs/rt/time.h"
#include "proto/cap/cap.h"

#ifndef ROOM
#define ROOM 4096
#endif

PACKAGE_LIFEBOAT(LAYOUT_OLDEST, LAYOUT_NEWEST);
#if BEHAVIOUR == 4
PACKAGE_CAPABILITY(CAP_IRQ);
#endif

struct boat {
	uint32_t starts;
	uint32_t complement; /* since layout 2 */
};

static volatile uint8_t room[ROOM];
static struct lifeboat lifeboat;
static struct event_timer timer;

static void die(void *context) {
	(void)context;
	rt_panic("as it was told to");
}

static void count_start(void) {
	uint32_t layout = LAYOUT_NEWEST;
	struct boat *boat;
	int error = lifeboat_open_any(&lifeboat, LAYOUT_OLDEST, LAYOUT_NEWEST, sizeof(struct boat));

	if (error) rt_panic("no lifeboat (%d)", error);
	layout = lifeboat.laid_out.layout;
	boat = lifeboat.data;
	if (lifeboat.adopted && layout >= 2 && boat->complement != ~boat->starts)
		rt_panic("its lifeboat is damaged");
	boat->starts++;
	if (layout >= 2) boat->complement = ~boat->starts;
	log_print("start %u, layout %u, adopted %u, knows %u to %u", boat->starts, layout,
		  lifeboat.adopted, LAYOUT_OLDEST, LAYOUT_NEWEST);
}

void native_main(void) {
	room[ROOM - 1] = 1;
	count_start();
	control_init(NULL, NULL);
	if (BEHAVIOUR == 1) die(NULL);
	while (BEHAVIOUR == 2) __asm__ volatile("" : : "m"(room));
	timer.handler = die;
	if (BEHAVIOUR == 3) event_timer_arm(&timer, time_now() + MILLISECONDS(100));
	event_loop();
}
