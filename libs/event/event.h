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

/* From now on events at this port call the handler. NULL: none, and nothing of it is ignored. */
void event_handle(uint32_t port, event_handler handler, void *context);
/* Calls the handler of this port again before the loop sleeps. */
void event_again(uint32_t port);
/* Events at this port wait until event_listen(): they wake nobody, and no handler is called. */
void event_ignore(uint32_t port);
/* Whoever calls it looks for himself at what events that waited were about. */
void event_listen(uint32_t port);
/* Signals the other end. An unconnected port swallows it. */
void event_send(uint32_t port);
/*
 * The same when the handlers that are due have run; if the loop sleeps then, in one
 * hypercall with that. For a peer that goes before this domain: sent at once, the event
 * would take the CPU away, only to give it back for going to sleep.
 */
void event_send_last(uint32_t port);
#define EVENT_PATIENCE 250000U /* ns, at least */
/*
 * For a server, at the end of each wake-up: how many things that client had asked who had asked
 * most, 0 if nobody had, and when the wake-up began (time_now()). A client with several is left
 * alone with the CPU while it asks, for each event would take it away: until it gives way, or as
 * long as some wake-ups take, EVENT_PATIENCE at least and PLAN_PATIENCE_MAX at most. One that asks
 * a single thing and then waits is answered before it goes to sleep. What answers at once looks
 * like that to a server whatever its clients want, so now and then patience is tried.
 */
void event_asked(uint32_t most, uint64_t since);
extern uint64_t event_patience; /* ns: so event_loop() tells the core when it sleeps */
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
