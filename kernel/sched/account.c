/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Accounting: how long each vCPU has been in each of the ABI's runstates. It
 * advances only at transitions; readers add what has passed since the last one.
 *
 * Guests may have the figures written into their own memory. That is done on
 * the way back to the guest, when the page table that the address was given for
 * is loaded, and a copy that faults is simply left out until the next time.
 */
#include "sched/plan.h"

#include "cpu/time.h"
#include "mem/guest_copy.h"

#define UPDATE_FLAG (1U << VMASST_TYPE_runstate_update_flag)

/* While it is written, bit 63 of the entry time is set, as the ABI has it in a guest's copy. */
void runstate_change(struct vcpu *v, u32 state, u64 now) {
	struct vcpu_runstate_info *r = &v->runstate;
	u64 since = r->state_entry_time & ~XEN_RUNSTATE_UPDATE;

	if (r->state == state) return;
	r->state_entry_time = since | XEN_RUNSTATE_UPDATE;
	atomic_order();
	r->time[r->state] += now - since;
	r->state = state;
	atomic_order();
	r->state_entry_time = now;
	if (v->runstate_area | v->time_area) atomic_or(&v->work, WORK_AREAS);
}

/* As it was at one moment. */
static struct vcpu_runstate_info snapshot(const struct vcpu *v) {
	struct vcpu_runstate_info copy;
	u64 since;

	do {
		since = v->runstate.state_entry_time;
		atomic_order();
		copy = v->runstate;
		atomic_order();
	} while (since & XEN_RUNSTATE_UPDATE || since != v->runstate.state_entry_time);
	return copy;
}

struct vcpu_runstate_info runstate_now(const struct vcpu *v) {
	struct vcpu_runstate_info info = snapshot(v);

	info.time[info.state] += time_now() - info.state_entry_time;
	return info;
}

void runstate_stop(struct vcpu *v, u64 now) {
	u32 blocked = atomic_load(&v->blocked_on) & ~BLOCK_MOVING;
	u32 state = blocked ? RUNSTATE_blocked : RUNSTATE_runnable;

	if (blocked & (BLOCK_DOWN | BLOCK_PAUSED)) state = RUNSTATE_offline;
	runstate_change(v, state, now);
}

/*
 * Readers who asked for it see bit 63 of the entry time while the rest changes; the
 * only vCPU of a domain cannot look meanwhile.
 */
static void runstate_show(struct vcpu *v) {
	struct vcpu_runstate_info copy = snapshot(v);
	gva_t entry_time = v->runstate_area + offsetof(struct vcpu_runstate_info, state_entry_time);
	u64 since = copy.state_entry_time;
	bool mark = v->domain->vcpus_up > 1 && (v->domain->vm_assist & UPDATE_FLAG);

	if (mark) copy.state_entry_time |= XEN_RUNSTATE_UPDATE;
	if (mark && copy_to_guest(entry_time, &copy.state_entry_time, sizeof(since))) return;
	if (copy_to_guest(v->runstate_area, &copy, sizeof(copy)) || !mark) return;
	(void)!copy_to_guest(entry_time, &since, sizeof(since));
}

void runstate_left(struct vcpu *v) {
	if (v->domain->vcpus_up > 1 && v->kernel_mode) runstate_show(v);
}

/* A second copy of the vCPU's clock; its version is odd while the rest changes. */
static void publish_time(struct vcpu *v) {
	struct vcpu_time_info copy = v->info->time;
	u32 even = copy.version & ~1U;

	copy.version = even - 1;
	if (copy_to_guest(v->time_area, &copy.version, sizeof(copy.version)) ||
	    copy_to_guest(v->time_area, &copy, sizeof(copy)))
		return;
	(void)!copy_to_guest(v->time_area, &even, sizeof(even));
}

void runstate_publish(struct vcpu *v) {
	atomic_and(&v->work, ~WORK_AREAS);
	if (v->runstate_area) runstate_show(v);
	if (v->time_area) publish_time(v);
}

struct plan_account account_read(const struct vcpu *v) {
	struct vcpu_runstate_info r = snapshot(v);

	return (struct plan_account){.state = r.state,
				     .moves = v->moves,
				     .since = r.state_entry_time,
				     .time = {r.time[0], r.time[1], r.time[2], r.time[3]},
				     .woke = v->woke,
				     .wakes = v->wakes};
}
