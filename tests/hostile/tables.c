/* SPDX-License-Identifier: BSD-2-Clause */
/* Descriptor tables, and ordinary instructions that write page tables. */
#include "hostile.h"

extern uint8_t user_store8[];

/* TSS, LDT, call gate to kernel text, interrupt gate, trap gate, task gate. */
static const uint64_t system_descriptors[] = {0x0000890000000067, 0x0000820000000067,
					      0xffff8c00e0080000, 0x00008e0000080000,
					      0x00008f0000080000, 0x0000850000080000};

const char *hostile_gdt_system_descriptors(void) {
	for (unsigned i = 0; i < sizeof system_descriptors / sizeof *system_descriptors; i++) {
		uint64_t *gdt = pv_page(), frame = pv_mfn(gdt);

		gdt[100] = system_descriptors[i];
		CHECK_EQ(pv_protect(gdt, PV_RO), 0);
		int64_t result = hypercall(__HYPERVISOR_set_gdt, va(&frame), 512, 0, 0);

		/* A call gate may be accepted in a form that cannot be called. */
		if (result == 0) {
			CHECK_EQ(gdt[100] >> 40 & 0x1f, 0xc);
			CHECK_EQ(gdt[100] >> 45 & 3, 0);
			CHECK_EQ(hypercall(__HYPERVISOR_set_gdt, va(&frame), 0, 0, 0), 0);
		}
		CHECK_EQ(pv_protect(gdt, PV_RW), 0);
	}
	return NULL;
}

const char *hostile_descriptor_update_forms(void) {
	uint64_t *gdt = pv_page(), frame = pv_mfn(gdt), *data = pv_page();

	CHECK_EQ(pv_protect(gdt, PV_RO), 0);
	CHECK_EQ(hypercall(__HYPERVISOR_set_gdt, va(&frame), 512, 0, 0), 0);
	for (unsigned i = 0; i < sizeof system_descriptors / sizeof *system_descriptors; i++) {
		int64_t result = update_descriptor(frame * PV_PAGE + 80, system_descriptors[i]);

		CHECK(result < 0 || (gdt[10] >> 40 & 0x9f) == 0x8c);
		CHECK(result < 0 || (gdt[10] >> 45 & 3) == 0);
	}
	CHECK_EQ(update_descriptor(frame * PV_PAGE + 80, 0x00af9a000000ffff), 0);
	CHECK_EQ(gdt[10] >> 45 & 3, 3);
	CHECK_EQ(update_descriptor(frame * PV_PAGE + 80, 0x00cf92000000ffff), 0);
	CHECK_EQ(gdt[10] >> 45 & 3, 3);
	/* Not at a table, not in the middle of an entry, not in frames of others. */
	CHECK(update_descriptor(pv_kernel_l4_mfn * PV_PAGE, 0x00cff2000000ffff) < 0);
	CHECK(update_descriptor(frame * PV_PAGE + 84, 0x00cff2000000ffff) < 0);
	CHECK(update_descriptor(0, 0x00cff2000000ffff) < 0);
	CHECK(update_descriptor(UINT64_MAX & ~7ULL, 0x00cff2000000ffff) < 0);
	update_descriptor(pv_mfn(data) * PV_PAGE, system_descriptors[0]);
	CHECK_EQ(hypercall(__HYPERVISOR_set_gdt, va(&frame), 0, 0, 0), 0);
	CHECK_EQ(pv_protect(gdt, PV_RW), 0);
	CHECK_EQ(pv_protect(data, PV_RW), 0);
	return NULL;
}

static void load_es(void *arg) { __asm__ volatile("movl %0, %%es" : : "r"((uint32_t)va(arg))); }

static void far_call(void *arg) {
	struct {
		uint64_t offset;
		uint16_t selector;
	} target = {0, (uint16_t)va(arg)};

	__asm__ volatile(".byte 0x48; lcall *%0" : : "m"(target) : "memory");
}

/* An LDT with gates: the page is not accepted, or the gates cannot be used. */
const char *hostile_ldt_gates(void) {
	uint64_t *table = pv_page();

	for (unsigned i = 0; i < sizeof system_descriptors / sizeof *system_descriptors; i++) {
		CHECK_EQ(pv_protect(table, PV_RW), 0);
		table[5] = system_descriptors[i];
		table[7] = 0x00cff2000000ffff;
		CHECK_EQ(pv_protect(table, PV_RO), 0);
		CHECK_EQ(mmuext(MMUEXT_SET_LDT, va(table), 8), 0);
		CHECK(pv_try(load_es, (void *)(5 << 3 | 7)));
		CHECK(pv_try(far_call, (void *)(5 << 3 | 7)));
		if (!pv_try(load_es, (void *)(7 << 3 | 7))) CHECK(pv_protect(table, PV_RW) < 0);
		pv_try(load_es, NULL);
		CHECK_EQ(mmuext(MMUEXT_SET_LDT, 0, 0), 0);
	}
	/* A writable page, a page that is not there, a page of the hypervisor's. */
	CHECK_EQ(pv_protect(table, PV_RW), 0);
	CHECK_EQ(mmuext(MMUEXT_SET_LDT, va(table), 8), 0);
	CHECK(pv_try(load_es, (void *)(7 << 3 | 7)));
	CHECK_EQ(mmuext(MMUEXT_SET_LDT, 0x10000, 8), 0);
	CHECK(pv_try(load_es, (void *)(7 << 3 | 7)));
	CHECK_EQ(mmuext(MMUEXT_SET_LDT, 0, 0), 0);
	return NULL;
}

/* --- Writes to an L1 by instructions --- */

static volatile uint64_t *entry;
static uint64_t value;

static void by_stosb(void *arg) {
	__asm__ volatile("rep stosb" : : "D"(entry), "a"(0x67), "c"(9ULL) : "memory");
	(void)arg;
}

static void by_movsq(void *arg) {
	__asm__ volatile("movsq" : : "D"(entry), "S"(&value) : "memory");
	(void)arg;
}

static void by_half(void *arg) {
	*(volatile uint32_t *)entry = (uint32_t)value;
	(void)arg;
}

static void by_add(void *arg) {
	__asm__ volatile("addq %1, %0" : "+m"(*entry) : "r"(PV_PAGE));
	(void)arg;
}

static void by_lock_or(void *arg) {
	__asm__ volatile("lock; orq %1, %0" : "+m"(*entry) : "r"(1ULL << 51));
	(void)arg;
}

static void by_lock_bts(void *arg) {
	__asm__ volatile("lock; btsq $45, %0" : "+m"(*entry));
	(void)arg;
}

static void by_sse(void *arg) {
	__asm__ volatile("movups %%xmm0, (%0)" : : "r"(entry) : "memory");
	(void)arg;
}

static void by_cmpxchg16(void *arg) {
	volatile void *pair = (void *)(va(entry) & ~15ULL);

	__asm__ volatile("lock; cmpxchg16b (%0)"
			 :
			 : "r"(pair), "a"(0ULL), "b"(0ULL), "c"(0ULL), "d"(0ULL)
			 : "memory");
	(void)arg;
}

/* Whatever an instruction does to an entry, it must not name a frame of another's. */
const char *hostile_pte_write_forms(void) {
	void (*const forms[])(void *) = {by_stosb,   by_movsq,    by_half, by_add,
					 by_lock_or, by_lock_bts, by_sse,  by_cmpxchg16};
	uint8_t *page = pv_page(), *target = pv_page();
	struct xen_machphys_mapping mapping;

	CHECK_EQ(memory_op(XENMEM_machphys_mapping, &mapping), 0);
	entry = pv_entry(va(target), 1);
	value = 0x12345ULL * PV_PAGE | PV_RW;
	for (unsigned i = 0; i < sizeof forms / sizeof *forms; i++) {
		pv_try(forms[i], page);
		for (int k = -2; k < 3; k++) {
			uint64_t now = entry[k], mfn = (now & XEN_PTE_MFN_MASK) / PV_PAGE;

			if (!(now & XEN_PTE_PRESENT) || (va(entry + k) ^ va(entry)) >= PV_PAGE)
				continue;
			if (pv_is_dom0()) /* which may map devices */
				continue;
			CHECK(mfn <= mapping.max_mfn);
			CHECK_EQ(pv_p2m()[pv_m2p()[mfn]], mfn);
		}
		CHECK_EQ(pv_protect(target, PV_RW), 0);
	}
	return NULL;
}

static void store_at(void *arg) { *(volatile uint64_t *)arg = 0; }

const char *hostile_pte_write_edges(void) {
	uint8_t *table = (uint8_t *)(va(pv_entry(PV_VIRT_BASE, 1)) & ~0xfffULL);
	uint64_t first = *(uint64_t *)(void *)table;

	/* Unaligned, over two entries, over the end of the page. */
	CHECK(pv_try(store_at, table + 4));
	CHECK_EQ(pv_fault.vector, 14);
	CHECK(pv_try(store_at, table + 1));
	CHECK(pv_try(store_at, table + PV_PAGE - 4));
	CHECK_EQ(*(uint64_t *)(void *)table, first);
	return NULL;
}

/* A table that user mode may see: its writes are faults, never emulated. */
const char *hostile_user_writes_table(void) {
	struct pv_frame frame = {.rsi = PV_USER_TEXT + 0x101000};
	void *table = (void *)(va(pv_entry(PV_VIRT_BASE, 1)) & ~0xfffULL);
	uint64_t before = *(uint64_t *)table;

	hostile_user_init();
	pv_map((uint64_t *)pv_start->pt_base, frame.rsi, pv_mfn(table) * PV_PAGE | PV_USER_RO);
	pv_user_run(&frame, user_store8);
	CHECK_EQ(frame.vector, 14);
	CHECK_EQ(frame.error, 7);
	CHECK_EQ(*(uint64_t *)table, before);
	CHECK_EQ(pv_set_entry(pv_entry(PV_USER_TEXT + 0x101000, 1), 0), 0);
	return NULL;
}

/* The hypervisor writes runstate at an address that has become a table. */
const char *hostile_runstate_in_table(void) {
	uint64_t *table = pv_page();
	struct vcpu_register_runstate_memory_area area = {.addr = va(table)};
	struct sched_poll poll = {.nr_ports = 0};

	CHECK_EQ(vcpu_op(VCPUOP_register_runstate_memory_area, 0, &area), 0);
	memset(table, 0, PV_PAGE);
	CHECK_EQ(pv_protect(table, PV_RO), 0);
	CHECK_EQ(mmuext(MMUEXT_PIN_L1_TABLE, pv_mfn(table), 0), 0);
	for (int i = 0; i < 3; i++) {
		poll.timeout = pv_time_ns() + 500000;
		sched_op(SCHEDOP_poll, &poll);
		sched_op(SCHEDOP_yield, NULL);
	}
	for (int i = 0; i < 8; i++) CHECK_EQ(table[i], 0);
	area.addr = 0;
	vcpu_op(VCPUOP_register_runstate_memory_area, 0, &area);
	CHECK_EQ(mmuext(MMUEXT_UNPIN_TABLE, pv_mfn(table), 0), 0);
	CHECK_EQ(pv_protect(table, PV_RW), 0);
	return NULL;
}
