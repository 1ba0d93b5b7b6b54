/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Capability invocations as functions, one for each operation of
 * proto/cap/cap.h, which says what they do. All return 0 (or a positive result
 * where that header says so) or -errno. Slots are the caller's own.
 */
#ifndef LIBS_CAP_CAP_H
#define LIBS_CAP_CAP_H

#include "libs/rt/rt.h"
#include "proto/cap/cap.h"
#include "proto/xen/arch.h"

MUST_CHECK int cap_copy(uint32_t slot, uint32_t to, uint32_t rights, uint64_t first,
			uint64_t count);
MUST_CHECK int cap_delete(uint32_t slot);
MUST_CHECK int cap_inspect(uint32_t slot, struct cap_info *info);

MUST_CHECK int cap_memory_split(uint32_t slot, uint64_t frames, uint32_t tail);
MUST_CHECK int cap_memory_merge(uint32_t slot, uint32_t next);
MUST_CHECK int cap_memory_give(uint32_t slot, uint32_t domain, uint64_t pfn);
MUST_CHECK int cap_memory_reclaim(uint32_t slot);
MUST_CHECK int cap_memory_create_domain(uint32_t slot, uint32_t to, struct domain_create *create);

MUST_CHECK int cap_memory_create_dmaspace(uint32_t slot, uint32_t to,
					  struct dmaspace_create *create);

MUST_CHECK int cap_domain_info(uint32_t slot, struct domain_info *info);
MUST_CHECK int cap_domain_set_context(uint32_t slot, uint32_t vcpu,
				      const struct vcpu_guest_context *context);
MUST_CHECK int cap_domain_unpause(uint32_t slot);
MUST_CHECK int cap_domain_pause(uint32_t slot);
MUST_CHECK int cap_domain_reset(uint32_t slot);
MUST_CHECK int cap_domain_connect(uint32_t slot, uint32_t port, uint32_t peer, uint32_t peer_port);
MUST_CHECK int cap_domain_grant(uint32_t slot, uint32_t ref, uint16_t domid, bool readonly,
				uint64_t mfn);
MUST_CHECK int cap_domain_cap(uint32_t slot, uint32_t from, uint32_t to, uint32_t rights);
MUST_CHECK int cap_domain_watch(uint32_t slot, uint32_t port);

/* What the domain's table holds from slot `first` on, up to CAPS_BATCH of it; the elements behind
 * have type CAP_NONE. Result: where to go on, 0: that was all. */
MUST_CHECK int cap_domain_caps(uint32_t slot, uint32_t first, struct cap_info info[CAPS_BATCH]);
MUST_CHECK int cap_domain_vcpu(uint32_t slot, uint32_t vcpu, struct domain_vcpu *registers);

MUST_CHECK int cap_plan_commit(uint32_t cpu, const struct plan_commit *commit);
MUST_CHECK int cap_plan_guard(uint32_t cpu, uint32_t domain, uint32_t vcpu);
/* Result: how many entries the plan has. */
MUST_CHECK int cap_plan_read(uint32_t cpu, struct plan_report *report,
			     struct plan_account *accounts, uint32_t count);

/* Result: the port. */
MUST_CHECK int cap_irq_bind(uint32_t slot, uint32_t gsi, uint32_t port, uint32_t flags);
MUST_CHECK int cap_irq_ack(uint32_t slot, uint32_t gsi);
MUST_CHECK int cap_irq_message(uint32_t slot, uint32_t irq, uint32_t source,
			       struct irq_message *message);
MUST_CHECK int cap_ioports_enable(uint32_t slot);

/* Result: elements whose status is 0. */
MUST_CHECK int cap_dma_map(uint32_t slot, struct dma_map *maps, uint32_t count);
MUST_CHECK int cap_dma_unmap(uint32_t slot, const uint32_t *slots, uint32_t count);
/* Result: count. */
MUST_CHECK int cap_dma_read(uint32_t slot, uint32_t first, struct dma_map *maps, uint32_t count);
MUST_CHECK int cap_dma_empty(uint32_t slot);
MUST_CHECK int cap_dma_info(uint32_t slot, struct dma_info *info);

MUST_CHECK int cap_trace_buffer(uint32_t slot, uint32_t cpu, uint64_t mfn, uint64_t frames);
MUST_CHECK int cap_trace_set(uint32_t slot, uint32_t points, uint32_t unseen);

/* Result: bytes read. */
MUST_CHECK int64_t cap_console_read(uint32_t slot, void *buffer, size_t size, uint64_t *position);
int64_t cap_console_write(uint32_t slot, const void *buffer, size_t size);

#endif
