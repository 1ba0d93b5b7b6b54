/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One end of a native ring (proto/ring.h). The page is shared with a peer who
 * may write anything to it at any time, so an end works on its private index,
 * reads the peer's index once per call, and copies elements. A peer index out of
 * distance breaks this end for good: every call then moves nothing, and the
 * owner sees `broken`. It never harms more than the connection.
 *
 * Producer: put as often as wanted, then publish (true: send the event).
 * Consumer: get or skip, then release (true: send the event).
 */
#ifndef LIBS_RING_RING_H
#define LIBS_RING_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/ring.h"

struct ring {
	struct ring_header *header; /* shared */
	uint8_t *data;              /* shared */
	uint32_t size;              /* elements, a power of two */
	uint32_t element;           /* bytes */
	uint32_t own;               /* private: prod of a producer, cons of a consumer */
	uint32_t published;         /* own, as the peer knows it */
	bool broken;
};

/* Goes on at the index that the shared page holds: fresh pages are zero. */
void ring_attach_producer(struct ring *ring, struct ring_header *header, void *data, uint32_t size,
			  uint32_t element);
void ring_attach_consumer(struct ring *ring, struct ring_header *header, void *data, uint32_t size,
			  uint32_t element);

/* Elements that can be put now. */
uint32_t ring_space(struct ring *ring);
/* Copies up to count elements in; how many. The peer does not see them yet. */
uint32_t ring_put(struct ring *ring, const void *from, uint32_t count);
/* Shows what was put; true if the peer wants to be told. */
bool ring_publish(struct ring *ring);
/*
 * Before sleeping for space: asks to be told when there is space for count
 * elements. True: there is already, do not sleep.
 */
bool ring_want_space(struct ring *ring, uint32_t count);
/* The same, but to be told when all has been taken. True: it has. */
bool ring_want_drained(struct ring *ring);
/* Producer: elements put but not consumed yet. */
uint32_t ring_unread(struct ring *ring);

/* Elements that can be got now. */
uint32_t ring_available(struct ring *ring);
/* Copies count elements at `skip` from here; they stay. False: not that many. */
bool ring_peek(struct ring *ring, uint32_t skip, void *to, uint32_t count);
/* Copies up to count elements out; how many. The space is not free yet. */
uint32_t ring_get(struct ring *ring, void *to, uint32_t count);
/* Frees what was got; true if the peer wants to be told. */
bool ring_release(struct ring *ring);
/* Before sleeping for data. True: there is some already, do not sleep. */
bool ring_want_data(struct ring *ring);

#endif
