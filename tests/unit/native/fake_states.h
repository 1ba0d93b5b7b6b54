/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A store that knows nothing but the states of both ends: stands in for
 * libs/xenbus/backend_node.c. The states are the test's, one of each end for each
 * device, so that they may outlive the server.
 */
#ifndef TESTS_UNIT_NATIVE_FAKE_STATES_H
#define TESTS_UNIT_NATIVE_FAKE_STATES_H

#include "libs/xenbus/backend_internal.h"

struct fake_states {
	uint32_t *own, *front; /* XENBUS_*; 0: the node is not there */
	uint32_t ready;        /* the frontend's state when it has published its rings */
	bool obstinate;        /* frontends do not close when they are asked to */
	void (*read)(struct backend_device *device); /* its frontend's keys */
};
extern struct fake_states fake_states; /* before anything else */

/* Carries out what the server has asked for, and lets frontends do what follows. */
void fake_states_serve(void);
/* The server begins anew. */
void fake_states_forget(void);

#endif
