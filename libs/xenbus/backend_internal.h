/* SPDX-License-Identifier: BSD-2-Clause */
/* Between backend.c (states), backend_plug.c (in and out) and backend_node.c (the store). */
#ifndef LIBS_XENBUS_BACKEND_INTERNAL_H
#define LIBS_XENBUS_BACKEND_INTERNAL_H

#include "libs/xenbus/backend.h"

struct backend_guest {
	bool present;
	bool ending; /* root waits for us to let go */
	uint32_t incarnation;
};

struct backend {
	const struct backend_class *class;
	struct backend_device *device[BACKEND_DEVICES]; /* NULL: this number is no such device */
	uint32_t device_count;                          /* numbers in use are below */
	struct backend_guest guest[BACKEND_GUESTS];
	bool changes; /* a device or a guest is on its way in or out */
};
extern struct backend backend;

/* The n-th device; NULL: the number is none. */
static inline struct backend_device *backend_device(uint32_t n) { return backend.device[n]; }
static inline const char *backend_guest_name(const struct backend_device *device) {
	return rt_start_page->connections[device->guest].peer;
}

/* --- backend.c --- */

/* Its guest is here, and is to have it now. */
void backend_come(struct backend_device *device);
/* No new requests; its rings go when all is answered. */
void backend_end(struct backend_device *device);
/* backend_work() has something to look at. */
void backend_look_again(void);
/* What the store says: backend_node.c calls them. */
void backend_asked(struct backend_device *device, uint32_t own, uint32_t front);
/* The store does not know its guest yet. */
void backend_homeless(struct backend_device *device);
void backend_front_changed(struct backend_device *device, uint32_t state);
/* failure NULL: all keys are read, and good. */
void backend_front_read(struct backend_device *device, const char *failure);
/* The first connection, or a new one. */
void backend_store_ready(void);

/* --- backend_plug.c --- */

extern const struct plug_ops backend_plugs;
/* Goes on with what is on its way in or out. True: there is more. */
bool backend_plug_work(void);

/* --- backend_node.c --- */

bool backend_node_ready(void);
/* Writes all nodes, with device->own_state. */
void backend_node_publish(struct backend_device *device);
void backend_node_state(struct backend_device *device, uint32_t state); /* of the backend */
/* The backend's, and of one that is leaving the frontend's as well. */
void backend_node_remove(struct backend_device *device);
bool backend_node_is_removed(const struct backend_device *device);
void backend_node_ask(struct backend_device *device);        /* both states: backend_asked() */
void backend_node_watch(struct backend_device *device);      /* backend_front_changed() follows */
void backend_node_read_front(struct backend_device *device); /* backend_front_read() follows */

#endif
