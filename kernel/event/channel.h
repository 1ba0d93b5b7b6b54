/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Event channels: the two-level ABI, virtual interrupts, physical interrupts.
 */
#ifndef KERNEL_EVENT_CHANNEL_H
#define KERNEL_EVENT_CHANNEL_H

#include "domain/domain.h"
#include "proto/xen/event.h"
#include "proto/xen/sched.h"

enum channel_state {
	CHANNEL_CLOSED = 0,
	CHANNEL_UNBOUND,     /* waits for `remote_domid` */
	CHANNEL_INTERDOMAIN, /* joined to port `remote_port` of `remote` */
	CHANNEL_PIRQ,
	CHANNEL_VIRQ,
	CHANNEL_IPI,
};

/* Changed under bindings_lock and domain.channel_lock, read under either. */
struct channel {
	u8 state; /* enum channel_state */
	u8 virq;
	u16 remote_domid;      /* UNBOUND, INTERDOMAIN */
	u32 remote_port;       /* INTERDOMAIN; PIRQ: which */
	u32 notify_vcpu;       /* also read without a lock */
	struct domain *remote; /* INTERDOMAIN */
};

/*
 * Marks the port pending and, if it is not masked, its vCPU; wakes it. Lock-free:
 * the caller knows that the port is in use. ABI: GUEST-ABI.md 5.3.
 */
void channel_set_pending(struct domain *d, u32 port);
/* v has events: sets upcall_pending and wakes it. */
void channel_raise(struct vcpu *v);
/* v's vcpu_info was replaced: it is to look at every word, so that nothing is lost. */
void channel_raise_all(struct vcpu *v);

/* A virtual interrupt of one vCPU, or (global ones) of vCPU 0. Not bound: nothing happens. */
void virq_send(struct vcpu *v, u32 virq);
bool virq_is_global(u32 virq);
/* Whether the port is bound to this virtual interrupt (watch and plan notifications). */
bool virq_bound(struct domain *d, u32 port, u32 virq);

/* event/poll.c: sched_op poll. */
MUST_CHECK long poll_wait(struct vcpu *v, const struct sched_poll *poll);
/* Ends v's poll, if it is in one. */
void poll_end(struct vcpu *v);
/* A port has become pending while vCPUs of d poll: ends the polls that may name it. */
void poll_wake(struct domain *d, u32 port);

/* The invocations on Domain that root uses (proto/cap/cap.h). */
int channel_offer(struct domain *d, u32 port, u16 remote_domid);
int channel_connect(struct domain *a, u32 port_a, struct domain *b, u32 port_b);
/* Reset: closes all of d's ports; peers fall back to unbound. -ERESTART: call again. */
MUST_CHECK int channel_reset(struct domain *d);

/* For irq.c: makes a port (0 = any) the line's; the port, or -errno. And back. */
long channel_bind_pirq(struct domain *d, u32 port, u32 irq);
int channel_close(struct domain *d, u32 port);

/* event/irq.c: interrupts of devices, `irq` a GSI, or IRQ_MSI + n. */
int irq_bind(struct domain *d, u32 irq, u32 port, u32 flags);
int irq_acknowledge(struct domain *d, u32 irq);
/* What the device `source` is to write to raise a message-signalled one. */
int irq_message(u32 irq, u32 source, struct irq_message *message);
/* The capability to these interrupts is gone: they are masked, their ports closed. */
void irq_release(struct domain *d, u32 first, u32 count);
/* From the interrupt entry, before the APIC is told; n: vector - VECTOR_IRQ_FIRST. */
void irq_deliver(u32 n);
/* A port that was bound to the interrupt is closed. */
void irq_unbind(struct domain *d, u32 irq);

#endif
