/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hypercalls of the test kernels: `syscall` inline, so that a measured call is
 * the instruction and its register moves and nothing else.
 */
#ifndef TESTS_PV_HYPERCALL_H
#define TESTS_PV_HYPERCALL_H

#include <stdint.h>

#include "proto/xen/callback.h"
#include "proto/xen/errno.h"
#include "proto/xen/event.h"
#include "proto/xen/features.h"
#include "proto/xen/grant.h"
#include "proto/xen/memory.h"
#include "proto/xen/physdev.h"
#include "proto/xen/sched.h"
#include "proto/xen/vcpu.h"
#include "proto/xen/version.h"
#include "proto/xen/xen.h"

static inline int64_t hypercall(uint64_t number, uint64_t a1, uint64_t a2, uint64_t a3,
				uint64_t a4) {
	register uint64_t r10 __asm__("r10") = a4;
	int64_t result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "0"(number), "D"(a1), "S"(a2), "d"(a3), "r"(r10)
			 : "rcx", "r11", "memory");
	return result;
}

static inline uint64_t va(const volatile void *pointer) { return (uint64_t)pointer; }

static inline int64_t xen_version(uint64_t cmd, void *buffer) {
	return hypercall(__HYPERVISOR_xen_version, cmd, va(buffer), 0, 0);
}

static inline int64_t mmu_update(const struct mmu_update *updates, uint64_t count, uint32_t *done) {
	return hypercall(__HYPERVISOR_mmu_update, va(updates), count, va(done), DOMID_SELF);
}

static inline int64_t mmuext_op(struct mmuext_op *ops, uint64_t count, uint32_t *done) {
	return hypercall(__HYPERVISOR_mmuext_op, va(ops), count, va(done), DOMID_SELF);
}

static inline int64_t mmuext(uint32_t cmd, uint64_t arg1, uint64_t arg2) {
	struct mmuext_op op = {.cmd = cmd, .arg1 = arg1, .arg2 = arg2};

	return mmuext_op(&op, 1, NULL);
}

static inline int64_t update_va_mapping(uint64_t address, uint64_t pte, uint64_t flags) {
	return hypercall(__HYPERVISOR_update_va_mapping, address, pte, flags, 0);
}

static inline int64_t memory_op(uint64_t cmd, void *arg) {
	return hypercall(__HYPERVISOR_memory_op, cmd, va(arg), 0, 0);
}

static inline int64_t event_channel_op(uint64_t cmd, void *arg) {
	return hypercall(__HYPERVISOR_event_channel_op, cmd, va(arg), 0, 0);
}

static inline int64_t grant_table_op(uint64_t cmd, void *array, uint64_t count) {
	return hypercall(__HYPERVISOR_grant_table_op, cmd, va(array), count, 0);
}

static inline int64_t sched_op(uint64_t cmd, void *arg) {
	return hypercall(__HYPERVISOR_sched_op, cmd, va(arg), 0, 0);
}

static inline int64_t vcpu_op(uint64_t cmd, uint64_t vcpu, void *arg) {
	return hypercall(__HYPERVISOR_vcpu_op, cmd, vcpu, va(arg), 0);
}

static inline int64_t callback_op(uint64_t cmd, void *arg) {
	return hypercall(__HYPERVISOR_callback_op, cmd, va(arg), 0, 0);
}

static inline int64_t physdev_op(uint64_t cmd, void *arg) {
	return hypercall(__HYPERVISOR_physdev_op, cmd, va(arg), 0, 0);
}

static inline int64_t multicall(struct multicall_entry *calls, uint64_t count) {
	return hypercall(__HYPERVISOR_multicall, va(calls), count, 0, 0);
}

static inline int64_t set_trap_table(const struct trap_info *table) {
	return hypercall(__HYPERVISOR_set_trap_table, va(table), 0, 0, 0);
}

static inline int64_t stack_switch(uint64_t ss, uint64_t sp) {
	return hypercall(__HYPERVISOR_stack_switch, ss, sp, 0, 0);
}

static inline int64_t set_segment_base(uint64_t which, uint64_t base) {
	return hypercall(__HYPERVISOR_set_segment_base, which, base, 0, 0);
}

static inline int64_t update_descriptor(uint64_t address, uint64_t descriptor) {
	return hypercall(__HYPERVISOR_update_descriptor, address, descriptor, 0, 0);
}

#endif
