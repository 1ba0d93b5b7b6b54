/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Base of the Xen x86-64 PV ABI: hypercall numbers, domain ids, the pages that
 * hypervisor and guest share (shared_info, start_info), virtual IRQs, MMU
 * updates and multicalls.
 *
 * Hypercall: number in rax, arguments in rdi, rsi, rdx, r10, r8, r9, `syscall`;
 * result in rax, negative errors of errno.h. rcx and r11 are lost, all other
 * registers survive. Guest pointers appear as uint64_t in structures.
 *
 * Written from the facts of the ABI; tests/abi compares every size and offset
 * with the distribution's own headers.
 */
#ifndef PROTO_XEN_XEN_H
#define PROTO_XEN_XEN_H

#include <stddef.h>
#include <stdint.h>

#include "arch.h"

#define __HYPERVISOR_set_trap_table                0
#define __HYPERVISOR_mmu_update                    1
#define __HYPERVISOR_set_gdt                       2
#define __HYPERVISOR_stack_switch                  3
#define __HYPERVISOR_set_callbacks                 4
#define __HYPERVISOR_fpu_taskswitch                5
#define __HYPERVISOR_sched_op_compat               6
#define __HYPERVISOR_platform_op                   7
#define __HYPERVISOR_set_debugreg                  8
#define __HYPERVISOR_get_debugreg                  9
#define __HYPERVISOR_update_descriptor             10
#define __HYPERVISOR_memory_op                     12
#define __HYPERVISOR_multicall                     13
#define __HYPERVISOR_update_va_mapping             14
#define __HYPERVISOR_set_timer_op                  15
#define __HYPERVISOR_event_channel_op_compat       16
#define __HYPERVISOR_xen_version                   17
#define __HYPERVISOR_console_io                    18
#define __HYPERVISOR_physdev_op_compat             19
#define __HYPERVISOR_grant_table_op                20
#define __HYPERVISOR_vm_assist                     21
#define __HYPERVISOR_update_va_mapping_otherdomain 22
#define __HYPERVISOR_iret                          23
#define __HYPERVISOR_vcpu_op                       24
#define __HYPERVISOR_set_segment_base              25
#define __HYPERVISOR_mmuext_op                     26
#define __HYPERVISOR_xsm_op                        27
#define __HYPERVISOR_nmi_op                        28
#define __HYPERVISOR_sched_op                      29
#define __HYPERVISOR_callback_op                   30
#define __HYPERVISOR_xenoprof_op                   31
#define __HYPERVISOR_event_channel_op              32
#define __HYPERVISOR_physdev_op                    33
#define __HYPERVISOR_hvm_op                        34
#define __HYPERVISOR_sysctl                        35
#define __HYPERVISOR_domctl                        36
#define __HYPERVISOR_kexec_op                      37
#define __HYPERVISOR_tmem_op                       38
#define __HYPERVISOR_argo_op                       39
#define __HYPERVISOR_xenpmu_op                     40
#define __HYPERVISOR_dm_op                         41
#define __HYPERVISOR_hypfs_op                      42
#define __HYPERVISOR_arch_0                        48

/* Domain ids. From the first reserved one on they are names for something else. */
#define DOMID_FIRST_RESERVED 0x7ff0U
#define DOMID_SELF           0x7ff0U
#define DOMID_IO             0x7ff1U
#define DOMID_XEN            0x7ff2U
#define DOMID_COW            0x7ff3U
#define DOMID_INVALID        0x7ff4U
#define DOMID_IDLE           0x7fffU

/* Virtual IRQs. */
#define VIRQ_TIMER      0 /* per vCPU */
#define VIRQ_DEBUG      1 /* per vCPU */
#define VIRQ_CONSOLE    2
#define VIRQ_DOM_EXC    3 /* a domain changed its state */
#define VIRQ_TBUF       4
#define VIRQ_DEBUGGER   6
#define VIRQ_XENOPROF   7 /* per vCPU */
#define VIRQ_CON_RING   8 /* more text in the hypervisor's log */
#define VIRQ_PCPU_STATE 9
#define VIRQ_MEM_EVENT  10
#define VIRQ_ARGO       11
#define VIRQ_ENOMEM     12
#define VIRQ_XENPMU     13 /* per vCPU */
#define VIRQ_ARCH_0     16
#define VIRQ_MCA        16
#define NR_VIRQS        24

/* --- Pages shared by hypervisor and guest --- */

#define XEN_LEGACY_MAX_VCPUS 32

/* Clock parameters. version is odd while they change. */
struct vcpu_time_info {
	uint32_t version;
	uint32_t pad0;
	uint64_t tsc_timestamp;     /* TSC at system_time */
	uint64_t system_time;       /* ns */
	uint32_t tsc_to_system_mul; /* ns = ((ticks << tsc_shift) * mul) >> 32 */
	int8_t tsc_shift;
	uint8_t flags; /* XEN_PVCLOCK_* */
	uint8_t pad1[2];
};
#define XEN_PVCLOCK_TSC_STABLE_BIT (1U << 0)
#define XEN_PVCLOCK_GUEST_STOPPED  (1U << 1)

struct vcpu_info {
	uint8_t evtchn_upcall_pending;
	uint8_t evtchn_upcall_mask;
	uint8_t pad[6];
	uint64_t evtchn_pending_sel; /* bit n: word n of evtchn_pending needs a look */
	struct arch_vcpu_info arch;
	struct vcpu_time_info time;
};

/* One frame of the hypervisor, mapped writable by the guest. */
struct shared_info {
	struct vcpu_info vcpu_info[XEN_LEGACY_MAX_VCPUS];
	uint64_t evtchn_pending[64];
	uint64_t evtchn_mask[64];
	uint32_t wc_version; /* wall clock at system_time 0; odd while it changes */
	uint32_t wc_sec;
	uint32_t wc_nsec;
	uint32_t wc_sec_hi;
	struct arch_shared_info arch;
};
#define EVTCHN_2L_NR_CHANNELS 4096

/* What a guest kernel finds at start; its address is in rsi. */
#define XEN_MAX_GUEST_CMDLINE 1024
struct start_info {
	char magic[32];       /* "xen-3.0-x86_64" */
	uint64_t nr_pages;    /* frames allocated, length of the p2m list */
	uint64_t shared_info; /* machine address of the shared_info frame */
	uint32_t flags;       /* SIF_* */
	uint32_t pad0;
	uint64_t store_mfn;
	uint32_t store_evtchn;
	uint32_t pad1;
	uint64_t console_mfn; /* a domU's console ring; dom0 has other fields here */
	uint32_t console_evtchn;
	uint32_t pad2;
	uint64_t pt_base;      /* virtual address of the L4 */
	uint64_t nr_pt_frames; /* page-table frames, contiguous from pt_base */
	uint64_t mfn_list;     /* virtual address of the p2m list */
	uint64_t mod_start;    /* virtual address, or PFN with SIF_MOD_START_PFN */
	uint64_t mod_len;      /* bytes */
	char cmd_line[XEN_MAX_GUEST_CMDLINE];
	uint64_t first_p2m_pfn; /* only with the INIT_P2M note: p2m list and its tables */
	uint64_t nr_p2m_frames;
};
#define SIF_PRIVILEGED      (1U << 0)
#define SIF_INITDOMAIN      (1U << 1)
#define SIF_MULTIBOOT_MOD   (1U << 2)
#define SIF_MOD_START_PFN   (1U << 3)
#define SIF_VIRT_P2M_4TOOLS (1U << 4)
#define SIF_PM_MASK         (0xffU << 8)

/* --- MMU --- */

struct mmu_update {
	uint64_t ptr; /* machine address of the entry; bits 1..0 = MMU_* */
	uint64_t val;
};
#define MMU_NORMAL_PT_UPDATE       0U
#define MMU_MACHPHYS_UPDATE        1U
#define MMU_PT_UPDATE_PRESERVE_AD  2U
#define MMU_PT_UPDATE_NO_TRANSLATE 3U

struct mmuext_op {
	uint32_t cmd; /* MMUEXT_* */
	uint32_t pad;
	uint64_t arg1; /* MFN or linear address */
	uint64_t arg2; /* LDT entries, pointer to a vCPU bitmap, or source MFN */
};
#define MMUEXT_PIN_L1_TABLE       0
#define MMUEXT_PIN_L2_TABLE       1
#define MMUEXT_PIN_L3_TABLE       2
#define MMUEXT_PIN_L4_TABLE       3
#define MMUEXT_UNPIN_TABLE        4
#define MMUEXT_NEW_BASEPTR        5
#define MMUEXT_TLB_FLUSH_LOCAL    6
#define MMUEXT_INVLPG_LOCAL       7
#define MMUEXT_TLB_FLUSH_MULTI    8
#define MMUEXT_INVLPG_MULTI       9
#define MMUEXT_TLB_FLUSH_ALL      10
#define MMUEXT_INVLPG_ALL         11
#define MMUEXT_FLUSH_CACHE        12
#define MMUEXT_SET_LDT            13
#define MMUEXT_NEW_USER_BASEPTR   15
#define MMUEXT_CLEAR_PAGE         16
#define MMUEXT_COPY_PAGE          17
#define MMUEXT_FLUSH_CACHE_GLOBAL 18
#define MMUEXT_MARK_SUPER         19
#define MMUEXT_UNMARK_SUPER       20

/* Flags of update_va_mapping. A vCPU bitmap's address may be or-ed to MULTI. */
#define UVMF_NONE           0UL
#define UVMF_TLB_FLUSH      1UL
#define UVMF_INVLPG         2UL
#define UVMF_FLUSHTYPE_MASK 3UL
#define UVMF_MULTI          0UL
#define UVMF_LOCAL          0UL
#define UVMF_ALL            4UL

/* --- Others --- */

struct multicall_entry {
	uint64_t op;
	int64_t result; /* out */
	uint64_t args[6];
};

#define VMASST_CMD_enable  0
#define VMASST_CMD_disable 1

#define VMASST_TYPE_4gb_segments         0
#define VMASST_TYPE_4gb_segments_notify  1
#define VMASST_TYPE_writable_pagetables  2
#define VMASST_TYPE_pae_extended_cr3     3
#define VMASST_TYPE_architectural_iopl   4
#define VMASST_TYPE_runstate_update_flag 5
#define VMASST_TYPE_m2p_strict           32

#define CONSOLEIO_write 0
#define CONSOLEIO_read  1

#define XEN_NMI_IO_ERROR (1U << 0)
#define XEN_NMI_PCI_SERR (1U << 1)
#define XEN_NMI_UNKNOWN  (1U << 2)

_Static_assert(sizeof(struct vcpu_time_info) == 32, "vcpu_time_info layout");
_Static_assert(sizeof(struct vcpu_info) == 64, "vcpu_info layout");
_Static_assert(offsetof(struct vcpu_info, evtchn_upcall_mask) == 1, "vcpu_info layout");
_Static_assert(offsetof(struct vcpu_info, time) == 32, "vcpu_info layout");
_Static_assert(sizeof(struct shared_info) == 3136, "shared_info layout");
_Static_assert(offsetof(struct shared_info, evtchn_pending) == 0x800, "shared_info layout");
_Static_assert(offsetof(struct shared_info, wc_version) == 0xc00, "shared_info layout");
_Static_assert(offsetof(struct shared_info, arch) == 0xc10, "shared_info layout");
_Static_assert(sizeof(struct start_info) == 1168, "start_info layout");
_Static_assert(offsetof(struct start_info, pt_base) == 0x58, "start_info layout");
_Static_assert(offsetof(struct start_info, cmd_line) == 0x80, "start_info layout");
_Static_assert(sizeof(struct mmu_update) == 16, "mmu_update layout");
_Static_assert(sizeof(struct mmuext_op) == 24, "mmuext_op layout");
_Static_assert(sizeof(struct multicall_entry) == 64, "multicall_entry layout");

#endif
