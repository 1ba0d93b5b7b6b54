/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Capability tables: slots, and the lookups by which authority is found.
 *
 * Invocations look up under tree_lock. The Xen ABI's domids are resolved without
 * it, on paths such as grant copy that must not wait for somebody's revocation:
 * a slot's head (type and rights are in one word) and its object are read twice
 * and must agree. The object itself cannot vanish meanwhile: the core is not
 * pre-empted, and a Domain's frames are reused only after every CPU has left
 * the core once since its last capability went.
 */
#include "cap/cap.h"
#include "domain/domain.h"

struct lock tree_lock;

_Static_assert(offsetof(struct cap, first) == sizeof(u64), "the head of a capability is one word");

struct cap *cap_lookup(struct domain *d, u64 slot, u32 type, u32 rights, int *error) {
	*error = -EBADF;
	if (slot == 0 || slot >= d->cap_slots || d->caps[slot].type == CAP_NONE) return NULL;
	struct cap *cap = &d->caps[slot];
	*error = -EPERM;
	if (type != CAP_ANY && cap->type != type) return NULL;
	return (cap->rights & rights) == rights ? cap : NULL;
}

struct cap *cap_empty_slot(struct domain *d, u64 slot, int *error) {
	*error = -EBADF;
	if (slot == 0 || slot >= d->cap_slots) return NULL;
	*error = -EEXIST;
	return d->caps[slot].type == CAP_NONE ? &d->caps[slot] : NULL;
}

/* A consistent copy of what lookups without the lock need of a slot. */
static inline void slot_read(const struct cap *cap, struct cap *copy) {
	const u64 *word = (const u64 *)(const void *)cap;
	u64 head;

	do {
		head = atomic_load(word);
		copy->domain = atomic_load(&cap->domain);
		copy->first = atomic_load(&cap->first);
		copy->count = atomic_load(&cap->count);
	} while (unlikely(atomic_load(word) != head || atomic_load(&cap->domain) != copy->domain));
	__builtin_memcpy(copy, &head, sizeof(head));
}

/* Rights of the capability to `domid` in this slot; 0: it is another. */
static inline u32 slot_names(const struct cap *cap, u16 domid, struct domain **d) {
	struct cap copy;

	if (cap->type != CAP_DOMAIN || cap->first != domid) return 0;
	slot_read(cap, &copy);
	if (copy.type != CAP_DOMAIN || copy.first != domid) return 0;
	*d = copy.domain;
	return copy.rights;
}

struct domain *cap_resolve_domid(struct domain *caller, u16 domid, u32 rights, int *error) {
	u32 slot = atomic_load_relaxed(&caller->peer_hint[domid & 15]);
	struct domain *d;
	bool known = false;
	u32 held;

	if (domid == DOMID_SELF || domid == caller->id) return caller;
	if (likely(slot < caller->cap_slots)) {
		held = slot_names(&caller->caps[slot], domid, &d);
		if (likely(held && (held & rights) == rights)) return d;
	}
	for (slot = 1; slot < caller->cap_slots; slot++) {
		held = slot_names(&caller->caps[slot], domid, &d);
		if (!held) continue;
		if ((held & rights) == rights) {
			__atomic_store_n(&caller->peer_hint[domid & 15], (u16)slot,
					 __ATOMIC_RELAXED);
			return d;
		}
		known = true;
	}
	*error = known ? -EPERM : -ESRCH;
	return NULL;
}

bool cap_covers(struct domain *d, u32 type, u64 first, u64 count, u32 rights) {
	struct cap copy;

	for (u32 slot = 1; slot < d->cap_slots; slot++) {
		const struct cap *cap = &d->caps[slot];

		if (cap->type != type) continue;
		slot_read(cap, &copy);
		if (copy.type == type && (copy.rights & rights) == rights && first >= copy.first &&
		    first - copy.first < copy.count && count <= copy.count - (first - copy.first))
			return true;
	}
	return false;
}

struct cap *cap_boot(struct domain *d, u32 slot, u32 type, u64 first, u64 count, u16 flags) {
	struct cap value = {
		.type = (u8)type,
		.rights = RIGHTS_ALL,
		.flags = flags,
		.first = first,
		.count = count,
		.domain = type == CAP_DOMAIN ? domain_find((u16)first) : NULL,
	};
	struct cap *cap;
	int error;

	lock_take(&tree_lock);
	cap = cap_empty_slot(d, slot, &error);
	if (cap) cap_insert_root(cap, &value, d);
	lock_drop(&tree_lock);
	return cap;
}
