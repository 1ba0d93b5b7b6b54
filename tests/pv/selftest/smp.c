/* SPDX-License-Identifier: BSD-2-Clause */
/* A second vCPU, if the domain has one: contexts that are refused, up, down, up again. */
#include "selftest.h"

static struct vcpu_guest_context context;
static volatile unsigned rounds, laps;
static volatile bool stop;

/* What vCPU 1 executes, on a stack of its own. It comes back from each `down`. */
static void second(void) {
	for (;;) {
		while (!stop) {
			rounds++;
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
