/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory objects: split and merge, give to self and to others, the reserve,
 * reclaim; creation, reset and destruction of domains. The real kernel/mem/memory.c,
 * frame.c, validate.c and kernel/domain on the host machine.
 */
#include "cpu/layout.h"
#include "machine.h"

#include <stdio.h>
#include <string.h>

#define OP(operation, slot, ...) OP_(operation, slot, __VA_ARGS__, 0, 0, 0, 0)
#define OP_(operation, slot, a1, a2, a3, a4, ...) \
	machine_invoke(root, operation, slot, (u64)(a1), (u64)(a2), (u64)(a3), (u64)(a4))

#define SLOTS 100
#define MEM   2U  /* all free memory */
#define EXT   20U /* the extent under test */
#define DOM   10U
#define OBJ   11U /* the memory of DOM */

static struct domain *root, *guest;

static void start(void) {
	struct domain_create create = {.domid = 5,
				       .vcpus = 2,
				       .grant_frames = 1,
				       .event_ports = 64,
				       .cap_slots = 32,
				       .map_handles = 8,
				       .maximum_pages = 300,
				       .name = "guest"};

	machine_init(2000);
	root = machine_root(SLOTS);
	CHECK(OP(MEMORY_SPLIT, MEM, root->caps[MEM].count - 40, OBJ) == 0);
	CHECK(OP(MEMORY_CREATE_DOMAIN, OBJ, DOM, &create) == 0);
	guest = root->caps[DOM].domain;
}

/* The last `frames` of free memory become the extent EXT. */
static mfn_t cut(u64 frames) {
	CHECK(OP(MEMORY_SPLIT, MEM, root->caps[MEM].count - frames, EXT) == 0);
	return root->caps[EXT].first;
}

static bool is_zero(mfn_t mfn) {
	const u64 *word = mfn_to_virt(mfn);
	unsigned i;

	for (i = 0; i < PAGE_SIZE / 8; i++)
		if (word[i]) return false;
	return true;
}

static bool owned_by(mfn_t mfn, const struct domain *d) {
	return (mfn_to_frame(mfn)->state & FRAME_OWNED) && mfn_to_frame(mfn)->owner == d->mfn;
}

static void test_split_merge(void) {
	u64 all;

	start();
	all = root->caps[MEM].count;
	CHECK(OP(MEMORY_SPLIT, MEM, 0, EXT) == -EINVAL);
	CHECK(OP(MEMORY_SPLIT, MEM, all, EXT) == -EINVAL);
	CHECK(OP(MEMORY_SPLIT, MEM, ~0UL, EXT) == -EINVAL);
	CHECK(OP(MEMORY_SPLIT, MEM, 1, DOM) == -EEXIST);
	CHECK(OP(MEMORY_SPLIT, MEM, 100, EXT) == 0);
	CHECK(root->caps[MEM].count == 100 && root->caps[EXT].count == all - 100);
	CHECK(OP(MEMORY_MERGE, EXT, MEM) == -EINVAL); /* the other way round */
	CHECK(OP(MEMORY_MERGE, MEM, MEM) == -EINVAL);
	CHECK(OP(MEMORY_MERGE, MEM, EXT) == 0);
	CHECK(root->caps[MEM].count == all && root->caps[EXT].type == CAP_NONE);
	CHECK(OP(MEMORY_SPLIT, OBJ, 1, EXT) == -EBUSY);
	CHECK(OP(CAP_DELETE, OBJ, 0) == -EBUSY && OP(CAP_MOVE, OBJ, EXT) == -EBUSY);
}

static void test_give_self(void) {
	mfn_t mfn;
	u64 i;

	start();
	mfn = cut(150);
	memset(mfn_to_virt(mfn), 0xaa, 150 * PAGE_SIZE);
	CHECK(OP(MEMORY_GIVE, EXT, 0, ~0UL - 1) == -EINVAL);
	CHECK(OP(MEMORY_GIVE, EXT, 0, 1000) == 0);
	CHECK(machine_restarts == 2 && root->pages == 150);
	for (i = 0; i < 150; i++)
		CHECK(owned_by(mfn + i, root) && is_zero(mfn + i) && m2p[mfn + i] == 1000 + i);
	CHECK(OP(MEMORY_SPLIT, EXT, 1, 30) == -EBUSY && OP(CAP_DELETE, EXT, 0) == -EBUSY);
	CHECK(OP(MEMORY_GIVE, EXT, 0, 1000) == -EBUSY); /* again */
	/* A mapping is left: nothing is taken. */
	CHECK(frame_get(mfn_to_frame(mfn), root));
	CHECK(OP(MEMORY_RECLAIM, EXT, 0) == -EBUSY && owned_by(mfn, root));
	frame_put(mfn_to_frame(mfn));
	memset(mfn_to_virt(mfn), 0xbb, PAGE_SIZE);
	CHECK(OP(MEMORY_RECLAIM, EXT, 0) == 0);
	CHECK(root->pages == 0 && !root->extents && root->caps[EXT].state == MEMORY_STATE_FREE);
	for (i = 0; i < 150; i++)
		CHECK(mfn_to_frame(mfn + i)->state == 0 && is_zero(mfn + i) &&
		      m2p[mfn + i] == M2P_INVALID);
	CHECK(OP(MEMORY_RECLAIM, EXT, 0) == 0);
}

/* Filled by its builder, then given away: contents stay, the builder has nothing left. */
static void test_give_on(void) {
	mfn_t mfn;

	start();
	mfn = cut(100);
	CHECK(OP(MEMORY_GIVE, EXT, 0, 0) == 0);
	memset(mfn_to_virt(mfn), 0xcc, 100 * PAGE_SIZE);
	CHECK(frame_get(mfn_to_frame(mfn + 80), root));
	CHECK(OP(MEMORY_GIVE, EXT, DOM, 7) == -EBUSY);
	CHECK(guest->pages == 0);
	CHECK(OP(MEMORY_SPLIT, EXT, 1, 30) == -EBUSY);
	frame_put(mfn_to_frame(mfn + 80));
	CHECK(OP(MEMORY_GIVE, EXT, DOM, 7) == 0);
	CHECK(root->pages == 0 && guest->pages == 100 && !root->extents &&
	      guest->extents == &root->caps[EXT]);
	CHECK(owned_by(mfn + 99, guest) && m2p[mfn + 99] == 106 && !is_zero(mfn + 99));
	CHECK(!frame_get(mfn_to_frame(mfn), root));
	CHECK(OP(MEMORY_GIVE, EXT, 0, 0) == -EBUSY); /* not one's own any more */
	/* Half a give that failed can be taken back whole. */
	CHECK(OP(MEMORY_RECLAIM, EXT, 0) == 0 && is_zero(mfn + 99) && guest->pages == 0);
	CHECK(OP(MEMORY_GIVE, EXT, 0, 0) == 0);
	CHECK(frame_get(mfn_to_frame(mfn + 80), root));
	CHECK(OP(MEMORY_GIVE, EXT, DOM, 7) == -EBUSY);
	frame_put(mfn_to_frame(mfn + 80));
	CHECK(OP(MEMORY_RECLAIM, EXT, 0) == 0 && root->pages == 0);
}

static void test_limit(void) {
	start();
	cut(301);
	CHECK(OP(MEMORY_GIVE, EXT, DOM, 0) == -ENOMEM && guest->pages == 0);
	CHECK(root->caps[EXT].state == MEMORY_STATE_FREE);
	CHECK(OP(MEMORY_SPLIT, EXT, 300, 30) == 0);
	CHECK(OP(MEMORY_GIVE, EXT, DOM, 0) == 0 && guest->pages == 300);
	CHECK(OP(MEMORY_GIVE, 30, DOM, 300) == -ENOMEM);
}

static void test_module(void) {
	mfn_t mfn;

	start();
	mfn = cut(3);
	root->caps[EXT].flags = CAP_F_MODULE;
	memset(mfn_to_virt(mfn), 0xdd, 3 * PAGE_SIZE);
	CHECK(OP(MEMORY_GIVE, EXT, 0, 0) == 0 && !is_zero(mfn + 2));
	CHECK(OP(MEMORY_RECLAIM, EXT, 0) == 0 && is_zero(mfn + 2));
}

static void test_reserve(void) {
	struct frame *f, *g, *h;
	mfn_t mfn;

	start();
	mfn = cut(10);
	memset(mfn_to_virt(mfn), 0xee, 10 * PAGE_SIZE);
	CHECK(OP(MEMORY_GIVE, EXT, DOM, MEMORY_SPARE) == 0);
	CHECK(guest->spare == 10 && guest->pages == 0);
	CHECK(!frame_get(mfn_to_frame(mfn), guest)); /* not the guest's yet */
	f = reserve_take(guest, 77);
	g = reserve_take(guest, 78);
	h = reserve_take(guest, 79);
	CHECK(f && g && h && owned_by(frame_to_mfn(f), guest) && m2p[frame_to_mfn(f)] == 77);
	CHECK(is_zero(frame_to_mfn(f)) && is_zero(frame_to_mfn(g)));
	CHECK(guest->spare == 7 && guest->pages == 3);
	/* The guest runs: what lies in its reserve can be taken back, and nothing else. */
	guest->state = DOMAIN_STATE_RUNNING;
	CHECK(OP(MEMORY_RECLAIM, EXT, 0) == -EBUSY);
	CHECK(guest->spare == 0 && guest->pages == 3 && !reserve_take(guest, 1));
	memset(mfn_to_virt(frame_to_mfn(f)), 1, PAGE_SIZE);
	CHECK(frame_get(f, guest) && !reserve_put(guest, f)); /* still mapped */
	frame_put(f);
	CHECK(reserve_put(guest, f) && !reserve_put(guest, f));
	CHECK(reserve_put(guest, h) && reserve_put(guest, g));
	CHECK(guest->spare == 3 && guest->pages == 0);
	CHECK(OP(MEMORY_RECLAIM, EXT, 0) == 0 && guest->spare == 0 && guest->spare_head == 0);
	CHECK(!reserve_take(guest, 1));
	for (; mfn < root->caps[EXT].first + 10; mfn++)
		CHECK(is_zero(mfn) && mfn_to_frame(mfn)->state == 0);
}

static void test_create(void) {
	struct domain_create create = {.domid = 6,
				       .vcpus = 128,
				       .grant_frames = 64,
				       .event_ports = 4096,
				       .cap_slots = 2000,
				       .map_handles = 100,
				       .name = "big"};
	mfn_t mfn;

	start();
	mfn = cut(1000);
	memset(mfn_to_virt(mfn), 0xff, 1000 * PAGE_SIZE);
#define BAD(field, value)                                                  \
	do {                                                               \
		struct domain_create bad = create;                         \
		bad.field = value;                                         \
		CHECK(OP(MEMORY_CREATE_DOMAIN, EXT, 30, &bad) == -EINVAL); \
	} while (0)
	BAD(domid, 0);
	BAD(domid, 0x7ff0);
	BAD(flags, 2);
	BAD(vcpus, 0);
	BAD(vcpus, 129);
	BAD(grant_frames, 0);
	BAD(grant_frames, 65);
	BAD(event_ports, 100);
	BAD(event_ports, 0);
	BAD(event_ports, 8192);
	BAD(cap_slots, 1);
	BAD(cap_slots, 65537);
	BAD(map_handles, 65537);
	BAD(pad, 1);
	BAD(name[0], 0);
	BAD(name[1], '\n');
	create.domid = 5;
	CHECK(OP(MEMORY_CREATE_DOMAIN, EXT, 30, &create) == -EEXIST);
	create.domid = 6;
	CHECK(OP(MEMORY_CREATE_DOMAIN, EXT, DOM, &create) == -EEXIST);
	CHECK(OP(MEMORY_CREATE_DOMAIN, EXT, 30, &create) == 0 && machine_restarts > 3);
	CHECK(root->caps[30].domain->vcpus[127]->id == 127);
	CHECK(root->caps[30].rights == 0x7f && root->caps[EXT].state == MEMORY_STATE_OBJECT);
	CHECK((mfn_to_frame(mfn)->state & FRAME_CORE) &&
	      !frame_get(mfn_to_frame(mfn), root->caps[30].domain));
	CHECK(frame_get(mfn_to_frame(virt_to_mfn(root->caps[30].domain->shared)),
			root->caps[30].domain));
	CHECK(OP(MEMORY_RECLAIM, EXT, 0) == -EBUSY);
	CHECK(OP(DOMAIN_DESTROY, 30, 0) == 0 && root->caps[30].type == CAP_NONE);
	CHECK(OP(MEMORY_RECLAIM, EXT, 0) == -EBUSY); /* shared_info is still mapped */
	frame_put(mfn_to_frame(virt_to_mfn(domain_find(6)->shared)));
	CHECK(domain_find(6) && OP(MEMORY_RECLAIM, EXT, 0) == 0 && !domain_find(6));
	CHECK(is_zero(mfn) && mfn_to_frame(mfn)->state == 0 && is_zero(mfn + 999));
}

/* An address space of four tables and a page in the guest's extent, at mfn. */
static void make_tables(mfn_t mfn) {
	unsigned i;

	for (i = 0; i < 4; i++)
		*(u64 *)mfn_to_virt(mfn + i) = pte_make(mfn + i + 1, PTE_P | PTE_US);
}

static void run_guest(mfn_t mfn) {
	static struct vcpu_guest_context context;

	context.ctrlreg[3] = mfn << PAGE_SHIFT;
	CHECK(OP(DOMAIN_UNPAUSE, DOM, 0) == -EINVAL);
	CHECK(OP(DOMAIN_SET_CONTEXT, DOM, 2, &context) == -ENOENT);
	CHECK(OP(DOMAIN_SET_CONTEXT, DOM, 0, &context) == 0);
	CHECK(OP(DOMAIN_UNPAUSE, DOM, 0) == 0 && guest->state == DOMAIN_STATE_RUNNING);
	CHECK(guest->vcpus[0]->blocked_on == 0 && guest->vcpus[1]->blocked_on == BLOCK_DOWN);
	CHECK(OP(DOMAIN_SET_CONTEXT, DOM, 1, &context) == -EBUSY);
}

static void test_reset(void) {
	struct vcpu *v;
	mfn_t mfn;

	start();
	mfn = cut(100);
	CHECK(OP(MEMORY_GIVE, EXT, 0, 0) == 0);
	make_tables(mfn);
	CHECK(OP(MEMORY_GIVE, EXT, DOM, 0) == 0);
	CHECK(OP(DOMAIN_CAP, DOM, 1, 9, RIGHT_EVENT) == 0 && root->cap_count == 2);
	run_guest(mfn);
	v = guest->vcpus[0];
	CHECK(frame_pin(mfn_to_frame(mfn + 2), guest, TYPE_L2) == 0);
	CHECK(frame_get(mfn_to_frame(mfn + 50), guest)); /* a peer maps it by grant */
	guest->shared->evtchn_pending[0] = ~0UL;
	guest->grant_entries[8] = 1234;
	CHECK(OP(MEMORY_RECLAIM, EXT, 0) == -EBUSY);
	CHECK(OP(DOMAIN_RESET, 1, 0) == -EBUSY); /* not the first domain, not oneself */
	CHECK(OP(DOMAIN_RESET, DOM, 0) == 0);
	CHECK(guest->state == DOMAIN_STATE_BUILDING && guest->incarnation == 1);
	CHECK(!v->root && !v->initialised && v->blocked_on == (BLOCK_DOWN | BLOCK_PAUSED));
	CHECK(guest->caps[9].type == CAP_NONE && root->cap_count == 1);
	CHECK(guest->shared->evtchn_pending[0] == 0 && guest->shared->wc_sec == 1 &&
	      guest->shared->vcpu_info[1].evtchn_upcall_mask == 1 && !guest->grant_entries[8]);
	CHECK(root->caps[DOM].type == CAP_DOMAIN && domain_find(5) == guest);
	CHECK(fake.forgotten == 2 && fake.contexts_cleared == 2);
	/* Only the frame in the peer's hands stays. */
	CHECK(OP(MEMORY_RECLAIM, EXT, 0) == -EBUSY && guest->pages == 50);
	CHECK(OP(MEMORY_GIVE, EXT, DOM, 0) == -EBUSY);
	frame_put(mfn_to_frame(mfn + 50));
	CHECK(OP(MEMORY_RECLAIM, EXT, 0) == 0 && guest->pages == 0 && is_zero(mfn));
	/* The next incarnation. */
	CHECK(OP(MEMORY_GIVE, EXT, 0, 0) == 0);
	make_tables(mfn);
	CHECK(OP(MEMORY_GIVE, EXT, DOM, 0) == 0);
	run_guest(mfn);
	CHECK(OP(DOMAIN_PAUSE, DOM, 0) == 0 && guest->vcpus[0]->blocked_on == BLOCK_PAUSED);
	CHECK(OP(DOMAIN_UNPAUSE, DOM, 0) == 0 && guest->vcpus[0]->blocked_on == 0);
	domain_shutdown(guest, 1);
	CHECK(guest->state == DOMAIN_STATE_SHUTDOWN && OP(DOMAIN_UNPAUSE, DOM, 0) == -EINVAL);
}

static void test_destroy(void) {
	mfn_t mfn;
	u64 i;

	start();
	mfn = cut(10);
	CHECK(OP(MEMORY_GIVE, EXT, DOM, 0) == 0);
	for (i = 22; i < SLOTS; i++) CHECK(OP(CAP_COPY, DOM, i, 0x7f) == 0);
	CHECK(OP(DOMAIN_DESTROY, 40, 0) == 0); /* by a copy, in the middle of the list */
	for (i = 22; i < SLOTS; i++) CHECK(root->caps[i].type == CAP_NONE);
	CHECK(root->caps[DOM].type == CAP_NONE && guest->cap_count == 0);
	CHECK(guest->state == DOMAIN_STATE_DYING && domain_find(5) == guest);
	CHECK(OP(MEMORY_RECLAIM, OBJ, 0) == -EBUSY); /* it still owns frames */
	CHECK(OP(MEMORY_RECLAIM, EXT, 0) == 0);
	CHECK(OP(MEMORY_RECLAIM, OBJ, 0) == 0 && !domain_find(5));
	CHECK(OP(MEMORY_MERGE, MEM, EXT) == 0 && OP(MEMORY_MERGE, MEM, OBJ) == 0);
	for (mfn = root->caps[MEM].first; mfn < 2000; mfn++) CHECK(mfn_to_frame(mfn)->state == 0);
}

/* Nobody holds the Domain any more: the holder of its Memory can still end it. */
static void test_abandoned(void) {
	start();
	CHECK(OP(CAP_DELETE, DOM, 0) == 0);
	CHECK(OP(MEMORY_RECLAIM, OBJ, 0) == 0 && !domain_find(5));
}

/*
 * A page's set in a direct-mapped TLB, of sizes from which on the core's own pages have room.
 * Those of devices share none with what is used all the time (kernel/cpu/layout.h).
 */
static void no_device_in(u64 sets, u64 va) {
	for (u64 device = 0; device < 8; device++)
		CHECK(va / PAGE_SIZE % sets != (DEVICE_BASE / PAGE_SIZE + device) % sets);
}

static void test_tlb_sets(void) {
	static const u64 used[] = {0,
				   CPU_AREA_STRUCT,
				   CPU_AREA_STRUCT + PAGE_SIZE,
				   CPU_AREA_STACK_TOP - PAGE_SIZE,
				   CPU_AREA_TSS,
				   CPU_AREA_GDT_CORE};

	for (u64 sets = 512; sets <= 1U << 22; sets *= 2) {
		for (u64 pa = 0x100000; pa < 0x160000; pa += PAGE_SIZE)
			no_device_in(sets, CORE_BASE + pa);
		for (u64 cpu = 0; cpu < MAX_CPUS; cpu++)
			for (u64 i = 0; i < ARRAY_SIZE(used); i++)
				no_device_in(sets, CPU_AREAS + cpu * CPU_AREA_SIZE + used[i]);
	}
}

int main(void) {
	static const struct {
		const char *name;
		void (*run)(void);
	} tests[] = {
		{"split and merge", test_split_merge},
		{"give to oneself and reclaim", test_give_self},
		{"give on to another", test_give_on},
		{"the limit of a domain", test_limit},
		{"boot modules keep their contents once", test_module},
		{"the reserve", test_reserve},
		{"a domain is made and destroyed", test_create},
		{"reset in place", test_reset},
		{"destruction takes every capability", test_destroy},
		{"an abandoned domain", test_abandoned},
		{"sets of a TLB", test_tlb_sets},
	};
	unsigned i;

	for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
		tests[i].run();
		printf("ok %u - memory: %s\n", i + 1, tests[i].name);
	}
	return 0;
}
