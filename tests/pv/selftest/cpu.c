/* SPDX-License-Identifier: BSD-2-Clause */
/* CPUID, MSRs, control and debug registers, FPU, segments, I/O: what the core emulates. */
#include "selftest.h"

struct cpuid {
	uint32_t a, b, c, d;
};

/* CPUID as a kernel asks for it: the hypervisor answers. */
static struct cpuid cpuid(uint32_t leaf, uint32_t sub) {
	struct cpuid r;

	__asm__ volatile(".byte 0x0f, 0x0b, 0x78, 0x65, 0x6e; cpuid"
			 : "=a"(r.a), "=b"(r.b), "=c"(r.c), "=d"(r.d)
			 : "0"(leaf), "2"(sub));
	return r;
}

const char *test_cpuid(void) {
	struct cpuid r = cpuid(XEN_CPUID_FIRST_LEAF, 0);

	CHECK_EQ(r.b, XEN_CPUID_SIGNATURE_EBX);
	CHECK_EQ(r.c, XEN_CPUID_SIGNATURE_ECX);
	CHECK_EQ(r.d, XEN_CPUID_SIGNATURE_EDX);
	CHECK(r.a >= XEN_CPUID_FIRST_LEAF + 2 && r.a < XEN_CPUID_FIRST_LEAF + 16);
	r = cpuid(XEN_CPUID_FIRST_LEAF + 1, 0);
	CHECK_EQ(r.a, xen_version(XENVER_version, NULL));
	r = cpuid(XEN_CPUID_FIRST_LEAF + 2, 0);
	CHECK_EQ(r.a, 1);
	CHECK_EQ(r.b, 0x40000000);
	CHECK_EQ(r.c & 1, XEN_CPUID_FEAT1_MMU_PT_UPDATE_PRESERVE_AD);
	r = cpuid(0, 0);
	CHECK(r.a >= 1);
	r = cpuid(1, 0);
	CHECK(r.d & 1);                         /* FPU */
	CHECK(r.c >> 31);                       /* HYPERVISOR */
	CHECK_EQ(r.c >> 26 & 1, r.c >> 27 & 1); /* XSAVE and OSXSAVE go together */
	r = cpuid(0x80000001, 0);
	CHECK_EQ(r.d & (1U << 11 | 1U << 20 | 1U << 29), 1U << 11 | 1U << 20 | 1U << 29);
	return NULL;
}

const char *test_cpuid_hidden(void) {
	struct cpuid one = cpuid(1, 0), seven = cpuid(7, 0), high = cpuid(0x80000001, 0);

	/* MONITOR, VMX, SMX, PDCM, PCID, X2APIC, TSC_DEADLINE. */
	CHECK_EQ(one.c & (1U << 3 | 1U << 5 | 1U << 6 | 1U << 15 | 1U << 17 | 1U << 24), 0);
	if (!pv_is_dom0()) CHECK_EQ(one.c & 1U << 21, 0);
	/* VME, PGE, PSE36. PSE is shown by some versions. */
	CHECK_EQ(one.d & (1U << 1 | 1U << 13 | 1U << 17), 0);
	/* SMEP, INVPCID, SMAP; UMIP, PKU, LA57. */
	CHECK_EQ(seven.b & (1U << 7 | 1U << 10 | 1U << 20), 0);
	CHECK_EQ(seven.c & (1U << 2 | 1U << 3 | 1U << 16), 0);
	/* SVM, SKINIT, WDT; PAGE1GB. */
	CHECK_EQ(high.c & (1U << 2 | 1U << 12 | 1U << 13), 0);
	CHECK_EQ(high.d & 1U << 26, 0);
	return NULL;
}

static uint64_t rdmsr(uint32_t msr) {
	uint32_t low, high;

	__asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
	return (uint64_t)high << 32 | low;
}

static void wrmsr(uint32_t msr, uint64_t value) {
	__asm__ volatile("wrmsr" : : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)));
}

static void try_read(void *arg) { *(uint64_t *)arg = rdmsr(*(uint32_t *)arg); }

static void try_write(void *arg) {
	uint64_t *pair = arg;

	wrmsr((uint32_t)pair[0], pair[1]);
}

static bool read_faults(uint64_t msr) { return pv_try(try_read, &msr) && pv_fault.vector == 13; }

static bool write_faults(uint64_t msr, uint64_t value) {
	uint64_t pair[2] = {msr, value};

	return pv_try(try_write, pair) && pv_fault.vector == 13;
}

const char *test_msr_bases(void) {
	static uint64_t here = 0x1badcafe;
	uint64_t got;

	wrmsr(0xc0000100, va(&here));
	CHECK_EQ(rdmsr(0xc0000100), va(&here));
	__asm__ volatile("movq %%fs:0, %0" : "=r"(got));
	CHECK_EQ(got, 0x1badcafe);
	wrmsr(0xc0000101, va(&here));
	CHECK_EQ(rdmsr(0xc0000101), va(&here));
	__asm__ volatile("movq %%gs:0, %0" : "=r"(got));
	CHECK_EQ(got, 0x1badcafe);
	wrmsr(0xc0000102, 0x123456000);
	CHECK_EQ(rdmsr(0xc0000102), 0x123456000);
	CHECK_EQ(rdmsr(0xc0000101), va(&here));
	for (uint32_t msr = 0xc0000100; msr <= 0xc0000102; msr++)
		CHECK(write_faults(msr, 0x8000000000000000));
	CHECK_EQ(rdmsr(0xc0000100), va(&here));
	wrmsr(0xc0000100, 0);
	wrmsr(0xc0000101, 0);
	return NULL;
}

const char *test_msr_fixed(void) {
	uint64_t efer = rdmsr(0xc0000080);

	CHECK_EQ(efer & 0x501, 0x501);
	CHECK_EQ(efer & 1 << 12, 0);
	CHECK(!write_faults(0xc0000080, efer));
	CHECK(write_faults(0xc0000080, efer ^ 1));
	CHECK_EQ(rdmsr(0x277), 0x0000050100070406);
	CHECK(write_faults(0x277, 0));
	CHECK_EQ(rdmsr(0x1b) >> 8 & 1, 1);
	CHECK(!read_faults(0x10));
	CHECK(read_faults(0xdead0000));
	CHECK(write_faults(0xdead0000, 0));
	for (uint64_t msr = 0xc0000081; msr <= 0xc0000084; msr++) CHECK(write_faults(msr, 0));
	for (uint64_t msr = 0x800; msr <= 0x840; msr += 8) CHECK(read_faults(msr));
	return NULL;
}

static void write_cr0(void *arg) { __asm__ volatile("movq %0, %%cr0" : : "r"(*(uint64_t *)arg)); }

const char *test_control_registers(void) {
	uint64_t cr0, cr2, cr3, cr4, bad;

	__asm__ volatile("movq %%cr0, %0; movq %%cr3, %1; movq %%cr4, %2"
			 : "=r"(cr0), "=r"(cr3), "=r"(cr4));
	CHECK_EQ(cr0 & 0x80000001, 0x80000001);
	CHECK_EQ(cr0 & 8, 0);
	CHECK_EQ(cr3, pv_kernel_l4_mfn * PV_PAGE);
	CHECK(cr4 & 1U << 5);
	write_cr0(&cr0);
	bad = cr0 & ~0x80000000ULL;
	CHECK(pv_try(write_cr0, &bad));
	CHECK_EQ(pv_fault.vector, 13);
	__asm__ volatile("movq %0, %%cr3" : : "r"(cr3));
	__asm__ volatile("movq %1, %%cr2; movq %%cr2, %0" : "=r"(cr2) : "r"(0x12345ULL));
	CHECK_EQ(cr2, 0x12345);
	/* Other bits of CR4 are not the guest's: no fault, no effect. */
	__asm__ volatile("movq %0, %%cr4" : : "r"(cr4));
	__asm__ volatile("movq %%cr4, %0" : "=r"(bad));
	CHECK_EQ(bad, cr4);
	__asm__ volatile("wbinvd");
	return NULL;
}

static uint64_t hit_rip, dr6;

static bool on_debug(struct pv_frame *frame) {
	if (frame->vector != 1) return false;
	hit_rip = frame->rip;
	dr6 = (uint64_t)hypercall(__HYPERVISOR_get_debugreg, 6, 0, 0, 0);
	hypercall(__HYPERVISOR_set_debugreg, 7, 0, 0, 0);
	return true;
}

static __attribute__((noinline)) void target(void) { __asm__ volatile("nop"); }

const char *test_debug_registers(void) {
	uint64_t value;

	for (uint64_t i = 0; i < 4; i++) {
		CHECK_EQ(hypercall(__HYPERVISOR_set_debugreg, i, 0x1000 * i, 0, 0), 0);
		CHECK_EQ(hypercall(__HYPERVISOR_get_debugreg, i, 0, 0, 0), 0x1000 * i);
	}
	pv_trap_hook = on_debug;
	CHECK_EQ(hypercall(__HYPERVISOR_set_debugreg, 6, 0, 0, 0), 0);
	CHECK_EQ(hypercall(__HYPERVISOR_set_debugreg, 0, (uint64_t)target, 0, 0), 0);
	__asm__ volatile("movq %%dr0, %0" : "=r"(value));
	CHECK_EQ(value, (uint64_t)target);
	CHECK_EQ(hypercall(__HYPERVISOR_set_debugreg, 7, 1, 0, 0), 0);
	target();
	__asm__ volatile("" : : : "memory");
	CHECK_EQ(hit_rip, (uint64_t)target);
	CHECK_EQ(dr6 & 1, 1);
	CHECK_EQ((uint64_t)hypercall(__HYPERVISOR_get_debugreg, 7, 0, 0, 0) & 0xff, 0);
	for (uint64_t i = 0; i < 4; i++) hypercall(__HYPERVISOR_set_debugreg, i, 0, 0, 0);
	hypercall(__HYPERVISOR_set_debugreg, 6, 0, 0, 0);
	return NULL;
}

/* x87 and SSE contents stay over hypercalls that give up the CPU. */
const char *test_fpu_state(void) {
	uint64_t got, pi = 0;
	uint32_t port = pv_bind_ipi(), mxcsr = 0;
	struct sched_poll poll = {.ports = va(&port), .nr_ports = 1};
	struct evtchn_close close = {.port = port};

	__asm__ volatile("fninit; fldpi; movq %0, %%xmm7; stmxcsr %1"
			 :
			 : "r"(0x1122334455667788ULL), "m"(mxcsr));
	for (int i = 0; i < 3; i++) {
		sched_op(SCHEDOP_yield, NULL);
		poll.timeout = pv_time_ns() + 300000;
		sched_op(SCHEDOP_poll, &poll);
	}
	__asm__ volatile("movq %%xmm7, %0; fstpl %1" : "=r"(got), "=m"(pi));
	event_channel_op(EVTCHNOP_close, &close);
	CHECK_EQ(got, 0x1122334455667788);
	CHECK_EQ(pi, 0x400921fb54442d18);
	return NULL;
}

static unsigned device_faults;

static bool on_device(struct pv_frame *frame) {
	if (frame->vector != 7) return false;
	device_faults++;
	return true;
}

/* CR0.TS, virtual: the next use faults once, with TS clear when the kernel hears of it. */
const char *test_fpu_task_switch(void) {
	uint64_t cr0;

	pv_trap_hook = on_device;
	device_faults = 0;
	CHECK_EQ(hypercall(__HYPERVISOR_fpu_taskswitch, 1, 0, 0, 0), 0);
	__asm__ volatile("movq %%cr0, %0" : "=r"(cr0));
	CHECK_EQ(cr0 & 8, 8);
	__asm__ volatile("fnop" : : : "memory");
	CHECK_EQ(device_faults, 1);
	__asm__ volatile("movq %%cr0, %0" : "=r"(cr0));
	CHECK_EQ(cr0 & 8, 0);
	cr0 |= 8;
	write_cr0(&cr0);
	__asm__ volatile("movq %%xmm0, %%rax" : : : "rax", "memory");
	CHECK_EQ(device_faults, 2);
	hypercall(__HYPERVISOR_fpu_taskswitch, 1, 0, 0, 0);
	__asm__ volatile("clts; fnop" : : : "memory");
	CHECK_EQ(device_faults, 2);
	hypercall(__HYPERVISOR_fpu_taskswitch, 1, 0, 0, 0);
	CHECK_EQ(hypercall(__HYPERVISOR_fpu_taskswitch, 0, 0, 0, 0), 0);
	__asm__ volatile("fnop" : : : "memory");
	CHECK_EQ(device_faults, 2);
	return NULL;
}

#define DATA_SEGMENT 0x00cf92000000ffffULL /* DPL 0: the hypervisor makes it 3 */

static void load_es(void *arg) { __asm__ volatile("movl %0, %%es" : : "r"((uint32_t)va(arg))); }

const char *test_segments(void) {
	uint64_t *gdt = pv_page(), frame = pv_mfn(gdt);
	uint32_t rights;

	CHECK_EQ(hypercall(__HYPERVISOR_set_gdt, va(&frame), 512, 0, 0), -XEN_EINVAL);
	gdt[3] = DATA_SEGMENT;
	CHECK_EQ(pv_protect(gdt, PV_RO), 0);
	CHECK_EQ(hypercall(__HYPERVISOR_set_gdt, va(&frame), 512, 0, 0), 0);
	CHECK_EQ(gdt[3] >> 45 & 3, 3);
	CHECK_EQ(pv_protect(gdt, PV_RW), -XEN_EBUSY);
	load_es((void *)(3 << 3 | 3));
	__asm__ volatile("larl %1, %0" : "=r"(rights) : "r"(3 << 3 | 3));
	CHECK_EQ(rights >> 13 & 3, 3);
	CHECK(pv_try(load_es, (void *)(4 << 3 | 3)));
	CHECK_EQ(pv_fault.error, 4 << 3);
	CHECK_EQ(update_descriptor(frame * PV_PAGE + 32, DATA_SEGMENT), 0);
	CHECK(!pv_try(load_es, (void *)(4 << 3 | 3)));
	CHECK_EQ(gdt[4] >> 45 & 3, 3);
	load_es(NULL);
	CHECK_EQ(hypercall(__HYPERVISOR_set_gdt, va(&frame), 0, 0, 0), 0);
	CHECK_EQ(pv_protect(gdt, PV_RW), 0);
	return NULL;
}

const char *test_gs_user_selector(void) {
	CHECK_EQ(set_segment_base(SEGBASE_GS_USER_SEL, 0x5557), 0);
	CHECK_EQ(set_segment_base(SEGBASE_GS_USER_SEL, FLAT_RING3_DS32), 0);
	CHECK_EQ(set_segment_base(SEGBASE_GS_USER_SEL, 0), 0);
	return NULL;
}

const char *test_ldt(void) {
	uint64_t *table = pv_page();

	table[5] = DATA_SEGMENT | 3ULL << 45;
	CHECK_EQ(pv_protect(table, PV_RO), 0);
	CHECK_EQ(mmuext(MMUEXT_SET_LDT, va(table), 8), 0);
	CHECK(!pv_try(load_es, (void *)(5 << 3 | 7)));
	CHECK(pv_try(load_es, (void *)(6 << 3 | 7)));
	CHECK_EQ(pv_fault.vector, 13);
	CHECK_EQ(pv_protect(table, PV_RW), -XEN_EBUSY);
	load_es(NULL);
	CHECK_EQ(mmuext(MMUEXT_SET_LDT, 0, 0), 0);
	CHECK_EQ(pv_protect(table, PV_RW), 0);
	CHECK(pv_try(load_es, (void *)(5 << 3 | 7)));
	load_es(NULL);
	return NULL;
}

static void in_byte(void *arg) {
	uint8_t value;

	__asm__ volatile("inb $0x60, %0" : "=a"(value));
	*(uint8_t *)arg = value;
}

static void out_byte(void *arg) { __asm__ volatile("outb %0, $0x80" : : "a"(*(uint8_t *)arg)); }

const char *test_io_ports(void) {
	struct physdev_set_iopl iopl = {.iopl = 0};
	uint8_t value = 0;

	CHECK_EQ(physdev_op(PHYSDEVOP_set_iopl, &iopl), 0);
	CHECK(pv_try(in_byte, &value));
	CHECK_EQ(pv_fault.vector, 13);
	CHECK(pv_try(out_byte, &value));
	CHECK_EQ(pv_fault.vector, 13);
	iopl.iopl = 1;
	CHECK_EQ(physdev_op(PHYSDEVOP_set_iopl, &iopl), 0);
	CHECK(!pv_try(in_byte, &value));
	if (!pv_is_dom0()) CHECK_EQ(value, 0xff);
	CHECK(!pv_try(out_byte, &value));
	iopl.iopl = 4;
	CHECK_EQ(physdev_op(PHYSDEVOP_set_iopl, &iopl), -XEN_EINVAL);
	return NULL;
}

static void toggle(void *arg) {
	__asm__ volatile("cli; sti");
	(void)arg;
}

const char *test_interrupt_flag(void) {
	struct physdev_set_iopl iopl = {.iopl = 1};
	uint64_t flags;

	CHECK_EQ(physdev_op(PHYSDEVOP_set_iopl, &iopl), 0);
	pv_events_off();
	CHECK(!pv_try(toggle, NULL));
	CHECK_EQ(pv_vcpu->evtchn_upcall_mask, 1);
	__asm__ volatile("cli; pushfq; popq %0" : "=r"(flags));
	CHECK_EQ(flags & 0x3200, 0x200);
	iopl.iopl = 0;
	CHECK_EQ(physdev_op(PHYSDEVOP_set_iopl, &iopl), 0);
	CHECK(pv_try(toggle, NULL));
	CHECK_EQ(pv_fault.vector, 13);
	return NULL;
}
