/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The backend's half of the xenbus states, for each disk of a guest that is there.
 *
 *   ABSENT -> WAITING -> ASKING -+-> OPEN -> READING -> LIVE -> DRAINING -> CLOSED
 *                                |    ^-------------------------------|-------|
 *                                +-> READING (adopting) -> LIVE
 *
 * ASKING finds out what a predecessor has left: backend and frontend connected
 * means that the guest goes on using its ring, so it is taken over and no state
 * is written. Otherwise the nodes are made, and the frontend is waited for.
 *
 * One disk that can't be had fails alone, with a line that names it, its volume
 * and its place in the description.
 */
#include "vbd.h"

#include "libs/log/log.h"
#include "libs/xenbus/xenbus.h"

static void fail(struct device *device, const char *why, const char *more) {
	device->state = DEVICE_FAILED;
	log_print("disk %s of %s (line %u of the description), volume %s: %s%s", device->name,
		  config_string(device->config->guest), device->config->line, device->volume->name,
		  why, more);
}

static void open_anew(struct device *device, uint32_t backend) {
	device->state = backend == XENBUS_CLOSED ? DEVICE_CLOSED : DEVICE_OPEN;
	device->backend_state = backend;
	device->was_connected = false;
	node_publish(device);
	node_watch(device);
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

static void settle(struct device *device) {
	const struct volume *volume = device->volume;
	const char *other;

	if (volume->failure) {
		fail(device, volume->failure, "");
		return;
	}
	if (!volume->ready) return;
	other = volume_conflict(device);
	if (other) {
		fail(device, "its sectors are those of disk ", other);
		return;
	}
	if (!device->readonly && !can_write(volume)) {
		fail(device, "the physical disk can only be read", "");
		return;
	}
	if (!node_ready()) return;
	device->discard = !device->readonly && can_discard(volume);
	device->state = DEVICE_ASKING;
	node_ask(device);
}

void device_settle(void) {
	for (uint32_t i = 0; i < vbd.device_count; i++)
		if (vbd.device[i].state == DEVICE_WAITING)
			settle(&vbd.device[i]);
		else if (vbd.device[i].make_again)
			node_ask(&vbd.device[i]);
}

void device_say_waiting(void) {
	for (uint32_t i = 0; i < vbd.device_count; i++) {
		struct device *device = &vbd.device[i];

		if (device->state != DEVICE_WAITING || device->waiting_is_said) continue;
		device->waiting_is_said = true;
		log_print(
			"disk %s of %s (line %u of the description) is not there: volume %s waits "
			"for its driver",
			device->name, config_string(device->config->guest), device->config->line,
			device->volume->name);
	}
}

static void share_jobs(void) {
	uint32_t present = 0;

	for (uint32_t i = 0; i < VBD_GUESTS; i++) present += vbd.guest[i].present;
	vbd.job_cap = VBD_JOBS / MAX(present, 1U);
}

void device_present(uint16_t guest, uint32_t incarnation) {
	vbd.guest[guest].present = true;
	vbd.guest[guest].ending = false;
	vbd.guest[guest].incarnation = incarnation;
	share_jobs();
	for (uint32_t i = 0; i < vbd.device_count; i++) {
		struct device *device = &vbd.device[i];

		if (device->guest != guest) continue;
		device->incarnation = incarnation;
		device->broken = device->waiting_is_said = device->make_again = false;
		device->state = DEVICE_WAITING;
		vbd.guest[guest].domid = device->domid;
	}
	device_settle();
}

/*
 * A frontend that begins anew may use its references for other pages: none of
 * the old ones stays mapped. False: a driver is away, and its device may still
 * be at work on them.
 */
static bool forget_pages(const struct device *device) {
	for (uint32_t i = 0; i < vbd.driver_count; i++)
		if (vbd.driver[i].dma.frozen) return false;
	for (uint32_t i = 0; i < vbd.driver_count; i++)
		(void)dma_forget(&vbd.driver[i].dma, device->domid);
	return true;
}

void device_homeless(struct device *device) {
	if (device->state == DEVICE_ASKING) device->state = DEVICE_WAITING;
}

void device_asked(struct device *device, uint32_t backend, uint32_t front) {
	device->make_front = front == XENBUS_UNKNOWN;
	if (device->make_again) {
		device->make_again = false;
		node_publish(device);
		node_watch(device);
		return;
	}
	if (device->state != DEVICE_ASKING) return;
	device->front_state = front;
	device->backend_state = backend;
	if (backend == XENBUS_CONNECTED && front == XENBUS_CONNECTED) {
		device->state = DEVICE_READING;
		device->adopting = true;
		device->was_connected = true;
		node_read_front(device);
		return;
	}
	/* Whatever a predecessor had, this frontend begins anew. */
	ring_forget((uint16_t)(device - vbd.device));
	if (!forget_pages(device)) {
		device->state = DEVICE_WAITING;
		return;
	}
	if (device->make_front) device->front_state = XENBUS_INITIALISING;
	open_anew(device,
		  device->front_state >= XENBUS_CONNECTED ? XENBUS_CLOSED : XENBUS_INIT_WAIT);
}

/* --- the frontend --- */

static void read_front(struct device *device) {
	device->state = DEVICE_READING;
	device->adopting = false;
	node_read_front(device);
}

static void drain(struct device *device) {
	device->state = DEVICE_DRAINING;
	vbd.changes = true;
	pump_soon();
}

/* What follows from the frontend's state when there is no ring. */
static void reconsider(struct device *device) {
	uint32_t backend = XENBUS_CLOSED;

	if (device->front_state == XENBUS_CLOSING)
		backend = XENBUS_CLOSING; /* a guest that shuts down waits for this one */
	else if (!device->broken && (device->front_state == XENBUS_INITIALISING ||
				     device->front_state == XENBUS_INITIALISED))
		backend = XENBUS_INIT_WAIT;
	device->state = backend == XENBUS_INIT_WAIT ? DEVICE_OPEN : DEVICE_CLOSED;
	device->was_connected = false;
	if (device->backend_state != backend) node_state(device, backend);
	if (backend == XENBUS_INIT_WAIT && device->front_state == XENBUS_INITIALISED)
		read_front(device);
}

void device_front_changed(struct device *device, uint32_t state) {
	bool again = state == XENBUS_INITIALISING || state == XENBUS_INITIALISED;

	device->front_state = state;
	device->make_front = false;
	switch (device->state) {
	case DEVICE_OPEN:
		/* Some frontends go to Connected at once. */
		if (state == XENBUS_INITIALISED || state == XENBUS_CONNECTED)
			read_front(device);
		else if (state != XENBUS_INITIALISING)
			reconsider(device);
		break;
	case DEVICE_LIVE:
		if (state == XENBUS_CONNECTED)
			device->was_connected = true;
		else if (!again || device->was_connected)
			drain(device);
		break;
	case DEVICE_CLOSED: reconsider(device); break;
	default: break;
	}
}

static void refuse(struct device *device, const char *why) {
	log_print("disk %s: the frontend in %s is refused: %s", device->name,
		  config_string(device->config->guest), why);
	device->malformed++;
	device->state = DEVICE_CLOSED;
	ring_forget((uint16_t)(device - vbd.device));
	node_state(device, XENBUS_CLOSED);
	node_watch(device);
}

void device_front_read(struct device *device, const char *failure) {
	if (device->state != DEVICE_READING) return;
	device->persistent = device->front.persistent;
	if (!failure) {
		device->queue_count = (uint16_t)device->front.queues;
		failure = link_connect(device);
	}
	if (failure) {
		refuse(device, failure);
		return;
	}
	device->state = DEVICE_LIVE;
	ring_connect(device, device->adopting);
	if (!device->adopting) {
		ring_forget((uint16_t)(device - vbd.device));
		if (device->state == DEVICE_LIVE) node_state(device, XENBUS_CONNECTED);
	} else {
		/* A predecessor may have answered without having said so. */
		for (uint32_t i = 0; i < device->queue_count; i++)
			link_notify(device->queue[i].port);
		node_watch(device);
	}
	bits_add(&vbd.ready, (uint32_t)(device - vbd.device));
	pump_soon();
}

/* --- the end --- */

void device_drained(struct device *device) {
	link_disconnect(device);
	bits_remove(&vbd.ready, (uint32_t)(device - vbd.device));
	/* The end of a guest waits for that in device_gone(), and the pump comes back here. */
	if (!vbd.guest[device->guest].ending) {
		if (forget_pages(device)) reconsider(device);
		return;
	}
	device->state = DEVICE_ABSENT;
	device->make_again = false;
	node_remove(device);
	pump_soon();
}

void device_break(struct device *device, const char *why) {
	if (device->broken || device->state != DEVICE_LIVE) return;
	log_print("disk %s of %s is taken away: %s", device->name,
		  config_string(device->config->guest), why);
	device->broken = true;
	device->malformed++;
	drain(device);
}

void device_leave(uint16_t guest) {
	vbd.guest[guest].ending = vbd.changes = true;
	for (uint32_t i = 0; i < vbd.device_count; i++) {
		struct device *device = &vbd.device[i];

		if (device->guest != guest) continue;
		switch (device->state) {
		case DEVICE_ABSENT: break;
		case DEVICE_LIVE: drain(device); break;
		case DEVICE_DRAINING: break;
		default:
			ring_forget((uint16_t)i);
			device->state = DEVICE_ABSENT;
			node_remove(device);
			break;
		}
	}
}

bool device_served(uint16_t guest) {
	for (uint32_t i = 0; i < vbd.device_count; i++) {
		const struct device *device = &vbd.device[i];
		bool waits = device->state <= DEVICE_ASKING;

		if (device->guest != guest) continue;
		if (waits ? !volume_is_stuck(device->volume) : !node_is_written(device))
			return false;
	}
	return true;
}

bool device_gone(uint16_t guest) {
	bool gone = true;

	for (uint32_t i = 0; i < vbd.device_count; i++)
		if (vbd.device[i].guest == guest && vbd.device[i].state != DEVICE_ABSENT)
			return false;
	for (uint32_t i = 0; i < vbd.driver_count; i++)
		gone &= dma_forget(&vbd.driver[i].dma,
				   rt_start_page->connections[guest].peer_domid);
	if (gone) {
		vbd.guest[guest].present = vbd.guest[guest].ending = false;
		vbd.guest[guest].starting = false;
		share_jobs();
	}
	return gone;
}

/* --- the store --- */

/*
 * The first connection, or a new one. What has no ring begins as if it were new. A
 * device in use goes on; its nodes are made again, in case the store has lost them.
 */
void device_store_ready(void) {
	for (uint32_t i = 0; i < vbd.device_count; i++) {
		struct device *device = &vbd.device[i];

		switch (device->state) {
		case DEVICE_ASKING:
		case DEVICE_READING:
		case DEVICE_OPEN:
		case DEVICE_CLOSED:
			if (!device->broken) device->state = DEVICE_WAITING;
			break;
		case DEVICE_LIVE:
		case DEVICE_DRAINING: device->make_again = true; break;
		default: break;
		}
	}
	device_settle();
}
