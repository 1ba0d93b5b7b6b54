/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Requests of domains that may manage the system (proto/manage.h), from root's side.
 * manage.c copies a request, looks for the right and the domain, and calls the one
 * function that does it, from the table there. Such a function answers at once: what
 * takes long has only begun. One that refuses has changed nothing.
 */
#ifndef SERVERS_ROOT_MANAGE_H
#define SERVERS_ROOT_MANAGE_H

#include "proto/manage.h"
#include "root.h"

/* A request, copied, and its answer. */
struct manage_call {
	uint32_t op, argument, length;
	uint64_t number;
	char name[MANAGE_NAME], value[MANAGE_NAME];
	struct domain *from;
	struct domain *domain; /* whose name it is; NULL: the request has none */
	uint8_t *payload;      /* MANAGE_PAYLOAD bytes that the client writes as well: copy first */

	uint32_t answer_length, more, line;
	char text[512];
};

/* MANAGE_OK, or why not; call->text is set if there is something to say. */
typedef uint32_t (*manage_function)(struct manage_call *call);

/* wiring.c: makes root's end of a connection. */
void manage_attach(struct domain *client, uint32_t flags, uint32_t port, uint64_t mfn);
/* Refuses: the text, formatted, and this status. */
uint32_t manage_refuse(struct manage_call *call, uint32_t status, const char *format, ...)
	PRINTF(3);
/* Tells all clients that may see it. */
void manage_tell(const struct domain *domain, uint32_t from, uint32_t to);
/* MANAGE_STATE_* of a domain. */
uint32_t manage_state(const struct domain *domain);

/* manage_see.c */
uint32_t manage_system(struct manage_call *call);
uint32_t manage_list(struct manage_call *call);
uint32_t manage_why(struct manage_call *call);
uint32_t manage_postmortem(struct manage_call *call);
/* manage_life.c */
uint32_t manage_start(struct manage_call *call);
uint32_t manage_shutdown(struct manage_call *call);
uint32_t manage_reboot(struct manage_call *call);
uint32_t manage_destroy(struct manage_call *call);
uint32_t manage_pause(struct manage_call *call);
uint32_t manage_unpause(struct manage_call *call);
uint32_t manage_restart(struct manage_call *call);
uint32_t manage_kill(struct manage_call *call);
uint32_t manage_clear(struct manage_call *call);
/* manage_upgrade.c */
uint32_t manage_upload_begin(struct manage_call *call);
uint32_t manage_upload_data(struct manage_call *call);
uint32_t manage_upgrade(struct manage_call *call);
uint32_t manage_rollback(struct manage_call *call);
uint32_t manage_sched(struct manage_call *call);
/* manage_set.c */
uint32_t manage_set(struct manage_call *call);
/* define.c */
uint32_t manage_define(struct manage_call *call);
uint32_t manage_undefine(struct manage_call *call);
/* plug.c */
uint32_t manage_plug(struct manage_call *call);
uint32_t manage_unplug(struct manage_call *call);
uint32_t manage_devices(struct manage_call *call);
/* manage_inspect.c */
/* What a domain's table holds from this slot on, up to 32 of it; *next (may be NULL): where to go
 * on, 0: that was all, or -errno. How many. */
uint32_t manage_read_caps(const struct domain *domain, uint32_t first, struct manage_cap to[],
			  int *next);
uint32_t manage_caps(struct manage_call *call);
uint32_t manage_trace_set(struct manage_call *call);
uint32_t manage_trace_read(struct manage_call *call);

#endif
