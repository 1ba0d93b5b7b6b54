/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * memory_op(cmd, struct): growing and shrinking a domain, the memory map. The
 * result of calls on extents is the number of extents done.
 */
#ifndef PROTO_XEN_MEMORY_H
#define PROTO_XEN_MEMORY_H

#include <stddef.h>
#include <stdint.h>

#define XENMEM_increase_reservation 0
#define XENMEM_decrease_reservation 1
#define XENMEM_maximum_ram_page     2
#define XENMEM_current_reservation  3
#define XENMEM_maximum_reservation  4
#define XENMEM_machphys_mfn_list    5
#define XENMEM_populate_physmap     6
#define XENMEM_add_to_physmap       7
#define XENMEM_memory_map           9
#define XENMEM_machine_memory_map   10
#define XENMEM_exchange             11
#define XENMEM_machphys_mapping     12
#define XENMEM_set_memory_map       13
#define XENMEM_maximum_gpfn         14
#define XENMEM_remove_from_physmap  15

/* The command is in the low bits, the rest counts what a restarted call has done. */
#define MEMOP_CMD_BITS 6
#define MEMOP_CMD_MASK 0x3fU

struct xen_memory_reservation {
	uint64_t extent_start; /* pointer to uint64_t[nr_extents]: MFNs or PFNs, in or out */
	uint64_t nr_extents;
	uint32_t extent_order; /* log2 of frames per extent */
	uint32_t mem_flags;    /* low 8 bits: most address bits */
	uint16_t domid, pad[3];
};

struct xen_memory_exchange {
	struct xen_memory_reservation in, out;
	uint64_t nr_exchanged; /* out */
};

/* current_reservation, maximum_reservation, maximum_gpfn take a pointer to one of these. */
struct xen_memory_domid {
	uint16_t domid;
};

struct xen_memory_map {
	uint32_t nr_entries; /* in: room, out: entries written */
	uint32_t pad;
	uint64_t buffer; /* pointer to struct xen_e820_entry[] */
};

struct xen_e820_entry {
	uint64_t addr, size;
	uint32_t type; /* XEN_E820_* */
} __attribute__((packed));
#define XEN_E820_RAM      1
#define XEN_E820_RESERVED 2

struct xen_machphys_mapping {
	uint64_t v_start, v_end, max_mfn; /* out */
};

struct xen_machphys_mfn_list {
	uint32_t max_extents, pad0;
	uint64_t extent_start;
	uint32_t nr_extents, pad1; /* out */
};

struct xen_add_to_physmap {
	uint16_t domid, size;
	uint32_t space;
	uint64_t idx, gpfn;
};

struct xen_remove_from_physmap {
	uint16_t domid, pad[3];
	uint64_t gpfn;
};

_Static_assert(sizeof(struct xen_memory_reservation) == 32, "xen_memory_reservation layout");
_Static_assert(offsetof(struct xen_memory_reservation, domid) == 24, "reservation layout");
_Static_assert(sizeof(struct xen_memory_exchange) == 72, "xen_memory_exchange layout");
_Static_assert(sizeof(struct xen_memory_map) == 16, "xen_memory_map layout");
_Static_assert(sizeof(struct xen_e820_entry) == 20, "xen_e820_entry layout");
_Static_assert(sizeof(struct xen_machphys_mapping) == 24, "xen_machphys_mapping layout");

#endif
