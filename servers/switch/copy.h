/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Grant copies, gathered and carried out with one hypercall. They are done in the order in
 * which they were asked for. Until copy_flush() nothing is known to be there.
 *
 * What a copy to a guest cannot read is given as zeroes: the place in its ring is taken, and
 * whatever its page holds from earlier is not what somebody sent.
 */
#ifndef SERVERS_SWITCH_COPY_H
#define SERVERS_SWITCH_COPY_H

#include "frame.h"

#define COPIES 1024U

struct queue;

/* From the beginning of `from`. If it fails the frame is FRAME_FAILED. */
void copy_to_pool(struct frame *frame, const struct piece *from, uint32_t length, uint32_t page,
		  uint32_t offset);
struct copy_target {
	struct queue *queue;
	uint32_t index; /* of the receive ring */
	uint32_t ref;
	uint16_t domid;
	uint16_t offset;
};
/* From `skip` bytes behind the beginning of `from`. If it fails that answer is an error. */
void copy_to_guest(const struct frame *frame, const struct piece *from, uint32_t skip,
		   uint32_t length, const struct copy_target *to);
/* Copies that can be asked for before they are carried out. */
uint32_t copy_room(void);
/* Carries them out. Frames that were dropped become free. */
void copy_flush(void);

#endif
