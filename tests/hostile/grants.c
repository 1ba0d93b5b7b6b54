/* SPDX-License-Identifier: BSD-2-Clause */
/* Grant operations that name what they must not; both sides are this domain. */
#include "hostile.h"

static struct grant_entry_v1 *table;
static uint16_t self;

static const char *init(void) {
	uint64_t frame = 0;
	struct gnttab_setup_table setup = {
		.dom = DOMID_SELF, .nr_frames = 1, .frame_list = va(&frame)};

	if (table) return NULL;
	self = pv_domid();
	CHECK_EQ(grant_table_op(GNTTABOP_setup_table, &setup, 1), 0);
	CHECK_EQ(setup.status, GNTST_okay);
	table = pv_page();
	CHECK_EQ(update_va_mapping(va(table), frame * PV_PAGE | PV_RW, UVMF_INVLPG), 0);
	return NULL;
}

#define INIT()                                 \
	do {                                   \
		const char *failure_ = init(); \
		if (failure_) return failure_; \
	} while (0)

static void grant(uint32_t ref, uint64_t mfn, uint16_t flags) {
	table[ref].domid = self;
	table[ref].frame = (uint32_t)mfn;
	__atomic_store_n(&table[ref].flags, flags, __ATOMIC_SEQ_CST);
}

static int map_status(uint64_t address, uint32_t flags, uint32_t ref, uint16_t dom,
		      uint32_t *handle) {
	struct gnttab_map_grant_ref map = {
		.host_addr = address, .flags = flags, .ref = ref, .dom = dom, .status = 77};

	if (grant_table_op(GNTTABOP_map_grant_ref, &map, 1) != 0) return 99;
	if (handle) *handle = map.handle;
	return map.status;
}

static int unmap_status(uint64_t address, uint32_t handle) {
	struct gnttab_unmap_grant_ref unmap = {
		.host_addr = address, .handle = handle, .status = 77};

	if (grant_table_op(GNTTABOP_unmap_grant_ref, &unmap, 1) != 0) return 99;
	return unmap.status;
}

const char *hostile_grant_bad_refs(void) {
	static const uint32_t refs[] = {40, 511, 512, 100000, 1U << 31, UINT32_MAX};
	uint8_t *window = pv_page();

	INIT();
	CHECK_EQ(pv_protect(window, 0), 0);
	for (unsigned i = 0; i < sizeof refs / sizeof *refs; i++)
		CHECK(map_status(va(window), GNTMAP_host_map, refs[i], self, NULL) < 0);
	CHECK_EQ(map_status(va(window), GNTMAP_host_map, UINT32_MAX, self, NULL), GNTST_bad_gntref);
	CHECK_EQ(map_status(va(window), GNTMAP_host_map, 8, 0x7000, NULL), GNTST_bad_domain);
	grant(30, pv_mfn(pv_page()), GTF_permit_access);
	table[30].domid = 0x1234;
	CHECK_EQ(map_status(va(window), GNTMAP_host_map, 30, self, NULL), GNTST_general_error);
	grant(30, pv_mfn(pv_page()), GTF_permit_access | GTF_readonly);
	CHECK_EQ(map_status(va(window), GNTMAP_host_map, 30, self, NULL), GNTST_general_error);
	grant(30, 0xffffffff, GTF_permit_access);
	CHECK(map_status(va(window), GNTMAP_host_map, 30, self, NULL) < 0);
	grant(30, pv_mfn(window), GTF_accept_transfer);
	CHECK(map_status(va(window), GNTMAP_host_map, 30, self, NULL) < 0);
	grant(30, pv_mfn(window), GTF_permit_access);
	CHECK(map_status(va(window), 0, 30, self, NULL) < 0);
	CHECK_EQ(table[30].flags, GTF_permit_access);
	table[30].flags = 0;
	CHECK_EQ(pv_protect(window, PV_RW), 0);
	return NULL;
}

const char *hostile_grant_bad_addresses(void) {
	uint8_t *page = pv_page(), *data = pv_page();
	const uint64_t addresses[] = {HV_TEXT, MACH2PHYS_VIRT_START, NON_CANONICAL,
				      0x0000700000000000};
	const uint64_t entries[] = {pv_mfn(data) * PV_PAGE, pv_kernel_l4_mfn * PV_PAGE + 2400,
				    1ULL << 51, pv_entry_ma(pv_entry(va(data), 1)) + 4,
				    pv_entry_ma(pv_entry(PV_VIRT_BASE, 2)) + 800};

	INIT();
	grant(31, pv_mfn(page), GTF_permit_access);
	for (unsigned i = 0; i < sizeof addresses / sizeof *addresses; i++)
		CHECK(map_status(addresses[i], GNTMAP_host_map, 31, self, NULL) < 0);
	for (unsigned i = 0; i < sizeof entries / sizeof *entries; i++)
		CHECK(map_status(entries[i], GNTMAP_host_map | GNTMAP_contains_pte, 31, self,
				 NULL) < 0);
	CHECK_EQ(table[31].flags, GTF_permit_access);
	table[31].flags = 0;
	*(volatile uint64_t *)(void *)data = 1;
	return NULL;
}

const char *hostile_grant_handles(void) {
	static const uint32_t bad[] = {0, 1, 1000, 65535, 65536, 1U << 31, UINT32_MAX};
	uint8_t *page = pv_page(), *window = pv_page();
	uint32_t handle = 0;

	INIT();
	for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++)
		CHECK(unmap_status(va(window), bad[i]) < 0);
	grant(32, pv_mfn(page), GTF_permit_access);
	CHECK_EQ(pv_protect(window, 0), 0);
	CHECK_EQ(map_status(va(window), GNTMAP_host_map, 32, self, &handle), 0);
	for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++)
		if (bad[i] != handle) CHECK(unmap_status(va(window), bad[i]) < 0);
	CHECK_EQ(unmap_status(va(window), handle), 0);
	CHECK(unmap_status(va(window), handle) < 0);
	CHECK_EQ(table[32].flags, GTF_permit_access);
	table[32].flags = 0;
	CHECK_EQ(pv_protect(window, PV_RW), 0);
	return NULL;
}

/* A page table granted to oneself is no writable page for that. */
const char *hostile_grant_of_table(void) {
	uint8_t *window = pv_page();
	uint64_t before = *(uint64_t *)pv_start->pt_base;
	struct gnttab_copy copy = {.source = {.u.gmfn = pv_mfn(window), .domid = DOMID_SELF},
				   .dest = {.u.ref = 33},
				   .len = 64,
				   .flags = GNTCOPY_dest_gref};

	INIT();
	copy.dest.domid = self;
	grant(33, pv_kernel_l4_mfn, GTF_permit_access);
	CHECK_EQ(pv_protect(window, 0), 0);
	CHECK(map_status(va(window), GNTMAP_host_map, 33, self, NULL) < 0);
	CHECK_EQ(*pv_entry(va(window), 1) & XEN_PTE_PRESENT, 0);
	CHECK_EQ(grant_table_op(GNTTABOP_copy, &copy, 1), 0);
	CHECK(copy.status < 0);
	CHECK_EQ(*(uint64_t *)pv_start->pt_base, before);
	CHECK_EQ(table[33].flags, GTF_permit_access);
	table[33].flags = 0;
	CHECK_EQ(pv_protect(window, PV_RW), 0);
	return NULL;
}

/* The mapping is elsewhere by now, or was replaced: refused, and still counted. */
const char *hostile_grant_unmap_elsewhere(void) {
	uint8_t *page = pv_page(), *window = pv_page(), *other = pv_page();
	uint32_t handle = 0;

	INIT();
	grant(34, pv_mfn(page), GTF_permit_access);
	CHECK_EQ(pv_protect(window, 0), 0);
	CHECK_EQ(map_status(va(window), GNTMAP_host_map, 34, self, &handle), 0);
	CHECK(unmap_status(va(other), handle) < 0);
	CHECK_EQ(table[34].flags, GTF_permit_access | GTF_reading | GTF_writing);
	/* Replaced by an own page: the grant's reference must not be lost or doubled. */
	CHECK_EQ(update_va_mapping(va(window), pv_mfn(other) * PV_PAGE | PV_RW, UVMF_INVLPG), 0);
	CHECK(unmap_status(va(window), handle) < 0 || pv_is_tessera());
	CHECK_EQ(pv_protect(other, PV_RO), 0);
	CHECK_EQ(pv_protect(window, PV_RW), 0);
	CHECK_EQ(pv_protect(other, PV_RW), 0);
	unmap_status(0, handle);
	table[34].flags = 0;
	return NULL;
}

const char *hostile_grant_copy_bounds(void) {
	static const struct {
		uint16_t from, to, length;
	} bad[] = {{4096, 0, 1},  {0, 4096, 1},        {4095, 0, 2},
		   {0, 4000, 97}, {65535, 0, 1},       {0, 65535, 65535},
		   {1, 1, 65535}, {4096, 4096, 65535}, {0, 65535, 1}};
	uint8_t *from = pv_page(), *to = pv_page();
	struct gnttab_copy copy = {.source = {.u.gmfn = pv_mfn(from), .domid = DOMID_SELF},
				   .dest = {.u.gmfn = pv_mfn(to), .domid = DOMID_SELF}};

	INIT();
	for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
		copy.source.offset = bad[i].from;
		copy.dest.offset = bad[i].to;
		copy.len = bad[i].length;
		CHECK_EQ(grant_table_op(GNTTABOP_copy, &copy, 1), 0);
		CHECK_EQ(copy.status, GNTST_bad_copy_arg);
	}
	copy.source.offset = copy.dest.offset = 0;
	copy.len = 8;
	for (uint64_t mfn = 1ULL << 36; mfn; mfn <<= 1) {
		copy.source.u.gmfn = mfn;
		CHECK_EQ(grant_table_op(GNTTABOP_copy, &copy, 1), 0);
		CHECK(copy.status < 0);
	}
	copy.source.u.gmfn = pv_mfn(from);
	copy.dest.domid = 0x7000;
	CHECK_EQ(grant_table_op(GNTTABOP_copy, &copy, 1), 0);
	CHECK_EQ(copy.status, GNTST_bad_domain);
	CHECK_EQ(to[0], 0);
	return NULL;
}

#define WINDOWS 100

/* As many mappings of one grant as there are windows, all counted, all undone. */
const char *hostile_grant_many_mappings(void) {
	static uint32_t handles[WINDOWS];
	static uint8_t *windows[WINDOWS];
	uint8_t *page = pv_page();
	unsigned mapped = 0;

	INIT();
	grant(35, pv_mfn(page), GTF_permit_access);
	for (unsigned i = 0; i < WINDOWS; i++) {
		windows[i] = pv_page();
		CHECK_EQ(pv_protect(windows[i], 0), 0);
		if (map_status(va(windows[i]), GNTMAP_host_map, 35, self, &handles[i]) != 0) break;
		mapped++;
	}
	CHECK(mapped >= 16);
	for (unsigned i = 0; i < mapped; i++) {
		CHECK_EQ(table[35].flags, GTF_permit_access | GTF_reading | GTF_writing);
		CHECK_EQ(unmap_status(va(windows[i]), handles[i]), 0);
	}
	CHECK_EQ(table[35].flags, GTF_permit_access);
	table[35].flags = 0;
	/* Nothing is left of them: the page can become a table. */
	CHECK_EQ(pv_protect(page, PV_RO), 0);
	CHECK_EQ(mmuext(MMUEXT_PIN_L1_TABLE, pv_mfn(page), 0), 0);
	CHECK_EQ(mmuext(MMUEXT_UNPIN_TABLE, pv_mfn(page), 0), 0);
	CHECK_EQ(pv_protect(page, PV_RW), 0);
	for (unsigned i = 0; i < mapped; i++) CHECK_EQ(pv_protect(windows[i], PV_RW), 0);
	return NULL;
}

/* Version 2 changes the layout under the feet of its users: refused, or undone at once. */
const char *hostile_grant_version_2(void) {
	struct gnttab_set_version set = {.version = 2};
	struct gnttab_get_version get = {.dom = DOMID_SELF};
	uint8_t *page = pv_page(), *window = pv_page();
	uint32_t handle = 0;

	INIT();
	grant(36, pv_mfn(page), GTF_permit_access);
	CHECK_EQ(pv_protect(window, 0), 0);
	CHECK_EQ(map_status(va(window), GNTMAP_host_map, 36, self, &handle), 0);
	CHECK(grant_table_op(GNTTABOP_set_version, &set, 1) < 0);
	CHECK_EQ(unmap_status(va(window), handle), 0);
	CHECK_EQ(grant_table_op(GNTTABOP_get_version, &get, 1), 0);
	CHECK_EQ(get.version, 1);
	CHECK_EQ(table[36].frame, pv_mfn(page));
	table[36].flags = 0;
	CHECK_EQ(pv_protect(window, PV_RW), 0);
	return NULL;
}

const char *hostile_grant_transfer(void) {
	struct gnttab_transfer transfer = {.mfn = 1ULL << 40, .domid = 0x7000, .ref = 8};
	int64_t result = grant_table_op(GNTTABOP_transfer, &transfer, 1);

	CHECK(result < 0 || transfer.status < 0);
	return NULL;
}
