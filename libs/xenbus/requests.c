/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Requests of a client of the store: a message is put together, copied into the
 * queue, and remembered under its number until its answer comes.
 */
#include "libs/xenbus/internal.h"

struct part {
	const void *bytes;
	size_t length;
};

static void enqueue(struct xenbus *bus, const void *bytes, uint32_t length) {
	const uint8_t *from = bytes;

	for (uint32_t i = 0; i < length; i++)
		bus->out[(bus->out_first + bus->out_length + i) % XENBUS_OUT] = from[i];
	bus->out_length += length;
}

/* Sends a message of up to three parts; the request's number, or -errno. */
static int request(struct xenbus *bus, uint32_t type, uint32_t transaction, xenbus_done done,
		   void *context, const struct part parts[3]) {
	struct xsd_sockmsg header = {.type = type, .tx_id = transaction};
	size_t length = 0;
	uint32_t n = 0;

	for (unsigned i = 0; i < 3; i++) {
		if (parts[i].length > XENSTORE_PAYLOAD_MAX - length) return -XEN_E2BIG;
		length += parts[i].length;
	}
	if (!bus->ready) return -XEN_ENOTCONN;
	if (bus->requests == XENBUS_REQUESTS ||
	    sizeof(header) + length > XENBUS_OUT - bus->out_length) {
		bus->wants_room = true;
		return -XEN_ENOBUFS;
	}
	while (bus->request[n].used) n++;
	bus->request[n] = (struct xenbus_request){done, context, type, 0, true};
	bus->requests++;
	header.req_id = bus->salt + n;
	header.len = (uint32_t)length;
	enqueue(bus, &header, sizeof(header));
	for (unsigned i = 0; i < 3; i++) enqueue(bus, parts[i].bytes, (uint32_t)parts[i].length);
	xenbus_kick(bus);
	return (int)n;
}

/* The same, without the number. */
static int plain(struct xenbus *bus, uint32_t type, uint32_t transaction, const char *path,
		 const void *value, size_t length, xenbus_done done, void *context) {
	const struct part parts[3] = {{path, strlen(path) + 1}, {value, length}};
	int result = request(bus, type, transaction, done, context, parts);

	return MIN(result, 0);
}

int xenbus_read(struct xenbus *bus, uint32_t transaction, const char *path, xenbus_done done,
		void *context) {
	return plain(bus, XS_READ, transaction, path, "", 0, done, context);
}

int xenbus_directory(struct xenbus *bus, uint32_t transaction, const char *path, xenbus_done done,
		     void *context) {
	return plain(bus, XS_DIRECTORY, transaction, path, "", 0, done, context);
}

int xenbus_write(struct xenbus *bus, uint32_t transaction, const char *path, const void *value,
		 uint32_t length, xenbus_done done, void *context) {
	return plain(bus, XS_WRITE, transaction, path, value, length, done, context);
}

int xenbus_printf(struct xenbus *bus, uint32_t transaction, const char *path, xenbus_done done,
		  void *context, const char *format, ...) {
	char text[256];
	va_list arguments;
	size_t length;

	va_start(arguments, format);
	length = rt_vformat(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (length >= sizeof(text)) return -XEN_E2BIG;
	return xenbus_write(bus, transaction, path, text, (uint32_t)length, done, context);
}

int xenbus_mkdir(struct xenbus *bus, uint32_t transaction, const char *path, xenbus_done done,
		 void *context) {
	return plain(bus, XS_MKDIR, transaction, path, "", 0, done, context);
}

int xenbus_rm(struct xenbus *bus, uint32_t transaction, const char *path, xenbus_done done,
	      void *context) {
	return plain(bus, XS_RM, transaction, path, "", 0, done, context);
}

int xenbus_set_permissions(struct xenbus *bus, uint32_t transaction, const char *path,
			   const char *permissions, xenbus_done done, void *context) {
	char list[128];
	size_t length = strlen(permissions) + 1;

	if (length > sizeof(list)) return -XEN_E2BIG;
	for (size_t i = 0; i < length; i++) list[i] = permissions[i] == ' ' ? '\0' : permissions[i];
	return plain(bus, XS_SET_PERMS, transaction, path, list, length, done, context);
}

int xenbus_transaction_start(struct xenbus *bus, xenbus_done done, void *context) {
	return plain(bus, XS_TRANSACTION_START, 0, "", "", 0, done, context);
}

int xenbus_transaction_end(struct xenbus *bus, uint32_t transaction, bool commit, xenbus_done done,
			   void *context) {
	return plain(bus, XS_TRANSACTION_END, transaction, commit ? "T" : "F", "", 0, done,
		     context);
}

/* --- watches --- */

/* A watch's token is its serial number: one that comes late meets nobody. */
static int watch_request(struct xenbus *bus, uint32_t type, const struct xenbus_watch *watch,
			 xenbus_done done, void *context) {
	char token[16];
	size_t length = rt_format(token, sizeof(token), "%u", watch->serial) + 1;
	const struct part parts[3] = {{watch->path, strlen(watch->path) + 1}, {token, length}};

	return request(bus, type, 0, done, context, parts);
}

int xenbus_watch(struct xenbus *bus, const char *path, xenbus_event event, void *event_context,
		 xenbus_done done, void *context) {
	struct xenbus_watch *watch = NULL;
	int result;

	for (uint32_t i = 0; i < XENBUS_WATCHES && !watch; i++)
		if (!bus->watch[i].serial) watch = &bus->watch[i];
	if (!watch) return -XEN_ENOSPC;
	if (!rt_strcopy(watch->path, path, sizeof(watch->path))) return -XEN_E2BIG;
	watch->event = event;
	watch->context = event_context;
	bus->serial = bus->serial % INT32_MAX + 1;
	watch->serial = bus->serial;
	result = watch_request(bus, XS_WATCH, watch, done, context);
	if (result < 0) {
		watch->serial = 0;
		return result;
	}
	bus->request[result].watch = watch->serial;
	return (int)watch->serial;
}

struct xenbus_watch *xenbus_find_watch(struct xenbus *bus, uint32_t serial) {
	for (uint32_t i = 0; i < XENBUS_WATCHES && serial; i++)
		if (bus->watch[i].serial == serial) return &bus->watch[i];
	return NULL;
}

int xenbus_unwatch(struct xenbus *bus, int serial) {
	struct xenbus_watch *watch = xenbus_find_watch(bus, serial > 0 ? (uint32_t)serial : 0);
	int result;

	if (!watch) return -XEN_ENOENT;
	result = watch_request(bus, XS_UNWATCH, watch, NULL, NULL);
	if (result >= 0) watch->serial = 0;
	return MIN(result, 0);
}

/* --- reading answers --- */

const char *xenbus_next_name(const struct xenbus_answer *answer, uint32_t *position) {
	const char *name = answer->value + *position;

	if (answer->error || *position >= answer->length) return NULL;
	/* A NUL lies behind the payload, whatever the store sent. */
	*position += (uint32_t)strlen(name) + 1;
	return name;
}

bool xenbus_number(const struct xenbus_answer *answer, uint64_t max, uint64_t *number) {
	return !answer->error && rt_strnlen(answer->value, answer->length) == answer->length &&
	       rt_number(answer->value, number) && *number <= max;
}
