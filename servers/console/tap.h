/* SPDX-License-Identifier: BSD-2-Clause */
/* The consoles for others than the serial line (proto/consctl.h). */
#ifndef SERVERS_CONSOLE_TAP_H
#define SERVERS_CONSOLE_TAP_H

#include "mux.h"

/* Serves its connections. pump: moves what can be moved, and tells guests. */
void tap_open(struct mux *mux, void (*pump)(void *));
/* Shows what guests have said since; before the serial line takes it from their rings. */
void tap_follow(void);

#endif
