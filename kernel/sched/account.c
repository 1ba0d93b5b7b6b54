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

void runstate_change(struct vcpu *v, u32 state, u64 now) {
	struct vcpu_runstate_info *r = &v->runstate;

	if (r->state == state) return;
	r->time[r->state] += now - r->state_entry_time;
	r->state_entry_time = now;
	r->state = state;
	if (v->runstate_area | v->time_area) atomic_or(&v->work, WORK_AREAS);
}

void runstate_read(const struct vcpu *v, struct vcpu_runstate_info *info) {
	*info = v->runstate;
	info->time[info->state] += time_now() - info->state_entry_time;
}

/*
 * Readers who asked for it see bit 63 of the entry time while the rest changes; the
 * only vCPU of a domain cannot look meanwhile.
 */
void runstate_show(struct vcpu *v) {
	struct vcpu_runstate_info copy = v->runstate;
	gva_t entry_time = v->runstate_area + offsetof(struct vcpu_runstate_info, state_entry_time);
	u64 marked = copy.state_entry_time | XEN_RUNSTATE_UPDATE;
	bool mark = v->domain->vcpus_up > 1 && (v->domain->vm_assist & UPDATE_FLAG);

	if (mark && copy_to_guest(entry_time, &marked, sizeof(marked))) return;
	if (mark) copy.state_entry_time = marked;
	if (copy_to_guest(v->runstate_area, &copy, sizeof(copy)) || !mark) return;
	marked &= ~XEN_RUNSTATE_UPDATE;
	(void)!copy_to_guest(entry_time, &marked, sizeof(marked));
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

/* It may change while it is read: then the reader has a mixture, of figures that all are true
 * of one moment or the next. */
void account_read(const struct vcpu *v, struct plan_account *a) {
	const struct vcpu_runstate_info *r = &v->runstate;

	*a = (struct plan_account){.state = r->state,
				   .moves = v->moves,
				   .since = r->state_entry_time,
				   .woke = v->woke,
				   .wakes = v->wakes};
	for (unsigned i = 0; i < 4; i++) a->time[i] = r->time[i];
}
