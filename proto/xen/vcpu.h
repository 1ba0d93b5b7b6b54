/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vcpu_op(cmd, vcpu, struct): starting and stopping vCPUs, their timers, and the
 * areas in which the hypervisor reports to them. VCPUOP_initialise takes
 * struct vcpu_guest_context (arch.h).
 */
#ifndef PROTO_XEN_VCPU_H
#define PROTO_XEN_VCPU_H

#include <stddef.h>
#include <stdint.h>

#define VCPUOP_initialise                     0
#define VCPUOP_up                             1
#define VCPUOP_down                           2
#define VCPUOP_is_up                          3
#define VCPUOP_get_runstate_info              4
#define VCPUOP_register_runstate_memory_area  5
#define VCPUOP_set_periodic_timer             6
#define VCPUOP_stop_periodic_timer            7
#define VCPUOP_set_singleshot_timer           8
#define VCPUOP_stop_singleshot_timer          9
#define VCPUOP_register_vcpu_info             10
#define VCPUOP_send_nmi                       11
#define VCPUOP_get_physid                     12
#define VCPUOP_register_vcpu_time_memory_area 13

#define RUNSTATE_running  0
#define RUNSTATE_runnable 1
#define RUNSTATE_blocked  2
#define RUNSTATE_offline  3

struct vcpu_runstate_info {
	uint32_t state; /* RUNSTATE_* */
	uint32_t pad;
	uint64_t state_entry_time; /* ns; bit 63 while an update is under way, if asked for */
	uint64_t time[4];          /* ns spent in each state */
};
#define XEN_RUNSTATE_UPDATE (1ULL << 63)

struct vcpu_register_runstate_memory_area {
	uint64_t addr; /* virtual address of struct vcpu_runstate_info */
};

struct vcpu_set_periodic_timer {
	uint64_t period_ns;
};

struct vcpu_set_singleshot_timer {
	uint64_t timeout_abs_ns;
	uint32_t flags; /* VCPU_SSHOTTMR_* */
	uint32_t pad;
};
#define VCPU_SSHOTTMR_future (1U << 0) /* a time in the past is an error: -ETIME */

struct vcpu_register_vcpu_info {
	uint64_t mfn;
	uint32_t offset; /* of struct vcpu_info in the frame, which it must not cross */
	uint32_t rsvd;
};

struct vcpu_register_time_memory_area {
	uint64_t addr; /* virtual address of struct vcpu_time_info */
};

_Static_assert(sizeof(struct vcpu_runstate_info) == 48, "vcpu_runstate_info layout");
_Static_assert(sizeof(struct vcpu_set_singleshot_timer) == 16, "singleshot_timer layout");
_Static_assert(sizeof(struct vcpu_register_vcpu_info) == 16, "register_vcpu_info layout");

#endif
