/* SPDX-License-Identifier: BSD-2-Clause */
#include "libs/grant/grant.h"
#include "libs/rt/hypercall.h"
#include "libs/rt/window.h"
#include "proto/xen/grant.h"
#include "proto/xen/xen.h"

#define BATCH 32U

static int status_errno(int status) {
	switch (status) {
	case GNTST_okay: return 0;
	case GNTST_bad_domain: return -XEN_ESRCH;
	case GNTST_permission_denied: return -XEN_EPERM;
	case GNTST_no_device_space:
	case GNTST_no_space: return -XEN_ENOSPC;
	case GNTST_eagain: return -XEN_EAGAIN;
	default: return -XEN_EINVAL;
	}
}

static void unmap_page(void *at, uint32_t handle) {
	struct gnttab_unmap_grant_ref op = {.host_addr = (uintptr_t)at, .handle = handle};
	int64_t result = hypercall4(__HYPERVISOR_grant_table_op, GNTTABOP_unmap_grant_ref,
				    (uintptr_t)&op, 1, 0);

	rt_assert(!result && !op.status, "what was mapped can be unmapped");
	(void)result;
}

static int map_page(void *at, uint16_t domid, uint32_t ref, uint32_t flags, uint32_t *handle) {
	struct gnttab_map_grant_ref op = {
		.host_addr = (uintptr_t)at,
		.flags = GNTMAP_host_map | flags,
		.ref = ref,
		.dom = domid,
	};
	int64_t result = hypercall4(__HYPERVISOR_grant_table_op, GNTTABOP_map_grant_ref,
				    (uintptr_t)&op, 1, 0);

	*handle = op.handle;
	return result ? (int)result : status_errno(op.status);
}

/* refs: one for each page; NULL: from ref on. */
static int map(struct grant_mapping *mapping, uint16_t domid, const uint32_t *refs, uint32_t ref,
	       uint32_t pages, uint32_t flags) {
	uint8_t *at;

	rt_assert(!mapping->at, "one mapping at a time");
	if (!pages || pages > GRANT_MAPPING_PAGES) return -XEN_EINVAL;
	at = window_take(pages);
	if (!at) return -XEN_ENOMEM;

	for (uint32_t i = 0; i < pages; i++) {
		int error = map_page(at + i * PAGE_SIZE, domid, refs ? refs[i] : ref + i, flags,
				     &mapping->handles[i]);

		if (error) {
			while (i--) unmap_page(at + i * PAGE_SIZE, mapping->handles[i]);
			window_give_back(at, pages);
			return error;
		}
	}
	mapping->at = at;
	mapping->pages = pages;
	return 0;
}

/* Many pages, as of a lifeboat: in batches. */
static int map_at(void *at, uint16_t domid, uint32_t ref, uint32_t pages, uint32_t flags) {
	struct gnttab_map_grant_ref ops[BATCH];
	int error = 0;

	for (uint32_t done = 0; done < pages && !error; done += BATCH) {
		uint32_t count = MIN(pages - done, BATCH);

		for (uint32_t i = 0; i < count; i++)
			ops[i] = (struct gnttab_map_grant_ref){
				.host_addr = (uintptr_t)at + (done + i) * PAGE_SIZE,
				.flags = GNTMAP_host_map | flags,
				.ref = ref + done + i,
				.dom = domid,
			};
		error = (int)hypercall4(__HYPERVISOR_grant_table_op, GNTTABOP_map_grant_ref,
					(uintptr_t)ops, count, 0);
		for (uint32_t i = 0; i < count && !error; i++) error = status_errno(ops[i].status);
	}
	return error;
}

static int map_for_life(void **at, uint16_t domid, uint32_t ref, uint32_t pages, uint32_t flags) {
	*at = window_take(pages);
	return *at ? map_at(*at, domid, ref, pages, flags) : -XEN_ENOMEM;
}

int grant_map_for_life(void **at, uint16_t domid, uint32_t ref, uint32_t pages) {
	return map_for_life(at, domid, ref, pages, 0);
}

int grant_map_for_life_readonly(void **at, uint16_t domid, uint32_t ref, uint32_t pages) {
	return map_for_life(at, domid, ref, pages, GNTMAP_readonly);
}

int grant_map_at(void *at, uint16_t domid, uint32_t ref, uint32_t pages) {
	return map_at(at, domid, ref, pages, 0);
}

int grant_map(struct grant_mapping *mapping, uint16_t domid, uint32_t ref, uint32_t pages) {
	return map(mapping, domid, NULL, ref, pages, 0);
}

int grant_map_readonly(struct grant_mapping *mapping, uint16_t domid, uint32_t ref,
		       uint32_t pages) {
	return map(mapping, domid, NULL, ref, pages, GNTMAP_readonly);
}

int grant_map_refs(struct grant_mapping *mapping, uint16_t domid, const uint32_t *refs,
		   uint32_t pages) {
	return map(mapping, domid, refs, 0, pages, 0);
}

void grant_unmap(struct grant_mapping *mapping) {
	uint8_t *at = mapping->at;

	if (!at) return;
	for (uint32_t i = 0; i < mapping->pages; i++)
		unmap_page(at + i * PAGE_SIZE, mapping->handles[i]);
	window_give_back(at, mapping->pages);
	mapping->at = NULL;
}
