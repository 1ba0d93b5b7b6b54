/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * root, the first domain: it gets everything from the core, builds what the
 * description says, and from then on only reacts. It has no drivers, and of what
 * guests bring it parses one thing, their kernels' ELF headers (libs/elf).
 */
#include "root.h"

#include "devices.h"
#include "libs/cap/cap.h"
#include "libs/log/log.h"
#include "memory.h"
#include "order.h"
#include "space.h"

struct description description;
const struct boot_info *boot_info;
struct domain domains[SYSTEM_MAX_DOMAINS + 1];
uint16_t start_order[SYSTEM_MAX_DOMAINS];
uint32_t start_count;

const struct boot_module *module_find(const char *name) {
	for (uint32_t i = 0; i < boot_info->modules && name[0]; i++)
		if (!strcmp(boot_info->module[i].name, name)) return &boot_info->module[i];
	return NULL;
}

const void *module_map(const struct boot_module *module, uint64_t first) {
	static bool mine[BOOT_MAX_MODULES];
	uint32_t i = (uint32_t)(module - boot_info->module);

	/* Once root's own, a module stays that: a restart reads it again. */
	if (!mine[i] && cap_memory_give(module->slot, 0, module->mfn)) return NULL;
	mine[i] = true;
	return space_map_module(first, module->mfn, DIV_UP(module->size, PAGE_SIZE));
}

static void check_boot_info(void) {
	boot_info = (const void *)((const uint8_t *)rt_start_page + NATIVE_START_PAGES * PAGE_SIZE);
	if (boot_info->modules > BOOT_MAX_MODULES || boot_info->extents > BOOT_MAX_EXTENTS)
		rt_shutdown(1);
	log_init(boot_info->console_slot);
	slots_init(boot_info->free_slot, boot_info->slot_end);
	for (uint32_t i = 0; i < boot_info->extents; i++) {
		const struct boot_extent *e = &boot_info->extent[i];

		memory_add(e->mfn, e->frames, e->slot);
	}
	space_init();
}

static void read_description(void) {
	const void *data = (const void *)(uintptr_t)rt_start_page->system_module;
	uint32_t line = 0;
	const char *why;

	if (!data) {
		log_print("there is no boot module named 'system'");
		supervise_fail();
	}
	why = description_check(data, rt_start_page->system_size, &description, &line);
	if (why) {
		log_print("the system description cannot be used: %s (line %u)", why, line);
		description.header = NULL;
		supervise_fail();
	}
	for (uint32_t i = 0; i < description.domain_count; i++) {
		domains[i].index = (uint16_t)i;
		domains[i].name = description_string(&description, description.domains[i].name);
		domain_as_described(&domains[i]);
	}
	domains[0].slot = boot_info->self_slot;
	domains[0].stage = STAGE_RUNNING;
}

/* Servers and drivers first: a guest finds its servers running. */
static bool start_all(uint8_t kind) {
	bool all = true;

	for (uint32_t i = 0; i < start_count; i++) {
		struct domain *domain = &domains[start_order[i]];

		if (domain->d->kind == kind && domain->d->flags & SYSTEM_DOMAIN_F_AUTOSTART)
			all &= supervise_start(domain);
	}
	return all;
}

/* What a guest costs, and that it costs no more when there are many. */
static void report_guests(void) {
	const struct domain *first = NULL, *last = NULL;
	uint64_t frames = 0;
	uint32_t count = 0;

	for (uint32_t i = 1; i < description.domain_count; i++) {
		if (!is_guest(&domains[i]) || !domains[i].made_ns) continue;
		if (!first) first = &domains[i];
		last = &domains[i];
		frames += last->object_frames;
		count++;
	}
	if (count < 2) return;
	log_print("%u guests are there, the first made in %lu us, the last in %lu us; the core "
		  "holds %lu KiB for them",
		  count, first->made_ns / 1000, last->made_ns / 1000, frames * (PAGE_SIZE / 1024));
}

void native_main(void) {
	check_boot_info();
	log_print("%lu MiB of memory, %u CPU%s", boot_info->total_frames / 256, boot_info->cpus,
		  boot_info->cpus == 1 ? "" : "s");
	read_description();
	start_count = order_make(&description, start_order);
	wiring_init();
	devices_init();
	supervise_init();
	heartbeat_init();
	plan_start();
	if (!start_all(SYSTEM_KIND_NATIVE)) supervise_fail();
	start_all(SYSTEM_KIND_GUEST);
	report_guests();
	log_print("the system '%s' is up",
		  description_string(&description, description.header->name));
	supervise_check_exit();
	event_loop();
}
