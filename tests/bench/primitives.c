/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The bench kernel: how many instructions each primitive of the guest interface
 * costs, counted by the time-stamp counter of an emulator that executes one
 * instruction per nanosecond of virtual time (QEMU -icount shift=0).
 *
 * It uses the public guest ABI only, so that the same file runs as a domU of
 * Tessera and as dom0 of Xen. Every primitive is run some times and the least
 * count is taken; an empty run is subtracted. A line per primitive:
 *     bench NAME INSTRUCTIONS
 */
#include "bench.h"

uint64_t bench_stamp; /* stubs.S: time of entry, or the least time */

extern uint8_t bench_page_fault[], bench_page_fault_stamp[], bench_event[], bench_event_stamp[];
extern uint8_t bench_syscall[], bench_syscall_entry[], bench_syscall_exit[];
extern uint8_t user_syscalls[], user_entries[], user_exits[], user_faults[];
void bench_iret(void);

static uint64_t overhead;

void report(const char *name, uint64_t count) { pv_printf("bench %s %lu\n", name, count); }

static __attribute__((noinline)) uint64_t once(void (*run)(void)) {
	uint64_t start = now();

	run();
	return now() - start;
}

static uint64_t least(void (*prepare)(void), void (*run)(void)) {
	uint64_t best = UINT64_MAX;

	for (int i = 0; i < ROUNDS; i++) {
		prepare();
		uint64_t t = once(run);

		if (t < best) best = t;
	}
	return best - overhead;
}

static void nothing(void) {}

static void measure(const char *name, void (*prepare)(void), void (*run)(void)) {
	report(name, least(prepare, run));
}

/* --- Calls without effect on memory --- */

static void *roots[2];        /* kernel L4s of two processes */
static void *gdt_page, *page; /* a descriptor page, a page to play with */
static struct mmuext_op switch_ops[2][2];
static struct multicall_entry switch_calls[2][2], null_calls[8];
static uint64_t descriptor_ma;
static void *user_roots[2];
static unsigned turn;

static void null_call(void) { xen_version(XENVER_version, NULL); }

static void capability_call(void) { hypercall(63, 0x05 /* CAP_INSPECT */, 1, va(page), 0); }

static void timer_call(void) { hypercall(__HYPERVISOR_set_timer_op, 0, 0, 0, 0); }

static uint64_t deadline;

static void timer_prepare(void) { deadline = pv_time_ns() + 1000000000; }

static void timer_arm_call(void) { hypercall(__HYPERVISOR_set_timer_op, deadline, 0, 0, 0); }

static void stack_call(void) { stack_switch(FLAT_KERNEL_SS, va(pv_entry_stack_end)); }

static void fpu_call(void) { hypercall(__HYPERVISOR_fpu_taskswitch, 0, 0, 0, 0); }

static void segment_call(void) { set_segment_base(SEGBASE_FS, 0x1000); }

static void descriptor_call(void) { update_descriptor(descriptor_ma, 0x00cff2000000ffffULL); }

static void flush_call(void) {
	static const struct mmuext_op op = {.cmd = MMUEXT_TLB_FLUSH_LOCAL};

	hypercall(__HYPERVISOR_mmuext_op, va(&op), 1, 0, DOMID_SELF);
}

static struct mmuext_op invlpg_op;

static void invlpg_call(void) {
	hypercall(__HYPERVISOR_mmuext_op, va(&invlpg_op), 1, 0, DOMID_SELF);
}

static void yield_call(void) { sched_op(SCHEDOP_yield, NULL); }

static void null_multicall(void) { multicall(null_calls, 8); }

static void switch_multicall(void) { multicall(switch_calls[turn], 2); }

static void next_turn(void) { turn ^= 1; }

void *copied_root(const void *root) {
	void *copy = pv_page();

	memcpy(copy, root, PV_PAGE);
	PV_MUST(pv_protect(copy, PV_RO) == 0);
	PV_MUST(mmuext(MMUEXT_PIN_L4_TABLE, pv_mfn(copy), 0) == 0);
	return copy;
}

static void switch_init(void) {
	uint64_t *l4 = (uint64_t *)pv_start->pt_base;

	for (int i = 0; i < 2; i++) {
		roots[i] = copied_root(l4);
		user_roots[i] = copied_root(pv_mfn_va(pv_user_l4_mfn));
		switch_ops[i][0] =
			(struct mmuext_op){.cmd = MMUEXT_NEW_BASEPTR, .arg1 = pv_mfn(roots[i])};
		switch_ops[i][1] =
			(struct mmuext_op){.cmd = MMUEXT_NEW_USER_BASEPTR, .arg1 = pv_user_l4_mfn};
		switch_calls[i][0] =
			(struct multicall_entry){.op = __HYPERVISOR_stack_switch,
						 .args = {FLAT_KERNEL_SS, va(pv_entry_stack_end)}};
		switch_calls[i][1] =
			(struct multicall_entry){.op = __HYPERVISOR_mmuext_op,
						 .args = {va(switch_ops[i]), 2, 0, DOMID_SELF}};
	}
	for (int i = 0; i < 8; i++)
		null_calls[i] = (struct multicall_entry){.op = __HYPERVISOR_xen_version};
}

static void calls(void) {
	invlpg_op = (struct mmuext_op){.cmd = MMUEXT_INVLPG_LOCAL, .arg1 = va(page)};
	measure("null_hypercall", nothing, null_call);
	if (pv_is_tessera()) measure("capability_invocation", nothing, capability_call);
	measure("set_timer_op", nothing, timer_call);
	measure("set_timer_op_armed", timer_prepare, timer_arm_call);
	timer_call();
	measure("stack_switch", nothing, stack_call);
	measure("fpu_taskswitch", nothing, fpu_call);
	measure("set_segment_base", nothing, segment_call);
	measure("update_descriptor", nothing, descriptor_call);
	measure("tlb_flush_local", nothing, flush_call);
	measure("invlpg_local", nothing, invlpg_call);
	measure("sched_yield", nothing, yield_call);
	measure("multicall_8", nothing, null_multicall);
	measure("process_switch", next_turn, switch_multicall);
	mmuext(MMUEXT_NEW_BASEPTR, pv_kernel_l4_mfn, 0);
	mmuext(MMUEXT_NEW_USER_BASEPTR, pv_user_l4_mfn, 0);
}

/* --- Page tables --- */

static uint64_t page_ma;
static uint8_t *pages; /* 64 pages that are consecutive in one L1 */
static struct mmu_update maps[64], unmaps[64];
static void *l1, *chain[3];

static void uvm_map(void) { update_va_mapping(va(page), page_ma | PV_RW, UVMF_NONE); }

static void uvm_unmap(void) { update_va_mapping(va(page), 0, UVMF_NONE); }

static void uvm_ro(void) { update_va_mapping(va(page), page_ma | PV_RO, UVMF_NONE); }

static void one_map(void) { mmu_update(maps, 1, NULL); }

static void one_unmap(void) { mmu_update(unmaps, 1, NULL); }

static void many_map(void) { mmu_update(maps, 64, NULL); }

static void many_unmap(void) { mmu_update(unmaps, 64, NULL); }

static struct mmuext_op pin_op, unpin_op = {.cmd = MMUEXT_UNPIN_TABLE};

static void pin(void) { mmuext_op(&pin_op, 1, NULL); }

static void unpin(void) { mmuext_op(&unpin_op, 1, NULL); }

static void measure_pin(const char *pin_name, const char *unpin_name, uint32_t cmd, void *table) {
	pin_op = (struct mmuext_op){.cmd = cmd, .arg1 = pv_mfn(table)};
	unpin_op.arg1 = pv_mfn(table);
	PV_MUST(mmuext_op(&pin_op, 1, NULL) == 0);
	measure(pin_name, unpin, pin);
	measure(unpin_name, pin, unpin);
	PV_MUST(mmuext_op(&pin_op, 1, NULL) == 0);
	PV_MUST(mmuext_op(&unpin_op, 1, NULL) == 0);
}

static void fill(void *table, void *lower) {
	*(uint64_t *)table = pv_mfn(lower) * PV_PAGE | PV_TABLE;
	PV_MUST(pv_protect(table, PV_RO) == 0);
}

static void pins(void) {
	l1 = pv_page();
	PV_MUST(pv_protect(l1, PV_RO) == 0);
	measure_pin("pin_l1_empty", "unpin_l1_empty", MMUEXT_PIN_L1_TABLE, l1);
	PV_MUST(pv_protect(l1, PV_RW) == 0);
	for (unsigned i = 0; i < 512; i++)
		((uint64_t *)l1)[i] = pv_mfn(pages + i % 64 * PV_PAGE) * PV_PAGE | PV_RW;
	PV_MUST(pv_protect(l1, PV_RO) == 0);
	measure_pin("pin_l1_512", "unpin_l1_512", MMUEXT_PIN_L1_TABLE, l1);
	for (int i = 0; i < 3; i++) chain[i] = pv_page();
	fill(chain[2], l1);
	fill(chain[1], chain[2]);
	fill(chain[0], chain[1]);
	measure_pin("pin_l4_chain", "unpin_l4_chain", MMUEXT_PIN_L4_TABLE, chain[0]);
}

static void page_tables(void) {
	page_ma = pv_mfn(page) * PV_PAGE;
	measure("update_va_mapping_map", uvm_unmap, uvm_map);
	measure("update_va_mapping_unmap", uvm_map, uvm_unmap);
	uvm_map();
	measure("update_va_mapping_ro", uvm_map, uvm_ro);
	measure("update_va_mapping_rw", uvm_ro, uvm_map);
	for (unsigned i = 0; i < 64; i++) {
		void *p = pages + i * PV_PAGE;

		unmaps[i].ptr = maps[i].ptr = pv_entry_ma(pv_entry(va(p), 1));
		maps[i].val = pv_mfn(p) * PV_PAGE | PV_RW;
	}
	measure("mmu_update_1_map", one_unmap, one_map);
	measure("mmu_update_1_unmap", one_map, one_unmap);
	measure("mmu_update_64_map", many_unmap, many_map);
	measure("mmu_update_64_unmap", many_map, many_unmap);
	many_map();
	pins();
}

/* --- Entries into the guest --- */

static void set_page_fault(const void *handler) {
	struct trap_info table[2] = {{.vector = 14, .cs = FLAT_KERNEL_CS, .address = va(handler)}};

	PV_MUST(set_trap_table(table) == 0);
}

static void set_callback(uint16_t type, const void *handler) {
	struct callback_register call = {
		.type = type, .flags = CALLBACKF_mask_events, .address = va(handler)};

	PV_MUST(callback_op(CALLBACKOP_register, &call) == 0);
}

static void fault(void) {
	__asm__ volatile("movb (%%rbx), %%al" : : "b"(0x10) : "rax", "rdx", "rcx", "r11", "memory");
}

static uint64_t to_entry(void (*prepare)(void), void (*run)(void)) {
	uint64_t best = UINT64_MAX;

	for (int i = 0; i < ROUNDS; i++) {
		prepare();
		uint64_t start = now();

		run();
		if (bench_stamp - start < best) best = bench_stamp - start;
	}
	return best - overhead;
}

/* The user loops' empty measurement: a move less than once()'s call and return. */
static uint64_t user_least(const void *code, uint64_t address) {
	struct pv_frame frame = {.rdi = ROUNDS, .rsi = address};

	pv_user_run(&frame, code);
	return frame.r13;
}

static void entries(void) {
	set_page_fault(bench_page_fault_stamp);
	report("page_fault_kernel_entry", to_entry(nothing, fault));
	set_page_fault(bench_page_fault);
	measure("page_fault_kernel_round_trip", nothing, fault);
	measure("iret_kernel", nothing, bench_iret);

	/* rdtsc, shl, or, mov of the first time; rdtsc itself of the second one. */
	const uint64_t empty = 4;

	report("page_fault_user_round_trip", user_least(user_faults, 0x10) - empty);
	set_callback(CALLBACKTYPE_syscall, bench_syscall);
	report("syscall_round_trip", user_least(user_syscalls, 0) - empty);
	set_callback(CALLBACKTYPE_syscall, bench_syscall_exit);
	report("kernel_to_user", user_least(user_exits, 0) - empty);
	set_callback(CALLBACKTYPE_syscall, bench_syscall_entry);
	bench_stamp = UINT64_MAX;
	user_least(user_entries, 0);
	report("syscall_entry", bench_stamp - empty);
	pv_trap_defaults();
}

/* --- Events --- */

static struct evtchn_send send;

static void event_send(void) { event_channel_op(EVTCHNOP_send, &send); }

static void event_clear(void) { pv_event_clear(send.port); }

static void events(void) {
	send.port = pv_bind_ipi();
	PV_MUST(send.port < 64);
	pv_event_mask(send.port, true);
	measure("event_send_masked", event_clear, event_send);
	measure("event_send_pending", event_send, event_send);
	event_clear();
	pv_event_mask(send.port, false);
	set_callback(CALLBACKTYPE_event, bench_event_stamp);
	pv_events_on();
	report("event_upcall_entry", to_entry(nothing, event_send));
	set_callback(CALLBACKTYPE_event, bench_event);
	measure("event_round_trip", nothing, event_send);
	pv_events_off();
	pv_event_mask(send.port, true);
	pv_trap_defaults();
}

/* --- Grants --- */

static struct gnttab_copy copy;
static struct gnttab_map_grant_ref grant_map;
static struct gnttab_unmap_grant_ref grant_unmap;

static void copy_call(void) { grant_table_op(GNTTABOP_copy, &copy, 1); }

static void map_call(void) { grant_table_op(GNTTABOP_map_grant_ref, &grant_map, 1); }

static void unmap_call(void) { grant_table_op(GNTTABOP_unmap_grant_ref, &grant_unmap, 1); }

static void map_again(void) {
	map_call();
	grant_unmap = (struct gnttab_unmap_grant_ref){.host_addr = grant_map.host_addr,
						      .handle = grant_map.handle};
}

static struct grant_entry_v1 *grant_init(void) {
	uint64_t frame = 0;
	struct gnttab_setup_table setup = {
		.dom = DOMID_SELF, .nr_frames = 1, .frame_list = va(&frame)};
	struct gnttab_set_version version = {.version = 1};
	void *window = pv_page();

	grant_table_op(GNTTABOP_set_version, &version, 1);
	PV_MUST(grant_table_op(GNTTABOP_setup_table, &setup, 1) == 0 && setup.status == 0);
	PV_MUST(update_va_mapping(va(window), frame * PV_PAGE | PV_RW, UVMF_INVLPG) == 0);
	return window;
}

static void measure_copies(const char *small, const char *large) {
	copy.len = 64;
	copy_call();
	PV_MUST(copy.status == 0);
	measure(small, nothing, copy_call);
	copy.len = PV_PAGE;
	measure(large, nothing, copy_call);
}

static void grants(uint16_t self) {
	struct grant_entry_v1 *table = grant_init();
	void *window = pv_page();

	table[8].domid = self;
	table[8].frame = (uint32_t)pv_mfn(page);
	table[8].flags = GTF_permit_access;
	copy = (struct gnttab_copy){.source = {.u.ref = 8, .domid = self},
				    .dest = {.u.gmfn = pv_mfn(window), .domid = DOMID_SELF},
				    .flags = GNTCOPY_source_gref};
	measure_copies("grant_copy_ref_64", "grant_copy_ref_4096");
	copy.flags = 0;
	copy.source.u.gmfn = pv_mfn(page);
	copy.source.domid = DOMID_SELF;
	measure_copies("grant_copy_64", "grant_copy_4096");

	PV_MUST(pv_protect(window, 0) == 0);
	grant_map = (struct gnttab_map_grant_ref){
		.host_addr = va(window), .flags = GNTMAP_host_map, .ref = 8, .dom = self};
	map_again();
	PV_MUST(grant_map.status == 0);
	measure("grant_map", unmap_call, map_again);
	measure("grant_unmap", map_again, unmap_call);
	PV_MUST(grant_unmap.status == 0);
}

/* --- Emulated instructions --- */

static void read_msr(void) { __asm__ volatile("rdmsr" : : "c"(0xc0000080) : "rax", "rdx"); }

static void read_cr0(void) { __asm__ volatile("movq %%cr0, %%rax" : : : "rax"); }

static void write_port(void) { __asm__ volatile("outb %%al, $0x80" : : "a"(0)); }

static void instructions(void) {
	struct physdev_set_iopl iopl = {.iopl = 1};

	PV_MUST(physdev_op(PHYSDEVOP_set_iopl, &iopl) == 0);
	measure("rdmsr", nothing, read_msr);
	measure("mov_cr0", nothing, read_cr0);
	measure("out", nothing, write_port);
}

/* A run of 64 pages whose entries share an L1. */
static uint8_t *consecutive_pages(void) {
	uint8_t *first = pv_page();

	while (va(first) % (64 * PV_PAGE)) first = pv_page();
	for (int i = 1; i < 64; i++) PV_MUST(pv_page() == first + i * PV_PAGE);
	return first;
}

static void prepare(void) {
	uint64_t frame;

	pages = consecutive_pages();
	page = pv_page();
	gdt_page = pv_page();
	frame = pv_mfn(gdt_page);
	descriptor_ma = frame * PV_PAGE + 64;
	PV_MUST(pv_protect(gdt_page, PV_RO) == 0);
	PV_MUST(hypercall(__HYPERVISOR_set_gdt, va(&frame), 512, 0, 0) == 0);
	pv_user_init();
	switch_init();
	overhead = least(nothing, nothing);
}

static void measure_all(void) {
	prepare();
	calls();
	page_tables();
	entries();
	events();
	grants(pv_domid());
	instructions();
}

/* The command line says in which part this kernel runs: alone, with two vCPUs, or in a pair. */
int pv_main(void) {
	if (pv_option("yield"))
		pair_yield();
	else if (pv_option("pair"))
		pair_measure();
	else if (pv_option("vcpus"))
		vcpus_measure();
	else
		measure_all();
	pv_printf("bench end\n");
	return SHUTDOWN_poweroff;
}
