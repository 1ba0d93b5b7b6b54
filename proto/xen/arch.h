/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The x86-64 part of the Xen PV ABI: where things lie in the address space, the
 * flat selectors, what a vCPU's state looks like, trap tables, and the frames
 * that hypervisor and guest kernel push for each other.
 *
 * A PV kernel runs in ring 3 like its own user space. Which of the two runs is a
 * flag that the hypervisor keeps per vCPU; selectors only hint at it.
 */
#ifndef PROTO_XEN_ARCH_H
#define PROTO_XEN_ARCH_H

#include <stddef.h>
#include <stdint.h>

/* L4 slots 256..271 are the hypervisor's; a guest address lies below or above. */
#define HYPERVISOR_VIRT_START    0xffff800000000000ULL
#define HYPERVISOR_VIRT_END      0xffff880000000000ULL
#define HYPERVISOR_L4_SLOT_FIRST 256U
#define HYPERVISOR_L4_SLOT_END   272U
#define GUEST_LOW_END            0x0000800000000000ULL

/* The machine-to-physical table, one uint64_t per frame, read-only to guests. */
#define MACH2PHYS_VIRT_START 0xffff800000000000ULL
#define MACH2PHYS_VIRT_END   0xffff804000000000ULL
#define INVALID_M2P_ENTRY    0xffffffffffffffffULL
#define SHARED_M2P_ENTRY     0xfffffffffffffffeULL /* a frame that the hypervisor shares */

/* Selectors into the part of the GDT that the hypervisor supplies. */
#define FLAT_RING3_CS32 0xe023U
#define FLAT_RING3_DS32 0xe02bU
#define FLAT_RING3_SS32 0xe02bU
#define FLAT_RING3_CS64 0xe033U
#define FLAT_RING3_DS64 0x0000U
#define FLAT_RING3_SS64 0xe02bU
#define FLAT_KERNEL_CS  FLAT_RING3_CS64
#define FLAT_KERNEL_SS  FLAT_RING3_SS64
#define FLAT_USER_CS    FLAT_RING3_CS64
#define FLAT_USER_SS    FLAT_RING3_SS64

/* The guest owns GDT pages 0..13; what follows is the hypervisor's. */
#define FIRST_RESERVED_GDT_PAGE  14U
#define FIRST_RESERVED_GDT_BYTE  0xe000U
#define FIRST_RESERVED_GDT_ENTRY 7168U
#define XEN_MAX_LDT_ENTRIES      8192U

/* Page-table entries. Bit 52 marks a guest kernel's leaf; the hypervisor sets it. */
#define XEN_PTE_PRESENT      (1ULL << 0)
#define XEN_PTE_RW           (1ULL << 1)
#define XEN_PTE_USER         (1ULL << 2)
#define XEN_PTE_PWT          (1ULL << 3)
#define XEN_PTE_PCD          (1ULL << 4)
#define XEN_PTE_ACCESSED     (1ULL << 5)
#define XEN_PTE_DIRTY        (1ULL << 6)
#define XEN_PTE_PSE          (1ULL << 7) /* in L2 and above; PAT in L1 */
#define XEN_PTE_GLOBAL       (1ULL << 8)
#define XEN_PTE_AVAIL        (7ULL << 9)
#define XEN_PTE_GUEST_KERNEL (1ULL << 52)
#define XEN_PTE_NX           (1ULL << 63)
#define XEN_PTE_MFN_MASK     0x000ffffffffff000ULL

/* General registers as vcpu_guest_context carries them. */
struct cpu_user_regs {
	uint64_t r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8;
	uint64_t rax, rcx, rdx, rsi, rdi;
	uint32_t error_code;
	uint32_t entry_vector;
	uint64_t rip;
	uint16_t cs, pad0;
	uint8_t saved_upcall_mask, pad1[3];
	uint64_t rflags; /* rflags.IF is the inverse of the upcall mask */
	uint64_t rsp;
	uint16_t ss, pad2[3];
	uint16_t es, pad3[3];
	uint16_t ds, pad4[3];
	uint16_t fs, pad5[3];
	uint16_t gs, pad6[3];
};

/* One entry of set_trap_table's array, which ends with address 0. */
struct trap_info {
	uint8_t vector;
	uint8_t flags; /* TI_* */
	uint16_t cs;
	uint32_t pad;
	uint64_t address;
};
#define TI_DPL_MASK   3U /* who may raise it by INT: 0 nobody, 1..2 the kernel, 3 everybody */
#define TI_MASK_EVENT 4U /* entry sets the upcall mask */

/* vcpu_op initialise; offsets are those of the ABI's section on contexts. */
struct vcpu_guest_context {
	uint8_t fpu_ctxt[512]; /* FXSAVE image */
	uint64_t flags;        /* VGCF_* */
	struct cpu_user_regs user_regs;
	struct trap_info trap_ctxt[256];
	uint64_t ldt_base, ldt_ents;
	uint64_t gdt_frames[16], gdt_ents;
	uint64_t kernel_ss, kernel_sp;
	uint64_t ctrlreg[8]; /* [0] CR0, [1] user CR3, [3] kernel CR3, [4] CR4 */
	uint64_t debugreg[8];
	uint64_t event_callback_eip;
	uint64_t failsafe_callback_eip;
	uint64_t syscall_callback_eip;
	uint64_t vm_assist; /* bit mask by VMASST_TYPE_*; vCPU 0 only */
	uint64_t fs_base, gs_base_kernel, gs_base_user;
};
#define VGCF_i387_valid               1U
#define VGCF_in_kernel                4U
#define VGCF_failsafe_disables_events 8U
#define VGCF_syscall_disables_events  16U
#define VGCF_online                   32U

/* The iret hypercall's frame, at rsp. */
struct iret_context {
	uint64_t rax, r11, rcx;
	uint64_t flags; /* 0 or VGCF_in_syscall */
	uint64_t rip, cs, rflags, rsp, ss;
};
#define VGCF_in_syscall 0x100U /* rcx and r11 are not restored */

/* set_segment_base */
#define SEGBASE_FS          0
#define SEGBASE_GS_USER     1
#define SEGBASE_GS_KERNEL   2
#define SEGBASE_GS_USER_SEL 3

/* arch_shared_info and arch_vcpu_info: parts of shared_info in xen.h. */
struct arch_shared_info {
	uint64_t max_pfn;                    /* guest writes: last PFN of its p2m + 1 */
	uint64_t pfn_to_mfn_frame_list_list; /* guest writes, for tools */
	uint64_t nmi_reason;
	uint64_t p2m_cr3, p2m_vaddr, p2m_generation; /* guest writes, for tools */
};

struct arch_vcpu_info {
	uint64_t cr2; /* address of the last page fault that was delivered */
	uint64_t pad;
};

/* The prefix that makes the CPUID behind it the hypervisor's business: ud2a, "xen". */
#define XEN_EMULATE_PREFIX_BYTES 0x0f, 0x0b, 0x78, 0x65, 0x6e

/* CPUID leaves, from XEN_CPUID_FIRST_LEAF on. */
#define XEN_CPUID_FIRST_LEAF                      0x40000000U
#define XEN_CPUID_SIGNATURE_EBX                   0x566e6558U /* "XenV" */
#define XEN_CPUID_SIGNATURE_ECX                   0x65584d4dU /* "MMXe" */
#define XEN_CPUID_SIGNATURE_EDX                   0x4d4d566eU /* "nVMM" */
#define XEN_CPUID_FEAT1_MMU_PT_UPDATE_PRESERVE_AD (1U << 0)
#define XEN_CPUID_TSC_EMULATED                    (1U << 0)
#define XEN_CPUID_HOST_TSC_RELIABLE               (1U << 1)
#define XEN_CPUID_RDTSCP_INSTR_AVAIL              (1U << 2)
#define XEN_CPUID_MACHINE_ADDRESS_WIDTH_MASK      0xffU

_Static_assert(sizeof(struct cpu_user_regs) == 200, "cpu_user_regs layout");
_Static_assert(offsetof(struct cpu_user_regs, rax) == 80, "cpu_user_regs layout");
_Static_assert(offsetof(struct cpu_user_regs, rip) == 128, "cpu_user_regs layout");
_Static_assert(offsetof(struct cpu_user_regs, rflags) == 144, "cpu_user_regs layout");
_Static_assert(offsetof(struct cpu_user_regs, gs) == 192, "cpu_user_regs layout");
_Static_assert(sizeof(struct trap_info) == 16, "trap_info layout");
_Static_assert(sizeof(struct vcpu_guest_context) == 5168, "vcpu_guest_context layout");
_Static_assert(offsetof(struct vcpu_guest_context, user_regs) == 520, "context layout");
_Static_assert(offsetof(struct vcpu_guest_context, trap_ctxt) == 720, "context layout");
_Static_assert(offsetof(struct vcpu_guest_context, ldt_base) == 4816, "context layout");
_Static_assert(offsetof(struct vcpu_guest_context, ctrlreg) == 4984, "context layout");
_Static_assert(offsetof(struct vcpu_guest_context, gs_base_user) == 5160, "context layout");
_Static_assert(sizeof(struct iret_context) == 72, "iret_context layout");
_Static_assert(sizeof(struct arch_shared_info) == 48, "arch_shared_info layout");
_Static_assert(sizeof(struct arch_vcpu_info) == 16, "arch_vcpu_info layout");

#endif
