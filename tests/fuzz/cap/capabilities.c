/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Capability invocations as libFuzzer makes them up, by the first domain and the
 * three that it creates and destroys, on the real kernel/cap, kernel/domain and
 * kernel/mem/memory.c. A call that restarts is not called again unless the input
 * says so: anything may come in between. After each one:
 *   - lists are whole; rights and ranges shrink on the way down; depth is bounded;
 *   - capabilities to a domain are as many as it counts;
 *   - the extents are disjoint and still all memory; owners, counts, reserves agree;
 *   - an enabled port range has its capability; no lock is left taken;
 *   - what a DmaSpace says is mapped is held, and its owner's.
 * At the end everything is destroyed and reclaimed, and all memory is free, zero,
 * and one domain's again.
 */
#include "machine.h"

#include "iommu/dma.h"
#include "iommu/vtd.h"
#include "proto/xen/grant.h"

#include <stdlib.h>
#include <string.h>

#define RAM     140U
#define SLOTS   24U
#define DOMAINS 3U
#define HELD    8U
#define MEMORY  2U
#define PORTS   3U
#define IRQS    4U
#define REFS    4U
#define BATCH   5U

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t *input, *input_end;
static struct domain *root;
static struct frame *held[HELD]; /* mappings, in effect */
static u64 all_frames;           /* of root's Memory at the start */
static mfn_t first_frame;

static u32 byte(void) { return input < input_end ? *input++ : 0; }

/* The first domain, or one of the others while it exists. */
static struct domain *some_domain(void) {
	u32 n = byte() % 8;
	struct domain *d = n && n <= DOMAINS ? domain_find((u16)n) : root;

	return d ? d : root;
}

static u64 wild(void) {
	u32 n = byte();

	return n < 128 ? n % SLOTS : n < 160 ? MEMORY_SPARE : ~0UL << n % 64;
}

/* A slot of this type, behind a place that the input names; 0: there is none. */
static u64 slot_of(const struct domain *d, u32 type) {
	u32 start = byte(), i;

	for (i = 0; i < d->cap_slots; i++) {
		u32 slot = (start + i) % d->cap_slots;

		if (slot && d->caps[slot].type == type) return slot;
	}
	return 0;
}

/* What an operation takes; mostly that, sometimes anything. */
static u64 argument(const struct domain *caller, char kind) {
	if (kind == '-') return byte() < 4 ? wild() : 0;
	if (byte() < 8) return wild();
	switch (kind) {
	case 'e': return slot_of(caller, CAP_NONE);
	case 'd': return slot_of(caller, CAP_DOMAIN);
	case 'm': return slot_of(caller, CAP_MEMORY);
	case 'p': return slot_of(caller, CAP_IOPORTS);
	case 'i': return slot_of(caller, CAP_IRQ);
	case 'v': return slot_of(caller, CAP_DMASPACE);
	case 's': return byte() % SLOTS;
	case 'r': return byte() % 4 ? 0x7f : byte();
	case 'f': return byte() % 4 ? MEMORY_SPARE : byte();
	default: return byte() % 40;
	}
}

/* --- Operations --- */

static long invoke(struct domain *caller, u64 operation, u64 slot, u64 a1, u64 a2, u64 a3, u64 a4) {
	host_cpu->current = caller->vcpus[0];
	return do_capability_op(operation, slot, a1, a2, a3, a4);
}

static void create(void) {
	struct domain_create c = {
		.domid = (u16)(1 + byte() % (DOMAINS + 1)),
		.flags = byte() % 2,
		.vcpus = 1 + byte() % 2,
		.grant_frames = 1 + byte() % 2,
		.event_ports = byte() % 16 ? 64 : byte(),
		.cap_slots = 2 + byte() % 12,
		.map_handles = byte() % 16,
		.maximum_pages = byte(),
		.name = "fuzzed",
	};

	if (c.domid > DOMAINS) c.domid = 0; /* and the other wrong numbers */
	invoke(root, MEMORY_CREATE_DOMAIN, argument(root, 'm'), argument(root, 'e'), (u64)&c, 0, 0);
}

static void set_context(struct domain *caller) {
	static struct vcpu_guest_context context;

	context.ctrlreg[3] = (first_frame + byte() % RAM) << PAGE_SHIFT;
	invoke(caller, DOMAIN_SET_CONTEXT, argument(caller, 'd'), byte() % 3, (u64)&context, 0, 0);
}

static bool is_owned_by(mfn_t mfn, const struct domain *d) {
	const struct frame *f = mfn_to_frame(mfn);

	return f->owner == d->mfn && (f->state & FRAME_OWNED) && !(f->state & FRAME_CORE);
}

/* Somebody grants a frame, mostly one of his own; the reference. */
static u32 grant_something(const struct domain *d, u16 to) {
	u32 mfn = byte() % RAM, i = byte() % 16 ? 0 : RAM, ref = byte() % REFS;

	for (; i < RAM && !is_owned_by(mfn, d); i++) mfn = (mfn + 1) % RAM;
	d->grant_entries[ref] =
		(u64)mfn << 32 | (u32)to << 16 | (byte() % 16 ? GTF_permit_access : byte());
	return ref;
}

/* The functions of a bus with two of them. */
static void create_space(void) {
	struct dmaspace_create c = {
		.source = byte() % 2, .slots = byte() % 16 ? 512 : byte(), .name = "fuzzed"};

	invoke(root, MEMORY_CREATE_DMASPACE, argument(root, 'm'), argument(root, 'e'), (u64)&c, 0,
	       0);
}

/* Slots near the ends of ranges, of which the narrow ones are all within the first 40. */
static void use_space(struct domain *caller) {
	struct dma_map maps[BATCH];
	u32 slots[BATCH], n = byte() % (BATCH + 1), i;
	u64 space = argument(caller, 'v');

	for (i = 0; i < n; i++) {
		const struct domain *granter = some_domain();

		slots[i] = byte() % 42;
		maps[i] = (struct dma_map){.slot = slots[i],
					   .domid = granter->id,
					   .flags = (u16)(byte() % 8 ? byte() % 2 : byte()),
					   .what = byte() % (REFS + 1)};
		if (byte() % 8) maps[i].what = grant_something(granter, caller->id);
	}
	switch (byte() % 5) {
	case 0: invoke(caller, DMA_UNMAP, space, (u64)slots, n, 0, 0); break;
	case 1: invoke(caller, DMA_READ, space, byte(), (u64)maps, n, 0); break;
	case 2: invoke(caller, DMA_INFO, space, (u64)maps, 0, 0, 0); break;
	default: invoke(caller, DMA_MAP, space, (u64)maps, n, 0, 0);
	}
}

/* A mapping comes or goes, or a page travels between domain and reserve. */
static void touch_frame(void) {
	struct domain *d = some_domain();
	struct frame *f = mfn_to_frame(first_frame + byte() % (RAM - first_frame));
	struct frame **h = &held[byte() % HELD];

	switch (byte() % 4) {
	case 0: reserve_take(d, 5); break;
	case 1: (void)!reserve_put(d, f); break;
	case 2:
		if (!*h && frame_get(f, d)) {
			*h = f;
			*(u64 *)mfn_to_virt(frame_to_mfn(f)) = d->id;
		}
		break;
	default:
		if (*h) frame_put(*h);
		*h = NULL;
	}
}

/* The slot, and four arguments, by kind: see argument(). */
static const struct {
	u8 operation;
	char kinds[6];
} operations[] = {
	{CAP_COPY, "vernn"},       {DOMAIN_CAP, "dvsr-"},     {DMA_EMPTY, "v-----"},
	{CAP_COPY, "perss"},       {CAP_COPY, "ierss"},       {CAP_COPY, "der--"},
	{CAP_MOVE, "se---"},       {CAP_DELETE, "s----"},     {CAP_REVOKE, "s----"},
	{MEMORY_SPLIT, "mne--"},   {MEMORY_SPLIT, "mne--"},   {MEMORY_MERGE, "mm---"},
	{MEMORY_GIVE, "m-f--"},    {MEMORY_GIVE, "mdf--"},    {MEMORY_GIVE, "mdf--"},
	{MEMORY_RECLAIM, "m----"}, {MEMORY_RECLAIM, "m----"}, {DOMAIN_UNPAUSE, "d----"},
	{DOMAIN_PAUSE, "d----"},   {DOMAIN_RESET, "d----"},   {DOMAIN_DESTROY, "d----"},
	{DOMAIN_OFFER, "dnn--"},   {DOMAIN_CAP, "ddsr-"},     {DOMAIN_CAP, "dpsr-"},
	{DOMAIN_CAP, "disr-"},     {DOMAIN_WATCH, "dn---"},   {IRQ_BIND, "ins--"},
	{IOPORTS_ENABLE, "p----"}, {0x7f, "sssss"},
};

static void call_something(struct domain *caller) {
	u32 which = byte() % (sizeof(operations) / sizeof(operations[0])), i;
	const char *kinds = operations[which].kinds;
	u64 a[5];

	for (i = 0; i < 5; i++) a[i] = argument(caller, kinds[i]);
	for (i = byte() % 8 + 1; i; i--)
		if (invoke(caller, operations[which].operation, a[0], a[1], a[2], a[3], a[4]) !=
		    -ERESTART)
			break;
}

static void operate(void) {
	struct domain *caller = some_domain();
	struct cap_info info;
	u32 what = byte();

	if (what < 24)
		create();
	else if (what < 32)
		set_context(caller);
	else if (what < 36)
		create_space();
	else if (what < 40)
		grant_something(caller, (u16)(byte() % (DOMAINS + 1)));
	else if (what >= 208)
		use_space(caller);
	else if (what < 64)
		touch_frame();
	else if (what == 64)
		invoke(caller, CAP_INSPECT, wild(), (u64)&info, 0, 0, 0);
	else
		call_something(caller);
}

/* --- Invariants --- */

static const struct cap *parent_of(const struct cap *cap) {
	const struct cap *p = cap->previous;

	while (p && p->depth >= cap->depth) p = p->previous;
	return p;
}

static void check_cap(const struct cap *cap, struct domain *holder, u32 named[]) {
	const struct cap *parent = parent_of(cap);

	CHECK(cap->holder == holder && cap->depth <= CAP_MAX_DEPTH);
	CHECK(!cap->next || cap->next->previous == cap);
	CHECK(!cap->previous || cap->previous->next == cap);
	if (cap->type == CAP_DOMAIN) {
		CHECK(domain_find((u16)cap->first) == cap->domain);
		named[cap->first]++;
	}
	if (!parent || parent->type == CAP_MEMORY) return;
	CHECK(parent->type == cap->type && parent->domain == cap->domain);
	CHECK(!(cap->rights & ~parent->rights));
	CHECK(cap->first >= parent->first && cap->first - parent->first < parent->count &&
	      cap->count <= parent->count - (cap->first - parent->first));
}

static void check_domain(struct domain *d, u32 named[]) {
	u32 ranges = 0, enabled = 0, slot, i;

	CHECK(!d->lock.held && !d->channel_lock.held);
	for (i = 0; i < DOMAIN_MAX_PORT_RANGES; i++) ranges += d->ports[i].count != 0;
	for (slot = 0; slot < d->cap_slots; slot++) {
		if (d->caps[slot].type == CAP_NONE) continue;
		check_cap(&d->caps[slot], d, named);
		enabled +=
			d->caps[slot].type == CAP_IOPORTS && (d->caps[slot].flags & CAP_F_ENABLED);
	}
	CHECK(ranges == enabled);
	CHECK((u64)d->pages + d->spare <= d->maximum_pages);
}

static void check_frame(const struct cap *m, mfn_t mfn, u32 pages[], u32 spare[]) {
	const struct frame *f = mfn_to_frame(mfn);
	u16 id;

	if (m->state == MEMORY_STATE_OBJECT && m->flags & CAP_F_SPACE) {
		CHECK(mfn > m->first || f->state == FRAME_CORE);
		return;
	}
	if (m->state == MEMORY_STATE_OBJECT) {
		CHECK(!m->domain || mfn - m->first >= m->domain->size_frames ||
		      (f->state & FRAME_CORE));
		return;
	}
	if (!f->state) return;
	CHECK(m->state == MEMORY_STATE_GIVEN && m->domain->mfn == f->owner);
	id = m->domain->id;
	if (f->state == FRAME_CORE)
		spare[id]++;
	else
		pages[id]++;
}

static void check_space(const struct dmaspace *s) {
	u32 mapped = 0, slot;

	CHECK(!s->leaves == !iommu.levels);
	for (slot = 0; slot < s->slots; slot++) {
		const struct dma_record *r = &s->records[slot];
		const struct frame *f = mfn_to_frame(r->mfn);
		u64 access = r->flags & DMA_READONLY ? 1 : 3;

		CHECK(!r->behind);
		if (s->leaves)
			CHECK(s->leaves[slot] ==
			      (r->owner ? (u64)r->mfn << PAGE_SHIFT | access : 0));
		if (!r->owner) continue;
		mapped++;
		CHECK((f->state & FRAME_OWNED) && f->owner == r->owner && !(f->state & FRAME_CORE));
		CHECK((f->state & FRAME_REF_MASK) > 1 &&
		      domain_by_mfn(r->owner)->grant_pins[r->what]);
		if (access == 3)
			CHECK(frame_type_of(f->state) == TYPE_WRITABLE &&
			      (f->state & FRAME_COUNT_MASK));
	}
	CHECK(s->mapped == mapped);
}

static void check(void) {
	u32 named[DOMAINS + 1] = {0}, pages[DOMAINS + 1] = {0}, spare[DOMAINS + 1] = {0};
	static u8 seen[RAM];
	u64 total = 0;
	u32 slot, i;

	CHECK(!tree_lock.held);
	memset(seen, 0, sizeof(seen));
	for (slot = 1; slot < SLOTS; slot++) {
		const struct cap *m = &root->caps[slot];

		if (m->type != CAP_MEMORY) continue;
		total += m->count;
		if (m->state == MEMORY_STATE_OBJECT && m->flags & CAP_F_SPACE)
			check_space(m->space);
		for (i = 0; i < m->count; i++) {
			CHECK(!seen[m->first + i]++);
			check_frame(m, m->first + i, pages, spare);
		}
	}
	CHECK(total <= all_frames); /* a FREE one may be deleted */
	for (i = 0; i <= DOMAINS; i++) {
		struct domain *d = domain_find((u16)i);

		if (d) check_domain(d, named);
	}
	for (i = 0; i <= DOMAINS; i++) {
		struct domain *d = domain_find((u16)i);

		if (d)
			CHECK(d->cap_count == named[i] && d->pages == pages[i] &&
			      d->spare == spare[i]);
	}
}

/* --- The end --- */

/* Every Memory is free again, whatever was done with it. */
static void take_all_back(void) {
	u32 slot, round, i;

	for (i = 0; i < HELD; i++) {
		if (held[i]) frame_put(held[i]);
		held[i] = NULL;
	}
	for (slot = 1; slot < SLOTS; slot++)
		if (root->caps[slot].type == CAP_DOMAIN && root->caps[slot].domain != root)
			machine_invoke(root, CAP_DELETE, slot, 0, 0, 0, 0);
	/* What others still hold goes with the domains that hold it. */
	for (slot = 1; slot < SLOTS; slot++)
		if (root->caps[slot].type == CAP_MEMORY &&
		    root->caps[slot].state == MEMORY_STATE_OBJECT)
			machine_invoke(root, CAP_REVOKE, slot, 0, 0, 0, 0);
	/* DmaSpaces let go of frames, then these are nobody's, then the domains can go. */
	for (round = 0; round < 3; round++)
		for (slot = 1; slot < SLOTS; slot++)
			if (root->caps[slot].type == CAP_MEMORY)
				machine_invoke(root, MEMORY_RECLAIM, slot, 0, 0, 0, 0);
	for (slot = 1; slot < SLOTS; slot++)
		if (root->caps[slot].type == CAP_MEMORY)
			CHECK(machine_invoke(root, MEMORY_RECLAIM, slot, 0, 0, 0, 0) == 0 &&
			      root->caps[slot].state == MEMORY_STATE_FREE);
	for (i = 1; i <= DOMAINS; i++) CHECK(!domain_find((u16)i));
	for (i = (u32)first_frame; i < RAM; i++) CHECK(!mfn_to_frame(i)->state);
	CHECK(!root->pages && !root->spare && !root->extents);
}

/* Frames of root's own, and a DmaSpace that may reach them. */
static void start_with_space(void) {
	struct dmaspace_create c = {.source = 1, .slots = 512, .name = "fuzzed"};
	const u64 count = root->caps[MEMORY].count;

	CHECK(machine_invoke(root, MEMORY_SPLIT, MEMORY, count - 20, SLOTS - 1, 0, 0) == 0);
	CHECK(machine_invoke(root, MEMORY_SPLIT, SLOTS - 1, 10, SLOTS - 2, 0, 0) == 0);
	CHECK(machine_invoke(root, MEMORY_GIVE, SLOTS - 2, 0, 0, 0, 0) == 0);
	CHECK(machine_invoke(root, MEMORY_CREATE_DMASPACE, SLOTS - 1, SLOTS - 3, (u64)&c, 0, 0) ==
	      0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	input = data;
	input_end = data + size;
	machine_init(RAM);
	root = machine_root(SLOTS);
	root->maximum_pages = 100;
	if (byte() % 2) iommu = (struct iommu){.levels = 3, .domains = 2};
	first_frame = root->caps[MEMORY].first;
	all_frames = root->caps[MEMORY].count;
	if (byte() % 2) start_with_space();
	check();
	while (input < input_end) {
		operate();
		check();
	}
	take_all_back();
	check();
	return 0;
}
