/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The disk server's start: its configuration, its lifeboat, drivers, the store,
 * and guests. What it can't do without ends it with a message; what only one
 * disk can't do without is that disk's failure.
 */
#include "vbd.h"

#include "libs/control/control.h"
#include "libs/event/event.h"
#include "libs/lifeboat/lifeboat.h"
#include "libs/log/log.h"
#include "libs/rt/package.h"
#include "libs/rt/time.h"
#include "proto/blkctl.h"

PACKAGE_SERVER(SYSTEM_CONN_BLOCK, 1, 1);
PACKAGE_SERVER(SYSTEM_CONN_BLKCTL, BLKCTL_VERSION, BLKCTL_VERSION);
PACKAGE_LIFEBOAT(BOAT_LAYOUT, BOAT_LAYOUT);

struct vbd vbd;

static struct grant_mapping config_mapping;
static struct lifeboat lifeboat;

static bool peer_changed(unsigned index, bool present, uint32_t incarnation) {
	uint16_t n = (uint16_t)index;
	struct guest *guest = &vbd.guest[n];

	if (rt_start_page->connections[index].protocol != SYSTEM_CONN_BLOCK) return true;
	if (present && backend_guest_is(n, incarnation)) {
		guest->starting &= !device_served(n);
		return !guest->starting;
	}
	/* Also if it is gone since before our time: pages of it may be in a window. */
	if (backend_guest_is_here(n) || !present) {
		backend_guest_leaves(n);
		if (!device_gone(n)) return false;
	}
	if (!present) return true;
	device_present(n, incarnation);
	guest->starting = !device_served(n);
	vbd.starting |= guest->starting;
	return !guest->starting;
}

static void open_config(void) {
	const struct native_connection *c = rt_connection(SYSTEM_CONN_CONFIG, 0);
	const char *wrong;

	if (!c) rt_panic("it has no configuration: no disk is described");
	if (grant_map_readonly(&config_mapping, c->ring_domid, c->ring_ref, c->ring_pages))
		rt_panic("its configuration can't be mapped");
	wrong = config_check(config_mapping.at, MIN(c->flags, c->ring_pages * (uint32_t)PAGE_SIZE));
	if (wrong) rt_panic("its configuration can't be used: %s", wrong);
}

static void open_lifeboat(void) {
	const struct native_connection *c = rt_connection(SYSTEM_CONN_LIFEBOAT, 0);
	const uint32_t records = LIFEBOAT_PAGES(sizeof(struct boat));
	int error = lifeboat_open(&lifeboat, BOAT_LAYOUT, sizeof(struct boat));
	struct boat_counts *counts;
	uint32_t wrong;

	if (error || c->ring_pages < records + COUNT_PAGES + SCAN_PAGES)
		rt_panic("it has no lifeboat (%d): one of %u KiB is needed", error,
			 (uint32_t)((records + COUNT_PAGES + SCAN_PAGES) * PAGE_SIZE / 1024));
	vbd.boat = lifeboat.data;
	scan_buffer = (void *)((uint8_t *)lifeboat.data - LIFEBOAT_DATA +
			       (c->ring_pages - SCAN_PAGES) * PAGE_SIZE);
	counts = (struct boat_counts *)(void *)scan_buffer[-(int)COUNT_PAGES];
	for (uint32_t i = 0; i < vbd.device_count; i++) vbd.device[i].count = &counts[i];
	scan_ref = c->ring_ref + c->ring_pages - SCAN_PAGES;
	wrong = boat_check(vbd.boat, vbd.config->disk_count, VBD_QUEUES);
	if (wrong) log_print("%u records in the lifeboat make no sense", wrong);
}

static void open_drivers(void) {
	for (uint32_t i = 0; i < vbd.driver_count; i++) {
		struct driver *driver = &vbd.driver[i];
		const char *wrong = driver_open(driver, driver->connection);

		if (wrong) rt_panic("%s: %s", driver->connection->peer, wrong);
	}
}

/* Volumes name drivers, so these are known before the configuration is read. */
static void find_drivers(void) {
	const struct native_connection *c;

	while (vbd.driver_count < VBD_DRIVERS &&
	       (c = rt_connection(SYSTEM_CONN_DISK, vbd.driver_count)) != NULL) {
		vbd.driver[vbd.driver_count].dma.frozen = true;
		vbd.driver[vbd.driver_count++].connection = c;
	}
	if (rt_connection(SYSTEM_CONN_DISK, VBD_DRIVERS))
		log_print("only the first %u drivers are served", VBD_DRIVERS);
}

void native_main(void) {
	const char *wrong;

	vbd.now = time_now();
	vbd.job_cap = VBD_JOBS;
	open_config();
	find_drivers();
	device_begin();
	config_apply(config_mapping.at);
	open_lifeboat();
	job_init();
	ctl_open();
	wrong = backend_open();
	if (wrong) rt_panic("%s", wrong);
	/* Guests first: pages of who is not there are unmapped when a session begins. */
	control_init(peer_changed, backend_scan);
	open_drivers();
	pump_soon();
	event_loop();
}
