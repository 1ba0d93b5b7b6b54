/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The derivation tree (cap/cap.h has the drawing), and the invocations that
 * work on it. Every list is in depth-first order, and each step leaves the tree
 * whole: so a revocation may stop after any entry.
 */
#include "cap/invoke.h"
#include "domain/domain.h"

#define REVOKE_CHUNK 64
#define DELETE_LIMIT 1024

static const struct cap no_cap;

static inline bool is_range(u32 type) {
	return type == CAP_IRQ || type == CAP_IOPORTS || type == CAP_MMIO || type == CAP_DMASPACE;
}

/* The head goes last when a slot is filled, and first when it is emptied. */
static inline void set_head(struct cap *cap, const struct cap *value, u16 depth) {
	struct cap head = {
		.type = value->type,
		.state = value->state,
		.rights = value->rights,
		.depth = depth,
		.flags = value->flags,
	};
	u64 word;

	__builtin_memcpy(&word, &head, sizeof(word));
	atomic_store((u64 *)(void *)cap, word);
}

static void cap_fill(struct cap *dst, const struct cap *value, struct domain *holder, u16 depth) {
	assert(dst->type == CAP_NONE, "a capability is put into an empty slot");
	atomic_store(&dst->first, value->first);
	atomic_store(&dst->count, value->count);
	atomic_store(&dst->domain, value->domain);
	dst->holder = holder;
	dst->next_extent = NULL;
	dst->progress = 0;
	if (value->type == CAP_DOMAIN) value->domain->cap_count++;
	set_head(dst, value, depth);
}

static void link_behind(struct cap *cap, struct cap *before) {
	cap->previous = before;
	cap->next = before->next;
	if (cap->next) cap->next->previous = cap;
	before->next = cap;
}

void cap_insert_root(struct cap *dst, const struct cap *value, struct domain *holder) {
	dst->next = dst->previous = NULL;
	cap_fill(dst, value, holder, 0);
}

void cap_insert_child(struct cap *dst, const struct cap *value, struct cap *parent,
		      struct domain *holder) {
	u16 depth = parent->depth + 1;

	if (parent->next && parent->next->depth > depth) depth = parent->next->depth;
	link_behind(dst, parent);
	cap_fill(dst, value, holder, depth);
}

/* In front of its sibling: behind it are the sibling's descendants. */
void cap_insert_sibling(struct cap *dst, const struct cap *value, struct cap *sibling,
			struct domain *holder) {
	dst->next = sibling;
	dst->previous = sibling->previous;
	if (dst->previous) dst->previous->next = dst;
	sibling->previous = dst;
	cap_fill(dst, value, holder, sibling->depth);
}

/* To another slot of the same table; src is empty afterwards. */
static void cap_move(struct cap *dst, struct cap *src) {
	struct cap value = *src;

	dst->next = value.next;
	dst->previous = value.previous;
	if (value.next) value.next->previous = dst;
	if (value.previous) value.previous->next = dst;
	set_head(src, &no_cap, 0);
	cap_fill(dst, &value, value.holder, value.depth);
	if (value.type == CAP_DOMAIN)
		value.domain->cap_count--; /* counted by cap_fill a second time */
	*src = no_cap;
}

void cap_remove(struct cap *cap) {
	struct cap value = *cap;

	set_head(cap, &no_cap, 0);
	object_disable(&value);
	if (value.next) value.next->previous = value.previous;
	if (value.previous) value.previous->next = value.next;
	if (value.type == CAP_DOMAIN) value.domain->cap_count--;
	*cap = no_cap;
}

bool cap_revoke_some(struct cap *cap, const struct cap *keep, unsigned limit) {
	struct cap *next = cap->next;

	while (next && next->depth > cap->depth) {
		struct cap *behind = next->next;

		if (next != keep) {
			if (limit-- == 0) return false;
			cap_remove(next);
		}
		next = behind;
	}
	return true;
}

/* [first, first + count) inside the source's range; 0, 0 is all of it. */
static bool narrow(const struct cap *src, struct cap *value, u64 first, u64 count) {
	if (first == 0 && count == 0) return true;
	if (!is_range(src->type) || count == 0 || first < src->first ||
	    first - src->first >= src->count || count > src->count - (first - src->first))
		return false;
	value->first = first;
	value->count = count;
	return true;
}

int cap_derive(struct cap *src, struct domain *holder, u64 dst, u64 rights, u64 first, u64 count) {
	struct cap value = *src;
	int error;

	if (!(src->rights & RIGHT_COPY) || src->type == CAP_MEMORY) return -EPERM;
	if ((rights & ~(u64)src->rights) || !rights || !narrow(src, &value, first, count))
		return -EINVAL;
	struct cap *slot = cap_empty_slot(holder, dst, &error);
	if (!slot) return error;
	if (src->depth >= CAP_MAX_DEPTH) return -E2BIG;
	value.rights = (u16)rights;
	value.flags = 0;
	cap_insert_child(slot, &value, src, holder);
	return 0;
}

long cap_op_copy(struct invocation *in) {
	return cap_derive(in->cap, in->caller, in->arg[0], in->arg[1], in->arg[2], in->arg[3]);
}

/* A Memory in use is known by its address: to its domain, or to the object made of it. */
static inline bool is_pinned(const struct cap *cap) {
	return cap->type == CAP_MEMORY &&
	       (cap->state != MEMORY_STATE_FREE || (cap->flags & CAP_F_PENDING));
}

long cap_op_move(struct invocation *in) {
	int error;

	if (is_pinned(in->cap)) return -EBUSY;
	struct cap *dst = cap_empty_slot(in->caller, in->arg[0], &error);
	if (!dst) return error;
	cap_move(dst, in->cap);
	return 0;
}

/*
 * The children of a capability that is about to go become its siblings: each of
 * them takes its depth, and brings its own descendants along. (`least`: of the
 * child just passed. Mostly all children are one deeper than their parent, but
 * not while an ancestor is being revoked.) False: too many for one call.
 */
static bool lift_children(struct cap *cap) {
	u16 least = CAP_MAX_DEPTH + 1;
	unsigned n = 0;

	for (struct cap *c = cap->next; c && c->depth > cap->depth; c = c->next)
		if (++n > DELETE_LIMIT) return false;
	for (struct cap *c = cap->next; c && c->depth > cap->depth; c = c->next) {
		least = MIN(least, c->depth);
		set_head(c, c, c->depth - (least - cap->depth));
	}
	return true;
}

long cap_op_delete(struct invocation *in) {
	if (is_pinned(in->cap) || !lift_children(in->cap)) return -EBUSY;
	cap_remove(in->cap);
	return 0;
}

long cap_op_revoke(struct invocation *in) {
	return cap_revoke_some(in->cap, NULL, REVOKE_CHUNK) ? 0 : -ERESTART;
}
