/* SPDX-License-Identifier: BSD-2-Clause */
/* User mode: the ways there and back, and what it may not do. */
#include "selftest.h"

extern uint8_t user_syscall[], user_syscall_df[], user_undefined[], user_divide[], user_load[];
extern uint8_t user_store[], user_jump[], user_int80[], user_read_gs[], user_loop[], user_step[];
extern uint8_t user_twice[], user_mov_cr0[];
__attribute__((noreturn)) void selftest_fast_return(struct pv_frame *frame);

static uint64_t user_va(const void *code) { return PV_USER_TEXT + va(code) - va(pv_user_text); }

const char *test_user_syscall(void) {
	struct pv_frame frame = {.rax = 11, .rdi = 22, .rsp = PV_USER_DATA + 0x800};

	selftest_user_init();
	pv_user_run(&frame, user_syscall);
	CHECK_EQ(frame.vector, PV_SYSCALL);
	CHECK_EQ(frame.rax, 11);
	CHECK_EQ(frame.rdi, 22);
	CHECK_EQ(frame.rip, user_va(user_syscall) + 2);
	CHECK_EQ(frame.rcx, frame.rip);
	CHECK_EQ(frame.r11 & 0x202, 0x202);
	CHECK_EQ(frame.rsp, PV_USER_DATA + 0x800);
	CHECK_EQ(frame.cs & 0xffff, FLAT_USER_CS);
	CHECK_EQ(frame.ss & 0xffff, FLAT_USER_SS);
	CHECK_EQ(frame.rflags & 0x3200, 0x200);
	frame = (struct pv_frame){0};
	pv_user_run(&frame, user_syscall_df);
	CHECK_EQ(frame.rflags & 0x400, 0x400);
	return NULL;
}

const char *test_user_iret_registers(void) {
	struct pv_frame frame = {.r15 = 15,
				 .r14 = 14,
				 .r13 = 13,
				 .r12 = 12,
				 .rbp = 105,
				 .rbx = 103,
				 .r11 = 111,
				 .r10 = 110,
				 .r9 = 109,
				 .r8 = 108,
				 .rax = 100,
				 .rcx = 101,
				 .rdx = 102,
				 .rsi = 106,
				 .rdi = 107,
				 .rflags = 0x202 | 0x8c5};
	struct pv_frame want = frame;

	selftest_user_init();
	pv_user_run(&frame, user_undefined);
	CHECK_EQ(frame.vector, 6);
	CHECK_EQ(memcmp(&frame, &want, offsetof(struct pv_frame, vector)), 0);
	CHECK_EQ(frame.rip, user_va(user_undefined));
	CHECK_EQ(frame.cs & 3, 3);
	CHECK_EQ(frame.rflags & 0x8d5, 0x8c5);
	CHECK_EQ(frame.rsp, PV_USER_DATA + PV_PAGE);
	return NULL;
}

static bool fast_return(struct pv_frame *frame) {
	if (frame->vector != PV_SYSCALL) return false;
	pv_trap_hook = NULL;
	selftest_fast_return(frame);
}

const char *test_user_fast_return(void) {
	struct pv_frame frame = {.rax = 1};

	selftest_user_init();
	pv_trap_hook = fast_return;
	pv_user_run(&frame, user_twice);
	CHECK_EQ(frame.vector, 6);
	CHECK_EQ(frame.rax, 7);
	CHECK_EQ(frame.rbx, user_va(user_twice) + 2);
	return NULL;
}

const char *test_user_exceptions(void) {
	static const struct {
		const uint8_t *code;
		uint64_t rsi, vector, error;
	} list[] = {
		{user_divide, 0, 0, 0},        {user_load, 0, 14, 4},
		{user_store, 0x5000, 14, 6},   {user_store, PV_USER_TEXT, 14, 7},
		{user_jump, 0x7000, 14, 0x14}, {user_load, 0x8000000000000000, 13, 0},
		{user_mov_cr0, 0, 13, 0},
	};

	selftest_user_init();
	for (unsigned i = 0; i < sizeof list / sizeof *list; i++) {
		struct pv_frame frame = {.rsi = list[i].rsi};

		pv_user_run(&frame, list[i].code);
		CHECK_EQ(frame.vector, list[i].vector);
		CHECK_EQ(frame.error, list[i].error);
		if (frame.vector == 14) CHECK_EQ(pv_fault_cr2, list[i].rsi);
	}
	return NULL;
}

const char *test_user_kernel_page(void) {
	static const uint64_t targets[] = {PV_VIRT_BASE + 0x100000, 0xffff828000000000,
					   0xffff830000000000, 0xffff820000000000};

	selftest_user_init();
	for (unsigned i = 0; i < sizeof targets / sizeof *targets; i++) {
		struct pv_frame frame = {.rsi = targets[i]};

		pv_user_run(&frame, user_load);
		CHECK_EQ(frame.vector, 14);
		CHECK_EQ(pv_fault_cr2, targets[i]);
		frame = (struct pv_frame){.rsi = targets[i]};
		pv_user_run(&frame, user_store);
		CHECK_EQ(frame.vector, 14);
		CHECK_EQ(frame.error & 4, 4);
	}
	return NULL;
}

const char *test_user_int80(void) {
	struct pv_frame frame = {.rax = 5};

	selftest_user_init();
	pv_user_run(&frame, user_int80);
	CHECK_EQ(frame.vector, 0x80);
	CHECK_EQ(frame.rax, 5);
	CHECK_EQ(frame.rip, user_va(user_int80) + 2);
	return NULL;
}

const char *test_user_gs(void) {
	static uint64_t here = 0xcafe;
	struct pv_frame frame = {.rsi = 0};
	uint64_t got;

	selftest_user_init();
	*(volatile uint64_t *)PV_USER_DATA = 0xbeef;
	CHECK_EQ(set_segment_base(SEGBASE_GS_USER, PV_USER_DATA), 0);
	CHECK_EQ(set_segment_base(SEGBASE_GS_KERNEL, va(&here)), 0);
	pv_user_run(&frame, user_read_gs);
	CHECK_EQ(frame.vector, 6);
	CHECK_EQ(frame.rax, 0xbeef);
	__asm__ volatile("movq %%gs:0, %0" : "=r"(got));
	CHECK_EQ(got, 0xcafe);
	return NULL;
}

const char *test_user_single_step(void) {
	struct pv_frame frame = {.rflags = 0x302};

	selftest_user_init();
	pv_user_run(&frame, user_step);
	CHECK_EQ(frame.vector, 1);
	CHECK_EQ(frame.rip, user_va(user_step) + 1);
	hypercall(__HYPERVISOR_set_debugreg, 6, 0, 0, 0);
	return NULL;
}

static bool stop_loop(struct pv_frame *frame) {
	if (frame->vector == PV_EVENT && (frame->cs & 3) == 3) {
		pv_vcpu->evtchn_upcall_pending = 0;
		pv_vcpu->evtchn_pending_sel = 0;
		frame->rip = user_va(user_undefined);
		return true;
	}
	return false;
}

/* A timer event takes the processor from a loop in user mode. */
const char *test_user_events(void) {
	struct pv_frame frame = {.rflags = 0x202};
	uint32_t port;
	struct evtchn_close close;

	selftest_user_init();
	/* Xen's default tick, if it came before the port is unmasked, would leave it pending
	 * and so keep the timer's own event away for ever. */
	vcpu_op(VCPUOP_stop_periodic_timer, 0, NULL);
	port = pv_bind_virq(VIRQ_TIMER);
	close.port = port;
	pv_trap_hook = stop_loop;
	pv_event_mask(port, false);
	hypercall(__HYPERVISOR_set_timer_op, pv_time_ns() + 2000000, 0, 0, 0);
	pv_user_run(&frame, user_loop);
	event_channel_op(EVTCHNOP_close, &close);
	CHECK_EQ(frame.vector, 6);
	CHECK_EQ(frame.rip, user_va(user_undefined));
	return NULL;
}

const char *test_no_syscall_callback(void) {
	struct callback_register none = {.type = CALLBACKTYPE_syscall};
	struct pv_frame frame = {.rax = 1};

	selftest_user_init();
	CHECK_EQ(callback_op(CALLBACKOP_register, &none), 0);
	pv_user_run(&frame, user_syscall);
	CHECK_EQ(frame.vector, 6);
	CHECK_EQ(frame.rip, user_va(user_syscall));
	return NULL;
}
