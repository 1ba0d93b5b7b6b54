/* SPDX-License-Identifier: BSD-2-Clause */
/* Event channels, timers and vCPU calls with values out of any range. */
#include "hostile.h"

static const uint32_t ports[] = {0,    63,   64,         1023,       1024,       4095,
				 4096, 4097, 0x7fffffff, 0x80000000, 0xfffffffe, UINT32_MAX};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

const char *hostile_port_numbers(void) {
	for (unsigned i = 0; i < COUNT(ports); i++) {
		struct evtchn_send send = {ports[i]};
		struct evtchn_close close = {ports[i]};
		struct evtchn_bind_vcpu bind = {ports[i], 0};
		struct evtchn_status status = {.dom = DOMID_SELF, .port = ports[i]};
		struct evtchn_bind_interdomain join = {.remote_dom = DOMID_SELF,
						       .remote_port = ports[i]};
		struct evtchn_unmask unmask = {ports[i]};

		CHECK(event_channel_op(EVTCHNOP_send, &send) < 0);
		CHECK(event_channel_op(EVTCHNOP_close, &close) < 0);
		CHECK(event_channel_op(EVTCHNOP_bind_vcpu, &bind) < 0);
		CHECK(event_channel_op(EVTCHNOP_bind_interdomain, &join) < 0);
		if (ports[i] >= 4096) {
			CHECK(event_channel_op(EVTCHNOP_status, &status) < 0);
			CHECK(event_channel_op(EVTCHNOP_unmask, &unmask) < 0);
		}
	}
	return NULL;
}

const char *hostile_ports_exhausted(void) {
	static uint32_t got[4096];
	struct evtchn_alloc_unbound alloc = {.dom = DOMID_SELF, .remote_dom = DOMID_SELF};
	struct evtchn_close close;
	int64_t result = 0;
	unsigned n = 0;

	for (int round = 0; round < 2; round++) {
		for (n = 0; n < 4096; n++) {
			result = event_channel_op(EVTCHNOP_alloc_unbound, &alloc);
			if (result) break;
			got[n] = alloc.port;
		}
		CHECK_EQ(result, -XEN_ENOSPC);
		CHECK(n > 16);
		for (unsigned i = 0; i < n; i++) {
			close.port = got[i];
			CHECK_EQ(event_channel_op(EVTCHNOP_close, &close), 0);
		}
	}
	return NULL;
}

/* The guest writes these words at will; nobody believes them. */
const char *hostile_shared_info_garbage(void) {
	uint32_t port = pv_bind_ipi();
	struct evtchn_send send = {port};
	uint64_t *arch = (uint64_t *)(void *)&pv_shared->arch;
	struct vcpu_time_info time = pv_vcpu->time;

	memset(pv_shared->evtchn_pending, 0xff, sizeof pv_shared->evtchn_pending);
	pv_vcpu->evtchn_pending_sel = UINT64_MAX;
	pv_vcpu->evtchn_upcall_pending = 0xff;
	for (unsigned i = 0; i < sizeof pv_shared->arch / 8; i++) arch[i] = HV_TEXT + i;
	pv_vcpu->time.version = 0x12345;
	pv_vcpu->time.tsc_to_system_mul = 0;
	CHECK_EQ(event_channel_op(EVTCHNOP_send, &send), 0);
	for (int i = 0; i < 3; i++) sched_op(SCHEDOP_yield, NULL);
	memset(pv_shared->evtchn_pending, 0, sizeof pv_shared->evtchn_pending);
	memset(arch, 0, sizeof pv_shared->arch);
	pv_vcpu->time = time; /* it may stay as it is until the next change of scale */
	pv_vcpu->evtchn_upcall_mask = 0xfe;
	pv_vcpu->evtchn_pending_sel = 0;
	pv_vcpu->evtchn_upcall_pending = 0;
	CHECK_EQ(event_channel_op(EVTCHNOP_send, &send), 0);
	CHECK(pv_event_pending(port));
	pv_events_off();
	return NULL;
}

static unsigned hits;

static void hit(uint32_t port) {
	(void)port;
	hits++;
}

const char *hostile_timer_extremes(void) {
	static const uint64_t times[] = {1,          2,          1ULL << 32,     1ULL << 50,
					 1ULL << 62, 1ULL << 63, UINT64_MAX - 1, UINT64_MAX};
	uint32_t port = pv_bind_virq(VIRQ_TIMER);
	uint64_t start = pv_time_ns();

	pv_event_handler(port, hit);
	pv_events_on();
	for (int round = 0; round < 50; round++)
		for (unsigned i = 0; i < COUNT(times); i++) {
			struct vcpu_set_singleshot_timer shot = {times[i], 0, 0};
			struct vcpu_set_periodic_timer tick = {times[i]};

			hypercall(__HYPERVISOR_set_timer_op, times[i], 0, 0, 0);
			vcpu_op(VCPUOP_set_singleshot_timer, 0, &shot);
			if (times[i] < 1000000)
				CHECK_EQ(vcpu_op(VCPUOP_set_periodic_timer, 0, &tick), -XEN_EINVAL);
			else
				vcpu_op(VCPUOP_set_periodic_timer, 0, &tick);
		}
	hypercall(__HYPERVISOR_set_timer_op, 0, 0, 0, 0);
	CHECK_EQ(vcpu_op(VCPUOP_stop_singleshot_timer, 0, NULL), 0);
	CHECK_EQ(vcpu_op(VCPUOP_stop_periodic_timer, 0, NULL), 0);
	pv_events_off();
	CHECK(hits > 0);
	/* Past deadlines fire at once, and that once; they are no storm. */
	CHECK(hits < 2000);
	CHECK(pv_time_ns() >= start);
	return NULL;
}

const char *hostile_poll_extremes(void) {
	uint32_t port = pv_bind_ipi(), bad[2] = {port, 4096};
	struct sched_poll poll = {.ports = va(&port), .nr_ports = 1, .timeout = 1};
	struct sched_poll many = {.ports = va(bad), .nr_ports = 2, .timeout = 1};

	CHECK_EQ(sched_op(SCHEDOP_poll, &poll), 0);
	CHECK_EQ(sched_op(SCHEDOP_poll, &many), -XEN_EINVAL);
	many.nr_ports = UINT32_MAX;
	CHECK_EQ(sched_op(SCHEDOP_poll, &many), -XEN_EINVAL);
	many.nr_ports = 100;
	many.ports = HV_TEXT;
	CHECK_EQ(sched_op(SCHEDOP_poll, &many), -XEN_EFAULT);
	poll.timeout = pv_time_ns() + 1000000;
	poll.nr_ports = 0;
	CHECK_EQ(sched_op(SCHEDOP_poll, &poll), 0);
	return NULL;
}

/* Every upcall causes the next one: still only this domain's own time. */
static uint32_t flood_port;

static void again(uint32_t port) {
	struct evtchn_send send = {port};

	if (++hits < 20000) event_channel_op(EVTCHNOP_send, &send);
}

const char *hostile_event_flood(void) {
	struct evtchn_send send;

	flood_port = send.port = pv_bind_ipi();
	hits = 0;
	pv_event_handler(flood_port, again);
	pv_events_on();
	CHECK_EQ(event_channel_op(EVTCHNOP_send, &send), 0);
	pv_events_off();
	CHECK_EQ(hits, 20000);
	return NULL;
}

const char *hostile_fifo_refused(void) {
	struct evtchn_init_control control = {.control_gfn = pv_mfn(pv_page())};
	struct evtchn_expand_array array = {.array_gfn = control.control_gfn};
	struct evtchn_set_priority priority = {.port = 1, .priority = 99};

	CHECK(event_channel_op(EVTCHNOP_init_control, &control) < 0);
	CHECK(event_channel_op(EVTCHNOP_expand_array, &array) < 0);
	CHECK(event_channel_op(EVTCHNOP_set_priority, &priority) < 0);
	return NULL;
}

const char *hostile_vcpu_that_is_not(void) {
	static struct vcpu_guest_context context;
	static const uint64_t vcpus[] = {128, 8191, 8192, 0x7fffffff, UINT32_MAX};

	for (unsigned i = 0; i < COUNT(vcpus); i++) {
		for (uint64_t op = 0; op < 16; op++) CHECK(vcpu_op(op, vcpus[i], &context) < 0);
	}
	CHECK_EQ(vcpu_op(VCPUOP_initialise, 0, &context), -XEN_EEXIST);
	return NULL;
}

const char *hostile_areas_unmapped(void) {
	uint8_t *page = pv_page();
	struct vcpu_register_runstate_memory_area runstate = {va(page) + PV_PAGE - 24};
	struct vcpu_register_time_memory_area time = {va(page) + PV_PAGE - 16};

	/* Over the end of a page; then the page goes. */
	vcpu_op(VCPUOP_register_runstate_memory_area, 0, &runstate);
	vcpu_op(VCPUOP_register_vcpu_time_memory_area, 0, &time);
	CHECK_EQ(pv_protect(page, 0), 0);
	for (int i = 0; i < 3; i++) {
		struct sched_poll poll = {.timeout = pv_time_ns() + 300000};

		sched_op(SCHEDOP_poll, &poll);
	}
	runstate.addr = time.addr = 0;
	vcpu_op(VCPUOP_register_runstate_memory_area, 0, &runstate);
	vcpu_op(VCPUOP_register_vcpu_time_memory_area, 0, &time);
	CHECK_EQ(pv_protect(page, PV_RW), 0);
	return NULL;
}
