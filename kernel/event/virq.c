/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Virtual interrupts: ports that the core itself sends. Per-vCPU ones belong to
 * the vCPU they were bound for; the others are bound through vCPU 0, whichever
 * vCPU is then told.
 */
#include "event/channel.h"

#define PER_VCPU (1U << VIRQ_TIMER | 1U << VIRQ_DEBUG | 1U << VIRQ_XENOPROF | 1U << VIRQ_XENPMU)

bool virq_is_global(u32 virq) { return !(PER_VCPU >> virq & 1); }

void virq_send(struct vcpu *v, u32 virq) {
	if (virq_is_global(virq)) v = v->domain->vcpus[0];
	u32 port = atomic_load(&v->virq_port[virq]);
	if (port) channel_set_pending(v->domain, port);
}
