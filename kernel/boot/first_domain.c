/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The first domain, root: the boot module of that name, in the address space
 * that proto/native.h promises, with the capabilities to all there is. It is
 * built like any other domain, and its tables are validated like any other's;
 * only its memory comes straight from the boot.
 *
 *   PFN 0   image | start page | boot information | system description
 *           | page tables, L4 first | guard | stack | spare
 *   behind  shared_info, then the window: addresses without frames
 */
#include "boot/boot.h"
#include "cpu/time.h"
#include "entry/hypercall.h"
#include "iommu/vtd.h"
#include "lib/string.h"
#include "mem/frame.h"
#include "sched/plan.h"

#define ROOT_WINDOW_PAGES (16 * NATIVE_WINDOW_PAGES)
#define ROOT_SPARE_PAGES  256
#define ROOT_INFO_PAGES   DIV_UP(sizeof(struct boot_info), PAGE_SIZE)
#define ROOT_CAP_SLOTS    8192
#define ROOT_GRANT_FRAMES 32
#define ROOT_MAP_HANDLES  1024

#define LEAF_RO (PTE_P | PTE_US | PTE_A | PTE_NX)
#define LEAF_RW (LEAF_RO | PTE_RW | PTE_D)
#define LEAF_RX (PTE_P | PTE_US | PTE_A)
#define TABLE   (PTE_P | PTE_RW | PTE_US | PTE_A)

/* Where things are, in PFNs. */
static struct {
	mfn_t mfn; /* of PFN 0: the frames are contiguous */
	u64 text, rodata, image, start, info, system, tables, guard, stack, spare, end;
} layout;

static const struct boot_module_range *find_module(const struct boot_params *params,
						   const char *name) {
	for (u32 i = 0; i < params->module_count; i++)
		if (!memcmp(params->module[i].name, name, strlen(name) + 1))
			return &params->module[i];
	return NULL;
}

static void *pfn_to_virt(u64 pfn) { return mfn_to_virt(layout.mfn + pfn); }

static u64 pfn_to_va(u64 pfn) { return NATIVE_VIRT_BASE + pfn * PAGE_SIZE; }

static const struct native_image *check_image(const struct boot_module_range *module) {
	u64 base = NATIVE_VIRT_BASE;

	if (!module) boot_refuse("the boot loader gave no module named root");
	const struct native_image *image = boot_physical(module->start, module->size);
	if (!image) boot_refuse("the module root lies above 4 GiB");
	if (module->size < sizeof(*image) || image->magic != NATIVE_MAGIC)
		boot_refuse("the module root is not a native image");
	if (image->virt_base != base || image->text_end < base || image->entry < base ||
	    image->entry >= image->text_end || image->rodata_end < image->text_end ||
	    image->data_end < image->rodata_end || image->memory_end < image->data_end ||
	    image->data_end - base > module->size || image->memory_end - base > MIB(256) ||
	    (image->text_end | image->rodata_end) & ~PAGE_MASK)
		boot_refuse("the header of the native image root is inconsistent");
	return image;
}

static void lay_out(const struct native_image *image, u64 system_size) {
	u64 l1_tables = 0, needed;

	layout.text = (image->text_end - NATIVE_VIRT_BASE) / PAGE_SIZE;
	layout.rodata = (image->rodata_end - NATIVE_VIRT_BASE) / PAGE_SIZE;
	layout.image = DIV_UP(image->memory_end - NATIVE_VIRT_BASE, PAGE_SIZE);
	layout.start = layout.image;
	layout.info = layout.start + NATIVE_START_PAGES;
	layout.system = layout.info + ROOT_INFO_PAGES;
	layout.tables = layout.system + DIV_UP(system_size, PAGE_SIZE);
	/* The tables map themselves, so their number is found by trying. */
	do {
		needed = l1_tables;
		layout.guard = layout.tables + 3 + needed;
		layout.stack = layout.guard + 1;
		layout.spare = layout.stack + NATIVE_STACK_PAGES;
		layout.end = layout.spare + ROOT_SPARE_PAGES;
		l1_tables = DIV_UP(layout.end + 1 + ROOT_WINDOW_PAGES, PTES_PER_TABLE);
	} while (l1_tables != needed);
	layout.mfn = boot_alloc(layout.end) >> PAGE_SHIFT;
}

static u64 leaf_flags(u64 pfn) {
	if (pfn < layout.text) return LEAF_RX;
	if (pfn < layout.rodata || (pfn >= layout.info && pfn < layout.guard)) return LEAF_RO;
	return LEAF_RW;
}

/* NATIVE_VIRT_BASE is on the boundary of an L1 table, and all lies within one L2 table. */
static void build_tables(const struct domain *d) {
	mfn_t l4 = layout.mfn + layout.tables, l3 = l4 + 1, l2 = l4 + 2, l1 = l4 + 3;
	u64 *entries = mfn_to_virt(l1);

	for (mfn_t mfn = l1; mfn < layout.mfn + layout.guard; mfn++)
		((u64 *)mfn_to_virt(l2))[table_index(NATIVE_VIRT_BASE, 2) + mfn - l1] =
			pte_make(mfn, TABLE);
	*(u64 *)mfn_to_virt(l3) = pte_make(l2, TABLE);
	*(u64 *)mfn_to_virt(l4) = pte_make(l3, TABLE);
	for (u64 pfn = 0; pfn < layout.end; pfn++)
		if (pfn != layout.guard) entries[pfn] = pte_make(layout.mfn + pfn, leaf_flags(pfn));
	entries[layout.end] = pte_make(virt_to_mfn(d->shared), LEAF_RW);
}

static struct domain *create(void) {
	const struct domain_create parameters = {
		.domid = 0,
		.flags = DOMAIN_NATIVE,
		.vcpus = 1,
		.grant_frames = ROOT_GRANT_FRAMES,
		.event_ports = EVTCHN_2L_NR_CHANNELS,
		.cap_slots = ROOT_CAP_SLOTS,
		.map_handles = ROOT_MAP_HANDLES,
		.maximum_pages = ~0U,
		.name = "root",
	};

	return domain_create(boot_alloc(domain_object_frames(&parameters)) >> PAGE_SHIFT,
			     &parameters);
}

static void fill_start_page(const struct boot_module_range *system) {
	struct native_start *start = pfn_to_virt(layout.start);

	start->magic = NATIVE_START_MAGIC;
	start->version = 1;
	string_copy(start->name, "root", sizeof(start->name));
	start->memory_pages = layout.end;
	start->virt_base = NATIVE_VIRT_BASE;
	start->free_first = pfn_to_va(layout.spare);
	start->free_end = pfn_to_va(layout.end);
	start->shared_info = pfn_to_va(layout.end);
	start->window_first = pfn_to_va(layout.end + 1);
	start->window_end = pfn_to_va(layout.end + 1 + ROOT_WINDOW_PAGES);
	if (!system) return; /* root says what it misses, in its own words */
	start->system_module = pfn_to_va(layout.system);
	start->system_size = system->size;
}

static void set_context(struct domain *d, const struct native_image *image) {
	static struct vcpu_guest_context context;
	int error;

	context.flags = VGCF_in_kernel | VGCF_online;
	context.user_regs.rip = image->entry;
	context.user_regs.rsi = pfn_to_va(layout.start);
	context.user_regs.rsp = context.kernel_sp = pfn_to_va(layout.spare);
	context.user_regs.cs = SEL_GUEST_CS;
	context.user_regs.ss = SEL_GUEST_DS;
	context.kernel_ss = SEL_GUEST_DS;
	context.user_regs.rflags = 0x202;
	context.ctrlreg[3] = (layout.mfn + layout.tables) << PAGE_SHIFT;
	do {
		budget_begin(d->vcpus[0]);
		error = vcpu_set_context(d->vcpus[0], &context);
	} while (error == -ERESTART);
	if (error) panic("the first domain's own page tables are refused: error %u", (u32)-error);
}

struct domain *first_domain(const struct boot_params *params) {
	const struct boot_module_range *module = find_module(params, "root");
	const struct boot_module_range *system = find_module(params, "system");
	const struct native_image *image = check_image(module);
	const void *description = system ? boot_physical(system->start, system->size) : NULL;
	struct domain *d = create();

	if (!description) system = NULL;
	lay_out(image, system ? system->size : 0);
	memcpy(pfn_to_virt(0), image, image->data_end - NATIVE_VIRT_BASE);
	if (system) memcpy(pfn_to_virt(layout.system), description, system->size);
	fill_start_page(system);
	build_tables(d);
	for (u64 pfn = 0; pfn < layout.end; pfn++) {
		struct frame *f = mfn_to_frame(layout.mfn + pfn);

		f->state = 0;
		frame_assign(f, d);
		m2p[layout.mfn + pfn] = pfn;
	}
	d->pages = (u32)layout.end;
	set_context(d, image);
	return d;
}

/* Frames of RAM that nobody owns yet become Memory. */
static u32 give_memory(struct domain *d, u32 slot, mfn_t first, u64 frames, u16 flags) {
	for (mfn_t mfn = first; mfn < first + frames; mfn++) mfn_to_frame(mfn)->state = 0;
	cap_boot(d, slot, CAP_MEMORY, first, frames, flags);
	return slot;
}

static u32 give_modules(struct domain *d, struct boot_info *info, const struct boot_params *params,
			u32 slot) {
	for (u32 i = 0; i < params->module_count; i++) {
		const struct boot_module_range *m = &params->module[i];
		struct boot_module *out = &info->module[info->modules++];
		u64 frames = DIV_UP(m->size, PAGE_SIZE);

		string_copy(out->name, m->name, sizeof(out->name));
		out->mfn = m->start >> PAGE_SHIFT;
		out->size = m->size;
		if (!frames) continue;
		/* What lies behind the module in its last frame is nobody's business. */
		memset((char *)paddr_to_virt(m->start) + m->size, 0, -m->size & (PAGE_SIZE - 1));
		out->slot = give_memory(d, slot++, out->mfn, frames, CAP_F_MODULE);
	}
	return slot;
}

void first_domain_equip(struct domain *d, const struct boot_params *params,
			const struct range_list *free) {
	struct boot_info *info = pfn_to_virt(layout.info);
	struct native_start *start = pfn_to_virt(layout.start);
	u32 slot = 1;

	cap_boot(d, info->self_slot = slot++, CAP_DOMAIN, d->id, 1, 0);
	cap_boot(d, info->irq_slot = slot++, CAP_IRQ, 0, ioapic_lines, 0);
	cap_boot(d, info->msi_slot = slot++, CAP_IRQ, IRQ_MSI, MSI_LINES, 0);
	cap_boot(d, info->ioports_slot = slot++, CAP_IOPORTS, 0, 0x10000, 0);
	cap_boot(d, info->mmio_slot = slot++, CAP_MMIO, 0,
		 1UL << (features.physical_bits - PAGE_SHIFT), 0);
	cap_boot(d, info->console_slot = slot++, CAP_CONSOLE, 0, 1, 0);
	cap_boot(d, info->trace_slot = slot++, CAP_TRACE, 0, 1, 0);
	info->cpus = cpu_count;
	info->cpu_slot = slot;
	for (u32 i = 0; i < cpu_count; i++) cap_boot(d, slot++, CAP_CPU, i, 1, 0);
	slot = give_modules(d, info, params, slot);
	for (u32 i = 0; i < free->count && info->extents < BOOT_MAX_EXTENTS; i++) {
		struct boot_extent *out = &info->extent[info->extents++];

		out->mfn = free->range[i].start >> PAGE_SHIFT;
		out->frames = (free->range[i].end - free->range[i].start) >> PAGE_SHIFT;
		out->slot = give_memory(d, slot++, out->mfn, out->frames, 0);
	}
	info->free_slot = slot;
	info->slot_end = ROOT_CAP_SLOTS;
	info->tsc_khz = tsc_khz;
	info->flags = (iommu.levels ? BOOT_F_IOMMU : 0) | (iommu.remap ? BOOT_F_INTREMAP : 0);
	for (u32 i = 0; i < params->ram.count; i++)
		info->total_frames +=
			(params->ram.range[i].end - params->ram.range[i].start) >> PAGE_SHIFT;
	start->boot_modules = info->modules;
	plan_start_with(this_cpu(), d->vcpus[0]);
}
