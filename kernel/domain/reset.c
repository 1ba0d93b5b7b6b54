/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reset in place, and destruction: the same way down.
 *
 * A domain is taken apart in steps, each a function that does a bounded part,
 * says -ERESTART until it is done, and finds the work already done when it is
 * called once more. d->reset_step and d->reset_position are all that is
 * remembered, so anybody with the right may carry the work on.
 *
 * What survives a reset: the object, its domid, others' capabilities to it, its
 * watch, its reserve and its frames (until MEMORY_RECLAIM; a frame that a peer
 * still maps by grant keeps that reference, and only its own extent stays busy),
 * and at its peers the ports that waited for it or were joined to it. What is in
 * the peers' hands is never touched: their pending bits and their mappings.
 */
#include "cpu/time.h"
#include "event/channel.h"
#include "grant/grant.h"
#include "lib/string.h"
#include "mem/frame.h"
#include "mem/tlb.h"
#include "sched/plan.h"

#define CHUNK 64

/* No vCPU runs, none is in a plan, and no CPU holds anything of one. */
static int step_stop(struct domain *d) {
	for (u32 i = 0; i < d->max_vcpus; i++) {
		struct vcpu *v = d->vcpus[i];

		vcpu_block(v, BLOCK_PAUSED | BLOCK_DOWN);
		plan_forget(v);
		if (atomic_load(&v->held)) {
			plan_evict(v);
			return -ERESTART;
		}
	}
	return 0;
}

/* One vCPU for each call: its references, its timers, its registers. */
static int step_vcpus(struct domain *d) {
	struct vcpu *v = domain_vcpu(d, d->reset_position);

	if (!v) {
		for (u32 i = 0; i < sizeof(d->watchdogs) / sizeof(d->watchdogs[0]); i++)
			timer_cancel(&d->watchdogs[i]);
		d->watchdogs_used = 0;
		return 0;
	}
	int r = vcpu_clear_context(v);
	if (r) return r;
	timer_cancel(&v->singleshot);
	timer_cancel(&v->periodic);
	timer_cancel(&v->poll_timer);
	d->reset_position++;
	return -ERESTART;
}

/* The table is emptied; what was derived from it goes first. */
static int step_caps(struct domain *d) REQUIRES(tree_lock) {
	for (unsigned n = 0; n < CHUNK && d->reset_position < d->cap_slots; n++) {
		struct cap *cap = &d->caps[d->reset_position];

		if (cap->type != CAP_NONE) {
			assert(cap->type != CAP_MEMORY, "Memory stays with the first domain");
			if (!cap_revoke_some(cap, NULL, CHUNK)) return -ERESTART;
			cap_remove(cap);
		}
		d->reset_position++;
	}
	return d->reset_position < d->cap_slots ? -ERESTART : 0;
}

/* Pinned tables are taken apart. Nobody can give or reclaim meanwhile: the list stands still. */
static int step_frames(struct domain *d) {
	const struct cap *m = d->extents;
	u64 i = d->reset_position;

	for (; m && i >= m->count; m = m->next_extent) i -= m->count;
	for (unsigned n = 0; m && n < CHUNK; n++) {
		struct frame *f = mfn_to_frame(m->first + i);

		if ((atomic_load(&f->state) & FRAME_OWNED) && f->owner == d->mfn) {
			int r = frame_relinquish(f);

			if (r) return r;
		}
		d->reset_position++;
		if (++i == m->count) {
			m = m->next_extent;
			i = 0;
		}
	}
	return m ? -ERESTART : 0;
}

/* Grants of the last incarnation name frames that are about to go. */
static int step_grant_table(struct domain *d) {
	if (d->reset_position < d->grant_frames_max) {
		memset((char *)d->grant_entries + d->reset_position * PAGE_SIZE, 0, PAGE_SIZE);
		d->reset_position++;
		return -ERESTART;
	}
	return 0;
}

static int step_power_on(struct domain *d) {
	struct vcpu *v = domain_vcpu(d, d->reset_position);

	if (v) {
		vcpu_init(v, d, (u32)d->reset_position);
		d->reset_position++;
		return -ERESTART;
	}
	tlb_flush_domain(d);
	domain_init_shared(d);
	d->vcpus_up = 0;
	d->vm_assist = 0;
	d->reason = 0;
	d->crash_vector = 0;
	d->crash_rip = d->crash_rsp = d->crash_cr2 = d->crash_error = 0;
	memset(d->crash_text, 0, sizeof(d->crash_text));
	return 0;
}

static int (*const steps[])(struct domain *d) = {
	step_stop, step_vcpus,  channel_reset,    grant_reset,
	step_caps, step_frames, step_grant_table, step_power_on,
};
#define STEPS (sizeof(steps) / sizeof(steps[0]))

static void enter_state(struct domain *d, u8 state) {
	lock_take(&d->lock);
	d->state = state;
	lock_drop(&d->lock);
	domain_notify(d);
}

/* One step, or a part of it. */
static int take_apart(struct domain *d) {
	int r;

	if (d->state != DOMAIN_STATE_DYING) {
		d->reset_step = 0;
		d->reset_position = 0;
		enter_state(d, DOMAIN_STATE_DYING);
	}
	if (d->reset_step == STEPS) return 0;
	r = steps[d->reset_step](d);
	if (r) return r;
	d->reset_position = 0;
	return ++d->reset_step == STEPS ? 0 : -ERESTART;
}

int domain_reset(struct domain *d) {
	if (d->destroying) return -EBUSY;
	int r = take_apart(d);
	if (r) return r;
	d->incarnation++;
	enter_state(d, DOMAIN_STATE_BUILDING);
	return 0;
}

int domain_destroy(struct domain *d) {
	d->destroying = true;
	return take_apart(d);
}

bool domain_is_quiet(const struct domain *d) {
	return d->state == DOMAIN_STATE_BUILDING ||
	       (d->state == DOMAIN_STATE_DYING && d->destroying && d->reset_step == STEPS);
}
