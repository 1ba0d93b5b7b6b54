/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Everything that can be refused is looked at before anything is changed: the header, the
 * devices, the kernel and whether it fits into its memory, or the package and what it needs.
 * Then the place is filled and started; if that fails, all is as it was.
 */
#include "define.h"

#include "death.h"
#include "libs/log/log.h"
#include "libs/manage/text.h"
#include "pages.h"
#include "plug.h"
#include "space.h"
#include "story.h"
#include "upgrade.h"

static struct brought table[SYSTEM_MAX_PLACES]; /* one for each place that is taken */
static struct define_header header;             /* of the file that is looked at; a copy */

static bool is_place(const struct domain *domain) {
	return domain->d->flags & SYSTEM_DOMAIN_F_PLACE;
}

bool define_is_empty(const struct domain *domain) { return is_place(domain) && !domain->brought; }

/* --- files of guests --- */

static const char *from_module(const char *name, struct define_file *file) {
	*file = (struct define_file){.module = module_find(name)};
	if (!file->module || !file->module->size) return "is not among the boot modules";
	file->mfn = file->module->mfn;
	file->size = file->module->size;
	return NULL;
}

const char *define_kernel(const struct domain *guest, struct define_file *file) {
	if (!guest->brought)
		return from_module(description_string(&description, guest->d->module), file);
	*file = guest->brought->image;
	return NULL;
}

const char *define_initrd(const struct domain *guest, struct define_file *file) {
	const char *name = description_string(&description, guest->d->initrd);

	*file = guest->brought ? guest->brought->initrd : (struct define_file){0};
	return guest->brought || !name[0] ? NULL : from_module(name, file);
}

const void *define_map(const struct define_file *file, uint64_t first) {
	if (file->module) return module_map(file->module, first);
	return space_map_module(first, file->mfn, DIV_UP(file->size, PAGE_SIZE));
}

/* --- the header --- */

static bool ends(const char *text, size_t size) { return rt_strnlen(text, size) < size; }

static const char *check_part(const struct define_part *part, uint64_t size) {
	if (!ends(part->module, sizeof(part->module))) return "a name in it has no end";
	if (part->module[0]) return part->size ? "a part is both brought and a module" : NULL;
	if (!part->size) return NULL;
	if (part->offset % PAGE_SIZE || part->offset < DEFINE_HEADER || part->offset > size ||
	    part->size > size - part->offset)
		return "a part lies outside of it";
	return NULL;
}

static const char *check_header(const struct program *file, uint64_t size) {
	const struct define_header *at = space_map_module(0, file->mfn, 1);
	const char *why;

	if (at) memcpy(&header, at, sizeof(header));
	space_unmap_modules();
	if (!at) return "it cannot be mapped";
	if (header.magic != DEFINE_MAGIC || header.version != DEFINE_VERSION)
		return "it is no file of this kind, or of another version";
	if (header.total_size != size) return "it is not as long as it says: it was cut";
	if (!ends(header.place, DEFINE_NAME) || !ends(header.label, DEFINE_NAME) ||
	    !ends(header.cmdline, sizeof(header.cmdline)))
		return "a text in it has no end";
	if (header.device_count > DEFINE_DEVICES) return "it has too many devices";
	for (uint32_t i = 0; i < header.device_count; i++)
		if (!ends(header.device[i], DEFINE_NAME)) return "a name in it has no end";
	why = check_part(&header.image, size);
	return why ? why : check_part(&header.initrd, size);
}

/* What the place does not give. */
static uint32_t check_place(struct manage_call *call) {
	const struct domain *domain = call->domain;

	if (strcmp(header.place, domain->name) != 0 || header.kind != domain->d->kind)
		return manage_refuse(call, MANAGE_INVALID,
				     "%s: expected a file for this place, found one for \"%s\"",
				     domain->name, header.place);
	if (!header.memory_pages || header.memory_pages > domain->d->memory_pages)
		return manage_refuse(call, MANAGE_LIMIT,
				     "%s: memory: expected at most %lu MiB, which the place has; "
				     "found %lu MiB",
				     domain->name, domain->d->memory_pages / 256,
				     header.memory_pages / 256);
	for (uint32_t i = 0; i < header.device_count; i++)
		if (plug_find(domain, header.device[i]) == description.plug_count)
			return manage_refuse(
				call, MANAGE_LIMIT,
				"%s: devices: found \"%s\", expected a disk or VIF that "
				"the description gives this place",
				domain->name, header.device[i]);
	return MANAGE_OK;
}

/* --- filling a place --- */

static const char *take_part(const struct program *file, const struct define_part *part,
			     struct define_file *to) {
	if (part->module[0]) return from_module(part->module, to);
	*to = (struct define_file){.mfn = file->mfn + part->offset / PAGE_SIZE, .size = part->size};
	return NULL;
}

static const char *fill_guest(struct domain *domain, struct brought *brought) {
	const char *why = take_part(brought->file, &header.image, &brought->image);

	if (why || !brought->image.size) return "its kernel is neither brought nor a boot module";
	why = take_part(brought->file, &header.initrd, &brought->initrd);
	if (why) return "its initrd is neither brought nor a boot module";
	return build_guest_check(domain);
}

static const char *fill_native(struct domain *domain, struct brought *brought, uint32_t *status) {
	const char *why;

	*status = MANAGE_BAD_PACKAGE;
	if (!header.image.size) return "it brings no program";
	why = program_from_file(brought->file, header.image.offset, header.image.size);
	if (why) return why;
	why = fit_check(domain, &brought->file->package, status);
	if (!why) domain->program = program_hold(brought->file);
	return why;
}

/* All that was brought goes. */
static void empty(struct domain *domain) {
	struct brought *brought = domain->brought;

	if (is_native(domain)) {
		void *boat = domain->d->lifeboat_pages
				     ? pages_map(domain->lifeboat_mfn, domain->d->lifeboat_pages)
				     : NULL;

		program_drop(domain->program);
		program_drop(domain->previous);
		domain->program = domain->previous = NULL;
		/* The next one is nobody's successor. */
		if (boat) {
			memset(boat, 0, domain->d->lifeboat_pages * PAGE_SIZE);
			pages_unmap(boat, domain->d->lifeboat_pages);
		}
	}
	domain->brought = NULL;
	domain_as_described(domain);
	program_drop(brought->file);
	*brought = (struct brought){0};
	plug_restore(domain);
}

/* Whoever comes next has no past. */
static void forget(struct domain *domain) {
	domain_as_described(domain);
	domain->restarts = domain->restarts_total = domain->doublings = 0;
	domain->window_start = 0;
	story_forget(domain);
	death_forget(domain);
}

static const char *fill(struct domain *domain, struct program *file, uint32_t *status) {
	struct brought *brought = table;
	const char *why;

	/* The description has no more places than that. */
	while (brought->file) brought++;
	forget(domain);
	*brought = (struct brought){.d = *domain->d, .file = file};
	brought->d.memory_pages = header.memory_pages;
	memcpy(brought->cmdline, header.cmdline, sizeof(brought->cmdline));
	memcpy(brought->label, header.label, sizeof(brought->label));
	domain->d = &brought->d;
	domain->cmdline = brought->cmdline;
	domain->brought = brought;
	*status = MANAGE_INVALID;
	why = is_guest(domain) ? fill_guest(domain, brought) : fill_native(domain, brought, status);
	if (why) empty(domain);
	return why;
}

static void plug_devices(const struct domain *domain) {
	for (uint32_t i = 0; i < description.plug_count; i++) {
		const char *name = description_string(&description, description.plugs[i].name);
		bool in = false;

		if (description.plugs[i].guest != domain->index) continue;
		for (uint32_t n = 0; n < header.device_count; n++)
			in |= !strcmp(header.device[n], name);
		if (in != plug_is_wanted(i)) plug_want(i, in);
	}
}

/* --- requests --- */

static uint32_t refuse_no_place(struct manage_call *call) {
	char names[256] = "";

	for (uint32_t i = 1; i < description.domain_count; i++) {
		size_t length = strlen(names);

		if (define_is_empty(&domains[i]))
			rt_format(names + length, sizeof(names) - length, " %s", domains[i].name);
	}
	return manage_refuse(call, MANAGE_STATE,
			     "%s: expected a place of the description (place = true), found one "
			     "with a program of its own; empty places:%s",
			     call->domain->name, names[0] ? names : " none");
}

static uint32_t start(struct manage_call *call) {
	struct domain *domain = call->domain;
	struct manage_story story;

	plug_devices(domain);
	supervise_start_again(domain);
	domain->restarts_total = 0; /* that was the first one */
	if (domain->stage != STAGE_IDLE) return MANAGE_OK;
	story_read(domain, &story);
	empty(domain);
	return manage_refuse(call, MANAGE_FAILED, "%s: %s: %s; all is as it was before",
			     domain->name, story.what, story.found);
}

uint32_t manage_define(struct manage_call *call) {
	struct domain *domain = call->domain;
	struct program *file;
	uint64_t size;
	uint32_t status;
	const char *why;

	if (!domain->index || !is_place(domain)) return refuse_no_place(call);
	if (domain->brought || domain->stage != STAGE_IDLE)
		return manage_refuse(call, MANAGE_STATE,
				     "%s: it is %s, and taken: destroy and undefine what is there",
				     domain->name, stage_name(domain));
	file = program_upload_take(&size);
	if (!file) return manage_refuse(call, MANAGE_INVALID, "nothing was uploaded before");
	why = check_header(file, size);
	status = why ? manage_refuse(call, MANAGE_INVALID, "%s: the file: %s", domain->name, why)
		     : check_place(call);
	if (status) {
		program_drop(file);
		return status;
	}
	why = fill(domain, file, &status);
	if (why) return manage_refuse(call, status, "%s: %s", domain->name, why);
	return start(call);
}

uint32_t manage_undefine(struct manage_call *call) {
	struct domain *domain = call->domain;

	if (!domain->index || !is_place(domain)) return refuse_no_place(call);
	if (!domain->brought)
		return manage_refuse(call, MANAGE_STATE, "%s: it is empty already", domain->name);
	if (domain->stage != STAGE_IDLE)
		return manage_refuse(call, MANAGE_STATE, "%s: it is %s; destroy it first",
				     domain->name, stage_name(domain));
	empty(domain);
	forget(domain);
	return MANAGE_OK;
}
