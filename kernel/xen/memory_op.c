/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * memory_op: a domain's size, and the memory map it is told.
 *
 * A domain grows out of its reserve and shrinks into it: frames that were given
 * to it once (MEMORY_GIVE) and that nobody else can get while it lives. So a
 * balloon can always be deflated again, and no domain can starve another. The
 * reserve holds single frames; larger extents cannot be had.
 *
 * As in Xen, calls on extents do as many as they can and say how many; only
 * what is wrong with the call itself is an error.
 */
#include "entry/hypercall.h"
#include "mem/guest_copy.h"
#include "mem/memory.h"
#include "proto/xen/memory.h"

#define MAX_ORDER   9U /* of a guest without devices */
#define FRAME_UNITS 16 /* of a hypercall's budget, for one frame: scrubbing */
#define MAX_EXTENTS (~0U >> MEMOP_CMD_BITS)

/* One extent; false: no more can be done. */
typedef bool extent_handler(struct domain *d, u64 entry, u32 order);

/* In: PFN, out: MFN. */
static bool populate(struct domain *d, u64 entry, u32 order) {
	u64 pfn;

	if (order || copy_from_guest(&pfn, entry, sizeof(pfn))) return false;
	struct frame *f = reserve_take(d, pfn);
	if (!f) return false;
	u64 mfn = frame_to_mfn(f);
	if (!copy_to_guest(entry, &mfn, sizeof(mfn))) return true;
	if (!reserve_put(d, f))
		assert(false, "nobody could refer to a frame whose number nobody knows");
	return false;
}

/* Out: MFN. There may be no place for the answer. */
static bool increase(struct domain *d, u64 entry, u32 order) {
	struct frame *f = order ? NULL : reserve_take(d, M2P_INVALID);

	if (!f) return false;
	u64 mfn = frame_to_mfn(f);
	return !entry || !copy_to_guest(entry, &mfn, sizeof(mfn));
}

/* In: MFN. Frames in use stay, and end the call. */
static bool decrease(struct domain *d, u64 entry, u32 order) {
	u64 mfn;

	if (copy_from_guest(&mfn, entry, sizeof(mfn))) return false;
	for (u64 i = 0; i < 1UL << order; i++)
		if (!mfn_valid(mfn + i) || !reserve_put(d, mfn_to_frame(mfn + i))) return false;
	return true;
}

/* `command` is the call's first argument: extents done before a restart lie above the number. */
static long reservation(u64 command, u64 argument, extent_handler *handler) {
	struct vcpu *v = current_vcpu();
	struct xen_memory_reservation r;
	u64 done = command >> MEMOP_CMD_BITS, entry;
	int error;

	if (copy_from_guest(&r, argument, sizeof(r)) || r.nr_extents > MAX_EXTENTS)
		return (long)done;
	struct domain *d = cap_resolve_domid(v->domain, r.domid, RIGHT_CONTROL, &error);
	if (!d || r.extent_order > MAX_ORDER) return (long)done;
	budget_begin(v);
	for (; done < r.nr_extents; done++) {
		if (!budget_spend(FRAME_UNITS << r.extent_order)) {
			hypercall_set_arg(1, (command & MEMOP_CMD_MASK) | done << MEMOP_CMD_BITS);
			return hypercall_restart();
		}
		entry = r.extent_start ? r.extent_start + done * sizeof(u64) : 0;
		if (!handler(d, entry, r.extent_order)) break;
	}
	return (long)done;
}

/* Pages owned now, or at most. */
static long reservation_size(u64 command, u64 argument) {
	struct xen_memory_domid op;
	int error;

	if (copy_from_guest(&op, argument, sizeof(op))) return -EFAULT;
	struct domain *d =
		cap_resolve_domid(current_vcpu()->domain, op.domid, RIGHT_INSPECT, &error);
	if (!d) return error;
	switch (command) {
	case XENMEM_current_reservation: return d->pages;
	case XENMEM_maximum_reservation: return d->maximum_pages;
	default: /* maximum_gpfn: what the domain itself says */
		return (long)MAX(d->shared->arch.max_pfn, 1UL) - 1;
	}
}

/* RAM up to the most the domain may ever own; what it does not own yet it may populate. */
static long memory_map(u64 argument) {
	struct domain *d = current_vcpu()->domain;
	struct xen_memory_map op;
	struct xen_e820_entry ram = {
		.size = (u64)d->maximum_pages << PAGE_SHIFT,
		.type = XEN_E820_RAM,
	};

	if (copy_from_guest(&op, argument, sizeof(op))) return -EFAULT;
	if (!op.nr_entries) return -EINVAL;
	op.nr_entries = 1;
	if (copy_to_guest(op.buffer, &ram, sizeof(ram))) return -EFAULT;
	return copy_to_guest(argument, &op, sizeof(op));
}

static long machphys_mapping(u64 argument) {
	struct xen_machphys_mapping op = {
		.v_start = MACH2PHYS_VIRT_START,
		.v_end = MACH2PHYS_VIRT_END,
		.max_mfn = frame_count - 1,
	};

	return copy_to_guest(argument, &op, sizeof(op));
}

/* Contiguous or low memory for devices: a guest without devices has no claim to it. */
static long exchange(u64 argument) {
	struct xen_memory_exchange op;

	if (copy_from_guest(&op, argument, sizeof(op))) return -EFAULT;
	if (op.in.extent_order > MAX_ORDER || op.out.extent_order > MAX_ORDER) return -EPERM;
	if (op.nr_exchanged > op.in.nr_extents || op.in.nr_extents > MAX_EXTENTS ||
	    op.out.nr_extents > MAX_EXTENTS || op.in.domid != op.out.domid ||
	    op.in.nr_extents << op.in.extent_order != op.out.nr_extents << op.out.extent_order)
		return -EINVAL;
	return -ENOMEM;
}

long do_memory_op(u64 command, u64 argument) {
	switch (command & MEMOP_CMD_MASK) {
	case XENMEM_increase_reservation: return reservation(command, argument, increase);
	case XENMEM_decrease_reservation: return reservation(command, argument, decrease);
	case XENMEM_populate_physmap: return reservation(command, argument, populate);
	default: break;
	}
	switch (command) {
	case XENMEM_maximum_ram_page: return (long)frame_count - 1;
	case XENMEM_current_reservation:
	case XENMEM_maximum_reservation:
	case XENMEM_maximum_gpfn: return reservation_size(command, argument);
	case XENMEM_memory_map: return memory_map(argument);
	case XENMEM_machphys_mapping: return machphys_mapping(argument);
	case XENMEM_exchange: return exchange(argument);
	case XENMEM_machine_memory_map:
	case XENMEM_set_memory_map: return -EPERM;
	case XENMEM_add_to_physmap:
	case XENMEM_remove_from_physmap:
		return -EINVAL; /* for guests whose physical addresses are translated */
	default: return -ENOSYS;
	}
}
