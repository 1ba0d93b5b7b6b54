/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The program store: what native domains run. A program has a name, and is either a
 * boot module or was uploaded into pages of root's; several domains may run the same
 * one. A domain holds the program that it runs, and the one that it may fall back to;
 * an upload that nobody holds any more gives its pages back. Boot modules stay.
 */
#ifndef SERVERS_ROOT_PROGRAM_H
#define SERVERS_ROOT_PROGRAM_H

#include "libs/rt/rt.h"
#include "proto/native.h"

#define PROGRAM_MAX  96U
#define PROGRAM_NAME 32U

struct program {
	char name[PROGRAM_NAME];          /* "": this place is free */
	const struct boot_module *module; /* NULL: uploaded */
	uint64_t mfn, size;               /* of the file; contiguous */
	uint32_t holders;
};

/*
 * The boot module of that name, held once more for the caller. NULL: there is none, or
 * it is no program; *why says so.
 */
struct program *program_open(const char *name, const char **why);
struct program *program_hold(struct program *program);
void program_drop(struct program *program); /* NULL: nothing happens */

/* Its native image and how long that is, mapped until space_unmap_modules(). NULL: cannot. */
const uint8_t *program_map(struct program *program, uint64_t *size);

#endif
