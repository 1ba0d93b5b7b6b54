/* SPDX-License-Identifier: BSD-2-Clause */
/* What node.c and front.c share: the connection with the store, paths, contexts of requests. */
#ifndef SERVERS_VBD_NODE_H
#define SERVERS_VBD_NODE_H

#include "libs/xenbus/xenbus.h"
#include "vbd.h"

#define PATH 96U

/* device->questions: what the store is to be asked */
#define ASK_STATES    1U
#define ASK_FRONT     2U
#define ASK_RINGS     4U
#define ASK_WATCH     8U
#define ASK_SET_STATE 16U
#define ASK_REMOVE    32U
#define ASK_CHANGED   64U

extern struct xenbus node_bus;

/* Which answer it is. */
enum what { HOME, BACKEND_STATE, FRONT_STATE, CHANGED, PROTOCOL, PERSISTENT, ORDER, QUEUES, RING };

/* The context of a request: which device, which answer, how old the question is. */
void *node_context(const struct device *device, enum what what, uint32_t detail);
/* NULL: the answer is to an old question. */
struct device *node_addressee(void *context, const struct xenbus_answer *answer);

void node_front_path(const struct device *device, const char *node, char path[PATH]);
void node_question(struct device *device, uint8_t question);

/* --- front.c --- */

/* What an older reading still had to ask is not asked any more. */
void front_begin(struct device *device);
/* 0, or -errno: to be asked again as a whole. */

int front_ask(struct device *device);
int front_ask_rings(struct device *device);

#endif
