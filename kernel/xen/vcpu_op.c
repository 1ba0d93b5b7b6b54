/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vcpu_op: starting and stopping vCPUs, their timers, and the areas in which the
 * core reports to them.
 *
 * Guests probe for their CPUs by asking for vCPUs that do not exist, thousands
 * of them: the number is checked first and nothing else is done for those.
 */
#include "cpu/time.h"
#include "entry/hypercall.h"
#include "event/channel.h"
#include "mem/frame.h"
#include "mem/guest_copy.h"
#include "sched/plan.h"

#define PERIOD_MIN 1000000UL        /* ns: shorter ones would be all a CPU does */
#define PERIOD_MAX 0x3fffffffffffUL /* ns: so that no sum wraps */

static bool is_up(struct vcpu *v) { return !(atomic_load(&v->blocked_on) & BLOCK_DOWN); }

static long initialise(struct vcpu *v, u64 argument) {
	struct vcpu_guest_context context;

	if (v->id >= XEN_LEGACY_MAX_VCPUS && !v->info_frame) return -EINVAL;
	if (copy_from_guest(&context, argument, sizeof(context))) return -EFAULT;
	if (v->initialised) return -EEXIST;
	int status = vcpu_set_context(v, &context);
	return status == -ERESTART ? hypercall_restart() : status;
}

static long up(struct vcpu *v) {
	struct domain *d = v->domain;

	if (!v->initialised) return -EINVAL;
	lock_take(&d->lock);
	if (!is_up(v)) d->vcpus_up++;
	vcpu_wake(v, BLOCK_DOWN);
	lock_drop(&d->lock);
	return 0;
}

/* The last one to go takes the domain with it. */
static long down(struct vcpu *v) {
	struct domain *d = v->domain;

	lock_take(&d->lock);
	bool last = is_up(v) && d->vcpus_up <= 1;
	if (!last) {
		if (is_up(v)) d->vcpus_up--;
		vcpu_block(v, BLOCK_DOWN);
	}
	lock_drop(&d->lock);
	if (last) domain_shutdown(d, SHUTDOWN_poweroff);
	return 0;
}

static long get_runstate(struct vcpu *v, u64 argument) {
	struct vcpu_runstate_info info = runstate_now(v);

	return copy_to_guest(argument, &info, sizeof(info));
}

/* --- Areas in the guest's memory --- */

/*
 * Both areas are virtual addresses, checked each time they are written: on the
 * way back to the guest, for the first time at the end of this call.
 */
static long register_area(struct vcpu *v, gva_t *area, u64 argument, u64 size) {
	u64 address;

	if (copy_from_guest(&address, argument, sizeof(address))) return -EFAULT;
	if (address && !guest_range_ok(address, size)) return -EFAULT;
	*area = address;
	if (address) atomic_or(&v->work, WORK_AREAS);
	return 0;
}

/*
 * The vCPU's info moves into a page of the guest's: once, for itself or for one
 * that is down. The old contents are copied, and the new place is announced as
 * if every event had just come, so that none is lost on the way.
 */
static long register_info(struct vcpu *v, u64 argument) {
	struct vcpu_register_vcpu_info op;

	if (copy_from_guest(&op, argument, sizeof(op))) return -EFAULT;
	if (op.offset > PAGE_SIZE - sizeof(struct vcpu_info) || op.offset % sizeof(u64))
		return -ENXIO;
	if (v->info_frame) return -EBUSY;
	if (v != current_vcpu() && is_up(v)) return -EINVAL;
	if (!mfn_valid(op.mfn)) return -EINVAL;
	if (frame_get_type(mfn_to_frame(op.mfn), v->domain, TYPE_WRITABLE)) return -EINVAL;
	struct vcpu_info *info = (void *)((char *)mfn_to_virt(op.mfn) + op.offset);
	*info = *v->info;
	v->info_frame = mfn_to_frame(op.mfn);
	atomic_store(&v->info, info);
	channel_raise_all(v);
	return 0;
}

/* --- Timers --- */

static void singleshot_fire(struct timer *timer) {
	virq_send(container_of(timer, struct vcpu, singleshot), VIRQ_TIMER);
}

/* Periods that were missed are not made up for. */
static void periodic_fire(struct timer *timer) {
	struct vcpu *v = container_of(timer, struct vcpu, periodic);
	u64 next = timer->deadline + v->periodic_ns, now = time_now();

	virq_send(v, VIRQ_TIMER);
	timer_arm(timer, next > now ? next : now + v->periodic_ns);
}

void timer_singleshot(struct vcpu *v, u64 deadline, u64 now) {
	if (deadline > now) {
		v->singleshot.fire = singleshot_fire;
		timer_arm(&v->singleshot, deadline);
		return;
	}
	timer_cancel(&v->singleshot);
	virq_send(v, VIRQ_TIMER);
}

static long set_singleshot(struct vcpu *v, u64 argument) {
	struct vcpu_set_singleshot_timer op;

	if (v != current_vcpu()) return -EINVAL;
	if (copy_from_guest(&op, argument, sizeof(op))) return -EFAULT;
	u64 now = time_now();
	if ((op.flags & VCPU_SSHOTTMR_future) && op.timeout_abs_ns < now) return -ETIME;
	timer_singleshot(v, op.timeout_abs_ns, now);
	return 0;
}

static long set_periodic(struct vcpu *v, u64 argument) {
	struct vcpu_set_periodic_timer op;

	if (copy_from_guest(&op, argument, sizeof(op))) return -EFAULT;
	if (op.period_ns < PERIOD_MIN || op.period_ns > PERIOD_MAX) return -EINVAL;
	v->periodic_ns = op.period_ns;
	v->periodic.fire = periodic_fire;
	timer_arm(&v->periodic, time_now() + op.period_ns);
	return 0;
}

static long other_op(u64 command, struct vcpu *v, u64 argument) {
	switch (command) {
	case VCPUOP_initialise: return initialise(v, argument);
	case VCPUOP_up: return up(v);
	case VCPUOP_down: return down(v);
	case VCPUOP_get_runstate_info: return get_runstate(v, argument);
	case VCPUOP_register_runstate_memory_area:
		return register_area(v, &v->runstate_area, argument,
				     sizeof(struct vcpu_runstate_info));
	case VCPUOP_register_vcpu_time_memory_area:
		return register_area(v, &v->time_area, argument, sizeof(struct vcpu_time_info));
	case VCPUOP_set_periodic_timer: return set_periodic(v, argument);
	case VCPUOP_stop_periodic_timer: timer_cancel(&v->periodic); return 0;
	case VCPUOP_stop_singleshot_timer:
		if (v != current_vcpu()) return -EINVAL;
		timer_cancel(&v->singleshot);
		return 0;
	case VCPUOP_register_vcpu_info: return register_info(v, argument);
	case VCPUOP_get_physid: return -EINVAL; /* only for who is pinned to a CPU by privilege */
	default: return -ENOSYS;
	}
}

long do_vcpu_op(u64 command, u64 vcpu, u64 argument) {
	struct vcpu *v = domain_vcpu(current_vcpu()->domain, vcpu);

	if (!v) return -ENOENT;
	if (command == VCPUOP_is_up) return is_up(v);
	if (command == VCPUOP_set_singleshot_timer) return set_singleshot(v, argument);
	return other_op(command, v, argument);
}
