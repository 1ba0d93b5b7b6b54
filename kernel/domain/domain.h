/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The Domain object and its vCPUs. Both live in the one Memory extent that the
 * creator handed in (MEMORY_CREATE_DOMAIN), laid out by domain/domain.c:
 *
 *   struct domain | vCPU pages | channels | capability table | map handles
 *   | shared_info | grant table frames
 *
 * Nothing here moves while the object lives, so pointers into it are stable; it
 * dies only when no capability, no frame and no CPU refers to it.
 *
 * Lock order (outermost first): tree_lock (cap/) > domain.lock > channel_lock
 * (event/) > grant_lock (grant/) > cpu's plan lock (sched/). Two locks of the
 * same kind are taken in the order of their domids.
 */
#ifndef KERNEL_DOMAIN_DOMAIN_H
#define KERNEL_DOMAIN_DOMAIN_H

#include "cpu/percpu.h"
#include "mem/paging.h"
#include "proto/cap/cap.h"
#include "proto/xen/arch.h"
#include "proto/xen/callback.h"
#include "proto/xen/xen.h"
#include "proto/xen/vcpu.h"

struct cap;
struct channel;
struct frame;
struct grant_map;

/*
 * The registers of a vCPU as the entry code pushes them: the first part of the
 * ABI's cpu_user_regs, byte for byte.
 */
struct regs {
	u64 r15, r14, r13, r12, rbp, rbx;
	u64 r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi;
	u32 error_code, vector;
	u64 rip, cs, rflags, rsp, ss;
};

/* The general register that an instruction calls n. */
static inline u64 *regs_gpr(struct regs *r, unsigned n) {
	static const u8 word[16] = {10, 11, 12, 5, 19, 4, 13, 14, 9, 8, 7, 6, 3, 2, 1, 0};

	return (u64 *)r + word[n];
}

struct timer {
	struct lock lock; /* taken by whoever arms or cancels it; outside the heap's */
	u64 deadline;     /* ns since boot */
	void (*fire)(struct timer *timer);
	/* cpu/timer.c: pairing heap; child is NULL and queued false when not in it */
	struct timer *child, *next, *previous;
	struct cpu *cpu; /* on whose heap */
	bool queued;
};

/*
 * vcpu.work: atomic; looked at before every return to the guest, together with
 * info (is an upcall due?). The exit path looks nowhere else: whoever wants the
 * plan looked at sets WORK_SWITCH of the current vCPU (cpu_need_switch).
 */
#define WORK_RESTART (1U << 1) /* the hypercall is to be executed again */
#define WORK_TLB     (1U << 2) /* flush before the guest runs */
#define WORK_PAUSE   (1U << 3) /* stop running: domain paused, ended, or vCPU down */
#define WORK_AREAS   (1U << 4) /* runstate or time area to be written (guest kernel root only) */
#define WORK_SWITCH  (1U << 5) /* look at the plan */

/* vcpu.blocked_on: why it does not run; 0 = runnable. */
#define BLOCK_EVENT  (1U << 0) /* sched_op block: until upcall_pending */
#define BLOCK_POLL   (1U << 1) /* sched_op poll: until a port or the timeout */
#define BLOCK_DOWN   (1U << 2) /* never started, or vcpu_op down */
#define BLOCK_PAUSED (1U << 3) /* domain paused, building, shut down or crashed */
#define BLOCK_MOVING (1U << 4) /* another CPU still holds something of it */

#define CALLBACKTYPES (CALLBACKTYPE_syscall32 + 1)

#define HELD_LOADED  1U
#define HELD_LEAVING 2U /* and is to let go: it is in the CPU's list */

struct vcpu {
	/* --- entry.S knows these offsets (entry/asm_offsets.c) --- */
	struct cpu *cpu;        /* where it runs, or ran last */
	struct regs regs;       /* TSS.RSP0 points at its end: 16-byte aligned there */
	u64 cr3_kernel;         /* CR3 values, PCID and no-flush bit included */
	u64 cr3_user;           /* 0: none */
	struct vcpu_info *info; /* through the direct map; guest-writable: believe nothing */
	u64 kernel_stack; /* guest kernel stack, aligned, ready for a frame; 0: no guest address */
	u64 iopl_flags;   /* virtual IOPL as frames show it (vm_assist 4), else 0 */
	struct {
		u64 entry; /* 0 = none */
		u64 masks; /* entering sets upcall_mask */
	} callback[CALLBACKTYPES];
	u32 work;       /* atomic */
	u8 kernel_mode; /* guest kernel, not guest user */
	u8 iopl;        /* virtual */
	u8 in_multicall;
	u8 restart_in_multicall; /* the multicall's current entry is to be executed again */
	u64 noflush;             /* bit 63 where the CPU has PCIDs */

	/* --- the rest is C's --- */
	u64 *multicall_args; /* of the multicall's current entry */
	struct domain *domain;
	u32 id;
	u32 blocked_on;   /* BLOCK_*; atomic; sched/ turns changes into the ready bits */
	bool initialised; /* has a context */

	struct frame *root, *user_root; /* type references held; NULL = none */
	struct frame *deferred; /* a table whose last reference is being dropped, in parts */

	struct trap_info *traps; /* [256], a page */
	u64 gdt_frames[16];      /* MFNs, type references held */
	u32 gdt_entries, ldt_entries;
	u64 ldt_base;                 /* guest virtual */
	struct frame *ldt_mapped[16]; /* lazily mapped: type references held */

	u64 cr2, dr[4], dr6, dr7;
	u64 cr4;                             /* virtual: the bits a guest controls */
	u64 fs_base, gs_base, gs_base_other; /* while it does not run: active and inactive base */
	u16 ds, es, fs, gs;                  /* while it does not run */
	bool ts;                             /* virtual CR0.TS */
	u64 xcr0;
	void *fpu;      /* XSAVE area */
	gva_t iobitmap; /* physdev_op set_iobitmap */
	u32 iobitmap_ports;

	/* event/, sched/, xen/ */
	struct vcpu_info stand_in; /* info of a vCPU beyond the slots of shared_info */
	struct frame *info_frame;  /* registered: type reference held */
	u32 virq_port[24];         /* 0 = not bound */
	u64 poll_ports[2];         /* see event/poll */
	struct timer singleshot, periodic, poll_timer;
	u64 periodic_ns;

	gva_t runstate_area, time_area; /* 0 = none */
	struct vcpu_runstate_info runstate;
	u64 woke;         /* when it last became runnable, ns */
	u64 patience;     /* for so long (ns) who runs may go on when it wakes */
	u32 wakes, moves; /* times that it woke, that it went to another CPU */

	/* sched/plan.c */
	u32 plan_index;  /* its entry in its CPU's plan, PLAN_NOT_IN = none */
	u32 plan_staged; /* its entry in the plan that was committed last */
	void *plan_private;
	void *had_plan; /* the last one that it was in, or that was committed with it in it... */
	u64 had_round;  /* ...which round it was there... */
	s64 had;        /* ...and what of its budget it had had in that, ns */
	u32 held;       /* HELD_*; atomic: does v->cpu still hold something of it (sched/evict.c) */
	struct vcpu *next_eviction;
};

#define DOMAIN_MAX_VCPUS       128
#define DOMAIN_NAME            16
#define DOMAIN_MAX_PORT_RANGES 4

struct domain {
	u16 id;
	u16 flags; /* DOMAIN_NATIVE */
	u8 state;  /* DOMAIN_STATE_* */
	u8 reason; /* of a shutdown */
	char name[DOMAIN_NAME];
	mfn_t mfn;          /* of this object: its name in the frame table */
	struct cap *object; /* the Memory capability it is made of; NULL: made at boot */
	u32 incarnation;

	struct lock lock; /* state, counts, extents, reserve */
	u32 pages;        /* frames owned, the reserve not counted */
	u32 spare;        /* frames in the reserve */
	u32 maximum_pages;
	u32 spare_head;      /* MFN of the first frame of the reserve, linked by frame.progress; 0 =
				empty */
	struct cap *extents; /* Memory capabilities GIVEN to it, linked by cap.next_extent */

	u32 max_vcpus;
	struct vcpu **vcpus;
	u32 vcpus_up;

	struct shared_info *shared; /* through the direct map; guest-writable */

	/* event/ */
	struct lock channel_lock;
	struct channel *channels; /* [event_ports] */
	u32 event_ports;
	u64 polling[2]; /* vCPUs in sched_op poll; atomic */

	/* xen/sched_op.c: armed watchdogs */
	struct timer watchdogs[2];
	u32 watchdogs_used; /* bit n = watchdogs[n] is somebody's */

	/* grant/ */
	struct lock grant_lock;
	u64 *grant_entries; /* the shared table (v1 entries, 8 bytes), guest-writable */
	u32 *grant_pins;    /* [grant_max]: core's counts of mappings per entry */
	u32 grant_frames, grant_frames_max;
	struct grant_map *maps; /* [map_handles] */
	u32 map_handles;
	u32 map_free;   /* first free handle; list through the entries */
	bool maps_made; /* it has mapped a grant: its TLBs may know others' frames */

	/* cap/ */
	struct cap *caps; /* [cap_slots] */
	u32 cap_slots;
	u32 cap_count;     /* capabilities to this domain, in all tables */
	u16 peer_hint[16]; /* domid & 15 -> slot to try first */

	/* who is told of a change of state */
	struct domain *watcher;
	u32 watch_port;

	struct {
		u16 first, count;
	} ports[DOMAIN_MAX_PORT_RANGES]; /* enabled I/O ports */
	u64 vm_assist;                   /* bit n = type n */

	/* reset: where it stands (domain/reset.c) */
	u32 reset_step;
	u64 reset_position;
	bool destroying;

	u32 crash_vector;
	u64 crash_rip, crash_rsp, crash_cr2, crash_error;
	char crash_text[64];

	u32 grace[MAX_CPUS]; /* their counts of interrupts when nothing referred to it any more */
	bool graced;
	struct domain *next; /* all domains; domains_lock */
	u64 size_frames;     /* of the object */
};

static inline bool is_native(const struct domain *d) { return d->flags & DOMAIN_NATIVE; }

static inline struct vcpu *domain_vcpu(const struct domain *d, u64 id) {
	return id < d->max_vcpus ? d->vcpus[id] : NULL;
}

/* The plan of this CPU is to be looked at before a guest runs again. */
static inline void cpu_need_switch(struct cpu *cpu) { atomic_or(&cpu->current->work, WORK_SWITCH); }

/* The Domain of an owner field of the frame table. */
static inline struct domain *domain_by_mfn(u32 mfn) { return mfn ? mfn_to_virt(mfn) : NULL; }

/* --- domain/domain.c --- */

/* Frames that an object with these parameters needs; 0 = bad parameters. */
u64 domain_object_frames(const struct domain_create *create);
/* Lays the object out in `frames` zeroed frames from mfn on. */
struct domain *domain_create(mfn_t mfn, const struct domain_create *create);
/* All domains, any order; for the core's own use (reports), not for authority. */
struct domain *domain_find(u16 domid);

void domain_pause(struct domain *d);
/* -EINVAL: no vCPU has a context, or the domain has ended. */
int domain_unpause(struct domain *d);
/* The domain ends by itself; tells its watcher. Returns (the caller goes on to the switch). */
void domain_shutdown(struct domain *d, u8 reason);
/*
 * The domain is at fault: stops all its vCPUs, records registers of v and the
 * text, tells the watcher. code: an exception vector or 0x100 + DOMAIN_CRASH_*.
 */
void domain_crash(struct vcpu *v, u32 code, const char *format, ...) PRINTF(3);

/* shared_info as a domain first finds it. */
void domain_init_shared(struct domain *d);
/* Tells the watcher that the state has changed. */
void domain_notify(struct domain *d);
/* Destroyed, and nothing refers to it: takes it off the list and its frames out of the core's
 * use. -EBUSY: still in use. -ERESTART: other CPUs may still look at it. */
MUST_CHECK int domain_dissolve(struct domain *d);

/*
 * --- domain/reset.c ---
 * -ERESTART until done. 0 from domain_destroy means that the domain is empty;
 * the capabilities to it are the caller's to remove.
 */
MUST_CHECK int domain_reset(struct domain *d);
MUST_CHECK int domain_destroy(struct domain *d);
/* Nothing runs and nothing is mapped: before its first context, or destroyed. */
bool domain_is_quiet(const struct domain *d);

/* --- domain/vcpu.c --- */

/* Power-on state of vCPU `id` in its pages. */
void vcpu_init(struct vcpu *v, struct domain *d, u32 id);
/*
 * Checks and installs a start context (vcpu_op initialise, DOMAIN_SET_CONTEXT).
 * -ERESTART, -EINVAL, -EEXIST as the ABI says. The context is a private copy.
 */
MUST_CHECK int vcpu_set_context(struct vcpu *v, const struct vcpu_guest_context *context);
/* Drops every reference its context holds. -ERESTART: call again. */
MUST_CHECK int vcpu_clear_context(struct vcpu *v);
/* Whom a CPU runs when nobody's state may be loaded: a vCPU of no domain, never dispatched. */
void vcpu_init_nobody(struct vcpu *v, struct cpu *cpu);
/* Saves what the hardware still holds of `from`, loads `to`. Called by sched/. */
void vcpu_switch(struct vcpu *from, struct vcpu *to);
/* v, which is not current, leaves nothing of it on this CPU. */
void vcpu_unload(struct vcpu *v);

/* --- sched/: a vCPU stops or may run again (see sched/plan.h) --- */

#endif
