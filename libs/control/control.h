/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A native domain's end of its control page (proto/control.h): which peers root
 * wants attached or released, the vCPUs of a policy, and the sign that it is alive.
 */
#ifndef LIBS_CONTROL_CONTROL_H
#define LIBS_CONTROL_CONTROL_H

#include "libs/rt/rt.h"
#include "proto/control.h"

/*
 * Called for connections[index] when root wants a change: attach to the guest's
 * memory (present) or bring the connection to its end and let go. True: done;
 * false: asked again by the next control_scan().
 */
typedef bool (*control_peer_handler)(unsigned index, bool present, uint32_t incarnation);

/* Maps the page and calls the handlers for how things stand. kick: called after
 * every event on the control port, may be NULL. */
void control_init(control_peer_handler handler, void (*kick)(void));
/* Looks for changes that are not done yet. */
void control_scan(void);

/* What root wants of device n of the configuration (CONTROL_DEVICE_*, with the count). */
uint32_t control_device(unsigned n);
/* That is so already, or was refused. */
bool control_device_settled(unsigned n);
/* Of what control_device() said: it is done, with these CONTROL_DEVICE_* besides. */
void control_device_done(unsigned n, uint32_t wanted, uint32_t flags);

/* A store: whether root asks this of the guest at connections[index] (CONTROL_ASK_*). */
bool control_asked(unsigned index, unsigned kind, uint32_t *value);
/* It is done. */
void control_answer(unsigned index, unsigned kind);

/*
 * A copy of the vCPUs that the policy may place, most important first; how many, or 0 if
 * they are those of the last call: root kicks for other reasons, too. At most `max` are copied.
 */
uint32_t control_plan(struct control_vcpu *entries, uint32_t max);
/* The policy has committed the plan that it made of them. */
void control_plan_done(void);

#endif
