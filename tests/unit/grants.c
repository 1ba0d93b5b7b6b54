/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Grants: entries, mapping in its kinds, unmapping, copying; what flags, pins
 * and frame references are after each, and that every error leaves them alone.
 */
#include "guests.h"

#include <string.h>

#include "mem/validate.h"

static struct domain *a, *b; /* b grants, a uses */
static struct frame *table;  /* an L1 of a's, its PFN 0 */

static mfn_t frame_of(const struct frame *f) { return frame_to_mfn(f); }

static void start(void) {
	guests_start(3);
	a = guest(1);
	b = guest(2);
	guests_introduce(a, b, RIGHT_GRANT);
	table = mfn_to_frame(guest_mfn(a, 0));
	CHECK(frame_get_type(table, a, TYPE_L1) == 0);
}

static struct grant_entry_v1 *entry(struct domain *d, u32 ref) {
	return (struct grant_entry_v1 *)&d->grant_entries[ref];
}

static void grant(u32 ref, u16 to, u64 pfn, u16 flags) {
	*entry(b, ref) = (struct grant_entry_v1){
		.flags = flags, .domid = to, .frame = (u32)guest_mfn(b, pfn)};
}

static u64 state(u64 pfn) {
	return mfn_to_frame(guest_mfn(b, pfn))->state & (FRAME_REF_MASK | FRAME_COUNT_MASK);
}

/* Idle, as the builder gave it. */
#define IDLE 1UL

static u64 slot_address(unsigned i) { return (frame_of(table) << PAGE_SHIFT) + i * 8; }

static u64 slot_pte(unsigned i) { return ((u64 *)mfn_to_virt(frame_of(table)))[i]; }

static int map(unsigned slot, u32 ref, u32 flags, u32 *handle) {
	struct gnttab_map_grant_ref op = {.host_addr = slot_address(slot),
					  .flags = flags | GNTMAP_contains_pte,
					  .ref = ref,
					  .dom = 2};

	CHECK(grant_op(a, GNTTABOP_map_grant_ref, &op, 1) == 0);
	*handle = op.handle;
	if (!op.status) CHECK(op.dev_bus_addr >> PAGE_SHIFT == entry(b, ref)->frame);
	return op.status;
}

static int unmap(unsigned slot, u32 handle, u64 device) {
	struct gnttab_unmap_grant_ref op = {.host_addr = slot == ~0U ? 0 : slot_address(slot),
					    .dev_bus_addr = device,
					    .handle = handle};

	CHECK(grant_op(a, GNTTABOP_unmap_grant_ref, &op, 1) == 0);
	return op.status;
}

static void test_map(void) {
	u32 h1, h2, h3;

	start();
	grant(8, 1, 3, GTF_permit_access);
	CHECK(map(0, 8, GNTMAP_host_map, &h1) == GNTST_okay);
	CHECK(slot_pte(0) == ((guest_mfn(b, 3) << PAGE_SHIFT) | PTE_P | PTE_RW | PTE_US | PTE_A |
			      PTE_D | PTE_NX | PTE_GUEST_KERNEL));
	CHECK(entry(b, 8)->flags == (GTF_permit_access | GTF_reading | GTF_writing));
	CHECK(state(3) == (IDLE + FRAME_REF + FRAME_TYPE_ONE));
	/* Once more, for reading only, for the application, with software bits. */
	CHECK(map(1, 8,
		  GNTMAP_host_map | GNTMAP_readonly | GNTMAP_application_map |
			  5U << GNTMAP_guest_avail0,
		  &h2) == GNTST_okay);
	CHECK((slot_pte(1) & (PTE_RW | PTE_US | PTE_AVL | PTE_GUEST_KERNEL)) ==
	      (PTE_US | 5UL << 9));
	CHECK(state(3) == (IDLE + 2 * FRAME_REF + FRAME_TYPE_ONE) && h1 != h2);
	CHECK(map(2, 8, GNTMAP_device_map, &h3) == GNTST_okay && !slot_pte(2));

	/* Flags follow the counts down. */
	CHECK(unmap(0, h1, 0) == GNTST_okay && !slot_pte(0));
	CHECK(entry(b, 8)->flags == (GTF_permit_access | GTF_reading | GTF_writing));
	CHECK(unmap(~0U, h3, guest_mfn(b, 3) << PAGE_SHIFT) == GNTST_okay);
	CHECK(entry(b, 8)->flags == (GTF_permit_access | GTF_reading));
	CHECK(unmap(1, h2, 0) == GNTST_okay);
	CHECK(entry(b, 8)->flags == GTF_permit_access && state(3) == IDLE);
	CHECK(unmap(1, h2, 0) == GNTST_bad_handle);
	CHECK(b->grant_pins[8] == 0);
}

static void test_map_errors(void) {
	struct gnttab_map_grant_ref op = {.flags = GNTMAP_host_map, .ref = 8, .dom = 3};
	u32 h;

	start();
	grant(8, 1, 3, GTF_permit_access | GTF_readonly);
	grant(9, 3, 3, GTF_permit_access);
	grant(10, 1, 3, GTF_accept_transfer);
	grant(11, 1, 3, GTF_permit_access | GTF_sub_page);
	grant(12, 1, 3, GTF_permit_access);
	CHECK(map(0, 8, 0, &h) == GNTST_bad_gntref);
	CHECK(map(0, 8, GNTMAP_host_map, &h) == GNTST_general_error); /* for reading only */
	CHECK(entry(b, 8)->flags == (GTF_permit_access | GTF_readonly));
	CHECK(map(0, 9, GNTMAP_host_map, &h) == GNTST_general_error); /* another's */
	CHECK(map(0, 10, GNTMAP_host_map, &h) == GNTST_general_error);
	CHECK(map(0, 11, GNTMAP_host_map, &h) == GNTST_general_error);
	CHECK(map(0, 20, GNTMAP_host_map, &h) == GNTST_general_error); /* empty */
	CHECK(map(0, 512, GNTMAP_host_map, &h) == GNTST_bad_gntref);   /* not set up yet */
	CHECK(map(0, ~0U, GNTMAP_host_map, &h) == GNTST_bad_gntref);
	/* Frames that are not the granter's, not RAM, or the core's. */
	entry(b, 12)->frame = (u32)guest_mfn(a, 5);
	CHECK(map(0, 12, GNTMAP_host_map, &h) == GNTST_general_error);
	CHECK(map(0, 12, GNTMAP_host_map | GNTMAP_readonly, &h) == GNTST_bad_page);
	entry(b, 12)->frame = ~0U;
	CHECK(map(0, 12, GNTMAP_host_map, &h) == GNTST_bad_page);
	entry(b, 12)->frame = (u32)virt_to_mfn(b->shared);
	CHECK(map(0, 12, GNTMAP_host_map, &h) == GNTST_bad_page);
	CHECK(entry(b, 12)->flags == GTF_permit_access);
	/* A table of the granter's cannot be had writable. */
	CHECK(frame_get_type(mfn_to_frame(guest_mfn(b, 4)), b, TYPE_L1) == 0);
	grant(13, 1, 4, GTF_permit_access);
	CHECK(map(0, 13, GNTMAP_host_map, &h) == GNTST_general_error);
	/* A place that is no page table. */
	grant(12, 1, 3, GTF_permit_access);
	table = mfn_to_frame(guest_mfn(a, 1));
	CHECK(map(0, 12, GNTMAP_host_map, &h) == GNTST_general_error);
	CHECK(map(0, 12, GNTMAP_host_map | GNTMAP_device_map, &h) == GNTST_general_error);
	CHECK(state(3) == IDLE && entry(b, 12)->flags == GTF_permit_access);
	CHECK(b->grant_pins[12] == 0);
	/* Domains. */
	CHECK(grant_op(a, GNTTABOP_map_grant_ref, &op, 1) == 0 && op.status == GNTST_bad_domain);
	guests_introduce(a, guest(3), RIGHT_EVENT);
	CHECK(grant_op(a, GNTTABOP_map_grant_ref, &op, 1) == 0 &&
	      op.status == GNTST_permission_denied);
	CHECK(grant_op(a, GNTTABOP_map_grant_ref, (void *)16, 1) == -EFAULT);
	CHECK(grant_op(a, GNTTABOP_map_grant_ref, &op, 1UL << 31) == -EINVAL);
	CHECK(grant_op(a, 13, &op, 1) == -ENOSYS && grant_op(a, ~0UL, &op, 1) == -ENOSYS);
}

/* All handles are free: each is given out once, in whatever order they come back. */
static void check_all_handles(void) {
	u32 h[100], seen[100], more;

	for (unsigned round = 0; round < 3; round++) {
		memset(seen, 0, sizeof(seen));
		for (u32 i = 0; i < 100; i++) {
			CHECK(map(i, 8, GNTMAP_host_map, &h[i]) == GNTST_okay && h[i] < 100);
			CHECK(!seen[h[i]]++);
		}
		CHECK(map(100, 8, GNTMAP_host_map, &more) == GNTST_no_device_space);
		for (u32 i = 0, n = round; i < 100; i++, n = (n + 37) % 100)
			CHECK(unmap(n, h[n], 0) == GNTST_okay);
	}
}

static void test_handles(void) {
	u32 h[100], i, more;

	start();
	grant(8, 1, 3, GTF_permit_access);
	for (i = 0; i < 100; i++) CHECK(map(i, 8, GNTMAP_host_map, &h[i]) == GNTST_okay);
	CHECK(map(100, 8, GNTMAP_host_map, &more) == GNTST_no_device_space);
	CHECK(unmap(5, h[5], 0) == GNTST_okay);
	CHECK(map(100, 8, GNTMAP_host_map, &more) == GNTST_okay && more == h[5]);
	CHECK(unmap(6, ~0U, 0) == GNTST_bad_handle);
	/* The wrong place, and a guest that has overwritten the entry itself. */
	CHECK(unmap(7, h[6], 0) == GNTST_okay); /* the same frame, the same rights: as good */
	CHECK(unmap(7, h[7], 0) == GNTST_general_error);
	CHECK(unmap(6, h[7], 0) == GNTST_okay);
	CHECK(unmap(200, h[8], 0) == GNTST_general_error);
	/* Reset takes the pins; the references go with the page table. */
	while (grant_reset(a) == -ERESTART)
		;
	CHECK(b->grant_pins[8] == 0 && entry(b, 8)->flags == GTF_permit_access);
	CHECK(state(3) != IDLE);
	CHECK(frame_put_type(table) == 0 && state(3) == IDLE);
	a->reset_position = 0;
	memset(mfn_to_virt(frame_of(table)), 0, PAGE_SIZE);
	CHECK(frame_get_type(table, a, TYPE_L1) == 0);
	check_all_handles();
}

static void test_batch(void) {
	struct gnttab_map_grant_ref maps[60] = {0};
	struct gnttab_unmap_grant_ref unmaps[60] = {0};
	unsigned i;

	start();
	for (i = 0; i < 60; i++) {
		grant(i, 1, i % GUEST_PAGES, GTF_permit_access);
		maps[i] = (struct gnttab_map_grant_ref){.host_addr = slot_address(i),
							.flags = GNTMAP_host_map |
								 GNTMAP_contains_pte,
							.ref = i,
							.dom = 2};
	}
	CHECK(grant_op(a, GNTTABOP_map_grant_ref, maps, 60) == 0);
	for (i = 0; i < 60; i++) {
		CHECK(maps[i].status == GNTST_okay);
		unmaps[i] = (struct gnttab_unmap_grant_ref){.host_addr = slot_address(i),
							    .handle = maps[i].handle};
	}
	unmaps[30].handle = 99;
	CHECK(grant_op(a, GNTTABOP_unmap_grant_ref, unmaps, 60) == 0);
	for (i = 0; i < 60; i++)
		CHECK(unmaps[i].status == (i == 30 ? GNTST_bad_handle : GNTST_okay));
	CHECK(state(30 % GUEST_PAGES) == IDLE + FRAME_REF + FRAME_TYPE_ONE && state(0) == IDLE);
	CHECK(grant_op(a, GNTTABOP_unmap_grant_ref, (void *)16, 1) == -EFAULT);
	CHECK(grant_op(a, GNTTABOP_copy, (void *)16, 1) == -EFAULT);
	CHECK(grant_op(a, GNTTABOP_map_grant_ref, (void *)16, 1) == -EFAULT);
}

static void test_replace(void) {
	/* Needs a walk of real tables: L4 -> L3 -> L2 -> L1 (PFNs 4, 3, 2, 0), slots by L1 index.
	 */
	u64 *l4 = guest_page(a, 4), *l3 = guest_page(a, 3), *l2 = guest_page(a, 2);
	struct gnttab_map_grant_ref m = {
		.host_addr = 5UL << PAGE_SHIFT, .flags = GNTMAP_host_map, .ref = 8, .dom = 2};
	struct gnttab_unmap_and_replace r = {.host_addr = 5UL << PAGE_SHIFT,
					     .new_addr = 6UL << PAGE_SHIFT};
	u64 own;

	start();
	l4[0] = (guest_mfn(a, 3) << PAGE_SHIFT) | PTE_P | PTE_RW | PTE_US;
	l3[0] = (guest_mfn(a, 2) << PAGE_SHIFT) | PTE_P | PTE_RW | PTE_US;
	l2[0] = (guest_mfn(a, 0) << PAGE_SHIFT) | PTE_P | PTE_RW | PTE_US;
	CHECK(frame_get_type(mfn_to_frame(guest_mfn(a, 4)), a, TYPE_L4) == 0);
	a->vcpus[0]->root = mfn_to_frame(guest_mfn(a, 4));
	grant(8, 1, 3, GTF_permit_access);
	CHECK(grant_op(a, GNTTABOP_map_grant_ref, &m, 1) == 0 && m.status == GNTST_okay);
	own = (guest_mfn(a, 9) << PAGE_SHIFT) | PTE_P | PTE_RW;
	CHECK(table_update(a->vcpus[0], table, 6, own, false) == 0);
	own = slot_pte(6);
	r.handle = m.handle;
	r.new_addr = 7UL << PAGE_SHIFT; /* nothing there */
	CHECK(grant_op(a, GNTTABOP_unmap_and_replace, &r, 1) == 0 &&
	      r.status == GNTST_general_error);
	CHECK(slot_pte(5) && state(3) == IDLE + FRAME_REF + FRAME_TYPE_ONE);
	r.new_addr = 6UL << PAGE_SHIFT;
	CHECK(grant_op(a, GNTTABOP_unmap_and_replace, &r, 1) == 0 && r.status == GNTST_okay);
	CHECK(slot_pte(5) == own && !slot_pte(6) && state(3) == IDLE);
}

static struct gnttab_copy copy_op(u32 src_ref, u16 src_off, u64 dst_pfn, u16 dst_off, u16 len) {
	return (struct gnttab_copy){
		.source = {.u.ref = src_ref, .domid = 2, .offset = src_off},
		.dest = {.u.gmfn = guest_mfn(a, dst_pfn), .domid = DOMID_SELF, .offset = dst_off},
		.len = len,
		.flags = GNTCOPY_source_gref,
	};
}

static int copy(struct gnttab_copy op) {
	CHECK(grant_op(a, GNTTABOP_copy, &op, 1) == 0);
	return op.status;
}

static void test_copy(void) {
	unsigned char *from, *to;
	struct gnttab_copy op;
	unsigned i;

	start();
	from = guest_page(b, 3);
	to = guest_page(a, 5);
	for (i = 0; i < PAGE_SIZE; i++) from[i] = (unsigned char)(i * 7);
	grant(8, 1, 3, GTF_permit_access | GTF_readonly);
	grant(9, 1, 4, GTF_permit_access);
	CHECK(copy(copy_op(8, 3, 5, 9, 77)) == GNTST_okay);
	CHECK(!memcmp(to + 9, from + 3, 77) && !to[8] && !to[86]);
	CHECK(copy(copy_op(8, 0, 5, 0, PAGE_SIZE)) == GNTST_okay && !memcmp(to, from, PAGE_SIZE));
	CHECK(copy(copy_op(8, PAGE_SIZE, 5, 0, 0)) == GNTST_okay);
	CHECK(copy(copy_op(8, 1, 5, 0, PAGE_SIZE)) == GNTST_bad_copy_arg);
	CHECK(copy(copy_op(8, 0, 5, 4095, 2)) == GNTST_bad_copy_arg);
	CHECK(copy(copy_op(8, 0xffff, 5, 0, 0xffff)) == GNTST_bad_copy_arg);
	CHECK(copy(copy_op(20, 0, 5, 0, 1)) == GNTST_general_error);
	CHECK(copy(copy_op(5000, 0, 5, 0, 1)) == GNTST_bad_gntref);
	/* The other way round, and onto something that must not be written. */
	op = (struct gnttab_copy){.source = {.u.gmfn = guest_mfn(a, 5), .domid = DOMID_SELF},
				  .dest = {.u.ref = 9, .domid = 2},
				  .len = 100,
				  .flags = GNTCOPY_dest_gref};
	CHECK(copy(op) == GNTST_okay && !memcmp(guest_page(b, 4), to, 100));
	op.dest.u.ref = 8;
	CHECK(copy(op) == GNTST_general_error);
	op.dest = (struct gnttab_copy_ptr){.u.gmfn = guest_mfn(a, 0), .domid = DOMID_SELF};
	op.flags = 0;
	CHECK(copy(op) == GNTST_general_error); /* a page table */
	op.dest.u.gmfn = guest_mfn(b, 4);
	CHECK(copy(op) == GNTST_general_error); /* not the caller's */
	op.dest.domid = 2;
	CHECK(copy(op) == GNTST_permission_denied); /* foreign frames only by grant */
	op.dest.u.gmfn = virt_to_mfn(a->shared);
	op.dest.domid = DOMID_SELF;
	CHECK(copy(op) == GNTST_bad_page);
	op.dest.u.gmfn = ~0UL;
	CHECK(copy(op) == GNTST_bad_page);
	/* Nothing stays behind. */
	CHECK(state(3) == IDLE && state(4) == IDLE && !b->grant_pins[8] && !b->grant_pins[9]);
	CHECK(entry(b, 9)->flags == GTF_permit_access);
	/* Between two grants of its own: a domain is its own peer. */
	op = (struct gnttab_copy){.source = {.u.ref = 0, .domid = DOMID_SELF},
				  .dest = {.u.gmfn = guest_mfn(a, 6), .domid = DOMID_SELF},
				  .len = 8,
				  .flags = GNTCOPY_source_gref};
	CHECK(grant_set(a, 0, 1, true, guest_mfn(a, 5)) == 0);
	CHECK(copy(op) == GNTST_okay && !memcmp(guest_page(a, 6), to, 8));
}

static void test_table(void) {
	struct gnttab_setup_table setup = {.dom = DOMID_SELF, .nr_frames = 2};
	struct gnttab_query_size size = {.dom = DOMID_SELF};
	struct gnttab_set_version version = {2};
	struct gnttab_get_version now = {.dom = DOMID_SELF};
	struct gnttab_swap_grant_ref swap = {8, 9, 0, 0};
	struct gnttab_get_status_frames frames = {.dom = DOMID_SELF};
	struct gnttab_transfer transfer = {.domid = 1};
	struct gnttab_dump_table dump = {.dom = DOMID_SELF};
	u64 list[3] = {0};
	u32 h;

	start();
	setup.frame_list = (u64)list;
	CHECK(grant_op(b, GNTTABOP_query_size, &size, 1) == 0 && size.status == GNTST_okay);
	CHECK(size.nr_frames == 1 && size.max_nr_frames == 2);
	CHECK(grant_op(b, GNTTABOP_setup_table, &setup, 2) == -EINVAL);
	CHECK(grant_op(b, GNTTABOP_setup_table, &setup, 1) == 0 && setup.status == GNTST_okay);
	CHECK(list[0] == virt_to_mfn(b->grant_entries) && list[1] == list[0] + 1 && !list[2]);
	CHECK(grant_op(b, GNTTABOP_query_size, &size, 1) == 0 && size.nr_frames == 2);
	setup.nr_frames = 3;
	CHECK(grant_op(b, GNTTABOP_setup_table, &setup, 1) == 0 &&
	      setup.status == GNTST_general_error);
	setup = (struct gnttab_setup_table){.dom = DOMID_SELF, .nr_frames = 1, .frame_list = 8};
	CHECK(grant_op(b, GNTTABOP_setup_table, &setup, 1) == 0 &&
	      setup.status == GNTST_bad_virt_addr);
	setup.dom = 1;
	CHECK(grant_op(b, GNTTABOP_setup_table, &setup, 1) == 0 &&
	      setup.status == GNTST_bad_domain);

	CHECK(grant_op(b, GNTTABOP_set_version, &version, 1) == -ENOSYS && version.version == 1);
	CHECK(grant_op(b, GNTTABOP_set_version, &version, 1) == 0);
	version.version = 3;
	CHECK(grant_op(b, GNTTABOP_set_version, &version, 1) == -EINVAL);
	CHECK(grant_op(b, GNTTABOP_get_version, &now, 1) == 0 && now.version == 1);
	now.dom = 77;
	CHECK(grant_op(b, GNTTABOP_get_version, &now, 1) == -ESRCH);
	CHECK(grant_op(b, GNTTABOP_get_status_frames, &frames, 1) == 0 &&
	      frames.status == GNTST_general_error);
	CHECK(grant_op(b, GNTTABOP_transfer, &transfer, 1) == 0 &&
	      transfer.status == GNTST_bad_domain);
	transfer.domid = 2;
	CHECK(grant_op(a, GNTTABOP_transfer, &transfer, 1) == 0 &&
	      transfer.status == GNTST_permission_denied);
	CHECK(grant_op(b, GNTTABOP_dump_table, &dump, 1) == 0 && dump.status == GNTST_okay);
	CHECK(grant_op(b, GNTTABOP_cache_flush, &dump, 1) == -EOPNOTSUPP);

	grant(8, 1, 3, GTF_permit_access);
	grant(9, 1, 4, GTF_permit_access);
	CHECK(grant_op(b, GNTTABOP_swap_grant_ref, &swap, 1) == 0 && swap.status == GNTST_okay);
	CHECK(entry(b, 8)->frame == guest_mfn(b, 4) && entry(b, 9)->frame == guest_mfn(b, 3));
	CHECK(map(0, 8, GNTMAP_host_map, &h) == GNTST_okay);
	CHECK(grant_op(b, GNTTABOP_swap_grant_ref, &swap, 1) == 0 && swap.status == GNTST_eagain);
	swap.ref_b = 1024;
	CHECK(grant_op(b, GNTTABOP_swap_grant_ref, &swap, 1) == 0 &&
	      swap.status == GNTST_bad_gntref);
	CHECK(grant_set(b, 1024, 1, false, 1) == -EINVAL);
	CHECK(grant_set(b, 1, 1, true, guest_mfn(b, 5)) == 0);
	CHECK(entry(b, 1)->flags == (GTF_permit_access | GTF_readonly) && entry(b, 1)->domid == 1);
}

static void test_saturation(void) {
	u32 h;

	start();
	grant(8, 1, 3, GTF_permit_access);
	b->grant_pins[8] = 0xffff;
	CHECK(map(0, 8, GNTMAP_host_map | GNTMAP_readonly, &h) == GNTST_general_error);
	CHECK(map(0, 8, GNTMAP_host_map, &h) == GNTST_okay && b->grant_pins[8] == 0x1ffff);
	b->grant_pins[8] = 0xffff0000;
	CHECK(map(1, 8, GNTMAP_host_map, &h) == GNTST_general_error);
	CHECK(map(1, 8, GNTMAP_host_map | GNTMAP_readonly, &h) == GNTST_okay);
}

int main(void) {
	static const struct guest_test tests[] = {
		TEST(test_map),   TEST(test_map_errors), TEST(test_handles),
		TEST(test_batch), TEST(test_replace),    TEST(test_copy),
		TEST(test_table), TEST(test_saturation),
	};

	return guests_run(tests, sizeof(tests) / sizeof(tests[0]));
}
