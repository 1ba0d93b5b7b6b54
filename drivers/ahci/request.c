/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which request is in which slot. Requests wait in their port's list, first come
 * first served; the first one that may not join those that are issued (ahci.h)
 * holds up the others until the port has run empty.
 */
#include "ahci.h"

static void enqueue(struct ahci *ahci, struct ahci_port *port, uint16_t tag) {
	struct ahci_request *r = &ahci->requests[tag];

	r->queued = true;
	r->next = BLK_TAGS;
	if (port->first == BLK_TAGS)
		port->first = tag;
	else
		ahci->requests[port->last].next = tag;
	port->last = tag;
}

static void dequeue_first(struct ahci *ahci, struct ahci_port *port) {
	struct ahci_request *r = &ahci->requests[port->first];

	r->queued = false;
	port->first = r->next;
	if (port->first == BLK_TAGS) port->last = BLK_TAGS;
}

static void answer(struct ahci *ahci, uint16_t tag, uint32_t status, uint32_t device_status) {
	ahci->requests[tag].used = false;
	ahci->host.answer(ahci->host.context, tag, status, device_status);
}

static struct ahci_port *port_of(struct ahci *ahci, const struct ahci_request *r) {
	return &ahci->port[ahci->disk_port[r->request.disk]];
}

static bool may_join(const struct ahci_port *port, const struct ahci_request *r) {
	if (!port->issued) return true;
	return port->queued && !port->alone && !r->alone && command_is_queued(port, r);
}

static uint32_t free_slots(const struct ahci_port *port) {
	return ~port->issued & (uint32_t)((1ULL << port->limit) - 1);
}

static void issue(struct ahci *ahci, struct ahci_port *port, uint16_t tag, uint64_t now) {
	struct ahci_request *r = &ahci->requests[tag];
	uint32_t slot = (uint32_t)__builtin_ctz(free_slots(port));
	uint32_t status = command_of_request(ahci, port, slot, r);

	if (status) {
		answer(ahci, tag, status, 0);
		return;
	}
	port->slot[slot] = (struct ahci_slot){.tag = tag, .deadline = now + ahci->timeout};
	if (!port->issued) {
		port->queued = command_is_queued(port, r);
		port->alone = r->alone || (port->queued && port->fresh);
		if (port->queued) port->fresh = false;
	}
	port->issued |= 1U << slot;
	port->unsent |= 1U << slot;
	ahci->commands++;
	if (!port->wake) port->wake = now + AHCI_TICK;
	if (!ahci->wake) ahci->wake = port->wake;
}

void request_pump(struct ahci *ahci, struct ahci_port *port, uint64_t now) {
	if (port->state != PORT_RUN) return;
	while (port->first != BLK_TAGS && may_join(port, &ahci->requests[port->first]) &&
	       free_slots(port)) {
		uint16_t tag = port->first;

		dequeue_first(ahci, port);
		issue(ahci, port, tag, now);
	}
}

void request_kick(struct ahci *ahci, struct ahci_port *port) {
	if (!port->unsent) return;
	__atomic_thread_fence(__ATOMIC_RELEASE);
	if (port->queued) port_write(ahci, port, PORT_SACT, port->unsent);
	port_write(ahci, port, PORT_CI, port->unsent);
	port->unsent = 0;
}

/* The adapter counts what a command that is not queued has moved. */
static bool is_short(struct ahci *ahci, const struct ahci_port *port, uint32_t slot,
		     const struct ahci_request *r) {
	const volatile struct ahci_header *list = ahci_page(ahci, port->page + PAGE_LISTS);

	return !port->queued && r->request.op <= BLK_OP_WRITE &&
	       list[slot].bytes != r->request.count * BLK_SECTOR;
}

void request_done(struct ahci *ahci, struct ahci_port *port, uint32_t slots) {
	for (slots &= port->issued; slots; slots &= slots - 1) {
		uint32_t n = (uint32_t)__builtin_ctz(slots);
		uint16_t tag = port->slot[n].tag;
		struct ahci_request *r = &ahci->requests[tag];

		port->issued &= ~(1U << n);
		if (port->slot[n].orphan) continue;
		if (is_short(ahci, port, n, r)) {
			ahci->short_transfers++;
			if (!r->alone) {
				r->alone = true;
				enqueue(ahci, port, tag);
				continue;
			}
			r->status = BLK_STATUS_IO;
		}
		port->failures = 0;
		ahci->resets = 0;
		answer(ahci, tag, r->status, r->device_status);
	}
}

void request_blame(struct ahci *ahci, struct ahci_port *port, uint32_t slots, uint32_t status,
		   uint32_t device_status) {
	for (slots &= port->issued; slots; slots &= slots - 1) {
		const struct ahci_slot *slot = &port->slot[__builtin_ctz(slots)];
		struct ahci_request *r = &ahci->requests[slot->tag];

		if (slot->orphan) continue;
		if (r->alone) {
			r->failed = true;
			r->status = status;
			r->device_status = device_status;
		}
		r->alone = true;
	}
}

bool request_overdue(const struct ahci_port *port, uint64_t now, uint32_t *slots) {
	*slots = 0;
	for (uint32_t left = port->issued; left; left &= left - 1) {
		uint32_t n = (uint32_t)__builtin_ctz(left);

		if (port->slot[n].deadline <= now) *slots |= 1U << n;
	}
	return *slots;
}

void request_again(struct ahci *ahci, struct ahci_port *port) {
	uint32_t slots = port->issued;

	port->issued = port->unsent = 0;
	for (; slots; slots &= slots - 1) {
		const struct ahci_slot *slot = &port->slot[__builtin_ctz(slots)];
		struct ahci_request *r = &ahci->requests[slot->tag];

		if (slot->orphan) continue;
		if (r->failed) {
			port->failures = 0;
			answer(ahci, slot->tag, r->status, r->device_status);
		} else {
			enqueue(ahci, port, slot->tag);
		}
	}
}

void request_fail(struct ahci *ahci, struct ahci_port *port, uint32_t status) {
	for (uint32_t i = 0; i < AHCI_PORTS; i++) {
		struct ahci_port *p = &ahci->port[i];

		if (port && p != port) continue;
		p->issued = p->unsent = 0;
		p->first = p->last = BLK_TAGS;
	}
	for (uint16_t tag = 0; tag < BLK_TAGS; tag++) {
		const struct ahci_request *r = &ahci->requests[tag];

		if (!r->used || (port && port_of(ahci, r) != port)) continue;
		answer(ahci, tag, status, 0);
	}
}

void ahci_submit(struct ahci *ahci, const struct blk_request *request,
		 const struct blk_segment *segments, uint64_t now) {
	struct ahci_request *r = &ahci->requests[request->tag];
	struct ahci_port *port;

	memset(r, 0, offsetof(struct ahci_request, segments));
	r->request = *request;
	memcpy(r->segments, segments, request->segments * sizeof(*segments));
	r->used = true;
	port = port_of(ahci, r);
	if (ahci->state == AHCI_DEAD || port->state == PORT_GONE) {
		answer(ahci, request->tag, BLK_STATUS_GONE, 0);
		return;
	}
	enqueue(ahci, port, request->tag);
	request_pump(ahci, port, now);
}

void ahci_kick(struct ahci *ahci) {
	if (ahci->state != AHCI_RUN) return;
	for (uint32_t i = 0; i < ahci->disk_count; i++)
		request_kick(ahci, &ahci->port[ahci->disk_port[i]]);
}

void ahci_drop(struct ahci *ahci) {
	for (uint32_t i = 0; i < AHCI_PORTS; i++) {
		struct ahci_port *port = &ahci->port[i];

		for (uint32_t n = 0; n < AHCI_SLOTS; n++) port->slot[n].orphan = true;
		port->first = port->last = BLK_TAGS;
	}
	for (uint32_t tag = 0; tag < BLK_TAGS; tag++) ahci->requests[tag].used = false;
}

bool ahci_idle(const struct ahci *ahci) {
	uint32_t issued = 0;

	for (uint32_t i = 0; i < AHCI_PORTS; i++) issued |= ahci->port[i].issued;
	return !issued;
}
