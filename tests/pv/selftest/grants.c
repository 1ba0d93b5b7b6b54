/* SPDX-License-Identifier: BSD-2-Clause */
/* Grants, both sides played by the one domain there is. */
#include "selftest.h"

static struct grant_entry_v1 *table;
static uint16_t self;

static const char *init(void) {
	uint64_t frame = 0;
	struct gnttab_setup_table setup = {
		.dom = DOMID_SELF, .nr_frames = 1, .frame_list = va(&frame)};
	struct gnttab_set_version version = {.version = 1};

	if (table) return NULL;
	self = pv_domid();
	CHECK_EQ(grant_table_op(GNTTABOP_set_version, &version, 1), 0);
	CHECK_EQ(grant_table_op(GNTTABOP_setup_table, &setup, 1), 0);
	CHECK_EQ(setup.status, GNTST_okay);
	table = pv_page();
	CHECK_EQ(update_va_mapping(va(table), frame * PV_PAGE | PV_RW, UVMF_INVLPG), 0);
	return NULL;
}

static void grant(uint32_t ref, void *page, uint16_t flags) {
	table[ref].domid = self;
	table[ref].frame = (uint32_t)pv_mfn(page);
	__atomic_store_n(&table[ref].flags, flags, __ATOMIC_SEQ_CST);
}

const char *test_grant_sizes(void) {
	struct gnttab_query_size size = {.dom = DOMID_SELF};
	struct gnttab_get_version version = {.dom = DOMID_SELF};
	uint64_t frames[2] = {0, 0};
	struct gnttab_setup_table setup = {
		.dom = DOMID_SELF, .nr_frames = 2, .frame_list = va(frames)};
	const char *failure = init();

	if (failure) return failure;
	CHECK_EQ(grant_table_op(GNTTABOP_query_size, &size, 1), 0);
	CHECK_EQ(size.status, GNTST_okay);
	CHECK(size.nr_frames >= 1 && size.nr_frames <= size.max_nr_frames);
	CHECK_EQ(grant_table_op(GNTTABOP_get_version, &version, 1), 0);
	CHECK_EQ(version.version, 1);
	if (size.max_nr_frames >= 2) {
		table[9].frame = 0x1234;
		CHECK_EQ(grant_table_op(GNTTABOP_setup_table, &setup, 1), 0);
		CHECK_EQ(setup.status, GNTST_okay);
		CHECK(frames[0] != 0 && frames[1] != 0 && frames[0] != frames[1]);
		CHECK_EQ(table[9].frame, 0x1234);
	}
	return NULL;
}

const char *test_grant_copy(void) {
	uint8_t *from = pv_page(), *to = pv_page();
	struct gnttab_copy copy = {.source = {.u.ref = 20, .offset = 100},
				   .dest = {.u.gmfn = pv_mfn(to), .domid = DOMID_SELF, .offset = 7},
				   .len = 300,
				   .flags = GNTCOPY_source_gref};
	const char *failure = init();

	if (failure) return failure;
	copy.source.domid = self;
	for (unsigned i = 0; i < PV_PAGE; i++) from[i] = (uint8_t)(i * 7);
	grant(20, from, GTF_permit_access | GTF_readonly);
	CHECK_EQ(grant_table_op(GNTTABOP_copy, &copy, 1), 0);
	CHECK_EQ(copy.status, GNTST_okay);
	CHECK_EQ(memcmp(to + 7, from + 100, 300), 0);
	CHECK_EQ(to[6], 0);
	CHECK_EQ(to[307], 0);
	CHECK_EQ(table[20].flags, GTF_permit_access | GTF_readonly);
	/* The other way: into a read-only grant it is refused, into another one not. */
	copy.dest = copy.source;
	copy.source = (struct gnttab_copy_ptr){.u.gmfn = pv_mfn(to), .domid = DOMID_SELF};
	copy.flags = GNTCOPY_dest_gref;
	CHECK_EQ(grant_table_op(GNTTABOP_copy, &copy, 1), 0);
	CHECK(copy.status < 0);
	grant(20, from, GTF_permit_access);
	CHECK_EQ(grant_table_op(GNTTABOP_copy, &copy, 1), 0);
	CHECK_EQ(copy.status, GNTST_okay);
	CHECK_EQ(memcmp(from + 100, to, 300), 0);
	table[20].flags = 0;
	return NULL;
}

const char *test_grant_map(void) {
	uint64_t *page = pv_page(), *window = pv_page();
	struct gnttab_map_grant_ref map = {
		.host_addr = va(window), .flags = GNTMAP_host_map, .ref = 21};
	struct gnttab_unmap_grant_ref unmap = {.host_addr = va(window)};
	const char *failure = init();

	if (failure) return failure;
	map.dom = self;
	grant(21, page, GTF_permit_access);
	CHECK_EQ(pv_protect(window, 0), 0);
	CHECK_EQ(grant_table_op(GNTTABOP_map_grant_ref, &map, 1), 0);
	CHECK_EQ(map.status, GNTST_okay);
	CHECK_EQ(table[21].flags, GTF_permit_access | GTF_reading | GTF_writing);
	*(volatile uint64_t *)window = 0x6a6a;
	CHECK_EQ(page[0], 0x6a6a);
	unmap.handle = map.handle;
	CHECK_EQ(grant_table_op(GNTTABOP_unmap_grant_ref, &unmap, 1), 0);
	CHECK_EQ(unmap.status, GNTST_okay);
	CHECK_EQ(table[21].flags, GTF_permit_access);
	CHECK_EQ(*pv_entry(va(window), 1) & XEN_PTE_PRESENT, 0);
	map.flags |= GNTMAP_readonly;
	CHECK_EQ(grant_table_op(GNTTABOP_map_grant_ref, &map, 1), 0);
	CHECK_EQ(map.status, GNTST_okay);
	CHECK_EQ(table[21].flags, GTF_permit_access | GTF_reading);
	CHECK_EQ(*pv_entry(va(window), 1) & XEN_PTE_RW, 0);
	unmap.handle = map.handle;
	CHECK_EQ(grant_table_op(GNTTABOP_unmap_grant_ref, &unmap, 1), 0);
	CHECK_EQ(unmap.status, GNTST_okay);
	table[21].flags = 0;
	CHECK_EQ(pv_protect(window, PV_RW), 0);
	return NULL;
}

const char *test_grant_map_pte(void) {
	uint64_t *page = pv_page(), *window = pv_page();
	struct gnttab_map_grant_ref map = {.flags = GNTMAP_host_map | GNTMAP_contains_pte |
						    5U << GNTMAP_guest_avail0,
					   .ref = 22};
	struct gnttab_unmap_grant_ref unmap = {.dev_bus_addr = 0};
	const char *failure = init();

	if (failure) return failure;
	map.dom = self;
	grant(22, page, GTF_permit_access);
	CHECK_EQ(pv_protect(window, 0), 0);
	unmap.host_addr = map.host_addr = pv_entry_ma(pv_entry(va(window), 1));
	CHECK_EQ(grant_table_op(GNTTABOP_map_grant_ref, &map, 1), 0);
	CHECK_EQ(map.status, GNTST_okay);
	CHECK_EQ(*pv_entry(va(window), 1) & XEN_PTE_AVAIL, 5 << 9);
	*(volatile uint64_t *)window = 0x6b6b;
	CHECK_EQ(page[0], 0x6b6b);
	unmap.handle = map.handle;
	CHECK_EQ(grant_table_op(GNTTABOP_unmap_grant_ref, &unmap, 1), 0);
	CHECK_EQ(unmap.status, GNTST_okay);
	table[22].flags = 0;
	CHECK_EQ(pv_protect(window, PV_RW), 0);
	return NULL;
}

const char *test_grant_reserved(void) {
	const char *failure = init();

	if (failure) return failure;
	CHECK_EQ(table[0].flags & GTF_type_mask, GTF_permit_access);
	CHECK_EQ(table[0].frame, pv_start->console_mfn);
	CHECK_EQ(table[1].flags & GTF_type_mask, GTF_permit_access);
	CHECK_EQ(table[1].frame, pv_start->store_mfn);
	for (unsigned i = 2; i < 8; i++) CHECK_EQ(table[i].flags, 0);
	return NULL;
}
