/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Event channels: what ports are bound to, and the operations on them.
 *
 * Sending is the hot path, binding is rare, and the locks follow from that. A
 * binding involves two domains; every change of one happens under the single
 * bindings_lock, so that a port's peer cannot change or go away meanwhile, and
 * each channel is then written under the channel_lock of its own domain, one at
 * a time. A sender holds only its own domain's channel_lock: while it does, its
 * channel and therefore the peer it names stay. No two channel_locks are ever
 * held together.
 *
 * The pending and mask words lie in the shared page, where the guest writes
 * them at will; nothing here depends on what they say, except whether the guest
 * itself gets its events.
 */
#include "event/channel.h"

#include "entry/hypercall.h"
#include "mem/guest_copy.h"
#include "sched/plan.h"

/* Protects what ports are bound to. Nests outside every channel_lock. */
static struct lock bindings_lock;

#define CLOSES_PER_CALL 128U

static bool port_ok(const struct domain *d, u32 port) { return port < d->event_ports; }

/* v sleeps until an event, or polls. */
static NOINLINE void upcall_wake(struct vcpu *v, u32 blocked) {
	if (blocked & BLOCK_POLL) poll_end(v);
	if (blocked & BLOCK_EVENT) vcpu_wake(v, BLOCK_EVENT);
}

static ALWAYS_INLINE void raise_upcall(struct vcpu *v) {
	if (atomic_swap(&v->info->evtchn_upcall_pending, 1)) return;
	u32 blocked = atomic_load(&v->blocked_on) & (BLOCK_EVENT | BLOCK_POLL);
	if (likely(!blocked))
		cpu_kick(v->cpu);
	else
		upcall_wake(v, blocked);
}

void channel_raise(struct vcpu *v) { raise_upcall(v); }

void channel_raise_all(struct vcpu *v) {
	atomic_store(&v->info->evtchn_pending_sel, ~0UL);
	atomic_store(&v->info->evtchn_upcall_pending, 0);
	channel_raise(v);
}

/* Tells the port's vCPU that a word of pending bits wants a look. */
static inline void mark_word(struct domain *d, u32 port) {
	struct vcpu *v = d->vcpus[atomic_load_relaxed(&d->channels[port].notify_vcpu)];

	if (!atomic_test_and_set_bit(&v->info->evtchn_pending_sel, port / 64)) raise_upcall(v);
}

static inline bool port_masked(struct domain *d, u32 port) {
	return atomic_load(&d->shared->evtchn_mask[port / 64]) >> (port % 64) & 1;
}

static inline bool port_pending(struct domain *d, u32 port) {
	return atomic_load(&d->shared->evtchn_pending[port / 64]) >> (port % 64) & 1;
}

/* The port may have become deliverable (unmasked, moved): tells its vCPU if it is pending. */
static void channel_redeliver(struct domain *d, u32 port) {
	if (port_pending(d, port) && !port_masked(d, port)) mark_word(d, port);
}

static NOINLINE void tell_pollers(struct domain *d, u32 port) {
	poll_wake(d, port);
	channel_redeliver(d, port);
}

void channel_set_pending(struct domain *d, u32 port) {
	trace(TRACE_EVENT, (u64)d->id << 32 | port, 0);
	if (atomic_test_and_set_bit(&d->shared->evtchn_pending[port / 64], port % 64)) return;
	if (unlikely(atomic_load_relaxed(&d->polling[0]) | atomic_load_relaxed(&d->polling[1])))
		tell_pollers(d, port);
	else if (!port_masked(d, port))
		mark_word(d, port);
}

static void channel_write(struct domain *d, u32 port, struct channel value) {
	lock_take(&d->channel_lock);
	d->channels[port] = value;
	lock_drop(&d->channel_lock);
}

/* A closed port, or -ENOSPC. */
static long port_find_free(const struct domain *d) REQUIRES(bindings_lock) {
	for (u32 port = 1; port < d->event_ports; port++)
		if (d->channels[port].state == CHANNEL_CLOSED) return port;
	return -ENOSPC;
}

/* Gives a closed port a meaning, 0: any closed one. The port, -EEXIST, or -ENOSPC. */
static long port_bind(struct domain *d, u32 port, struct channel value) REQUIRES(bindings_lock) {
	long found = port ? port : port_find_free(d);

	if (found < 0) return found;
	if (d->channels[found].state != CHANNEL_CLOSED) return -EEXIST;
	channel_write(d, (u32)found, value);
	return found;
}

static long channel_bind(struct domain *d, u32 port, struct channel value) {
	if (!port_ok(d, port)) return -EINVAL;
	lock_take(&bindings_lock);
	long bound = port_bind(d, port, value);
	lock_drop(&bindings_lock);
	return bound;
}

static void port_close(struct domain *d, u32 port) REQUIRES(bindings_lock) {
	struct channel c = d->channels[port];

	switch (c.state) {
	case CHANNEL_INTERDOMAIN:
		/* The peer waits for whoever comes back under this domid. */
		channel_write(c.remote, c.remote_port,
			      (struct channel){
				      .state = CHANNEL_UNBOUND,
				      .remote_domid = d->id,
				      .notify_vcpu = c.remote->channels[c.remote_port].notify_vcpu,
			      });
		break;
	case CHANNEL_VIRQ:
		d->vcpus[virq_is_global(c.virq) ? 0 : c.notify_vcpu]->virq_port[c.virq] = 0;
		break;
	case CHANNEL_PIRQ: irq_unbind(d, c.remote_port); break;
	default: break;
	}
	channel_write(d, port, (struct channel){0});
	atomic_and(&d->shared->evtchn_pending[port / 64], ~(1UL << port % 64));
}

int channel_close(struct domain *d, u32 port) {
	int status = -EINVAL;

	if (!port_ok(d, port)) return status;
	lock_take(&bindings_lock);
	if (d->channels[port].state != CHANNEL_CLOSED) {
		port_close(d, port);
		status = 0;
	}
	lock_drop(&bindings_lock);
	return status;
}

int channel_reset(struct domain *d) {
	u32 port, closed = 0;

	lock_take(&bindings_lock);
	for (port = 1; port < d->event_ports && closed < CLOSES_PER_CALL; port++) {
		if (d->channels[port].state == CHANNEL_CLOSED) continue;
		port_close(d, port);
		closed++;
	}
	lock_drop(&bindings_lock);
	return port < d->event_ports ? -ERESTART : 0;
}

int channel_offer(struct domain *d, u32 port, u16 remote_domid) {
	const struct channel value = {.state = CHANNEL_UNBOUND, .remote_domid = remote_domid};
	long bound = port ? channel_bind(d, port, value) : -EINVAL;

	return bound < 0 ? (int)bound : 0;
}

/* Joins one end of a pair to the other; the port keeps its vCPU. */
static void port_join(struct domain *d, u32 port, struct domain *remote, u32 remote_port)
	REQUIRES(bindings_lock) {
	channel_write(d, port,
		      (struct channel){
			      .state = CHANNEL_INTERDOMAIN,
			      .remote_domid = remote->id,
			      .remote_port = remote_port,
			      .remote = remote,
			      .notify_vcpu = d->channels[port].notify_vcpu,
		      });
}

static bool port_joinable(const struct domain *d, u32 port, const struct domain *remote) {
	const struct channel *c = &d->channels[port];

	return c->state == CHANNEL_CLOSED ||
	       (c->state == CHANNEL_UNBOUND && c->remote_domid == remote->id);
}

int channel_connect(struct domain *a, u32 port_a, struct domain *b, u32 port_b) {
	int status = -EEXIST;

	if (!port_a || !port_b || !port_ok(a, port_a) || !port_ok(b, port_b) ||
	    (a == b && port_a == port_b))
		return -EINVAL;
	lock_take(&bindings_lock);
	if (port_joinable(a, port_a, b) && port_joinable(b, port_b, a)) {
		port_join(a, port_a, b, port_b);
		port_join(b, port_b, a, port_a);
		status = 0;
	}
	lock_drop(&bindings_lock);
	if (status) return status;
	/* A bit that was kept over a reset may have been announced to nobody: say it again. */
	channel_set_pending(a, port_a);
	channel_redeliver(a, port_a);
	channel_set_pending(b, port_b);
	channel_redeliver(b, port_b);
	return 0;
}

long channel_bind_pirq(struct domain *d, u32 port, u32 irq) {
	return channel_bind(d, port, (struct channel){.state = CHANNEL_PIRQ, .remote_port = irq});
}

bool virq_bound(struct domain *d, u32 port, u32 virq) {
	return port_ok(d, port) && d->channels[port].state == CHANNEL_VIRQ &&
	       d->channels[port].virq == virq;
}

/* --- The operations of event_channel_op; what comes back is in the argument --- */

static long op_send(struct domain *d, u32 port) {
	long status = 0;

	if (unlikely(!port_ok(d, port))) return -EINVAL;
	struct channel *c = &d->channels[port];
	/* No peer is involved, so nothing has to stand still. */
	if (atomic_load_relaxed(&c->state) == CHANNEL_IPI) {
		channel_set_pending(d, port);
		return 0;
	}
	lock_take(&d->channel_lock);
	switch (c->state) {
	case CHANNEL_INTERDOMAIN: channel_set_pending(c->remote, c->remote_port); break;
	case CHANNEL_IPI:
	case CHANNEL_UNBOUND: /* nobody there (any more): dropped silently */ break;
	default: status = -EINVAL;
	}
	lock_drop(&d->channel_lock);
	return status;
}

/* The result of an operation that binds: its port goes into the argument. */
static long bound_port(long port, u32 *result) {
	if (port < 0) return port;
	*result = (u32)port;
	return 0;
}

/*
 * Offering a port needs no authority over the peer: it is inert until the peer
 * binds it, and for that the peer needs a capability to this domain.
 */
static long op_alloc_unbound(struct domain *d, void *argument) {
	struct evtchn_alloc_unbound *op = argument;
	int error;
	struct domain *owner = cap_resolve_domid(d, op->dom, RIGHT_CONTROL, &error);
	const struct channel value = {
		.state = CHANNEL_UNBOUND,
		.remote_domid = op->remote_dom == DOMID_SELF ? d->id : op->remote_dom,
	};

	return owner ? bound_port(channel_bind(owner, 0, value), &op->port) : error;
}

static long op_bind_interdomain(struct domain *d, void *argument) {
	struct evtchn_bind_interdomain *op = argument;
	int error;
	struct domain *remote = cap_resolve_domid(d, op->remote_dom, RIGHT_EVENT, &error);

	if (!remote) return error;
	if (!port_ok(remote, op->remote_port)) return -EINVAL;
	lock_take(&bindings_lock);
	long port = port_find_free(d);
	if (port > 0) {
		const struct channel *c = &remote->channels[op->remote_port];

		if (c->state == CHANNEL_UNBOUND && c->remote_domid == d->id) {
			port_join(d, (u32)port, remote, op->remote_port);
			port_join(remote, op->remote_port, d, (u32)port);
		} else {
			port = -EINVAL;
		}
	}
	lock_drop(&bindings_lock);
	if (port < 0) return port;
	/* The peer may have sent before there was anybody to hear it. */
	channel_set_pending(d, (u32)port);
	op->local_port = (u32)port;
	return 0;
}

static long op_bind_virq(struct domain *d, void *argument) {
	struct evtchn_bind_virq *op = argument;
	const struct channel value = {
		.state = CHANNEL_VIRQ, .virq = (u8)op->virq, .notify_vcpu = op->vcpu};
	struct vcpu *v = domain_vcpu(d, op->vcpu);
	long port = -EEXIST;

	if (op->virq >= NR_VIRQS || (virq_is_global(op->virq) && op->vcpu)) return -EINVAL;
	if (!v) return -ENOENT;
	lock_take(&bindings_lock);
	if (!v->virq_port[op->virq]) port = port_bind(d, 0, value);
	if (port > 0) atomic_store(&v->virq_port[op->virq], (u32)port);
	lock_drop(&bindings_lock);
	return bound_port(port, &op->port);
}

static long op_bind_ipi(struct domain *d, void *argument) {
	struct evtchn_bind_ipi *op = argument;
	const struct channel value = {.state = CHANNEL_IPI, .notify_vcpu = op->vcpu};

	if (!domain_vcpu(d, op->vcpu)) return -ENOENT;
	return bound_port(channel_bind(d, 0, value), &op->port);
}

/* Lines are bound by capability: IRQ_BIND. */
static long op_bind_pirq(struct domain *d, void *argument) {
	(void)d, (void)argument;
	return -EPERM;
}

static long op_close(struct domain *d, void *argument) {
	return channel_close(d, ((struct evtchn_close *)argument)->port);
}

static long op_status(struct domain *caller, void *argument) {
	struct evtchn_status *op = argument;
	int error;
	struct domain *d = cap_resolve_domid(caller, op->dom, RIGHT_INSPECT, &error);

	if (!d) return error;
	if (!port_ok(d, op->port)) return -EINVAL;
	lock_take(&d->channel_lock);
	struct channel c = d->channels[op->port];
	lock_drop(&d->channel_lock);
	op->status = c.state; /* the states have the ABI's numbers */
	op->vcpu = c.notify_vcpu;
	switch (c.state) {
	case CHANNEL_UNBOUND: op->u.unbound.dom = c.remote_domid; break;
	case CHANNEL_INTERDOMAIN:
		op->u.interdomain.dom = c.remote_domid;
		op->u.interdomain.port = c.remote_port;
		break;
	case CHANNEL_PIRQ: op->u.pirq = c.remote_port; break;
	case CHANNEL_VIRQ: op->u.virq = c.virq; break;
	default: break;
	}
	return 0;
}

static long op_bind_vcpu(struct domain *d, void *argument) {
	const struct evtchn_bind_vcpu *op = argument;
	long status = 0;

	if (!domain_vcpu(d, op->vcpu)) return -ENOENT;
	if (!port_ok(d, op->port)) return -EINVAL;
	struct channel *c = &d->channels[op->port];
	lock_take(&bindings_lock);
	if (c->state == CHANNEL_CLOSED || c->state == CHANNEL_IPI ||
	    (c->state == CHANNEL_VIRQ && !virq_is_global(c->virq)))
		status = -EINVAL;
	else
		atomic_store(&c->notify_vcpu, op->vcpu);
	lock_drop(&bindings_lock);
	if (!status) channel_redeliver(d, op->port);
	return status;
}

static long op_unmask(struct domain *d, void *argument) {
	u32 port = ((struct evtchn_unmask *)argument)->port;

	if (!port_ok(d, port)) return -EINVAL;
	atomic_and(&d->shared->evtchn_mask[port / 64], ~(1UL << port % 64));
	channel_redeliver(d, port);
	return 0;
}

static long op_reset(struct domain *caller, void *argument) {
	u16 domid = ((struct evtchn_reset *)argument)->dom;
	int error;
	struct domain *d = cap_resolve_domid(caller, domid, RIGHT_CONTROL, &error);

	if (!d) return error;
	return channel_reset(d) ? hypercall_restart() : 0;
}

/* What is not there: guests fall back from the FIFO ABI to this one. */
static const struct event_operation {
	long (*handler)(struct domain *d, void *argument);
	u8 size;
	bool result; /* written back */
} operations[] = {
#define OPERATION(name, result) \
	[EVTCHNOP_##name] = {op_##name, sizeof(struct evtchn_##name), result}
	OPERATION(bind_interdomain, true), OPERATION(bind_virq, true),
	OPERATION(bind_pirq, false),       OPERATION(close, false),
	OPERATION(status, true),           OPERATION(alloc_unbound, true),
	OPERATION(bind_ipi, true),         OPERATION(bind_vcpu, false),
	OPERATION(unmask, false),          OPERATION(reset, false),
#undef OPERATION
};

static NOINLINE long other_op(struct domain *d, u64 command, u64 argument) {
	u64 words[DIV_UP(sizeof(struct evtchn_status), sizeof(u64))]; /* the largest */
	const struct event_operation *op;
	long status;

	if (command >= ARRAY_SIZE(operations) || !operations[command].handler) return -ENOSYS;
	op = &operations[command];
	if (copy_from_guest(words, argument, op->size)) return -EFAULT;
	status = op->handler(d, words);
	if (!status && op->result && copy_to_guest(argument, words, op->size)) return -EFAULT;
	return status;
}

long do_event_channel_op(u64 command, u64 argument) {
	struct domain *d = current_vcpu()->domain;
	u32 port;

	if (unlikely(command != EVTCHNOP_send)) return other_op(d, command, argument);
	if (unlikely(copy_from_guest(&port, argument, sizeof(port)))) return -EFAULT;
	return op_send(d, port);
}
