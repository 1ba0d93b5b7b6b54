/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * xen_version(cmd, buffer): what the hypervisor calls itself and what it can do.
 */
#ifndef PROTO_XEN_VERSION_H
#define PROTO_XEN_VERSION_H

#include <stdint.h>

#define XENVER_version             0 /* no argument; result = major << 16 | minor */
#define XENVER_extraversion        1
#define XENVER_compile_info        2
#define XENVER_capabilities        3
#define XENVER_changeset           4
#define XENVER_platform_parameters 5
#define XENVER_get_features        6
#define XENVER_pagesize            7 /* no argument; result = 4096 */
#define XENVER_guest_handle        8
#define XENVER_commandline         9
#define XENVER_build_id            10

#define XEN_EXTRAVERSION_LEN      16
#define XEN_CAPABILITIES_INFO_LEN 1024
#define XEN_CHANGESET_INFO_LEN    64
#define XEN_GUEST_HANDLE_LEN      16
#define XEN_COMMANDLINE_LEN       1024

struct xen_compile_info {
	char compiler[64];
	char compile_by[16];
	char compile_domain[32];
	char compile_date[32];
};

struct xen_platform_parameters {
	uint64_t virt_start;
};

struct xen_feature_info {
	uint32_t submap_idx; /* which 32 features */
	uint32_t submap;     /* out: bit n = feature 32 * submap_idx + n, see features.h */
};

_Static_assert(sizeof(struct xen_compile_info) == 144, "xen_compile_info layout");
_Static_assert(sizeof(struct xen_feature_info) == 8, "xen_feature_info layout");

#endif
