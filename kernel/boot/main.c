/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The boot, from the first C to the first domain, as a plain list of calls.
 */
#include "boot/boot.h"
#include "cpu/asm.h"
#include "entry/trap.h"
#include "cpu/time.h"
#include "iommu/vtd.h"
#include "lib/log.h"
#include "lib/printf.h"
#include "mem/validate.h"
#include "sched/plan.h"

u32 cpu_count = 1;

static struct boot_params params;

NORETURN void boot_main(u32 magic, u32 info);

static void report_memory(void) {
	u64 total = 0;

	for (u32 i = 0; i < params.ram.count; i++) {
		const struct range *r = &params.ram.range[i];

		printf("core: RAM %012lx..%012lx\n", r->start, r->end - 1);
		total += r->end - r->start;
	}
	for (u32 i = 0; i < params.module_count; i++)
		printf("core: module %s, %lu bytes at %lx\n", params.module[i].name,
		       params.module[i].size, params.module[i].start);
	printf("core: %lu MiB of memory, %u modules\n", total / MIB(1), params.module_count);
}

static void report_machine(void) {
	printf("core: %u CPU%s, TSC %lu kHz%s, %s, %u interrupt lines%s\n", cpu_count,
	       cpu_count > 1 ? "s" : "", tsc_khz, tsc_stable ? " stable" : "",
	       features.x2apic ? "x2APIC" : "xAPIC", ioapic_lines,
	       acpi.found ? "" : " (no ACPI tables: a standard PC is assumed)");
	printf("core:%s%s%s%s%s%s%s\n", features.pcid ? " pcid" : "",
	       features.invpcid ? " invpcid" : "", features.smep ? " smep" : "",
	       features.smap ? " smap" : "", features.xsave ? " xsave" : "",
	       features.fsgsbase ? " fsgsbase" : "", features.tcg ? " tcg" : "");
	if (features.l1tf)
		printf("core: this CPU may leak the core's memory to a guest that tries "
		       "(Meltdown): run only guests you trust\n");
}

/* On the CPU's own stack, in the final address space. */
NORETURN static void boot_on_cpu_area(void) {
	struct cpu *cpu = this_cpu();

	descriptors_init_cpu(cpu);
	fpu_init();
	time_init();
	lapic_init();
	vtd_init();
	ioapic_init();
	time_init_cpu(cpu);
	plan_init(cpu, paddr_to_virt(boot_alloc(DIV_UP(plan_memory(), PAGE_SIZE))));
	smp_start(&params);
	report_machine();
	struct domain *root = first_domain(&params);
	first_domain_equip(root, &params, memory_finish());
	domain_unpause(root);
	exit_to_guest();
}

NORETURN void boot_main(u32 magic, u32 info) {
	const char *error = multiboot_parse(&params, magic, info);

	log_init(params.command_line);
	printf("\nTessera " TESSERA_VERSION "\n");
	if (error) boot_refuse("%s", error);
	features_init();
	report_memory();
	acpi_parse(&params);
	memory_init(&params);
	memory_build(&params);
	features_patch_smap();
	write_cr3(virt_to_paddr(core_root));
	__asm__ volatile("mov %0, %%rsp\n"
			 "xor %%ebp, %%ebp\n"
			 "call *%1\n"
			 :
			 : "r"(CPU_AREAS + CPU_AREA_STACK_TOP), "r"(boot_on_cpu_area)
			 : "memory");
	__builtin_unreachable();
}
