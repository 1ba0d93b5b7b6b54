/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Drivers come and go. A session begins: what is mapped in the window is read
 * from the core, partitions are looked up if a volume still waits for them, and
 * all requests that waited are asked for, again perhaps. A session ends: the
 * requests wait, nothing is unmapped, because the device may still be at it.
 *
 * A driver that is away for VBD_AWAY_MS is given up: its window is emptied, so
 * that no device can reach the guests' pages any more, and requests fail with an
 * I/O error until it is back. One that has a session and answers nothing for
 * VBD_ANSWER_MS is asked for a new one.
 */
#include "vbd.h"

#include "libs/cap/cap.h"
#include "libs/log/log.h"
#include "libs/rt/time.h"

static bool known(uint16_t domid) {
	for (uint16_t i = 0; i < VBD_GUESTS; i++)
		if (backend_guest_is_here(i) && vbd.guest[i].domid == domid) return true;
	return false;
}

static void up(void *context) {
	struct driver *driver = context;
	int error = dma_learn(&driver->dma, driver->blk.flags & BLK_PAGE_MACHINE, known, scan_ref);

	if (error) log_print("%s: its window can't be used (%d)", driver->connection->peer, error);
	driver->away_since = 0;
	driver->given_up = false;
	driver->errors = 0;
	driver->checked = vbd.now;
	if (!driver->ready) scan_begin(driver);
	job_session_begins(driver);
	backend_settle();
	pump_soon();
}

static void down(void *context) {
	struct driver *driver = context;

	driver->away_since = MAX(time_now(), 1U);
	dma_freeze(&driver->dma);
	job_session_lost(driver);
	scan_abort(driver);
	pump_soon();
}

static void done(void *context, uint16_t tag, uint32_t status, uint32_t device_status) {
	struct driver *driver = context;
	uint16_t n = driver->job_of_tag[tag];
	struct job *job;

	(void)device_status;
	pump_soon();
	if (n == SCAN_TAG) {
		scan_done(status);
		return;
	}
	job = &vbd.job[n];
	vbd.disk[job->step_disk].in_flight--;
	job_step_done(job, status);
}

static void room(void *context) {
	(void)context;
	pump_soon();
}

static const struct blk_server_ops ops = {.up = up, .down = down, .done = done, .room = room};

const char *driver_open(struct driver *driver, const struct native_connection *connection) {
	struct cap_info info;

	driver->connection = connection;
	driver->away_since = MAX(vbd.now, 1U);
	if (!connection->dma_slot) {
		/* root has said in the log what it looked for; the other disks are served. */
		log_print("%s has no device: its disks are not served", connection->peer);
		dma_init(&driver->dma, 0, 0, 0, 0);
		driver->dma.frozen = false;
		driver->given_up = true;
		return NULL;
	}
	if (cap_inspect(connection->dma_slot, &info) || info.type != CAP_DMASPACE ||
	    info.count <= SCAN_PAGES)
		return "there is no window of its device for us";
	dma_init(&driver->dma, connection->dma_slot, (uint32_t)info.first, (uint32_t)info.count,
		 SCAN_PAGES);
	if (blk_server_attach(&driver->blk, connection, &ops, driver))
		return "its pages can't be mapped";
	driver->blk.in_loop = true;
	blk_server_work(&driver->blk);
	return NULL;
}

void driver_publish(void) {
	for (uint32_t i = 0; i < vbd.driver_count; i++) {
		struct driver *driver = &vbd.driver[i];

		if (!driver->submitted) continue;
		driver->submitted = false;
		blk_server_publish(&driver->blk);
	}
}

/* The oldest step that the driver has is older than it may be. */
static bool too_late(const struct driver *driver) {
	for (uint32_t i = 0; i < VBD_JOBS; i++) {
		const struct job *job = &vbd.job[i];

		if (job->phase == JOB_FLIGHT && disk_driver(job->step_disk) == driver &&
		    vbd.now - job->since > MILLISECONDS(VBD_ANSWER_MS))
			return true;
	}
	return false;
}

static void watch_session(struct driver *driver) {
	if (!blk_server_outstanding(&driver->blk)) {
		driver->checked = vbd.now;
		return;
	}
	if (vbd.now - driver->checked >= MILLISECONDS(VBD_ANSWER_MS / 2)) {
		driver->checked = vbd.now;
		if (too_late(driver)) {
			log_print("%s has not answered for %u s: asked for a new session",
				  driver->connection->peer, VBD_ANSWER_MS / 1000);
			blk_server_renew(&driver->blk);
			return;
		}
	}
	vbd_wake_at(driver->checked + MILLISECONDS(VBD_ANSWER_MS / 2));
}

static void watch_absence(struct driver *driver) {
	uint64_t end = driver->away_since + MILLISECONDS(VBD_AWAY_MS);

	if (driver->given_up) return;
	if (vbd.now < end) {
		vbd_wake_at(end);
		return;
	}
	log_print("%s is away for %u s: its disks answer with errors until it is back",
		  driver->connection->peer, VBD_AWAY_MS / 1000);
	driver->given_up = true;
	dma_clear(&driver->dma);
	driver->dma.frozen = false;
	job_give_up(driver);
	/* Disks on others have waited for its window to be empty. */
	backend_settle();
	device_say_waiting();
}

void driver_watch(void) {
	for (uint32_t i = 0; i < vbd.driver_count; i++) {
		if (vbd.driver[i].away_since)
			watch_absence(&vbd.driver[i]);
		else
			watch_session(&vbd.driver[i]);
	}
}
