/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Capability invocation: the one hypercall that Tessera adds to the Xen ABI.
 *
 *     rax = HYPERVISOR_capability_op
 *     rdi = operation (CAP_* / MEMORY_* / ... below)
 *     rsi = slot of the capability that is invoked, in the caller's own table
 *     rdx, r10, r8, r9 = arguments 1..4, all 64 bits, unused ones must be zero
 *     rax on return = 0 or a positive result, or -errno
 *
 * Errors that every operation may return:
 *     -EBADF   the slot is out of range or empty
 *     -EPERM   the capability lacks the right, or the operation is not one of
 *              its type
 *     -EINVAL  an argument is out of range, or an unused one is not zero
 *     -EFAULT  a pointer cannot be read or written
 * Long operations keep their progress in the object and restart themselves.
 *
 * A slot number is the caller's own name for a capability: nothing can be
 * guessed, for a slot outside the caller's table does not exist. Slot 0 is never
 * valid.
 */
#ifndef PROTO_CAP_CAP_H
#define PROTO_CAP_CAP_H

#include <stdint.h>

#define HYPERVISOR_capability_op 63

/* Object types. */
#define CAP_NONE     0U
#define CAP_MEMORY   1U /* extent of machine frames: first = MFN, count = frames */
#define CAP_DOMAIN   2U /* a domain: first = domid */
#define CAP_CPU      3U /* a CPU's dispatch plan: first = cpu number */
#define CAP_IRQ      4U /* interrupts: first = GSI, or IRQ_MSI + n; count = how many */
#define CAP_IOPORTS  5U /* I/O ports: first = port, count = ports */
#define CAP_MMIO     6U /* device memory: first = MFN, count = frames */
#define CAP_DMASPACE 7U /* what one PCI function may reach: first = slot, count = slots */
#define CAP_TRACE    8U /* the core's traces */
#define CAP_CONSOLE  9U /* the core's log and panic console */
#define CAP_TYPES    10U

/* Rights. Every type uses a subset; RIGHT_COPY lets the holder derive. */
#define RIGHT_COPY       (1U << 0)
/* Memory */
#define RIGHT_MEMORY_USE (1U << 1) /* split, merge, retype, give, reclaim */
/* Domain */
#define RIGHT_CONTROL    (1U << 1) /* build, start, pause, reset, destroy, limits, capabilities */
#define RIGHT_GRANT      (1U << 2) /* map and copy what it granted to the caller */
#define RIGHT_EVENT      (1U << 3) /* bind a channel that it offered; offer one to it */
#define RIGHT_SCHED      (1U << 4) /* place its vCPUs in a plan */
#define RIGHT_INSPECT    (1U << 5) /* read its state and accounting */
#define RIGHT_DEBUG      (1U << 6) /* read its registers and memory */
/* Cpu */
#define RIGHT_PLAN       (1U << 1)
#define RIGHT_ACCOUNT    (1U << 2)
#define RIGHT_GUARD      (1U << 3) /* say who stands first in every plan */
/* Irq, IoPorts, Mmio */
#define RIGHT_USE        (1U << 1)
/* Irq: learn what a device must write to raise it */
#define RIGHT_ROUTE      (1U << 2)
/* DmaSpace */
#define RIGHT_DMA_MAP    (1U << 1) /* map and unmap in the slots of the capability */
#define RIGHT_DMA_EMPTY  (1U << 2) /* unmap everything, read the count of faults */
/* Console, Trace */
#define RIGHT_READ       (1U << 1)
#define RIGHT_WRITE      (1U << 2)

#define RIGHTS_ALL 0xffffU

/* --- Operations on the caller's own table; slot = the source capability --- */

/*
 * CAP_COPY(slot, dst, rights, first, count): derive a child into the caller's
 * empty slot dst. rights must be a subset. For range types (Irq, IoPorts, Mmio, DmaSpace)
 * first and count narrow the range and must lie within it; 0, 0 is all of it,
 * and the only choice for the others. Memory cannot be copied (split it). Needs RIGHT_COPY.
 * -EEXIST: dst is not empty. -E2BIG: derivation would be deeper than CAP_MAX_DEPTH.
 */
#define CAP_COPY    0x01
/* CAP_MOVE(slot, dst): move within the table; the place in the tree stays. -EBUSY: a Memory in use.
 */
#define CAP_MOVE    0x02
/*
 * CAP_DELETE(slot): children become children of the parent. -EBUSY: a Memory in
 * use, or more than 1024 descendants (revoke some first).
 */
#define CAP_DELETE  0x03
/* CAP_REVOKE(slot): delete everything derived from it, in all tables. Restarts itself. */
#define CAP_REVOKE  0x04
/* CAP_INSPECT(slot, &struct cap_info): what the slot holds; an empty slot gives CAP_NONE. */
#define CAP_INSPECT 0x05

#define CAP_MAX_DEPTH 64

struct cap_info {
	uint32_t slot;
	uint16_t type; /* CAP_* */
	uint16_t rights;
	uint64_t first, count; /* as listed with the types */
	uint16_t depth;        /* in the derivation tree */
	uint16_t state;        /* Memory: MEMORY_* state */
	uint32_t object; /* Memory: domid of whose frames or object it is; DmaSpace, and Memory that
			    holds one: its source; others and none: CAP_NO_OBJECT */
	uint32_t parent_domain; /* domid of whose table holds what it was derived from, and where */
	uint32_t parent_slot;   /* there; 0: from nothing, or not found within bounds */
};
#define CAP_NO_OBJECT 0xffffffffU

/* --- Memory (RIGHT_MEMORY_USE) --- */

#define MEMORY_STATE_FREE   0U /* owned by nobody */
#define MEMORY_STATE_GIVEN  1U /* its frames belong to a domain */
#define MEMORY_STATE_OBJECT 2U /* holds a core object */

/*
 * MEMORY_SPLIT(slot, frames, dst): a FREE extent keeps its first `frames`, the
 * tail goes to the empty slot dst as its sibling. 0 < frames < its size.
 */
#define MEMORY_SPLIT         0x11
/* MEMORY_MERGE(slot, slot2): slot2, which must follow at once, FREE, is added and its slot emptied.
 */
#define MEMORY_MERGE         0x12
/*
 * MEMORY_GIVE(slot, domain slot or 0 = self, pfn): the frames become the
 * domain's, M2P entries pfn, pfn+1, ... A FREE extent is scrubbed unless it
 * holds a boot module; an extent GIVEN to the caller itself can be given on,
 * contents included, once the caller has no mapping left (-EBUSY). pfn
 * MEMORY_SPARE: the frames go to the domain's balloon reserve instead
 * (scrubbed); populate_physmap takes them from there. Domain needs RIGHT_CONTROL.
 */
#define MEMORY_GIVE          0x13
#define MEMORY_SPARE         0xffffffffffffffffULL
/*
 * MEMORY_RECLAIM(slot): GIVEN or OBJECT becomes FREE. Frames of the caller
 * itself: no mapping may be left (-EBUSY). Frames of another domain: it must
 * have been reset or destroyed, or the frames lie in its reserve (-EBUSY).
 * Frames are scrubbed. An OBJECT: the domain must be destroyed.
 */
#define MEMORY_RECLAIM       0x14
/*
 * MEMORY_CREATE_DOMAIN(slot, dst, &struct domain_create): makes a Domain object
 * out of a FREE extent; dst receives its first capability, with all rights.
 * -ENOMEM: extent smaller than DOMAIN_OBJECT needs (see domain_create.frames).
 * -EEXIST: the domid is in use.
 */
#define MEMORY_CREATE_DOMAIN 0x15

struct domain_create {
	uint16_t domid;         /* 1..0x7fef */
	uint16_t flags;         /* DOMAIN_NATIVE */
	uint16_t vcpus;         /* 1..128 */
	uint16_t grant_frames;  /* 1..64 */
	uint32_t event_ports;   /* multiple of 64, 64..4096 */
	uint32_t cap_slots;     /* 2..65536 */
	uint32_t map_handles;   /* 0..65536 */
	uint32_t maximum_pages; /* most frames it may own; the reserve counts */
	uint32_t frames;        /* out: frames the object needs, also on -ENOMEM */
	uint32_t pad;
	char name[16]; /* NUL-terminated, for messages */
};
/*
 * MEMORY_CREATE_DMASPACE(slot, dst, &struct dmaspace_create): makes the DmaSpace
 * of one PCI function out of a FREE extent; dst receives its first capability,
 * over all slots. With an IOMMU the function reaches nothing but what is mapped
 * here from then on. -ENOMEM: the extent is smaller than `frames`. -EEXIST: the
 * function has one. -ENOSPC: the IOMMU takes no more of them. -EINVAL: a segment other
 * than 0. The extent is reclaimed (MEMORY_RECLAIM) when nothing is
 * mapped: all capabilities to it go, and the function reaches nothing (with an
 * IOMMU; without one it must have been quiesced).
 */
#define MEMORY_CREATE_DMASPACE 0x16

struct dmaspace_create {
	uint32_t source; /* PCI segment << 16 | bus << 8 | device << 3 | function */
	uint32_t slots;  /* pages that can be mapped at once; multiple of 512, at most 65536 */
	uint32_t frames; /* out: frames the object needs, also on -ENOMEM */
	uint32_t flags;  /* out: DMASPACE_ENFORCED */
	char name[16];   /* NUL-terminated: whose it is, for messages about faults */
};
#define DMASPACE_ENFORCED 1U /* an IOMMU enforces it; else its holder is trusted */

/* No FPU for this domain: it is built without SSE, and its FPU use is a crash. */
#define DOMAIN_NATIVE 1U

/* --- Domain --- */

/* DOMAIN_INFO(slot, &struct domain_info) [INSPECT] */
#define DOMAIN_INFO 0x21

#define DOMAIN_STATE_BUILDING 0U /* created or reset: no vCPU has a context */
#define DOMAIN_STATE_PAUSED   1U
#define DOMAIN_STATE_RUNNING  2U
#define DOMAIN_STATE_SHUTDOWN 3U /* it ended by itself; reason as sched_op shutdown */
#define DOMAIN_STATE_CRASHED  4U /* the core ended it; crash_* say why */
#define DOMAIN_STATE_DYING    5U /* reset or destruction under way */

struct domain_info {
	uint16_t domid;
	uint8_t state;  /* DOMAIN_STATE_* */
	uint8_t reason; /* SHUTDOWN: sched_op reason code */
	uint32_t flags;
	uint32_t pages;       /* frames owned, reserve excluded */
	uint32_t spare_pages; /* frames in the reserve */
	uint64_t shared_info_mfn;
	uint64_t grant_mfn; /* first grant frame; they are contiguous */
	uint64_t run_ns;    /* CPU time of all vCPUs */
	uint64_t crash_rip, crash_rsp, crash_cr2, crash_error;
	uint32_t crash_vector; /* exception, or 0x100 + DOMAIN_CRASH_* */
	uint32_t incarnation;  /* counts resets */
	char name[16];
	char crash_text[64]; /* the reason in words */
};

/*
 * DOMAIN_SET_CONTEXT(slot, vcpu, &struct vcpu_guest_context) [CONTROL]: as
 * vcpu_op initialise, for a domain in BUILDING. Its root page table is validated
 * here and pinned. Errors as vcpu_op.
 */
#define DOMAIN_SET_CONTEXT 0x22
#define DOMAIN_UNPAUSE     0x23 /* (slot) [CONTROL]; the first one starts vCPU 0 */
#define DOMAIN_PAUSE       0x24 /* (slot) [CONTROL] */
/*
 * DOMAIN_RESET(slot) [CONTROL]: reset in place. Mappings, grant mappings,
 * channels, interrupts, capabilities and vCPU contexts go; frames are scrubbed
 * and wait for MEMORY_RECLAIM; object, domid and others' capabilities stay;
 * peers' ports fall back to unbound for this domain, pending bits kept. Restarts
 * itself. Afterwards the state is BUILDING.
 */
#define DOMAIN_RESET       0x25
/* DOMAIN_DESTROY(slot) [CONTROL]: as reset, then every capability to it goes. */
#define DOMAIN_DESTROY     0x26
/*
 * DOMAIN_OFFER(slot, port, remote domid) [CONTROL]: an unbound channel for the
 * remote domain at exactly this port of the domain. -EEXIST: not closed.
 */
#define DOMAIN_OFFER       0x27
/*
 * DOMAIN_CONNECT(slot, port, slot2, port2) [CONTROL on both]: joins two ports;
 * each is closed, or unbound for the other side. Pending bits stay, and both
 * ends are notified once.
 */
#define DOMAIN_CONNECT     0x28
/* DOMAIN_GRANT(slot, ref, domid | readonly << 16, mfn) [CONTROL]: fill a grant entry of a domain in
 * BUILDING. */
#define DOMAIN_GRANT       0x29
/* DOMAIN_CAP(slot, src slot, dst slot, rights) [CONTROL]: CAP_COPY of a capability of the caller
 * (needs RIGHT_COPY; whole range) into slot dst of the domain's table. */
#define DOMAIN_CAP         0x2a
/* DOMAIN_WATCH(slot, port) [INSPECT]: send the caller's event port (bound to VIRQ_DOM_EXC) at every
 * change of state. 0 stops. */
#define DOMAIN_WATCH       0x2b
/* DOMAIN_VCPU(slot, vcpu, &struct domain_vcpu) [DEBUG]: registers of a vCPU that is not running. */
#define DOMAIN_VCPU        0x2c
/*
 * DOMAIN_CAPS(slot, first, &struct cap_info[n], n) [INSPECT]: what its capability table
 * holds, from slot `first` on; n is 1..CAPS_BATCH. Elements of empty slots are left out; those
 * behind the last one found stay as they are. Result: where to go on; 0: that was all.
 */
#define DOMAIN_CAPS        0x2d
#define CAPS_BATCH         32U

struct domain_vcpu {
	uint64_t r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi;
	uint64_t rip, rflags, rsp, cr2, cr3;
	uint64_t cs, ss;
	uint64_t run_ns;
	uint32_t runstate; /* running, runnable, blocked, offline */
	uint32_t mode;     /* 1: guest kernel, 0: guest user */
};

/* --- Cpu --- */

/*
 * PLAN_COMMIT(slot, &struct plan_commit) [PLAN]: the next plan of this CPU; it replaces the
 * running one at once and whole, or not at all. A vCPU that was in another CPU's
 * plan leaves that one and moves here.
 *
 * Entries stand in order of precedence: the first that is runnable and has budget
 * left runs. When only spent ones are left, all budgets are whole again: a round. One that
 * yields stands behind all others until they have had their turn, with what it has left.
 *
 * A plan may be cut into frames that follow one another for ever by the clock, each
 * with a length. An entry runs only in the frames that its mask names. One with PLAN_ONCE
 * has its budget once in a frame: a round does not refill it, the next frame does.
 *
 * What a vCPU had of its budget in the present round it has had in the next plan that names
 * it, too, though plans in between left it out, or another CPU's had it: commits refill
 * nothing, however many there are. Two exceptions: with PLAN_ONCE it begins anew with each
 * plan, as the frames do; and of a vCPU that was in two other CPUs' plans meanwhile only
 * the last one's round is remembered.
 */
#define PLAN_COMMIT     0x31
#define PLAN_MAX        4096
#define PLAN_BUDGET_MIN 10000ULL      /* ns */
#define PLAN_BUDGET_MAX 1000000000ULL /* ns */
#define PLAN_MAX_FRAMES 64
#define PLAN_FRAME_MIN  200000ULL       /* ns */
#define PLAN_FRAME_MAX  100000000000ULL /* ns */

/* The most that a vCPU lets others go on when it wakes (SCHEDOP_block's argument). */
#define PLAN_PATIENCE_MAX 1000000ULL /* ns */

#define PLAN_NOTIFY_SPENT 1U /* a round ended: the budgets are refilled */
#define PLAN_NOTIFY_WAKE  2U /* a vCPU of the plan woke up */
#define PLAN_NOTIFY_IDLE  4U /* nothing to run */
#define PLAN_NOTIFY_ALL   7U

#define PLAN_ONCE 1U

struct plan_entry {
	uint32_t domain; /* slot in the caller's table, RIGHT_SCHED */
	uint32_t vcpu;
	uint64_t budget; /* ns, PLAN_BUDGET_MIN..PLAN_BUDGET_MAX */
	uint64_t frames; /* bit n: it may run in frame n; without frames 1 */
	uint32_t flags;  /* PLAN_ONCE */
	uint32_t pad;    /* 0 */
};

struct plan_commit {
	uint64_t entries; /* address of struct plan_entry[count] */
	uint64_t frames;  /* address of uint64_t[frame_count], the lengths in ns */
	uint64_t epoch;   /* system time (ns), not in the future, at which a first frame began */
	uint32_t count;   /* 1..PLAN_MAX, one less where there is a guard */
	uint32_t frame_count; /* 0: one frame without an end */
	uint32_t port;  /* of the caller, bound to VIRQ_PLAN, sent on the conditions; 0 = none */
	uint32_t flags; /* PLAN_NOTIFY_* */
};

/*
 * PLAN_GUARD(slot, domain slot, vcpu) [PLAN, GUARD]: this vCPU stands before the first entry
 * of every plan of this CPU that is committed from now on, with 10 ms, in all frames,
 * whoever commits it. So who gave the policy its right can take it back.
 */
#define PLAN_GUARD 0x33

/*
 * PLAN_READ(slot, &struct plan_report, &struct plan_account[n], n) [ACCOUNT]: what this CPU did,
 * and the accounts of its plan's first n entries, in their order, without the guard. A
 * vCPU that has left has zeros. Result: how many entries the plan has.
 */
#define PLAN_READ 0x32

struct plan_report {
	uint64_t now; /* system time: all times here are ns */
	uint64_t idle;
	uint64_t switches, rounds, commits;
	uint64_t refused; /* commits that were none */
};

struct plan_account {
	uint32_t state;   /* RUNSTATE_* */
	uint32_t moves;   /* to another CPU */
	uint64_t since;   /* when that began (system time) */
	uint64_t time[4]; /* spent in each state until then */
	uint64_t woke;    /* when it last became runnable */
	uint64_t wakes;
};

/* --- Irq (RIGHT_USE) --- */

/* IRQ_BIND(slot, gsi, port, flags): the line's interrupts set this port of the caller (bound to a
 * pirq by this call; must be closed or 0 = allocate). Result: the port. flags: IRQ_LEVEL, IRQ_LOW.
 */
#define IRQ_BIND  0x41
#define IRQ_LEVEL 1U
#define IRQ_LOW   2U
#define IRQ_ISA                                                                               \
	4U /* gsi is an ISA interrupt number: ACPI's overrides apply, LEVEL and LOW come from \
	      there */
/* IRQ_ACK(slot, gsi): handled; the line may interrupt again. */
#define IRQ_ACK 0x42

/*
 * Message-signalled interrupts are Irqs from IRQ_MSI on, bound as lines are (flags
 * 0). They need no acknowledgement, and IRQ_ACK does nothing for them: more of them
 * are one for as long as the port is pending.
 */
#define IRQ_MSI     0x1000U
/*
 * IRQ_MESSAGE(slot, irq, source, &struct irq_message) [ROUTE]: what the function
 * (source as in dmaspace_create) is to write to raise this Irq. With interrupt
 * remapping nobody else can raise it. A second call moves it to another source.
 */
#define IRQ_MESSAGE 0x43
struct irq_message {
	uint64_t address;
	uint32_t data;
	uint32_t pad;
};

/* --- DmaSpace --- */

/*
 * DMA_MAP(slot, &struct dma_map[n], n) [DMA_MAP]: each element maps one frame at
 * one slot, which must lie in the capability's range and be empty. The frame is
 * held (as by a grant mapping) until it is unmapped. status of each element is
 * 0 or a negative errno: -EEXIST slot in use, -ERANGE not one of this capability's,
 * -ESRCH -EPERM domid, -EINVAL not granted so, -EFAULT no such page, -EAGAIN the
 * domain is being reset. n <= DMA_BATCH, else -EINVAL. The result is the number
 * of elements whose status is 0. Restarts itself, with those so far in the upper half of n.
 */
#define DMA_MAP   0x71
#define DMA_BATCH 512U
struct dma_map {
	uint32_t slot;
	uint16_t domid;   /* who granted it; DOMID_SELF: a page of the caller's own */
	uint16_t flags;   /* DMA_READONLY */
	uint64_t what;    /* grant reference; DOMID_SELF: virtual address, page-aligned, that
			     the caller has mapped (writable unless READONLY) */
	uint64_t address; /* out: what the device says to reach it */
	uint64_t machine; /* out: what a device behind no IOMMU says */
	int32_t status;   /* out */
	uint32_t pad;
};
#define DMA_READONLY 1U /* the device may read it, not write */

/*
 * DMA_UNMAP(slot, &uint32_t[n], n) [DMA_MAP]: empties these slots, n <= DMA_BATCH;
 * the device can no longer reach the frames when this returns. Slots that are empty
 * are passed over; -ERANGE: one that is not the capability's ends it, what came before
 * is done. Restarts itself.
 */
#define DMA_UNMAP 0x72
/*
 * DMA_READ(slot, first, &struct dma_map[n], n) [DMA_MAP]: what is mapped in the
 * slots from first on, for the successor of the one who did; status -ENOENT: empty.
 * Result: n.
 */
#define DMA_READ  0x73
/* DMA_EMPTY(slot, 0) [DMA_EMPTY]: empties all slots of the DmaSpace. Restarts itself, with
 * the argument saying where it stands. */
#define DMA_EMPTY 0x74
/* DMA_INFO(slot, &struct dma_info) [DMA_EMPTY] */
#define DMA_INFO  0x75
struct dma_info {
	uint32_t source, flags; /* as in dmaspace_create */
	uint32_t slots, mapped;
	uint64_t faults;       /* accesses that were blocked since it was made */
	uint64_t last_address; /* of the last one */
	uint32_t last_reason;  /* as the unit says it; bit 31: it was a write */
	uint32_t pad;
};

/* --- IoPorts (RIGHT_USE) --- */
/* IOPORTS_ENABLE(slot): in and out on these ports work from now on, until the capability goes. */
#define IOPORTS_ENABLE 0x51

/* --- Console --- */
/* CONSOLE_READ(slot, buffer, size, &u64 position) [READ]: the core's log from position on;
 * result = bytes; the position moves on (also over bytes lost to wrap-around). The first
 * reader takes the log over: the core stops polling its serial port, except in a panic.
 * VIRQ_CON_RING tells of more. */
#define CONSOLE_READ  0x61
/* CONSOLE_WRITE(slot, buffer, size) [WRITE]: a line into the core's log, prefixed with the domain's
 * name. */
#define CONSOLE_WRITE 0x62

/* --- Trace (WRITE; proto/trace.h says what is written) --- */

/*
 * TRACE_BUFFER(slot, cpu, mfn, frames): this CPU's records go to these adjacent frames of
 * the caller's own, 2..TRACE_FRAMES_MAX, from now on and for as long as the system runs: the
 * core holds them as a writable mapping would. -EBUSY: it has a buffer. -EINVAL: one is not
 * the caller's, or not to be written.
 */
#define TRACE_BUFFER 0x81
/*
 * TRACE_SET(slot, points, unseen): bit n: point n is recorded. 0: nothing is. unseen: the domids of
 * up to two domains, << 16 the second, whose doings are not recorded: those who carry the
 * records away, each piece of which would make more. 0: nobody.
 */
#define TRACE_SET    0x82

/* VIRQs of Tessera, in the range that the Xen ABI leaves to the architecture. */
#define VIRQ_PLAN 17

/* Reasons of the core, in domain_info.crash_vector minus 0x100. */
#define DOMAIN_CRASH_NO_HANDLER   1U /* an exception or callback without a handler */
#define DOMAIN_CRASH_BAD_STACK    2U /* a frame could not be pushed */
#define DOMAIN_CRASH_NO_USER_ROOT 3U /* user mode without a user page table */
#define DOMAIN_CRASH_BAD_STATE    4U /* iret or context the core cannot run */
#define DOMAIN_CRASH_WATCHDOG     5U
#define DOMAIN_CRASH_FPU          6U /* a native domain touched the FPU */
#define DOMAIN_CRASH_REQUEST      7U /* by order of its controller */

_Static_assert(sizeof(struct cap_info) == 40, "cap_info layout");
_Static_assert(sizeof(struct domain_create) == 48, "domain_create layout");
_Static_assert(sizeof(struct dmaspace_create) == 32, "dmaspace_create layout");
_Static_assert(sizeof(struct irq_message) == 16, "irq_message layout");
_Static_assert(sizeof(struct dma_map) == 40, "dma_map layout");
_Static_assert(sizeof(struct dma_info) == 40, "dma_info layout");
_Static_assert(sizeof(struct plan_entry) == 32, "plan_entry layout");
_Static_assert(sizeof(struct plan_commit) == 40, "plan_commit layout");
_Static_assert(sizeof(struct plan_account) == 64, "plan_account layout");
_Static_assert(sizeof(struct domain_info) == 160, "domain_info layout");

#endif
