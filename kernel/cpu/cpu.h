/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the core needs of the processor: features, control registers,
 * descriptors, interrupt controllers, FPU. Thin wrappers on instructions are in
 * cpu/asm.h.
 */
#ifndef KERNEL_CPU_CPU_H
#define KERNEL_CPU_CPU_H

#include "domain/domain.h"

/* WB, WT, UC-, UC, WC, WP, UC, UC: what the PAT holds, and PV guests are told. */
#define PAT_VALUE 0x0000050100070406UL

struct cpu_features {
	bool pcid, invpcid, smep, smap, fsgsbase, xsave, xsaveopt, x2apic, rdtscp, intel, amd;
	bool invariant_tsc, gigabyte_pages;
	bool l1tf; /* a non-present entry's address may leak what the cache holds */
	bool tcg;  /* QEMU without hardware help: see GUEST-ABI.md 13 */
	u8 physical_bits;
	u64 xcr0;       /* state components that guests may use */
	u32 xsave_size; /* for that mask */
	u64 cr4;        /* the core's CR4 */
};
extern struct cpu_features features;
extern u64 pte_forbidden; /* bits no guest entry may have: reserved, cache bits, PSE ... */

/* Panics with the name of what is missing (in the user's words). */
void features_init(void);
void features_init_cpu(void); /* control registers of another CPU */
/* Once, while text is still writable: with SMAP the no-ops of .smap_sites become STAC and CLAC. */
void features_patch_smap(void);
/* The CPU's own answer; zeros for a leaf that it does not have. */
void cpuid_host(u32 leaf, u32 subleaf, u32 out[4]);
/* What a guest sees; leaf, subleaf in; registers out. kernel: asked through the prefix. */
void cpuid_guest(struct vcpu *v, u32 leaf, u32 subleaf, u32 out[4]);

/* What unset pages of a guest's GDT show. */
extern const u8 zero_page[PAGE_SIZE];
void descriptors_init_cpu(struct cpu *cpu); /* GDT, TSS, IDT, SYSCALL MSRs */
/* TSS.RSP0 = end of v->regs, GDT and LDT windows, I/O bitmap. Only what differs is written. */
void descriptors_switch(struct cpu *cpu, struct vcpu *v);
/* The current vCPU's GDT or LDT changed. */
void descriptors_load_gdt(struct cpu *cpu, struct vcpu *v);
void descriptors_load_ldt(struct cpu *cpu, struct vcpu *v);
/* Puts one page into the LDT window (index 0..15); mfn 0 takes it out. */
void descriptors_map_ldt(struct cpu *cpu, unsigned index, mfn_t mfn);
/* d's enabled ports changed. */
void descriptors_ports_changed(struct domain *d);

void lapic_init(void);     /* and measures the timer; the first CPU */
void lapic_init_cpu(void); /* the others */
void lapic_eoi(void);
void lapic_timer_arm(u64 ns_from_now); /* ~0 = off */
#define LAPIC_INIT    0x500
#define LAPIC_STARTUP 0x600 /* + number of the page at which it starts in real mode */
void lapic_send(u32 apic_id, u32 command); /* one of these, or a vector */
void ioapic_init(void);
/* Routes a line to this CPU with vector, masked. ISA numbers: ioapic_isa_to_gsi first. */
int ioapic_route(u32 gsi, u8 vector, bool level, bool low);
void ioapic_mask(u32 gsi, bool masked);
u32 ioapic_isa_to_gsi(u32 isa, bool *level, bool *low);
extern u32 ioapic_lines; /* GSIs 0 .. ioapic_lines - 1 exist */

/* FPU: lazy between domains that do not use it, never between two guests. */
void fpu_init(void);
u64 fpu_area_size(void);
void fpu_reset(struct vcpu *v);   /* power-on contents of v's area */
void fpu_switch(struct vcpu *to); /* at every switch: sets or clears CR0.TS, swaps when another
				     guest comes */
/* v's start contents: an FXSAVE image of 512 bytes, believed in nothing. */
void fpu_set_image(struct vcpu *v, const void *image);
void fpu_unload(struct vcpu *v);          /* v's state, if it is in the registers, goes to memory */
void fpu_set_ts(struct vcpu *v, bool ts); /* virtual CR0.TS of the current vCPU */
/* Virtual XCR0 of the current vCPU. False: not a value that the CPU takes (#GP). */
MUST_CHECK bool fpu_set_xcr0(struct vcpu *v, u64 xcr0);

/* Vectors. */
#define VECTOR_IRQ_FIRST 0x30 /* + number of the line; the last MSI_LINES are messages' */
#define VECTOR_IRQ_LAST  0xef
#define MSI_LINES        64
#define VECTOR_TIMER     0xf0
#define VECTOR_KICK      0xf1
#define VECTOR_DMA_FAULT 0xf2
#define VECTOR_SPURIOUS  0xff

#endif
