/* SPDX-License-Identifier: BSD-2-Clause */
/* Exceptions of the kernel itself, INT n, single steps, and the iret hypercall. */
#include "selftest.h"

static struct pv_frame seen;
static unsigned count, skip;
static uint8_t mask_inside;

/* Notes the frame and goes on behind the instruction. */
static bool note(struct pv_frame *frame) {
	if (frame->vector == PV_EVENT) return false;
	seen = *frame;
	count++;
	mask_inside = pv_vcpu->evtchn_upcall_mask;
	frame->rip += skip;
	frame->rflags &= ~0x100ULL;
	return true;
}

static inline void fault(void) { __asm__ volatile("ud2" : : : "memory"); }

static void hook(unsigned bytes) {
	skip = bytes;
	count = 0;
	pv_trap_hook = note;
}

static void divide(void *arg) {
	__asm__ volatile("divl %0" : : "r"(0), "a"(1), "d"(0));
	(void)arg;
}

static void undefined(void *arg) {
	__asm__ volatile("ud2");
	(void)arg;
}

static void breakpoint(void *arg) {
	__asm__ volatile("int3");
	(void)arg;
}

static void load(void *arg) { (void)*(volatile uint64_t *)arg; }

static void store(void *arg) { *(volatile uint64_t *)arg = 1; }

static void jump(void *arg) { ((void (*)(void))va(arg))(); }

const char *test_exceptions(void) {
	static const struct {
		void (*run)(void *);
		uint64_t arg, vector, error;
	} list[] = {
		{divide, 0, 0, 0},
		{breakpoint, 0, 3, 0},
		{undefined, 0, 6, 0},
		{load, 0x8000000000000000, 13, 0},
		{store, 0x0000800000000000, 13, 0},
		{jump, 0, 14, 0x10},
	};

	for (unsigned i = 0; i < sizeof list / sizeof *list; i++) {
		CHECK(pv_try(list[i].run, (void *)list[i].arg));
		CHECK_EQ(pv_fault.vector, list[i].vector);
		CHECK_EQ(pv_fault.error, list[i].error);
	}
	return NULL;
}

const char *test_page_fault(void) {
	uint8_t *page = pv_page();

	CHECK(pv_try(load, (void *)0x7654));
	CHECK_EQ(pv_fault.vector, 14);
	CHECK_EQ(pv_fault.error, 0);
	CHECK_EQ(pv_fault_cr2, 0x7654);
	CHECK(pv_try(store, (void *)0x6543));
	CHECK_EQ(pv_fault.error, 2);
	CHECK_EQ(pv_fault_cr2, 0x6543);
	CHECK_EQ(pv_protect(page, PV_RO), 0);
	CHECK(!pv_try(load, page));
	CHECK(pv_try(store, page));
	CHECK_EQ(pv_fault.error, 3);
	CHECK_EQ(pv_protect(page, PV_RW), 0);
	CHECK(!pv_try(store, page));
	CHECK_EQ(pv_protect(page, PV_RW | XEN_PTE_NX), 0);
	CHECK(pv_try(jump, page));
	CHECK_EQ(pv_fault.error, 0x11);
	/* The core's own memory looks like anything else that is not there. */
	CHECK(pv_try(load, (void *)0xffff828000000000));
	CHECK_EQ(pv_fault.vector, 14);
	CHECK(pv_try(store, (void *)0xffff828000000000));
	CHECK_EQ(pv_fault.vector, 14);
	return NULL;
}

const char *test_kernel_frame(void) {
	uint64_t rsp, rip;

	hook(2);
	pv_events_on();
	__asm__ volatile("movq %%rsp, %0; leaq 1f(%%rip), %1\n1: ud2"
			 : "=r"(rsp), "=r"(rip)
			 :
			 : "memory");
	pv_events_off();
	CHECK_EQ(count, 1);
	CHECK_EQ(seen.vector, 6);
	CHECK_EQ(seen.rip, rip);
	CHECK_EQ(seen.rsp, rsp);
	CHECK_EQ(seen.cs & 0xffff, FLAT_KERNEL_CS & ~3U);
	CHECK_EQ(seen.cs >> 32 & 0xff, 0);
	CHECK_EQ(seen.ss & 0xfffc, FLAT_KERNEL_SS & ~3U);
	CHECK_EQ(seen.rflags & 0x3200, 0x200);
	fault();
	CHECK_EQ(seen.cs >> 32 & 0xff, 1);
	CHECK_EQ(seen.rflags & 0x3200, 0);
	CHECK_EQ(pv_vcpu->evtchn_upcall_mask, 1);
	return NULL;
}

const char *test_trap_masks_events(void) {
	struct trap_info table[2] = {{.vector = 6,
				      .flags = 0,
				      .cs = FLAT_KERNEL_CS,
				      .address = va(pv_vectors + 6 * 16)}};

	hook(2);
	pv_events_on();
	fault();
	CHECK_EQ(mask_inside, 1);
	CHECK_EQ(pv_vcpu->evtchn_upcall_mask, 0);
	CHECK_EQ(set_trap_table(table), 0);
	fault();
	CHECK_EQ(mask_inside, 0);
	CHECK_EQ(count, 2);
	return NULL;
}

const char *test_trap_table_clear(void) {
	CHECK_EQ(set_trap_table(NULL), 0);
	pv_trap_defaults();
	hook(2);
	fault();
	CHECK_EQ(count, 1);
	return NULL;
}

const char *test_software_interrupts(void) {
	uint64_t after;

	hook(0);
	__asm__ volatile("leaq 1f(%%rip), %0; int $0x80\n1:" : "=r"(after) : : "memory");
	CHECK_EQ(count, 1);
	CHECK_EQ(seen.vector, 0x80);
	CHECK_EQ(seen.rip, after);
	/* No entry for this one. */
	hook(2);
	__asm__ volatile("leaq 1f(%%rip), %0\n1: int $0x77" : "=r"(after) : : "memory");
	CHECK_EQ(seen.vector, 13);
	CHECK_EQ(seen.rip, after);
	/* QEMU's emulation multiplies by 16, hardware by 8. */
	CHECK(seen.error == (0x77 << 3 | 2) || seen.error == (0x77 << 4 | 2));
	return NULL;
}

const char *test_single_step(void) {
	uint64_t after;

	hook(0);
	__asm__ volatile("pushfq; orq $0x100, (%%rsp); leaq 1f(%%rip), %0; popfq; nop\n1: nop"
			 : "=r"(after)
			 :
			 : "memory", "cc");
	CHECK_EQ(count, 1);
	CHECK_EQ(seen.vector, 1);
	CHECK_EQ(seen.rip, after);
	CHECK_EQ(hypercall(__HYPERVISOR_get_debugreg, 6, 0, 0, 0) & 0x4000, 0x4000);
	hypercall(__HYPERVISOR_set_debugreg, 6, 0, 0, 0);
	return NULL;
}

/* From kernel to kernel with these flags; out: rax, rcx, r11, rflags behind it. */
static void iret(uint64_t rflags, uint64_t out[4]) {
	__asm__ volatile("movq %%rsp, %%rax\n"
			 "pushq $0xe02b; pushq %%rax; pushq %0; pushq $0xe030\n"
			 "leaq 1f(%%rip), %%rax; pushq %%rax\n"
			 "pushq $0; pushq $0xcc; pushq $0x11; pushq $0xaa\n"
			 "movl $23, %%eax; syscall\n"
			 "1: pushfq; popq 24(%1)\n"
			 "movq %%rax, (%1); movq %%rcx, 8(%1); movq %%r11, 16(%1)"
			 :
			 : "b"(rflags), "S"(out)
			 : "rax", "rcx", "r11", "memory", "cc");
}

const char *test_iret_to_kernel(void) {
	uint64_t out[4];

	iret(0x202 | 1, out);
	CHECK_EQ(out[0], 0xaa);
	CHECK_EQ(out[1], 0xcc);
	CHECK_EQ(out[2], 0x11);
	CHECK_EQ(out[3] & 0x8d5, 1);
	/* Neither interrupts off nor an I/O privilege are to be had like this. */
	iret(0x3002 | 0x40, out);
	CHECK_EQ(out[3] & 0x3200, 0x200);
	CHECK_EQ(out[3] & 0x8d5, 0x40);
	return NULL;
}

const char *test_iret_masks(void) {
	uint64_t out[4];

	pv_events_off();
	iret(0x202, out);
	CHECK_EQ(pv_vcpu->evtchn_upcall_mask, 0);
	iret(0x002, out);
	CHECK_EQ(pv_vcpu->evtchn_upcall_mask, 1);
	return NULL;
}
