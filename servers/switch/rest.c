/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * When a card gets no new buffers for a while. Under a flood that a guest cannot take most frames
 * are lost only here, behind the driver and the firewall. Both stand before guests, so all time
 * goes into frames for nobody, and the guest has none to take anything in. A card without buffers
 * loses frames for nothing: it rests for some times as long as its lost frames took us.
 *
 * One that is lost now and then, for a guest that posts no buffers, is a rest of microseconds, for
 * which the card has buffers enough: its other guests do not notice.
 */
#include "libs/rt/time.h"
#include "switch.h"

#define TIMES   4U /* so of five parts of the time one is wasted at most */
#define LONGEST MILLISECONDS(10)

void rest_lost(const struct frame *frame) {
	const struct port *port = &sw.port[frame->port];

	if (port->kind == SWITCH_PORT_UPLINK && port->uplink != SW_NONE)
		sw.uplink[port->uplink].lost++;
}

void rest_after(uint32_t taken) {
	for (uint32_t i = 0; i < sw.uplink_count; i++) {
		struct uplink *uplink = &sw.uplink[i];
		uint64_t now, wasted;

		if (!uplink->lost) continue;
		now = time_now();
		wasted = MIN(now - sw.now, LONGEST) / MAX(taken, uplink->lost) * uplink->lost;
		uplink->rest = MIN(MAX(uplink->rest, now) + TIMES * wasted, now + LONGEST);
		uplink->lost = 0;
		sw_wake_at(uplink->rest);
	}
}

bool rest_is_over(const struct uplink *uplink) {
	if (sw.now >= uplink->rest) return true;
	sw_wake_at(uplink->rest);
	return false;
}
