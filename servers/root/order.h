/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * In which order domains start: servers before their clients, and otherwise as in the
 * description. Drivers are clients of the servers that use them, and guests of all that serve
 * them, so they come last. Nobody depends on it to be right, for rings and channels are made
 * before anybody runs, and whoever dies starts again alone; but who starts before its server
 * only waits for it.
 */
#ifndef SERVERS_ROOT_ORDER_H
#define SERVERS_ROOT_ORDER_H

#include "description.h"

/* All domains but root; how many. order: room for SYSTEM_MAX_DOMAINS. Whoever waits for
 * themselves in a circle come last. */
uint32_t order_make(const struct description *d, uint16_t order[]);

#endif
