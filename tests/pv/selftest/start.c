/* SPDX-License-Identifier: BSD-2-Clause */
/* What a kernel finds at its start, calls about the machine and memory, time. */
#include "selftest.h"

const char *test_start_info(void) {
	CHECK(memcmp(pv_start->magic, "xen-3.0-x86_64", 14) == 0);
	CHECK(pv_start->nr_pages >= 1024);
	CHECK(pv_start->shared_info % PV_PAGE == 0);
	CHECK(pv_start->pt_base % PV_PAGE == 0);
	CHECK(pv_start->nr_pt_frames >= 4);
	CHECK(pv_start->pt_base > va(pv_image_end));
	CHECK(pv_start->mfn_list >= va(pv_image_end));
	if (!pv_is_dom0()) {
		CHECK_EQ(pv_start->flags & (SIF_PRIVILEGED | SIF_INITDOMAIN), 0);
		CHECK(pv_start->console_evtchn != 0);
		CHECK(pv_m2p()[pv_start->console_mfn] < pv_start->nr_pages);
		CHECK(pv_m2p()[pv_start->store_mfn] < pv_start->nr_pages);
		CHECK_EQ(pv_p2m()[pv_m2p()[pv_start->console_mfn]], pv_start->console_mfn);
	}
	return NULL;
}

const char *test_p2m_and_m2p(void) {
	for (uint64_t pfn = 0; pfn < pv_start->nr_pages; pfn++)
		CHECK_EQ(pv_m2p()[pv_p2m()[pfn]], pfn);
	return NULL;
}

static void store(void *arg) { *(volatile uint64_t *)arg = 0; }

const char *test_boot_tables_read_only(void) {
	for (uint64_t i = 0; i < pv_start->nr_pt_frames; i++) {
		uint64_t table = pv_start->pt_base + i * PV_PAGE;

		CHECK_EQ(*pv_entry(table, 1) & XEN_PTE_RW, 0);
	}
	/* Slots of the hypervisor are no way around that. */
	CHECK(pv_try(store, (void *)MACH2PHYS_VIRT_START));
	return NULL;
}

const char *test_hypercall_page(void) {
	static const uint8_t stub[] = {0x51, 0x41, 0x53, 0xb8, 17,   0,    0,   0,
				       0x0f, 0x05, 0x41, 0x5b, 0x59, 0xc3, 0xcc};
	static const uint8_t iret[] = {0x51, 0x41, 0x53, 0x50, 0xb8, 23, 0, 0, 0, 0x0f, 0x05};
	int64_t (*version)(uint64_t, void *) =
		(int64_t(*)(uint64_t, void *))va(pv_hypercall_page + 17 * 32);

	CHECK(memcmp(pv_hypercall_page + 17 * 32, stub, 14) == 0);
	CHECK(memcmp(pv_hypercall_page + 23 * 32, iret, sizeof iret) == 0);
	CHECK_EQ(version(XENVER_version, NULL), xen_version(XENVER_version, NULL));
	return NULL;
}

const char *test_registers_survive(void) {
	uint64_t regs[12] = {0}, *into = regs;

	__asm__ volatile("pushq %%rbp; pushq %%rbx; pushq %%rax\n"
			 "movq $17, %%rax; movl $0x0b0b, %%ebx; movl $0x0505, %%ebp\n"
			 "xorl %%edi, %%edi; movl $0x5151, %%esi; movl $0xd0d0, %%edx\n"
			 "movl $0x08, %%r8d; movl $0x09, %%r9d; movl $0x10, %%r10d\n"
			 "movl $0x12, %%r12d; movl $0x13, %%r13d; movl $0x14, %%r14d\n"
			 "movl $0x15, %%r15d\n"
			 "syscall\n"
			 "popq %%rcx; movq %%rax, (%%rcx); movq %%rbx, 8(%%rcx)\n"
			 "movq %%rbp, 16(%%rcx); movq %%rdi, 24(%%rcx); movq %%rsi, 32(%%rcx)\n"
			 "movq %%rdx, 40(%%rcx); movq %%r8, 48(%%rcx); movq %%r9, 56(%%rcx)\n"
			 "movq %%r10, 64(%%rcx); movq %%r12, 72(%%rcx); movq %%r13, 80(%%rcx)\n"
			 "addq %%r14, %%r15; movq %%r15, 88(%%rcx)\n"
			 "popq %%rbx; popq %%rbp"
			 : "+a"(into)
			 :
			 : "rdi", "rsi", "rdx", "r8", "r9", "r10", "r11", "r12", "r13", "r14",
			   "r15", "rcx", "memory");
	static const uint64_t expected[12] = {0,    0x0b0b, 0x0505, 0,    0x5151, 0xd0d0,
					      0x08, 0x09,   0x10,   0x12, 0x13,   0x29};

	CHECK_EQ(regs[0], xen_version(XENVER_version, NULL));
	for (int i = 1; i < 12; i++) CHECK_EQ(regs[i], expected[i]);
	return NULL;
}

const char *test_version(void) {
	static char text[1024];
	struct xen_platform_parameters parameters;

	CHECK(xen_version(XENVER_version, NULL) >= 3 << 16);
	CHECK_EQ(xen_version(XENVER_extraversion, text), 0);
	CHECK_EQ(xen_version(XENVER_capabilities, text), 0);
	CHECK(strlen(text) < XEN_CAPABILITIES_INFO_LEN);
	CHECK_EQ(xen_version(XENVER_pagesize, NULL), 4096);
	CHECK_EQ(xen_version(XENVER_platform_parameters, &parameters), 0);
	CHECK_EQ(xen_version(XENVER_guest_handle, text), 0);
	CHECK_EQ(xen_version(99, text), -XEN_ENOSYS);
	return NULL;
}

const char *test_features(void) {
	struct xen_feature_info info = {.submap_idx = 0};

	CHECK_EQ(xen_version(XENVER_get_features, &info), 0);
	CHECK(info.submap >> XENFEAT_mmu_pt_update_preserve_ad & 1);
	CHECK(info.submap >> XENFEAT_gnttab_map_avail_bits & 1);
	CHECK_EQ(info.submap & 0xf, 0);
	if (!pv_is_dom0())
		CHECK_EQ(info.submap & (1 << 8 | 1 << 9 | 1 << 10 | 1 << 11 | 1 << 15), 0);
	info.submap_idx = 1;
	CHECK_EQ(xen_version(XENVER_get_features, &info), -XEN_EINVAL);
	return NULL;
}

const char *test_memory_map(void) {
	static struct xen_e820_entry entries[32];
	struct xen_memory_map map = {.nr_entries = 32, .buffer = va(entries)};
	uint64_t ram = 0;

	CHECK_EQ(memory_op(XENMEM_memory_map, &map), 0);
	CHECK(map.nr_entries > 0 && map.nr_entries <= 32);
	for (uint32_t i = 0; i < map.nr_entries; i++) {
		if (entries[i].type == XEN_E820_RAM) ram += entries[i].size;
	}
	CHECK(ram >= pv_start->nr_pages * PV_PAGE);
	CHECK_EQ(entries[0].addr, 0);
	return NULL;
}

const char *test_machphys_mapping(void) {
	struct xen_machphys_mapping mapping;

	CHECK_EQ(memory_op(XENMEM_machphys_mapping, &mapping), 0);
	CHECK_EQ(mapping.v_start, MACH2PHYS_VIRT_START);
	CHECK(mapping.v_end > mapping.v_start);
	CHECK(mapping.max_mfn > 0);
	return NULL;
}

/* One page goes and another one comes in its place, empty. */
const char *test_balloon(void) {
	uint64_t *page = pv_page(), pfn = pv_pfn(page), old = pv_mfn(page), frame = old;
	struct xen_memory_domid self = {.domid = DOMID_SELF};
	struct xen_memory_reservation change = {
		.extent_start = va(&frame), .nr_extents = 1, .domid = DOMID_SELF};
	struct mmu_update forget = {old * PV_PAGE | MMU_MACHPHYS_UPDATE, INVALID_M2P_ENTRY};

	int64_t pages = memory_op(XENMEM_current_reservation, &self);

	page[5] = 0x5ec4e7;
	CHECK(pages > 0);
	CHECK_EQ(pv_protect(page, 0), 0);
	CHECK_EQ(mmu_update(&forget, 1, NULL), 0);
	CHECK_EQ(memory_op(XENMEM_decrease_reservation, &change), 1);
	CHECK_EQ(memory_op(XENMEM_current_reservation, &self), pages - 1);
	CHECK(update_va_mapping(va(page), old * PV_PAGE | PV_RW, UVMF_INVLPG) < 0);

	frame = pfn;
	CHECK_EQ(memory_op(XENMEM_populate_physmap, &change), 1);
	CHECK_EQ(memory_op(XENMEM_current_reservation, &self), pages);
	CHECK_EQ(pv_m2p()[frame], pfn);
	pv_p2m()[pfn] = frame;
	CHECK_EQ(pv_protect(page, PV_RW), 0);
	if (!pv_is_dom0())
		for (int i = 0; i < 512; i++) CHECK_EQ(page[i], 0);
	page[0] = 1;
	return NULL;
}

const char *test_multicalls(void) {
	struct multicall_entry calls[3] = {
		{.op = __HYPERVISOR_xen_version, .result = 77, .args = {XENVER_pagesize}},
		{.op = 60, .result = 77},
		{.op = __HYPERVISOR_xen_version, .result = 77, .args = {XENVER_version}}};

	CHECK_EQ(multicall(calls, 3), 0);
	CHECK_EQ(calls[0].result, 4096);
	CHECK_EQ(calls[1].result, -XEN_ENOSYS);
	CHECK_EQ(calls[2].result, xen_version(XENVER_version, NULL));
	CHECK_EQ(calls[0].args[0], XENVER_pagesize);
	CHECK_EQ(multicall(calls, 0), 0);
	return NULL;
}

const char *test_clock(void) {
	struct vcpu_time_info *time = &pv_vcpu->time;
	uint64_t last = pv_time_ns(), first = last;

	CHECK(time->version % 2 == 0 && time->version > 0);
	CHECK(time->tsc_to_system_mul != 0);
	while (last - first < 3000000) {
		uint64_t next = pv_time_ns();

		CHECK(next >= last);
		last = next;
	}
	return NULL;
}

const char *test_wall_clock(void) {
	CHECK(pv_shared->wc_version % 2 == 0);
	CHECK(pv_shared->wc_sec != 0);
	CHECK(pv_shared->wc_nsec < 1000000000);
	return NULL;
}
