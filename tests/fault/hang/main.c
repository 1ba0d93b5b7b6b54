/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Works for a second, and then does nothing any more: its event loop does not turn, and
 * it does not crash either. Only its heartbeat shows that.
 */
#include "libs/control/control.h"
#include "libs/event/event.h"
#include "libs/log/log.h"
#include "libs/rt/time.h"

static struct event_timer timer;

static void hang(void *context) {
	(void)context;
	log_print("hangs from now on");
	for (;;) time_sleep(MILLISECONDS(10));
}

void native_main(void) {
	control_init(NULL, NULL);
	timer.handler = hang;
	event_timer_arm(&timer, time_now() + MILLISECONDS(1000));
	event_loop();
}
