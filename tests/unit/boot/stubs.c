/* SPDX-License-Identifier: BSD-2-Clause */
#include "stubs.h"

#include "cpu/cpu.h"
#include "cpu/time.h"
#include "event/channel.h"
#include "sched/plan.h"

unsigned char *memory;
u64 memory_base, memory_size;
u64 fake_now, fake_armed = ~0UL;
unsigned fake_virqs;

struct cpu_features features;
u64 tsc_khz = 2000000;
bool tsc_stable = true;

static struct cpu cpu = {.timer_armed = ~0UL, .slice_end = ~0UL};
struct cpu *host_cpu = &cpu;

NORETURN void check_failed(const char *file, int line, const char *what) {
	printf("not ok - %s:%d: %s\n", file, line, what);
	exit(1);
}

int run_tests(const struct test *tests, size_t count) {
	for (size_t i = 0; i < count; i++) {
		tests[i].run();
		printf("ok %zu - boot: %s\n", i + 1, tests[i].name);
	}
	printf("1..%zu\n", count);
	return 0;
}

const void *boot_physical(paddr_t address, u64 size) {
	if (address < memory_base || address - memory_base > memory_size ||
	    size > memory_size - (address - memory_base))
		return NULL;
	return memory + (address - memory_base);
}

void panic(const char *format, ...) { check_failed("panic", 0, format); }

/* A CPU that has everything: each leaf is all ones. */
void cpuid_host(u32 leaf, u32 subleaf, u32 out[4]) {
	(void)leaf;
	(void)subleaf;
	out[0] = out[1] = out[2] = out[3] = ~0U;
}

u64 time_now(void) { return fake_now; }

void time_scale(struct vcpu_time_info *info) {
	info->tsc_to_system_mul = 0x80000000;
	info->tsc_shift = 1;
}

void cpu_relax(void) {}

void lapic_timer_arm(u64 ns_from_now) {
	fake_armed = ns_from_now == ~0UL ? ~0UL : fake_now + ns_from_now;
}

void virq_send(struct vcpu *v, u32 virq) {
	(void)v;
	fake_virqs += virq == VIRQ_CON_RING;
}
