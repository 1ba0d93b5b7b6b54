/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The Domain object: how it lies in its extent, the list of all domains, and the
 * states of a domain's life.
 *
 *   BUILDING --unpause--> RUNNING <--> PAUSED
 *       ^                    | \
 *     reset              shutdown crash      (its own doing; others' rights stay)
 *       |                    v   v
 *       +--- DYING <--- SHUTDOWN CRASHED     (and from every other state)
 *
 * A vCPU runs when it has no reason not to (vcpu.blocked_on): the state of the
 * domain is one of the reasons, BLOCK_PAUSED.
 */
#include "domain/domain.h"
#include "cpu/time.h"
#include "event/channel.h"
#include "grant/grant.h"
#include "lib/log.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "mem/memory.h"
#include "sched/plan.h"

/* All domains, linked by domain.next. */
static struct lock domains_lock; /* innermost: `domains` and the links */
static struct domain *domains GUARDED_BY(domains_lock);

/* --- Layout --- */

/* Hands out consecutive parts of the extent; with base 0 only the size comes of it. */
struct layout {
	u64 base, used;
};

static void *take(struct layout *l, u64 size, u64 alignment) {
	u64 at = ROUND_UP(l->used, alignment);

	l->used = at + size;
	return l->base ? (void *)(l->base + at) : NULL;
}

static struct vcpu *take_vcpu(struct layout *l) {
	struct vcpu *v = take(l, sizeof(*v), PAGE_SIZE);
	void *fpu = take(l, fpu_area_size(), 64);
	void *traps = take(l, PAGE_SIZE, PAGE_SIZE);

	if (v) {
		v->fpu = fpu;
		v->traps = traps;
	}
	return v;
}

/* The one description of the object: its size and all pointers into it come from here. */
static void lay_out(struct layout *l, struct domain *d, const struct domain_create *create) {
	u64 entries = (u64)create->grant_frames * GRANT_ENTRIES_PER_FRAME;

	take(l, sizeof(*d), 64);
	d->vcpus = take(l, create->vcpus * sizeof(*d->vcpus), 64);
	d->channels = take(l, create->event_ports * sizeof(*d->channels), 64);
	d->grant_pins = take(l, entries * sizeof(*d->grant_pins), 64);
	d->maps = take(l, create->map_handles * sizeof(*d->maps), 64);
	d->caps = take(l, create->cap_slots * sizeof(*d->caps), 64);
	for (u32 i = 0; i < create->vcpus; i++) {
		struct vcpu *v = take_vcpu(l);

		if (v) d->vcpus[i] = v;
	}
	d->shared = take(l, PAGE_SIZE, PAGE_SIZE);
	d->grant_entries = take(l, create->grant_frames * PAGE_SIZE, PAGE_SIZE);
}

u64 domain_object_frames(const struct domain_create *create) {
	struct layout l = {0};
	struct domain none;

	if (create->flags & ~DOMAIN_NATIVE || !create->vcpus || create->vcpus > DOMAIN_MAX_VCPUS ||
	    !create->grant_frames || create->grant_frames > 64 || create->event_ports % 64 ||
	    !create->event_ports || create->event_ports > EVTCHN_2L_NR_CHANNELS ||
	    create->cap_slots < 2 || create->cap_slots > 65536 || create->map_handles > 65536)
		return 0;
	lay_out(&l, &none, create);
	return DIV_UP(l.used, PAGE_SIZE);
}

/* The object's frames are the core's; the guest may map those that it shares. */
static void claim_frames(struct domain *d) {
	mfn_t mfn = virt_to_mfn(d->shared);

	frames_claim(d->mfn, mfn - d->mfn);
	for (; mfn < d->mfn + d->size_frames; mfn++) {
		frame_share(mfn_to_frame(mfn), d);
		m2p[mfn] = M2P_SHARED;
	}
}

struct domain *domain_create(mfn_t mfn, const struct domain_create *create) {
	struct domain *d = mfn_to_virt(mfn);
	struct layout l = {.base = (u64)d};

	lay_out(&l, d, create);
	d->id = create->domid;
	d->flags = create->flags;
	d->state = DOMAIN_STATE_BUILDING;
	string_copy(d->name, create->name, sizeof(d->name));
	d->mfn = mfn;
	d->size_frames = DIV_UP(l.used, PAGE_SIZE);
	d->maximum_pages = create->maximum_pages;
	d->max_vcpus = create->vcpus;
	d->event_ports = create->event_ports;
	d->grant_frames_max = create->grant_frames;
	d->map_handles = create->map_handles;
	d->cap_slots = create->cap_slots;
	claim_frames(d);
	grant_init(d);
	for (u32 i = 0; i < d->max_vcpus; i++) vcpu_init(d->vcpus[i], d, i);
	domain_init_shared(d);
	lock_take(&domains_lock);
	d->next = domains;
	domains = d;
	lock_drop(&domains_lock);
	return d;
}

void domain_init_shared(struct domain *d) {
	memset(d->shared, 0, PAGE_SIZE);
	for (u32 i = 0; i < XEN_LEGACY_MAX_VCPUS; i++)
		d->shared->vcpu_info[i].evtchn_upcall_mask = 1;
	time_publish_wallclock(d);
}

struct domain *domain_find(u16 domid) {
	struct domain *d;

	lock_take(&domains_lock);
	for (d = domains; d && d->id != domid; d = d->next)
		;
	lock_drop(&domains_lock);
	return d;
}

/* Only the core's own reference is left on the pages that the domain shared. */
static bool shared_pages_unused(const struct domain *d) {
	for (mfn_t mfn = virt_to_mfn(d->shared); mfn < d->mfn + d->size_frames; mfn++)
		if (frame_refs(mfn_to_frame(mfn)) != 1) return false;
	return true;
}

/*
 * Lookups without a lock may still be under way on other CPUs. They are over when
 * each has been outside the core once, and it is told to leave it soon.
 */
static bool grace_over(struct domain *d) {
	bool over = true;

	for (u32 i = 0; i < cpu_count && cpu_count > 1; i++) {
		struct cpu *cpu = cpu_by_id(i);

		if (cpu == this_cpu()) continue;
		if (!d->graced) {
			d->grace[i] = atomic_load(&cpu->interrupts);
			cpu_kick(cpu);
		}
		over &= atomic_load(&cpu->interrupts) != d->grace[i];
	}
	d->graced = true;
	return over;
}

int domain_dissolve(struct domain *d) {
	struct domain **link = &domains;

	if (!d->destroying || !domain_is_quiet(d) || d->cap_count || d->extents || d->pages ||
	    !shared_pages_unused(d))
		return -EBUSY;
	if (!grace_over(d)) return -ERESTART;
	lock_take(&domains_lock);
	while (*link != d) link = &(*link)->next;
	*link = d->next;
	lock_drop(&domains_lock);
	frames_disclaim(d->mfn, d->size_frames);
	return 0;
}

/* --- States --- */

/* The port may have been closed since the watch was set. */
void domain_notify(struct domain *d) {
	struct domain *watcher;

	trace(TRACE_STATE, d->id, d->state);
	lock_take(&d->lock);
	watcher = d->watcher;
	u32 port = d->watch_port;
	lock_drop(&d->lock);
	if (watcher && virq_bound(watcher, port, VIRQ_DOM_EXC)) channel_set_pending(watcher, port);
}

static void block_all(struct domain *d) {
	for (u32 i = 0; i < d->max_vcpus; i++) vcpu_block(d->vcpus[i], BLOCK_PAUSED);
}

void domain_pause(struct domain *d) {
	lock_take(&d->lock);
	bool changed = d->state == DOMAIN_STATE_RUNNING;
	if (changed) {
		d->state = DOMAIN_STATE_PAUSED;
		block_all(d);
	}
	lock_drop(&d->lock);
	if (changed) domain_notify(d);
}

int domain_unpause(struct domain *d) {
	int r = 0;

	lock_take(&d->lock);
	switch (d->state) {
	case DOMAIN_STATE_BUILDING:
		if (!d->vcpus[0]->initialised) {
			r = -EINVAL;
			break;
		}
		vcpu_wake(d->vcpus[0], BLOCK_DOWN);
		d->vcpus_up = 1;
		/* fallthrough */
	case DOMAIN_STATE_PAUSED:
		d->state = DOMAIN_STATE_RUNNING;
		for (u32 i = 0; i < d->max_vcpus; i++) vcpu_wake(d->vcpus[i], BLOCK_PAUSED);
		break;
	case DOMAIN_STATE_RUNNING: break;
	default: r = -EINVAL;
	}
	lock_drop(&d->lock);
	if (!r) domain_notify(d);
	return r;
}

/* The domain's own end; false: it has ended already, or somebody is ending it. */
static bool domain_end(struct domain *d, u8 state) REQUIRES(d->lock) {
	if (d->state == DOMAIN_STATE_SHUTDOWN || d->state == DOMAIN_STATE_CRASHED ||
	    d->state == DOMAIN_STATE_DYING)
		return false;
	d->state = state;
	block_all(d);
	/* Nobody reads the log once the first domain is gone. */
	if (!d->object) log_panic();
	return true;
}

void domain_shutdown(struct domain *d, u8 reason) {
	lock_take(&d->lock);
	bool ended = domain_end(d, DOMAIN_STATE_SHUTDOWN);
	if (ended) d->reason = reason;
	lock_drop(&d->lock);
	if (!ended) return;
	printf("%s (d%u): shut down, reason %u\n", d->name, d->id, reason);
	domain_notify(d);
}

void domain_crash(struct vcpu *v, u32 code, const char *format, ...) {
	struct domain *d = v->domain;
	va_list args;

	lock_take(&d->lock);
	bool ended = domain_end(d, DOMAIN_STATE_CRASHED);
	if (ended) {
		d->crash_vector = code;
		d->crash_rip = v->regs.rip;
		d->crash_rsp = v->regs.rsp;
		d->crash_cr2 = v->cr2;
		d->crash_error = v->regs.error_code;
		va_start(args, format);
		vsnprintf(d->crash_text, sizeof(d->crash_text), format, args);
		va_end(args);
	}
	lock_drop(&d->lock);
	if (!ended) return;
	printf("%s (d%u): crashed: %s; vcpu %u rip %lx rsp %lx cr2 %lx error %lx\n", d->name, d->id,
	       d->crash_text, v->id, d->crash_rip, d->crash_rsp, d->crash_cr2, d->crash_error);
	domain_notify(d);
}
