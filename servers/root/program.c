/* SPDX-License-Identifier: BSD-2-Clause */
#include "program.h"

#include "memory.h"
#include "root.h"
#include "space.h"

static struct program programs[PROGRAM_MAX];

static struct program *find(const char *name) {
	for (uint32_t i = 0; i < PROGRAM_MAX; i++)
		if (programs[i].module && !strcmp(programs[i].name, name)) return &programs[i];
	return NULL;
}

static struct program *free_place(void) {
	for (uint32_t i = 0; i < PROGRAM_MAX; i++)
		if (!programs[i].name[0]) return &programs[i];
	return NULL;
}

struct program *program_open(const char *name, const char **why) {
	const struct boot_module *module = module_find(name);
	struct program *program = find(name);

	if (program) return program_hold(program);
	program = free_place();
	*why = !module    ? "its image is not among the boot modules"
	       : !program ? "there are too many programs"
			  : NULL;
	if (*why) return NULL;
	*program = (struct program){.module = module, .mfn = module->mfn, .size = module->size};
	rt_strcopy(program->name, name, sizeof(program->name));
	return program_hold(program);
}

struct program *program_hold(struct program *program) {
	program->holders++;
	return program;
}

void program_drop(struct program *program) {
	uint16_t owner;

	if (!program || --program->holders || program->module) return;
	owner = MEMORY_PROGRAM(program - programs);
	if (memory_reclaim(owner)) rt_panic("pages of a program are in use by nobody known");
	memory_release(owner);
	program->name[0] = '\0';
}

const uint8_t *program_map(struct program *program, uint64_t *size) {
	*size = program->size;
	if (program->module) return module_map(program->module, 0);
	return space_map_module(0, program->mfn, DIV_UP(program->size, PAGE_SIZE));
}
