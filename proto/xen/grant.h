/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Grant tables, version 1: a domain names frames that another domain may map or
 * copy, in a table of 8-byte entries that it shares with the hypervisor.
 * grant_table_op(cmd, array, count): each element carries its own status, the
 * call's result says only whether the array could be processed.
 */
#ifndef PROTO_XEN_GRANT_H
#define PROTO_XEN_GRANT_H

#include <stddef.h>
#include <stdint.h>

#define GNTTABOP_map_grant_ref     0
#define GNTTABOP_unmap_grant_ref   1
#define GNTTABOP_setup_table       2
#define GNTTABOP_dump_table        3
#define GNTTABOP_transfer          4
#define GNTTABOP_copy              5
#define GNTTABOP_query_size        6
#define GNTTABOP_unmap_and_replace 7
#define GNTTABOP_set_version       8
#define GNTTABOP_get_status_frames 9
#define GNTTABOP_get_version       10
#define GNTTABOP_swap_grant_ref    11
#define GNTTABOP_cache_flush       12

/* flags last, in one store; the hypervisor sets READING and WRITING while in use. */
struct grant_entry_v1 {
	uint16_t flags; /* GTF_* */
	uint16_t domid; /* who may use it */
	uint32_t frame; /* MFN */
};
#define GTF_invalid         0U
#define GTF_permit_access   1U
#define GTF_accept_transfer 2U
#define GTF_transitive      3U
#define GTF_type_mask       3U
#define GTF_readonly        (1U << 2)
#define GTF_reading         (1U << 3)
#define GTF_writing         (1U << 4)
#define GTF_PWT             (1U << 5)
#define GTF_PCD             (1U << 6)
#define GTF_PAT             (1U << 7)
#define GTF_sub_page        (1U << 8)

#define GRANT_ENTRIES_PER_FRAME    512U
#define GNTTAB_NR_RESERVED_ENTRIES 8U
#define GNTTAB_RESERVED_CONSOLE    0U
#define GNTTAB_RESERVED_XENSTORE   1U

struct gnttab_map_grant_ref {
	uint64_t host_addr; /* virtual address, or machine address of the L1 entry */
	uint32_t flags;     /* GNTMAP_* */
	uint32_t ref;
	uint16_t dom;
	int16_t status;        /* out: GNTST_* */
	uint32_t handle;       /* out */
	uint64_t dev_bus_addr; /* out */
};
#define GNTMAP_device_map      (1U << 0)
#define GNTMAP_host_map        (1U << 1)
#define GNTMAP_readonly        (1U << 2)
#define GNTMAP_application_map (1U << 3)
#define GNTMAP_contains_pte    (1U << 4)
#define GNTMAP_guest_avail0    16 /* three bits, copied to the entry's bits 9..11 */

struct gnttab_unmap_grant_ref {
	uint64_t host_addr; /* 0: this mapping stays */
	uint64_t dev_bus_addr;
	uint32_t handle;
	int16_t status; /* out */
	uint16_t pad;
};

struct gnttab_setup_table {
	uint16_t dom, pad0;
	uint32_t nr_frames;
	int16_t status; /* out */
	uint16_t pad1[3];
	uint64_t frame_list; /* pointer to uint64_t[nr_frames], filled with MFNs */
};

struct gnttab_dump_table {
	uint16_t dom;
	int16_t status; /* out */
};

struct gnttab_transfer {
	uint64_t mfn;
	uint16_t domid, pad0;
	uint32_t ref;
	int16_t status; /* out */
	uint16_t pad1[3];
};

struct gnttab_copy_ptr {
	union {
		uint32_t ref;
		uint64_t gmfn;
	} u;
	uint16_t domid;
	uint16_t offset;
	uint32_t pad;
};
struct gnttab_copy {
	struct gnttab_copy_ptr source, dest;
	uint16_t len;
	uint16_t flags; /* GNTCOPY_* */
	int16_t status; /* out */
	uint16_t pad;
};
#define GNTCOPY_source_gref (1U << 0)
#define GNTCOPY_dest_gref   (1U << 1)

struct gnttab_query_size {
	uint16_t dom, pad0;
	uint32_t nr_frames;     /* out */
	uint32_t max_nr_frames; /* out */
	int16_t status;         /* out */
	uint16_t pad1;
};

struct gnttab_unmap_and_replace {
	uint64_t host_addr, new_addr;
	uint32_t handle;
	int16_t status; /* out */
	uint16_t pad;
};

struct gnttab_set_version {
	uint32_t version; /* in and out */
};

struct gnttab_get_status_frames {
	uint32_t nr_frames;
	uint16_t dom;
	int16_t status; /* out */
	uint64_t frame_list;
};

struct gnttab_get_version {
	uint16_t dom, pad;
	uint32_t version; /* out */
};

struct gnttab_swap_grant_ref {
	uint32_t ref_a, ref_b;
	int16_t status; /* out */
	uint16_t pad;
};

#define GNTST_okay              0
#define GNTST_general_error     (-1)
#define GNTST_bad_domain        (-2)
#define GNTST_bad_gntref        (-3)
#define GNTST_bad_handle        (-4)
#define GNTST_bad_virt_addr     (-5)
#define GNTST_bad_dev_addr      (-6)
#define GNTST_no_device_space   (-7)
#define GNTST_permission_denied (-8)
#define GNTST_bad_page          (-9)
#define GNTST_bad_copy_arg      (-10)
#define GNTST_address_too_big   (-11)
#define GNTST_eagain            (-12)
#define GNTST_no_space          (-13)

_Static_assert(sizeof(struct grant_entry_v1) == 8, "grant_entry_v1 layout");
_Static_assert(sizeof(struct gnttab_map_grant_ref) == 32, "map_grant_ref layout");
_Static_assert(sizeof(struct gnttab_unmap_grant_ref) == 24, "unmap_grant_ref layout");
_Static_assert(sizeof(struct gnttab_setup_table) == 24, "setup_table layout");
_Static_assert(sizeof(struct gnttab_dump_table) == 4, "dump_table layout");
_Static_assert(sizeof(struct gnttab_transfer) == 24, "transfer layout");
_Static_assert(sizeof(struct gnttab_copy) == 40, "copy layout");
_Static_assert(offsetof(struct gnttab_copy, len) == 32, "copy layout");
_Static_assert(sizeof(struct gnttab_query_size) == 16, "query_size layout");
_Static_assert(sizeof(struct gnttab_unmap_and_replace) == 24, "unmap_and_replace layout");
_Static_assert(sizeof(struct gnttab_get_status_frames) == 16, "get_status_frames layout");
_Static_assert(sizeof(struct gnttab_swap_grant_ref) == 12, "swap_grant_ref layout");

#endif
