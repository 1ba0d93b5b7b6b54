/* SPDX-License-Identifier: BSD-2-Clause */
#include "libs/cap/cap.h"
#include "libs/rt/hypercall.h"

static int64_t invoke(uint64_t operation, uint64_t slot, uint64_t a1, uint64_t a2, uint64_t a3,
		      uint64_t a4) {
	return hypercall(HYPERVISOR_capability_op, operation, slot, a1, a2, a3, a4);
}

int cap_copy(uint32_t slot, uint32_t to, uint32_t rights, uint64_t first, uint64_t count) {
	return (int)invoke(CAP_COPY, slot, to, rights, first, count);
}

int cap_delete(uint32_t slot) { return (int)invoke(CAP_DELETE, slot, 0, 0, 0, 0); }

int cap_inspect(uint32_t slot, struct cap_info *info) {
	return (int)invoke(CAP_INSPECT, slot, (uintptr_t)info, 0, 0, 0);
}

int cap_memory_split(uint32_t slot, uint64_t frames, uint32_t tail) {
	return (int)invoke(MEMORY_SPLIT, slot, frames, tail, 0, 0);
}

int cap_memory_merge(uint32_t slot, uint32_t next) {
	return (int)invoke(MEMORY_MERGE, slot, next, 0, 0, 0);
}

int cap_memory_give(uint32_t slot, uint32_t domain, uint64_t pfn) {
	return (int)invoke(MEMORY_GIVE, slot, domain, pfn, 0, 0);
}

int cap_memory_reclaim(uint32_t slot) { return (int)invoke(MEMORY_RECLAIM, slot, 0, 0, 0, 0); }

int cap_memory_create_domain(uint32_t slot, uint32_t to, struct domain_create *create) {
	return (int)invoke(MEMORY_CREATE_DOMAIN, slot, to, (uintptr_t)create, 0, 0);
}

int cap_memory_create_dmaspace(uint32_t slot, uint32_t to, struct dmaspace_create *create) {
	return (int)invoke(MEMORY_CREATE_DMASPACE, slot, to, (uintptr_t)create, 0, 0);
}

int cap_domain_info(uint32_t slot, struct domain_info *info) {
	return (int)invoke(DOMAIN_INFO, slot, (uintptr_t)info, 0, 0, 0);
}

int cap_domain_set_context(uint32_t slot, uint32_t vcpu, const struct vcpu_guest_context *context) {
	return (int)invoke(DOMAIN_SET_CONTEXT, slot, vcpu, (uintptr_t)context, 0, 0);
}

int cap_domain_unpause(uint32_t slot) { return (int)invoke(DOMAIN_UNPAUSE, slot, 0, 0, 0, 0); }

int cap_domain_pause(uint32_t slot) { return (int)invoke(DOMAIN_PAUSE, slot, 0, 0, 0, 0); }

int cap_domain_reset(uint32_t slot) { return (int)invoke(DOMAIN_RESET, slot, 0, 0, 0, 0); }

int cap_domain_connect(uint32_t slot, uint32_t port, uint32_t peer, uint32_t peer_port) {
	return (int)invoke(DOMAIN_CONNECT, slot, port, peer, peer_port, 0);
}

int cap_domain_grant(uint32_t slot, uint32_t ref, uint16_t domid, bool readonly, uint64_t mfn) {
	return (int)invoke(DOMAIN_GRANT, slot, ref, domid | (uint64_t)readonly << 16, mfn, 0);
}

int cap_domain_cap(uint32_t slot, uint32_t from, uint32_t to, uint32_t rights) {
	return (int)invoke(DOMAIN_CAP, slot, from, to, rights, 0);
}

int cap_domain_watch(uint32_t slot, uint32_t port) {
	return (int)invoke(DOMAIN_WATCH, slot, port, 0, 0, 0);
}

int cap_domain_caps(uint32_t slot, uint32_t first, struct cap_info info[CAPS_BATCH]) {
	memset(info, 0, CAPS_BATCH * sizeof(*info));
	return (int)invoke(DOMAIN_CAPS, slot, first, (uintptr_t)info, CAPS_BATCH, 0);
}

int cap_domain_vcpu(uint32_t slot, uint32_t vcpu, struct domain_vcpu *registers) {
	return (int)invoke(DOMAIN_VCPU, slot, vcpu, (uintptr_t)registers, 0, 0);
}

int cap_plan_commit(uint32_t cpu, const struct plan_commit *commit) {
	return (int)invoke(PLAN_COMMIT, cpu, (uintptr_t)commit, 0, 0, 0);
}

int cap_plan_guard(uint32_t cpu, uint32_t domain, uint32_t vcpu) {
	return (int)invoke(PLAN_GUARD, cpu, domain, vcpu, 0, 0);
}

int cap_plan_read(uint32_t cpu, struct plan_report *report, struct plan_account *accounts,
		  uint32_t count) {
	return (int)invoke(PLAN_READ, cpu, (uintptr_t)report, (uintptr_t)accounts, count, 0);
}

int cap_irq_bind(uint32_t slot, uint32_t gsi, uint32_t port, uint32_t flags) {
	return (int)invoke(IRQ_BIND, slot, gsi, port, flags, 0);
}

/* A message wants none: no call is made for it. */
int cap_irq_ack(uint32_t slot, uint32_t gsi) {
	return gsi >= IRQ_MSI ? 0 : (int)invoke(IRQ_ACK, slot, gsi, 0, 0, 0);
}

int cap_irq_message(uint32_t slot, uint32_t irq, uint32_t source, struct irq_message *message) {
	return (int)invoke(IRQ_MESSAGE, slot, irq, source, (uintptr_t)message, 0);
}

int cap_ioports_enable(uint32_t slot) { return (int)invoke(IOPORTS_ENABLE, slot, 0, 0, 0, 0); }

int cap_dma_map(uint32_t slot, struct dma_map *maps, uint32_t count) {
	return (int)invoke(DMA_MAP, slot, (uintptr_t)maps, count, 0, 0);
}

int cap_dma_unmap(uint32_t slot, const uint32_t *slots, uint32_t count) {
	return (int)invoke(DMA_UNMAP, slot, (uintptr_t)slots, count, 0, 0);
}

int cap_dma_read(uint32_t slot, uint32_t first, struct dma_map *maps, uint32_t count) {
	return (int)invoke(DMA_READ, slot, first, (uintptr_t)maps, count, 0);
}

int cap_dma_empty(uint32_t slot) { return (int)invoke(DMA_EMPTY, slot, 0, 0, 0, 0); }

int cap_dma_info(uint32_t slot, struct dma_info *info) {
	return (int)invoke(DMA_INFO, slot, (uintptr_t)info, 0, 0, 0);
}

int cap_trace_buffer(uint32_t slot, uint32_t cpu, uint64_t mfn, uint64_t frames) {
	return (int)invoke(TRACE_BUFFER, slot, cpu, mfn, frames, 0);
}

int cap_trace_set(uint32_t slot, uint32_t points, uint32_t unseen) {
	return (int)invoke(TRACE_SET, slot, points, unseen, 0, 0);
}

int64_t cap_console_read(uint32_t slot, void *buffer, size_t size, uint64_t *position) {
	return invoke(CONSOLE_READ, slot, (uintptr_t)buffer, size, (uintptr_t)position, 0);
}

int64_t cap_console_write(uint32_t slot, const void *buffer, size_t size) {
	return invoke(CONSOLE_WRITE, slot, (uintptr_t)buffer, size, 0, 0);
}
