/* SPDX-License-Identifier: BSD-2-Clause */
#include "proto/xen/grant.h"
#include "switch.h"

struct note {
	uint16_t frame;
	uint16_t queue; /* SW_NONE: to the pool */
	uint32_t index;
};

static struct gnttab_copy copies[COPIES];
static struct note notes[COPIES];
static uint32_t count;

uint32_t copy_room(void) { return COPIES - count; }

static struct gnttab_copy *add(const struct frame *frame, uint16_t queue, uint32_t index) {
	if (count == COPIES) copy_flush();
	notes[count] = (struct note){.frame = frame_index(frame), .queue = queue, .index = index};
	return &copies[count++];
}

void copy_to_pool(struct frame *frame, const struct piece *from, uint32_t length, uint32_t page,
		  uint32_t offset) {
	struct gnttab_copy *copy = add(frame, SW_NONE, 0);

	copy->source.u.gmfn = from->ref;
	copy->source.domid = from->domid;
	copy->source.offset = from->offset;
	copy->dest.u.gmfn = pool.ref + page;
	copy->dest.domid = pool.domid;
	copy->dest.offset = (uint16_t)offset;
	copy->len = (uint16_t)length;
	copy->flags = GNTCOPY_source_gref | GNTCOPY_dest_gref;
}

void copy_to_guest(const struct frame *frame, const struct piece *from, uint32_t skip,
		   uint32_t length, const struct copy_target *to) {
	struct gnttab_copy *copy = add(frame, (uint16_t)(to->queue - sw.queue), to->index);

	copy->source.u.gmfn = from->ref;
	copy->source.domid = from->domid;
	copy->source.offset = (uint16_t)(from->offset + skip);
	copy->dest.u.gmfn = to->ref;
	copy->dest.domid = to->domid;
	copy->dest.offset = to->offset;
	copy->len = (uint16_t)length;
	copy->flags = GNTCOPY_source_gref | GNTCOPY_dest_gref;
}

/* Whose fault it was shows when the same is tried with a page of zeroes. */
static void failed(struct gnttab_copy *copy, const struct note *note) {
	struct frame *frame = &frames[note->frame];
	struct queue *queue;

	if (note->queue == SW_NONE) {
		frame->flags |= FRAME_FAILED;
		return;
	}
	queue = &sw.queue[note->queue];
	copy->source.u.gmfn = pool.ref + POOL_ZERO;
	copy->source.domid = pool.domid;
	copy->source.offset = 0;
	link_copy(copy, 1);
	if (!copy->status) {
		sw.port[frame->port].count->dropped[DROP_BAD_PAGE]++;
		return;
	}
	sw.port[queue->port].count->dropped[DROP_GIVE]++;
	rx_refuse(queue, note->index);
}

void copy_flush(void) {
	uint32_t n = count;

	if (n) link_copy(copies, n);
	count = 0;
	for (uint32_t i = 0; i < n; i++)
		if (__builtin_expect(copies[i].status != 0, 0)) failed(&copies[i], &notes[i]);
	frame_release_dropped();
}
