/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The backend's half of the devices that guests see by xenbus: their nodes in the
 * store, the states of both ends, and devices that come and go while their guest
 * runs. What kind of device it is says a backend_class; a server has one.
 *
 *   ABSENT -> WAITING -> ASKING -+-> OPEN -> READING -> LIVE -> ENDING -> CLOSED
 *                                |    ^-------------------------------|-------|
 *                                +-> READING (adopting) -> LIVE
 *
 * ASKING finds out what a predecessor has left: backend and frontend connected
 * means that the guest goes on using its rings, so they are taken over and no state
 * is written. Otherwise the nodes are made, and the frontend is waited for.
 *
 *   backend_begin(&class);
 *   backend_add(&device->end);         for each, from the configuration
 *   backend_open();                    the store; answers come from the event loop
 *   control_init(peer_changed, backend_scan);
 *   pump:  if (backend_has_work() && backend_work()) control_scan();
 *
 * Nothing here waits. Handlers never let go of rings that a round may be using:
 * they say ENDING, and backend_work() does it.
 */
#ifndef LIBS_XENBUS_BACKEND_H
#define LIBS_XENBUS_BACKEND_H

#include "libs/plug/plug.h"
#include "libs/rt/rt.h"
#include "libs/xenbus/xenbus.h"
#include "proto/control.h"
#include "proto/native.h"

#define BACKEND_PATH    96U
#define BACKEND_DEVICES CONTROL_DEVICES
#define BACKEND_GUESTS  NATIVE_MAX_CONNECTIONS /* guest n: of connections[n] */
#define BACKEND_NONE    0xffffU

enum backend_state {
	BACKEND_ABSENT,  /* no such guest now */
	BACKEND_WAITING, /* for the store, or for what the class waits for */
	BACKEND_ASKING,  /* the store is asked how a predecessor left it */
	BACKEND_OPEN,    /* InitWait: for the frontend */
	BACKEND_READING, /* the frontend's keys are being read */
	BACKEND_LIVE,    /* Connected */
	BACKEND_ENDING,  /* no new requests; the rings go when it is idle */
	BACKEND_CLOSED,  /* Closed; opens when the frontend begins anew */
	BACKEND_FAILED   /* the class says so: not without a new start of the guest */
};

/* What a node says. Those from BACKEND_VALUES on are the class's own. */
enum backend_value {
	BACKEND_DIRECTORY, /* the node is made, without a value */
	BACKEND_PERMISSIONS,
	BACKEND_FRONTEND, /* the path of this end */
	BACKEND_BACKEND,
	BACKEND_GUEST, /* domid of this end */
	BACKEND_SELF,
	BACKEND_HANDLE,
	BACKEND_ZERO,
	BACKEND_ONE,
	BACKEND_STATE,
	BACKEND_FRONT_STATE, /* written only if the guest has none yet */
	BACKEND_VALUES
};

/* In a table of them what a guest reads stands before the state that makes it look. */
struct backend_node {
	const char *name; /* "": the directory itself */
	bool front;       /* in the frontend's directory, not in the backend's */
	uint8_t value;    /* BACKEND_*, or the class's */
};

/* A part of each device of the server's. */
struct backend_device {
	/* who it is: before backend_add() */
	const char *name;
	uint32_t number; /* as control_device() counts; below BACKEND_DEVICES */
	uint32_t handle; /* what its directory is called: the device's number in its guest */
	uint16_t guest;  /* index of its connection; BACKEND_NONE: no such guest */
	uint16_t domid;  /* of the guest */

	enum backend_state state;
	uint32_t incarnation;            /* of the guest */
	uint32_t own_state, front_state; /* as last written, as last read */
	bool adopting;                   /* a predecessor has connected it */
	bool broken;                     /* it has broken the protocol */
	struct plug plug;                /* as root wants it */

	/* private to the library */
	bool was_connected;  /* the frontend was seen in Connected */
	bool make_front;     /* the frontend's state is ours to write: it is a new device */
	bool make_again;     /* in use, and the store has a new connection: nodes may be gone */
	bool unclear;        /* an answer was neither a value nor 'there is none' */
	uint8_t tries;       /* readings of the frontend's keys in a row that were */
	uint8_t round;       /* of reading them */
	uint8_t publish;     /* the next of its nodes that is to be written */
	uint8_t unwritten;   /* nodes whose writing the store has not answered */
	uint8_t questions;   /* to be put to the store when it has room */
	uint32_t generation; /* answers of the store to older questions do not count */
	uint32_t awaited;    /* answers */
	int watch;
};

/* The keys of a frontend are read in so many rounds: what it can do, then where its rings are. */
#define BACKEND_ROUNDS 2U

struct backend_round {
	/* backend_ask() for each key. 0, or -errno of that: once more as a whole. */
	int (*ask)(struct backend_device *device);
	/* An answer; the value is the guest's, and any text. */
	void (*read)(struct backend_device *device, uint32_t key,
		     const struct xenbus_answer *answer);
	/* All are there. NULL: and good; else what is wrong with the frontend. */
	const char *(*judge)(struct backend_device *device);
};

struct backend_class {
	const char *type;  /* in the store: "vbd" */
	const char *label; /* before a device's name in the log: "disk " */
	const struct backend_node *nodes;
	uint32_t node_count;
	const struct backend_round *rounds; /* BACKEND_ROUNDS */
	void (*value)(const struct backend_device *device, uint32_t value, char to[BACKEND_PATH]);

	/* It may be had now. False: later (backend_settle()), or not: BACKEND_FAILED. NULL: yes. */
	bool (*admit)(struct backend_device *device);
	/* Maps and binds the rings. NULL: done; else what failed, and nothing is mapped. */
	const char *(*connect)(struct backend_device *device);
	/* It is LIVE: requests are taken. adopting: goes on with what a predecessor has taken. */
	void (*begin)(struct backend_device *device, bool adopting);
	/* All that was taken is answered. NULL: always so at backend_work(). */
	bool (*is_idle)(const struct backend_device *device);
	/* The rings go; also when they are gone already. */
	void (*disconnect)(struct backend_device *device);
	/* What a predecessor has recorded of it is void. */
	void (*forget)(struct backend_device *device);
	/* No page of its frontend stays in use. False: not now, ask again. NULL: none does. */
	bool (*release)(struct backend_device *device);
	/* Its frontend did what it may not; to be counted. NULL: by nobody. */
	void (*fault)(struct backend_device *device);
	/* Its guest does not have it any more. NULL: nothing to do. */
	void (*vanish)(struct backend_device *device);
	/* backend_work() is to be called before the domain sleeps; at this time at the latest. */
	void (*soon)(void);
	void (*wake_at)(uint64_t time);
};

/* --- start --- */

void backend_begin(const struct backend_class *class);
void backend_add(struct backend_device *device);
/* NULL: the store is there, or will be. */
const char *backend_open(void);

/* --- guests, as the control page says --- */

void backend_guest_came(uint16_t guest, uint32_t incarnation);
bool backend_guest_is_here(uint16_t guest);
/* It is here, is not on its way out, and is this incarnation. */
bool backend_guest_is(uint16_t guest, uint32_t incarnation);
/* Its devices let go. */
void backend_guest_leaves(uint16_t guest);
/* None of its devices is left. */
bool backend_guest_has_left(uint16_t guest);
/* The class has forgotten it as well. */
void backend_guest_gone(uint16_t guest);

/* --- devices --- */

bool backend_has_work(void);
/* Goes on with what is on its way in or out. True: root may wait to hear of it. */
bool backend_work(void);
/* Root may want something else. */
void backend_scan(void);
/* What waits goes on where it can. */
void backend_settle(void);
/* All that was to be written of the device is in the store. */
bool backend_is_written(const struct backend_device *device);
/* The frontend broke the protocol, or its memory can't be reached: it is taken away. */
void backend_break(struct backend_device *device, const char *why);
/* For backend_round.ask: reads a key of the frontend's; read() gets `key` with the answer. */
int backend_ask(struct backend_device *device, const char *name, uint16_t key);
/* The path of a node in the frontend's directory. */
void backend_front_path(const struct backend_device *device, const char *node,
			char path[BACKEND_PATH]);

#endif
