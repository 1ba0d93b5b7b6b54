/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Devices of guests that come and go while their guests run. Which device a guest is to have is
 * a word in the control page of the device's server (proto/control.h): it is there for the
 * server's successor as well. What the description does not name cannot be plugged.
 */
#ifndef SERVERS_ROOT_PLUG_H
#define SERVERS_ROOT_PLUG_H

#include "manage.h"

/* The guests begin as the description says. After the control pages are made. */
void plug_init(void);
/* The server may have brought about what was wanted. */
void plug_look(const struct domain *server);
/* A guest's device by its name; description.plug_count: it has none of that name. */
uint32_t plug_find(const struct domain *guest, const char *name);
/* The guest is to have it (in), or not. */
void plug_want(uint32_t plug, bool in);
bool plug_is_wanted(uint32_t plug);
/* All of a guest's devices are as the description says, from now on. */
void plug_restore(const struct domain *guest);

#endif
