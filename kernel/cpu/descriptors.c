/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * GDT, LDT, TSS, IDT and the SYSCALL registers of a CPU.
 *
 * The GDT is a window of the CPU area: 14 pages that show the current vCPU's
 * own GDT frames (the zero page where it has none), then the core's page. So
 * GDTR never changes, a switch changes page table entries, and only those that
 * differ. The LDT is a window likewise; its pages are put in when a guest's
 * selector first misses them (entry/trap.c).
 *
 * I/O ports: the bitmap behind the TSS is that of one domain. A domain without
 * ports does not change it but moves the bitmap's base out of the segment.
 */
#include "cpu/cpu.h"
#include "cpu/asm.h"
#include "entry/trap.h"
#include "lib/string.h"
#include "mem/frame.h"

#define WINDOW_RW (PTE_P | PTE_RW | PTE_A | PTE_D | PTE_NX)
#define WINDOW_RO (PTE_P | PTE_A | PTE_NX)

#define DESCRIPTOR_CODE64 0x00af9b000000ffffUL /* ring 0 */
#define DESCRIPTOR_DATA   0x00cf93000000ffffUL
#define DESCRIPTOR_RING3  0x0000600000000000UL
#define DESCRIPTOR_CODE32 0x00cf9b000000ffffUL
#define SYSTEM_TSS        0x0000890000000000UL
#define SYSTEM_LDT        0x0000820000000000UL

#define GATE_INTERRUPT 0x8e00UL
#define GATE_RING3     0x6000UL

#define IST_NMI 1
#define IST_DF  2
#define IST_MC  3
#define IST_DB  4

#define FLAGS_CLEARED 0x257fd5 /* by SYSCALL: all that can be set */

#define IO_BITMAP_BYTES 8192
#define IO_BITMAP_NONE  0xffff

/* What LGDT and LIDT load. */
struct table_pointer {
	u16 limit;
	u64 base;
} __attribute__((packed));

struct tss {
	u32 reserved0;
	u64 rsp[3];
	u64 ist[8]; /* [0] is reserved */
	u64 reserved1;
	u16 reserved2, bitmap;
	u8 ports[IO_BITMAP_BYTES + 1]; /* bit set: no access; ends with 0xff */
} __attribute__((packed));
_Static_assert(offsetof(struct tss, ports) == 104, "TSS layout");

static const u8 ist_of[256] = {[1] = IST_DB, [2] = IST_NMI, [8] = IST_DF, [18] = IST_MC};
static u64 idt[256][2] __attribute__((aligned(PAGE_SIZE)));

const u8 zero_page[PAGE_SIZE] __attribute__((aligned(PAGE_SIZE)));

static mfn_t mfn_of(const void *core_address) {
	return ((u64)core_address - CORE_BASE) >> PAGE_SHIFT;
}

static u64 area_of(const struct cpu *cpu) { return (u64)cpu - CPU_AREA_STRUCT; }

static struct tss *tss_of(const struct cpu *cpu) {
	return (struct tss *)(area_of(cpu) + CPU_AREA_TSS);
}

static u64 *gdt_entry(const struct cpu *cpu, u16 selector) {
	return (u64 *)(area_of(cpu) + CPU_AREA_GDT + (selector & ~7));
}

/* A descriptor of 16 bytes: TSS or LDT. */
static void set_system(u64 *entry, u64 base, u32 limit, u64 type) {
	entry[1] = base >> 32;
	entry[0] = (base & 0xff000000) << 32 | type | (base & 0xffffff) << 16 | (limit & 0xffff);
}

static void init_gdt(struct cpu *cpu) {
	const struct table_pointer pointer = {CPU_AREA_GDT_CORE - CPU_AREA_GDT +
						      (SEL_LDT & (PAGE_SIZE - 1)) + 15,
					      area_of(cpu) + CPU_AREA_GDT};

	*gdt_entry(cpu, SEL_CORE_CS) = DESCRIPTOR_CODE64;
	*gdt_entry(cpu, SEL_CORE_DS) = DESCRIPTOR_DATA;
	*gdt_entry(cpu, SEL_GUEST_CS32) = DESCRIPTOR_CODE32 | DESCRIPTOR_RING3;
	*gdt_entry(cpu, SEL_GUEST_DS) = DESCRIPTOR_DATA | DESCRIPTOR_RING3;
	*gdt_entry(cpu, SEL_GUEST_CS) = DESCRIPTOR_CODE64 | DESCRIPTOR_RING3;
	set_system(gdt_entry(cpu, SEL_TSS), (u64)tss_of(cpu), sizeof(struct tss) - 1, SYSTEM_TSS);
	__asm__ volatile("lgdt %0\n"
			 "pushq %1\n"
			 "lea 1f(%%rip), %%rax\n"
			 "pushq %%rax\n"
			 "lretq\n"
			 "1: mov %2, %%ss\n"
			 "mov %3, %%ds\n"
			 "mov %3, %%es\n"
			 "mov %3, %%fs\n"
			 "mov %3, %%gs\n"
			 "lldt %w3\n"
			 :
			 : "m"(pointer), "i"(SEL_CORE_CS), "r"(SEL_CORE_DS), "r"(0)
			 : "rax", "memory");
}

static void init_tss(struct cpu *cpu) {
	struct tss *tss = tss_of(cpu);

	tss->rsp[0] = area_of(cpu) + CPU_AREA_STACK_TOP;
	tss->ist[IST_NMI] = area_of(cpu) + CPU_AREA_IST_NMI;
	tss->ist[IST_DF] = area_of(cpu) + CPU_AREA_IST_DF;
	tss->ist[IST_MC] = area_of(cpu) + CPU_AREA_IST_MC;
	tss->ist[IST_DB] = area_of(cpu) + CPU_AREA_IST_DB;
	tss->bitmap = IO_BITMAP_NONE;
	memset(tss->ports, 0xff, sizeof(tss->ports));
	__asm__ volatile("ltr %w0" ::"r"(SEL_TSS));
}

/* All gates turn interrupts off; INT3 and INTO are the guests' to execute. */
static void init_idt(void) {
	const struct table_pointer pointer = {sizeof(idt) - 1, (u64)idt};

	for (unsigned i = 0; i < 256; i++) {
		u64 handler = (u64)&trap_stubs[i * TRAP_STUB_SIZE];
		u64 type = GATE_INTERRUPT | (i == 3 || i == 4 ? GATE_RING3 : 0) | ist_of[i];

		idt[i][0] = (handler & 0xffff0000) << 32 | type << 32 | (u64)SEL_CORE_CS << 16 |
			    (handler & 0xffff);
		idt[i][1] = handler >> 32;
	}
	__asm__ volatile("lidt %0" ::"m"(pointer));
}

/* SYSCALL and SYSENTER enter through the CPU's own alias of the entry text: cpu/layout.h. */
static void init_syscall(struct cpu *cpu) {
	u64 alias = area_of(cpu) - (u64)entry_text;

	cpu->syscall_handler = (u64)syscall_common;
	cpu->syscall32_handler = (u64)syscall32_common;
	cpu->sysenter_handler = (u64)sysenter_common;
	wrmsr(MSR_STAR, (u64)SEL_GUEST_CS32 << 48 | (u64)SEL_CORE_CS << 32);
	wrmsr(MSR_LSTAR, alias + (u64)entry_syscall);
	wrmsr(MSR_CSTAR, alias + (u64)entry_syscall32);
	wrmsr(MSR_SFMASK, FLAGS_CLEARED);
	wrmsr(MSR_SYSENTER_CS, SEL_CORE_CS);
	wrmsr(MSR_SYSENTER_ESP, area_of(cpu) + CPU_AREA_STACK_TOP);
	wrmsr(MSR_SYSENTER_EIP, alias + (u64)entry_sysenter);
}

void descriptors_init_cpu(struct cpu *cpu) {
	init_gdt(cpu);
	init_tss(cpu);
	init_idt();
	init_syscall(cpu);
}

static void window_set(struct cpu *cpu, u64 offset, u64 pte) {
	u64 *entry = &cpu->window[offset / PAGE_SIZE];

	if (*entry == pte) return;
	*entry = pte;
	invlpg(area_of(cpu) + offset);
}

void descriptors_load_gdt(struct cpu *cpu, struct vcpu *v) {
	u32 pages = DIV_UP(v->gdt_entries, PAGE_SIZE / 8);

	for (u32 i = 0; i < pages; i++)
		window_set(cpu, CPU_AREA_GDT + i * PAGE_SIZE,
			   pte_make(v->gdt_frames[i], WINDOW_RW));
	for (u32 i = pages; i < cpu->gdt_pages; i++)
		window_set(cpu, CPU_AREA_GDT + i * PAGE_SIZE,
			   pte_make(mfn_of(zero_page), WINDOW_RO));
	cpu->gdt_pages = pages;
	cpu->gdt_owner = v;
}

void descriptors_map_ldt(struct cpu *cpu, unsigned index, mfn_t mfn) {
	window_set(cpu, CPU_AREA_LDT + index * PAGE_SIZE, mfn ? pte_make(mfn, WINDOW_RW) : 0);
}

void descriptors_load_ldt(struct cpu *cpu, struct vcpu *v) {
	u32 pages = DIV_UP(v->ldt_entries, PAGE_SIZE / 8);

	for (u32 i = 0; i < MAX(pages, cpu->ldt_pages); i++)
		descriptors_map_ldt(
			cpu, i, i < pages && v->ldt_mapped[i] ? frame_to_mfn(v->ldt_mapped[i]) : 0);
	cpu->ldt_pages = pages;
	if (pages)
		set_system(gdt_entry(cpu, SEL_LDT), area_of(cpu) + CPU_AREA_LDT,
			   v->ldt_entries * 8 - 1, SYSTEM_LDT);
	__asm__ volatile("lldt %w0" ::"r"(pages ? SEL_LDT : 0));
}

static void load_ports(struct cpu *cpu, struct domain *d) {
	struct tss *tss = tss_of(cpu);

	if (cpu->iomap_owner != d) {
		memset(tss->ports, 0xff, IO_BITMAP_BYTES);
		for (unsigned i = 0; i < DOMAIN_MAX_PORT_RANGES; i++)
			for (u32 n = d->ports[i].count, port = d->ports[i].first; n--; port++)
				tss->ports[port / 8] &= (u8) ~(1U << port % 8);
		cpu->iomap_owner = d;
	}
	tss->bitmap = offsetof(struct tss, ports);
}

static inline void switch_ports(struct cpu *cpu, struct domain *d) {
	if (unlikely(d->ports[0].count))
		load_ports(cpu, d);
	else
		tss_of(cpu)->bitmap = IO_BITMAP_NONE;
}

void descriptors_ports_changed(struct domain *d) {
	struct cpu *cpu = this_cpu();

	if (cpu->iomap_owner == d) cpu->iomap_owner = NULL;
	if (cpu->current && cpu->current->domain == d) switch_ports(cpu, d);
}

void descriptors_switch(struct cpu *cpu, struct vcpu *v) {
	tss_of(cpu)->rsp[0] = (u64)(&v->regs + 1);
	if (cpu->gdt_owner != v) descriptors_load_gdt(cpu, v);
	/* Usually LDTR is null and stays so. */
	if (unlikely(v->ldt_entries | cpu->ldt_pages)) descriptors_load_ldt(cpu, v);
	switch_ports(cpu, v->domain);
}
