/* SPDX-License-Identifier: BSD-2-Clause */
/* What node.c and front.c share: the connection with the store, paths, contexts of requests. */
#ifndef SERVERS_SWITCH_NODE_H
#define SERVERS_SWITCH_NODE_H

#include "libs/xenbus/xenbus.h"
#include "switch.h"

#define PATH 96U

/* vif.questions: what the store is to be asked */
#define ASK_STATES    1U
#define ASK_FRONT     2U
#define ASK_RINGS     4U
#define ASK_WATCH     8U
#define ASK_SET_STATE 16U
#define ASK_REMOVE    32U
#define ASK_CHANGED   64U

extern struct xenbus node_bus;

/* Which answer it is. */
enum what { HOME, BACKEND_STATE, FRONT_STATE, CHANGED, KEY, QUEUES, RING };

/* The context of a request: which VIF, which answer, how old the question is. */
void *node_context(const struct port *port, enum what what, uint32_t detail);
/* NULL: the answer is to an old question. */
struct port *node_addressee(void *context, const struct xenbus_answer *answer);

void node_front_path(const struct port *port, const char *node, char path[PATH]);
void node_question(struct port *port, uint8_t question);

/* --- front.c; 0, or -errno: to be asked again as a whole --- */

int front_ask(struct port *port);
int front_ask_rings(struct port *port);

#endif
