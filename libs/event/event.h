/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The event loop of a native domain. A port has one handler; handlers run to
 * completion, one after the other, on the one stack, and never block. Bounded
 * work per call is the handler's business: what is left over goes on after
 * event_again().
 *
 * A native domain has no upcall: the loop blocks until upcall_pending, collects
 * selector and pending bits as the two-level ABI has them, and calls handlers.
 */
#ifndef LIBS_EVENT_EVENT_H
#define LIBS_EVENT_EVENT_H

#include "libs/rt/rt.h"

#define EVENT_PORTS 1024 /* ports that can have a handler */

typedef void (*event_handler)(void *context);

/* From now on events at this port call the handler. NULL: none. */
void event_handle(uint32_t port, event_handler handler, void *context);
/* Calls the handler of this port again before the loop sleeps. */
void event_again(uint32_t port);
/* Signals the other end. An unconnected port swallows it. */
void event_send(uint32_t port);
/*
 * The same when the handlers that are due have run; if the loop sleeps then, in one
 * hypercall with that. For a peer that goes before this domain: sent at once, the event
 * would take the CPU away, only to give it back for going to sleep.
 */
void event_send_last(uint32_t port);
/* Binds a VIRQ of vCPU 0; the port, or -errno. */
MUST_CHECK int event_bind_virq(uint32_t virq, event_handler handler, void *context);

/* A one-shot timer. Storage is the caller's; one that is armed again is moved. */
struct event_timer {
	event_handler handler;
	void *context;
	uint64_t deadline; /* system time in ns, 0 = not armed */
	struct event_timer *next;
};
void event_timer_arm(struct event_timer *timer, uint64_t deadline);
void event_timer_cancel(struct event_timer *timer);

/* Handles events for ever. */
NORETURN void event_loop(void);

#endif
