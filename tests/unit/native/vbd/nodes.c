/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The nodes of a disk in the store, with a store of the test's own: what a guest
 * finds, what becomes of what it writes, and a connection that is full or lost.
 */
#include "rig.h"

#include "libs/xenbus/xenbus.h"

#define FRONT   "/local/domain/5/device/vbd/51712"
#define BACKEND "/local/domain/3/backend/vbd/5/51712"

/* --- the store --- */

static struct {
	char path[96], value[96];
	bool used;
} nodes[128];

static struct call {
	uint32_t type;
	char path[96], value[96];
	xenbus_done done;
	void *context;
} queue[512];
static uint32_t queued, capacity;
static bool lose; /* all that is under way */
static struct xenbus *the_bus;
static void (*on_connected)(void *context), (*on_room)(void *context);
static struct {
	char path[96];
	xenbus_event event;
	void *context;
	bool used, fired;
} watches[16];

static int find(const char *path) {
	for (uint32_t i = 0; i < ARRAY_SIZE(nodes); i++)
		if (nodes[i].used && !strcmp(nodes[i].path, path)) return (int)i;
	return -1;
}

static const char *get(const char *path) {
	int n = find(path);

	return n < 0 ? "" : nodes[n].value;
}

static void set(const char *path, const char *value) {
	int n = find(path);

	for (uint32_t i = 0; n < 0 && i < ARRAY_SIZE(nodes); i++)
		if (!nodes[i].used) n = (int)i;
	CHECK(n >= 0);
	nodes[n].used = true;
	rt_strcopy(nodes[n].path, path, sizeof(nodes[n].path));
	rt_strcopy(nodes[n].value, value, sizeof(nodes[n].value));
	for (uint32_t i = 0; i < ARRAY_SIZE(watches); i++)
		if (!strncmp(path, watches[i].path, strlen(watches[i].path)))
			watches[i].fired = true;
}

static void remove_all(const char *path) {
	for (uint32_t i = 0; i < ARRAY_SIZE(nodes); i++)
		if (!strncmp(nodes[i].path, path, strlen(path))) nodes[i].used = false;
}

static int put(uint32_t type, const char *path, const char *value, uint32_t length,
	       xenbus_done done, void *context) {
	struct call *call = &queue[queued];

	if (queued >= capacity) return -XEN_ENOBUFS;
	queued++;
	*call = (struct call){.type = type, .done = done, .context = context};
	CHECK(rt_strcopy(call->path, path, sizeof(call->path)) && length < sizeof(call->value));
	memcpy(call->value, value, length);
	return 0;
}

int xenbus_read(struct xenbus *bus, uint32_t transaction, const char *path, xenbus_done done,
		void *context) {
	(void)bus, (void)transaction;
	return put(XS_READ, path, "", 0, done, context);
}
int xenbus_write(struct xenbus *bus, uint32_t transaction, const char *path, const void *value,
		 uint32_t length, xenbus_done done, void *context) {
	(void)bus, (void)transaction;
	return put(XS_WRITE, path, value, length, done, context);
}
int xenbus_mkdir(struct xenbus *bus, uint32_t transaction, const char *path, xenbus_done done,
		 void *context) {
	(void)bus, (void)transaction;
	return put(XS_MKDIR, path, "", 0, done, context);
}
int xenbus_rm(struct xenbus *bus, uint32_t transaction, const char *path, xenbus_done done,
	      void *context) {
	(void)bus, (void)transaction;
	return put(XS_RM, path, "", 0, done, context);
}
int xenbus_set_permissions(struct xenbus *bus, uint32_t transaction, const char *path,
			   const char *permissions, xenbus_done done, void *context) {
	(void)bus, (void)transaction;
	return put(XS_SET_PERMS, path, permissions, (uint32_t)strlen(permissions), done, context);
}
int xenbus_watch(struct xenbus *bus, const char *path, xenbus_event event, void *event_context,
		 xenbus_done done, void *context) {
	(void)bus, (void)done, (void)context;
	for (uint32_t i = 0; i < ARRAY_SIZE(watches); i++) {
		if (watches[i].used) continue;
		watches[i].used = watches[i].fired = true;
		watches[i].event = event;
		watches[i].context = event_context;
		rt_strcopy(watches[i].path, path, sizeof(watches[i].path));
		return (int)i + 1;
	}
	return -XEN_ENOSPC;
}
int xenbus_unwatch(struct xenbus *bus, int watch) {
	(void)bus;
	watches[watch - 1].used = false;
	return 0;
}
bool xenbus_number(const struct xenbus_answer *answer, uint64_t max, uint64_t *number) {
	return !answer->error && rt_number(answer->value, number) && *number <= max;
}
int xenbus_open(struct xenbus *bus, const struct native_connection *connection,
		void (*connected)(void *context), void (*room)(void *context), void *context) {
	(void)connection, (void)context;
	the_bus = bus;
	on_connected = connected;
	on_room = room;
	return 0;
}

static void carry_out(const struct call *call) {
	struct xenbus_answer answer = {.value = ""};
	int n = find(call->path);

	if (lose) {
		answer.error = -XEN_ENOTCONN;
	} else if (call->type == XS_WRITE) {
		set(call->path, call->value);
	} else if (call->type == XS_RM) {
		remove_all(call->path);
	} else if (call->type == XS_READ) {
		if (n < 0)
			answer.error = -XEN_ENOENT;
		else
			answer.value = nodes[n].value;
	}
	answer.length = (uint32_t)strlen(answer.value);
	if (call->done) call->done(call->context, &answer);
}

void rig_store_forget(void) { queued = 0; }

void rig_store(void) {
	struct call calls[ARRAY_SIZE(queue)];
	uint32_t count = queued;

	if (lose && count) {
		the_bus->ready = false;
		memset(watches, 0, sizeof(watches));
	}
	memcpy(calls, queue, sizeof(calls));
	queued = 0;
	for (uint32_t i = 0; i < count; i++) carry_out(&calls[i]);
	lose = false;
	if (!the_bus->ready) {
		the_bus->ready = true;
		on_connected(NULL);
	}
	on_room(NULL);
	for (uint32_t i = 0; i < ARRAY_SIZE(watches); i++) {
		if (!watches[i].used || !watches[i].fired) continue;
		watches[i].fired = false;
		watches[i].event(watches[i].context, watches[i].path);
	}
}

/* --- a frontend by hand --- */

static void serve(void) {
	for (uint32_t i = 0; i < 60; i++) {
		rig_serve();
		blk_driver_work(&rig_driver);
	}
}

static void begin(bool home) {
	rig_world();
	rig_default(1, 0, true);
	memset(nodes, 0, sizeof(nodes));
	memset(watches, 0, sizeof(watches));
	if (home) set("/local/domain/5/device/vbd", "");
	rig_driver_start(&rig_disk);
	CHECK(!node_open());
	the_bus->ready = true;
	rig_server();
	for (uint32_t i = 0; i < VBD_DEVICES; i++) vbd.device[i].publish = 255;
	serve();
}

static void is(const char *path, const char *value) {
	if (!strcmp(get(path), value)) return;
	printf("# %s is '%s', not '%s'\n", path, get(path), value);
	CHECK(!"the node has this value");
}

static void test_nodes(void) {
	begin(true);
	is(BACKEND "/state", "2");
	is(BACKEND "/frontend", FRONT);
	is(BACKEND "/frontend-id", "5");
	is(BACKEND "/sectors", "16384");
	is(BACKEND "/sector-size", "512");
	is(BACKEND "/physical-sector-size", "4096");
	is(BACKEND "/info", "0");
	is(BACKEND "/mode", "w");
	is(BACKEND "/dev", "xvda");
	is(BACKEND "/params", "all");
	is(BACKEND "/feature-persistent", "1");
	is(BACKEND "/feature-max-indirect-segments", "64");
	is(BACKEND "/feature-flush-cache", "1");
	is(BACKEND "/feature-discard", "1");
	is(BACKEND "/discard-granularity", "4096");
	is(BACKEND "/multi-queue-max-queues", "4");
	is(BACKEND "/max-ring-page-order", "2");
	is(FRONT "/backend", BACKEND);
	is(FRONT "/backend-id", "3");
	is(FRONT "/virtual-device", "51712");
	is(FRONT "/state", "1");
}

static void write_front(void) {
	set(FRONT "/ring-ref", "8");
	set(FRONT "/event-channel", "9");
	set(FRONT "/protocol", "x86_64-abi");
	set(FRONT "/feature-persistent", "1");
	set(FRONT "/state", "3");
}

static void test_connect(void) {
	begin(true);
	write_front();
	serve();
	is(BACKEND "/state", "4");
	CHECK(vbd.device[0].state == DEVICE_LIVE && vbd.device[0].persistent);
	CHECK(vbd.device[0].front.ref[0][0] == 8 && vbd.device[0].front.port[0] == 9);
	set(FRONT "/state", "4");
	serve();
	/* A successor finds both connected, and writes nothing. */
	rig_server();
	for (uint32_t i = 0; i < VBD_DEVICES; i++) vbd.device[i].publish = 255;
	memset(watches, 0, sizeof(watches));
	set(BACKEND "/mode", "mark");
	serve();
	CHECK(vbd.device[0].state == DEVICE_LIVE);
	is(BACKEND "/state", "4");
	is(BACKEND "/mode", "mark");
	set(FRONT "/state", "6");
	serve();
	is(BACKEND "/state", "6");
	set(FRONT "/state", "1");
	serve();
	is(BACKEND "/state", "2");
}

static void test_queues(void) {
	char path[96], text[8];

	begin(true);
	set(FRONT "/ring-page-order", "1");
	set(FRONT "/multi-queue-num-queues", "3");
	for (uint32_t q = 0; q < 3; q++) {
		for (uint32_t p = 0; p < 2; p++) {
			rt_format(path, sizeof(path), FRONT "/queue-%u/ring-ref%u", q, p);
			rt_format(text, sizeof(text), "%u", 20 + q * 2 + p);
			set(path, text);
		}
		rt_format(path, sizeof(path), FRONT "/queue-%u/event-channel", q);
		rt_format(text, sizeof(text), "%u", 40 + q);
		set(path, text);
	}
	set(FRONT "/state", "3");
	serve();
	is(BACKEND "/state", "4");
	CHECK(vbd.device[0].queue_count == 3 && vbd.device[0].queue[0].mask == 63);
	CHECK(vbd.device[0].front.ref[2][1] == 25 && vbd.device[0].front.port[2] == 42);
	CHECK(!vbd.device[0].persistent);
}

/* Each is refused, the backend closes; what is right the next time is taken. */
static void test_lies(void) {
	static const struct {
		const char *name, *value;
	} lies[] = {
		{"protocol", "x86_32-abi"},
		{"protocol", ""},
		{"ring-ref", "-1"},
		{"ring-ref", ""},
		{"ring-ref", "4294967295"},
		{"ring-ref", "99999999999999999999"},
		{"event-channel", "0"},
		{"event-channel", "nine"},
		{"ring-page-order", "3"},
		{"ring-page-order", "18446744073709551615"},
		{"ring-page-order", "x"},
		{"multi-queue-num-queues", "0"},
		{"multi-queue-num-queues", "5"},
		{"multi-queue-num-queues", "2"},
		{"ring-page-order", "0"},
	};
	char path[96];

	for (uint32_t i = 0; i < ARRAY_SIZE(lies); i++) {
		begin(true);
		write_front();
		rt_format(path, sizeof(path), FRONT "/%s", lies[i].name);
		set(path, lies[i].value);
		serve();
		is(BACKEND "/state", "6");
		CHECK(vbd.device[0].state == DEVICE_CLOSED && vbd.device[0].malformed == 1);
		remove_all(path);
		set(FRONT "/state", "1");
		serve();
		is(BACKEND "/state", "2");
		write_front();
		serve();
		is(BACKEND "/state", "4");
	}
}

/* The store has heard of the guest later than we. */
static void test_homeless(void) {
	begin(false);
	is(BACKEND "/state", "");
	CHECK(vbd.device[0].state == DEVICE_WAITING);
	set("/local/domain/5/device/vbd", "");
	serve();
	is(BACKEND "/state", "2");
}

static void test_full(void) {
	for (capacity = 24; capacity >= 10; capacity--) test_queues();
	capacity = ARRAY_SIZE(queue);
}

/* The connection is lost at any time: it ends as it would have. */
static void test_lost(void) {
	for (uint32_t when = 0; when < 12; when++) {
		begin(true);
		write_front();
		for (uint32_t i = 0; i < when; i++) rig_serve();
		lose = true;
		serve();
		is(BACKEND "/state", "4");
		is(BACKEND "/sectors", "16384");
		CHECK(vbd.device[0].state == DEVICE_LIVE);
	}
}

int main(void) {
	static const struct test tests[] = {
		{"what a guest finds", test_nodes},
		{"a frontend connects, and again", test_connect},
		{"several queues and pages", test_queues},
		{"lies of a frontend", test_lies},
		{"a guest that the store does not know yet", test_homeless},
		{"a connection without room", test_full},
		{"a connection that is lost", test_lost},
	};

	capacity = ARRAY_SIZE(queue);
	world = calloc(1, sizeof(*world));
	return RUN("vbd_nodes", tests);
}
