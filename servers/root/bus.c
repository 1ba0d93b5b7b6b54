/* SPDX-License-Identifier: BSD-2-Clause */
#include "bus.h"

#include "libs/rt/time.h"
#include "proto/xen/xen.h"

#define READY_PATIENCE   MILLISECONDS(10000) /* many functions, big bridges */
#define COMMAND_PATIENCE MILLISECONDS(1000)

void bus_init(struct bus *bus, struct pci_bus *page) {
	*bus = (struct bus){.page = page};
	page->version = PCI_BUS_VERSION;
}

void bus_started(struct bus *bus, uint16_t incarnation, uint64_t now) {
	bus->incarnation = incarnation + 1U;
	bus->greeted = false;
	bus->issued = false;
	bus->reminded = false;
	bus->deadline = now + READY_PATIENCE;
	__atomic_store_n(&bus->page->ready, 0, __ATOMIC_RELEASE);
}

void bus_ended(struct bus *bus) {
	bus->incarnation = 0;
	bus->greeted = false;
	bus->issued = false;
	bus->deadline = 0;
}

bool bus_ready(const struct bus *bus) { return bus->greeted; }

uint32_t bus_count(const struct bus *bus) {
	return MIN(*(volatile const uint32_t *)&bus->page->count, PCI_MAX_FUNCTIONS);
}

void bus_submit(struct bus *bus, struct bus_job *job) {
	rt_assert(!job->queued, "a job is queued once");
	job->queued = true;
	job->next = NULL;
	if (bus->first)
		bus->last->next = job;
	else
		bus->first = job;
	bus->last = job;
}

static void finish(struct bus *bus, int status) {
	struct bus_job *job = bus->first;

	bus->first = job->next;
	bus->issued = false;
	bus->deadline = 0;
	job->queued = false;
	job->done(job->context, status);
}

/* Writes the first job into the page. False: its function is not there any more. */
static bool issue(struct bus *bus, uint64_t now) {
	struct pci_command *to = &bus->page->command, *from = &bus->first->command;
	uint32_t count = bus_count(bus), i = 0;

	while (i < count && bus->page->function[i].source != from->source) i++;
	if (i == count) return false;
	from->function = i;
	/* A number that is in `done` already would be taken for an answer. */
	do bus->seq++;
	while (!bus->seq || bus->seq == bus->page->done);
	from->seq = 0;
	*to = *from;
	__atomic_store_n(&to->seq, bus->seq, __ATOMIC_RELEASE);
	bus->issued = true;
	bus->reminded = false;
	bus->deadline = now + COMMAND_PATIENCE;
	return true;
}

enum bus_need bus_step(struct bus *bus, uint64_t now) {
	bool kick = false;

	if (!bus->greeted && bus->incarnation &&
	    __atomic_load_n(&bus->page->ready, __ATOMIC_ACQUIRE) == bus->incarnation) {
		bus->greeted = true;
		bus->deadline = 0;
	}
	/* done() may submit more, which is then issued here at once. */
	while (bus->greeted && bus->first) {
		if (!bus->issued) {
			if (issue(bus, now))
				kick = true;
			else
				finish(bus, -XEN_ENODEV);
			continue;
		}
		if (__atomic_load_n(&bus->page->done, __ATOMIC_ACQUIRE) != bus->seq) break;
		finish(bus, bus->page->status);
	}
	if (!bus->deadline || now < bus->deadline) return kick ? BUS_KICK : BUS_NOTHING;
	if (bus->reminded) return BUS_LATE;
	/* Perhaps it had no CPU: root itself may have been at work all the time. Now it has one. */
	bus->reminded = true;
	bus->deadline = now + COMMAND_PATIENCE;
	return BUS_KICK;
}
