/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Interrupt remapping: where interrupts go, and who may raise them. The table has one
 * entry for each vector that devices have (the index is vector - VECTOR_IRQ_FIRST), so
 * there is nothing to allocate. An entry names the only function whose message it
 * takes; messages in the old format are blocked. Without remapping a message is in
 * that format, and any device that masters the bus can write it.
 */
#include "boot/boot.h"
#include "cpu/cpu.h"
#include "iommu/vtd.h"

#define ENTRY_PRESENT      1UL
#define ENTRY_LEVEL        (1UL << 4)
#define ENTRY_VECTOR_SHIFT 16
#define ENTRY_DESTINATION  32
#define ENTRY_VERIFY       (1UL << 18) /* upper half: all of the source */

#define MESSAGE_FORMAT  (1U << 4) /* remappable: an index, not a destination */
#define MESSAGE_INDEX   5
#define MESSAGE_CPU     12
#define IOAPIC_FORMAT   (1U << 16)
#define IOAPIC_INDEX    17
#define IOAPIC_CPU      24
#define XAPIC_CPU_SHIFT 8

static struct { u64 low, high; } * table;

paddr_t remap_init(void) {
	paddr_t memory = boot_alloc(1);

	table = paddr_to_virt(memory);
	vtd_wrote(table, PAGE_SIZE);
	return memory;
}

/* This vector may be raised by this function alone. With iommu.remap only. */
static void remap_route(u8 vector, u32 source, bool level) {
	u32 n = vector - VECTOR_IRQ_FIRST, cpu = this_cpu()->apic_id;

	atomic_store(&table[n].low, 0);
	table[n].high = source == SOURCE_ANY ? 0 : ENTRY_VERIFY | source;
	if (!features.x2apic) cpu <<= XAPIC_CPU_SHIFT;
	atomic_store(&table[n].low, ENTRY_PRESENT | (level ? ENTRY_LEVEL : 0) |
					    (u64)vector << ENTRY_VECTOR_SHIFT |
					    (u64)cpu << ENTRY_DESTINATION);
	vtd_wrote(&table[n], sizeof(table[n]));
	vtd_flush_interrupts();
}

u32 remap_ioapic(u8 vector, u32 source, bool level) {
	if (!iommu.remap) return this_cpu()->apic_id << IOAPIC_CPU;
	remap_route(vector, source, level);
	return (u32)(vector - VECTOR_IRQ_FIRST) << IOAPIC_INDEX | IOAPIC_FORMAT;
}

void remap_message(u8 vector, u32 source, struct irq_message *message) {
	*message = (struct irq_message){
		.address = MESSAGE | this_cpu()->apic_id << MESSAGE_CPU,
		.data = vector,
	};
	if (!iommu.remap) return;
	remap_route(vector, source, false);
	message->address =
		MESSAGE | MESSAGE_FORMAT | (u32)(vector - VECTOR_IRQ_FIRST) << MESSAGE_INDEX;
	message->data = 0;
}
