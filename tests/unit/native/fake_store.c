/* SPDX-License-Identifier: BSD-2-Clause */
#include "fake_store.h"
#include "native.h"

static struct {
	char path[96], value[96];
	bool used;
} nodes[128];

static struct call {
	uint32_t type;
	char path[96], value[96];
	xenbus_done done;
	void *context;
} queue[FAKE_STORE_REQUESTS];
static uint32_t queued;
uint32_t fake_store_room = FAKE_STORE_REQUESTS;
bool fake_store_lose;
bool fake_store_quiet;
int fake_store_error;
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

const char *fake_store_get(const char *path) {
	int n = find(path);

	return n < 0 ? "" : nodes[n].value;
}

void fake_store_set(const char *path, const char *value) {
	int n = find(path);

	for (uint32_t i = 0; n < 0 && i < ARRAY_SIZE(nodes); i++)
		if (!nodes[i].used) n = (int)i;
	CHECK(n >= 0);
	nodes[n].used = true;
	rt_strcopy(nodes[n].path, path, sizeof(nodes[n].path));
	rt_strcopy(nodes[n].value, value, sizeof(nodes[n].value));
	for (uint32_t i = 0; i < ARRAY_SIZE(watches); i++)
		if (!fake_store_quiet && !strncmp(path, watches[i].path, strlen(watches[i].path)))
			watches[i].fired = true;
}

void fake_store_remove(const char *path) {
	for (uint32_t i = 0; i < ARRAY_SIZE(nodes); i++)
		if (!strncmp(nodes[i].path, path, strlen(path))) nodes[i].used = false;
}

static int put(uint32_t type, const char *path, const char *value, uint32_t length,
	       xenbus_done done, void *context) {
	struct call *call = &queue[queued];

	if (queued >= fake_store_room) return -XEN_ENOBUFS;
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
	if (queued >= fake_store_room) return -XEN_ENOBUFS;
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

	if (fake_store_lose) {
		answer.error = -XEN_ENOTCONN;
	} else if (call->type == XS_WRITE) {
		fake_store_set(call->path, call->value);
	} else if (call->type == XS_RM) {
		fake_store_remove(call->path);
	} else if (call->type == XS_READ && fake_store_error) {
		answer.error = fake_store_error;
		fake_store_error = 0;
	} else if (call->type == XS_READ) {
		if (n < 0)
			answer.error = -XEN_ENOENT;
		else
			answer.value = nodes[n].value;
	}
	answer.length = (uint32_t)strlen(answer.value);
	if (call->done) call->done(call->context, &answer);
}

void fake_store_serve(void) {
	struct call calls[ARRAY_SIZE(queue)];
	uint32_t count = queued;

	if (fake_store_lose && count) {
		the_bus->ready = false;
		memset(watches, 0, sizeof(watches));
	}
	memcpy(calls, queue, sizeof(calls));
	queued = 0;
	for (uint32_t i = 0; i < count; i++) carry_out(&calls[i]);
	fake_store_lose = false;
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

void fake_store_step(void) {
	struct call call = queue[0];

	CHECK(queued);
	memmove(queue, queue + 1, --queued * sizeof(*queue));
	carry_out(&call);
}

void fake_store_fire(const char *path) {
	for (uint32_t i = 0; i < ARRAY_SIZE(watches); i++)
		if (watches[i].used && !strcmp(path, watches[i].path))
			watches[i].event(watches[i].context, watches[i].path);
}

void fake_store_forget(void) {
	queued = 0;
	memset(watches, 0, sizeof(watches));
}

void fake_store_clear(void) {
	memset(nodes, 0, sizeof(nodes));
	fake_store_forget();
	the_bus->ready = true;
	fake_store_lose = fake_store_quiet = false;
	fake_store_error = 0;
}

void fake_store_is(const char *path, const char *value) {
	if (!strcmp(fake_store_get(path), value)) return;
	printf("# %s is '%s', not '%s'\n", path, fake_store_get(path), value);
	CHECK(!"the node has this value");
}
