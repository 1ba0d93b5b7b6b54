/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The program store: what native domains run. A program is a package (proto/package.h)
 * that was looked at once, when it was accepted; it lies in a boot module, or in pages
 * of root's if it was uploaded. Several domains may run the same one. A domain holds the
 * program that it runs and the one that it may fall back to; an upload that nobody
 * holds any more gives its pages back. Boot modules stay.
 */
#ifndef SERVERS_ROOT_PROGRAM_H
#define SERVERS_ROOT_PROGRAM_H

#include "libs/package/package.h"
#include "libs/rt/rt.h"

#define PROGRAM_MAX 96U

struct program {
	struct package package;           /* a copy; magic 0: none, as long as it is only bytes */
	const struct boot_module *module; /* NULL: uploaded */
	uint64_t mfn;                     /* of the file, contiguous */
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
const uint8_t *program_map(const struct program *program, uint64_t *size);

/* --- uploads, one at a time --- */

/* Pages for so many bytes; what was uploaded before and not used is forgotten. NULL, or why not. */
const char *program_upload_begin(uint64_t size);
/* Some of its bytes, in any order. NULL, or why not. */
const char *program_upload_data(uint64_t offset, const void *data, uint32_t size);
/*
 * All has been sent: a program, held for the caller. NULL: it is no package, was
 * altered, or is not signed though the description demands that.
 */
struct program *program_upload_end(const char **why);
/* All has been sent: bytes, of which nothing is known, held for the caller. NULL: none were. */
struct program *program_upload_take(uint64_t *size);
/* A part of such bytes, whole pages from `offset` on, is the program. NULL, or why it is none. */
const char *program_from_file(struct program *file, uint64_t offset, uint64_t size);

#endif
