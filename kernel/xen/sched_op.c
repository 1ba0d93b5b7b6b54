/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sched_op: giving up the CPU, waiting, and ending the domain; and set_timer_op.
 */
#include "cpu/time.h"
#include "entry/hypercall.h"
#include "event/channel.h"
#include "mem/guest_copy.h"
#include "sched/plan.h"

#define NS_PER_SECOND 1000000000UL

/*
 * Opens the upcall mask and sleeps until there is something to deliver. Senders
 * set upcall_pending and then look at blocked_on, this is done the other way
 * round, so one of the two sees the other.
 */
static long block(struct vcpu *v, u64 patience) {
	struct vcpu_info *info = v->info;

	v->patience = MIN(patience, PLAN_PATIENCE_MAX);
	atomic_store(&info->evtchn_upcall_mask, 0);
	if (atomic_load(&info->evtchn_upcall_pending)) return 0;
	vcpu_block(v, BLOCK_EVENT);
	if (atomic_load(&info->evtchn_upcall_pending)) vcpu_wake(v, BLOCK_EVENT);
	return 0;
}

/* now: or only what its end is to be taken for. */
static long shutdown(struct vcpu *v, u64 argument, bool now) {
	struct sched_shutdown op;

	if (copy_from_guest(&op, argument, sizeof(op))) return -EFAULT;
	if (now)
		domain_shutdown(v->domain, (u8)op.reason);
	else
		v->domain->reason = (u8)op.reason;
	return 0;
}

static long remote_shutdown(struct vcpu *v, u64 argument) {
	struct sched_remote_shutdown op;
	int error;

	if (copy_from_guest(&op, argument, sizeof(op))) return -EFAULT;
	struct domain *d = cap_resolve_domid(v->domain, op.domain_id, RIGHT_CONTROL, &error);
	if (!d) return error;
	domain_shutdown(d, (u8)op.reason);
	return 0;
}

static long poll(struct vcpu *v, u64 argument) {
	struct sched_poll op;

	if (copy_from_guest(&op, argument, sizeof(op))) return -EFAULT;
	return poll_wait(v, &op);
}

/* --- Watchdogs: a domain that does not look after them in time is ended --- */

static void watchdog_fire_0(struct timer *timer) {
	domain_shutdown(container_of(timer, struct domain, watchdogs[0]), SHUTDOWN_watchdog);
}

static void watchdog_fire_1(struct timer *timer) { watchdog_fire_0(timer - 1); }

static void watchdog_arm(struct domain *d, u32 index, u32 timeout) {
	struct timer *timer = &d->watchdogs[index];

	timer->fire = index ? watchdog_fire_1 : watchdog_fire_0;
	timer_arm(timer, time_now() + timeout * NS_PER_SECOND);
}

static long watchdog(struct domain *d, u64 argument) {
	struct sched_watchdog op;
	u32 index;

	if (copy_from_guest(&op, argument, sizeof(op))) return -EFAULT;
	if (op.id > ARRAY_SIZE(d->watchdogs)) return -EINVAL;
	if (op.id) {
		index = op.id - 1;
		if (!(d->watchdogs_used >> index & 1)) return -EINVAL;
		if (op.timeout) {
			watchdog_arm(d, index, op.timeout);
		} else {
			timer_cancel(&d->watchdogs[index]);
			d->watchdogs_used &= ~(1U << index);
		}
		return 0;
	}
	if (!op.timeout) return -EINVAL;
	for (index = 0; index < ARRAY_SIZE(d->watchdogs); index++) {
		if (d->watchdogs_used >> index & 1) continue;
		d->watchdogs_used |= 1U << index;
		watchdog_arm(d, index, op.timeout);
		return index + 1;
	}
	return -ENOSPC;
}

long do_sched_op(u64 command, u64 argument) {
	struct vcpu *v = current_vcpu();

	switch (command) {
	case SCHEDOP_yield: plan_yield(v->cpu); return 0;
	case SCHEDOP_block: return block(v, argument);
	case SCHEDOP_shutdown: return shutdown(v, argument, true);
	case SCHEDOP_poll: return poll(v, argument);
	case SCHEDOP_remote_shutdown: return remote_shutdown(v, argument);
	case SCHEDOP_shutdown_code: return shutdown(v, argument, false);
	case SCHEDOP_watchdog: return watchdog(v->domain, argument);
	case SCHEDOP_pin_override: return -EPERM;
	default: return -ENOSYS;
	}
}

/* Zero cancels; nonsense from old kernels becomes a time soon, as guests expect. */
long do_set_timer_op(u64 deadline) {
	struct vcpu *v = current_vcpu();

	if (!deadline) {
		timer_cancel(&v->singleshot);
		return 0;
	}
	u64 now = time_now();
	if ((s64)deadline < 0 || (deadline > now && (deadline - now) >> 50))
		deadline = now + NS_PER_SECOND / 10;
	timer_singleshot(v, deadline, now);
	return 0;
}
