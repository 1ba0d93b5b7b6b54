/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Capabilities: the tables, the derivation tree, and the lookups by which all
 * authority in the core is found.
 *
 * The derivation tree is one doubly linked list per tree in depth-first order,
 * each entry with its depth: the descendants of a capability are the entries
 * behind it with a greater depth. So copy inserts behind its source, and revoke
 * takes entries from behind until the depth falls back, one at a time, which
 * makes it pre-emptible without any state. Delete lifts the descendants, or they
 * would fall to the sibling in front:
 *
 *   A 0 | B 1 | C 1 | D 2 | E 1     delete C:  A 0 | B 1 | D 1 | E 1
 *
 * While A is being revoked, entries deeper than its children may lie right behind
 * it. A child that is derived then takes the depth of what it is put in front of,
 * so that it does not become the parent of strangers.
 */
#ifndef KERNEL_CAP_CAP_H
#define KERNEL_CAP_CAP_H

#include "lib/atomic.h"
#include "proto/cap/cap.h"

struct domain;
struct dmaspace;

struct cap {
	/* One word (cap_head): lookups without the lock read it at once. */
	u8 type;  /* CAP_* */
	u8 state; /* Memory: MEMORY_STATE_* */
	u16 rights;
	u16 depth;
	u16 flags;        /* CAP_F_* */
	u64 first, count; /* ranges; Domain: first = domid */
	union {
		struct domain
			*domain; /* Domain: which. Memory GIVEN: to whom; OBJECT: made of it */
		struct dmaspace *space; /* DmaSpace: which. Memory with CAP_F_SPACE: made of it */
	};
	struct cap *next, *previous; /* derivation list */
	struct cap *next_extent;     /* Memory GIVEN: the domain's extents */
	struct domain *holder;       /* whose table this slot is in */
	u64 progress;                /* Memory: where a long operation stands */
};

#define CAP_F_MODULE        1U /* Memory: not scrubbed at the next give: a module, or zeroes */
#define CAP_F_ENABLED       2U /* IoPorts, Irq: used by its holder; to be undone when it goes */
#define CAP_F_WATCH         4U /* Domain: its holder watches through it */
#define CAP_F_SPACE         8U /* Memory OBJECT: holds a DmaSpace, not a Domain */
/* Memory: the long operation under way (MEMORY_*), 0 = none. */
#define CAP_F_PENDING       0xff00U
#define CAP_F_PENDING_SHIFT 8

/* Protects all derivation lists and the contents of all slots. Outermost lock. */
extern struct lock tree_lock;

#define CAP_ANY CAP_TYPES /* any capability */
/*
 * The capability in `slot` of d, if it is of this type and has these rights.
 * NULL and *error otherwise (-EBADF, -EPERM).
 */
struct cap *cap_lookup(struct domain *d, u64 slot, u32 type, u32 rights, int *error)
	REQUIRES(tree_lock);
/*
 * Names to authority: the domain that `domid` means for the caller. DOMID_SELF
 * and the caller's own id need no capability. NULL: *error is -ESRCH (no
 * capability to such a domain) or -EPERM (too few rights). Lock-free.
 */
struct domain *cap_resolve_domid(struct domain *caller, u16 domid, u32 rights, int *error);
/* The empty slot `slot` of d; NULL: out of range, or not empty (*error -EBADF, -EEXIST). */
struct cap *cap_empty_slot(struct domain *d, u64 slot, int *error) REQUIRES(tree_lock);
/* Whether n lies in its range. */
static inline bool cap_includes(const struct cap *cap, u64 n) {
	return n >= cap->first && n - cap->first < cap->count;
}
/* Whether d holds a capability of the type that covers [first, first + count) with these rights. */
bool cap_covers(struct domain *d, u32 type, u64 first, u64 count, u32 rights);

/*
 * The tree. The empty slot dst becomes a capability with the type, state,
 * rights, flags, range and object of `value`; everything else is set here.
 */
void cap_insert_root(struct cap *dst, const struct cap *value, struct domain *holder)
	REQUIRES(tree_lock);
void cap_insert_child(struct cap *dst, const struct cap *value, struct cap *parent,
		      struct domain *holder) REQUIRES(tree_lock);
void cap_insert_sibling(struct cap *dst, const struct cap *value, struct cap *sibling,
			struct domain *holder) REQUIRES(tree_lock);
/* Unlinks and empties; undoes what the capability enabled (ports, interrupts). */
void cap_remove(struct cap *cap) REQUIRES(tree_lock);
/* Removes up to `limit` descendants, `keep` (NULL: none) excepted; true: none is left. */
bool cap_revoke_some(struct cap *cap, const struct cap *keep, unsigned limit) REQUIRES(tree_lock);

/* hypercall 63 */
long do_capability_op(u64 operation, u64 slot, u64 a1, u64 a2, u64 a3, u64 a4);

/* Boot only: fills the first domain's table; NULL: no such slot. */
struct cap *cap_boot(struct domain *d, u32 slot, u32 type, u64 first, u64 count, u16 flags);

#endif
