/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Mapping other domains' frames by their grants, and unmapping.
 *
 * A mapping is named by a handle: an index into the mapper's own table of
 * records, whose free ones are linked into a list. Unmapping a batch goes in
 * three passes, for the frames must not be anybody else's while a TLB can still
 * reach them: take the entries away, flush once, drop references and pins.
 */
#include "grant/pin.h"

#include "mem/guest_copy.h"
#include "mem/tlb.h"
#include "mem/validate.h"

#define KINDS        (GNTMAP_host_map | GNTMAP_device_map)
#define UNMAP_BATCH  16U
#define RESET_CHUNK  64U
#define AVAIL_TO_PTE 9 /* the entry's software bits, from GNTMAP_guest_avail0 */

static struct grant_map *handle_take(struct domain *d) {
	struct grant_map *m = NULL;

	lock_take(&d->grant_lock);
	if (likely(d->map_free < d->map_handles)) {
		m = &d->maps[d->map_free];
		d->map_free += 1 + m->ref;
	}
	lock_drop(&d->grant_lock);
	return m;
}

static void handle_free(struct domain *d, struct grant_map *m) REQUIRES(d->grant_lock) {
	u32 handle = (u32)(m - d->maps);

	*m = (struct grant_map){.ref = d->map_free - handle - 1};
	d->map_free = handle;
}

static u64 host_entry(mfn_t mfn, u32 flags) {
	u64 pte = pte_make(mfn, PTE_P | PTE_A | PTE_D | PTE_NX);

	if (!(flags & GNTMAP_readonly)) pte |= PTE_RW;
	if (flags & GNTMAP_application_map)
		pte |= PTE_US; /* without it, it becomes the guest kernel's */
	return pte | (u64)(flags >> GNTMAP_guest_avail0 & 7) << AVAIL_TO_PTE;
}

static int map_host(struct vcpu *v, struct domain *granter, mfn_t mfn, u64 host, u32 flags) {
	int status = grant_hold(granter, mfn, flags & GNTMAP_readonly);

	if (unlikely(status)) return status;
	if (likely(!pte_install(v, host, flags & GNTMAP_contains_pte, host_entry(mfn, flags))))
		return GNTST_okay;
	grant_drop(mfn, flags & GNTMAP_readonly);
	return GNTST_general_error;
}

static int map(struct vcpu *v, struct gnttab_map_grant_ref *op) {
	struct domain *d = v->domain, *granter;
	bool readonly = op->flags & GNTMAP_readonly;
	struct grant_map *m;
	mfn_t mfn;
	int status;

	if (unlikely(!(op->flags & KINDS))) return GNTST_bad_gntref;
	status = grant_resolve(d, op->dom, RIGHT_GRANT, &granter);
	if (unlikely(status)) return status;
	m = handle_take(d);
	if (unlikely(!m)) return GNTST_no_device_space;
	d->maps_made = true;
	status = grant_pin(granter, op->ref, d, readonly, &mfn);
	if (unlikely(status)) goto free_handle;
	if (op->flags & GNTMAP_device_map) {
		status = grant_hold(granter, mfn, readonly);
		if (unlikely(status)) goto unpin;
	}
	if (op->flags & GNTMAP_host_map) {
		status = map_host(v, granter, mfn, op->host_addr, op->flags);
		if (unlikely(status)) goto drop_device;
	}
	*m = (struct grant_map){.granter = granter,
				.ref = op->ref,
				.flags = (u16)op->flags,
				.host = op->host_addr,
				.mfn = mfn};
	op->handle = (u32)(m - d->maps);
	op->dev_bus_addr = mfn << PAGE_SHIFT;
	return GNTST_okay;

drop_device:
	if (op->flags & GNTMAP_device_map) grant_drop(mfn, readonly);
unpin:
	grant_unpin(granter, op->ref, readonly);
free_handle:
	lock_take(&d->grant_lock);
	handle_free(d, m);
	lock_drop(&d->grant_lock);
	return status;
}

long grant_map(struct vcpu *v, u64 array, u64 count) {
	const u64 result = offsetof(struct gnttab_map_grant_ref, dom); /* and status, handle ... */
	struct gnttab_map_grant_ref op;

	for (; count; count--, array += sizeof(op)) {
		if (grant_pause(array, count, GRANT_UNITS)) return hypercall_restart();
		if (unlikely(copy_from_guest(&op, array, sizeof(op)))) return -EFAULT;
		op.status = (int16_t)map(v, &op);
		trace(TRACE_GRANT_MAP, (u64)op.dom << 32 | op.ref, (u64)op.status);
		if (unlikely(copy_to_guest(array + result, &op.dom, sizeof(op) - result)))
			return -EFAULT;
	}
	return 0;
}

/* --- Unmapping --- */

/* What is left to do for an element once the TLBs have forgotten it. */
struct release {
	struct domain *granter; /* to be unpinned there, or NULL */
	mfn_t mfn;
	u32 ref;
	u8 holds; /* references to drop */
	bool readonly;
};

/* Moves the entry that maps new_addr into the place of m's. */
static int replace_host(struct vcpu *v, const struct grant_map *m, u64 host, u64 new_addr) {
	bool contains_pte = m->flags & GNTMAP_contains_pte;
	struct frame *table;
	u64 *entry = table_walk_l1(v, new_addr, &table);
	u64 pte;

	if (!entry) return -EINVAL;
	pte = atomic_load_relaxed(entry);
	if (frame_put_type(table)) v->deferred = table;
	if (!(pte & PTE_P) ||
	    pte_withdraw(v, host, contains_pte, m->mfn, !(m->flags & GNTMAP_readonly)))
		return -EINVAL;
	if (!pte_withdraw(v, new_addr, false, pte_mfn(pte), pte & PTE_RW)) {
		if (!pte_install(v, host, contains_pte, pte)) return 0;
		/* The table it lay in is the one withdrawn from just now: it is still there. */
		(void)!pte_install(v, new_addr, false, pte);
	}
	return -EINVAL;
}

static int withdraw_host(struct vcpu *v, const struct grant_map *m, u64 host, u64 new_addr) {
	if (new_addr) return replace_host(v, m, host, new_addr);
	return pte_withdraw(v, host, m->flags & GNTMAP_contains_pte, m->mfn,
			    !(m->flags & GNTMAP_readonly));
}

/* The record is not in use by anybody else: its domain's grant_lock is held. */
static int unmap_record(struct vcpu *v, struct domain *d, struct grant_map *m,
			const struct gnttab_unmap_grant_ref *op, u64 new_addr, struct release *r)
	REQUIRES(d->grant_lock) {
	u16 gone = 0;

	if (op->dev_bus_addr && (m->flags & GNTMAP_device_map)) {
		if (op->dev_bus_addr != m->mfn << PAGE_SHIFT) return GNTST_general_error;
		gone |= GNTMAP_device_map;
	}
	if (op->host_addr && (m->flags & GNTMAP_host_map)) {
		if (withdraw_host(v, m, op->host_addr, new_addr)) return GNTST_general_error;
		gone |= GNTMAP_host_map;
	}
	*r = (struct release){
		.mfn = m->mfn,
		.ref = m->ref,
		.holds = (u8)(!!(gone & GNTMAP_device_map) + !!(gone & GNTMAP_host_map)),
		.readonly = m->flags & GNTMAP_readonly,
	};
	m->flags &= (u16)~gone;
	if (!(m->flags & KINDS)) {
		r->granter = m->granter;
		handle_free(d, m);
	}
	return GNTST_okay;
}

static int unmap(struct vcpu *v, const struct gnttab_unmap_grant_ref *op, u64 new_addr,
		 struct release *r) {
	struct domain *d = v->domain;
	int status = GNTST_bad_handle;

	if (unlikely(op->handle >= d->map_handles)) return status;
	lock_take(&d->grant_lock);
	if (likely(d->maps[op->handle].granter))
		status = unmap_record(v, d, &d->maps[op->handle], op, new_addr, r);
	lock_drop(&d->grant_lock);
	return status;
}

static void release_all(struct vcpu *v, const struct release *batch, unsigned count) {
	unsigned holds = 0;

	for (unsigned i = 0; i < count; i++) holds += batch[i].holds;
	if (holds) tlb_flush_domain(v->domain);
	for (unsigned i = 0; i < count; i++) {
		for (holds = batch[i].holds; holds; holds--)
			grant_drop(batch[i].mfn, batch[i].readonly);
		if (batch[i].granter)
			grant_unpin(batch[i].granter, batch[i].ref, batch[i].readonly);
	}
}

/* One element: both operations have 24 bytes, handle at 16 and status at 20. */
static int unmap_element(struct vcpu *v, u64 element, bool replace, struct release *r) {
	struct gnttab_unmap_grant_ref op;
	u64 new_addr = 0;
	int16_t status;

	*r = (struct release){0};
	if (copy_from_guest(&op, element, sizeof(op))) return -EFAULT;
	if (replace) {
		new_addr = op.dev_bus_addr;
		op.dev_bus_addr = 0;
	}
	status = (int16_t)unmap(v, &op, new_addr, r);
	return copy_to_guest(element + offsetof(struct gnttab_unmap_grant_ref, status), &status,
			     sizeof(status));
}

_Static_assert(sizeof(struct gnttab_unmap_and_replace) == sizeof(struct gnttab_unmap_grant_ref) &&
		       offsetof(struct gnttab_unmap_and_replace, handle) ==
			       offsetof(struct gnttab_unmap_grant_ref, handle) &&
		       offsetof(struct gnttab_unmap_and_replace, status) ==
			       offsetof(struct gnttab_unmap_grant_ref, status),
	       "unmap_element reads both");

long grant_unmap(struct vcpu *v, u64 array, u64 count, bool replace) {
	struct release batch[UNMAP_BATCH];
	int error = 0;
	unsigned n;

	while (count && !error) {
		if (grant_pause(array, count, GRANT_UNITS * UNMAP_BATCH))
			return hypercall_restart();
		for (n = 0; n < UNMAP_BATCH && count && !error; n++, count--) {
			error = unmap_element(v, array, replace, &batch[n]);
			array += sizeof(struct gnttab_unmap_grant_ref);
		}
		release_all(v, batch, n);
	}
	return error;
}

/*
 * The references of host mappings go with the page tables; what the records
 * themselves hold goes here.
 */
int grant_reset(struct domain *d) {
	u64 end = MIN((u64)d->map_handles, d->reset_position + RESET_CHUNK);

	for (; d->reset_position < end; d->reset_position++) {
		struct grant_map *m = &d->maps[d->reset_position];
		bool readonly = m->flags & GNTMAP_readonly;

		if (m->granter) {
			if (m->flags & GNTMAP_device_map) grant_drop(m->mfn, readonly);
			grant_unpin(m->granter, m->ref, readonly);
		}
		*m = (struct grant_map){0};
	}
	if (end < d->map_handles) return -ERESTART;
	grant_init(d);
	return 0;
}
