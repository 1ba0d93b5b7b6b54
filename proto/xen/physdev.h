/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * physdev_op(cmd, struct): of its many commands only those that a guest without
 * devices uses: the virtual I/O privilege level and I/O bitmap.
 */
#ifndef PROTO_XEN_PHYSDEV_H
#define PROTO_XEN_PHYSDEV_H

#include <stddef.h>
#include <stdint.h>

#define PHYSDEVOP_irq_status_query 5
#define PHYSDEVOP_set_iopl         6
#define PHYSDEVOP_set_iobitmap     7
#define PHYSDEVOP_apic_read        8
#define PHYSDEVOP_apic_write       9
#define PHYSDEVOP_alloc_irq_vector 10
#define PHYSDEVOP_free_irq_vector  11
#define PHYSDEVOP_eoi              12
#define PHYSDEVOP_map_pirq         13
#define PHYSDEVOP_unmap_pirq       14
#define PHYSDEVOP_pirq_eoi_gmfn_v1 17
#define PHYSDEVOP_pirq_eoi_gmfn_v2 28

struct physdev_set_iopl {
	uint32_t iopl;
};

struct physdev_set_iobitmap {
	uint64_t bitmap; /* virtual address; a clear bit allows the port */
	uint32_t nr_ports;
	uint32_t pad;
};

_Static_assert(sizeof(struct physdev_set_iobitmap) == 16, "physdev_set_iobitmap layout");
_Static_assert(offsetof(struct physdev_set_iobitmap, nr_ports) == 8, "set_iobitmap layout");

#endif
