/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What ties a device to its guest: ring pages in our address space, and event
 * channels. Both are the guest's offers; a successor takes up the very same.
 */
#include "vbd.h"

#include "libs/event/event.h"
#include "libs/rt/hypercall.h"
#include "proto/xen/event.h"
#include "proto/xen/grant.h"
#include "proto/xen/xen.h"

static void rung(void *context) {
	bits_add(&vbd.ready, ((struct device *)context)->end.number);
	pump_soon();
}

static void unbind(struct queue *queue) {
	struct evtchn_close close = {.port = queue->port};

	if (!queue->port) return;
	event_handle(queue->port, NULL, NULL);
	hypercall2(__HYPERVISOR_event_channel_op, EVTCHNOP_close, (uintptr_t)&close);
	queue->port = 0;
}

static const char *connect(struct device *device, uint32_t n) {
	struct queue *queue = &device->queue[n];
	struct evtchn_bind_interdomain bind = {
		.remote_dom = device->end.domid,
		.remote_port = device->front.port[n],
	};
	uint32_t slots = (uint32_t)(device->front.pages * PAGE_SIZE - sizeof(struct blkif_sring)) /
			 BLKIF_SLOT_SIZE;

	if (grant_map_refs(&queue->mapping, device->end.domid, device->front.ref[n],
			   device->front.pages))
		return "its ring can't be mapped";
	queue->shared = queue->mapping.at;
	queue->mask = (1U << (31 - __builtin_clz(slots))) - 1;
	if (hypercall2(__HYPERVISOR_event_channel_op, EVTCHNOP_bind_interdomain, (uintptr_t)&bind))
		return "its event channel can't be bound";
	queue->port = bind.local_port;
	if (queue->port >= EVENT_PORTS) return "there are too many event channels";
	event_handle(queue->port, rung, device);
	return NULL;
}

const char *link_connect(struct device *device) {
	for (uint32_t i = 0; i < device->queue_count; i++) {
		const char *failure = connect(device, i);

		if (!failure) continue;
		link_disconnect(device);
		return failure;
	}
	return NULL;
}

void link_disconnect(struct device *device) {
	for (uint32_t i = 0; i < device->queue_count; i++) {
		struct queue *queue = &device->queue[i];

		unbind(queue);
		grant_unmap(&queue->mapping);
		queue->shared = NULL;
	}
	device->queue_count = 0;
}

void link_notify(uint32_t port) { event_send(port); }

int link_copy(uint16_t domid, uint32_t ref, void *to, uint32_t size) {
	struct gnttab_copy op = {
		.source = {.u.ref = ref, .domid = domid},
		.dest = {.u.ref = scan_ref + SCAN_COPY, .domid = DMA_ROOT},
		.len = (uint16_t)size,
		.flags = GNTCOPY_source_gref | GNTCOPY_dest_gref,
	};
	int64_t result;

	result = hypercall4(__HYPERVISOR_grant_table_op, GNTTABOP_copy, (uintptr_t)&op, 1, 0);
	if (result || op.status) return -XEN_EINVAL;
	memcpy(to, scan_buffer[SCAN_COPY], size);
	return 0;
}
