/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The switch's start: its configuration, its lifeboat, the firewall, drivers, the store,
 * and guests. What it can't do without ends it with a message.
 */
#include "libs/control/control.h"
#include "libs/event/event.h"
#include "libs/lifeboat/lifeboat.h"
#include "libs/log/log.h"
#include "libs/rt/package.h"
#include "libs/rt/time.h"
#include "libs/rt/window.h"
#include "switch.h"

PACKAGE_SERVER(SYSTEM_CONN_VIF, 1, 1);
PACKAGE_SERVER(SYSTEM_CONN_NETCTL, NETCTL_VERSION, NETCTL_VERSION);
PACKAGE_LIFEBOAT(BOAT_LAYOUT, BOAT_LAYOUT);

struct switch_server sw;

#define LEAST_POOL 384U /* pages */

static struct grant_mapping config_mapping;
static struct lifeboat lifeboat;

static bool peer_changed(unsigned index, bool present, uint32_t incarnation) {
	uint16_t n = (uint16_t)index;

	if (rt_start_page->connections[index].protocol != SYSTEM_CONN_VIF) return true;
	if (present && backend_guest_is(n, incarnation)) return true;
	/* Also if it is gone since before our time: connections of it may be tracked. */
	if (backend_guest_is_here(n) || !present) {
		backend_guest_leaves(n);
		if (!vif_gone(n)) return false;
	}
	if (present) backend_guest_came(n, incarnation);
	return true;
}

static void open_config(void) {
	const struct native_connection *c = rt_connection(SYSTEM_CONN_CONFIG, 0);
	const char *wrong;

	if (!c) rt_panic("it has no configuration: no network is described");
	if (grant_map_readonly(&config_mapping, c->ring_domid, c->ring_ref, c->ring_pages))
		rt_panic("its configuration can't be mapped");
	wrong = config_check(config_mapping.at, MIN(c->flags, c->ring_pages * (uint32_t)PAGE_SIZE));
	if (wrong) rt_panic("its configuration can't be used: %s", wrong);
	vif_begin();
	config_apply(config_mapping.at);
}

static void open_lifeboat(void) {
	const struct native_connection *c = rt_connection(SYSTEM_CONN_LIFEBOAT, 0);
	const uint64_t size = memory_size();
	const uint32_t pages = (uint32_t)LIFEBOAT_PAGES(size);
	void *room;
	int error;

	if (!c || c->ring_pages < pages + LEAST_POOL)
		rt_panic("its lifeboat is too small: %u KiB are needed",
			 (uint32_t)((pages + LEAST_POOL) * PAGE_SIZE / 1024));
	error = lifeboat_open_records(&lifeboat, BOAT_LAYOUT, (uint32_t)size);
	if (error) rt_panic("its lifeboat can't be used (%d)", error);
	room = window_take(MIN(c->ring_pages - pages, POOL_PAGES));
	if (!room) rt_panic("there is no room for its pool of packets");
	pool_init(room, c->ring_pages - pages, c->ring_domid, c->ring_ref + pages);
	memory_open(lifeboat.data);
}

static void open_uplinks(void) {
	for (uint32_t i = 0; i < sw.uplink_count; i++) {
		const char *wrong = uplink_open(&sw.uplink[i]);

		if (wrong) rt_panic("%s: %s", sw.uplink[i].connection->peer, wrong);
	}
	if (lifeboat.adopted) uplink_hold();
}

void native_main(void) {
	const char *wrong;

	sw.now = time_now();
	open_config();
	open_lifeboat();
	wrong = backend_open();
	if (wrong) rt_panic("%s", wrong);
	open_uplinks();
	control_init(peer_changed, backend_scan);
	ctl_open();
	pump_soon();
	event_loop();
}
