/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * root's side of the bus page (proto/pci.h): the functions that were found, and
 * commands, one at a time, in the order in which they were asked for. A state
 * machine over shared memory that calls nobody: its user sends the events, watches
 * the clock and ends a bus domain that does not answer. Tested on the host.
 *
 *        submit              step                     step
 *     ----------> queue --------------> in the page ----------> done(status)
 *                   ^                        |
 *                   +---- bus_started -------+    the bus domain died meanwhile
 *
 * Commands are idempotent, so one that was under way when the bus domain died is
 * simply given to its successor.
 */
#ifndef SERVERS_ROOT_BUS_H
#define SERVERS_ROOT_BUS_H

#include "libs/rt/rt.h"
#include "proto/pci.h"

/* A command: the caller's own, from bus_submit until done is called. */
struct bus_job {
	struct pci_command command; /* seq and function are filled in */
	void (*done)(void *context, int status);
	void *context;
	struct bus_job *next;
	bool queued;
};

struct bus {
	struct pci_bus *page;
	struct bus_job *first, *last;
	uint32_t seq;
	uint32_t incarnation; /* pci_bus.ready of the present one, 0 = there is none */
	bool issued;          /* `first` is in the page */
	bool greeted;         /* the present one has said that it is ready */
	bool reminded;        /* it is late, and was told so once */
	uint64_t deadline;    /* for the next word of the bus domain, 0 = none is awaited */
};

/* What the caller has to do. */
enum bus_need {
	BUS_NOTHING,
	BUS_KICK, /* send the bus domain an event */
	BUS_LATE, /* it has not answered in time: end it */
};

void bus_init(struct bus *bus, struct pci_bus *page);
/* A bus domain is about to run, with this incarnation number. */
void bus_started(struct bus *bus, uint16_t incarnation, uint64_t now);
/* It has ended: nothing is awaited until the next one starts. */
void bus_ended(struct bus *bus);
/* Whether the table of functions is complete. */
bool bus_ready(const struct bus *bus);
/* How many functions there are; they start at bus->page->function. */
uint32_t bus_count(const struct bus *bus);
/* Queues a command that is not queued. */
void bus_submit(struct bus *bus, struct bus_job *job);
/* Looks at the page, calls done of a command that is. To be called at events and deadlines. */
enum bus_need bus_step(struct bus *bus, uint64_t now);

#endif
