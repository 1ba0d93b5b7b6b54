/* SPDX-License-Identifier: BSD-2-Clause */
/* Between the files of libs/xenbus. */
#ifndef LIBS_XENBUS_INTERNAL_H
#define LIBS_XENBUS_INTERNAL_H

#include "libs/xenbus/xenbus.h"

/* Something lies in the queue: it is to go out when the event loop comes round. */
void xenbus_kick(struct xenbus *bus);
struct xenbus_watch *xenbus_find_watch(struct xenbus *bus, uint32_t serial);

#endif
