/* SPDX-License-Identifier: BSD-2-Clause */
/* Guest pointers, batches, long calls, calls with everything wrong. */
#include "hostile.h"

const char *hostile_output_to_read_only(void) {
	uint8_t *page = pv_page();
	struct multicall_entry *call = (void *)page;

	*call = (struct multicall_entry){.op = __HYPERVISOR_xen_version, .result = 5};
	CHECK_EQ(pv_protect(page, PV_RO), 0);
	CHECK_EQ(xen_version(XENVER_extraversion, page), -XEN_EFAULT);
	CHECK_EQ(multicall(call, 1), -XEN_EFAULT);
	CHECK_EQ(call->result, 5);
	CHECK_EQ(vcpu_op(VCPUOP_get_runstate_info, 0, page), -XEN_EFAULT);
	CHECK_EQ(memory_op(XENMEM_machphys_mapping, page), -XEN_EFAULT);
	CHECK_EQ(xen_version(XENVER_extraversion, (void *)MACH2PHYS_VIRT_START), -XEN_EFAULT);
	CHECK_EQ(pv_protect(page, PV_RW), 0);
	return NULL;
}

/* The hypervisor may not write a table on the guest's behalf. */
const char *hostile_output_to_page_table(void) {
	uint64_t *table = (uint64_t *)pv_entry(PV_VIRT_BASE, 1), before[8];
	struct evtchn_alloc_unbound *alloc = (void *)table;

	memcpy(before, table, sizeof before);
	CHECK(xen_version(XENVER_capabilities, table) < 0);
	CHECK(xen_version(XENVER_get_features, table) < 0);
	CHECK(vcpu_op(VCPUOP_get_runstate_info, 0, table) < 0);
	CHECK(event_channel_op(EVTCHNOP_alloc_unbound, alloc) < 0);
	CHECK(memory_op(XENMEM_machphys_mapping, table) < 0);
	CHECK_EQ(memcmp(before, table, sizeof before), 0);
	return NULL;
}

/* One's own frame, but by the hypervisor's address for it: no door for guests. */
const char *hostile_pointer_to_direct_map(void) {
	uint64_t *page = pv_page(), *secret = pv_page();
	uint8_t *alias = (uint8_t *)(HV_DIRECT + pv_mfn(page) * PV_PAGE);
	struct mmu_update *updates = (struct mmu_update *)(void *)page;

	updates->ptr = pv_mfn(secret) * PV_PAGE | MMU_MACHPHYS_UPDATE;
	updates->val = pv_pfn(secret);
	CHECK_EQ(mmu_update((struct mmu_update *)(void *)alias, 1, NULL), -XEN_EFAULT);
	CHECK_EQ(xen_version(XENVER_capabilities, alias), -XEN_EFAULT);
	CHECK_EQ(vcpu_op(VCPUOP_get_runstate_info, 0, alias), -XEN_EFAULT);
	CHECK_EQ(event_channel_op(EVTCHNOP_status, alias), -XEN_EFAULT);
	CHECK_EQ(multicall((struct multicall_entry *)(void *)alias, 1), -XEN_EFAULT);
	CHECK_EQ(page[1], pv_pfn(secret));
	CHECK_EQ(page[2], 0);
	return NULL;
}

const char *hostile_argument_over_page_end(void) {
	uint8_t *first = pv_page(), *second = pv_page();
	struct mmu_update *updates = (void *)(second - sizeof *updates);
	uint32_t done = 77;

	if (second != first + PV_PAGE) return "the pool's pages do not follow each other";
	CHECK_EQ(pv_protect(second, 0), 0);
	CHECK_EQ(xen_version(XENVER_extraversion, second - 8), -XEN_EFAULT);
	CHECK_EQ(event_channel_op(EVTCHNOP_status, second - 8), -XEN_EFAULT);
	/* The first element of a batch is there, the second is not. */
	updates->ptr = pv_mfn(first) * PV_PAGE | MMU_MACHPHYS_UPDATE;
	updates->val = pv_pfn(first);
	CHECK_EQ(mmu_update(updates, 2, &done), -XEN_EFAULT);
	CHECK_EQ(done, 1);
	CHECK_EQ(mmu_update(updates, 0x7fffffff, &done), -XEN_EFAULT);
	/* As dom0 of Xen 4.17 this was 0 once in many runs; why is not known. */
	if (!pv_is_dom0()) CHECK_EQ(done, 1);
	CHECK_EQ(pv_protect(second, PV_RW), 0);
	return NULL;
}

const char *hostile_multicall_nested(void) {
	struct multicall_entry inner = {.op = __HYPERVISOR_xen_version};
	struct multicall_entry outer[2] = {
		{.op = __HYPERVISOR_multicall, .result = 9, .args = {va(&inner), 1}},
		{.op = __HYPERVISOR_xen_version, .result = 9, .args = {XENVER_pagesize}}};

	inner.result = 9;
	CHECK_EQ(multicall(outer, 2), 0);
	CHECK_EQ(outer[0].result, -XEN_EINVAL);
	CHECK_EQ(outer[1].result, 4096);
	CHECK_EQ(inner.result, 9);
	return NULL;
}

/* It would change mode and rip under the batch: refused. */
const char *hostile_multicall_iret(void) {
	struct multicall_entry calls[2] = {
		{.op = __HYPERVISOR_iret, .result = 9},
		{.op = __HYPERVISOR_xen_version, .result = 9, .args = {XENVER_pagesize}}};

	CHECK_EQ(multicall(calls, 2), 0);
	CHECK_EQ(calls[0].result, -XEN_ENOSYS);
	CHECK_EQ(calls[1].result, 4096);
	return NULL;
}

/* Long enough to be interrupted and restarted. */
#define LONG 3000

const char *hostile_multicall_long(void) {
	static struct multicall_entry calls[LONG];

	for (unsigned i = 0; i < LONG; i++)
		calls[i] =
			(struct multicall_entry){.op = i % 3 == 2 ? 60 : __HYPERVISOR_xen_version,
						 .result = 1,
						 .args = {i % 3 ? XENVER_pagesize : 99}};
	CHECK_EQ(multicall(calls, LONG), 0);
	for (unsigned i = 0; i < LONG; i++)
		CHECK_EQ(calls[i].result, i % 3 == 1 ? 4096 : -XEN_ENOSYS);
	return NULL;
}

const char *hostile_multicall_into_nothing(void) {
	uint8_t *first = pv_page(), *second = pv_page();
	struct multicall_entry *calls = (struct multicall_entry *)(void *)second - 2;

	if (second != first + PV_PAGE) return "the pool's pages do not follow each other";
	CHECK_EQ(pv_protect(second, 0), 0);
	calls[0] = calls[1] =
		(struct multicall_entry){.op = __HYPERVISOR_xen_version, .args = {XENVER_pagesize}};
	CHECK_EQ(multicall(calls, 1000000), -XEN_EFAULT);
	CHECK_EQ(calls[0].result, 4096);
	CHECK_EQ(calls[1].result, 4096);
	/* A batch that takes away the page it is in. */
	CHECK_EQ(pv_protect(second, PV_RW), 0);
	calls = (void *)second;
	calls[0] = (struct multicall_entry){.op = __HYPERVISOR_update_va_mapping,
					    .args = {va(second), 0, UVMF_INVLPG}};
	calls[1] = (struct multicall_entry){.op = __HYPERVISOR_xen_version};
	CHECK_EQ(multicall(calls, 2), -XEN_EFAULT);
	CHECK_EQ(pv_protect(second, PV_RW), 0);
	return NULL;
}

const char *hostile_mmu_update_long(void) {
	static struct mmu_update updates[LONG];
	uint8_t *page = pv_page();
	uint64_t entry = pv_entry_ma(pv_entry(va(page), 1)), frame = pv_mfn(page) * PV_PAGE;
	uint32_t done = 0;

	for (unsigned i = 0; i < LONG; i++)
		updates[i] = (struct mmu_update){entry, i % 2 ? frame | PV_RW : frame | PV_RO};
	updates[LONG - 10].ptr = 1ULL << 51;
	CHECK(mmu_update(updates, LONG, &done) < 0);
	CHECK_EQ(done, LONG - 10);
	updates[LONG - 10].ptr = entry;
	CHECK_EQ(mmu_update(updates, LONG, &done), 0);
	if (!pv_is_dom0()) /* Xen's count goes wrong when it is interrupted */
		CHECK_EQ(done, LONG);
	*(volatile uint8_t *)page = 1;
	return NULL;
}

/* --- Random calls --- */

static uint64_t seed;

static uint64_t random(uint64_t limit) {
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % limit;
}

static uint8_t *scratch;

static uint64_t random_word(void) {
	static const uint64_t words[] = {0,
					 1,
					 2,
					 3,
					 4,
					 8,
					 17,
					 63,
					 64,
					 511,
					 512,
					 4095,
					 4096,
					 0x7fff,
					 0x7ff0,
					 0x7ff1,
					 0x7ff2,
					 0xffff,
					 1 << 20,
					 0x7fffffff,
					 1U << 31U,
					 UINT32_MAX,
					 1ULL << 40,
					 1ULL << 51,
					 1ULL << 63,
					 UINT64_MAX,
					 HV_TEXT,
					 HV_DIRECT,
					 NON_CANONICAL,
					 MACH2PHYS_VIRT_START};

	switch (random(4)) {
	case 0: return va(scratch) + random(4096);
	case 1: return va(scratch) + random(512) * 8;
	case 2: return random(200);
	default: return words[random(sizeof words / sizeof *words)];
	}
}

/* What would end or block this kernel by right is left out. */
static bool allowed(const uint64_t *call) {
	switch (call[0]) {
	case __HYPERVISOR_set_trap_table:
	case __HYPERVISOR_stack_switch:
	case __HYPERVISOR_set_callbacks:
	case __HYPERVISOR_multicall:
	case __HYPERVISOR_iret:
	case __HYPERVISOR_update_va_mapping:
	case __HYPERVISOR_callback_op: return false;
	case __HYPERVISOR_sched_op:
		return call[1] == SCHEDOP_yield || call[1] > SCHEDOP_pin_override;
	case __HYPERVISOR_vcpu_op:
		return (uint32_t)call[1] != VCPUOP_down &&
		       (uint32_t)call[1] != VCPUOP_register_vcpu_info &&
		       (uint32_t)call[1] != VCPUOP_register_runstate_memory_area &&
		       (uint32_t)call[1] != VCPUOP_register_vcpu_time_memory_area;
	case __HYPERVISOR_event_channel_op:
		return (uint32_t)call[1] != EVTCHNOP_close && (uint32_t)call[1] != EVTCHNOP_reset;
	case __HYPERVISOR_set_debugreg: return call[1] != 7;
	case __HYPERVISOR_mmuext_op: return call[2] < 4;
	default: return true;
	}
}

const char *hostile_random_calls(void) {
	uint64_t call[5];

	seed = 0x9e3779b97f4a7c15;
	scratch = pv_page();
	for (unsigned n = 0; n < 30000; n++) {
		/* Some structure in it, refilled now and then. */
		if (n % 16 == 0)
			for (unsigned i = 0; i < 64; i++)
				((uint64_t *)(void *)scratch)[random(512)] = random_word();
		call[0] = random(66);
		for (int i = 1; i < 5; i++) call[i] = random_word();
		if (allowed(call)) hypercall(call[0], call[1], call[2], call[3], call[4]);
	}
	hypercall(__HYPERVISOR_fpu_taskswitch, 0, 0, 0, 0);
	hypercall(__HYPERVISOR_set_timer_op, 0, 0, 0, 0);
	for (uint64_t i = 0; i < 4; i++) hypercall(__HYPERVISOR_set_debugreg, i, 0, 0, 0);
	vcpu_op(VCPUOP_stop_periodic_timer, 0, NULL);
	CHECK(xen_version(XENVER_version, NULL) > 0);
	CHECK_EQ(pv_m2p()[pv_mfn(scratch)], pv_pfn(scratch));
	return NULL;
}

/* A guest holds no capability, whatever slot it names. */
const char *hostile_capability_calls(void) {
	static uint8_t info[256];

	for (uint64_t op = 0; op < 0x80; op++) {
		for (uint64_t slot = 0; slot < 70; slot++) {
			int64_t result = hypercall(63, op, slot, va(info), 0);

			CHECK(result < 0 || op == 0x05 /* CAP_INSPECT */);
		}
		CHECK(hypercall(63, op, UINT64_MAX, va(info), 0) < 0);
		CHECK(hypercall(63, op, 1ULL << 32, va(info), 0) < 0);
		CHECK(hypercall(63, op, 0, HV_TEXT, 0) < 0);
	}
	return NULL;
}
