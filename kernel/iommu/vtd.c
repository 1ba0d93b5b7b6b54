/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Intel VT-d: the units, from "Intel Virtualization Technology for Directed I/O".
 *
 *   root table --bus--> context table --device, function--> a DmaSpace's tables
 *
 * Translation is on from boot for every function, and no context entry is present
 * until a DmaSpace is made: what is not given is not reachable. That holds for what
 * firmware would like to keep (RMRR) too. All units share the tables; each looks only
 * at the functions that it sits in front of. Those of further PCI segments get a root
 * table with nothing in it. Either all units will do, or none is used, for a machine
 * that is protected in parts looks protected.
 *
 * What units remember is flushed through their queues: a descriptor, then one that
 * writes a word when all before it is done. One flush serves a whole batch.
 *
 * Faults are recorded by the unit. Its interrupt is closed for a while after each one,
 * so that a device that does nothing else costs little.
 */
#include "iommu/vtd.h"
#include "boot/boot.h"
#include "cpu/asm.h"
#include "cpu/cpu.h"
#include "cpu/time.h"
#include "iommu/dma.h"
#include "lib/printf.h"

#define REG_CAP         0x08
#define REG_ECAP        0x10
#define REG_COMMAND     0x18
#define REG_STATUS      0x1c
#define REG_ROOT        0x20
#define REG_FAULTS      0x34
#define REG_FAULT_EVENT 0x38 /* control; then data, address, upper address */
#define REG_PROTECTED   0x64
#define REG_QUEUE_TAIL  0x88
#define REG_QUEUE       0x90
#define REG_REMAP       0xb8

#define CAP_DOMAINS(cap)     (1U << (4 + 2 * ((cap)&7)))
#define CAP_WRITE_BUFFER     (1UL << 4)
#define CAP_PROTECTED        (3UL << 5)
#define CAP_CACHING          (1UL << 7)
#define CAP_LEVELS(cap)      ((cap) >> 8 & 0xe) /* bit n: n + 2 levels */
#define CAP_FAULT_REG(cap)   (((cap) >> 24 & 0x3ff) * 16)
#define CAP_FAULT_COUNT(cap) (((cap) >> 40 & 0xff) + 1)
#define CAP_DRAIN(cap)       ((cap) >> 54 & 3)
#define ECAP_COHERENT        (1UL << 0)
#define ECAP_QUEUE           (1UL << 1)
#define ECAP_REMAP           (1UL << 3)
#define ECAP_X2APIC          (1UL << 4)

#define COMMAND_TRANSLATE (1U << 31)
#define COMMAND_SET_ROOT  (1U << 30)
#define COMMAND_QUEUE     (1U << 26)
#define COMMAND_REMAP     (1U << 25)
#define COMMAND_SET_REMAP (1U << 24)
#define STATUS_LASTING    0x96ffffffU /* the others are set once, not kept */

#define QUEUE_LENGTH     256U   /* a page */
#define FLUSH_CONTEXT    0x11UL /* everything */
#define FLUSH_ALL        0x12UL
#define FLUSH_DOMAIN     0x22UL
#define FLUSH_INTERRUPTS 0x04UL
#define FLUSH_ID_SHIFT   16
#define FLUSH_DRAIN      6 /* requests under way are finished first */
#define WAIT             0x25UL
#define WAIT_DATA        32

#define CONTEXT_PRESENT  1UL
#define CONTEXT_ID_SHIFT 8
#define REMAP_X2APIC     (1UL << 11)
#define REMAP_SIZE       7UL /* 256 entries */

#define FAULT_MASKED  (1U << 31)
#define FAULT_VALID   (1U << 31) /* of a record's last word */
#define FAULT_READ    (1U << 30)
#define FAULT_PAUSE   100000000UL /* ns */
#define FAULTS_CLEAR  0x73U
#define UNIT_PATIENCE 1000000000UL /* ns */

struct entry {
	u64 low, high;
};

static struct unit {
	volatile char *registers;
	u64 cap, ecap;
	struct entry *queue;
	u32 tail;
	u32 done, wanted; /* `done` is written by the unit */
} units[ACPI_MAX_IOMMUS];

struct iommu iommu;
static struct entry *contexts; /* [256 buses][256 functions] */
static struct timer fault_timer;
/* Protects the queues. Innermost. */
static struct lock queue_lock;

static u32 get32(const struct unit *u, u32 reg) { return mmio_read32(u->registers + reg); }

static void set32(struct unit *u, u32 reg, u32 value) { mmio_write32(u->registers + reg, value); }

static u64 get64(const struct unit *u, u32 reg) {
	return get32(u, reg) | (u64)get32(u, reg + 4) << 32;
}

static void set64(struct unit *u, u32 reg, u64 value) {
	set32(u, reg, (u32)value);
	set32(u, reg + 4, (u32)(value >> 32));
}

static void command(struct unit *u, u32 bit, bool on) {
	u32 value = get32(u, REG_STATUS) & STATUS_LASTING & ~bit;
	u64 start = time_now();

	set32(u, REG_COMMAND, on ? value | bit : value);
	while (!(get32(u, REG_STATUS) & bit) == on)
		if (time_now() - start > UNIT_PATIENCE) panic("an IOMMU does not answer");
}

void vtd_wrote(const void *p, size_t size) {
	const char *line = p, *end = line + size;

	for (; iommu.incoherent && line < end; line += CACHE_LINE) clflush(line);
	atomic_fence();
}

/* --- Flushing --- */

static void push(struct unit *u, u64 low, u64 high) {
	u->queue[u->tail] = (struct entry){low, high};
	u->tail = (u->tail + 1) % QUEUE_LENGTH;
}

/* Has all units forget something, and waits until they have. */
static void flush(u64 what) {
	struct unit *u;
	u64 start;

	lock_take(&queue_lock);
	for (u = units; u->registers; u++) {
		bool drain = what != FLUSH_CONTEXT && what != FLUSH_INTERRUPTS;

		push(u, what | (drain ? CAP_DRAIN(u->cap) << FLUSH_DRAIN : 0), 0);
		push(u, WAIT | (u64)++u->wanted << WAIT_DATA, (u64)&u->done - CORE_BASE);
		atomic_fence();
		set32(u, REG_QUEUE_TAIL, u->tail * (u32)sizeof(*u->queue));
	}
	for (start = time_now(), u = units; u->registers; u++)
		while (atomic_load(&u->done) != u->wanted)
			if (time_now() - start > UNIT_PATIENCE) panic("an IOMMU does not answer");
	lock_drop(&queue_lock);
}

void vtd_flush(u32 id) { flush(FLUSH_DOMAIN | (u64)id << FLUSH_ID_SHIFT); }

void vtd_flush_interrupts(void) { flush(FLUSH_INTERRUPTS); }

void vtd_attach(u32 source, u32 id, paddr_t root) {
	struct entry *e = &contexts[source];

	atomic_store(&e->low, 0);
	e->high = (u64)id << CONTEXT_ID_SHIFT | (iommu.levels - 2);
	if (root) atomic_store(&e->low, root | CONTEXT_PRESENT);
	vtd_wrote(e, sizeof(*e));
	flush(FLUSH_CONTEXT);
	flush(FLUSH_ALL);
}

/* --- Faults --- */

/* Tells of what a unit has recorded; true: something. */
static bool collect(struct unit *u) {
	u32 reg = (u32)CAP_FAULT_REG(u->cap), n;
	bool any = false;

	for (n = 0; n < CAP_FAULT_COUNT(u->cap); n++, reg += 16) {
		u32 last = get32(u, reg + 12);

		if (!(last & FAULT_VALID)) continue;
		dma_fault(get32(u, reg + 8) & 0xffff, get64(u, reg) & PAGE_MASK, last & 0xff,
			  !(last & FAULT_READ));
		set32(u, reg + 12, FAULT_VALID); /* it may be used again */
		any = true;
	}
	set32(u, REG_FAULTS, FAULTS_CLEAR);
	return any;
}

static void collect_all(struct timer *timer) {
	bool any = false;

	for (struct unit *u = units; u->registers; u++) any |= collect(u);
	for (struct unit *u = units; u->registers; u++)
		set32(u, REG_FAULT_EVENT, any ? FAULT_MASKED : 0);
	if (any) timer_arm(timer, time_now() + FAULT_PAUSE);
}

void vtd_fault_interrupt(void) { collect_all(&fault_timer); }

/* --- Boot --- */

/* All pages up to the last record of faults. */
static void map_unit(struct unit *u, paddr_t address) {
	volatile char *at = map_device(address);

	u->registers = at;
	u->cap = get64(u, REG_CAP);
	u->ecap = get64(u, REG_ECAP);
	u64 size = CAP_FAULT_REG(u->cap) + CAP_FAULT_COUNT(u->cap) * 16;
	for (u64 mapped = PAGE_SIZE; mapped < size; mapped += PAGE_SIZE)
		map_device(address + mapped);
}

/* NULL, or why this machine's units are of no use; iommu says what they can do together. */
static const char *find_units(void) {
	u64 levels = ~0UL;

	if (!acpi.iommus) return "the firmware tells of no IOMMU";
	if (acpi.iommus >= ACPI_MAX_IOMMUS) return "there are more IOMMUs than expected";
	iommu = (struct iommu){.domains = ~0U, .remap = acpi.intremap};
	for (u32 n = 0; n < acpi.iommus; n++) {
		struct unit *u = &units[n];

		map_unit(u, acpi.iommu[n].address);
		if (!(u->ecap & ECAP_QUEUE)) return "an IOMMU has no queue of invalidations";
		levels &= CAP_LEVELS(u->cap);
		iommu.domains = MIN(iommu.domains, CAP_DOMAINS(u->cap));
		iommu.incoherent |= !(u->ecap & ECAP_COHERENT);
		iommu.flush_new |= (u->cap & (CAP_CACHING | CAP_WRITE_BUFFER)) != 0;
		iommu.remap &= u->ecap & ECAP_REMAP && (!features.x2apic || u->ecap & ECAP_X2APIC);
	}
	if (!levels) return "the IOMMUs agree on no size of tables";
	iommu.levels = (u32)__builtin_ctzl(levels) + 2;
	return NULL;
}

/* The root tables: of the first segment, whose context tables are all there, and of the others. */
static paddr_t build_tables(void) {
	paddr_t memory = boot_alloc(2 + 256);
	struct entry *root = paddr_to_virt(memory);

	contexts = paddr_to_virt(memory + 2 * PAGE_SIZE);
	for (u32 bus = 0; bus < 256; bus++)
		root[bus].low = (memory + (2 + bus) * PAGE_SIZE) | CONTEXT_PRESENT;
	vtd_wrote(root, (2 + 256) * PAGE_SIZE);
	return memory;
}

static void start_unit(struct unit *u, paddr_t root, paddr_t remap) {
	paddr_t queue = boot_alloc(1);
	u32 cpu = this_cpu()->apic_id;

	/* What the firmware may have left on. */
	command(u, COMMAND_TRANSLATE, false);
	command(u, COMMAND_REMAP, false);
	command(u, COMMAND_QUEUE, false);
	u->queue = paddr_to_virt(queue);
	set64(u, REG_QUEUE_TAIL, 0);
	set64(u, REG_QUEUE, queue);
	command(u, COMMAND_QUEUE, true);
	set64(u, REG_ROOT, root);
	command(u, COMMAND_SET_ROOT, true);
	if (iommu.remap) {
		set64(u, REG_REMAP, remap | (features.x2apic ? REMAP_X2APIC : 0) | REMAP_SIZE);
		command(u, COMMAND_SET_REMAP, true);
	}
	set32(u, REG_FAULT_EVENT + 4, VECTOR_DMA_FAULT);
	set32(u, REG_FAULT_EVENT + 8, MESSAGE | (cpu & 0xff) << 12);
	set32(u, REG_FAULT_EVENT + 12, cpu & ~0xffU);
	set32(u, REG_FAULTS, FAULTS_CLEAR);
	set32(u, REG_FAULT_EVENT, 0);
}

void vtd_init(void) {
	const char *why = find_units();
	paddr_t remap = 0;

	if (why) {
		iommu = (struct iommu){0};
		printf("core: DMA drivers are trusted, a device can reach all memory: %s\n", why);
		return;
	}
	paddr_t root = build_tables();
	if (iommu.remap) remap = remap_init();
	for (struct unit *u = units; u->registers; u++)
		start_unit(u, acpi.iommu[u - units].segment ? root + PAGE_SIZE : root, remap);
	fault_timer.fire = collect_all;
	flush(FLUSH_CONTEXT);
	flush(FLUSH_ALL);
	if (iommu.remap) flush(FLUSH_INTERRUPTS);
	for (struct unit *u = units; u->registers; u++) {
		if (iommu.remap) command(u, COMMAND_REMAP, true);
		command(u, COMMAND_TRANSLATE, true);
		if (u->cap & CAP_PROTECTED) set32(u, REG_PROTECTED, 0);
	}
	printf("core: %u IOMMU: a device reaches the memory that it was given, and no other%s\n",
	       acpi.iommus,
	       iommu.remap ? "; it raises no interrupt but its own"
			   : "; interrupts are not checked");
	if (acpi.rmrrs)
		printf("core: %u regions that the firmware's own devices want are out of reach\n",
		       acpi.rmrrs);
}
