/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Event channels: each operation with its errors, delivery, polling, what
 * closing and reset leave behind, interrupt lines.
 */
#include "guests.h"

#include "cpu/time.h"

#include <string.h>

static struct domain *a, *b;

static void start(void) {
	guests_start(2);
	a = guest(1);
	b = guest(2);
	guests_introduce(a, b, RIGHT_EVENT);
}

static u64 bit(const u64 *words, u32 port) { return words[port / 64] >> (port % 64) & 1; }

static bool pending(struct domain *d, u32 port) { return bit(d->shared->evtchn_pending, port); }

static void mask(struct domain *d, u32 port) {
	d->shared->evtchn_mask[port / 64] |= 1UL << port % 64;
}

static void unmask_all(struct domain *d) {
	memset(d->shared->evtchn_mask, 0, sizeof(d->shared->evtchn_mask));
}

/* What a guest's upcall does. */
static bool take(struct domain *d, u32 vcpu) {
	struct vcpu_info *info = d->vcpus[vcpu]->info;
	bool was = info->evtchn_upcall_pending && info->evtchn_pending_sel;

	info->evtchn_upcall_pending = 0;
	info->evtchn_pending_sel = 0;
	memset(d->shared->evtchn_pending, 0, sizeof(d->shared->evtchn_pending));
	return was;
}

static u32 offer(struct domain *d, u16 to) {
	struct evtchn_alloc_unbound op = {.dom = DOMID_SELF, .remote_dom = to};

	CHECK(event_op(d, EVTCHNOP_alloc_unbound, &op) == 0);
	CHECK(op.port > 0 && op.port < GUEST_PORTS);
	return op.port;
}

static long bind(struct domain *d, u16 remote, u32 port, u32 *local) {
	struct evtchn_bind_interdomain op = {.remote_dom = remote, .remote_port = port};
	long r = event_op(d, EVTCHNOP_bind_interdomain, &op);

	*local = op.local_port;
	return r;
}

static long close_port(struct domain *d, u32 port) {
	return event_op(d, EVTCHNOP_close, &(struct evtchn_close){port});
}

static long send_port(struct domain *d, u32 port) {
	return event_op(d, EVTCHNOP_send, &(struct evtchn_send){port});
}

static struct evtchn_status status(struct domain *d, u32 port) {
	struct evtchn_status op = {.dom = DOMID_SELF, .port = port};

	CHECK(event_op(d, EVTCHNOP_status, &op) == 0);
	return op;
}

static void test_bind(void) {
	struct evtchn_alloc_unbound other = {.dom = 2, .remote_dom = 1};
	u32 pb, pa, again;

	start();
	pb = offer(b, 1);
	CHECK(status(b, pb).status == EVTCHNSTAT_unbound && status(b, pb).u.unbound.dom == 1);
	CHECK(send_port(b, pb) == 0); /* to nobody */
	CHECK(bind(a, 9, pb, &pa) == -ESRCH);
	CHECK(bind(b, 1, pb, &pa) == -ESRCH); /* b has no capability to a */
	CHECK(bind(a, 2, 0, &pa) == -EINVAL);
	CHECK(bind(a, 2, pb + 1, &pa) == -EINVAL);
	CHECK(bind(a, 2, GUEST_PORTS, &pa) == -EINVAL);
	CHECK(bind(a, 2, ~0U, &pa) == -EINVAL);
	CHECK(bind(a, 2, offer(b, 3), &pa) == -EINVAL); /* for another one */
	CHECK(bind(a, 2, pb, &pa) == 0);
	CHECK(pending(a, pa) && !pending(b, pb));
	CHECK(bind(a, 2, pb, &again) == -EINVAL);
	CHECK(status(a, pa).status == EVTCHNSTAT_interdomain);
	CHECK(status(a, pa).u.interdomain.dom == 2 && status(a, pa).u.interdomain.port == pb);
	CHECK(status(b, pb).u.interdomain.dom == 1 && status(b, pb).u.interdomain.port == pa);
	CHECK(event_op(a, EVTCHNOP_alloc_unbound, &other) == -EPERM);
	other.dom = 5;
	CHECK(event_op(a, EVTCHNOP_alloc_unbound, &other) == -ESRCH);
	/* With itself. */
	pa = offer(a, DOMID_SELF);
	CHECK(bind(a, DOMID_SELF, pa, &again) == 0);
	take(a, 0);
	CHECK(send_port(a, again) == 0 && pending(a, pa) && !pending(a, again));
	/* The last port is usable, then there are none. */
	while (event_op(a, EVTCHNOP_alloc_unbound,
			&(struct evtchn_alloc_unbound){.dom = DOMID_SELF}) == 0)
		;
	CHECK(status(a, GUEST_PORTS - 1).status == EVTCHNSTAT_unbound);
	CHECK(event_op(a, EVTCHNOP_bind_ipi, &(struct evtchn_bind_ipi){0}) == -ENOSPC);
	CHECK(bind(a, 2, offer(b, 1), &pa) == -ENOSPC);
}

static void test_send(void) {
	u32 pb, pa;
	struct vcpu_info *info;

	start();
	unmask_all(b);
	pb = offer(b, 1);
	CHECK(bind(a, 2, pb, &pa) == 0);
	info = b->vcpus[0]->info;
	CHECK(!info->evtchn_upcall_pending);
	CHECK(send_port(a, pa) == 0 && pending(b, pb));
	CHECK(info->evtchn_upcall_pending == 1 && info->evtchn_pending_sel == 1UL << pb / 64);
	CHECK(take(b, 0));
	/* Masked: pending, nobody told; unmasking tells. */
	mask(b, pb);
	CHECK(send_port(a, pa) == 0 && pending(b, pb) && !info->evtchn_upcall_pending);
	CHECK(event_op(b, EVTCHNOP_unmask, &(struct evtchn_unmask){pb}) == 0);
	CHECK(!bit(b->shared->evtchn_mask, pb) && info->evtchn_upcall_pending);
	CHECK(take(b, 0));
	/* Errors. */
	CHECK(send_port(a, 0) == -EINVAL && send_port(a, pa + 1) == -EINVAL);
	CHECK(send_port(a, GUEST_PORTS) == -EINVAL && send_port(a, ~0U) == -EINVAL);
	CHECK(event_op(a, EVTCHNOP_send, (void *)8) == -EFAULT);
	CHECK(event_op(a, EVTCHNOP_unmask, &(struct evtchn_unmask){GUEST_PORTS}) == -EINVAL);
	CHECK(event_op(a, 14, &pa) == -ENOSYS && event_op(a, ~0UL, &pa) == -ENOSYS);
	CHECK(event_op(a, EVTCHNOP_init_control, &pa) == -ENOSYS);
	CHECK(event_op(a, EVTCHNOP_expand_array, &pa) == -ENOSYS);
	CHECK(event_op(a, EVTCHNOP_set_priority, &pa) == -ENOSYS);
	CHECK(event_op(a, EVTCHNOP_bind_pirq, &(struct evtchn_bind_pirq){0}) == -EPERM);
	/* A blocked vCPU wakes. */
	vcpu_block(b->vcpus[0], BLOCK_EVENT);
	CHECK(send_port(a, pa) == 0 && !b->vcpus[0]->blocked_on);
}

static void test_virq_ipi(void) {
	struct evtchn_bind_virq virq = {.virq = VIRQ_TIMER, .vcpu = 1};
	struct evtchn_bind_ipi ipi = {.vcpu = 2};
	u32 port;

	start();
	unmask_all(a);
	CHECK(event_op(a, EVTCHNOP_bind_virq, &virq) == 0);
	port = virq.port;
	CHECK(event_op(a, EVTCHNOP_bind_virq, &virq) == -EEXIST);
	CHECK(status(a, port).u.virq == VIRQ_TIMER && status(a, port).vcpu == 1);
	virq_send(a->vcpus[1], VIRQ_TIMER);
	CHECK(pending(a, port) && a->vcpus[1]->info->evtchn_upcall_pending);
	virq_send(a->vcpus[0], VIRQ_TIMER); /* not bound there */
	CHECK(!a->vcpus[0]->info->evtchn_upcall_pending);
	CHECK(send_port(a, port) == -EINVAL);
	CHECK(event_op(a, EVTCHNOP_bind_vcpu, &(struct evtchn_bind_vcpu){port, 0}) == -EINVAL);
	CHECK(close_port(a, port) == 0);
	virq_send(a->vcpus[1], VIRQ_TIMER);
	CHECK(!pending(a, port));
	CHECK(event_op(a, EVTCHNOP_bind_virq, &virq) == 0);
	virq = (struct evtchn_bind_virq){.virq = NR_VIRQS};
	CHECK(event_op(a, EVTCHNOP_bind_virq, &virq) == -EINVAL);
	virq = (struct evtchn_bind_virq){.virq = VIRQ_DOM_EXC, .vcpu = 1};
	CHECK(event_op(a, EVTCHNOP_bind_virq, &virq) == -EINVAL); /* global: vCPU 0 */
	virq = (struct evtchn_bind_virq){.virq = VIRQ_DEBUG, .vcpu = 3};
	CHECK(event_op(a, EVTCHNOP_bind_virq, &virq) == -ENOENT);
	/* A global one may be told to another vCPU; closing frees it all the same. */
	virq = (struct evtchn_bind_virq){.virq = VIRQ_PLAN};
	CHECK(event_op(a, EVTCHNOP_bind_virq, &virq) == 0 && virq_bound(a, virq.port, VIRQ_PLAN));
	CHECK(event_op(a, EVTCHNOP_bind_vcpu, &(struct evtchn_bind_vcpu){virq.port, 2}) == 0);
	CHECK(close_port(a, virq.port) == 0 && event_op(a, EVTCHNOP_bind_virq, &virq) == 0);

	CHECK(event_op(a, EVTCHNOP_bind_ipi, &ipi) == 0);
	CHECK(send_port(a, ipi.port) == 0 && a->vcpus[2]->info->evtchn_upcall_pending);
	CHECK(event_op(a, EVTCHNOP_bind_vcpu, &(struct evtchn_bind_vcpu){ipi.port, 0}) == -EINVAL);
	ipi.vcpu = 3;
	CHECK(event_op(a, EVTCHNOP_bind_ipi, &ipi) == -ENOENT);
}

static void test_bind_vcpu(void) {
	u32 pa, pb;

	start();
	unmask_all(b);
	pb = offer(b, 1);
	CHECK(bind(a, 2, pb, &pa) == 0);
	CHECK(event_op(b, EVTCHNOP_bind_vcpu, &(struct evtchn_bind_vcpu){pb, 3}) == -ENOENT);
	CHECK(event_op(b, EVTCHNOP_bind_vcpu, &(struct evtchn_bind_vcpu){0, 1}) == -EINVAL);
	CHECK(event_op(b, EVTCHNOP_bind_vcpu, &(struct evtchn_bind_vcpu){GUEST_PORTS, 1}) ==
	      -EINVAL);
	CHECK(send_port(a, pa) == 0);
	/* What is pending goes along. */
	CHECK(event_op(b, EVTCHNOP_bind_vcpu, &(struct evtchn_bind_vcpu){pb, 1}) == 0);
	CHECK(b->vcpus[1]->info->evtchn_upcall_pending && status(b, pb).vcpu == 1);
	/* The peer's coming and going does not move it. */
	CHECK(close_port(a, pa) == 0 && status(b, pb).vcpu == 1);
	CHECK(bind(a, 2, pb, &pa) == 0 && status(b, pb).vcpu == 1);
}

static void test_close(void) {
	u32 pa, pb;

	start();
	pb = offer(b, 1);
	CHECK(bind(a, 2, pb, &pa) == 0 && send_port(a, pa) == 0);
	CHECK(close_port(a, pa) == 0 && close_port(a, pa) == -EINVAL);
	CHECK(!pending(a, pa) && pending(b, pb)); /* the peer's is the peer's */
	CHECK(status(b, pb).status == EVTCHNSTAT_unbound && status(b, pb).u.unbound.dom == 1);
	CHECK(send_port(b, pb) == 0);
	CHECK(bind(a, 2, pb, &pa) == 0); /* a successor binds to the very port */
	CHECK(close_port(b, pb) == 0 && status(a, pa).status == EVTCHNSTAT_unbound);
	CHECK(close_port(a, 0) == -EINVAL && close_port(a, GUEST_PORTS) == -EINVAL);
	CHECK(event_op(a, EVTCHNOP_reset, &(struct evtchn_reset){DOMID_SELF}) == 0);
	CHECK(status(a, pa).status == EVTCHNSTAT_closed);
	CHECK(event_op(a, EVTCHNOP_reset, &(struct evtchn_reset){2}) == -EPERM);
}

static void test_reset(void) {
	u32 pa[100], pb[100];
	unsigned i, calls = 1;

	start();
	unmask_all(b);
	for (i = 0; i < 100; i++) {
		pb[i] = offer(b, 1);
		CHECK(bind(a, 2, pb[i], &pa[i]) == 0 && send_port(a, pa[i]) == 0);
	}
	while (channel_reset(a) == -ERESTART) calls++;
	CHECK(calls <= 2);
	for (i = 0; i < 100; i++) {
		CHECK(status(b, pb[i]).status == EVTCHNSTAT_unbound && pending(b, pb[i]));
		CHECK(status(a, pa[i]).status == EVTCHNSTAT_closed);
	}
	/* Root joins the successor's ports; what was pending is announced. */
	take(b, 0);
	b->shared->evtchn_pending[pb[7] / 64] |= 1UL << pb[7] % 64;
	CHECK(channel_connect(a, 3, b, pb[7]) == 0);
	CHECK(b->vcpus[0]->info->evtchn_upcall_pending && pending(a, 3));
	CHECK(status(a, 3).u.interdomain.port == pb[7]);
	CHECK(channel_connect(a, 3, b, pb[8]) == -EEXIST);
	CHECK(channel_connect(a, 4, b, pb[7]) == -EEXIST);
	CHECK(channel_connect(a, 4, a, 4) == -EINVAL && channel_connect(a, 0, b, 1) == -EINVAL);
	CHECK(channel_connect(a, GUEST_PORTS, b, 1) == -EINVAL);
	CHECK(channel_offer(a, 9, 2) == 0 && channel_offer(a, 9, 2) == -EEXIST);
	CHECK(channel_offer(a, 0, 2) == -EINVAL && channel_offer(a, GUEST_PORTS, 2) == -EINVAL);
	CHECK(channel_connect(b, 120, a, 9) == 0);
}

static long call_sched(u64 command, u64 argument, u64 unused) {
	(void)unused;
	return do_sched_op(command, argument);
}

static long poll(struct domain *d, u32 vcpu, const u32 *ports, u32 count, u64 timeout) {
	struct sched_poll op = {.ports = (u64)ports, .nr_ports = count, .timeout = timeout};

	return run_as(d, vcpu, call_sched, SCHEDOP_poll, (u64)&op, 0);
}

static void fire_timers(u64 now) {
	host_now = now;
	timer_interrupt();
}

static void test_poll(void) {
	u32 pb, pa, ports[129] = {0};
	struct vcpu *v;

	start();
	v = b->vcpus[1];
	pb = offer(b, 1);
	CHECK(bind(a, 2, pb, &pa) == 0);
	ports[0] = pb;
	CHECK(poll(b, 1, ports, 129, 0) == -EINVAL);
	ports[1] = GUEST_PORTS;
	CHECK(poll(b, 1, ports, 2, 0) == -EINVAL);
	CHECK(poll(b, 1, (u32 *)16, 1, 0) == -EFAULT);
	CHECK(poll(b, 1, ports, 1, host_now) == 0 && !v->blocked_on); /* past */
	/* Another port does not end it; this one does, masked as it is. */
	mask(b, pb);
	CHECK(poll(b, 1, ports, 1, 0) == 0 && v->blocked_on == BLOCK_POLL);
	channel_set_pending(b, pb + 1);
	CHECK(v->blocked_on == BLOCK_POLL);
	CHECK(send_port(a, pa) == 0 && !v->blocked_on && !b->polling[0]);
	CHECK(poll(b, 1, ports, 1, 0) == 0 && !v->blocked_on); /* pending already */
	/* Time. */
	take(b, 1);
	CHECK(poll(b, 1, ports, 1, host_now + 500) == 0 && v->blocked_on == BLOCK_POLL);
	fire_timers(host_now + 499);
	CHECK(v->blocked_on == BLOCK_POLL);
	fire_timers(host_now + 1);
	CHECK(!v->blocked_on);
	/* A stale timeout does not end a later poll. */
	CHECK(poll(b, 1, ports, 1, host_now + 500) == 0);
	CHECK(send_port(a, pa) == 0);
	take(b, 1);
	CHECK(poll(b, 1, ports, 1, 0) == 0);
	fire_timers(host_now + 1000);
	CHECK(v->blocked_on == BLOCK_POLL);
	/* An upcall ends it, too. */
	channel_raise(v);
	CHECK(!v->blocked_on);
}

static void test_block(void) {
	struct vcpu *v;

	start();
	v = a->vcpus[0];
	v->info->evtchn_upcall_mask = 1;
	CHECK(run_as(a, 0, call_sched, SCHEDOP_block, 0, 0) == 0);
	CHECK(v->blocked_on == BLOCK_EVENT && !v->info->evtchn_upcall_mask);
	channel_raise(v);
	CHECK(!v->blocked_on);
	CHECK(run_as(a, 0, call_sched, SCHEDOP_block, 0, 0) == 0 && !v->blocked_on);
}

static void test_lines(void) {
	start();
	CHECK(irq_bind(a, 24, 0, 0) == -EINVAL && irq_bind(a, 4, 0, 8) == -EINVAL);
	CHECK(irq_bind(a, 4, GUEST_PORTS, 0) == -EINVAL);
	CHECK(irq_bind(a, 4, 5, IRQ_LEVEL) == 5 && !host_masked[4]);
	CHECK(status(a, 5).status == EVTCHNSTAT_pirq && status(a, 5).u.pirq == 4);
	CHECK(irq_bind(a, 4, 6, 0) == -EEXIST && irq_bind(b, 4, 0, IRQ_LEVEL) > 0);
	CHECK(irq_acknowledge(a, 5) == -EINVAL && irq_acknowledge(a, ~0U) == -EINVAL);
	/* Both are told; the line opens when both are done. */
	host_masked[4] = true;
	irq_deliver(4);
	CHECK(pending(a, 5) && pending(b, 1) && host_masked[4]);
	CHECK(irq_acknowledge(a, 4) == 0 && irq_acknowledge(a, 4) == 0 && host_masked[4]);
	CHECK(irq_acknowledge(b, 4) == 0 && !host_masked[4]);
	/* One that goes away without an answer does not keep it shut. */
	host_masked[4] = true;
	irq_deliver(4);
	CHECK(irq_acknowledge(a, 4) == 0 && host_masked[4]);
	irq_release(b, 0, 24);
	CHECK(!host_masked[4] && status(b, 1).status == EVTCHNSTAT_closed);
	CHECK(close_port(a, 5) == 0 && host_masked[4]);
	irq_deliver(4);
	irq_deliver(1000);
	CHECK(!pending(a, 5));
}

int main(void) {
	static const struct guest_test tests[] = {
		TEST(test_bind),      TEST(test_send),  TEST(test_virq_ipi),
		TEST(test_bind_vcpu), TEST(test_close), TEST(test_reset),
		TEST(test_poll),      TEST(test_block), TEST(test_lines),
	};

	return guests_run(tests, sizeof(tests) / sizeof(tests[0]));
}
