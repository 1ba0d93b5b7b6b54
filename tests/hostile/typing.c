/* SPDX-License-Identifier: BSD-2-Clause */
/* Frame types: no table is ever writable, no frame of others is ever mapped. */
#include "hostile.h"

static uint64_t pte(void *page, uint64_t flags) { return pv_mfn(page) * PV_PAGE | flags; }

static int64_t pin(uint32_t level, void *table) {
	return mmuext(MMUEXT_PIN_L1_TABLE + level - 1, pv_mfn(table), 0);
}

static int64_t unpin(void *table) { return mmuext(MMUEXT_UNPIN_TABLE, pv_mfn(table), 0); }

static void store(void *arg) { *(volatile uint64_t *)arg = 0xbad; }

/* A table that is in use, and a page through which it shall become writable. */
const char *hostile_table_writable_alias(void) {
	void *table = (void *)va(pv_entry(PV_VIRT_BASE, 1));
	uint8_t *window = pv_page();
	uint64_t evil = pte(table, PV_RW) & ~0xfffULL;
	struct mmu_update update = {pv_entry_ma(pv_entry(va(window), 1)), evil | PV_RW};

	CHECK(update_va_mapping(va(window), evil | PV_RW, UVMF_INVLPG) < 0);
	CHECK(update_va_mapping(va(window), evil | PV_RW | XEN_PTE_USER, UVMF_INVLPG) < 0);
	CHECK(mmu_update(&update, 1, NULL) < 0);
	update.ptr |= MMU_PT_UPDATE_PRESERVE_AD;
	CHECK(mmu_update(&update, 1, NULL) < 0);
	/* To see it is allowed, to write it is not. */
	CHECK_EQ(update_va_mapping(va(window), evil | PV_RO, UVMF_INVLPG), 0);
	CHECK(pv_try(store, window + 4088) || *(uint64_t *)(void *)(window + 4088) != 0xbad);
	CHECK_EQ(pv_protect(window, PV_RW), 0);
	return NULL;
}

/* Only the flags change, and one of them is RW. */
const char *hostile_table_through_fast_path(void) {
	void *table = (void *)va(pv_entry(PV_VIRT_BASE, 2));
	uint8_t *window = pv_page();
	volatile uint64_t *entry = pv_entry(va(window), 1);
	struct mmu_update update = {pv_entry_ma(entry), pte(table, PV_RW | XEN_PTE_AVAIL)};

	CHECK_EQ(update_va_mapping(va(window), pte(table, PV_RO), UVMF_INVLPG), 0);
	CHECK(mmu_update(&update, 1, NULL) < 0);
	update.ptr |= MMU_PT_UPDATE_PRESERVE_AD;
	CHECK(mmu_update(&update, 1, NULL) < 0);
	CHECK_EQ(*entry & XEN_PTE_RW, 0);
	/* Page size and cache attributes are no harmless flags either. */
	update.val = pte(table, PV_RO | XEN_PTE_PSE);
	if (!pv_is_dom0()) CHECK(mmu_update(&update, 1, NULL) < 0);
	CHECK_EQ(pv_protect(window, PV_RW), 0);
	return NULL;
}

const char *hostile_table_by_copy(void) {
	uint64_t *page = pv_page();
	uint64_t mfn = pv_kernel_l4_mfn, before = *(uint64_t *)pv_start->pt_base;
	struct gnttab_copy copy = {.source = {.u.gmfn = pv_mfn(page), .domid = DOMID_SELF},
				   .dest = {.u.gmfn = mfn, .domid = DOMID_SELF},
				   .len = 64};
	struct vcpu_register_vcpu_info info = {.mfn = mfn};

	CHECK_EQ(grant_table_op(GNTTABOP_copy, &copy, 1), 0);
	CHECK(copy.status < 0);
	CHECK(mmuext(MMUEXT_CLEAR_PAGE, mfn, 0) < 0);
	CHECK(mmuext(MMUEXT_COPY_PAGE, mfn, pv_mfn(page)) < 0);
	CHECK(vcpu_op(VCPUOP_register_vcpu_info, 0, &info) < 0);
	CHECK_EQ(*(uint64_t *)pv_start->pt_base, before);
	return NULL;
}

const char *hostile_writable_as_table(void) {
	uint64_t *table = pv_page(), *alias = pv_page();

	CHECK_EQ(update_va_mapping(va(alias), pte(table, PV_RW), UVMF_INVLPG), 0);
	CHECK_EQ(pv_protect(table, PV_RO), 0);
	for (uint32_t level = 1; level <= 4; level++) CHECK(pin(level, table) < 0);
	CHECK(pv_set_entry(pv_entry(PV_VIRT_BASE, 2) + 300, pte(table, PV_TABLE)) < 0);
	CHECK(mmuext(MMUEXT_NEW_BASEPTR, pv_mfn(table), 0) < 0);
	CHECK(mmuext(MMUEXT_NEW_USER_BASEPTR, pv_mfn(table), 0) < 0);
	CHECK_EQ(update_va_mapping(va(alias), 0, UVMF_INVLPG), 0);
	CHECK_EQ(pin(1, table), 0);
	CHECK(update_va_mapping(va(alias), pte(table, PV_RW), UVMF_INVLPG) < 0);
	CHECK_EQ(unpin(table), 0);
	CHECK_EQ(pv_protect(table, PV_RW), 0);
	CHECK_EQ(pv_protect(alias, PV_RW), 0);
	return NULL;
}

/* The 300th entry is wrong: nothing of the rest may stay validated. */
const char *hostile_partial_validation(void) {
	uint64_t *l2 = pv_page(), *l1 = pv_page(), *data = pv_page();

	l1[0] = pte(data, PV_RW);
	for (int i = 0; i < 299; i++) l2[i] = pte(l1, PV_TABLE);
	l2[299] = pte(data, PV_TABLE);
	CHECK_EQ(pv_protect(l1, PV_RO), 0);
	CHECK_EQ(pv_protect(l2, PV_RO), 0);
	for (int i = 0; i < 3; i++) CHECK(pin(2, l2) < 0);
	CHECK(unpin(l2) < 0);
	/* All three are ordinary pages again. */
	CHECK_EQ(pv_protect(l1, PV_RW), 0);
	CHECK_EQ(pv_protect(l2, PV_RW), 0);
	l1[0] = 0;
	CHECK_EQ(pv_protect(data, PV_RO), 0);
	CHECK_EQ(pin(1, data), 0);
	CHECK_EQ(unpin(data), 0);
	CHECK_EQ(pv_protect(data, PV_RW), 0);
	return NULL;
}

/* An L1 with a bad last entry: the references of the good ones are gone too. */
const char *hostile_partial_releases(void) {
	uint64_t *l1 = pv_page(), *data = pv_page();
	static const uint64_t bad[] = {1ULL << 51 | 1, 1ULL << 45 | 1};

	for (unsigned k = 0; k < sizeof bad / sizeof *bad; k++) {
		for (int i = 0; i < 511; i++) l1[i] = pte(data, PV_RW);
		l1[511] = bad[k];
		CHECK_EQ(pv_protect(l1, PV_RO), 0);
		CHECK(pin(1, l1) < 0);
		CHECK(pin(1, l1) < 0);
		CHECK_EQ(pv_protect(l1, PV_RW), 0);
		CHECK_EQ(pv_protect(data, PV_RO), 0);
		CHECK_EQ(pin(1, data), 0);
		CHECK_EQ(unpin(data), 0);
		CHECK_EQ(pv_protect(data, PV_RW), 0);
	}
	return NULL;
}

const char *hostile_upper_entries(void) {
	static const uint64_t bits[] = {XEN_PTE_PSE, XEN_PTE_GLOBAL, 1ULL << 51, 1ULL << 50};
	volatile uint64_t *l2 = pv_entry(PV_VIRT_BASE, 2) + 300;
	volatile uint64_t *l3 = pv_entry(PV_VIRT_BASE, 3), *l4 = pv_entry(PV_VIRT_BASE, 4);
	uint64_t old3 = *l3, old4 = *l4;
	uint64_t *table = pv_page();

	CHECK_EQ(pv_protect(table, PV_RO), 0);
	for (unsigned i = 0; i < sizeof bits / sizeof *bits; i++) {
		if (bits[i] != XEN_PTE_GLOBAL)
			CHECK(pv_set_entry(l2, pte(table, PV_TABLE) | bits[i]) < 0);
		CHECK(pv_set_entry(l3, old3 | bits[i]) < 0 || *l3 == old3);
		CHECK(pv_set_entry(l4, old4 | bits[i]) < 0 || *l4 == old4);
	}
	/* A 1 GiB page, a 2 MiB page at the start of memory. */
	CHECK(pv_set_entry(l3 - 100, 0 | PV_TABLE | XEN_PTE_PSE) < 0);
	CHECK(pv_set_entry(l2, 0 | PV_TABLE | XEN_PTE_PSE) < 0);
	CHECK_EQ(pv_protect(table, PV_RW), 0);
	return NULL;
}

/* Tables that contain themselves: never writable, not in the lower levels. */
const char *hostile_linear_tables(void) {
	for (int level = 4; level >= 2; level--) {
		const volatile uint64_t *any = pv_entry(PV_VIRT_BASE, level);
		uint64_t table = va(any) & ~0xfffULL;
		const volatile uint64_t *slot =
			(const volatile uint64_t *)table + (level == 4 ? 300 : 100);
		uint64_t frame = pv_mfn((void *)table) * PV_PAGE;

		if (*slot & XEN_PTE_PRESENT) return "the slot is in use";
		CHECK(pv_set_entry(slot, frame | PV_TABLE) < 0);
		if (pv_set_entry(slot, frame | (PV_TABLE & ~XEN_PTE_RW)) == 0)
			CHECK_EQ(pv_set_entry(slot, 0), 0);
	}
	return NULL;
}

const char *hostile_other_level(void) {
	uint64_t *table = pv_page();
	volatile uint64_t *l2 = pv_entry(PV_VIRT_BASE, 2) + 300,
			  *l3 = pv_entry(PV_VIRT_BASE, 3) - 100;

	CHECK_EQ(pv_protect(table, PV_RO), 0);
	CHECK_EQ(pin(1, table), 0);
	for (uint32_t level = 2; level <= 4; level++) CHECK(pin(level, table) < 0);
	CHECK(pv_set_entry(l3, pte(table, PV_TABLE)) < 0);
	CHECK(mmuext(MMUEXT_NEW_BASEPTR, pv_mfn(table), 0) < 0);
	/* In use by an L2: stays an L1 when the pin goes. */
	CHECK_EQ(pv_set_entry(l2, pte(table, PV_TABLE)), 0);
	CHECK_EQ(unpin(table), 0);
	CHECK(pin(2, table) < 0);
	CHECK(pv_protect(table, PV_RW) < 0);
	CHECK_EQ(pv_set_entry(l2, 0), 0);
	CHECK_EQ(pv_protect(table, PV_RW), 0);
	return NULL;
}

/* What a guest writes into the hypervisor's slots before pinning has no effect. */
const char *hostile_root_hypervisor_slots(void) {
	uint64_t *root = pv_page(), *l3 = pv_page();

	memcpy(root, (void *)pv_start->pt_base, PV_PAGE);
	for (unsigned i = HYPERVISOR_L4_SLOT_FIRST; i < HYPERVISOR_L4_SLOT_END; i++)
		root[i] = pte(l3, PV_TABLE);
	CHECK_EQ(pv_protect(root, PV_RO), 0);
	CHECK_EQ(mmuext(MMUEXT_NEW_BASEPTR, pv_mfn(root), 0), 0);
	for (unsigned i = HYPERVISOR_L4_SLOT_FIRST; i < HYPERVISOR_L4_SLOT_END; i++) {
		CHECK(root[i] != pte(l3, PV_TABLE));
		CHECK(pv_set_entry(&root[i], 0) < 0);
		CHECK(pv_set_entry(&root[i], pte(l3, PV_TABLE)) < 0);
	}
	CHECK_EQ(pv_m2p()[pv_mfn(root)], pv_pfn(root));
	CHECK_EQ(mmuext(MMUEXT_NEW_BASEPTR, pv_kernel_l4_mfn, 0), 0);
	CHECK_EQ(pv_protect(root, PV_RW), 0);
	l3[0] = 1;
	return NULL;
}

static bool mine(uint64_t mfn) {
	uint64_t pfn = pv_m2p()[mfn];

	return pfn < pv_start->nr_pages && pv_p2m()[pfn] == mfn;
}

/* Every frame that is not in the p2m list: neither to read, nor to write, nor as a table. */
const char *hostile_frames_of_others(void) {
	struct xen_machphys_mapping mapping;
	uint8_t *window = pv_page();
	uint64_t shared = pv_start->shared_info / PV_PAGE;
	unsigned mapped = 0;

	CHECK_EQ(memory_op(XENMEM_machphys_mapping, &mapping), 0);
	for (uint64_t mfn = 0; mfn <= mapping.max_mfn + 64; mfn++) {
		bool marked = mfn <= mapping.max_mfn && pv_m2p()[mfn] == SHARED_M2P_ENTRY;

		if (mfn == shared || (mfn <= mapping.max_mfn && mine(mfn))) continue;
		if (update_va_mapping(va(window), mfn * PV_PAGE | PV_RW, UVMF_NONE) == 0) {
			CHECK(marked);
			mapped++;
		} else {
			CHECK(update_va_mapping(va(window), mfn * PV_PAGE | PV_RO, UVMF_NONE) < 0);
		}
		if (mfn % 64 == 0) CHECK(mmuext(MMUEXT_PIN_L1_TABLE, mfn, 0) < 0);
	}
	/* The frames of the grant table, which are shared with this domain, and no others. */
	CHECK(mapped <= 64);
	CHECK_EQ(pv_protect(window, PV_RW), 0);
	return NULL;
}

const char *hostile_m2p_of_others(void) {
	struct xen_machphys_mapping mapping;
	unsigned changed = 0;

	CHECK_EQ(memory_op(XENMEM_machphys_mapping, &mapping), 0);
	for (uint64_t mfn = 0; mfn <= mapping.max_mfn; mfn += 7) {
		struct mmu_update update = {mfn * PV_PAGE | MMU_MACHPHYS_UPDATE, 1};

		if (!mine(mfn) && mmu_update(&update, 1, NULL) == 0) changed++;
	}
	CHECK_EQ(changed, 0);
	return NULL;
}

static uint64_t *stale_page;

static void store_stale(void *arg) {
	(void)arg;
	stale_page[7] = 0x7777;
}

/* A translation that the guest did not flush must not outlive the writable type. */
const char *hostile_stale_translation(void) {
	uint64_t *alias = pv_page(), *table = pv_page();

	stale_page = alias;
	CHECK_EQ(pv_protect(table, PV_RO), 0);
	CHECK_EQ(update_va_mapping(va(alias), pte(table, PV_RW), UVMF_INVLPG), 0);
	alias[7] = 0;
	CHECK_EQ(update_va_mapping(va(alias), 0, UVMF_NONE), 0);
	CHECK_EQ(pin(1, table), 0);
	CHECK(pv_try(store_stale, NULL));
	CHECK_EQ(table[7], 0);
	CHECK_EQ(unpin(table), 0);
	CHECK_EQ(pv_protect(table, PV_RW), 0);
	CHECK_EQ(pv_protect(alias, PV_RW), 0);
	return NULL;
}

static void load(void *arg) { (void)*(volatile uint64_t *)arg; }

/* The same one level up: nothing is left of a table that was unhooked. */
const char *hostile_stale_upper_translation(void) {
	uint64_t *table = pv_page(), *page = pv_page();
	const volatile uint64_t *l2 = pv_entry(PV_VIRT_BASE, 2) + 301;
	uint64_t *window = (uint64_t *)(PV_VIRT_BASE + 301 * 512 * PV_PAGE);

	table[0] = pte(page, PV_RW);
	CHECK_EQ(pv_protect(table, PV_RO), 0);
	CHECK_EQ(pv_set_entry(l2, pte(table, PV_TABLE)), 0);
	window[1] = 0x4242;
	CHECK_EQ(page[1], 0x4242);
	CHECK_EQ(pv_set_entry(l2, 0), 0);
	CHECK(pv_try(load, window));
	CHECK(pv_try(store, window));
	CHECK_EQ(pv_protect(table, PV_RW), 0);
	table[0] = 0;
	return NULL;
}

/* The limit is checked with each frame, however the wish is put. */
const char *hostile_more_memory_than_allowed(void) {
	static uint64_t frames[64];
	struct xen_memory_domid self = {.domid = DOMID_SELF};
	struct xen_memory_reservation change = {
		.extent_start = va(frames), .nr_extents = 64, .domid = DOMID_SELF};
	int64_t pages = memory_op(XENMEM_current_reservation, &self);
	int64_t most = memory_op(XENMEM_maximum_reservation, &self);

	CHECK(pages > 0 && pages <= most);
	for (int round = 0; round < 3; round++) {
		for (unsigned i = 0; i < 64; i++) frames[i] = pv_start->nr_pages + 1000 + i;
		CHECK(memory_op(XENMEM_populate_physmap, &change) <= most - pages);
		change.extent_order = 9;
		CHECK(memory_op(XENMEM_populate_physmap, &change) <= most - pages);
		change.extent_order = 0;
		memory_op(XENMEM_increase_reservation, &change);
		CHECK(memory_op(XENMEM_current_reservation, &self) <= most);
	}
	return NULL;
}

const char *hostile_unpinned_root_in_use(void) {
	uint64_t *root = pv_page();

	memcpy(root, (void *)pv_start->pt_base, PV_PAGE);
	CHECK_EQ(pv_protect(root, PV_RO), 0);
	CHECK_EQ(pin(4, root), 0);
	CHECK_EQ(mmuext(MMUEXT_NEW_BASEPTR, pv_mfn(root), 0), 0);
	CHECK_EQ(unpin(root), 0);
	CHECK(pv_protect(root, PV_RW) < 0);
	CHECK(unpin(root) < 0);
	CHECK_EQ(mmuext(MMUEXT_NEW_BASEPTR, pv_kernel_l4_mfn, 0), 0);
	CHECK_EQ(pv_protect(root, PV_RW), 0);
	return NULL;
}

/* Frames given back while mapped, pinned, or a root: nobody gets them meanwhile. */
const char *hostile_given_back_while_used(void) {
	uint64_t *mapped = pv_page(), *pinned = pv_page(), *spare = pv_page();
	uint64_t frame, pfn = pv_pfn(spare), old = pv_mfn(mapped);
	struct xen_memory_reservation change = {
		.extent_start = va(&frame), .nr_extents = 1, .domid = DOMID_SELF};

	CHECK_EQ(pv_protect(pinned, PV_RO), 0);
	CHECK_EQ(pin(1, pinned), 0);
	frame = pv_mfn(pinned);
	memory_op(XENMEM_decrease_reservation, &change);
	CHECK(pv_protect(pinned, PV_RW) < 0);
	frame = pv_kernel_l4_mfn;
	memory_op(XENMEM_decrease_reservation, &change);
	CHECK_EQ(pv_m2p()[pv_mfn(spare)], pfn);
	frame = old;
	memory_op(XENMEM_decrease_reservation, &change);
	mapped[0] = 0x1111;
	frame = pfn;
	if (memory_op(XENMEM_populate_physmap, &change) == 1) {
		CHECK(frame != old);
		CHECK(frame != pv_mfn(pinned));
		CHECK(frame != pv_kernel_l4_mfn);
	}
	CHECK_EQ(mapped[0], 0x1111);
	CHECK_EQ(update_va_mapping(va(mapped), 0, UVMF_INVLPG), 0);
	return NULL;
}

static void load_cr3(void *arg) { __asm__ volatile("movq %0, %%cr3" : : "r"(va(arg))); }

const char *hostile_cr3_of_data(void) {
	CHECK(pv_try(load_cr3, (void *)(pv_mfn(pv_page()) * PV_PAGE)));
	CHECK_EQ(pv_fault.vector, 13);
	CHECK(pv_try(load_cr3, (void *)(1ULL << 51)));
	CHECK(pv_try(load_cr3, NULL));
	CHECK_EQ(pv_m2p()[pv_kernel_l4_mfn], pv_pfn((void *)pv_start->pt_base));
	return NULL;
}
