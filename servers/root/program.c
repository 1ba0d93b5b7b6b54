/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An upload grows in pages that root owns and maps only while it writes or reads them.
 * It is checked in place when it is whole, and by then nobody else can change it. Boot
 * modules are not asked for a signature: they come by the same way as root and the key.
 */
#include "program.h"

#include "memory.h"
#include "proto/define.h"
#include "root.h"
#include "space.h"

#define HEADER_PAGES (PACKAGE_HEADER / PAGE_SIZE)

static struct program programs[PROGRAM_MAX];

static struct {
	struct program *program; /* NULL: none is under way */
	uint64_t size;
} upload;

static struct program *find(const struct boot_module *module) {
	for (uint32_t i = 0; i < PROGRAM_MAX; i++)
		if (programs[i].module == module) return &programs[i];
	return NULL;
}

static struct program *free_place(void) {
	for (uint32_t i = 0; i < PROGRAM_MAX; i++)
		if (!programs[i].package.magic && !programs[i].holders &&
		    &programs[i] != upload.program)
			return &programs[i];
	return NULL;
}

/* Reads and checks the file, all of which is mapped; then it is a program. */
static const char *accept(struct program *program, const uint8_t *file, uint64_t size) {
	struct package *package = &program->package;
	const char *why = "it is too short";

	if (size >= sizeof(*package)) {
		memcpy(package, file, sizeof(*package));
		why = package_check(package, size);
	}
	if (!why && !package_intact(package, file + PACKAGE_HEADER))
		why = "it was altered: its digest is wrong";
	if (!why && !program->module && description.key)
		why = package_signed_by(package, description.key);
	if (why) package->magic = 0;
	return why;
}

struct program *program_open(const char *name, const char **why) {
	const struct boot_module *module = module_find(name);
	struct program *program = module ? find(module) : NULL;
	const uint8_t *file;

	if (program) return program_hold(program);
	program = free_place();
	*why = !module    ? "its program is not among the boot modules"
	       : !program ? "there are too many programs"
			  : NULL;
	if (*why) return NULL;
	*program = (struct program){.module = module, .mfn = module->mfn};
	file = module_map(module, 0);
	*why = file ? accept(program, file, module->size) : "its program cannot be mapped";
	space_unmap_modules();
	if (!*why) return program_hold(program);
	program->module = NULL;
	return NULL;
}

struct program *program_hold(struct program *program) {
	program->holders++;
	return program;
}

static void give_back(struct program *program) {
	uint16_t owner = MEMORY_PROGRAM(program - programs);

	if (memory_reclaim(owner)) rt_panic("pages of a program are in use by nobody known");
	memory_release(owner);
	program->package.magic = 0;
}

void program_drop(struct program *program) {
	if (program && !--program->holders && !program->module) give_back(program);
}

const uint8_t *program_map(const struct program *program, uint64_t *size) {
	uint64_t pages = DIV_UP(program->package.image_size, PAGE_SIZE);

	*size = program->package.image_size;
	return space_map_module(0, program->mfn + HEADER_PAGES, pages);
}

/* --- uploads --- */

const char *program_upload_begin(uint64_t size) {
	struct extent *extent;
	struct program *program;

	if (upload.program) give_back(upload.program);
	upload.program = NULL;
	if (size < PACKAGE_HEADER || size > DEFINE_MOST) return "it is too short or too long";
	program = free_place();
	if (!program) return "there are too many programs";
	extent = memory_take_one(MEMORY_PROGRAM(program - programs), 0, DIV_UP(size, PAGE_SIZE));
	if (!extent) return "there is no memory for it in one piece";
	*program = (struct program){.mfn = extent->mfn};
	if (memory_give_self(extent)) {
		give_back(program);
		return "its memory cannot be prepared";
	}
	upload.program = program;
	upload.size = size;
	return NULL;
}

const char *program_upload_data(uint64_t offset, const void *data, uint32_t size) {
	uint64_t mfns[SPACE_CHUNK_PAGES], first = offset / PAGE_SIZE;
	uint64_t pages = DIV_UP(offset % PAGE_SIZE + size, PAGE_SIZE);

	if (!upload.program) return "no upload has been begun";
	if (offset > upload.size || size > upload.size - offset)
		return "it lies outside of the upload";
	if (pages > SPACE_CHUNK_PAGES) return "it is too much at once";
	if (!size) return NULL;
	for (uint64_t i = 0; i < pages; i++) mfns[i] = upload.program->mfn + first + i;
	if (space_map_chunk(mfns, (uint32_t)pages)) return "its memory cannot be mapped";
	memcpy((uint8_t *)space_chunk() + offset % PAGE_SIZE, data, size);
	space_unmap_chunk();
	return NULL;
}

struct program *program_upload_end(const char **why) {
	struct program *program = upload.program;
	const uint8_t *file;

	*why = "no upload has been begun";
	if (!program) return NULL;
	upload.program = NULL;
	file = space_map_module(0, program->mfn, DIV_UP(upload.size, PAGE_SIZE));
	*why = file ? accept(program, file, upload.size) : "it cannot be mapped";
	space_unmap_modules();
	if (!*why) return program_hold(program);
	give_back(program);
	return NULL;
}

struct program *program_upload_take(uint64_t *size) {
	struct program *program = upload.program;

	upload.program = NULL;
	*size = upload.size;
	return program ? program_hold(program) : NULL;
}

const char *program_from_file(struct program *file, uint64_t offset, uint64_t size) {
	uint64_t mfn = file->mfn + offset / PAGE_SIZE;
	const uint8_t *at = space_map_module(0, mfn, DIV_UP(size, PAGE_SIZE));
	const char *why = at ? accept(file, at, size) : "it cannot be mapped";

	space_unmap_modules();
	if (!why) file->mfn = mfn;
	return why;
}
