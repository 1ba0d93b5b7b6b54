/* SPDX-License-Identifier: BSD-2-Clause */
/* Page tables: hypercalls that change them, types of frames, emulated writes. */
#include "selftest.h"

static uint64_t pte(void *page, uint64_t flags) { return pv_mfn(page) * PV_PAGE | flags; }

static volatile uint64_t *l1_of(void *page) { return pv_entry(va(page), 1); }

/* A second mapping of a page shows what is written through the first one. */
const char *test_update_va(void) {
	uint64_t *a = pv_page(), *b = pv_page();

	CHECK_EQ(update_va_mapping(va(b), pte(a, PV_RW), UVMF_INVLPG), 0);
	a[3] = 33;
	CHECK_EQ(b[3], 33);
	CHECK_EQ(update_va_mapping(va(b), pte(b, PV_RW), UVMF_TLB_FLUSH | UVMF_ALL), 0);
	CHECK_EQ(*(volatile uint64_t *)&b[3], 0);
	CHECK_EQ(update_va_mapping(va(b), 0, UVMF_INVLPG | UVMF_ALL), 0);
	CHECK_EQ(*l1_of(b) & XEN_PTE_PRESENT, 0);
	CHECK_EQ(pv_protect(b, PV_RW), 0);
	return NULL;
}

const char *test_mmu_updates(void) {
	uint8_t *a = pv_page(), *b = pv_page();
	uint32_t done = 99;
	struct mmu_update updates[3] = {{pv_entry_ma(l1_of(a)), 0},
					{pv_entry_ma(l1_of(b)), 0},
					{pv_entry_ma(l1_of(b)) | 3, 1ULL << 51 | 1}};

	CHECK_EQ(mmu_update(updates, 2, &done), 0);
	CHECK_EQ(done, 2);
	CHECK_EQ(*l1_of(a), 0);
	updates[0].val = pte(a, PV_RW);
	updates[1].val = 1ULL << 51 | XEN_PTE_PRESENT;
	CHECK(mmu_update(updates, 3, &done) < 0);
	CHECK_EQ(done, 1);
	CHECK(*l1_of(a) & XEN_PTE_PRESENT);
	CHECK_EQ(pv_protect(b, PV_RW), 0);
	CHECK_EQ(mmu_update(updates, 0, &done), 0);
	CHECK_EQ(done, 0);
	return NULL;
}

const char *test_preserve_ad(void) {
	uint8_t *page = pv_page();
	struct mmu_update update = {pv_entry_ma(l1_of(page)) | MMU_PT_UPDATE_PRESERVE_AD,
				    pte(page, PV_RW) & ~(XEN_PTE_ACCESSED | XEN_PTE_DIRTY)};

	*(volatile uint8_t *)page = 1;
	CHECK(*l1_of(page) & XEN_PTE_DIRTY);
	CHECK_EQ(mmu_update(&update, 1, NULL), 0);
	CHECK(*l1_of(page) & XEN_PTE_DIRTY);
	CHECK(*l1_of(page) & XEN_PTE_ACCESSED);
	update.ptr -= MMU_PT_UPDATE_PRESERVE_AD;
	CHECK_EQ(mmu_update(&update, 1, NULL), 0);
	CHECK_EQ(*l1_of(page) & XEN_PTE_DIRTY, 0);
	mmuext(MMUEXT_INVLPG_LOCAL, va(page), 0);
	*(volatile uint8_t *)page = 2;
	CHECK(*l1_of(page) & XEN_PTE_DIRTY);
	return NULL;
}

const char *test_machphys_update(void) {
	uint64_t mfn = pv_mfn(pv_page()), pfn = pv_m2p()[mfn];
	struct mmu_update update = {mfn * PV_PAGE | MMU_MACHPHYS_UPDATE, 0x123456};

	CHECK_EQ(mmu_update(&update, 1, NULL), 0);
	CHECK_EQ(pv_m2p()[mfn], 0x123456);
	update.val = pfn;
	CHECK_EQ(mmu_update(&update, 1, NULL), 0);
	CHECK_EQ(pv_m2p()[mfn], pfn);
	return NULL;
}

const char *test_pin_unpin(void) {
	uint64_t *table = pv_page(), *page = pv_page();

	CHECK_EQ(mmuext(MMUEXT_PIN_L1_TABLE, pv_mfn(table), 0), -XEN_EINVAL);
	table[0] = pte(page, PV_RW);
	table[511] = pte(page, PV_RO);
	CHECK_EQ(pv_protect(table, PV_RO), 0);
	CHECK_EQ(mmuext(MMUEXT_PIN_L1_TABLE, pv_mfn(table), 0), 0);
	CHECK_EQ(pv_protect(table, PV_RW), -XEN_EBUSY);
	CHECK_EQ(pv_protect(page, PV_RO), 0);
	/* A frame that is mapped writable cannot be a table, and the other way round. */
	CHECK_EQ(mmuext(MMUEXT_PIN_L1_TABLE, pv_mfn(page), 0), -XEN_EINVAL);
	CHECK_EQ(pv_set_entry(&table[0], 0), 0);
	CHECK_EQ(mmuext(MMUEXT_PIN_L1_TABLE, pv_mfn(page), 0), 0);
	CHECK_EQ(pv_set_entry(&table[0], pte(page, PV_RW)), -XEN_EBUSY);
	CHECK_EQ(pv_set_entry(&table[0], pte(page, PV_RO)), 0);
	CHECK_EQ(mmuext(MMUEXT_UNPIN_TABLE, pv_mfn(page), 0), 0);
	CHECK_EQ(mmuext(MMUEXT_UNPIN_TABLE, pv_mfn(page), 0), -XEN_EINVAL);
	CHECK_EQ(mmuext(MMUEXT_UNPIN_TABLE, pv_mfn(table), 0), 0);
	CHECK_EQ(pv_protect(table, PV_RW), 0);
	CHECK_EQ(pv_protect(page, PV_RW), 0);
	return NULL;
}

const char *test_new_root(void) {
	uint64_t *root = pv_page(), cr3;

	memcpy(root, (void *)pv_start->pt_base, PV_PAGE);
	root[256] = 0xdead; /* the hypervisor's slots are its own affair */
	CHECK_EQ(pv_protect(root, PV_RO), 0);
	CHECK_EQ(mmuext(MMUEXT_NEW_BASEPTR, pv_mfn(root), 0), 0);
	__asm__ volatile("movq %%cr3, %0" : "=r"(cr3));
	CHECK_EQ(cr3, pv_mfn(root) * PV_PAGE);
	CHECK_EQ(pv_m2p()[pv_mfn(root)], pv_pfn(root));
	CHECK_EQ(pv_protect(root, PV_RW), -XEN_EBUSY);
	CHECK_EQ(mmuext(MMUEXT_NEW_BASEPTR, pv_kernel_l4_mfn, 0), 0);
	CHECK_EQ(pv_protect(root, PV_RW), 0);
	return NULL;
}

/* Leaves come back with US, and with the guest-kernel mark or G. */
const char *test_leaf_bits(void) {
	uint8_t *page = pv_page();

	CHECK_EQ(pv_protect(page, PV_RW | XEN_PTE_AVAIL), 0);
	CHECK_EQ(*l1_of(page) & (XEN_PTE_USER | XEN_PTE_GUEST_KERNEL | XEN_PTE_AVAIL),
		 XEN_PTE_USER | XEN_PTE_GUEST_KERNEL | XEN_PTE_AVAIL);
	CHECK_EQ(pv_protect(page, PV_RW | XEN_PTE_USER), 0);
	CHECK_EQ(*l1_of(page) & (XEN_PTE_USER | XEN_PTE_GUEST_KERNEL), XEN_PTE_USER);
	CHECK_EQ(pv_protect(page, PV_RW | XEN_PTE_NX), 0);
	CHECK_EQ(*l1_of(page) & XEN_PTE_NX, XEN_PTE_NX);
	CHECK_EQ(pv_protect(page, PV_RW), 0);
	return NULL;
}

/* Ordinary instructions on entries of an L1 that is mapped read-only. */
const char *test_pte_writes(void) {
	uint8_t *page = pv_page();
	volatile uint64_t *entry = l1_of(page);
	uint64_t value = pte(page, PV_RW | XEN_PTE_USER), old, seen;
	bool flag;

	*entry = 0;
	CHECK_EQ(*entry, 0);
	*entry = value;
	CHECK_EQ(*entry & ~XEN_PTE_GLOBAL, value);
	__asm__ volatile("movq $0x40, %0" : "+m"(*entry));
	CHECK_EQ(*entry, 0x40);
	old = value;
	__asm__ volatile("xchgq %0, %1" : "+r"(old), "+m"(*entry));
	CHECK_EQ(old, 0x40);
	seen = *entry;

	old = 1;
	__asm__ volatile("lock; cmpxchgq %3, %1; sete %2"
			 : "+a"(old), "+m"(*entry), "=q"(flag)
			 : "r"(0ULL));
	CHECK(!flag);
	CHECK_EQ(old, seen);
	__asm__ volatile("lock; cmpxchgq %3, %1; sete %2"
			 : "+a"(old), "+m"(*entry), "=q"(flag)
			 : "r"(value & ~XEN_PTE_RW));
	CHECK(flag);
	CHECK_EQ(*entry & XEN_PTE_RW, 0);

	__asm__ volatile("lock; btrq $5, %0; setc %1" : "+m"(*entry), "=q"(flag));
	CHECK(flag);
	CHECK_EQ(*entry & XEN_PTE_ACCESSED, 0);
	__asm__ volatile("lock; btrq $5, %0; setc %1" : "+m"(*entry), "=q"(flag));
	CHECK(!flag);
	CHECK_EQ(pv_protect(page, PV_RW), 0);
	return NULL;
}

const char *test_pte_write_byte(void) {
	uint8_t *page = pv_page();
	volatile uint64_t *entry = l1_of(page);
	uint64_t before = *entry;

	CHECK(before & XEN_PTE_RW);
	__asm__ volatile("lock; andb $0xfd, %0" : "+m"(*(volatile uint8_t *)entry));
	CHECK_EQ(*entry, before & ~XEN_PTE_RW);
	__asm__ volatile("lock; orb $2, %0" : "+m"(*(volatile uint8_t *)entry));
	CHECK_EQ(*entry, before);
	return NULL;
}

static void store(void *arg) {
	uint64_t *pair = arg;

	*(volatile uint64_t *)pair[0] = pair[1];
}

/* What mmu_update would refuse comes back as the page fault that it is. */
const char *test_pte_write_refused(void) {
	uint8_t *page = pv_page();
	volatile uint64_t *entry = l1_of(page);
	uint64_t before = *entry, write[2];

	write[0] = va(entry);
	write[1] = pv_kernel_l4_mfn * PV_PAGE | PV_RW;
	CHECK(pv_try(store, write));
	CHECK_EQ(pv_fault.vector, 14);
	CHECK_EQ(pv_fault.error, 3);
	CHECK_EQ(pv_fault_cr2, va(entry));
	CHECK_EQ(*entry, before);
	/* Upper tables are for hypercalls. */
	write[0] = va(pv_entry(va(page), 2));
	write[1] = 0;
	CHECK(pv_try(store, write));
	CHECK_EQ(pv_fault.vector, 14);
	return NULL;
}

const char *test_flushes(void) {
	uint64_t vcpus = 1;

	CHECK_EQ(mmuext(MMUEXT_TLB_FLUSH_LOCAL, 0, 0), 0);
	CHECK_EQ(mmuext(MMUEXT_TLB_FLUSH_ALL, 0, 0), 0);
	CHECK_EQ(mmuext(MMUEXT_TLB_FLUSH_MULTI, 0, va(&vcpus)), 0);
	CHECK_EQ(mmuext(MMUEXT_INVLPG_LOCAL, va(&vcpus), 0), 0);
	CHECK_EQ(mmuext(MMUEXT_INVLPG_ALL, va(&vcpus), 0), 0);
	CHECK_EQ(mmuext(MMUEXT_INVLPG_MULTI, va(&vcpus), va(&vcpus)), 0);
	CHECK_EQ(mmuext(MMUEXT_INVLPG_LOCAL, 0xffff830000000000, 0), 0);
	CHECK_EQ(mmuext(MMUEXT_INVLPG_LOCAL, 0x1000000000000000, 0), 0);
	return NULL;
}
