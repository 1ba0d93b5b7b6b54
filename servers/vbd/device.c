/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Virtual disks as devices of guests. The states of both ends are
 * libs/xenbus/backend.h's; here is what is a disk's own: that its volume must be
 * there and nobody in the way, its rings, and that pages of its guest leave the
 * drivers' windows before the guest may use them for something else.
 *
 * One disk that can't be had fails alone, with a line that names it, its volume
 * and its place in the description.
 */
#include "vbd.h"

#include "libs/log/log.h"

static void fail(struct device *device, const char *why, const char *more) {
	device->end.state = BACKEND_FAILED;
	log_print("disk %s of %s (line %u of the description), volume %s: %s%s", device->end.name,
		  config_string(device->config->guest), device->config->line, device->volume->name,
		  why, more);
}

/* --- before the frontend --- */

static bool can_discard(const struct volume *volume) {
	for (uint32_t i = 0; i < volume->extent_count; i++)
		if (!(disk_info(volume->extent[i].disk)->flags & BLK_DISK_DISCARD)) return false;
	return true;
}

static bool can_write(const struct volume *volume) {
	for (uint32_t i = 0; i < volume->extent_count; i++)
		if (disk_info(volume->extent[i].disk)->flags & BLK_DISK_READONLY) return false;
	return true;
}

static bool admit(struct backend_device *end) {
	struct device *device = device_of(end);
	const struct volume *volume = device->volume;
	const char *other;

	if (volume->failure) {
		fail(device, volume->failure, "");
		return false;
	}
	if (!volume->ready) return false;
	other = volume_conflict(device);
	if (other) {
		fail(device, "its sectors are those of disk ", other);
		return false;
	}
	if (!device->readonly && !can_write(volume)) {
		fail(device, "the physical disk can only be read", "");
		return false;
	}
	device->discard = !device->readonly && can_discard(volume);
	return true;
}

void device_say_waiting(void) {
	for (uint32_t i = 0; i < vbd.device_count; i++) {
		struct device *device = &vbd.device[i];

		if (device->end.state != BACKEND_WAITING || device->waiting_is_said) continue;
		device->waiting_is_said = true;
		log_print(
			"disk %s of %s (line %u of the description) is not there: volume %s waits "
			"for its driver",
			device->end.name, config_string(device->config->guest),
			device->config->line, device->volume->name);
	}
}

/* --- its frontend --- */

/*
 * A frontend that begins anew may use its references for other pages: none of
 * the old ones stays mapped. False: a driver is away, and its device may still
 * be at work on them.
 */
static bool release(struct backend_device *end) {
	for (uint32_t i = 0; i < vbd.driver_count; i++)
		if (vbd.driver[i].dma.frozen) return false;
	for (uint32_t i = 0; i < vbd.driver_count; i++)
		(void)dma_forget(&vbd.driver[i].dma, end->domid);
	return true;
}

static void forget(struct backend_device *end) { ring_forget((uint16_t)end->number); }

static void fault(struct backend_device *end) { device_of(end)->count->malformed++; }

static void vanish(struct backend_device *end) { device_of(end)->waiting_is_said = false; }

static const char *connect(struct backend_device *end) {
	struct device *device = device_of(end);

	device->persistent = device->front.persistent;
	device->queue_count = (uint16_t)device->front.queues;
	return link_connect(device);
}

static void begin(struct backend_device *end, bool adopting) {
	struct device *device = device_of(end);

	ring_connect(device, adopting);
	/* A predecessor may have answered without having said so. */
	for (uint32_t i = 0; adopting && i < device->queue_count; i++)
		link_notify(device->queue[i].port);
	bits_add(&vbd.ready, end->number);
	pump_soon();
}

static bool is_idle(const struct backend_device *end) { return !device_of(end)->jobs; }

static void disconnect(struct backend_device *end) {
	link_disconnect(device_of(end));
	bits_remove(&vbd.ready, end->number);
}

static const struct backend_class class = {
	.type = "vbd",
	.label = "disk ",
	.nodes = node_table,
	.node_count = NODE_COUNT,
	.rounds = front_rounds,
	.value = node_value,
	.admit = admit,
	.connect = connect,
	.begin = begin,
	.is_idle = is_idle,
	.disconnect = disconnect,
	.forget = forget,
	.fault = fault,
	.release = release,
	.vanish = vanish,
	.soon = pump_soon,
	.wake_at = vbd_wake_at,
};

void device_begin(void) { backend_begin(&class); }

/* --- guests --- */

static void share_jobs(void) {
	uint32_t present = 0;

	for (uint16_t i = 0; i < VBD_GUESTS; i++) present += backend_guest_is_here(i);
	vbd.job_cap = VBD_JOBS / MAX(present, 1U);
}

void device_present(uint16_t guest, uint32_t incarnation) {
	for (uint32_t i = 0; i < vbd.device_count; i++) {
		struct device *device = &vbd.device[i];

		if (device->end.guest != guest) continue;
		device->waiting_is_said = false;
		vbd.guest[guest].domid = device->end.domid;
	}
	backend_guest_came(guest, incarnation);
	share_jobs();
}

bool device_served(uint16_t guest) {
	for (uint32_t i = 0; i < vbd.device_count; i++) {
		const struct device *device = &vbd.device[i];
		bool waits = device->end.state <= BACKEND_ASKING;

		if (device->end.guest != guest || device->end.plug.out) continue;
		if (waits ? !volume_is_stuck(device->volume) : !backend_is_written(&device->end))
			return false;
	}
	return true;
}

bool device_gone(uint16_t guest) {
	bool gone = true;

	if (!backend_guest_has_left(guest)) return false;
	for (uint32_t i = 0; i < vbd.driver_count; i++)
		gone &= dma_forget(&vbd.driver[i].dma,
				   rt_start_page->connections[guest].peer_domid);
	if (!gone) return false;
	backend_guest_gone(guest);
	vbd.guest[guest].starting = false;
	share_jobs();
	return true;
}
