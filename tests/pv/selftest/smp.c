/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A second vCPU, if the domain has one: contexts that are refused, up, down, up again; that it
 * sees where a page is mapped now once its TLB has been flushed from here; and that it may write to
 * the same page table at the same time.
 */
#include "selftest.h"

static struct vcpu_guest_context context;
static volatile unsigned rounds, laps;
static volatile bool stop;
static const volatile uint64_t *looked_at;
static volatile uint64_t asked, answered, seen;
static volatile uint64_t *volatile entry; /* that it writes to all the time */

/* What vCPU 1 executes, on a stack of its own. It comes back from each `down`. */
static void second(void) {
	for (;;) {
		while (!stop) {
			rounds++;
			for (unsigned i = 0; i < 64 && entry; i++) *entry = i << 1;
			if (answered != asked) {
				seen = *looked_at;
				answered = asked;
			}
			sched_op(SCHEDOP_yield, NULL);
		}
		laps++;
		vcpu_op(VCPUOP_down, 1, NULL);
	}
}

static void good_context(uint8_t *stack) {
	memset(&context, 0, sizeof context);
	context.flags = VGCF_in_kernel;
	context.user_regs.rip = (uint64_t)second;
	context.user_regs.rsp = va(stack) + PV_PAGE - 8;
	context.user_regs.rflags = 0x202;
	context.user_regs.cs = FLAT_KERNEL_CS;
	context.user_regs.ss = FLAT_KERNEL_SS;
	context.kernel_ss = FLAT_KERNEL_SS;
	context.kernel_sp = context.user_regs.rsp;
	context.ctrlreg[3] = pv_kernel_l4_mfn * PV_PAGE;
}

static const char *refused(uint8_t *stack) {
	good_context(stack);
	context.user_regs.rip = 0x8000000000000000;
	CHECK(vcpu_op(VCPUOP_initialise, 1, &context) < 0);
	good_context(stack);
	context.ctrlreg[3] = pv_mfn(stack) * PV_PAGE;
	CHECK(vcpu_op(VCPUOP_initialise, 1, &context) < 0);
	good_context(stack);
	context.gdt_ents = 7169;
	CHECK(vcpu_op(VCPUOP_initialise, 1, &context) < 0);
	good_context(stack);
	context.event_callback_eip = 0x8000000000000000;
	CHECK(vcpu_op(VCPUOP_initialise, 1, &context) < 0);
	good_context(stack);
	context.fs_base = 0x8000000000000000;
	CHECK(vcpu_op(VCPUOP_initialise, 1, &context) < 0);
	CHECK_EQ(vcpu_op(VCPUOP_up, 1, NULL), -XEN_EINVAL);
	return NULL;
}

static bool wait_for(volatile unsigned *counter, unsigned value) {
	uint64_t end = pv_time_ns() + 1000000000;

	while (*counter < value && pv_time_ns() < end) sched_op(SCHEDOP_yield, NULL);
	return *counter >= value;
}

static bool wait_down(void) {
	uint64_t end = pv_time_ns() + 1000000000;

	while (vcpu_op(VCPUOP_is_up, 1, NULL) == 1 && pv_time_ns() < end)
		sched_op(SCHEDOP_yield, NULL);
	return vcpu_op(VCPUOP_is_up, 1, NULL) == 0;
}

static const char *events_to_it(void) {
	struct evtchn_bind_ipi bind = {.vcpu = 1};
	struct evtchn_send send;
	struct evtchn_close close;
	volatile struct vcpu_info *other = &pv_shared->vcpu_info[1];

	CHECK_EQ(event_channel_op(EVTCHNOP_bind_ipi, &bind), 0);
	send.port = close.port = bind.port;
	pv_event_mask(bind.port, false);
	other->evtchn_pending_sel = 0;
	other->evtchn_upcall_pending = 0;
	CHECK_EQ(event_channel_op(EVTCHNOP_send, &send), 0);
	CHECK_EQ(other->evtchn_upcall_pending, 1);
	CHECK_EQ(other->evtchn_pending_sel, 1ULL << bind.port / 64);
	CHECK_EQ(pv_vcpu->evtchn_upcall_pending, 0);
	CHECK_EQ(event_channel_op(EVTCHNOP_close, &close), 0);
	return NULL;
}

static uint64_t look(void) {
	asked = asked + 1;
	while (answered != asked) sched_op(SCHEDOP_yield, NULL);
	return seen;
}

/* The ways to have other vCPUs forget a page. */
static const char *remote_flushes(void) {
	static const struct {
		uint64_t flags; /* of update_va_mapping, or */
		uint32_t cmd;   /* of mmuext_op */
	} ways[] = {
		{UVMF_INVLPG | UVMF_ALL, 0},   {UVMF_TLB_FLUSH | UVMF_ALL, 0},
		{UVMF_INVLPG | UVMF_MULTI, 0}, {UVMF_TLB_FLUSH | UVMF_MULTI, 0},
		{0, MMUEXT_INVLPG_ALL},        {0, MMUEXT_TLB_FLUSH_ALL},
		{0, MMUEXT_INVLPG_MULTI},      {0, MMUEXT_TLB_FLUSH_MULTI},
	};
	static const uint64_t second_only = 1U << 1;
	uint64_t *window = pv_page(), *pages[2] = {pv_page(), pv_page()};

	looked_at = window;
	for (uint64_t i = 0; i < 4 * sizeof(ways) / sizeof(ways[0]); i++) {
		uint64_t flags = ways[i / 4].flags, *page = pages[i % 2];

		if (flags && !(flags & UVMF_ALL)) flags |= va(&second_only);
		*page = i + 1;
		CHECK_EQ(update_va_mapping(va(window), pv_mfn(page) * PV_PAGE | PV_RW, flags), 0);
		if (ways[i / 4].cmd)
			CHECK_EQ(mmuext(ways[i / 4].cmd, va(window), va(&second_only)), 0);
		CHECK_EQ(look(), i + 1);
	}
	CHECK(update_va_mapping(va(window), 0, UVMF_INVLPG | 0x8000000000000000) < 0);
	return NULL;
}

/* No write is refused because the other one is at the table as well. */
static const char *same_table(void) {
	uint64_t *pages[2] = {pv_page(), pv_page()};
	volatile uint64_t *mine = pv_entry(va(pages[0]), 1);
	unsigned before = rounds;

	entry = pv_entry(va(pages[1]), 1);
	for (uint64_t i = 0; i < 200000; i++) *mine = i << 1;
	entry = NULL;
	CHECK(rounds > before);
	CHECK_EQ(*mine, 199999 << 1);
	return NULL;
}

const char *test_second_vcpu(void) {
	uint8_t *stack = pv_page();
	const char *failure;

	if (vcpu_op(VCPUOP_is_up, 1, NULL) == -XEN_ENOENT) return NULL;
	CHECK_EQ(vcpu_op(VCPUOP_is_up, 1, NULL), 0);
	CHECK_EQ(vcpu_op(VCPUOP_up, 1, NULL), -XEN_EINVAL);
	failure = refused(stack);
	if (failure) return failure;
	good_context(stack);
	CHECK_EQ(vcpu_op(VCPUOP_initialise, 1, &context), 0);
	CHECK_EQ(vcpu_op(VCPUOP_is_up, 1, NULL), 0);
	CHECK_EQ(vcpu_op(VCPUOP_initialise, 1, &context), -XEN_EEXIST);
	CHECK_EQ(rounds, 0);
	CHECK_EQ(vcpu_op(VCPUOP_up, 1, NULL), 0);
	CHECK_EQ(vcpu_op(VCPUOP_is_up, 1, NULL), 1);
	CHECK(wait_for(&rounds, 3));
	failure = events_to_it();
	if (failure) return failure;
	failure = remote_flushes();
	if (failure) return failure;
	failure = same_table();
	if (failure) return failure;
	stop = true;
	CHECK(wait_down());
	CHECK_EQ(laps, 1);
	stop = false;
	rounds = 0;
	CHECK_EQ(vcpu_op(VCPUOP_up, 1, NULL), 0);
	CHECK(wait_for(&rounds, 3));
	stop = true;
	CHECK(wait_down());
	CHECK_EQ(laps, 2);
	return NULL;
}
