/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * See backend.h: a device's nodes in the store. The backend's directory is ours,
 * below our own home; the frontend's lies in the guest's.
 *
 * Nothing here waits: a request that the connection has no room for is remembered
 * in the device (publish, questions) and made when there is some. An answer carries
 * the device's generation, so one to an old question is dropped.
 */
#include "libs/log/log.h"
#include "libs/xenbus/backend_internal.h"
#include "proto/system.h"

#define TRIES 3U /* readings of a frontend's keys in a row of which one was unclear */

/* device->questions: what the store is to be asked */
#define ASK_STATES    1U
#define ASK_FRONT     2U
#define ASK_WATCH     4U
#define ASK_SET_STATE 8U
#define ASK_REMOVE    16U
#define ASK_CHANGED   32U

/* Which answer it is. */
enum what { HOME, OWN_STATE, FRONT_STATE, CHANGED, KEY };

static struct xenbus bus;
static int home_watch[BACKEND_GUESTS]; /* its guest's home is waited for; 0 = no */

static void question(struct backend_device *device, uint8_t asked);

/* The context of a request: which device, which answer, how old the question is. */
static void *context_of(const struct backend_device *device, enum what what, uint16_t key) {
	return (void *)((uintptr_t)device->number | (uintptr_t)what << 8 | (uintptr_t)key << 16 |
			(uintptr_t)device->generation << 32);
}
_Static_assert(BACKEND_DEVICES <= 256, "a device's number fits a context");

static enum what what_of(void *context) { return (enum what)((uintptr_t)context >> 8 & 0xff); }

/*
 * NULL: the answer is to an old question. One that tells of a change never is: it comes before
 * the answers to whatever was asked later, and nobody would ask again.
 */
static struct backend_device *addressee(void *context, const struct xenbus_answer *answer) {
	uintptr_t word = (uintptr_t)context;
	struct backend_device *device = backend_device(word & 0xff);
	bool old = device->generation != (uint32_t)(word >> 32) && what_of(context) != CHANGED;

	return old || answer->error == -XEN_ENOTCONN ? NULL : device;
}

static void own_path(const struct backend_device *device, const char *node,
		     char path[BACKEND_PATH]) {
	rt_format(path, BACKEND_PATH, "/local/domain/%u/backend/%s/%u/%u%s%s", rt_start_page->domid,
		  backend.class->type, device->domid, device->handle, *node ? "/" : "", node);
}

void backend_front_path(const struct backend_device *device, const char *node,
			char path[BACKEND_PATH]) {
	rt_format(path, BACKEND_PATH, "/local/domain/%u/device/%s/%u%s%s", device->domid,
		  backend.class->type, device->handle, *node ? "/" : "", node);
}

static void home_path(uint16_t domid, char path[BACKEND_PATH]) {
	rt_format(path, BACKEND_PATH, "/local/domain/%u/device/%s", domid, backend.class->type);
}

/* --- what is written --- */

static void number_value(uint32_t number, char *to) { rt_format(to, BACKEND_PATH, "%u", number); }

static void make_value(const struct backend_device *device, uint32_t value, char *to) {
	switch (value) {
	case BACKEND_FRONTEND: backend_front_path(device, "", to); break;
	case BACKEND_BACKEND: own_path(device, "", to); break;
	case BACKEND_GUEST: number_value(device->domid, to); break;
	case BACKEND_SELF: number_value(rt_start_page->domid, to); break;
	case BACKEND_HANDLE: number_value(device->handle, to); break;
	case BACKEND_ZERO: number_value(0, to); break;
	case BACKEND_ONE: number_value(1, to); break;
	case BACKEND_STATE: number_value(device->own_state, to); break;
	case BACKEND_FRONT_STATE: number_value(device->front_state, to); break;
	default: backend.class->value(device, value, to); break;
	}
}

/* Somebody may wait for the last of them. */
static void answered(struct backend_device *device) {
	if (!--device->unwritten) backend.class->soon();
}

static void removed(void *device, const struct xenbus_answer *answer) {
	(void)answer; /* what is not there is gone as well */
	answered(device);
}

static void written(void *context, const struct xenbus_answer *answer) {
	struct backend_device *device = context;
	static uint32_t said;

	answered(device);
	if (answer->error && answer->error != -XEN_ENOTCONN && said++ < 8)
		log_print("%s%s: the store refuses a node (%d)", backend.class->label, device->name,
			  answer->error);
}

/* The request for one node; 1: there is none to be made. */
static int send_node(struct backend_device *device, const struct backend_node *node) {
	char path[BACKEND_PATH], value[BACKEND_PATH] = "";
	uint16_t owner = node->front ? device->domid : rt_start_page->domid;
	uint16_t reader = node->front ? rt_start_page->domid : device->domid;

	if (node->front)
		backend_front_path(device, node->name, path);
	else
		own_path(device, node->name, path);
	if (node->value == BACKEND_DIRECTORY) return xenbus_mkdir(&bus, 0, path, written, device);
	if (node->value == BACKEND_PERMISSIONS) {
		rt_format(value, sizeof(value), "n%u r%u", owner, reader);
		return xenbus_set_permissions(&bus, 0, path, value, written, device);
	}
	if (node->value == BACKEND_FRONT_STATE && !device->make_front) return 1;
	make_value(device, node->value, value);
	return xenbus_write(&bus, 0, path, value, (uint32_t)strlen(value), written, device);
}

static int write_node(struct backend_device *device, const struct backend_node *node) {
	int error = send_node(device, node);

	device->unwritten += !error;
	return MIN(error, 0);
}

static int write_state(struct backend_device *device) {
	static const struct backend_node state = {"state", false, BACKEND_STATE};

	return write_node(device, &state);
}

bool backend_is_written(const struct backend_device *device) {
	return device->publish == backend.class->node_count && !device->unwritten;
}

/* Of one that is leaving the frontend's nodes as well, and the guest's device with them. */
static int remove_nodes(struct backend_device *device) {
	char path[BACKEND_PATH];
	int error;

	if (device->plug.leaving) {
		backend_front_path(device, "", path);
		error = xenbus_rm(&bus, 0, path, removed, device);
		if (error) return error;
		device->unwritten++;
	}
	own_path(device, "", path);
	error = xenbus_rm(&bus, 0, path, removed, device);
	device->unwritten += !error;
	return error;
}

bool backend_node_is_removed(const struct backend_device *device) {
	return !(device->questions & ASK_REMOVE) && !device->unwritten;
}

/* --- the states are read --- */

static void home_changed(void *context, const char *path) {
	(void)context;
	(void)path;
	backend_settle();
}

/*
 * The store has not heard of the guest yet; it will fire this when it has made its home.
 * False: there is no room for that now.
 */
static bool wait_for_home(const struct backend_device *device) {
	char path[BACKEND_PATH];
	int watch;

	if (home_watch[device->guest]) return true;
	home_path(device->domid, path);
	watch = xenbus_watch(&bus, path, home_changed, NULL, NULL, NULL);
	home_watch[device->guest] = MAX(watch, 0);
	return watch > 0;
}

static void stop_waiting(uint16_t guest) {
	if (!home_watch[guest]) return;
	(void)xenbus_unwatch(&bus, home_watch[guest]);
	home_watch[guest] = 0;
}

static void states_read(struct backend_device *device, bool home, uint32_t own, uint32_t front) {
	if (home) {
		stop_waiting(device->guest);
		backend_asked(device, own, front);
	} else if (wait_for_home(device)) {
		backend_homeless(device);
	} else {
		question(device, ASK_STATES);
	}
}

static void state_read(void *context, const struct xenbus_answer *answer) {
	struct backend_device *device = addressee(context, answer);
	static uint32_t own[BACKEND_DEVICES];
	static bool home[BACKEND_DEVICES];
	uint64_t state = XENBUS_UNKNOWN;

	if (!device) return;
	if (!xenbus_number(answer, XENBUS_RECONFIGURED, &state)) state = XENBUS_UNKNOWN;
	switch (what_of(context)) {
	case HOME: home[device->number] = !answer->error; break;
	case OWN_STATE: own[device->number] = (uint32_t)state; break;
	case CHANGED: backend_front_changed(device, (uint32_t)state); break;
	default:
		states_read(device, home[device->number], own[device->number], (uint32_t)state);
		break;
	}
}

static int read_state(struct backend_device *device, enum what what) {
	char path[BACKEND_PATH];

	if (what == HOME)
		home_path(device->domid, path);
	else if (what == OWN_STATE)
		own_path(device, "state", path);
	else
		backend_front_path(device, "state", path);
	return xenbus_read(&bus, 0, path, state_read, context_of(device, what, 0));
}

static void changed(void *device, const char *path) {
	(void)path;
	question(device, ASK_CHANGED);
}

static int watch(struct backend_device *device) {
	char path[BACKEND_PATH];

	if (device->watch > 0) return 0;
	backend_front_path(device, "state", path);
	device->watch = xenbus_watch(&bus, path, changed, device, NULL, NULL);
	return MIN(device->watch, 0);
}

/* --- the frontend's keys are read --- */

/* What an older reading still had to ask is not asked any more. */
static void begin_reading(struct backend_device *device) {
	device->generation++;
	device->unclear = false;
	device->round = 0;
	question(device, ASK_FRONT);
}

/* Only 'there is none' means that there is none: whatever else went wrong is asked again. */
static void read_again(struct backend_device *device) {
	if (++device->tries < TRIES)
		begin_reading(device);
	else
		backend_front_read(device, "the store does not say where its rings are");
}

static const struct backend_round *round_of(const struct backend_device *device) {
	return &backend.class->rounds[device->round];
}

static void round_read(struct backend_device *device) {
	const char *failure = round_of(device)->judge(device);

	if (!failure && device->round + 1U < BACKEND_ROUNDS) {
		device->round++;
		question(device, ASK_FRONT);
	} else {
		backend_front_read(device, failure);
	}
}

static void key_read(void *context, const struct xenbus_answer *answer) {
	struct backend_device *device = addressee(context, answer);

	if (!device) return;
	device->unclear |= answer->error && answer->error != -XEN_ENOENT;
	round_of(device)->read(device, (uintptr_t)context >> 16 & 0xffff, answer);
	if (--device->awaited) return;
	if (device->unclear)
		read_again(device);
	else
		round_read(device);
}

int backend_ask(struct backend_device *device, const char *name, uint16_t key) {
	char path[BACKEND_PATH];

	backend_front_path(device, name, path);
	device->awaited++;
	return xenbus_read(&bus, 0, path, key_read, context_of(device, KEY, key));
}

static int ask_front(struct backend_device *device) {
	device->awaited = 0;
	return round_of(device)->ask(device);
}

/* --- putting questions, as far as there is room --- */

static int ask(struct backend_device *device, uint8_t asked) {
	int error;

	switch (asked) {
	case ASK_STATES:
		/* The last answer is what counts; the store keeps the order. */
		error = read_state(device, HOME);
		if (!error) error = read_state(device, OWN_STATE);
		return error ? error : read_state(device, FRONT_STATE);
	case ASK_CHANGED: return read_state(device, CHANGED);
	case ASK_FRONT: return ask_front(device);
	case ASK_SET_STATE: return write_state(device);
	case ASK_REMOVE: return remove_nodes(device);
	default: return watch(device);
	}
}

/* False: no room. A question of several requests is put again as a whole. */
static bool go_on(struct backend_device *device) {
	int error = 0;

	while (device->publish < backend.class->node_count && !error) {
		error = write_node(device, &backend.class->nodes[device->publish]);
		if (!error) device->publish++;
	}
	while (device->questions && !error) {
		uint8_t asked = device->questions & (uint8_t)-device->questions;

		error = ask(device, asked);
		if (!error)
			device->questions &= (uint8_t)~asked;
		else if (asked & (ASK_STATES | ASK_FRONT))
			device->generation++;
	}
	return !error;
}

static void go_on_all(void *context) {
	(void)context;
	for (uint32_t i = 0; i < backend.device_count; i++)
		if (backend_device(i) && !go_on(backend_device(i))) return;
}

static void question(struct backend_device *device, uint8_t asked) {
	device->questions |= asked;
	if (bus.ready) go_on(device);
}

void backend_node_publish(struct backend_device *device) {
	device->publish = 0;
	question(device, 0);
}

void backend_node_state(struct backend_device *device, uint32_t state) {
	device->own_state = state;
	question(device, ASK_SET_STATE);
}

void backend_node_remove(struct backend_device *device) {
	if (device->watch > 0) (void)xenbus_unwatch(&bus, device->watch);
	device->watch = 0;
	device->generation++;
	device->publish = (uint8_t)backend.class->node_count;
	device->questions = 0;
	question(device, ASK_REMOVE);
}

void backend_node_ask(struct backend_device *device) {
	device->questions = 0;
	question(device, ASK_STATES);
}

void backend_node_watch(struct backend_device *device) { question(device, ASK_WATCH); }

void backend_node_read_front(struct backend_device *device) {
	device->tries = 0;
	begin_reading(device);
}

bool backend_node_ready(void) { return bus.ready; }

static void connected(void *context) {
	memset(home_watch, 0, sizeof(home_watch));
	for (uint32_t i = 0; i < backend.device_count; i++) {
		struct backend_device *device = backend_device(i);

		if (!device) continue;
		device->watch = 0;
		device->generation++;
	}
	backend_store_ready();
	go_on_all(context);
}

const char *backend_open(void) {
	const struct native_connection *connection = rt_connection(SYSTEM_CONN_XENBUS, 0);

	if (!connection) return "it has no connection with the store";
	return xenbus_open(&bus, connection, connected, go_on_all, NULL)
		       ? "the store's ring can't be mapped"
		       : NULL;
}
