/* SPDX-License-Identifier: BSD-2-Clause */
/* What servers tell unasked: consoles and taps, as events to the lines that want them. */
#ifndef SERVERS_CONTROL_STREAM_H
#define SERVERS_CONTROL_STREAM_H

#include "control.h"

struct service;

/* From now on this line wants what the console says, or no more. */
void stream_console(uint32_t line, struct service *service, uint32_t console, const char *name,
		    bool on);
void stream_tap(uint32_t line, struct service *service, bool on);
/* Whether another line wants the same console, or taps. */
bool stream_console_wanted(uint32_t line, const struct service *service, uint32_t console);
bool stream_tapped(uint32_t line, const struct service *service);
/* Opens the connections with servers. */
void stream_open(void);
/* Goes on where lines had no room. */
void stream_work(void);

#endif
