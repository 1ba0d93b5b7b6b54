/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory at boot. The core takes what it needs once, from the top of the
 * largest piece of RAM below 4 GiB: the frame table, the M2P, page tables, the
 * CPU areas, the first domain. What is left becomes Memory objects, and from
 * then on the core owns nothing that it was not given.
 *
 * No page of the final tables is both writable and executable, in no alias
 * either: the direct map shows the core's own text and constants read-only.
 */
#include "boot/boot.h"
#include "cpu/cpu.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "mem/validate.h"

#define LOW_MEMORY  MIB(1) /* the firmware's: never given away */
#define FIRST_4_GIB GIB(4)
#define RAM_LIMIT   (DIRECT_END - DIRECT_BASE)
#define MINIMUM     MIB(8) /* for the core itself, besides its tables of frames */

#define TEXT    (PTE_P | PTE_G | PTE_A)
#define RODATA  (TEXT | PTE_NX)
#define DATA    (RODATA | PTE_RW | PTE_D)
#define DEVICE  (DATA | PTE_PCD | PTE_PWT)
#define M2P_PTE (RODATA | PTE_US)

extern char core_start[], entry_text[], rodata_start[], data_start[], symbols_start[], bss_start[],
	core_end[];

u64 *m2p;

static struct range_list free_memory;
static struct range bump; /* what boot_alloc has left */

static paddr_t core_paddr(const void *p) { return (u64)p - CORE_BASE; }

const void *boot_physical(paddr_t address, u64 size) {
	if (address >= FIRST_4_GIB || size > FIRST_4_GIB - address) return NULL;
	return paddr_to_virt(address);
}

static u64 m2p_frames(void) { return DIV_UP(frame_count * sizeof(*m2p), PAGE_SIZE); }

static u64 table_frames(void) { return DIV_UP(frame_count * sizeof(struct frame), PAGE_SIZE); }

static void choose_boot_memory(void) {
	u64 needed = (m2p_frames() + table_frames()) * PAGE_SIZE + MINIMUM;

	for (u32 i = 0; i < free_memory.count; i++) {
		struct range r = free_memory.range[i];

		r.end = MIN(r.end, FIRST_4_GIB);
		if (r.start < r.end && r.end - r.start > bump.end - bump.start) bump = r;
	}
	if (bump.end - bump.start < needed)
		boot_refuse(
			"not enough memory: the core needs %lu MiB in one piece below 4 GiB, and "
			"the largest that is free has %lu MiB",
			DIV_UP(needed, MIB(1)), (bump.end - bump.start) / MIB(1));
}

void memory_init(const struct boot_params *params) {
	free_memory = params->ram;
	range_remove(&free_memory, 0, LOW_MEMORY);
	range_remove(&free_memory, core_paddr(core_start), core_paddr(core_end));
	for (u32 i = 0; i < params->module_count; i++)
		range_remove(&free_memory, params->module[i].start,
			     ROUND_UP(params->module[i].start + params->module[i].size, PAGE_SIZE));
	if (params->ram.range[params->ram.count - 1].end > RAM_LIMIT)
		printf("core: RAM above %lu GiB is not used\n", RAM_LIMIT / GIB(1));
	range_remove(&free_memory, RAM_LIMIT, ~0UL & PAGE_MASK);
	frame_count = MIN(params->ram.range[params->ram.count - 1].end, RAM_LIMIT) >> PAGE_SHIFT;
	choose_boot_memory();
}

/* Larger than 2 MiB: aligned to that, for large pages. */
paddr_t boot_alloc(u64 frames) {
	u64 align = frames >= PTES_PER_TABLE ? MIB(2) : PAGE_SIZE;

	if (frames * PAGE_SIZE > bump.end - bump.start ||
	    ROUND_DOWN(bump.end - frames * PAGE_SIZE, align) < bump.start)
		boot_refuse("not enough memory to start: %lu KiB wanted, %lu KiB left",
			    frames * PAGE_SIZE / KIB(1), (bump.end - bump.start) / KIB(1));
	bump.end = ROUND_DOWN(bump.end - frames * PAGE_SIZE, align);
	memset(paddr_to_virt(bump.end), 0, frames * PAGE_SIZE);
	return bump.end;
}

/* The table below this entry, made if there is none. */
static u64 *table_below(u64 *entry, u64 flags) {
	if (!(*entry & PTE_P)) *entry = boot_alloc(1) | PTE_P | PTE_RW | PTE_A | (flags & PTE_US);
	return mfn_to_virt(pte_mfn(*entry));
}

/* The entry of this level for va, tables on the way made. */
static u64 *entry_for(u64 va, unsigned level, u64 flags) {
	u64 *table = core_root;

	for (unsigned l = 4; l > level; l--) table = table_below(&table[table_index(va, l)], flags);
	return &table[table_index(va, level)];
}

/* By the largest pages that fit. */
static void map(u64 va, paddr_t pa, u64 size, u64 flags) {
	while (size) {
		unsigned level = 1;
		u64 page = PAGE_SIZE;

		while (level < (features.gigabyte_pages ? 3U : 2U) && size >= page << 9 &&
		       !((va | pa) & ((page << 9) - 1))) {
			page <<= 9;
			level++;
		}
		*entry_for(va, level, flags) = pa | flags | (level > 1 ? PTE_PSE : 0);
		va += page;
		pa += page;
		size -= page;
	}
}

static void map_section(const char *start, const char *end, u64 flags) {
	map((u64)start, core_paddr(start), (u64)(end - start), flags);
}

static void map_core(void) {
	map_section(core_start, rodata_start, TEXT);
	map_section(rodata_start, data_start, RODATA);
	map_section(data_start, symbols_start, DATA);
	map_section(symbols_start, bss_start, RODATA);
	map_section(bss_start, core_end, DATA);
}

static void map_ram(const struct boot_params *params) {
	struct range_list writable = params->ram;
	paddr_t start = core_paddr(core_start), end = core_paddr(data_start);

	range_remove(&writable, start, end);
	range_remove(&writable, RAM_LIMIT, ~0UL & PAGE_MASK);
	for (u32 i = 0; i < writable.count; i++)
		map(DIRECT_BASE + writable.range[i].start, writable.range[i].start,
		    writable.range[i].end - writable.range[i].start, DATA);
	map(DIRECT_BASE + start, start, end - start, RODATA);
}

void memory_add_cpu(u32 id) {
	/* struct cpu; IST stacks; stack; TSS and I/O bitmap; descriptors: cpu/layout.h */
	static const u8 pages[] = {1, 2, 4, 6, 8, 10, 12, 13, 14, 15, 17, 18, 19, 46};
	u64 area = CPU_AREAS + (u64)id * CPU_AREA_SIZE;
	struct cpu *cpu;

	map(area, core_paddr(entry_text), PAGE_SIZE, TEXT);
	for (size_t i = 0; i < ARRAY_SIZE(pages); i++)
		map(area + pages[i] * PAGE_SIZE, boot_alloc(1), PAGE_SIZE, DATA);
	for (u64 page = CPU_AREA_GDT; page < CPU_AREA_GDT_CORE; page += PAGE_SIZE)
		map(area + page, core_paddr(zero_page), PAGE_SIZE, RODATA);

	/* Not yet mapped itself: through the direct map. */
	cpu = mfn_to_virt(pte_mfn(*entry_for(area + CPU_AREA_STRUCT, 1, 0)));
	cpu->id = id;
	cpu->window = entry_for(area, 1, 0);
}

void memory_build(const struct boot_params *params) {
	paddr_t frames = boot_alloc(table_frames()), table = boot_alloc(m2p_frames());

	frame_table = paddr_to_virt(frames);
	for (mfn_t mfn = 0; mfn < frame_count; mfn++) frame_table[mfn].state = FRAME_DEVICE;
	for (u32 i = 0; i < params->ram.count; i++)
		for (mfn_t mfn = params->ram.range[i].start >> PAGE_SHIFT;
		     mfn < MIN(params->ram.range[i].end >> PAGE_SHIFT, frame_count); mfn++)
			frame_table[mfn].state = FRAME_CORE;
	m2p = paddr_to_virt(table);
	memset(m2p, 0xff, m2p_frames() * PAGE_SIZE);

	core_root = paddr_to_virt(boot_alloc(1));
	for (unsigned slot = HV_SLOT_FIRST; slot <= HV_SLOT_LAST; slot++)
		table_below(&core_root[slot], slot == HV_SLOT_FIRST ? PTE_US : 0);
	map(M2P_BASE, table, m2p_frames() * PAGE_SIZE, M2P_PTE);
	map_core();
	map_ram(params);
	memory_add_cpu(0);
	l1tf_limit = features.l1tf ? frame_count : 0;
}

volatile void *map_device(paddr_t address) {
	u64 va = DEVICE_BASE + core_device_count * PAGE_SIZE;

	if (core_device_count == CORE_DEVICES_MAX) boot_refuse("too many interrupt controllers");
	core_devices[core_device_count++] = address >> PAGE_SHIFT;
	map(va, address & PAGE_MASK, PAGE_SIZE, DEVICE);
	return (volatile void *)(va + (address & ~PAGE_MASK));
}

/* What was taken from the top of the chosen piece goes; frames that are left are nobody's. */
const struct range_list *memory_finish(void) {
	for (u32 i = 0; i < free_memory.count; i++) {
		struct range *r = &free_memory.range[i];

		if (r->start == bump.start)
			range_remove(&free_memory, bump.end, MIN(r->end, FIRST_4_GIB));
	}
	return &free_memory;
}
