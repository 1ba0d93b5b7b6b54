/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The other processors: started one after the other, each with an area, a plan
 * and a clock that was compared with the first one's. From then on it waits for
 * somebody to commit a plan for it. One that does not come up is left out.
 */
#include "boot/boot.h"
#include "cpu/asm.h"
#include "cpu/time.h"
#include "entry/trap.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "mem/validate.h"
#include "sched/plan.h"

#define PAGE_CANDIDATE_FIRST 0x8000
#define PAGE_CANDIDATE_END   0x80000
#define PATIENCE             100000000UL /* ns */
#define INIT_DELAY           10000000UL
#define STARTUP_DELAY        200000UL

extern const char smp_page[], smp_page_end[];
extern u64 smp_root, smp_stack;

u64 smp_root, smp_stack; /* for the one that starts now */

NORETURN void smp_main(void);

static u32 arrived; /* CPUs that are up */

static void wait_ns(u64 ns) {
	u64 end = time_now() + ns;

	while (time_now() < end) cpu_relax();
}

/* A page of low memory that is RAM: real mode reaches no other. 0: there is none. */
static paddr_t find_page(const struct boot_params *params) {
	for (paddr_t page = PAGE_CANDIDATE_FIRST; page < PAGE_CANDIDATE_END; page += PAGE_SIZE)
		for (u32 i = 0; i < params->ram.count; i++)
			if (page >= params->ram.range[i].start &&
			    page + PAGE_SIZE <= params->ram.range[i].end)
				return page;
	return 0;
}

void smp_main(void) {
	struct cpu *cpu = this_cpu();

	features_init_cpu();
	descriptors_init_cpu(cpu);
	fpu_init();
	lapic_init_cpu();
	time_init_cpu(cpu);
	atomic_store(&arrived, cpu->id + 1);
	time_compare(false);
	exit_to_guest();
}

static bool start(u32 id, u32 apic_id, paddr_t page) {
	memory_add_cpu(id);
	plan_init(cpu_by_id(id), paddr_to_virt(boot_alloc(DIV_UP(plan_memory(), PAGE_SIZE))));
	smp_stack = (u64)cpu_by_id(id) - CPU_AREA_STRUCT + CPU_AREA_STACK_TOP;
	lapic_send(apic_id, LAPIC_INIT);
	wait_ns(INIT_DELAY);
	for (unsigned tries = 0; tries < 2 && atomic_load(&arrived) != id + 1; tries++) {
		lapic_send(apic_id, LAPIC_STARTUP | (u32)(page >> PAGE_SHIFT));
		wait_ns(STARTUP_DELAY);
	}
	for (u64 end = time_now() + PATIENCE; atomic_load(&arrived) != id + 1; cpu_relax())
		if (time_now() > end) return false;
	return true;
}

void smp_start(const struct boot_params *params) {
	paddr_t page = find_page(params);

	if (acpi.cpus < 2) return;
	if (!page) {
		printf("core: no memory below 512 KiB to start other CPUs from\n");
		return;
	}
	memcpy(paddr_to_virt(page), smp_page, (size_t)(smp_page_end - smp_page));
	smp_root = virt_to_paddr(core_root);
	for (u32 i = 0; i < acpi.cpus && cpu_count < MAX_CPUS; i++) {
		if (acpi.apic_id[i] == this_cpu()->apic_id) continue;
		if (!start(cpu_count, acpi.apic_id[i], page)) {
			printf("core: the CPU with APIC %u does not start\n", acpi.apic_id[i]);
			break; /* it might still come, and use what the next one was given */
		}
		cpu_count++;
		time_compare(true);
	}
}
