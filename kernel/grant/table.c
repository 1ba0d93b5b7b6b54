/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Grant tables: the entries, the operations on the table as a whole, and
 * what dispatches them all.
 */
#include "grant/pin.h"

#include "mem/guest_copy.h"

void grant_init(struct domain *d) {
	/* Guests ask for more (setup_table); native domains use what they were given. */
	d->grant_frames = is_native(d) ? d->grant_frames_max : 1;
	d->map_free = 0; /* entries that are zero are a list of all: none need be written here */
}

int grant_set(struct domain *d, u32 ref, u16 domid, bool readonly, mfn_t mfn) {
	u32 head =
		GTF_permit_access | (readonly ? GTF_readonly : 0) | (u32)domid << GRANT_DOMID_SHIFT;

	if (ref >= d->grant_frames * GRANT_ENTRIES_PER_FRAME || !mfn_valid(mfn)) return -EINVAL;
	atomic_store(&d->grant_entries[ref], mfn << 32 | head);
	return 0;
}

/* --- Operations on the table --- */

static long op_setup_table(struct vcpu *v, void *element) {
	struct gnttab_setup_table *op = element;
	struct domain *d;
	u64 mfn;

	op->status = (int16_t)grant_resolve(v->domain, op->dom, RIGHT_CONTROL, &d);
	if (op->status) return 0;
	op->status = GNTST_general_error;
	if (op->nr_frames > d->grant_frames_max) return 0;
	lock_take(&d->grant_lock);
	d->grant_frames = MAX(d->grant_frames, op->nr_frames);
	lock_drop(&d->grant_lock);
	op->status = GNTST_okay;
	for (u64 i = 0; i < op->nr_frames; i++) {
		mfn = virt_to_mfn(d->grant_entries) + i;
		if (copy_to_guest(op->frame_list + i * sizeof(mfn), &mfn, sizeof(mfn))) {
			op->status = GNTST_bad_virt_addr;
			break;
		}
	}
	return 0;
}

static long op_query_size(struct vcpu *v, void *element) {
	struct gnttab_query_size *op = element;
	struct domain *d;

	op->status = (int16_t)grant_resolve(v->domain, op->dom, RIGHT_INSPECT, &d);
	if (op->status) return 0;
	op->nr_frames = d->grant_frames;
	op->max_nr_frames = d->grant_frames_max;
	return 0;
}

/* There is no debug console to dump it on; guests that ask ignore the answer. */
static long op_dump_table(struct vcpu *v, void *element) {
	struct gnttab_dump_table *op = element;
	struct domain *d;

	op->status = (int16_t)grant_resolve(v->domain, op->dom, RIGHT_DEBUG, &d);
	return 0;
}

/* Giving frames away for good is Memory's business (proto/cap/cap.h). */
static long op_transfer(struct vcpu *v, void *element) {
	struct gnttab_transfer *op = element;
	struct domain *d;
	int status = grant_resolve(v->domain, op->domid, RIGHT_GRANT, &d);

	op->status = (int16_t)(status ? status : GNTST_permission_denied);
	return 0;
}

static long op_set_version(struct vcpu *v, void *element) {
	struct gnttab_set_version *op = element;
	u32 wanted = op->version;

	(void)v;
	op->version = 1;
	return wanted == 1 ? 0 : wanted == 2 ? -ENOSYS : -EINVAL;
}

static long op_get_version(struct vcpu *v, void *element) {
	struct gnttab_get_version *op = element;
	int error;

	if (!cap_resolve_domid(v->domain, op->dom, RIGHT_INSPECT, &error)) return error;
	op->version = 1;
	return 0;
}

/* Version 2 keeps its status in frames of their own; version 1 has none to hand out. */
static long op_get_status_frames(struct vcpu *v, void *element) {
	struct gnttab_get_status_frames *op = element;

	(void)v;
	op->status = GNTST_general_error;
	return 0;
}

static long op_swap_grant_ref(struct vcpu *v, void *element) {
	struct gnttab_swap_grant_ref *op = element;
	struct domain *d = v->domain;
	u32 limit = d->grant_frames * GRANT_ENTRIES_PER_FRAME;
	u64 entry;

	op->status = GNTST_bad_gntref;
	if (op->ref_a >= limit || op->ref_b >= limit) return 0;
	lock_take(&d->grant_lock);
	op->status = GNTST_eagain;
	if (op->ref_a == op->ref_b) {
		op->status = GNTST_okay;
	} else if (!d->grant_pins[op->ref_a] && !d->grant_pins[op->ref_b]) {
		entry = atomic_load(&d->grant_entries[op->ref_a]);
		atomic_store(&d->grant_entries[op->ref_a],
			     atomic_load(&d->grant_entries[op->ref_b]));
		atomic_store(&d->grant_entries[op->ref_b], entry);
		op->status = GNTST_okay;
	}
	lock_drop(&d->grant_lock);
	return 0;
}

/* --- Arrays of operations --- */

union grant_element {
	struct gnttab_setup_table setup_table;
	struct gnttab_dump_table dump_table;
	struct gnttab_transfer transfer;
	struct gnttab_query_size query_size;
	struct gnttab_set_version set_version;
	struct gnttab_get_status_frames get_status_frames;
	struct gnttab_get_version get_version;
	struct gnttab_swap_grant_ref swap;
};

/* result: the part of an element that is written back. */
static const struct grant_operation {
	long (*handler)(struct vcpu *v, void *element);
	u8 size, result_offset, result_size;
	bool single; /* the array must have one element */
} operations[] = {
#define OPERATION(name, type, first, single)                                               \
	[GNTTABOP_##name] = {op_##name, sizeof(struct type), offsetof(struct type, first), \
			     sizeof(struct type) - offsetof(struct type, first), single}
	OPERATION(setup_table, gnttab_setup_table, status, true),
	OPERATION(dump_table, gnttab_dump_table, status, false),
	OPERATION(transfer, gnttab_transfer, status, false),
	OPERATION(query_size, gnttab_query_size, nr_frames, true),
	OPERATION(set_version, gnttab_set_version, version, true),
	OPERATION(get_status_frames, gnttab_get_status_frames, nr_frames, true),
	OPERATION(get_version, gnttab_get_version, version, true),
	OPERATION(swap_grant_ref, gnttab_swap_grant_ref, status, false),
#undef OPERATION
};

static long run(struct vcpu *v, const struct grant_operation *op, u64 array, u64 count) {
	union grant_element element;
	char *result = (char *)&element + op->result_offset;
	long error;

	for (; count; count--, array += op->size) {
		if (grant_pause(array, count, GRANT_UNITS)) return hypercall_restart();
		if (copy_from_guest(&element, array, op->size)) return -EFAULT;
		error = op->handler(v, &element);
		if (copy_to_guest(array + op->result_offset, result, op->result_size))
			return -EFAULT;
		if (error) return error;
	}
	return 0;
}

static NOINLINE long other_op(struct vcpu *v, u64 command, u64 array, u64 count) {
	if (command == GNTTABOP_unmap_and_replace) return grant_unmap(v, array, count, true);
	/* Caches are coherent, and nothing else of a frame is anybody's to flush. */
	if (command == GNTTABOP_cache_flush) return -EOPNOTSUPP;
	if (command >= ARRAY_SIZE(operations) || !operations[command].handler) return -ENOSYS;
	const struct grant_operation *op = &operations[command];
	if (op->single && count != 1) return -EINVAL;
	return run(v, op, array, count);
}

long do_grant_table_op(u64 command, u64 array, u64 count) {
	struct vcpu *v = current_vcpu();

	if (unlikely((s32)count < 0)) return -EINVAL;
	count = (u32)count;
	budget_begin(v);
	switch (command) {
	case GNTTABOP_copy: return grant_copy(v, array, count);
	case GNTTABOP_map_grant_ref: return grant_map(v, array, count);
	case GNTTABOP_unmap_grant_ref: return grant_unmap(v, array, count, false);
	default: return other_op(v, command, array, count);
	}
}
