/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * event_channel_op(cmd, struct): ports, over which domains, vCPUs and the
 * hypervisor signal each other. Port 0 is never valid. Fields marked 'out' are
 * written by the hypervisor on success.
 */
#ifndef PROTO_XEN_EVENT_H
#define PROTO_XEN_EVENT_H

#include <stddef.h>
#include <stdint.h>

#define EVTCHNOP_bind_interdomain 0
#define EVTCHNOP_bind_virq        1
#define EVTCHNOP_bind_pirq        2
#define EVTCHNOP_close            3
#define EVTCHNOP_send             4
#define EVTCHNOP_status           5
#define EVTCHNOP_alloc_unbound    6
#define EVTCHNOP_bind_ipi         7
#define EVTCHNOP_bind_vcpu        8
#define EVTCHNOP_unmask           9
#define EVTCHNOP_reset            10
#define EVTCHNOP_init_control     11
#define EVTCHNOP_expand_array     12
#define EVTCHNOP_set_priority     13

struct evtchn_alloc_unbound {
	uint16_t dom, remote_dom;
	uint32_t port; /* out */
};

struct evtchn_bind_interdomain {
	uint16_t remote_dom, pad;
	uint32_t remote_port;
	uint32_t local_port; /* out */
};

struct evtchn_bind_virq {
	uint32_t virq, vcpu;
	uint32_t port; /* out */
};

struct evtchn_bind_pirq {
	uint32_t pirq;
	uint32_t flags; /* BIND_PIRQ__WILL_SHARE */
	uint32_t port;  /* out */
};
#define BIND_PIRQ__WILL_SHARE 1U

struct evtchn_bind_ipi {
	uint32_t vcpu;
	uint32_t port; /* out */
};

struct evtchn_close {
	uint32_t port;
};

struct evtchn_send {
	uint32_t port;
};

#define EVTCHNSTAT_closed      0
#define EVTCHNSTAT_unbound     1
#define EVTCHNSTAT_interdomain 2
#define EVTCHNSTAT_pirq        3
#define EVTCHNSTAT_virq        4
#define EVTCHNSTAT_ipi         5

struct evtchn_status {
	uint16_t dom, pad;
	uint32_t port;
	uint32_t status; /* out: EVTCHNSTAT_* */
	uint32_t vcpu;   /* out: the vCPU that is notified */
	union {          /* out, by status */
		struct {
			uint16_t dom;
		} unbound;
		struct {
			uint16_t dom, pad;
			uint32_t port;
		} interdomain;
		uint32_t pirq;
		uint32_t virq;
	} u;
};

struct evtchn_bind_vcpu {
	uint32_t port, vcpu;
};

struct evtchn_unmask {
	uint32_t port;
};

struct evtchn_reset {
	uint16_t dom;
};

struct evtchn_init_control {
	uint64_t control_gfn;
	uint32_t offset, vcpu;
	uint8_t link_bits; /* out */
	uint8_t pad[7];
};

struct evtchn_expand_array {
	uint64_t array_gfn;
};

struct evtchn_set_priority {
	uint32_t port, priority;
};

_Static_assert(sizeof(struct evtchn_alloc_unbound) == 8, "evtchn_alloc_unbound layout");
_Static_assert(sizeof(struct evtchn_bind_interdomain) == 12, "evtchn_bind_interdomain layout");
_Static_assert(sizeof(struct evtchn_bind_virq) == 12, "evtchn_bind_virq layout");
_Static_assert(sizeof(struct evtchn_bind_pirq) == 12, "evtchn_bind_pirq layout");
_Static_assert(sizeof(struct evtchn_status) == 24, "evtchn_status layout");
_Static_assert(offsetof(struct evtchn_status, u) == 16, "evtchn_status layout");
_Static_assert(sizeof(struct evtchn_init_control) == 24, "evtchn_init_control layout");

#endif
