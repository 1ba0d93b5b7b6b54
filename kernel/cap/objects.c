/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The invocations on Domain, Cpu, Irq, IoPorts and Console objects. Each checks
 * its arguments and hands over to the part of the core that does the work; what
 * a capability has enabled for its holder is undone here when it goes.
 */
#include "cap/invoke.h"
#include "event/channel.h"
#include "grant/grant.h"
#include "iommu/dma.h"
#include "lib/log.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "mem/guest_copy.h"
#include "sched/plan.h"

#define REVOKE_CHUNK      64
#define CAPS_LOOK         4096
#define PARENT_STEPS      4096U
#define CONSOLE_READ_MAX  512UL
#define CONSOLE_WRITE_MAX 512UL

/* --- Any --- */

/* What it was derived from lies before it in its list: not to be found behind too many others. */
static struct cap_info describe(struct domain *d, u64 slot) {
	const struct cap *cap = &d->caps[slot], *parent = cap;
	unsigned steps = PARENT_STEPS;

	while (parent && parent->depth >= cap->depth && steps) parent = parent->previous, steps--;
	struct cap_info info = {(u32)slot,  cap->type,  cap->rights,   cap->first, cap->count,
				cap->depth, cap->state, CAP_NO_OBJECT, 0,          0};
	if (cap->type == CAP_DMASPACE || cap->flags & CAP_F_SPACE)
		info.object = cap->space->source;
	else if (cap->type == CAP_MEMORY && cap->domain)
		info.object = cap->domain->id;
	if (!parent || !steps) return info;
	info.parent_domain = parent->holder->id;
	info.parent_slot = (u32)(parent - parent->holder->caps);
	return info;
}

long cap_op_inspect(struct invocation *in) {
	struct cap_info info = describe(in->caller, (u64)(in->cap - in->caller->caps));

	return copy_to_guest(in->arg[0], &info, sizeof(info));
}

/* --- Domain --- */

long domain_op_info(struct invocation *in) {
	struct domain *d = in->cap->domain;
	struct domain_info info = {0};

	lock_take(&d->lock);
	info.domid = d->id;
	info.state = d->state;
	info.reason = d->reason;
	info.flags = d->flags;
	info.pages = d->pages;
	info.spare_pages = d->spare;
	info.incarnation = d->incarnation;
	info.crash_vector = d->crash_vector;
	info.crash_rip = d->crash_rip;
	info.crash_rsp = d->crash_rsp;
	info.crash_cr2 = d->crash_cr2;
	info.crash_error = d->crash_error;
	string_copy(info.crash_text, d->crash_text, sizeof(info.crash_text));
	lock_drop(&d->lock);
	string_copy(info.name, d->name, sizeof(info.name));
	info.shared_info_mfn = virt_to_mfn(d->shared);
	info.grant_mfn = virt_to_mfn(d->grant_entries);
	for (u32 i = 0; i < d->max_vcpus; i++)
		info.run_ns += runstate_now(d->vcpus[i]).time[RUNSTATE_running];
	return copy_to_guest(in->arg[0], &info, sizeof(info));
}

long domain_op_set_context(struct invocation *in) {
	struct vcpu *v = domain_vcpu(in->cap->domain, in->arg[0]);
	struct vcpu_guest_context context;

	if (!v) return -ENOENT;
	if (in->cap->domain->state != DOMAIN_STATE_BUILDING) return -EBUSY;
	if (copy_from_guest(&context, in->arg[1], sizeof(context))) return -EFAULT;
	return vcpu_set_context(v, &context);
}

long domain_op_unpause(struct invocation *in) { return domain_unpause(in->cap->domain); }

long domain_op_pause(struct invocation *in) {
	domain_pause(in->cap->domain);
	return 0;
}

/* The first domain holds the machine, and nobody takes himself apart. */
static inline bool is_removable(const struct invocation *in) {
	return in->cap->domain->object && in->cap->domain != in->caller;
}

long domain_op_reset(struct invocation *in) {
	return is_removable(in) ? domain_reset(in->cap->domain) : -EBUSY;
}

/* The invoked capability goes last: the call must find it again when it restarts. */
long domain_op_destroy(struct invocation *in) {
	int r = is_removable(in) ? domain_destroy(in->cap->domain) : -EBUSY;

	if (r) return r;
	if (!cap_revoke_some(in->cap->domain->object, in->cap, REVOKE_CHUNK)) return -ERESTART;
	cap_remove(in->cap);
	return 0;
}

long domain_op_offer(struct invocation *in) {
	if (in->arg[0] >= in->cap->domain->event_ports || in->arg[1] >= DOMID_FIRST_RESERVED)
		return -EINVAL;
	return channel_offer(in->cap->domain, (u32)in->arg[0], (u16)in->arg[1]);
}

long domain_op_connect(struct invocation *in) {
	struct domain *a = in->cap->domain;
	int error;

	struct cap *other = cap_lookup(in->caller, in->arg[1], CAP_DOMAIN, RIGHT_CONTROL, &error);
	if (!other) return error;
	if (in->arg[0] >= a->event_ports || in->arg[2] >= other->domain->event_ports)
		return -EINVAL;
	return channel_connect(a, (u32)in->arg[0], other->domain, (u32)in->arg[2]);
}

long domain_op_grant(struct invocation *in) {
	struct domain *d = in->cap->domain;
	u64 ref = in->arg[0], peer = in->arg[1], mfn = in->arg[2];

	if (ref >= (u64)d->grant_frames_max * GRANT_ENTRIES_PER_FRAME || peer >> 17 ||
	    (u16)peer >= DOMID_FIRST_RESERVED || mfn >> 32)
		return -EINVAL;
	if (d->state != DOMAIN_STATE_BUILDING) return -EBUSY;
	return grant_set(d, (u32)ref, (u16)peer, peer >> 16, mfn);
}

long domain_op_cap(struct invocation *in) {
	struct domain *d = in->cap->domain;
	int error;
	struct cap *src = cap_lookup(in->caller, in->arg[0], CAP_ANY, 0, &error);

	if (d->state == DOMAIN_STATE_DYING) return -EBUSY;
	return src ? cap_derive(src, d, in->arg[1], in->arg[2], 0, 0) : error;
}

long domain_op_caps(struct invocation *in) {
	struct domain *d = in->cap->domain;
	u64 slot = in->arg[0], to = in->arg[1], n = in->arg[2];

	if (!n || n > CAPS_BATCH) return -EINVAL;
	for (u64 last = slot + CAPS_LOOK; slot < d->cap_slots && slot != last && n; slot++) {
		if (d->caps[slot].type == CAP_NONE) continue;
		struct cap_info info = describe(d, slot);
		if (copy_to_guest(to, &info, sizeof(info))) return -EFAULT;
		to += sizeof(info), n--;
	}
	return slot < d->cap_slots ? (long)slot : 0;
}

long domain_op_watch(struct invocation *in) {
	struct domain *d = in->cap->domain;
	u64 port = in->arg[0];

	if (port == 0) {
		if (d->watcher == in->caller) d->watcher = NULL;
		return 0;
	}
	if (port >= in->caller->event_ports || !virq_bound(in->caller, (u32)port, VIRQ_DOM_EXC))
		return -EINVAL;
	lock_take(&d->lock);
	d->watcher = in->caller;
	d->watch_port = (u32)port;
	lock_drop(&d->lock);
	in->cap->flags |= CAP_F_WATCH;
	return 0;
}

long domain_op_vcpu(struct invocation *in) {
	const struct vcpu *v = domain_vcpu(in->cap->domain, in->arg[0]);

	if (!v) return -ENOENT;
	if (v->runstate.state == RUNSTATE_running) return -EBUSY;
	const struct regs *r = &v->regs;
	struct domain_vcpu out = {
		.rip = r->rip,
		.rflags = r->rflags,
		.rsp = r->rsp,
		.cs = r->cs,
		.ss = r->ss,
		.cr2 = v->cr2,
		.cr3 = v->kernel_mode ? v->cr3_kernel : v->cr3_user,
		.run_ns = runstate_now(v).time[RUNSTATE_running],
		.runstate = v->runstate.state,
		.mode = v->kernel_mode,
	};
	memcpy(&out, r, offsetof(struct regs, error_code)); /* r15 to rdi, in the same order */
	return copy_to_guest(in->arg[1], &out, sizeof(out));
}

/* --- Irq --- */

/* The capability covers the line that the interrupt arrives at, whatever its ISA number is. */
long irq_op_bind(struct invocation *in) {
	u64 gsi = in->arg[0], port = in->arg[1], flags = in->arg[2];
	bool level, low;

	if (flags & ~(u64)(IRQ_LEVEL | IRQ_LOW | IRQ_ISA) || port >= in->caller->event_ports)
		return -EINVAL;
	if (flags & IRQ_ISA) {
		if (gsi > 15) return -EINVAL;
		gsi = ioapic_isa_to_gsi((u32)gsi, &level, &low);
		flags = (level ? IRQ_LEVEL : 0) | (low ? IRQ_LOW : 0);
	}
	if (!cap_includes(in->cap, gsi)) return -EINVAL;
	int r = irq_bind(in->caller, (u32)gsi, (u32)port, (u32)flags);
	if (r >= 0) in->cap->flags |= CAP_F_ENABLED;
	return r;
}

long irq_op_acknowledge(struct invocation *in) {
	if (!cap_includes(in->cap, in->arg[0])) return -EINVAL;
	return irq_acknowledge(in->caller, (u32)in->arg[0]);
}

long irq_op_message(struct invocation *in) {
	struct irq_message message;

	if (!cap_includes(in->cap, in->arg[0]) || in->arg[1] >> 16) return -EINVAL;
	int r = irq_message((u32)in->arg[0], (u32)in->arg[1], &message);
	return r ? r : copy_to_guest(in->arg[2], &message, sizeof(message));
}

/* --- IoPorts --- */

/* One of the holder's ranges becomes another; 0, 0 is a free place. False: it has none such. */
static bool ports_change(struct domain *d, u64 first, u64 count, u64 new_first, u64 new_count) {
	for (u32 i = 0; i < DOMAIN_MAX_PORT_RANGES; i++) {
		if (d->ports[i].first != first || d->ports[i].count != count) continue;
		/* Those in use stay in front: a switch of domains looks at the first only. */
		for (; !new_count && i + 1 < DOMAIN_MAX_PORT_RANGES; i++)
			d->ports[i] = d->ports[i + 1];
		d->ports[i].first = (u16)new_first;
		d->ports[i].count = (u16)new_count;
		descriptors_ports_changed(d);
		return true;
	}
	return false;
}

long ioports_op_enable(struct invocation *in) {
	struct cap *cap = in->cap;

	if (cap->flags & CAP_F_ENABLED) return 0;
	if (cap->count > 0xffff) return -EINVAL; /* all ports at once: derive what is needed */
	if (!ports_change(in->caller, 0, 0, cap->first, cap->count)) return -ENOSPC;
	cap->flags |= CAP_F_ENABLED;
	return 0;
}

/* --- Console --- */

long console_op_read(struct invocation *in) {
	char text[CONSOLE_READ_MAX];
	u64 position;

	if (copy_from_guest(&position, in->arg[2], sizeof(position))) return -EFAULT;
	size_t n = log_read(text, MIN(in->arg[1], sizeof(text)), &position);
	if (copy_to_guest(in->arg[0], text, n) ||
	    copy_to_guest(in->arg[2], &position, sizeof(position)))
		return -EFAULT;
	if (log_set_reader(in->caller->vcpus[0])) in->cap->flags |= CAP_F_ENABLED;
	return (long)n;
}

/* Every line carries the domain's name, and nothing in it drives a terminal. */
long console_op_write(struct invocation *in) {
	char text[CONSOLE_WRITE_MAX + 1];
	u64 size = in->arg[1];
	char *line = text;

	if (size > CONSOLE_WRITE_MAX) return -EINVAL;
	if (copy_from_guest(text, in->arg[0], size)) return -EFAULT;
	if (size && text[size - 1] == '\n') size--;
	text[size] = '\n';
	for (u64 i = 0; i <= size; i++) {
		if (text[i] == '\n') {
			text[i] = '\0';
			printf("%s: %s\n", in->caller->name, line);
			line = &text[i + 1];
		} else if (text[i] < ' ' && text[i] >= 0 && text[i] != '\t') {
			text[i] = '?';
		}
	}
	return 0;
}

/* --- The end of a capability --- */

void object_disable(struct cap *cap) {
	struct domain *d = cap->domain;

	if (cap->type == CAP_DOMAIN && (cap->flags & CAP_F_WATCH)) {
		lock_take(&d->lock);
		if (d->watcher == cap->holder) d->watcher = NULL;
		lock_drop(&d->lock);
	}
	if (!(cap->flags & CAP_F_ENABLED)) return;
	if (cap->type == CAP_IOPORTS) (void)ports_change(cap->holder, cap->first, cap->count, 0, 0);
	if (cap->type == CAP_IRQ) irq_release(cap->holder, (u32)cap->first, (u32)cap->count);
	if (cap->type == CAP_CONSOLE) (void)log_set_reader(NULL);
}
