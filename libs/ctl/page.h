/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The server's end of proto/ctl.h: takes a request, looks whether the connection has the right
 * to it, calls the function that does it, and answers.
 *
 * A request is copied, payload and all, before anything of it is looked at, and its answer is
 * complete before `done` says so. What a client does with its pages meanwhile harms its own
 * answer only. There is one request at a time in private memory, for all clients.
 */
#ifndef LIBS_CTL_PAGE_H
#define LIBS_CTL_PAGE_H

#include "libs/rt/rt.h"
#include "proto/ctl.h"

struct ctl_request {
	uint32_t number, op, port, direction, argument, length;
	uint32_t answer_length; /* bytes of the payload that are the answer */
	char text[256];
	uint8_t payload[CTL_PAYLOAD] __attribute__((aligned(8)));
};

struct ctl_server;

/* What can be asked for. The result is a CTL_* status. */
struct ctl_op {
	uint32_t op, right;
	uint32_t (*run)(struct ctl_server *server, struct ctl_request *request);
};

struct ctl_server {
	const struct native_connection *connection;
	struct ctl_page *page;                   /* shared */
	uint8_t *payload, *behind;               /* shared; behind: the server's own pages */
	const struct ctl_op *ops;                /* the last one is 0 */
	void (*look)(struct ctl_server *server); /* called at each event as well; may be NULL */
	uint32_t number;                         /* its place among them */
};

/*
 * Maps all connections of this protocol, of `pages` pages each, and answers at their ports. A
 * request that a predecessor left is done. How many there are; more than `most` end the domain.
 */
uint32_t ctl_servers_open(struct ctl_server *servers, uint32_t most, uint16_t protocol,
			  uint32_t pages, const struct ctl_op *ops,
			  void (*look)(struct ctl_server *server));
/* Has it this right (a flag of its connection)? */
static inline bool ctl_server_may(const struct ctl_server *server, uint32_t right) {
	return server->connection->flags & right;
}
/* A refusal with what a person should know. */
uint32_t ctl_refuse(struct ctl_request *request, uint32_t status, const char *format, ...)
	PRINTF(3);

#endif
