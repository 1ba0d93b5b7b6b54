/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A virtual disk's nodes in the store. The backend's directory is ours, below
 * our own home; the frontend's lies in the guest's. What a guest reads there is
 * written before the state that makes it look.
 *
 * Nothing here waits: a request that the connection has no room for is
 * remembered in the device (publish, questions) and made when there is some. An
 * answer carries the device's generation, so one to an old question is dropped.
 */
#include "node.h"

#include "libs/log/log.h"

struct xenbus node_bus;
static int home_watch[VBD_GUESTS]; /* its guest's home is waited for; 0 = no */

void *node_context(const struct device *device, enum what what, uint32_t detail) {
	return (void *)((uintptr_t)(device - vbd.device) | (uintptr_t)what << 8 |
			(uintptr_t)detail << 16 | (uintptr_t)device->generation << 32);
}

static void backend_path(const struct device *device, const char *node, char path[PATH]) {
	rt_format(path, PATH, "/local/domain/%u/backend/vbd/%u/%u%s%s", rt_start_page->domid,
		  device->domid, device->config->virtual_device, *node ? "/" : "", node);
}

void node_front_path(const struct device *device, const char *node, char path[PATH]) {
	rt_format(path, PATH, "/local/domain/%u/device/vbd/%u%s%s", device->domid,
		  device->config->virtual_device, *node ? "/" : "", node);
}

/* --- what is written --- */

enum value {
	V_DIR,
	V_PERMISSIONS,
	V_FRONTEND,
	V_BACKEND,
	V_GUEST,
	V_SELF,
	V_ZERO,
	V_ONE,
	V_NAME,
	V_TYPE,
	V_MODE,
	V_DISK,
	V_VOLUME,
	V_SEGMENTS,
	V_FLUSH,
	V_DISCARD,
	V_GRANULARITY,
	V_SECTORS,
	V_BLOCK,
	V_PHYSICAL,
	V_INFO,
	V_QUEUES,
	V_ORDER,
	V_NUMBER,
	V_STATE,
	V_FRONT_STATE
};

static const struct node {
	const char *name;
	uint8_t front, value;
} nodes[] = {
	{"", 0, V_DIR},
	{"", 0, V_PERMISSIONS},
	{"frontend", 0, V_FRONTEND},
	{"frontend-id", 0, V_GUEST},
	{"online", 0, V_ONE},
	{"removable", 0, V_ZERO},
	{"bootable", 0, V_ONE},
	{"dev", 0, V_NAME},
	{"type", 0, V_TYPE},
	{"mode", 0, V_MODE},
	{"device-type", 0, V_DISK},
	{"params", 0, V_VOLUME},
	{"feature-persistent", 0, V_ONE},
	{"feature-max-indirect-segments", 0, V_SEGMENTS},
	{"feature-flush-cache", 0, V_FLUSH},
	{"feature-barrier", 0, V_FLUSH},
	{"feature-discard", 0, V_DISCARD},
	{"discard-granularity", 0, V_GRANULARITY},
	{"discard-alignment", 0, V_ZERO},
	{"discard-secure", 0, V_ZERO},
	{"sectors", 0, V_SECTORS},
	{"sector-size", 0, V_BLOCK},
	{"physical-sector-size", 0, V_PHYSICAL},
	{"info", 0, V_INFO},
	{"multi-queue-max-queues", 0, V_QUEUES},
	{"max-ring-page-order", 0, V_ORDER},
	{"state", 0, V_STATE},
	{"", 1, V_DIR},
	{"", 1, V_PERMISSIONS},
	{"backend", 1, V_BACKEND},
	{"backend-id", 1, V_SELF},
	{"virtual-device", 1, V_NUMBER},
	{"device-type", 1, V_DISK},
	{"state", 1, V_FRONT_STATE},
};

/* As Linux names it: xvda, xvda1, xvdb, ... */
static void device_name(uint32_t number, char *to) {
	uint32_t disk = number & 1U << 28 ? number >> 8 & 0xfffff : number >> 4 & 15;
	uint32_t part = number & (number & 1U << 28 ? 255 : 15);
	char text[12] = "";

	if (part) rt_format(text, sizeof(text), "%u", part);
	if ((number >> 8 == 202 || number & 1U << 28) && disk < 26)
		rt_format(to, PATH, "xvd%c%s", (char)('a' + disk), text);
	else
		rt_format(to, PATH, "vbd%u", number);
}

static bool has_cache(const struct volume *volume) {
	bool has = false;

	for (uint32_t i = 0; i < volume->extent_count; i++)
		has |= !!(disk_info(volume->extent[i].disk)->flags & BLK_DISK_FLUSH);
	return has;
}

static uint32_t granularity(const struct volume *volume) {
	uint32_t most = volume->block;

	for (uint32_t i = 0; i < volume->extent_count; i++)
		most = MAX(most, disk_info(volume->extent[i].disk)->discard_granularity);
	return most;
}

static void number_value(uint64_t number, char *to) { rt_format(to, PATH, "%lu", number); }

static void make_value(const struct device *device, enum value value, char *to) {
	const struct volume *volume = device->volume;

	switch (value) {
	case V_FRONTEND: node_front_path(device, "", to); break;
	case V_BACKEND: backend_path(device, "", to); break;
	case V_NAME: device_name(device->config->virtual_device, to); break;
	case V_TYPE: rt_strcopy(to, "phy", PATH); break;
	case V_MODE: rt_strcopy(to, device->readonly ? "r" : "w", PATH); break;
	case V_DISK: rt_strcopy(to, "disk", PATH); break;
	case V_VOLUME: rt_strcopy(to, volume->name, PATH); break;
	case V_GUEST: number_value(device->domid, to); break;
	case V_SELF: number_value(rt_start_page->domid, to); break;
	case V_ONE: number_value(1, to); break;
	case V_SEGMENTS: number_value(VBD_SEGMENTS, to); break;
	case V_FLUSH: number_value(has_cache(volume), to); break;
	case V_DISCARD: number_value(device->discard, to); break;
	case V_GRANULARITY: number_value(granularity(volume), to); break;
	case V_SECTORS: number_value(volume->sectors, to); break;
	case V_BLOCK: number_value(volume->block, to); break;
	case V_PHYSICAL: number_value(volume->physical_block, to); break;
	case V_INFO: number_value(device->readonly ? 4 : 0, to); break;
	case V_QUEUES: number_value(VBD_QUEUES, to); break;
	case V_ORDER: number_value(VBD_RING_ORDER, to); break;
	case V_NUMBER: number_value(device->config->virtual_device, to); break;
	case V_STATE: number_value(device->backend_state, to); break;
	case V_FRONT_STATE: number_value(device->front_state, to); break;
	default: number_value(0, to); break;
	}
}

static void written(void *context, const struct xenbus_answer *answer) {
	struct device *device = context;
	static uint32_t said;

	/* Somebody may wait for the last of them. */
	if (!--device->unwritten) pump_soon();
	if (answer->error && answer->error != -XEN_ENOTCONN && said++ < 8)
		log_print("disk %s: the store refuses a node (%d)", device->name, answer->error);
}

/* The request for one node; 1: there is none to be made. */
static int send_node(struct device *device, const struct node *node) {
	char path[PATH], value[PATH] = "";
	uint16_t owner = node->front ? device->domid : rt_start_page->domid;
	uint16_t reader = node->front ? rt_start_page->domid : device->domid;

	if (node->front)
		node_front_path(device, node->name, path);
	else
		backend_path(device, node->name, path);
	if (node->value == V_DIR) return xenbus_mkdir(&node_bus, 0, path, written, device);
	if (node->value == V_PERMISSIONS) {
		rt_format(value, sizeof(value), "n%u r%u", owner, reader);
		return xenbus_set_permissions(&node_bus, 0, path, value, written, device);
	}
	if (node->value == V_FRONT_STATE && !device->make_front) return 1;
	make_value(device, node->value, value);
	return xenbus_write(&node_bus, 0, path, value, (uint32_t)strlen(value), written, device);
}

static int write_node(struct device *device, const struct node *node) {
	int error = send_node(device, node);

	device->unwritten += !error;
	return MIN(error, 0);
}

bool node_is_written(const struct device *device) {
	return device->publish == ARRAY_SIZE(nodes) && !device->unwritten;
}

/* --- what is read --- */

struct device *node_addressee(void *context, const struct xenbus_answer *answer) {
	uintptr_t word = (uintptr_t)context;
	struct device *device = &vbd.device[word & 0xff];

	if (device->generation != (uint32_t)(word >> 32) || answer->error == -XEN_ENOTCONN)
		return NULL;
	return device;
}

static void home_changed(void *context, const char *path) {
	(void)context;
	(void)path;
	device_settle();
}

/* The store has not heard of the guest yet; it will fire this when it has made its home. */
static void wait_for_home(uint16_t guest) {
	char path[PATH];
	int watch;

	if (home_watch[guest]) return;
	rt_format(path, sizeof(path), "/local/domain/%u/device/vbd",
		  rt_start_page->connections[guest].peer_domid);
	watch = xenbus_watch(&node_bus, path, home_changed, NULL, NULL, NULL);
	home_watch[guest] = MAX(watch, 0);
}

static void stop_waiting(uint16_t guest) {
	if (!home_watch[guest]) return;
	(void)xenbus_unwatch(&node_bus, home_watch[guest]);
	home_watch[guest] = 0;
}

static void states_read(struct device *device, bool home, uint32_t backend, uint32_t front) {
	if (home) {
		stop_waiting(device->guest);
		device_asked(device, backend, front);
	} else {
		device_homeless(device);
		wait_for_home(device->guest);
	}
}

static void state_read(void *context, const struct xenbus_answer *answer) {
	struct device *device = node_addressee(context, answer);
	static uint32_t backend[VBD_DEVICES];
	static bool home[VBD_DEVICES];
	uint64_t state = XENBUS_UNKNOWN;
	size_t n;

	if (!device) return;
	n = (size_t)(device - vbd.device);
	if (!xenbus_number(answer, XENBUS_RECONFIGURED, &state)) state = XENBUS_UNKNOWN;
	switch ((enum what)((uintptr_t)context >> 8 & 0xff)) {
	case HOME: home[n] = !answer->error; break;
	case BACKEND_STATE: backend[n] = (uint32_t)state; break;
	case CHANGED: device_front_changed(device, (uint32_t)state); break;
	default: states_read(device, home[n], backend[n], (uint32_t)state); break;
	}
}

static int read_state(struct device *device, enum what what) {
	char path[PATH];

	if (what == HOME)
		rt_format(path, sizeof(path), "/local/domain/%u/device/vbd", device->domid);
	else if (what == BACKEND_STATE)
		backend_path(device, "state", path);
	else
		node_front_path(device, "state", path);
	return xenbus_read(&node_bus, 0, path, state_read, node_context(device, what, 0));
}

static void changed(void *device, const char *path) {
	(void)path;
	node_question(device, ASK_CHANGED);
}

/* --- putting questions, as far as there is room --- */

static int ask(struct device *device, uint8_t question) {
	char path[PATH];
	int error;

	switch (question) {
	case ASK_STATES:
		/* The last answer is what counts; the store keeps the order. */
		error = read_state(device, HOME);
		if (!error) error = read_state(device, BACKEND_STATE);
		return error ? error : read_state(device, FRONT_STATE);
	case ASK_CHANGED: return read_state(device, CHANGED);
	case ASK_FRONT: return front_ask(device);
	case ASK_RINGS: return front_ask_rings(device);
	case ASK_SET_STATE: return write_node(device, &(const struct node){"state", 0, V_STATE});
	case ASK_REMOVE:
		backend_path(device, "", path);
		return xenbus_rm(&node_bus, 0, path, NULL, NULL);
	default:
		if (device->watch > 0) return 0;
		node_front_path(device, "state", path);
		device->watch = xenbus_watch(&node_bus, path, changed, device, NULL, NULL);
		return device->watch < 0 ? device->watch : 0;
	}
}

/* False: no room. A question of several requests is put again as a whole. */
static bool go_on(struct device *device) {
	int error = 0;

	while (device->publish < ARRAY_SIZE(nodes) && !error) {
		error = write_node(device, &nodes[device->publish]);
		if (!error) device->publish++;
	}
	while (device->questions && !error) {
		uint8_t question = device->questions & (uint8_t)-device->questions;

		error = ask(device, question);
		if (!error)
			device->questions &= (uint8_t)~question;
		else
			device->generation++;
	}
	return !error;
}

static void go_on_all(void *context) {
	(void)context;
	for (uint32_t i = 0; i < vbd.device_count; i++)
		if (!go_on(&vbd.device[i])) return;
}

void node_question(struct device *device, uint8_t question) {
	device->questions |= question;
	if (node_bus.ready) go_on(device);
}

void node_publish(struct device *device) {
	device->publish = 0;
	node_question(device, 0);
}

void node_state(struct device *device, uint32_t state) {
	device->backend_state = state;
	node_question(device, ASK_SET_STATE);
}

void node_remove(struct device *device) {
	if (device->watch > 0) (void)xenbus_unwatch(&node_bus, device->watch);
	device->watch = 0;
	device->generation++;
	device->publish = ARRAY_SIZE(nodes);
	device->questions = 0;
	node_question(device, ASK_REMOVE);
}

void node_ask(struct device *device) {
	device->questions = 0;
	node_question(device, ASK_STATES);
}

void node_watch(struct device *device) { node_question(device, ASK_WATCH); }

void node_read_front(struct device *device) {
	device->front.tries = 0;
	front_begin(device);
}

bool node_ready(void) { return node_bus.ready; }

static void connected(void *context) {
	memset(home_watch, 0, sizeof(home_watch));
	for (uint32_t i = 0; i < vbd.device_count; i++) {
		vbd.device[i].watch = 0;
		vbd.device[i].generation++;
	}
	device_store_ready();
	go_on_all(context);
}

const char *node_open(void) {
	const struct native_connection *connection = rt_connection(SYSTEM_CONN_XENBUS, 0);

	if (!connection) return "it has no connection with the store";
	for (uint32_t i = 0; i < VBD_DEVICES; i++) vbd.device[i].publish = ARRAY_SIZE(nodes);
	return xenbus_open(&node_bus, connection, connected, go_on_all, NULL)
		       ? "the store's ring can't be mapped"
		       : NULL;
}
