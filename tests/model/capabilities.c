/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Capabilities and Memory: the real kernel/cap, kernel/mem/memory.c and
 * kernel/domain, all sequences of invocations by three domains up to a stated
 * length. Every call does as little as it can before it restarts (chunks of one),
 * and anything may come between a call and its restart.
 *
 * `tree`: copies, moves, deletions, revocations over three tables. A second tree
 * with plain parent pointers is kept beside the real one; after each step who is
 * whose descendant must be the same in both, ranges and rights only shrink on
 * the way down, depth is bounded, the lists are whole.
 *
 * `memory`: splits, merges, gives, reclaims, the reserve, mappings, reset.
 * After each step every frame is in exactly one extent, belongs to whom its
 * extent was given, is counted there, and nobody sees what another domain left.
 */
#include "explore.h"
#include "machine.h"

#include <stdio.h>
#include <string.h>

#define DOMAINS 3
#define SLOTS   10 /* of the tables of all three */
#define PORTS   4U /* the range that is narrowed */
#define FRAMES  4U /* of the memory that is moved about */
#define OPTIONS 400

#define ROOT_MEMORY 2U
#define ROOT_PORTS  3U
#define ROOT_A      4U
#define FIRST_FREE  6U

enum action {
	COPY,
	MOVE,
	DELETE,
	REVOKE,
	SEND,
	SPLIT,
	MERGE,
	GIVE,
	RECLAIM,
	TAKE,
	PUT,
	MAP,
	UNMAP,
	RESET
};

struct option {
	u8 action, domain, slot, dst;
	u64 value, count;
};

/* The second tree. */
struct twin {
	u8 live, parent; /* parent: index + 1 of another twin, 0 = none */
};

static struct world {
	struct twin twins[DOMAINS][SLOTS];
	u8 left;
	bool mapped[FRAMES];
} world;

static struct domain *domains[DOMAINS];
static mfn_t first_frame;
static bool memory_model;

/* --- The second tree --- */

static struct twin *twin_at(unsigned number) {
	return &world.twins[number / SLOTS][number % SLOTS];
}

static unsigned twin_number(unsigned d, u64 slot) { return d * SLOTS + (unsigned)slot; }

static void twin_add(unsigned d, u64 slot, unsigned parent) {
	*twin_at(twin_number(d, slot)) = (struct twin){1, (u8)(parent + 1)};
}

/* Everything that names `from` as its parent names `to` (index + 1). */
static void twin_reparent(unsigned from, unsigned to) {
	unsigned i;

	for (i = 0; i < DOMAINS * SLOTS; i++)
		if (twin_at(i)->live && twin_at(i)->parent == from + 1) twin_at(i)->parent = (u8)to;
}

static bool twin_descends(unsigned child, unsigned ancestor) {
	while (twin_at(child)->parent) {
		child = twin_at(child)->parent - 1U;
		if (child == ancestor) return true;
	}
	return false;
}

static void twin_delete(unsigned n) {
	twin_reparent(n, twin_at(n)->parent);
	*twin_at(n) = (struct twin){0, 0};
}

static void twin_move(unsigned from, unsigned to) {
	twin_reparent(from, to + 1);
	*twin_at(to) = *twin_at(from);
	*twin_at(from) = (struct twin){0, 0};
}

/* --- Invariants --- */

static struct cap *cap_at(unsigned number) {
	return &domains[number / SLOTS]->caps[number % SLOTS];
}

static bool descends(const struct cap *child, const struct cap *ancestor) {
	const struct cap *c;

	for (c = ancestor->next; c && c->depth > ancestor->depth; c = c->next)
		if (c == child) return true;
	return false;
}

static const char *check_pair(unsigned a, unsigned b) {
	const struct cap *child = cap_at(a), *ancestor = cap_at(b);

	if (descends(child, ancestor) != twin_descends(a, b))
		return "the tree does not say who descends from whom";
	if (!twin_descends(a, b)) return NULL;
	if (child->rights & ~ancestor->rights) return "a descendant has more rights";
	if (child->first < ancestor->first ||
	    child->first + child->count > ancestor->first + ancestor->count)
		return "a descendant has a wider range";
	return NULL;
}

static const char *check_tree(void) {
	const char *wrong = NULL;
	unsigned a, b;

	for (a = 0; a < DOMAINS * SLOTS && !wrong; a++) {
		const struct cap *cap = cap_at(a);

		if (cap->type != CAP_IOPORTS) {
			if (twin_at(a)->live) return "a capability is gone that was not revoked";
			continue;
		}
		if (!twin_at(a)->live)
			return "a capability is there that nobody made, or that was revoked";
		if (cap->depth > CAP_MAX_DEPTH || cap->holder != domains[a / SLOTS])
			return "depth or holder is wrong";
		if ((cap->next && cap->next->previous != cap) ||
		    (cap->previous && cap->previous->next != cap))
			return "the list is broken";
		for (b = 0; b < DOMAINS * SLOTS && !wrong; b++)
			if (b != a && twin_at(b)->live) wrong = check_pair(a, b);
	}
	return wrong;
}

/* A page's second word is written by its owner: whose it is. Zero: scrubbed. */
static u64 *mark(mfn_t mfn) { return (u64 *)mfn_to_virt(mfn) + 1; }

static const struct cap *extent_of(mfn_t mfn, unsigned *found) {
	const struct cap *result = NULL;
	unsigned i;

	*found = 0;
	for (i = 0; i < SLOTS; i++) {
		const struct cap *cap = &domains[0]->caps[i];

		if (cap->type == CAP_MEMORY && mfn >= cap->first && mfn - cap->first < cap->count) {
			result = cap;
			++*found;
		}
	}
	return result;
}

static const char *check_frame(mfn_t mfn, u32 pages[], u32 spare[]) {
	const struct frame *f = mfn_to_frame(mfn);
	const struct cap *m;
	unsigned found, d;

	m = extent_of(mfn, &found);
	if (found != 1) return "a frame is in no extent, or in two";
	if (!f->state && f->owner) return "an owner without ownership";
	if (!f->state) {
		if (m->state == MEMORY_STATE_GIVEN && !(m->flags & CAP_F_PENDING))
			return "a frame of a given extent is lost";
		return NULL;
	}
	if (m->state != MEMORY_STATE_GIVEN || !m->domain || m->domain->mfn != f->owner)
		return "a frame's owner is not whom its extent was given to";
	for (d = 0; d < DOMAINS && domains[d]->mfn != f->owner; d++)
		;
	if (f->state == FRAME_CORE) {
		spare[d]++;
		return *mark(mfn) ? "a frame of the reserve is not scrubbed" : NULL;
	}
	pages[d]++;
	/* What the first domain wrote it may give away; others' traces nobody sees. */
	if (*mark(mfn) && *mark(mfn) != f->owner && *mark(mfn) != domains[0]->mfn)
		return "a domain sees what another one left";
	if (*mark(mfn) == domains[0]->mfn && f->owner != domains[0]->mfn && m2p[mfn] != 7)
		return "a frame that was not given on carries contents";
	return NULL;
}

static const char *check_memory(void) {
	u32 pages[DOMAINS] = {0}, spare[DOMAINS] = {0};
	const char *wrong = NULL;
	const struct cap *m;
	unsigned d;
	mfn_t mfn;

	for (mfn = first_frame; mfn < first_frame + FRAMES && !wrong; mfn++)
		wrong = check_frame(mfn, pages, spare);
	for (d = 0; d < DOMAINS && !wrong; d++) {
		if (domains[d]->pages != pages[d] || domains[d]->spare != spare[d])
			wrong = "a domain's frames are not counted right";
		if (pages[d] + spare[d] > domains[d]->maximum_pages)
			wrong = "a domain owns more than its limit";
		for (m = domains[d]->extents; m; m = m->next_extent)
			if (m->type != CAP_MEMORY || m->state != MEMORY_STATE_GIVEN ||
			    m->domain != domains[d])
				wrong = "a domain's list of extents is wrong";
	}
	return wrong;
}

static const char *check(void) {
	if (tree_lock.held || domains[1]->lock.held) return "a lock was left held";
	return memory_model ? check_memory() : check_tree();
}

/* --- What can be done --- */

static unsigned empty_slot(unsigned d, bool last) {
	unsigned i, found = 0;

	for (i = d ? 1 : FIRST_FREE; i < domains[d]->cap_slots; i++)
		if (domains[d]->caps[i].type == CAP_NONE && (!found || last)) found = i;
	return found;
}

static void tree_options(struct option *list, unsigned *n, unsigned d, unsigned slot) {
	const struct cap *cap = &domains[d]->caps[slot];
	unsigned dst = empty_slot(d, false), t;
	struct option o = {.domain = (u8)d, .slot = (u8)slot};

	if (dst) {
		o.action = COPY, o.dst = (u8)dst;
		o.value = cap->first, o.count = cap->count;
		list[(*n)++] = o;
		o.count = cap->count + 1; /* wider: to be refused */
		list[(*n)++] = o;
		if (cap->count > 1) {
			o.value = cap->first + cap->count / 2;
			o.count = cap->count - cap->count / 2;
			list[(*n)++] = o;
			o.count++; /* beyond the end */
			list[(*n)++] = o;
		}
		o.action = MOVE, o.dst = (u8)empty_slot(d, true);
		list[(*n)++] = o;
	}
	o.action = DELETE;
	if (d || slot != ROOT_PORTS) list[(*n)++] = o;
	o.action = REVOKE;
	list[(*n)++] = o;
	for (t = 1; d == 0 && t < DOMAINS; t++) {
		o.action = SEND, o.dst = (u8)t;
		if (empty_slot(t, false)) list[(*n)++] = o;
	}
}

static void extent_options(struct option *list, unsigned *n, unsigned slot) {
	struct option o = {.slot = (u8)slot};
	unsigned d, other;

	if (domains[0]->caps[slot].count > 1 && empty_slot(0, false)) {
		o.action = SPLIT, o.dst = (u8)empty_slot(0, false), o.value = 1;
		list[(*n)++] = o;
	}
	for (other = 1; other < SLOTS; other++) {
		o.action = MERGE, o.dst = (u8)other;
		if (other != slot && domains[0]->caps[other].type == CAP_MEMORY) list[(*n)++] = o;
	}
	o.action = GIVE;
	for (d = 0; d < DOMAINS; d++) {
		o.dst = (u8)(d ? ROOT_A + d - 1 : 0), o.value = 7;
		list[(*n)++] = o;
		o.value = MEMORY_SPARE;
		list[(*n)++] = o;
	}
	o.action = RECLAIM;
	list[(*n)++] = o;
}

static void frame_options(struct option *list, unsigned *n, mfn_t mfn) {
	struct option o = {.slot = (u8)(mfn - first_frame)};
	const struct frame *f = mfn_to_frame(mfn);

	o.action = world.mapped[o.slot] ? UNMAP : MAP;
	if (f->state & FRAME_OWNED) {
		list[(*n)++] = o;
		o.action = PUT;
		list[(*n)++] = o;
	}
}

static unsigned list_options(unsigned cpu, struct option *list) {
	unsigned n = 0, d, i;

	(void)cpu;
	if (!world.left) return 0;
	if (!memory_model) {
		for (d = 0; d < DOMAINS; d++)
			for (i = 1; i < domains[d]->cap_slots; i++)
				if (domains[d]->caps[i].type == CAP_IOPORTS)
					tree_options(list, &n, d, i);
		return n;
	}
	for (i = 1; i < SLOTS; i++)
		if (domains[0]->caps[i].type == CAP_MEMORY &&
		    domains[0]->caps[i].state != MEMORY_STATE_OBJECT &&
		    domains[0]->caps[i].first >= first_frame)
			extent_options(list, &n, i);
	for (i = 0; i < FRAMES; i++) frame_options(list, &n, first_frame + i);
	for (d = 1; d < DOMAINS; d++) {
		if (domains[d]->spare) list[n++] = (struct option){.action = TAKE, .domain = (u8)d};
		list[n++] = (struct option){.action = RESET, .slot = (u8)(ROOT_A + d - 1)};
	}
	return n;
}

/* --- Doing it --- */

static long call(unsigned d, u64 operation, u64 slot, u64 a1, u64 a2, u64 a3, u64 a4) {
	host_cpu->current = domains[d]->vcpus[0];
	return do_capability_op(operation, slot, a1, a2, a3, a4);
}

static void send(const struct option *o) {
	unsigned dst = empty_slot(o->dst, false);

	if (!call(0, DOMAIN_CAP, ROOT_A + o->dst - 1U, o->slot, dst, RIGHT_COPY | RIGHT_USE, 0))
		twin_add(o->dst, dst, twin_number(0, o->slot));
}

/* One call of a revocation: what is gone was a descendant; when it says done, all are. */
static void revoke(const struct option *o) {
	unsigned self = twin_number(o->domain, o->slot), i;
	bool done = !call(o->domain, CAP_REVOKE, o->slot, 0, 0, 0, 0);

	for (i = 0; i < DOMAINS * SLOTS; i++) {
		if (!twin_at(i)->live || !twin_descends(i, self)) continue;
		if (cap_at(i)->type == CAP_NONE)
			twin_delete(i);
		else if (done)
			explore_fail("a capability survived the revocation of its ancestor");
	}
}

static void perform_tree(const struct option *o) {
	unsigned self = twin_number(o->domain, o->slot);

	switch ((enum action)o->action) {
	case COPY:
		if (!call(o->domain, CAP_COPY, o->slot, o->dst, RIGHT_COPY | RIGHT_USE, o->value,
			  o->count))
			twin_add(o->domain, o->dst, self);
		break;
	case MOVE:
		if (!call(o->domain, CAP_MOVE, o->slot, o->dst, 0, 0, 0))
			twin_move(self, twin_number(o->domain, o->dst));
		break;
	case DELETE:
		if (!call(o->domain, CAP_DELETE, o->slot, 0, 0, 0, 0)) twin_delete(self);
		break;
	case REVOKE: revoke(o); break;
	default: send(o);
	}
}

static struct domain *owner_of(const struct frame *f) {
	unsigned d;

	for (d = 0; d < DOMAINS - 1 && domains[d]->mfn != f->owner; d++)
		;
	return domains[d];
}

static void perform_memory(const struct option *o) {
	struct frame *f = mfn_to_frame(first_frame + o->slot);

	switch ((enum action)o->action) {
	case SPLIT: call(0, MEMORY_SPLIT, o->slot, o->value, o->dst, 0, 0); break;
	case MERGE: call(0, MEMORY_MERGE, o->slot, o->dst, 0, 0, 0); break;
	case GIVE: call(0, MEMORY_GIVE, o->slot, o->dst, o->value, 0, 0); break;
	case RECLAIM: call(0, MEMORY_RECLAIM, o->slot, 0, 0, 0, 0); break;
	case TAKE: reserve_take(domains[o->domain], 9); break;
	case PUT: (void)!reserve_put(owner_of(f), f); break;
	case MAP: /* and write into it */
		world.mapped[o->slot] = frame_get(f, owner_of(f));
		*mark(first_frame + o->slot) = f->owner;
		break;
	case UNMAP:
		world.mapped[o->slot] = false;
		frame_put(f);
		break;
	default: call(0, DOMAIN_RESET, o->slot, 0, 0, 0, 0);
	}
}

static struct option options[OPTIONS];

static unsigned count_options(unsigned cpu) { return list_options(cpu, options); }

static void tell(const struct option *o) {
	static const char *const names[] = {"copy",  "move",  "delete", "revoke",  "send",
					    "split", "merge", "give",   "reclaim", "take",
					    "put",   "map",   "unmap",  "reset"};

	if (explore_verbose)
		fprintf(stderr, "  domain %u: %s %u, %u, value %lx, count %lu\n", o->domain,
			names[o->action], o->slot, o->dst, o->value, o->count);
}

static void body(unsigned cpu) {
	while (cpu == 0) {
		unsigned n = explore_choose(count_options);
		struct option o;

		list_options(0, options);
		o = options[n];
		world.left--;
		tell(&o);
		if (memory_model)
			perform_memory(&o);
		else
			perform_tree(&o);
	}
}

/* --- The machine at the start --- */

static struct domain *make(u64 slot, u16 domid) {
	struct domain_create create = {.domid = domid,
				       .vcpus = 1,
				       .grant_frames = 1,
				       .event_ports = 64,
				       .cap_slots = 5,
				       .maximum_pages = 3,
				       .name = "guest"};
	const struct cap *all = &domains[0]->caps[ROOT_MEMORY];

	if (machine_invoke(domains[0], MEMORY_SPLIT, ROOT_MEMORY, all->count - 10, 9, 0, 0) ||
	    machine_invoke(domains[0], MEMORY_CREATE_DOMAIN, 9, slot, (u64)&create, 0, 0))
		explore_fail("a domain cannot be made");
	/* Its Memory has no name any more, and the slot is free for the model. */
	memset(&domains[0]->caps[9], 0, sizeof(struct cap));
	return domains[0]->caps[slot].domain;
}

static void prepare(void) {
	struct cap *rest;
	unsigned d;

	machine_init(60);
	domains[0] = machine_root(SLOTS);
	domains[1] = make(ROOT_A, 1);
	domains[2] = make(ROOT_A + 1, 2);
	rest = &domains[0]->caps[ROOT_MEMORY];
	first_frame = rest->first + rest->count - FRAMES;
	if (machine_invoke(domains[0], MEMORY_SPLIT, ROOT_MEMORY, rest->count - FRAMES, 9, 0, 0) ||
	    !cap_boot(domains[0], ROOT_PORTS, CAP_IOPORTS, 0x100, PORTS, 0))
		explore_fail("the machine is too small");
	memset(&world, 0, sizeof(world));
	world.twins[0][ROOT_PORTS].live = 1;
	for (d = 0; d < DOMAINS; d++) {
		domains[d]->caps[ROOT_PORTS].rights &= RIGHT_COPY | RIGHT_USE;
		explore_region(domains[d], sizeof(*domains[d]));
		explore_region(domains[d]->caps, domains[d]->cap_slots * sizeof(struct cap));
	}
	explore_region(&world, sizeof(world));
	explore_region(mfn_to_frame(first_frame), FRAMES * sizeof(struct frame));
	explore_region(&m2p[first_frame], FRAMES * sizeof(u64));
	for (d = 0; d < FRAMES; d++) explore_region(mfn_to_virt(first_frame + d), 2 * sizeof(u64));
	explore_region(&fake.channel_resets, sizeof(fake.channel_resets));
	explore_region(&fake.grant_resets, sizeof(fake.grant_resets));
}

static const char *run(const char *name, bool memory, u8 length) {
	struct explore_result r;

	memory_model = memory;
	world.left = length;
	r = explore(body, check, 12000000);
	printf("# %s, %u invocations: %lu states, %lu steps%s%s\n", name, length, r.states,
	       r.transitions, r.violation ? ": " : "", r.violation ? r.violation : "");
	fflush(stdout);
	return r.violation;
}

/* --seeded-bug TREE,MEMORY: a violation is what is wanted; how long the sequences are. */
int main(int argc, char **argv) {
	bool seeded = argc > 1 && !strcmp(argv[1], "--seeded-bug"), found;
	u8 tree = 6, memory = 7;

	if (argc == 3) sscanf(argv[2], "%hhu,%hhu", &tree, &memory);
	prepare();
	found = (tree && run("capability tree", false, tree)) ||
		(memory && run("memory", true, memory));
	printf("%s 1 - capabilities: %s\n", found == seeded ? "ok" : "not ok",
	       seeded ? "the seeded bug is found" : "tree and memory hold");
	return found != seeded;
}
