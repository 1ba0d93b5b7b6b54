/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The native ring: how two native domains pass a stream of fixed-size elements
 * (bytes, or descriptors) in one direction through memory that both have mapped.
 *
 *     producer's line          consumer's line        data
 *     prod  cons_event  ...    cons  prod_event  ...  element[size]
 *
 * Each line has one writer. Indices run freely modulo 2^32; the size is a power
 * of two known to both from the protocol, never read from the page. Element n
 * lies at n & (size - 1). 0 <= prod - cons <= size, or the peer lies.
 *
 * Notification: the producer sends the event channel when prod passes the
 * consumer's prod_event, and the consumer when cons passes the producer's
 * cons_event. 'Passes' is (new - event) < (new - old) in uint32_t, as in the
 * Xen rings. Whoever wants to sleep sets its event index to the next one it is
 * interested in, makes a full fence, and looks once more.
 *
 * The page belongs to root, not to an end, so indices and unread data survive
 * the restart of either end: the successor goes on at the indices it finds.
 */
#ifndef PROTO_RING_H
#define PROTO_RING_H

#include <stddef.h>
#include <stdint.h>

struct ring_header {
	/* written by the producer */
	uint32_t prod;
	uint32_t cons_event;
	uint32_t pad0[14];
	/* written by the consumer */
	uint32_t cons;
	uint32_t prod_event;
	uint32_t pad1[14];
};

_Static_assert(sizeof(struct ring_header) == 128, "ring_header layout");
_Static_assert(offsetof(struct ring_header, cons) == 64, "ring_header layout");

#endif
