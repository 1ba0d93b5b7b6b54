/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The local APIC: end of interrupt, the one-shot timer, interrupts between
 * CPUs. x2APIC registers are MSRs with the numbers that the memory-mapped ones
 * have at 16 times the distance, so one pair of functions serves both.
 */
#include "boot/boot.h"
#include "cpu/asm.h"
#include "cpu/cpu.h"
#include "cpu/time.h"

#define REG_ID            0x02
#define REG_TPR           0x08
#define REG_EOI           0x0b
#define REG_SPURIOUS      0x0f
#define REG_ICR           0x30
#define REG_ICR_HIGH      0x31
#define REG_LVT_TIMER     0x32
#define REG_LVT_LINT0     0x35
#define REG_LVT_LINT1     0x36
#define REG_TIMER_INITIAL 0x38
#define REG_TIMER_CURRENT 0x39
#define REG_TIMER_DIVIDE  0x3e

#define APIC_BASE_X2     (1UL << 10)
#define APIC_BASE_ENABLE (1UL << 11)
#define SOFTWARE_ENABLE  0x100
#define LVT_MASKED       0x10000
#define LVT_NMI          0x400
#define DIVIDE_BY_1      0xb
#define ICR_BUSY         0x1000
#define ICR_ASSERT       0x4000

static volatile char *registers; /* NULL: x2APIC */
static u64 ticks_per_ns;         /* fixed point, 32 bits behind the point */

static u32 lapic_read(u32 reg) {
	return registers ? mmio_read32(registers + reg * 16) : (u32)rdmsr(MSR_X2APIC + reg);
}

static void lapic_write(u32 reg, u32 value) {
	if (registers)
		mmio_write32(registers + reg * 16, value);
	else
		wrmsr(MSR_X2APIC + reg, value);
}

/* Against the TSC, whose rate time_init has measured. */
static void calibrate(void) {
	u64 elapsed;
	u32 ticks;

	lapic_write(REG_LVT_TIMER, VECTOR_TIMER | LVT_MASKED);
	lapic_write(REG_TIMER_INITIAL, 0xffffffff);
	u64 start = rdtsc();
	do elapsed = rdtsc() - start;
	while (elapsed < tsc_khz * 10); /* 10 ms */
	ticks = 0xffffffff - lapic_read(REG_TIMER_CURRENT);
	lapic_write(REG_TIMER_INITIAL, 0);
	lapic_write(REG_LVT_TIMER, VECTOR_TIMER);
	if (!ticks) boot_refuse("the timer of the local APIC does not count");
	ticks_per_ns = ((u64)ticks << 32) / (elapsed * 1000 / (tsc_khz / 1000));
}

void lapic_init(void) {
	volatile char *page = map_device(acpi.lapic); /* nobody else's, even if it is not used */

	if (!features.x2apic) registers = page;
	lapic_init_cpu();
	calibrate();
}

void lapic_init_cpu(void) {
	u64 base = rdmsr(MSR_APIC_BASE) | APIC_BASE_ENABLE;

	if (features.x2apic) base |= APIC_BASE_X2;
	wrmsr(MSR_APIC_BASE, base);
	u32 id = lapic_read(REG_ID);
	this_cpu()->apic_id = registers ? id >> 24 : id;

	lapic_write(REG_TPR, 0);
	lapic_write(REG_LVT_TIMER, VECTOR_TIMER); /* one-shot */
	lapic_write(REG_LVT_LINT0, LVT_MASKED);
	lapic_write(REG_LVT_LINT1, LVT_NMI);
	lapic_write(REG_TIMER_DIVIDE, DIVIDE_BY_1);
	lapic_write(REG_SPURIOUS, SOFTWARE_ENABLE | VECTOR_SPURIOUS);
	lapic_eoi();
}

void lapic_eoi(void) { lapic_write(REG_EOI, 0); }

/* A deadline too far away for the counter fires early, and is armed again then. */
void lapic_timer_arm(u64 ns_from_now) {
	u64 ticks = 0;

	if (ns_from_now != ~0UL) ticks = (u64)((u128)ns_from_now * ticks_per_ns >> 32) + 1;
	lapic_write(REG_TIMER_INITIAL, (u32)MIN(ticks, 0xffffffffUL));
}

void lapic_send(u32 apic_id, u32 command) {
	if (!registers) {
		wrmsr(MSR_X2APIC + REG_ICR, (u64)apic_id << 32 | ICR_ASSERT | command);
		return;
	}
	while (lapic_read(REG_ICR) & ICR_BUSY) cpu_relax();
	lapic_write(REG_ICR_HIGH, apic_id << 24);
	lapic_write(REG_ICR, ICR_ASSERT | command);
}
