/* SPDX-License-Identifier: BSD-2-Clause */
/* Between the files of libs/xenbus. */
#ifndef LIBS_XENBUS_INTERNAL_H
#define LIBS_XENBUS_INTERNAL_H

#include "libs/xenbus/xenbus.h"

/*
 * A request's number is its place and, above it, a salt: the incarnation of the domain
 * and the connection. So an answer to a request of a predecessor, or of a connection
 * that is lost, is known for what it is, whatever made it come late. Tokens of watches
 * begin with the incarnation as well.
 */
#define XENBUS_PLACE_BITS      7U
#define XENBUS_CONNECTION_BITS 9U
#define XENBUS_SALT_SHIFT      (XENBUS_PLACE_BITS + XENBUS_CONNECTION_BITS)

_Static_assert(XENBUS_REQUESTS <= 1U << XENBUS_PLACE_BITS, "a place fits its bits");

/* Something lies in the queue: it is to go out when the event loop comes round. */
void xenbus_kick(struct xenbus *bus);
struct xenbus_watch *xenbus_find_watch(struct xenbus *bus, uint32_t serial);

#endif
