/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * xen_version: the ABI that is spoken, and what of it is there. Guests also use
 * it as the cheapest hypercall, to get their events delivered.
 */
#include "entry/hypercall.h"
#include "lib/string.h"
#include "mem/guest_copy.h"
#include "proto/xen/features.h"
#include "proto/xen/version.h"

#define VERSION (4UL << 16 | 17) /* the ABI's, not ours */

#define FEATURES                                                                  \
	(1U << XENFEAT_mmu_pt_update_preserve_ad | 1U << XENFEAT_highmem_assist | \
	 1U << XENFEAT_gnttab_map_avail_bits | 1U << XENFEAT_direct_mapped)

static long get_features(u64 argument) {
	struct xen_feature_info info;

	if (copy_from_guest(&info, argument, sizeof(info))) return -EFAULT;
	if (info.submap_idx >= XENFEAT_NR_SUBMAPS) return -EINVAL;
	info.submap = FEATURES;
	return copy_to_guest(argument, &info, sizeof(info));
}

static long put_text(u64 argument, const char *text, size_t size) {
	char buffer[XEN_CAPABILITIES_INFO_LEN];

	string_copy(buffer, text, size);
	return copy_to_guest(argument, buffer, size);
}

static long compile_info(u64 argument) {
	struct xen_compile_info info = {
		.compiler = __VERSION__, .compile_by = "tessera", .compile_date = "reproducible"};

	return copy_to_guest(argument, &info, sizeof(info));
}

/* A guest's name for itself; nobody here has another one than the domid. */
static long guest_handle(u64 argument) {
	u8 handle[XEN_GUEST_HANDLE_LEN] = {0};
	u16 domid = current_vcpu()->domain->id;

	handle[sizeof(handle) - 2] = (u8)(domid >> 8);
	handle[sizeof(handle) - 1] = (u8)domid;
	return copy_to_guest(argument, handle, sizeof(handle));
}

static long other_version(u64 command, u64 argument) {
	struct xen_platform_parameters platform = {.virt_start = HYPERVISOR_VIRT_START};

	switch (command) {
	case XENVER_extraversion: return put_text(argument, ".tessera", XEN_EXTRAVERSION_LEN);
	case XENVER_compile_info: return compile_info(argument);
	case XENVER_capabilities:
		return put_text(argument, "xen-3.0-x86_64", XEN_CAPABILITIES_INFO_LEN);
	case XENVER_changeset: return put_text(argument, "unavailable", XEN_CHANGESET_INFO_LEN);
	case XENVER_platform_parameters:
		return copy_to_guest(argument, &platform, sizeof(platform));
	case XENVER_get_features: return get_features(argument);
	case XENVER_pagesize: return argument ? -EINVAL : (long)PAGE_SIZE;
	case XENVER_guest_handle: return guest_handle(argument);
	case XENVER_commandline:
	case XENVER_build_id: return -EPERM;
	default: return -ENOSYS;
	}
}

long do_xen_version(u64 command, u64 argument) {
	if (likely(command == XENVER_version)) return VERSION;
	return other_version(command, argument);
}
