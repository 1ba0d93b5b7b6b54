/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The console ring: one page of the guest, granted by entry 0 of its grant
 * table. Indices run freely and are masked at each access. Data first, barrier,
 * then the producer index; then notify the event channel.
 */
#ifndef PROTO_XEN_CONSOLE_H
#define PROTO_XEN_CONSOLE_H

#include <stddef.h>
#include <stdint.h>

#define XENCONS_IN_SIZE  1024U
#define XENCONS_OUT_SIZE 2048U

struct xencons_interface {
	char in[XENCONS_IN_SIZE];   /* to the guest */
	char out[XENCONS_OUT_SIZE]; /* from the guest */
	uint32_t in_cons, in_prod;
	uint32_t out_cons, out_prod;
};

_Static_assert(offsetof(struct xencons_interface, in_cons) == 3072, "console ring layout");
_Static_assert(offsetof(struct xencons_interface, out_cons) == 3080, "console ring layout");
_Static_assert(sizeof(struct xencons_interface) == 3088, "console ring layout");

#endif
