/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A store of the test's own: stands in for libs/xenbus/xenbus.c. Requests wait until
 * fake_store_serve(); how many there may be, and whether the connection is lost, the
 * test says.
 */
#ifndef TESTS_UNIT_NATIVE_FAKE_STORE_H
#define TESTS_UNIT_NATIVE_FAKE_STORE_H

#include "libs/xenbus/xenbus.h"

#define FAKE_STORE_REQUESTS 512U

extern uint32_t fake_store_room; /* requests that may wait */
extern bool fake_store_lose;     /* at the next serve: the connection, and all that waits */
extern bool fake_store_quiet;    /* changes fire no watches */
extern int fake_store_error;     /* the answer to the next read, once; 0: as it is */

/* Empty, without watches; the connection stands. After xenbus_open(). */
void fake_store_clear(void);
/* The server begins anew: what it asked for, and its watches, are forgotten. */
void fake_store_forget(void);
const char *fake_store_get(const char *path); /* "": there is no such node */
void fake_store_set(const char *path, const char *value);
void fake_store_remove(const char *path);
/* The node has this value. */
void fake_store_is(const char *path, const char *value);
/* Carries out what waits, then fires watches, each once. */
void fake_store_serve(void);
/* Carries out the oldest request alone. */
void fake_store_step(void);
/* The watches of this path fire, whether or not something has changed. */
void fake_store_fire(const char *path);

#endif
