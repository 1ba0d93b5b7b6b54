/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Wrong arguments and the error codes they must get: those of Xen, since kernels
 * and test suites written for it look at them. The table was checked by running
 * this same program as dom0 of Xen 4.17; rows whose answer depends on dom0's
 * privileges are left out there.
 *
 * Every row is one call. Structures are passed by pointers to constants of this
 * file; what is only known at run time (frame numbers) comes through the few
 * variables that setup() fills.
 */
#include "cases.h"

/* Pointers that must not be believed. */
#define UNMAPPED      0x10ULL
#define HYPERVISOR    0xffff828000000000ULL
#define NON_CANONICAL 0x8000000000000000ULL
#define WRAPPING      0xfffffffffffffff8ULL

#define AT(...) ((uint64_t)&__VA_ARGS__)

/* Rows that dom0 of Xen answers otherwise, or that Xen does not have. */
#define DOMU 1U

struct row {
	const char *what;
	uint64_t number, a1, a2, a3, a4;
	int64_t expected;
	unsigned flags;
};

/* Filled by setup(): a data page, a page table in use, a port that is an IPI. */
static struct mmu_update update_free_frame, update_hv_slot, update_data, update_misaligned;
static struct mmu_update update_reserved_bits, update_upper_pse, update_cached, update_upper_rw;
static struct mmuext_op pin_data, unpin_data, base_data, user_base_data, ldt_data, clear_root;
static struct mmuext_op copy_root, pin_root_again, pin_l3_root, ldt_unaligned;
static uint64_t data_frame, root_frame, no_frame = 1ULL << 40, gdt_frame;
static struct vcpu_register_vcpu_info info_crossing, info_unaligned, info_root;
static struct evtchn_bind_virq bound_timer = {.virq = VIRQ_TIMER};
static struct evtchn_send send_timer;
static struct evtchn_bind_vcpu rebind_timer, rebind_bad_vcpu;
static uint32_t port_list[129];
static struct sched_poll poll_many = {.nr_ports = 129}, poll_bad_port = {.nr_ports = 1};
static struct callback_register callback_far = {.type = CALLBACKTYPE_event,
						.address = NON_CANONICAL};
static struct multicall_entry calls[4];
static char buffer[8192];

#define MMU(ptr, count, done, dom) __HYPERVISOR_mmu_update, ptr, count, done, dom
#define EXT_AT(...)                __HYPERVISOR_mmuext_op, AT(__VA_ARGS__), 1, 0, DOMID_SELF
#define EXT(...)                   EXT_AT((const struct mmuext_op){__VA_ARGS__})
#define VA(va, pte, flags)         __HYPERVISOR_update_va_mapping, va, pte, flags, 0
#define EVENT(op, type, ...) \
	__HYPERVISOR_event_channel_op, EVTCHNOP_##op, AT((struct type){__VA_ARGS__}), 0, 0
#define MEMORY(op, ...) \
	__HYPERVISOR_memory_op, XENMEM_##op, AT((struct xen_memory_reservation){__VA_ARGS__}), 0, 0
#define VCPU(op, vcpu, arg)  __HYPERVISOR_vcpu_op, VCPUOP_##op, vcpu, arg, 0
#define SCHED(op, arg)       __HYPERVISOR_sched_op, SCHEDOP_##op, arg, 0, 0
#define CALLBACK(op, arg)    __HYPERVISOR_callback_op, CALLBACKOP_##op, arg, 0, 0
#define VERSION(op, arg)     __HYPERVISOR_xen_version, XENVER_##op, arg, 0, 0
#define GRANT(op, arg, n)    __HYPERVISOR_grant_table_op, GNTTABOP_##op, arg, n, 0
#define DESCRIPTOR(ma, desc) __HYPERVISOR_update_descriptor, ma, desc, 0, 0

static const struct row rows[] = {
	/* Numbers without a call. */
	{"number 11", 11, 0, 0, 0, 0, -XEN_ENOSYS, 0},
	{"number 43", 43, 0, 0, 0, 0, -XEN_ENOSYS, 0},
	{"number 62", 62, 0, 0, 0, 0, -XEN_ENOSYS, 0},
	{"number 64", 64, 0, 0, 0, 0, -XEN_ENOSYS, 0},
	{"number 2^31", 1ULL << 31, 0, 0, 0, 0, -XEN_ENOSYS, 0},
	{"number 2^32 - 1", 0xffffffff, 0, 0, 0, 0, -XEN_ENOSYS, 0},
	{"number -1", UINT64_MAX, 0, 0, 0, 0, -XEN_ENOSYS, 0},
	{"tmem_op", __HYPERVISOR_tmem_op, 0, 0, 0, 0, -XEN_ENOSYS, 0},

	/* xen_version */
	{"version unknown", __HYPERVISOR_xen_version, 99, AT(buffer), 0, 0, -XEN_ENOSYS, 0},
	{"version -1", __HYPERVISOR_xen_version, UINT64_MAX, AT(buffer), 0, 0, -XEN_ENOSYS, 0},
	{"extraversion unmapped", VERSION(extraversion, UNMAPPED), -XEN_EFAULT, 0},
	{"extraversion hypervisor", VERSION(extraversion, HYPERVISOR), -XEN_EFAULT, 0},
	{"extraversion non-canonical", VERSION(extraversion, NON_CANONICAL), -XEN_EFAULT, 0},
	{"extraversion M2P", VERSION(extraversion, MACH2PHYS_VIRT_START), -XEN_EFAULT, 0},
	{"features unmapped", VERSION(get_features, UNMAPPED), -XEN_EFAULT, 0},
	{"features wrapping", VERSION(get_features, WRAPPING + 4), -XEN_EFAULT, 0},
	{"pagesize with argument", VERSION(pagesize, AT(buffer)), -XEN_EINVAL, 0},
	{"commandline", VERSION(commandline, AT(buffer)), -XEN_EPERM, DOMU},

	/* mmu_update */
	{"mmu_update unmapped", MMU(UNMAPPED, 1, 0, DOMID_SELF), -XEN_EFAULT, 0},
	{"mmu_update hypervisor", MMU(HYPERVISOR, 1, 0, DOMID_SELF), -XEN_EFAULT, 0},
	{"mmu_update non-canonical", MMU(NON_CANONICAL, 1, 0, DOMID_SELF), -XEN_EFAULT, 0},
	{"mmu_update count 2^32-1", MMU(HYPERVISOR, 0xffffffff, 0, DOMID_SELF), -XEN_EFAULT, 0},
	{"mmu_update no such domain", MMU(AT(update_data), 1, 0, 0x7000), -XEN_ESRCH, 0},
	{"mmu_update no such owner", MMU(AT(update_data), 1, 0, 0x7000U << 16 | DOMID_SELF),
	 -XEN_ESRCH, 0},
	{"mmu_update frame of nobody", MMU(AT(update_free_frame), 1, 0, DOMID_SELF), -XEN_EINVAL,
	 0},
	{"mmu_update hypervisor's slot", MMU(AT(update_hv_slot), 1, 0, DOMID_SELF), -XEN_EINVAL, 0},
	{"mmu_update reserved bits", MMU(AT(update_reserved_bits), 1, 0, DOMID_SELF), -XEN_EPERM,
	 0},
	{"mmu_update PSE", MMU(AT(update_upper_pse), 1, 0, DOMID_SELF), -XEN_EINVAL, 0},
	{"mmu_update L2 to data", MMU(AT(update_upper_rw), 1, 0, DOMID_SELF), -XEN_EINVAL, 0},
	{"mmu_update uncached", MMU(AT(update_cached), 1, 0, DOMID_SELF), -XEN_EINVAL, DOMU},
	{"mmu_update misaligned", MMU(AT(update_misaligned), 1, 0, DOMID_SELF), -XEN_ENOSYS, 0},

	/* mmuext_op */
	{"mmuext unmapped", __HYPERVISOR_mmuext_op, UNMAPPED, 1, 0, DOMID_SELF, -XEN_EFAULT, 0},
	{"mmuext no such domain", __HYPERVISOR_mmuext_op, AT(pin_data), 1, 0, 0x7000, -XEN_ESRCH,
	 0},
	{"mmuext unknown", EXT(.cmd = 21), -XEN_ENOSYS, 0},
	{"mmuext 14", EXT(.cmd = 14), -XEN_ENOSYS, 0},
	{"mmuext -1", EXT(.cmd = UINT32_MAX), -XEN_ENOSYS, 0},
	{"pin frame of nobody", EXT(.cmd = MMUEXT_PIN_L1_TABLE, .arg1 = 1ULL << 40), -XEN_EINVAL,
	 0},
	{"pin writable page", EXT_AT(pin_data), -XEN_EINVAL, 0},
	{"pin root again", EXT_AT(pin_root_again), -XEN_EINVAL, 0},
	{"pin root as L3", EXT_AT(pin_l3_root), -XEN_EINVAL, 0},
	{"unpin what is not pinned", EXT_AT(unpin_data), -XEN_EINVAL, 0},
	{"unpin frame of nobody", EXT(.cmd = MMUEXT_UNPIN_TABLE, .arg1 = 1ULL << 40), -XEN_EINVAL,
	 0},
	{"root of data", EXT_AT(base_data), -XEN_EINVAL, 0},
	{"root of nobody", EXT(.cmd = MMUEXT_NEW_BASEPTR, .arg1 = 1ULL << 40), -XEN_EINVAL, 0},
	{"user root of data", EXT_AT(user_base_data), -XEN_EINVAL, 0},
	{"LDT unaligned", EXT_AT(ldt_unaligned), -XEN_EINVAL, 0},
	{"LDT too large", EXT_AT(ldt_data), -XEN_EINVAL, 0},
	{"LDT at hypervisor", EXT(.cmd = MMUEXT_SET_LDT, .arg1 = HYPERVISOR, .arg2 = 8),
	 -XEN_EINVAL, 0},
	{"clear a root", EXT_AT(clear_root), -XEN_EINVAL, 0},
	{"copy to a root", EXT_AT(copy_root), -XEN_EINVAL, 0},
	{"flush of unmapped vCPUs", EXT(.cmd = MMUEXT_TLB_FLUSH_MULTI, .arg2 = UNMAPPED),
	 -XEN_EINVAL, 0},
	{"flush cache", EXT(.cmd = MMUEXT_FLUSH_CACHE), -XEN_EACCES, DOMU},
	{"flush cache everywhere", EXT(.cmd = MMUEXT_FLUSH_CACHE_GLOBAL), -XEN_EACCES, DOMU},
	{"mark super", EXT(.cmd = MMUEXT_MARK_SUPER), -XEN_EOPNOTSUPP, 0},
	{"unmark super", EXT(.cmd = MMUEXT_UNMARK_SUPER), -XEN_EOPNOTSUPP, 0},

	/* update_va_mapping */
	{"va in hypervisor", VA(HYPERVISOR, 0, 0), -XEN_EINVAL, 0},
	{"va of M2P", VA(MACH2PHYS_VIRT_START, 0, 0), -XEN_EINVAL, 0},
	{"va non-canonical", VA(0x0000900000000000, 0, 0), -XEN_EINVAL, 0},
	{"va without table", VA(0x0000700000000000, 0, 0), -XEN_EINVAL, 0},
	{"va maps nobody's frame", VA(AT(buffer), 1ULL << 51 | 1, 0), -XEN_EPERM, 0},

	/* Descriptors */
	{"set_gdt too many", __HYPERVISOR_set_gdt, AT(data_frame), 7169, 0, 0, -XEN_EINVAL, 0},
	{"set_gdt unmapped", __HYPERVISOR_set_gdt, UNMAPPED, 8, 0, 0, -XEN_EFAULT, 0},
	{"set_gdt writable page", __HYPERVISOR_set_gdt, AT(data_frame), 8, 0, 0, -XEN_EINVAL, 0},
	{"set_gdt page table", __HYPERVISOR_set_gdt, AT(root_frame), 8, 0, 0, -XEN_EINVAL, 0},
	{"set_gdt frame of nobody", __HYPERVISOR_set_gdt, AT(no_frame), 8, 0, 0, -XEN_EINVAL, 0},
	{"descriptor unaligned", DESCRIPTOR(0x1001, 0), -XEN_EINVAL, 0},
	{"descriptor in no frame", DESCRIPTOR(1ULL << 51, 0), -XEN_EINVAL, 0},

	/* stack, segments, debug registers */
	{"segment base 4", __HYPERVISOR_set_segment_base, 4, 0, 0, 0, -XEN_EINVAL, 0},
	{"segment base non-canonical FS", __HYPERVISOR_set_segment_base, 0, NON_CANONICAL, 0, 0,
	 -XEN_EINVAL, 0},
	{"segment base non-canonical GS", __HYPERVISOR_set_segment_base, 1, NON_CANONICAL, 0, 0,
	 -XEN_EINVAL, 0},
	{"segment base non-canonical kernel GS", __HYPERVISOR_set_segment_base, 2, NON_CANONICAL, 0,
	 0, -XEN_EINVAL, 0},
	{"DR8", __HYPERVISOR_set_debugreg, 8, 0, 0, 0, -XEN_ENODEV, 0},
	{"DR4", __HYPERVISOR_set_debugreg, 4, 0, 0, 0, 0, 0},
	{"DR0 in hypervisor", __HYPERVISOR_set_debugreg, 0, HYPERVISOR, 0, 0, -XEN_EPERM, 0},
	{"DR6 upper bits", __HYPERVISOR_set_debugreg, 6, 1ULL << 32, 0, 0, -XEN_EINVAL, 0},
	{"DR7 upper bits", __HYPERVISOR_set_debugreg, 7, 1ULL << 32, 0, 0, -XEN_EINVAL, 0},
	{"DR7 general detect", __HYPERVISOR_set_debugreg, 7, 0x2400, 0, 0, -XEN_EPERM, 0},
	{"get DR8", __HYPERVISOR_get_debugreg, 8, 0, 0, 0, -XEN_ENODEV, 0},

	/* Traps and callbacks */
	{"trap table unmapped", __HYPERVISOR_set_trap_table, UNMAPPED, 0, 0, 0, -XEN_EFAULT, 0},
	{"trap table hypervisor", __HYPERVISOR_set_trap_table, HYPERVISOR, 0, 0, 0, -XEN_EFAULT, 0},
	{"trap handler non-canonical", __HYPERVISOR_set_trap_table,
	 AT((const struct trap_info[]){
		 {.vector = 77, .cs = FLAT_KERNEL_CS, .address = NON_CANONICAL}, {0}}),
	 0, 0, 0, -XEN_EINVAL, 0},
	{"callback non-canonical", CALLBACK(register, AT(callback_far)), -XEN_EINVAL, 0},
	{"callback unknown", CALLBACK(register, AT((struct callback_register){.type = 99})),
	 -XEN_ENOSYS, 0},
	{"callback unmapped", CALLBACK(register, UNMAPPED), -XEN_EFAULT, 0},
	{"callback unregister event",
	 CALLBACK(unregister, AT((struct callback_unregister){.type = CALLBACKTYPE_event})),
	 -XEN_EINVAL, 0},
	{"callback unregister unknown",
	 CALLBACK(unregister, AT((struct callback_unregister){.type = 99})), -XEN_ENOSYS, 0},
	{"callback operation 2", __HYPERVISOR_callback_op, 2, AT(buffer), 0, 0, -XEN_ENOSYS, 0},

	/* memory_op */
	{"memory unknown", __HYPERVISOR_memory_op, 62, AT(buffer), 0, 0, -XEN_ENOSYS, 0},
	{"memory_op unmapped", __HYPERVISOR_memory_op, XENMEM_populate_physmap, UNMAPPED, 0, 0, 0,
	 0},
	{"decrease frames of nobody",
	 MEMORY(decrease_reservation, .extent_start = AT(no_frame), .nr_extents = 1,
		.domid = DOMID_SELF),
	 0, 0},
	{"decrease no such domain",
	 MEMORY(decrease_reservation, .extent_start = AT(no_frame), .nr_extents = 1,
		.domid = 0x7000),
	 0, 0},
	{"decrease unmapped list",
	 MEMORY(decrease_reservation, .extent_start = UNMAPPED, .nr_extents = 1,
		.domid = DOMID_SELF),
	 0, 0},
	{"decrease hypervisor list",
	 MEMORY(decrease_reservation, .extent_start = HYPERVISOR, .nr_extents = 1,
		.domid = DOMID_SELF),
	 0, 0},
	{"decrease too many",
	 MEMORY(decrease_reservation, .extent_start = AT(no_frame), .nr_extents = 1ULL << 62,
		.domid = DOMID_SELF),
	 0, 0},
	{"populate unmapped list",
	 MEMORY(populate_physmap, .extent_start = UNMAPPED, .nr_extents = 1, .domid = DOMID_SELF),
	 0, 0},
	{"populate order 40",
	 MEMORY(populate_physmap, .extent_start = AT(no_frame), .nr_extents = 1, .extent_order = 40,
		.domid = DOMID_SELF),
	 0, 0},
	{"current_reservation no such domain", __HYPERVISOR_memory_op, XENMEM_current_reservation,
	 AT((struct xen_memory_domid){0x7000}), 0, 0, -XEN_ESRCH, 0},
	{"memory_map unmapped", __HYPERVISOR_memory_op, XENMEM_memory_map, UNMAPPED, 0, 0,
	 -XEN_EFAULT, DOMU},
	{"machphys_mapping unmapped", __HYPERVISOR_memory_op, XENMEM_machphys_mapping, UNMAPPED, 0,
	 0, -XEN_EFAULT, 0},

	/* multicall */
	{"multicall unmapped", __HYPERVISOR_multicall, UNMAPPED, 1, 0, 0, -XEN_EFAULT, 0},
	{"multicall hypervisor", __HYPERVISOR_multicall, HYPERVISOR, 1, 0, 0, -XEN_EFAULT, 0},
	{"multicall 2^60", __HYPERVISOR_multicall, AT(calls), 1ULL << 60, 0, 0, 0, 0},

	/* Events */
	{"event unknown", __HYPERVISOR_event_channel_op, 15, AT(buffer), 0, 0, -XEN_ENOSYS, 0},
	{"event -1", __HYPERVISOR_event_channel_op, UINT64_MAX, AT(buffer), 0, 0, -XEN_ENOSYS, 0},
	{"event unmapped", __HYPERVISOR_event_channel_op, EVTCHNOP_send, UNMAPPED, 0, 0,
	 -XEN_EFAULT, 0},
	{"send port 0", EVENT(send, evtchn_send, 0), -XEN_EINVAL, 0},
	{"send closed port", EVENT(send, evtchn_send, 63), -XEN_EINVAL, 0},
	{"send port 4096", EVENT(send, evtchn_send, 4096), -XEN_EINVAL, 0},
	{"send port 2^32-1", EVENT(send, evtchn_send, UINT32_MAX), -XEN_EINVAL, 0},
	{"send VIRQ port", __HYPERVISOR_event_channel_op, EVTCHNOP_send, AT(send_timer), 0, 0,
	 -XEN_EINVAL, 0},
	{"close port 0", EVENT(close, evtchn_close, 0), -XEN_EINVAL, 0},
	{"close closed port", EVENT(close, evtchn_close, 63), -XEN_EINVAL, 0},
	{"close port 4096", EVENT(close, evtchn_close, 4096), -XEN_EINVAL, 0},
	{"virq 24", EVENT(bind_virq, evtchn_bind_virq, .virq = 24), -XEN_EINVAL, 0},
	{"virq 2^32-1", EVENT(bind_virq, evtchn_bind_virq, .virq = UINT32_MAX), -XEN_EINVAL, 0},
	{"virq bad vcpu", EVENT(bind_virq, evtchn_bind_virq, .virq = VIRQ_DEBUG, .vcpu = 4000),
	 -XEN_ENOENT, 0},
	{"global virq on vcpu 1",
	 EVENT(bind_virq, evtchn_bind_virq, .virq = VIRQ_DOM_EXC, .vcpu = 1), -XEN_EINVAL, 0},
	{"virq again", __HYPERVISOR_event_channel_op, EVTCHNOP_bind_virq, AT(bound_timer), 0, 0,
	 -XEN_EEXIST, 0},
	{"ipi bad vcpu", EVENT(bind_ipi, evtchn_bind_ipi, .vcpu = 4000), -XEN_ENOENT, 0},
	{"pirq 5", EVENT(bind_pirq, evtchn_bind_pirq, .pirq = 5), -XEN_EPERM, DOMU},
	{"bind no such domain",
	 EVENT(bind_interdomain, evtchn_bind_interdomain, .remote_dom = 0x7000, .remote_port = 1),
	 -XEN_ESRCH, 0},
	{"bind to a VIRQ",
	 EVENT(bind_interdomain, evtchn_bind_interdomain, .remote_dom = DOMID_SELF,
	       .remote_port = 63),
	 -XEN_EINVAL, 0},
	{"bind to port 5000",
	 EVENT(bind_interdomain, evtchn_bind_interdomain, .remote_dom = DOMID_SELF,
	       .remote_port = 5000),
	 -XEN_EINVAL, 0},
	{"offer for another domain",
	 EVENT(alloc_unbound, evtchn_alloc_unbound, .dom = 0x7000, .remote_dom = DOMID_SELF),
	 -XEN_ESRCH, 0},
	{"status port 4096", EVENT(status, evtchn_status, .dom = DOMID_SELF, .port = 4096),
	 -XEN_EINVAL, 0},
	{"status no such domain", EVENT(status, evtchn_status, .dom = 0x7000, .port = 1),
	 -XEN_ESRCH, 0},
	{"bind_vcpu of a per-vCPU VIRQ", __HYPERVISOR_event_channel_op, EVTCHNOP_bind_vcpu,
	 AT(rebind_timer), 0, 0, -XEN_EINVAL, 0},
	{"bind_vcpu bad vcpu", __HYPERVISOR_event_channel_op, EVTCHNOP_bind_vcpu,
	 AT(rebind_bad_vcpu), 0, 0, -XEN_ENOENT, 0},
	{"unmask port 4096", EVENT(unmask, evtchn_unmask, 4096), -XEN_EINVAL, 0},
	{"reset no such domain", EVENT(reset, evtchn_reset, 0x7000), -XEN_ESRCH, 0},

	/* sched_op */
	{"sched unknown", __HYPERVISOR_sched_op, 8, AT(buffer), 0, 0, -XEN_ENOSYS, 0},
	{"shutdown unmapped", SCHED(shutdown, UNMAPPED), -XEN_EFAULT, 0},
	{"poll unmapped", SCHED(poll, UNMAPPED), -XEN_EFAULT, 0},
	{"poll 129 ports", SCHED(poll, AT(poll_many)), -XEN_EINVAL, 0},
	{"poll port 5000", SCHED(poll, AT(poll_bad_port)), -XEN_EINVAL, 0},
	{"poll unmapped ports",
	 SCHED(poll, AT((struct sched_poll){.ports = UNMAPPED, .nr_ports = 1})), -XEN_EFAULT, 0},
	{"remote shutdown",
	 SCHED(remote_shutdown, AT((struct sched_remote_shutdown){.domain_id = 0x7000})),
	 -XEN_ESRCH, 0},
	{"watchdog id 3", SCHED(watchdog, AT((struct sched_watchdog){.id = 3, .timeout = 10})),
	 -XEN_EINVAL, 0},

	/* vcpu_op */
	{"vcpu unknown", __HYPERVISOR_vcpu_op, 99, 0, AT(buffer), 0, -XEN_ENOSYS, 0},
	{"vcpu 4000", VCPU(get_runstate_info, 4000, AT(buffer)), -XEN_ENOENT, 0},
	{"vcpu initialise self", VCPU(initialise, 0, AT(buffer)), -XEN_EEXIST, 0},
	{"runstate unmapped", VCPU(get_runstate_info, 0, UNMAPPED), -XEN_EFAULT, 0},
	{"runstate area unmapped argument", VCPU(register_runstate_memory_area, 0, UNMAPPED),
	 -XEN_EFAULT, 0},
	{"runstate area in hypervisor",
	 VCPU(register_runstate_memory_area, 0,
	      AT((struct vcpu_register_runstate_memory_area){HYPERVISOR})),
	 -XEN_EFAULT, 0},
	{"time area in hypervisor",
	 VCPU(register_vcpu_time_memory_area, 0,
	      AT((struct vcpu_register_time_memory_area){HYPERVISOR})),
	 -XEN_EFAULT, 0},
	{"periodic 1 us", VCPU(set_periodic_timer, 0, AT((struct vcpu_set_periodic_timer){1000})),
	 -XEN_EINVAL, 0},
	{"periodic too long",
	 VCPU(set_periodic_timer, 0, AT((struct vcpu_set_periodic_timer){UINT64_MAX})), -XEN_EINVAL,
	 0},
	{"singleshot unmapped", VCPU(set_singleshot_timer, 0, UNMAPPED), -XEN_EFAULT, 0},
	{"vcpu_info crossing a page", VCPU(register_vcpu_info, 0, AT(info_crossing)), -XEN_ENXIO,
	 0},
	{"vcpu_info unaligned", VCPU(register_vcpu_info, 0, AT(info_unaligned)), -XEN_ENXIO, 0},
	{"vcpu_info in a root", VCPU(register_vcpu_info, 0, AT(info_root)), -XEN_EINVAL, 0},
	{"vcpu_info of nobody",
	 VCPU(register_vcpu_info, 0, AT((struct vcpu_register_vcpu_info){.mfn = 1ULL << 40})),
	 -XEN_EINVAL, 0},

	/* Grants: the result of the call; statuses are below. */
	{"grant unknown", __HYPERVISOR_grant_table_op, 13, AT(buffer), 1, 0, -XEN_ENOSYS, 0},
	{"grant count 2^31", GRANT(copy, AT(buffer), 1ULL << 31), -XEN_EINVAL, 0},
	{"grant copy unmapped", GRANT(copy, UNMAPPED, 1), -XEN_EFAULT, 0},
	{"grant map unmapped", GRANT(map_grant_ref, UNMAPPED, 1), -XEN_EFAULT, 0},
	{"grant unmap unmapped", GRANT(unmap_grant_ref, UNMAPPED, 1), -XEN_EFAULT, 0},
	{"grant setup two", GRANT(setup_table, AT(buffer), 2), -XEN_EINVAL, 0},
	{"grant setup unmapped", GRANT(setup_table, UNMAPPED, 1), -XEN_EFAULT, 0},
	{"grant query two", GRANT(query_size, AT(buffer), 2), -XEN_EINVAL, 0},
	{"grant version 3", GRANT(set_version, AT((struct gnttab_set_version){3}), 1), -XEN_EINVAL,
	 0},

	/* vm_assist, physdev, and what only others may */
	{"assist type 31", __HYPERVISOR_vm_assist, VMASST_CMD_enable, 31, 0, 0, -XEN_EINVAL, 0},
	{"assist type 64", __HYPERVISOR_vm_assist, VMASST_CMD_enable, 64, 0, 0, -XEN_EINVAL, 0},
	{"assist command 2", __HYPERVISOR_vm_assist, 2, 2, 0, 0, -XEN_ENOSYS, 0},
	{"iopl 4", __HYPERVISOR_physdev_op, PHYSDEVOP_set_iopl, AT((struct physdev_set_iopl){4}), 0,
	 0, -XEN_EINVAL, 0},
	{"iopl unmapped", __HYPERVISOR_physdev_op, PHYSDEVOP_set_iopl, UNMAPPED, 0, 0, -XEN_EFAULT,
	 0},
	{"iobitmap of 65537 ports", __HYPERVISOR_physdev_op, PHYSDEVOP_set_iobitmap,
	 AT((struct physdev_set_iobitmap){.nr_ports = 65537}), 0, 0, -XEN_EINVAL, 0},
	{"physdev unknown", __HYPERVISOR_physdev_op, 99, AT(buffer), 0, 0, -XEN_ENOSYS, 0},
};

/* --- */

static uint64_t root_entry(unsigned slot) { return root_frame * PV_PAGE + slot * 8; }

static void setup(void) {
	uint8_t *page = pv_page();
	uint64_t l1_entry, l2_entry;
	void *gdt = pv_page();

	data_frame = pv_mfn(page);
	root_frame = pv_kernel_l4_mfn;
	gdt_frame = pv_mfn(gdt);
	l1_entry = pv_entry_ma(pv_entry(va(page), 1));
	l2_entry = pv_entry_ma(pv_entry(0xffffffff80000000, 2)) + 100 * 8;
	update_free_frame = (struct mmu_update){(1ULL << 51), 0};
	update_hv_slot = (struct mmu_update){root_entry(256), 0};
	update_data = (struct mmu_update){l1_entry, data_frame * PV_PAGE | PV_RW};
	update_misaligned = (struct mmu_update){l1_entry | 4, data_frame * PV_PAGE | PV_RW};
	update_reserved_bits = (struct mmu_update){l1_entry, 1ULL << 51 | PV_RW};
	update_cached = (struct mmu_update){l1_entry, data_frame * PV_PAGE | PV_RW | XEN_PTE_PCD};
	update_upper_pse = (struct mmu_update){l2_entry, 0x200000 | PV_TABLE | XEN_PTE_PSE};
	update_upper_rw = (struct mmu_update){l2_entry, data_frame * PV_PAGE | PV_TABLE};
	pin_data = (struct mmuext_op){.cmd = MMUEXT_PIN_L1_TABLE, .arg1 = data_frame};
	unpin_data = (struct mmuext_op){.cmd = MMUEXT_UNPIN_TABLE, .arg1 = data_frame};
	base_data = (struct mmuext_op){.cmd = MMUEXT_NEW_BASEPTR, .arg1 = data_frame};
	user_base_data = (struct mmuext_op){.cmd = MMUEXT_NEW_USER_BASEPTR, .arg1 = data_frame};
	ldt_unaligned = (struct mmuext_op){.cmd = MMUEXT_SET_LDT, .arg1 = va(page) + 8, .arg2 = 8};
	ldt_data = (struct mmuext_op){.cmd = MMUEXT_SET_LDT, .arg1 = va(page), .arg2 = 8193};
	clear_root = (struct mmuext_op){.cmd = MMUEXT_CLEAR_PAGE, .arg1 = root_frame};
	copy_root =
		(struct mmuext_op){.cmd = MMUEXT_COPY_PAGE, .arg1 = root_frame, .arg2 = data_frame};
	pin_root_again = (struct mmuext_op){.cmd = MMUEXT_PIN_L4_TABLE, .arg1 = root_frame};
	pin_l3_root = (struct mmuext_op){.cmd = MMUEXT_PIN_L3_TABLE, .arg1 = root_frame};
	info_crossing = (struct vcpu_register_vcpu_info){.mfn = data_frame, .offset = 4096 - 32};
	info_unaligned = (struct vcpu_register_vcpu_info){.mfn = data_frame, .offset = 4096 - 60};
	info_root = (struct vcpu_register_vcpu_info){.mfn = root_frame, .offset = 0};
	PV_MUST(event_channel_op(EVTCHNOP_bind_virq, &bound_timer) == 0);
	send_timer.port = rebind_timer.port = rebind_bad_vcpu.port = bound_timer.port;
	rebind_bad_vcpu.vcpu = 4000;
	poll_many.ports = poll_bad_port.ports = va(port_list);
	port_list[0] = 5000;
}

int pv_main(void) {
	unsigned passed = 0, failed = 0;

	setup();
	for (const struct row *row = rows; row < rows + sizeof rows / sizeof *rows; row++) {
		if ((row->flags & DOMU) && pv_is_dom0()) continue;
		int64_t result = hypercall(row->number, row->a1, row->a2, row->a3, row->a4);

		if (result == row->expected) {
			passed++;
			continue;
		}
		pv_printf("FAIL %s: result %ld, not %ld\n", row->what, result, row->expected);
		failed++;
	}
	pv_printf("errors: %u passed, %u failed\n", passed, failed);
	return SHUTDOWN_poweroff;
}
