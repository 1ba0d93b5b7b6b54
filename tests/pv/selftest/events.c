/* SPDX-License-Identifier: BSD-2-Clause */
/* Event channels, timers, waiting, and the areas a vCPU registers. */
#include "selftest.h"

static unsigned hits;
static uint32_t last_port;

static void hit(uint32_t port) {
	hits++;
	last_port = port;
}

static void close_port(uint32_t port) {
	struct evtchn_close close = {.port = port};

	pv_event_mask(port, true);
	event_channel_op(EVTCHNOP_close, &close);
	pv_event_clear(port);
}

static int64_t send_port(uint32_t port) {
	struct evtchn_send send = {.port = port};

	return event_channel_op(EVTCHNOP_send, &send);
}

static uint32_t armed(uint32_t port) {
	pv_event_handler(port, hit);
	hits = 0;
	return port;
}

const char *test_event_ipi(void) {
	uint32_t port = armed(pv_bind_ipi());

	CHECK_EQ(send_port(port), 0);
	CHECK_EQ(hits, 0);
	CHECK(pv_event_pending(port));
	CHECK_EQ(pv_vcpu->evtchn_upcall_pending, 1);
	pv_events_on();
	CHECK_EQ(hits, 1);
	CHECK_EQ(last_port, port);
	for (int i = 0; i < 10; i++) send_port(port);
	CHECK_EQ(hits, 11);
	CHECK_EQ(pv_vcpu->evtchn_upcall_mask, 0);
	close_port(port);
	return NULL;
}

const char *test_event_mask(void) {
	uint32_t port = armed(pv_bind_ipi());

	pv_events_on();
	pv_event_mask(port, true);
	CHECK_EQ(send_port(port), 0);
	CHECK_EQ(hits, 0);
	CHECK(pv_event_pending(port));
	CHECK_EQ(send_port(port), 0);
	close_port(port);
	return NULL;
}

const char *test_event_unmask_call(void) {
	uint32_t port = armed(pv_bind_ipi());
	struct evtchn_unmask unmask = {.port = port};

	pv_events_on();
	pv_event_mask(port, true);
	send_port(port);
	CHECK_EQ(event_channel_op(EVTCHNOP_unmask, &unmask), 0);
	CHECK_EQ(hits, 1);
	CHECK_EQ(pv_shared->evtchn_mask[0] >> port & 1, 0);
	close_port(port);
	return NULL;
}

/* Both ends of a channel in one domain. */
const char *test_event_loopback(void) {
	struct evtchn_alloc_unbound alloc = {.dom = DOMID_SELF, .remote_dom = DOMID_SELF};
	struct evtchn_bind_interdomain bind = {.remote_dom = pv_domid()};
	struct evtchn_status status = {.dom = DOMID_SELF};

	CHECK_EQ(event_channel_op(EVTCHNOP_alloc_unbound, &alloc), 0);
	CHECK_EQ(send_port(alloc.port), 0);
	bind.remote_port = alloc.port;
	CHECK_EQ(event_channel_op(EVTCHNOP_bind_interdomain, &bind), 0);
	CHECK(pv_event_pending(bind.local_port));
	pv_event_clear(bind.local_port);
	pv_event_clear(alloc.port);
	CHECK_EQ(send_port(bind.local_port), 0);
	CHECK(pv_event_pending(alloc.port));
	CHECK(!pv_event_pending(bind.local_port));
	CHECK_EQ(send_port(alloc.port), 0);
	CHECK(pv_event_pending(bind.local_port));
	close_port(bind.local_port);
	status.port = alloc.port;
	CHECK_EQ(event_channel_op(EVTCHNOP_status, &status), 0);
	CHECK_EQ(status.status, EVTCHNSTAT_unbound);
	CHECK_EQ(status.u.unbound.dom, bind.remote_dom);
	CHECK_EQ(send_port(alloc.port), 0);
	close_port(alloc.port);
	CHECK_EQ(event_channel_op(EVTCHNOP_status, &status), 0);
	CHECK_EQ(status.status, EVTCHNSTAT_closed);
	return NULL;
}

const char *test_event_status(void) {
	struct evtchn_status status = {.dom = DOMID_SELF, .port = pv_bind_ipi()};
	struct evtchn_bind_vcpu bind = {.port = status.port, .vcpu = 0};

	CHECK_EQ(event_channel_op(EVTCHNOP_status, &status), 0);
	CHECK_EQ(status.status, EVTCHNSTAT_ipi);
	CHECK_EQ(status.vcpu, 0);
	CHECK_EQ(event_channel_op(EVTCHNOP_bind_vcpu, &bind), -XEN_EINVAL);
	close_port(status.port);
	status.port = pv_bind_virq(VIRQ_DEBUG);
	CHECK_EQ(event_channel_op(EVTCHNOP_status, &status), 0);
	CHECK_EQ(status.status, EVTCHNSTAT_virq);
	CHECK_EQ(status.u.virq, VIRQ_DEBUG);
	CHECK_EQ(send_port(status.port), -XEN_EINVAL);
	close_port(status.port);
	return NULL;
}

const char *test_event_virq_once(void) {
	struct evtchn_bind_virq bind = {.virq = VIRQ_TIMER};
	uint32_t port = pv_bind_virq(VIRQ_TIMER);

	CHECK_EQ(event_channel_op(EVTCHNOP_bind_virq, &bind), -XEN_EEXIST);
	close_port(port);
	CHECK_EQ(event_channel_op(EVTCHNOP_bind_virq, &bind), 0);
	close_port(bind.port);
	return NULL;
}

/* Two events while they are off: one upcall, both handled. */
const char *test_event_upcall_order(void) {
	uint32_t a = armed(pv_bind_ipi()), b = armed(pv_bind_ipi());

	send_port(b);
	send_port(a);
	CHECK_EQ(hits, 0);
	pv_events_on();
	CHECK_EQ(hits, 2);
	CHECK_EQ(last_port, b);
	close_port(a);
	close_port(b);
	return NULL;
}

/* Waits for a hit, at most so long. */
static bool wait_hit(uint64_t ns) {
	uint64_t end = pv_time_ns() + ns;

	pv_events_on();
	while (*(volatile unsigned *)&hits == 0 && pv_time_ns() < end)
		;
	pv_events_off();
	return hits > 0;
}

/* The periodic tick that Xen starts by default would be taken for the timer. */
static uint32_t timer_port(void) {
	vcpu_op(VCPUOP_stop_periodic_timer, 0, NULL);
	return armed(pv_bind_virq(VIRQ_TIMER));
}

const char *test_timer_op(void) {
	uint32_t port = timer_port();
	uint64_t start = pv_time_ns();

	CHECK_EQ(hypercall(__HYPERVISOR_set_timer_op, start + 2000000, 0, 0, 0), 0);
	CHECK(wait_hit(500000000));
	CHECK(pv_time_ns() - start >= 1950000);
	hits = 0;
	hypercall(__HYPERVISOR_set_timer_op, pv_time_ns() + 100000000, 0, 0, 0);
	CHECK_EQ(hypercall(__HYPERVISOR_set_timer_op, 0, 0, 0, 0), 0);
	CHECK(!wait_hit(150000000));
	close_port(port);
	return NULL;
}

const char *test_timer_past(void) {
	uint32_t port = timer_port();
	struct vcpu_set_singleshot_timer timer = {.timeout_abs_ns = 1};

	CHECK_EQ(vcpu_op(VCPUOP_set_singleshot_timer, 0, &timer), 0);
	CHECK(wait_hit(500000000));
	hits = 0;
	CHECK_EQ(hypercall(__HYPERVISOR_set_timer_op, 1, 0, 0, 0), 0);
	CHECK(wait_hit(500000000));
	close_port(port);
	return NULL;
}

const char *test_timer_singleshot(void) {
	uint32_t port = timer_port();
	struct vcpu_set_singleshot_timer timer = {.timeout_abs_ns = pv_time_ns() + 2000000};

	CHECK_EQ(vcpu_op(VCPUOP_set_singleshot_timer, 0, &timer), 0);
	CHECK(wait_hit(500000000));
	CHECK(pv_time_ns() >= timer.timeout_abs_ns - 50000);
	hits = 0;
	timer.timeout_abs_ns = pv_time_ns() + 100000000;
	CHECK_EQ(vcpu_op(VCPUOP_set_singleshot_timer, 0, &timer), 0);
	CHECK_EQ(vcpu_op(VCPUOP_stop_singleshot_timer, 0, NULL), 0);
	CHECK(!wait_hit(150000000));
	close_port(port);
	return NULL;
}

const char *test_timer_periodic(void) {
	uint32_t port = timer_port();
	struct vcpu_set_periodic_timer timer = {.period_ns = 2000000};
	uint64_t start = pv_time_ns();

	CHECK_EQ(vcpu_op(VCPUOP_set_periodic_timer, 0, &timer), 0);
	pv_events_on();
	while (*(volatile unsigned *)&hits < 3 && pv_time_ns() - start < 500000000)
		;
	CHECK_EQ(vcpu_op(VCPUOP_stop_periodic_timer, 0, NULL), 0);
	CHECK(hits >= 3);
	CHECK(pv_time_ns() - start >= 4000000);
	pv_events_off();
	close_port(port);
	return NULL;
}

const char *test_poll_timeout(void) {
	uint32_t port = pv_bind_ipi();
	struct sched_poll poll = {.ports = va(&port), .nr_ports = 1};

	poll.timeout = pv_time_ns() + 3000000;
	CHECK_EQ(sched_op(SCHEDOP_poll, &poll), 0);
	CHECK(pv_time_ns() >= poll.timeout - 50000);
	poll.timeout = 1;
	CHECK_EQ(sched_op(SCHEDOP_poll, &poll), 0);
	close_port(port);
	return NULL;
}

const char *test_poll_pending(void) {
	uint32_t port = pv_bind_ipi();
	struct sched_poll poll = {.ports = va(&port), .nr_ports = 1};
	uint64_t start = pv_time_ns();

	pv_event_mask(port, true);
	send_port(port);
	poll.timeout = start + 5000000000;
	CHECK_EQ(sched_op(SCHEDOP_poll, &poll), 0);
	CHECK(pv_time_ns() - start < 1000000000);
	CHECK(pv_event_pending(port));
	close_port(port);
	return NULL;
}

const char *test_block_wakes(void) {
	uint32_t port = timer_port();

	pv_events_off();
	hypercall(__HYPERVISOR_set_timer_op, pv_time_ns() + 2000000, 0, 0, 0);
	CHECK_EQ(sched_op(SCHEDOP_block, NULL), 0);
	CHECK_EQ(hits, 1);
	CHECK_EQ(pv_vcpu->evtchn_upcall_mask, 0);
	/* Something pending already: no wait. */
	pv_events_off();
	hypercall(__HYPERVISOR_set_timer_op, 1, 0, 0, 0);
	CHECK_EQ(sched_op(SCHEDOP_block, NULL), 0);
	CHECK_EQ(hits, 2);
	close_port(port);
	return NULL;
}

const char *test_yield(void) {
	for (int i = 0; i < 10; i++) CHECK_EQ(sched_op(SCHEDOP_yield, NULL), 0);
	return NULL;
}

const char *test_vcpu_up(void) {
	CHECK_EQ(vcpu_op(VCPUOP_is_up, 0, NULL), 1);
	for (uint64_t vcpu = 128; vcpu < 8192; vcpu++)
		CHECK_EQ(vcpu_op(VCPUOP_is_up, vcpu, NULL), -XEN_ENOENT);
	CHECK_EQ(vcpu_op(VCPUOP_up, 0, NULL), 0);
	return NULL;
}

const char *test_runstate(void) {
	static volatile struct vcpu_runstate_info area;
	struct vcpu_register_runstate_memory_area call = {.addr = va(&area)};
	struct vcpu_runstate_info info;
	uint32_t port = timer_port();

	CHECK_EQ(vcpu_op(VCPUOP_register_runstate_memory_area, 0, &call), 0);
	CHECK_EQ(area.state, RUNSTATE_running);
	CHECK_EQ(vcpu_op(VCPUOP_get_runstate_info, 0, &info), 0);
	CHECK_EQ(info.state, RUNSTATE_running);
	CHECK(info.time[RUNSTATE_running] > 0);

	hypercall(__HYPERVISOR_set_timer_op, pv_time_ns() + 20000000, 0, 0, 0);
	sched_op(SCHEDOP_block, NULL);
	CHECK_EQ(hits, 1);
	CHECK_EQ(area.state, RUNSTATE_running);
	CHECK(area.time[RUNSTATE_blocked] >= info.time[RUNSTATE_blocked] + 1000000);
	CHECK(area.state_entry_time <= pv_time_ns());
	close_port(port);
	/* An address that cannot be written later must not hurt. */
	call.addr = 0x1000;
	vcpu_op(VCPUOP_register_runstate_memory_area, 0, &call);
	sched_op(SCHEDOP_yield, NULL);
	call.addr = 0;
	vcpu_op(VCPUOP_register_runstate_memory_area, 0, &call);
	return NULL;
}

const char *test_time_area(void) {
	static volatile struct vcpu_time_info area;
	struct vcpu_register_time_memory_area call = {.addr = va(&area)};
	int64_t result = vcpu_op(VCPUOP_register_vcpu_time_memory_area, 0, &call);

	if (result == -XEN_ENOSYS) return NULL;
	CHECK_EQ(result, 0);
	CHECK(area.version % 2 == 0);
	CHECK_EQ(area.tsc_to_system_mul, pv_vcpu->time.tsc_to_system_mul);
	call.addr = 0;
	vcpu_op(VCPUOP_register_vcpu_time_memory_area, 0, &call);
	return NULL;
}

/* Last of all: everything of vcpu_info moves into a page of our own. */
const char *test_register_vcpu_info(void) {
	struct vcpu_info *mine = pv_page();
	struct vcpu_register_vcpu_info call = {.mfn = pv_mfn(mine), .offset = 128};
	uint32_t port = armed(pv_bind_ipi());

	pv_events_off();
	pv_vcpu->arch.cr2 = 0x77;
	CHECK_EQ(vcpu_op(VCPUOP_register_vcpu_info, 0, &call), 0);
	pv_vcpu = mine + 2;
	CHECK_EQ(pv_vcpu->evtchn_pending_sel, ~0ULL);
	CHECK_EQ(pv_vcpu->evtchn_upcall_pending, 1);
	CHECK_EQ(pv_vcpu->evtchn_upcall_mask, 1);
	CHECK(pv_vcpu->time.tsc_to_system_mul != 0);
	pv_events_on();
	CHECK_EQ(hits, 0);
	send_port(port);
	CHECK_EQ(hits, 1);
	pv_events_off();
	/* Such a page stays writable data. */
	CHECK_EQ(mmuext(MMUEXT_PIN_L1_TABLE, pv_mfn(mine), 0), -XEN_EINVAL);
	return NULL;
}
