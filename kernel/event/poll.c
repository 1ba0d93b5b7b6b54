/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sched_op poll: a vCPU sleeps until one of some ports is pending, masked or not.
 *
 * domain.polling has a bit for each vCPU that polls; senders look at it after
 * they have set a pending bit, pollers look at the pending bits after they have
 * set theirs, so one of the two sees the other. Which ports a vCPU waits for is
 * kept as a filter of 128 bits by port number: a hit may be another port's, and
 * the poll then ends early, which the ABI allows.
 */
#include "event/channel.h"

#include "cpu/time.h"
#include "mem/guest_copy.h"
#include "sched/plan.h"

#define FILTER_BITS 128U

static bool any_pending(struct domain *d, const u32 *ports, u32 count) {
	for (u32 i = 0; i < count; i++)
		if (atomic_load(&d->shared->evtchn_pending[ports[i] / 64]) >> (ports[i] % 64) & 1)
			return true;
	return false;
}

static bool upcall_due(const struct vcpu *v) {
	return atomic_load(&v->info->evtchn_upcall_pending) &&
	       !atomic_load(&v->info->evtchn_upcall_mask);
}

/* Whoever takes the vCPU out of the set wakes it, so it is woken once. */
void poll_end(struct vcpu *v) {
	u64 bit = 1UL << v->id % 64;

	if (atomic_and(&v->domain->polling[v->id / 64], ~bit) & bit) vcpu_wake(v, BLOCK_POLL);
}

static void poll_timeout(struct timer *timer) {
	poll_end(container_of(timer, struct vcpu, poll_timer));
}

void poll_wake(struct domain *d, u32 port) {
	u32 bit = port % FILTER_BITS;

	for (unsigned word = 0; word < ARRAY_SIZE(d->polling); word++) {
		for (u64 set = atomic_load(&d->polling[word]); set; set &= set - 1) {
			struct vcpu *v = d->vcpus[word * 64 + (unsigned)__builtin_ctzl(set)];

			if (atomic_load(&v->poll_ports[bit / 64]) >> (bit % 64) & 1) poll_end(v);
		}
	}
}

long poll_wait(struct vcpu *v, const struct sched_poll *poll) {
	struct domain *d = v->domain;
	u32 ports[SCHED_POLL_MAX_PORTS];
	u64 filter[2] = {0, 0};

	if (poll->nr_ports > SCHED_POLL_MAX_PORTS) return -EINVAL;
	if (copy_from_guest(ports, poll->ports, poll->nr_ports * sizeof(ports[0]))) return -EFAULT;
	for (u32 i = 0; i < poll->nr_ports; i++) {
		if (ports[i] >= d->event_ports) return -EINVAL;
		filter[ports[i] % FILTER_BITS / 64] |= 1UL << ports[i] % 64;
	}
	if (poll->timeout && poll->timeout <= time_now()) return 0;

	timer_cancel(&v->poll_timer); /* of a poll that ended otherwise */
	v->poll_timer.fire = poll_timeout;
	atomic_store(&v->poll_ports[0], filter[0]);
	atomic_store(&v->poll_ports[1], filter[1]);
	vcpu_block(v, BLOCK_POLL);
	atomic_or(&d->polling[v->id / 64], 1UL << v->id % 64);
	/* From here on senders see the poller; what came before is seen here. */
	if (any_pending(d, ports, poll->nr_ports) || upcall_due(v))
		poll_end(v);
	else if (poll->timeout)
		timer_arm(&v->poll_timer, poll->timeout);
	return 0;
}
