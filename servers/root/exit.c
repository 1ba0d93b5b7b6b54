/* SPDX-License-Identifier: BSD-2-Clause */
/* The end of the whole system: when the last guest has ended, or nothing can be built. */
#include "libs/cap/cap.h"
#include "libs/log/log.h"
#include "libs/rt/time.h"
#include "memory.h"
#include "root.h"

#define EXIT_DELAY MILLISECONDS(50) /* what the UART still has in its FIFO */

/* What leaves through the exit port. */
#define EXIT_POWEROFF 0x10
#define EXIT_CRASH    0x11
#define EXIT_REBOOT   0x12
#define EXIT_BUILD    0x13

static struct event_timer exit_timer;

/* Comes back where there is no emulator to leave: then the system stays. */
static void leave(uint8_t value) {
	uint32_t slot = slot_take();
	uint16_t port = (uint16_t)description.header->exit_port;

	if (slot && !cap_copy(boot_info->ioports_slot, slot, RIGHT_USE, port, 1) &&
	    !cap_ioports_enable(slot))
		__asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

void supervise_fail(void) {
	log_print("the system cannot be built");
	if (description.header && description.header->exit_port) leave(EXIT_BUILD);
	event_loop();
}

static void exit_now(void *context) {
	uint8_t value = EXIT_POWEROFF;

	(void)context;
	for (uint32_t i = 1; i < description.domain_count; i++) {
		const struct domain *domain = &domains[i];

		if (!is_guest(domain)) continue;
		if (domain->end == END_CRASH)
			value = EXIT_CRASH;
		else if (domain->end == END_BUILD && value != EXIT_CRASH)
			value = EXIT_BUILD;
		else if (domain->end == END_REBOOT && value == EXIT_POWEROFF)
			value = EXIT_REBOOT;
	}
	leave(value);
}

static void exit_later(void *context) {
	(void)context;
	supervise_check_exit();
}

/* Servers may have acknowledged, or a guest may have been the last one. */
void supervise_check_exit(void) {
	bool settled = true;
	uint64_t now = time_now(), latest = 0;

	supervise_release();
	if (!(description.header->flags & SYSTEM_F_EXIT_WITH_GUESTS) ||
	    !description.header->exit_port || exit_timer.handler == exit_now)
		return;
	for (uint32_t i = 1; i < description.domain_count; i++) {
		const struct domain *domain = &domains[i];

		if (!is_guest(domain)) continue;
		if (domain->stage != STAGE_IDLE && domain->stage != STAGE_STOPPED &&
		    domain->stage != STAGE_GIVEN_UP)
			return;
		if (domain->stage == STAGE_STOPPED && !wiring_settled(domain) &&
		    now < domain->deadline) {
			settled = false;
			latest = MAX(latest, domain->deadline);
		}
	}
	/* All have ended; their last words go out first. */
	exit_timer.handler = settled ? exit_now : exit_later;
	event_timer_arm(&exit_timer, settled ? now + EXIT_DELAY : latest);
}
